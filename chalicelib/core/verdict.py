"""What the destination shows about a row, whatever any answer said."""

from dataclasses import replace
from enum import StrEnum

from chalicelib.core.identity import Match, recognise
from chalicelib.core.model import ObjectFacts, Outcome, Row, RowOutcome, Verification


class Undecided(StrEnum):
    """The destination still is as planned: nobody has published this row."""

    UNDECIDED = "UNDECIDED"


def pinned_source(row: Row) -> ObjectFacts:
    """The source as pinned in the row, for comparison with a destination. CopyObject and our uploads keep its bytes
    only, so the encryption is not claimed to be known."""
    return ObjectFacts(
        key=row.key, size=row.size, etag=row.etag, checksum=row.checksum, version_id=row.version_id, encryption=None
    )


def pin_of(row: Row) -> str:
    """Which version of a key: its VersionId, or ETag and LastModified where the bucket keeps no versions (the same
    bytes dropped again are a new delivery)."""
    return row.version_id if row.version_id not in (None, "null") else f"{row.etag}@{row.modified_ms}"


def is_pinned(row: Row, source: ObjectFacts) -> bool:
    """Tell whether the source's newest version is still the one that the row pins: by its VersionId, or by ETag and
    LastModified where the bucket keeps no versions."""
    if row.version_id not in (None, "null"):
        return source.version_id == row.version_id
    return (source.etag, source.last_modified_ms) == (row.etag, row.modified_ms)


def verdict(row: Row, destination: ObjectFacts | None) -> RowOutcome | Undecided:
    """Decide a row by HEAD of its destination.

    The pinned source lies there -> COPIED, whoever put it. What was there at planning -> undecided. Anything else is
    somebody else's -> conflict; so is an object that can't be told apart (UNKNOWN): it is not claimed as ours.
    """
    if destination is not None:
        match = recognise(pinned_source(row), destination)
        if match.same:
            return copied(row, destination, match)
        if destination.etag != row.expect:
            return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, _conflict(match), destination.etag)
        return Undecided.UNDECIDED
    if row.expect is None:
        return Undecided.UNDECIDED
    return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, "the object that was to be replaced is gone")


def deletion(row: Row, destination: ObjectFacts | None) -> RowOutcome | Undecided:
    """Decide a row to DELETE by HEAD of its destination. Nothing there -> DELETED, whoever did it: perhaps we, and the
    answer was lost. Another object -> somebody has put it there since, and it stays."""
    if destination is None:
        return RowOutcome(row.key, Outcome.DELETED, etag=row.expect)
    if destination.etag == row.expect:
        return Undecided.UNDECIDED
    detail = "another object is at the destination than when this was planned: it stays"
    return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, detail, destination.etag)


def verified_deletion(row: Row, claimed: RowOutcome, destination: ObjectFacts | None) -> RowOutcome:
    """Verification of a row that the copy step called DELETED, or KEPT: another worker, who looked before the object
    appeared at the source, may have deleted it all the same."""
    found = deletion(row, destination)
    if claimed.outcome is Outcome.KEPT:
        return claimed if destination is not None else replace(claimed, outcome=Outcome.DELETED)
    if isinstance(found, Undecided):
        detail = "deleted, but the same object was there again when verified"
        return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, detail, row.expect)
    if found.outcome is Outcome.DELETED:
        return claimed
    return replace(claimed, detail="deleted; somebody has put another object there since")


def copied(row: Row, destination: ObjectFacts, match: Match) -> RowOutcome:
    return RowOutcome(
        row.key,
        Outcome.COPIED,
        etag=destination.etag,
        version_id=destination.version_id,
        checksum=destination.checksum if match is Match.SAME_BY_CHECKSUM else None,
        verification=match.verification,
    )


def verified(row: Row, claimed: RowOutcome, destination: ObjectFacts | None) -> RowOutcome | None:
    """Verification of a row that the copy step called COPIED, against an independent look at the destination.

    Returns the final outcome, or None where these facts can't tell and a HEAD with checksums is needed.
    """
    if destination is None:
        return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, "copied, but gone when verified: deleted by others")
    match = recognise(pinned_source(row), destination)
    if match.same:
        return copied(row, destination, match)
    if match is Match.UNKNOWN and destination.encryption is None:
        return None
    if match is Match.UNKNOWN and claimed.etag == destination.etag:
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
