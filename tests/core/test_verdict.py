"""What the destination shows about a row, whatever any answer said."""

from dataclasses import replace

import pytest

from chalicelib.core.model import (
    Checksum,
    ChecksumType,
    Method,
    ObjectFacts,
    Outcome,
    Row,
    RowOutcome,
    Verification,
)
from chalicelib.core.verdict import Undecided, verdict, verified

A, B, C = "a" * 32, "b" * 32, "c" * 32
CRC = Checksum("CRC64NVME", ChecksumType.FULL_OBJECT, "x")
OTHER_CRC = replace(CRC, value="y")
ROW = Row("in/key", "out/key", 5, A, None, Method.COPY)
COPIED = RowOutcome("in/key", Outcome.COPIED, etag=B)


def there(etag: str, size: int = 5, checksum: Checksum | None = None, encryption: str | None = "AES256") -> ObjectFacts:
    return ObjectFacts("out/key", size, etag, checksum=checksum, encryption=encryption, version_id="v")


@pytest.mark.parametrize(
    ("row", "destination", "outcome"),
    [
        # Planned to be new.
        (ROW, None, None),
        (ROW, there(A), Outcome.COPIED),
        (ROW, there(B), Outcome.DESTINATION_CONFLICT),
        (ROW, there(A, size=6), Outcome.DESTINATION_CONFLICT),
        # Planned to replace B.
        (replace(ROW, expect=B), there(B), None),
        (replace(ROW, expect=B), there(A), Outcome.COPIED),
        (replace(ROW, expect=B), there(C), Outcome.DESTINATION_CONFLICT),
        (replace(ROW, expect=B), None, Outcome.DESTINATION_CONFLICT),
        # Planned to replace the same (mode always): it is what was asked for.
        (replace(ROW, expect=A), there(A), Outcome.COPIED),
        # ETags can't agree: the checksum tells ours from others.
        (replace(ROW, checksum=CRC), there(B, checksum=CRC, encryption="aws:kms"), Outcome.COPIED),
        (replace(ROW, checksum=CRC), there(B, checksum=OTHER_CRC, encryption="aws:kms"), Outcome.DESTINATION_CONFLICT),
        (replace(ROW, expect=B, checksum=CRC), there(B, checksum=OTHER_CRC, encryption="aws:kms"), None),
        # Not to be told apart: not claimed as ours.
        (ROW, there(B, encryption="aws:kms"), Outcome.DESTINATION_CONFLICT),
        (replace(ROW, expect=B), there(B, encryption="aws:kms"), None),
    ],
)
def test_verdicts(row: Row, destination: ObjectFacts | None, outcome: Outcome | None) -> None:
    found = verdict(row, destination)
    if outcome is None:
        assert found is Undecided.UNDECIDED
    else:
        assert isinstance(found, RowOutcome)
        assert found.outcome is outcome
        assert (found.detail == "") == (outcome is Outcome.COPIED), "trouble is explained"


def test_copied_keeps_the_evidence() -> None:
    by_etag = verdict(ROW, there(A))
    assert by_etag == RowOutcome("in/key", Outcome.COPIED, "", A, "v", None, Verification.ETAG)
    by_checksum = verdict(replace(ROW, checksum=CRC), there(B, checksum=CRC))
    assert by_checksum == RowOutcome("in/key", Outcome.COPIED, "", B, "v", CRC, Verification.CHECKSUM)


@pytest.mark.parametrize(
    ("row", "destination", "outcome", "verification"),
    [
        (ROW, there(A), Outcome.COPIED, Verification.ETAG),
        (ROW, there(A, encryption=None), Outcome.COPIED, Verification.ETAG),
        (ROW, None, Outcome.DESTINATION_CONFLICT, Verification.NONE),
        (ROW, there(B, size=6), Outcome.DESTINATION_CONFLICT, Verification.NONE),
        (ROW, there(C), Outcome.DESTINATION_CONFLICT, Verification.NONE),
        (replace(ROW, checksum=CRC), there(B, checksum=CRC), Outcome.COPIED, Verification.CHECKSUM),
        (replace(ROW, checksum=CRC), there(B, checksum=OTHER_CRC), Outcome.DESTINATION_CONFLICT, Verification.NONE),
        # LIST shows neither encryption nor checksum: a HEAD is needed.
        (ROW, there(B, encryption=None), None, None),
        # The very ETag that our own publish answered with, and nothing else to compare: the size, and that is said.
        (ROW, there(B, encryption="aws:kms"), Outcome.COPIED, Verification.SIZE),
    ],
)
def test_verification(
    row: Row, destination: ObjectFacts | None, outcome: Outcome | None, verification: Verification | None
) -> None:
    found = verified(row, COPIED, destination)
    assert (None if found is None else (found.outcome, found.verification)) == (
        None if outcome is None else (outcome, verification)
    )


def test_only_the_size_agreeing_is_never_called_verified() -> None:
    found = verified(ROW, COPIED, there(B, encryption="aws:kms"))
    assert found is not None
    assert "only the size" in found.detail
