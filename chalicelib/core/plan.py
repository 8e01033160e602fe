"""What is to be done about one source object, decided from what LIST (and, where LIST can't tell, HEAD) showed."""

from dataclasses import dataclass, replace
from enum import StrEnum

from chalicelib.core import parts
from chalicelib.core.identity import Match, etag_parts, recognise
from chalicelib.core.model import (
    ChecksumType,
    Endpoint,
    Method,
    ObjectFacts,
    ObjectHead,
    Outcome,
    OverwriteMode,
    PartPlan,
    Row,
    RowOutcome,
)
from chalicelib.core.policy import COPY_OBJECT_MAX_BYTES, KEY_MAX_BYTES, Policy

ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes that can't be read without a restore (GLACIER_IR can)."""
MULTIPART_FULL_OBJECT_ALGORITHMS = frozenset({"CRC32", "CRC32C", "CRC64NVME"})
"""Only CRCs of parts add up to that of the whole: a FULL_OBJECT multipart upload of any other algorithm is refused
(S3 user guide, "Checking object integrity")."""


class Look(StrEnum):
    """What must be looked at before a row can be planned."""

    SOURCE = "SOURCE"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a key on both sides. The heads are None until looked at."""

    source: ObjectFacts
    destination: ObjectFacts | None
    source_head: ObjectHead | None = None
    source_parts: tuple[int, ...] = ()
    """The sizes of the source's own parts, where those matter and S3 told."""


def target_key(key: str, source_prefix: str, target_prefix: str) -> str:
    """The destination key: the prefix replaced. Keeps the keys' order."""
    return target_prefix + key.removeprefix(source_prefix)


def look_needed(
    sight: Sight,
    mode: OverwriteMode,
    source: Endpoint,
    policy: Policy,
    since_ms: int | None = None,
    *,
    strict: bool = False,
) -> Look | None:
    """Which HEADs a row can't be planned without. For most rows LIST is enough: None. For arguments see `plan_row`."""
    if _refusal(sight, target=""):
        return None
    if _written_since(sight, since_ms) and mode is OverwriteMode.ALWAYS:
        mode = OverwriteMode.IF_CHANGED
    if sight.destination is not None:
        if mode is OverwriteMode.NEVER:
            return None
        match = recognise(sight.source, sight.destination)
        if match.same and mode is not OverwriteMode.ALWAYS:
            return None
        listed = sight.source.encryption is None or sight.destination.encryption is None
        if match is Match.UNKNOWN and mode is not OverwriteMode.ALWAYS and listed:
            return Look.BOTH
    if sight.source_head is not None:
        return None
    plain_small = etag_parts(sight.source.etag) == 0 and sight.source.size <= policy.multipart_threshold_bytes
    by_parts = strict and sight.source.size > 0
    return None if plain_small and not source.website and not by_parts else Look.SOURCE


def plan_row(
    sight: Sight,
    target: str,
    mode: OverwriteMode,
    policy: Policy,
    since_ms: int | None = None,
    *,
    strict: bool = False,
) -> Row:
    """The row, once everything `look_needed` asked for has been looked at. May be decided already.

    `since_ms`: when its job was accepted, by the destination's own time, if the job may name a key twice. What was
    written there since may be the other row's copy, and must not be written again, whatever the mode.

    `strict`: only a copy that can be revoked will do (`CancelMode.STRICT`).
    """
    facts = sight.source_head.facts if sight.source_head else sight.source
    row = Row(
        key=sight.source.key,
        target=target,
        size=facts.size,
        etag=facts.etag,
        expect=sight.destination.etag if sight.destination else None,
        method=Method.NONE,
        version_id=facts.version_id,
        modified_ms=facts.last_modified_ms,
        storage_class=sight.source.storage_class,
        checksum=facts.checksum if facts.checksum and facts.checksum.value else None,
        redirect=sight.source_head.properties.redirect if sight.source_head else None,
    )
    decided = _refusal(sight, target) or _decide_by_mode(sight, mode, written_since=_written_since(sight, since_ms))
    if decided is not None:
        return replace(row, decided=decided)
    method, plan = _method(sight, policy, strict=strict)
    if strict and method is Method.COPY and facts.size > 0:
        return replace(row, decided=RowOutcome(row.key, Outcome.FAILED, _IRREVOCABLE))
    return replace(row, method=method, parts=plan)


_IRREVOCABLE = (
    "the job's cancel is strict, and without a full-object CRC at the source a multipart copy of this could not be "
    "verified: copy it by a job whose cancel is fast"
)


def _refusal(sight: Sight, target: str) -> RowOutcome | None:
    """Rows that S3 would refuse anyway."""
    if len(target.encode()) > KEY_MAX_BYTES:
        detail = f"the destination key would have {len(target.encode())} bytes, S3 allows {KEY_MAX_BYTES}"
        return RowOutcome(sight.source.key, Outcome.FAILED, detail)
    if sight.source.storage_class in ARCHIVE_CLASSES and not sight.source.restored:
        detail = f"in {sight.source.storage_class} and not restored: restore it, then retry"
        return RowOutcome(sight.source.key, Outcome.ARCHIVED, detail)
    return None


def _written_since(sight: Sight, since_ms: int | None) -> bool:
    return since_ms is not None and sight.destination is not None and sight.destination.last_modified_ms >= since_ms


def _decide_by_mode(sight: Sight, mode: OverwriteMode, *, written_since: bool) -> RowOutcome | None:
    """The destination exists: does the mode leave it alone?"""
    if sight.destination is None or (mode is OverwriteMode.ALWAYS and not written_since):
        return None
    if mode is OverwriteMode.NEVER:
        return RowOutcome(
            sight.source.key, Outcome.UNCHANGED, "exists at the destination; mode never", sight.destination.etag
        )
    source = sight.source_head.facts if sight.source_head else sight.source
    match = recognise(source, sight.destination)
    if match.same:
        return RowOutcome(
            sight.source.key,
            Outcome.UNCHANGED,
            etag=sight.destination.etag,
            version_id=sight.destination.version_id,
            checksum=sight.destination.checksum if match is Match.SAME_BY_CHECKSUM else None,
            verification=match.verification,
        )
    if written_since and match is Match.UNKNOWN:
        detail = "written since the job was accepted, perhaps by it, and it can't be told from this source"
        return RowOutcome(sight.source.key, Outcome.DESTINATION_CONFLICT, detail, sight.destination.etag)
    if mode is OverwriteMode.FAIL:
        return RowOutcome(
            sight.source.key,
            Outcome.DESTINATION_CONFLICT,
            "another object is at the destination; mode fail",
            sight.destination.etag,
        )
    return None


def _method(sight: Sight, policy: Policy, *, strict: bool) -> tuple[Method, PartPlan | None]:
    """One CopyObject, or parts. The order is that of what can be verified afterwards (design, section 5)."""
    facts = sight.source_head.facts if sight.source_head else sight.source
    small = facts.size <= policy.multipart_threshold_bytes and not strict
    if facts.size == 0:
        return Method.COPY, None
    checksum = facts.checksum
    if checksum is not None and checksum.type is ChecksumType.FULL_OBJECT:
        # Another algorithm's full-object checksum is of an object made by one request, so that one copy can take it.
        if small or checksum.algorithm not in MULTIPART_FULL_OBJECT_ALGORITHMS:
            return Method.COPY, None
        return Method.MULTIPART, parts.even_plan(facts.size, policy.part_size_bytes)
    if sight.source_parts:
        # No checksum to compare by: repeat the source's own boundaries, so that the ETags agree.
        return Method.MULTIPART, parts.plan_of_sizes(sight.source_parts)
    if facts.size <= COPY_OBJECT_MAX_BYTES:
        # A single-part source without checksum: only CopyObject keeps an ETag that can be compared.
        return Method.COPY, None
    return Method.MULTIPART, parts.even_plan(facts.size, policy.part_size_bytes)


def needs_part_sizes(head: ObjectHead) -> bool:
    """A multipart-born source without a full-object checksum can be verified only by its own part boundaries."""
    full = head.facts.checksum is not None and head.facts.checksum.type is ChecksumType.FULL_OBJECT
    return not full and bool(etag_parts(head.facts.etag))
