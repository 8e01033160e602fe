"""Decides whether a destination object is the pinned source. Plan, verdict and verify all use it.

It avoids these traps (S3 user guide, "Checking object integrity"). An ETag is an MD5 only for single-part objects in
plaintext or under SSE-S3. "-N" ETags depend on part boundaries, and CopyObject turns them into plain ones. Under
SSE-KMS and SSE-C, ETags are opaque although they look alike. So *equal* ETags prove equality, and *different* ETags
prove difference only between two plain MD5s of known encryption. Everything else needs checksums. Without checksums the
answer is UNKNOWN: never "same size, newer date".
"""

import re
from enum import StrEnum

from chalicelib.core.objects import Checksum, ChecksumType, ObjectFacts
from chalicelib.core.rows import Verification

_PLAIN = re.compile(r"[0-9a-f]{32}")
_MULTIPART = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,4})")
_MD5_ENCRYPTIONS = ("", "AES256")


class Match(StrEnum):
    SAME_BY_ETAG = "SAME_BY_ETAG"
    SAME_BY_CHECKSUM = "SAME_BY_CHECKSUM"
    DIFFERENT = "DIFFERENT"
    UNKNOWN = "UNKNOWN"
    """These facts are not enough to decide. If they came from LIST, do a HEAD of both objects. If they came from HEAD,
    it can't be decided."""

    @property
    def same(self) -> bool:
        return self in (Match.SAME_BY_ETAG, Match.SAME_BY_CHECKSUM)

    @property
    def verification(self) -> Verification:
        return {Match.SAME_BY_ETAG: Verification.ETAG, Match.SAME_BY_CHECKSUM: Verification.CHECKSUM}.get(
            self, Verification.NONE
        )


def etag_parts(etag: str) -> int | None:
    """Return 0 for an ETag shaped like an MD5, N for "-N", None for anything else."""
    if _PLAIN.fullmatch(etag):
        return 0
    multipart = _MULTIPART.fullmatch(etag)
    return int(multipart[1]) if multipart else None


def compare_checksums(left: Checksum | None, right: Checksum | None) -> bool | None:
    """Return True or False if the two are comparable, else None.

    Full-object checksums of one algorithm compare exactly. Composite ones depend on part boundaries: equal ones prove
    equality, different ones prove nothing.
    """
    if left is None or right is None or not left.value or not right.value:
        return None
    if (left.algorithm, left.type) != (right.algorithm, right.type):
        return None
    if left.value == right.value:
        return True
    return False if left.type is ChecksumType.FULL_OBJECT else None


def recognise(source: ObjectFacts, destination: ObjectFacts) -> Match:
    """Decide whether the object at the destination is the pinned source."""
    if source.size != destination.size:
        return Match.DIFFERENT
    if source.etag == destination.etag:
        return Match.SAME_BY_ETAG
    by_checksum = compare_checksums(source.checksum, destination.checksum)
    if by_checksum is not None:
        return Match.SAME_BY_CHECKSUM if by_checksum else Match.DIFFERENT
    both_plain = etag_parts(source.etag) == 0 and etag_parts(destination.etag) == 0
    if both_plain and source.encryption in _MD5_ENCRYPTIONS and destination.encryption in _MD5_ENCRYPTIONS:
        return Match.DIFFERENT
    return Match.UNKNOWN
