"""What the destination shows about a row decides, whatever any answer said."""

from dataclasses import replace

import pytest

from chalicelib.core.objects import Checksum, ChecksumType, ObjectFacts
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome, Verification
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
        # It was planned to be new.
        (ROW, None, None),
        (ROW, there(A), Outcome.COPIED),
        (ROW, there(B), Outcome.DESTINATION_CONFLICT),
        (ROW, there(A, size=6), Outcome.DESTINATION_CONFLICT),
        # It was planned to replace B.
        (replace(ROW, expected_target_etag=B), there(B), None),
        (replace(ROW, expected_target_etag=B), there(A), Outcome.COPIED),
        (replace(ROW, expected_target_etag=B), there(C), Outcome.DESTINATION_CONFLICT),
        (replace(ROW, expected_target_etag=B), None, Outcome.DESTINATION_CONFLICT),
        # It was planned to replace the same object (mode always), as requested.
        (replace(ROW, expected_target_etag=A), there(A), Outcome.COPIED),
        # ETags can't agree, so the checksum tells ours from others.
        (replace(ROW, checksum=CRC), there(B, checksum=CRC, encryption="aws:kms"), Outcome.COPIED),
        (replace(ROW, checksum=CRC), there(B, checksum=OTHER_CRC, encryption="aws:kms"), Outcome.DESTINATION_CONFLICT),
        (replace(ROW, expected_target_etag=B, checksum=CRC), there(B, checksum=OTHER_CRC, encryption="aws:kms"), None),
        # They can't be told apart, so it is not claimed as ours.
        (ROW, there(B, encryption="aws:kms"), Outcome.DESTINATION_CONFLICT),
        (replace(ROW, expected_target_etag=B), there(B, encryption="aws:kms"), None),
    ],
)
def test_verdicts(row: Row, destination: ObjectFacts | None, outcome: Outcome | None) -> None:
    decision = verdict(row, destination)
    if outcome is None:
        assert decision is Undecided.UNDECIDED
    else:
        assert isinstance(decision, RowOutcome)
        assert decision.outcome is outcome
        assert (decision.detail == "") == (outcome is Outcome.COPIED), "trouble is explained"


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
        # LIST shows neither encryption nor checksum, so a HEAD is needed.
        (ROW, there(B, encryption=None), None, None),
        # It is the very ETag that our publish returned. Nothing else but the size can be compared, and the row says so.
        (ROW, there(B, encryption="aws:kms"), Outcome.COPIED, Verification.SIZE),
    ],
)
def test_verification(
    row: Row, destination: ObjectFacts | None, outcome: Outcome | None, verification: Verification | None
) -> None:
    end = verified(row, COPIED, destination)
    assert (None if end is None else (end.outcome, end.verification)) == (
        None if outcome is None else (outcome, verification)
    )


def test_only_the_size_agreeing_is_never_called_verified() -> None:
    end = verified(ROW, COPIED, there(B, encryption="aws:kms"))
    assert end is not None
    assert "only the size" in end.detail
