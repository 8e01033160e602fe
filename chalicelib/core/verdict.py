"""Decides a row by what the destination shows, whatever any answer said."""

from dataclasses import replace
from enum import StrEnum

from chalicelib.core.identity import Match, recognise
from chalicelib.core.objects import ObjectFacts
from chalicelib.core.rows import Outcome, Row, RowOutcome, Verification


class Undecided(StrEnum):
    """The destination is still as planned: no worker has published this row."""

    UNDECIDED = "UNDECIDED"


def pinned_source(row: Row) -> ObjectFacts:
    """Return the source as pinned in the row, for comparison with a destination. CopyObject and our uploads keep only
    its bytes, so its encryption counts as unknown."""
    return ObjectFacts(
        key=row.key,
        size=row.size,
        etag=row.source_etag,
        checksum=row.checksum,
        version_id=row.version_id,
        encryption=None,
    )


def pin_of(row: Row) -> str:
    """Return which version of its key a row pins: the VersionId, or ETag and LastModified where the bucket keeps no
    versions. The same bytes written again are a new delivery."""
    return row.version_id if row.version_id not in (None, "null") else f"{row.source_etag}@{row.modified_ms}"


def is_pinned(row: Row, source: ObjectFacts) -> bool:
    """Tell whether the source's newest version is still the one that the row pins: by its VersionId, or by ETag and
    LastModified where the bucket keeps no versions."""
    if row.version_id not in (None, "null"):
        return source.version_id == row.version_id
    return (source.etag, source.last_modified_ms) == (row.source_etag, row.modified_ms)


def verdict(row: Row, destination: ObjectFacts | None) -> RowOutcome | Undecided:
    """Decide a row by HEAD of its destination.

    If the pinned source lies there, the row is COPIED, no matter who put it there. If the destination is as it was at
    planning, the row is undecided. Any other object is somebody else's: a conflict. An object that can't be told apart
    (UNKNOWN) is a conflict too: it is not claimed as ours.
    """
    if destination is not None:
        match = recognise(pinned_source(row), destination)
        if match.same:
            return copied(row, destination, match)
        if destination.etag != row.expected_target_etag:
            return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, _conflict(match), destination.etag)
        return Undecided.UNDECIDED
    if row.expected_target_etag is None:
        return Undecided.UNDECIDED
    return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, "the object that was to be replaced is gone")


def deletion(row: Row, destination: ObjectFacts | None) -> RowOutcome | Undecided:
    """Decide a row to DELETE by HEAD of its destination.

    If nothing is there, the row is DELETED, no matter who deleted the object: perhaps we did, and the answer was lost.
    If another object is there, somebody has put it there since, and it stays.
    """
    if destination is None:
        return RowOutcome(row.key, Outcome.DELETED, etag=row.expected_target_etag)
    if destination.etag == row.expected_target_etag:
        return Undecided.UNDECIDED
    detail = "another object is at the destination than when this was planned: it stays"
    return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, detail, destination.etag)


def verified_deletion(row: Row, recorded: RowOutcome, destination: ObjectFacts | None) -> RowOutcome:
    """Verify a row that the copy step called DELETED or KEPT: `recorded` is from its copy record. A KEPT object may be
    deleted all the same: by another worker, which looked at the source before the object appeared there."""
    decision = deletion(row, destination)
    if recorded.outcome is Outcome.KEPT:
        return recorded if destination is not None else replace(recorded, outcome=Outcome.DELETED)
    if isinstance(decision, Undecided):
        detail = "deleted, but the same object was there again when verified"
        return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, detail, row.expected_target_etag)
    if decision.outcome is Outcome.DELETED:
        return recorded
    return replace(recorded, detail="deleted; somebody has put another object there since")


def copied(row: Row, destination: ObjectFacts, match: Match) -> RowOutcome:
    return RowOutcome(
        row.key,
        Outcome.COPIED,
        etag=destination.etag,
        version_id=destination.version_id,
        checksum=destination.checksum if match is Match.SAME_BY_CHECKSUM else None,
        verification=match.verification,
    )


def verified(row: Row, recorded: RowOutcome, destination: ObjectFacts | None) -> RowOutcome | None:
    """Verify a row that the copy step called COPIED, by an independent look at the destination. `recorded` is from its
    copy record.

    Return the final outcome, or None if these facts can't tell and a HEAD with checksums is needed.
    """
    if destination is None:
        return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, "copied, but gone when verified: deleted by others")
    match = recognise(pinned_source(row), destination)
    if match.same:
        return copied(row, destination, match)
    if match is Match.UNKNOWN and destination.encryption is None:
        return None
    if match is Match.UNKNOWN and recorded.etag == destination.etag:
        # Our own publish answered with exactly this ETag, and neither side offers a comparable checksum.
        return RowOutcome(
            row.key,
            Outcome.COPIED,
            "neither ETag nor checksum can be compared: only the size is known to agree",
            destination.etag,
            destination.version_id,
            verification=Verification.SIZE,
        )
    detail = "copied, but another object was there when verified: overwritten by others"
    return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, detail, destination.etag)


def _conflict(match: Match) -> str:
    if match is Match.UNKNOWN:
        return "an object of the same size is there that can't be proven to be this source (no comparable checksum)"
    return "another object is at the destination than when this was planned"
