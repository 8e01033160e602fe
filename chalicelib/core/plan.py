"""Decides what to do about one source object, from what LIST showed and, where LIST is not enough, HEAD."""

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
from chalicelib.core.policy import COPY_OBJECT_MAX_BYTES, KEY_MAX_BYTES, OBJECT_MAX_BYTES, PARTS_MAX, Policy

ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes that can't be read without a restore (GLACIER_IR can)."""
MULTIPART_FULL_OBJECT_ALGORITHMS = frozenset({"CRC32", "CRC32C", "CRC64NVME"})
"""Only for CRCs does the checksum of the whole object follow from those of its upload parts. S3 refuses a FULL_OBJECT
multipart upload of any other algorithm (S3 user guide, "Checking object integrity")."""


class Look(StrEnum):
    """The objects that need a HEAD before a row can be planned."""

    SOURCE = "SOURCE"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True)
class Sight:
    """The object facts of both sides for one key. The heads are None until looked at."""

    source: ObjectFacts
    destination: ObjectFacts | None
    source_head: ObjectHead | None = None
    source_parts: tuple[int, ...] = ()
    """The sizes of the source's own upload parts, if they matter and S3 tells them."""


def target_key(key: str, source_prefix: str, target_prefix: str) -> str:
    """Return the destination key: the source prefix is replaced by the target prefix. The keys keep their order."""
    return target_prefix + key.removeprefix(source_prefix)


def look_needed(
    sight: Sight,
    mode: OverwriteMode,
    source: Endpoint,
    policy: Policy,
    since_ms: int | None = None,
    *,
    strict: bool = False,
    every_object: bool = False,
) -> Look | None:
    """Return which HEADs are needed before a row can be planned, or None. For most rows LIST is enough.

    `every_object`: each source that is to be copied gets a HEAD anyway, so that unreadable sources show before anything
    is copied. For the other arguments see `plan_row`.
    """
    if _refusal(sight, target="", policy=policy):
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
    return None if plain_small and not source.website and not by_parts and not every_object else Look.SOURCE


def plan_row(
    sight: Sight,
    target: str,
    mode: OverwriteMode,
    policy: Policy,
    since_ms: int | None = None,
    *,
    strict: bool = False,
) -> Row:
    """Return the row, once everything that `look_needed` asked for has been looked at. The row may be decided already.

    `since_ms`: when the job was accepted, by the destination's own clock, if the job may name a key twice. An object
    that was written there since may be the copy of the key's other row. It must not be written again, whatever the
    mode.

    `strict`: only a copy that can be revoked is permitted (`CancelMode.STRICT`).
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
    decided = _refusal(sight, target, policy) or _decide_by_mode(
        sight, mode, written_since=_written_since(sight, since_ms)
    )
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


def _refusal(sight: Sight, target: str, policy: Policy) -> RowOutcome | None:
    """Return the outcome of a row that S3 or the operator's policy would refuse anyway. None for all others."""
    if len(target.encode()) > KEY_MAX_BYTES:
        detail = f"the destination key would have {len(target.encode())} bytes, S3 allows {KEY_MAX_BYTES}"
        return RowOutcome(sight.source.key, Outcome.FAILED, detail)
    limit = min(policy.object_max_bytes, OBJECT_MAX_BYTES)
    if sight.source.size > limit:
        detail = f"it has {sight.source.size} bytes, and at most {limit} can be copied"
        return RowOutcome(sight.source.key, Outcome.FAILED, detail)
    if sight.source_head is not None and len(sight.source_parts) > PARTS_MAX:
        detail = f"it was made of {len(sight.source_parts)} parts, and S3 takes {PARTS_MAX}"
        return RowOutcome(sight.source.key, Outcome.FAILED, detail)
    if sight.source.storage_class in ARCHIVE_CLASSES and not sight.source.restored:
        detail = f"in {sight.source.storage_class} and not restored: restore it, then retry"
        return RowOutcome(sight.source.key, Outcome.ARCHIVED, detail)
    return None


def _written_since(sight: Sight, since_ms: int | None) -> bool:
    return since_ms is not None and sight.destination is not None and sight.destination.last_modified_ms >= since_ms


def _decide_by_mode(sight: Sight, mode: OverwriteMode, *, written_since: bool) -> RowOutcome | None:
    """Return the outcome if the mode leaves an existing destination object alone. None if the row is to be copied."""
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
    """Return one CopyObject, or a multipart copy with its part plan. The order of the cases follows from what can be
    verified afterwards (design, section 5)."""
    facts = sight.source_head.facts if sight.source_head else sight.source
    small = facts.size <= policy.multipart_threshold_bytes and not strict
    if facts.size == 0:
        return Method.COPY, None
    checksum = facts.checksum
    if checksum is not None and checksum.type is ChecksumType.FULL_OBJECT:
        # A full-object checksum of another algorithm is of an object made by one request, so one CopyObject can copy
        # it.
        if small or checksum.algorithm not in MULTIPART_FULL_OBJECT_ALGORITHMS:
            return Method.COPY, None
        return Method.MULTIPART, parts.even_plan(facts.size, policy.part_size_bytes)
    if sight.source_parts:
        # There is no checksum to compare: repeat the source's own part boundaries, so that the ETags agree.
        return Method.MULTIPART, parts.plan_of_sizes(sight.source_parts)
    if facts.size <= COPY_OBJECT_MAX_BYTES:
        # A single-part source without checksum: only CopyObject keeps an ETag that can be compared.
        return Method.COPY, None
    return Method.MULTIPART, parts.even_plan(facts.size, policy.part_size_bytes)


def needs_part_sizes(head: ObjectHead) -> bool:
    """Tell whether the sizes of the source's upload parts are needed. A multipart-born source without a full-object
    checksum can be verified only if the copy has the same part boundaries."""
    full = head.facts.checksum is not None and head.facts.checksum.type is ChecksumType.FULL_OBJECT
    return not full and bool(etag_parts(head.facts.etag))
