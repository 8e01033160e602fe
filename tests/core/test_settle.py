"""How a job ends: the fold over its receipts, and when it may end."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.desired_state import AS_SUBMITTED
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.ids import partition_id_of
from chalicelib.core.jobs import JobKind, JobSpec, JobState
from chalicelib.core.manifests import Receipt
from chalicelib.core.objects import Bucket
from chalicelib.core.rows import Outcome, OverwriteMode, RowOutcome, Verification
from chalicelib.core.settle import (
    CANCELLED,
    CHAIN_START,
    ReceiptFold,
    chain,
    complete,
    may_be_complete,
    ranges_of,
    terminal,
)

GOOD = (Outcome.COPIED, Verification.ETAG)
SIZE = (Outcome.COPIED, Verification.SIZE)
UNPROVEN = (Outcome.COPIED, Verification.NONE)
SAME = (Outcome.UNCHANGED, Verification.ETAG)
KEPT = (Outcome.UNCHANGED, Verification.NONE)
BAD = (Outcome.FAILED, Verification.NONE)
GONE = (Outcome.SOURCE_GONE, Verification.NONE)
STOPPED = (Outcome.CANCELLED, Verification.NONE)

Rows = list[tuple[Outcome, Verification]]


def receipt(partition_id: str, rows: Rows, *, last: bool = True, error: str = "") -> Receipt:
    outcomes = tuple(RowOutcome(f"k{i}", outcome, verification=v) for i, (outcome, v) in enumerate(rows))
    return Receipt("job", partition_id, "east", "sha", outcomes, 10, 7, last, error, 0, 1, f"nonce-{partition_id}")


def receipt_fold(*receipts: Receipt) -> ReceiptFold:
    fold = ReceiptFold()
    for record in receipts:
        fold.add(record, record.nonce.encode())
    return fold


@pytest.mark.parametrize(
    ("rows", "error", "cancelled", "state", "reason"),
    [
        ([], "", False, JobState.SUCCEEDED, "there was nothing under this prefix"),
        ([GOOD, SAME], "", False, JobState.SUCCEEDED, ""),
        ([SAME, KEPT], "", False, JobState.SUCCEEDED, ""),
        ([GOOD, BAD, GONE], "", False, JobState.PARTIAL, "2 of 3 objects were not delivered"),
        ([BAD, GONE], "", False, JobState.FAILED, "2 of 2 objects were not delivered"),
        ([SIZE, GOOD], "", False, JobState.PARTIAL, "1 objects were copied, but only their size could be checked"),
        ([UNPROVEN], "", False, JobState.PARTIAL, "1 objects were copied, but only their size could be checked"),
        ([], "can't list", False, JobState.FAILED, "can't list"),
        ([GOOD], "can't list", False, JobState.PARTIAL, "can't list"),
        ([BAD], "can't list", False, JobState.FAILED, "can't list"),
        ([GOOD, STOPPED], "", True, JobState.CANCELLED, "cancelled by request; 1 objects had been delivered"),
        ([GOOD], CANCELLED, True, JobState.CANCELLED, "cancelled by request; 1 objects had been delivered"),
        # The cancel came when all was done.
        ([GOOD, SAME], "", True, JobState.SUCCEEDED, ""),
        ([GOOD, BAD], "", True, JobState.PARTIAL, "1 of 2 objects were not delivered"),
    ],
)
def test_the_state_and_its_reason(rows: Rows, error: str, cancelled: bool, state: JobState, reason: str) -> None:
    assert receipt_fold(receipt("r-000001", rows, error=error)).outcome(cancelled) == (state, reason)


def test_totals() -> None:
    fold = receipt_fold(receipt("r-000001", [GOOD, SAME], last=False), receipt("r-000002", [BAD, GOOD]))
    assert (fold.planned, fold.partitions, fold.bytes_planned, fold.bytes_copied) == (4, 2, 20, 14)
    assert dict(fold.counts) == {Outcome.COPIED: 2, Outcome.UNCHANGED: 1, Outcome.FAILED: 1}
    assert fold.closed == {"r"}


def test_rows_set_aside_count_where_they_end() -> None:
    """Such a row counts once, and the job waits for it."""
    set_aside = (Outcome.SET_ASIDE, Verification.NONE)
    parent, aside = receipt("r-000001", [GOOD, set_aside]), receipt("r-000001w", [BAD], last=False)
    fold = receipt_fold(parent, aside)
    assert (fold.planned, dict(fold.counts)) == (2, {Outcome.COPIED: 1, Outcome.FAILED: 1})
    assert dict(fold.verification) == {Verification.ETAG: 1, Verification.NONE: 1}
    assert fold.outcome(False) == (JobState.PARTIAL, "1 of 2 objects were not delivered")
    assert not may_be_complete({"r-000001", "r-000001w"}, {"r-000001"})
    assert may_be_complete({"r-000001", "r-000001w"}, {"r-000001", "r-000001w"})


def test_a_receipt_of_rows_that_all_ended_elsewhere_tells_nothing() -> None:
    late = receipt("r-000001w", [(Outcome.SET_ASIDE, Verification.NONE)])
    assert receipt_fold(receipt("r-000001", [GOOD]), late) == receipt_fold(receipt("r-000001", [GOOD]))


def test_the_terminal_record_says_it_all() -> None:
    endpoint = Endpoint("e", "acme", Bucket("b", "us-gov-east-1"), "", readable=True, writable=True)
    spec = JobSpec(
        "job",
        "acme",
        JobKind.PREFIX,
        endpoint,
        endpoint,
        "",
        "",
        OverwriteMode.IF_CHANGED,
        "us-gov-west-1",
        5,
        "digest",
    )
    end = terminal(
        spec, receipt_fold(receipt("r-000001", [GOOD])), desired_state=AS_SUBMITTED, region="east", now_ms=9, nonce="n"
    )
    assert (end.state, end.planned, end.partitions, end.created_ms, end.settled_ms) == (JobState.SUCCEEDED, 1, 1, 5, 9)
    assert end.verification == {Verification.ETAG: 1}
    assert end.chain_sha256 == chain(CHAIN_START, hashlib.sha256(b"nonce-r-000001").hexdigest())


def test_the_chain_depends_on_every_receipt_and_their_order() -> None:
    first, second = receipt("r-000001", [GOOD]), receipt("r-000002", [GOOD])
    heads = {
        receipt_fold().head,
        receipt_fold(first).head,
        receipt_fold(second).head,
        receipt_fold(first, second).head,
        receipt_fold(second, first).head,
    }
    assert len(heads) == 5


# --- when a job is complete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "range_splits", "closed", "expected"),
    [
        (set(), set(), set(), False),
        ({"r-000001"}, set(), set(), False),
        ({"r-000001"}, set(), {"r"}, True),
        ({"r-000001", "r-000002"}, set(), {"r"}, True),
        ({"r-000001"}, {"r-000001"}, set(), False),
        ({"r-000001", "r0-000001"}, {"r-000001"}, {"r0"}, False),
        ({"r-000001", "r0-000001", "r1-000001"}, {"r-000001"}, {"r0"}, False),
        ({"r-000001", "r0-000001", "r1-000001"}, {"r-000001"}, {"r0", "r1"}, True),
        ({"r-000001", "r0-000001", "r1-000001"}, {"r-000001", "r1-000001"}, {"r0"}, False),
        ({"r0-000001"}, set(), {"r0"}, False),
    ],
)
def test_complete(entries: set[str], range_splits: set[str], closed: set[str], expected: bool) -> None:
    assert complete(entries, range_splits, closed) is expected


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[str], set[str], set[str]]:
    """Draw a job as splitters make it: its entries in the order of their making, the range splits, and the entries that
    close a range."""
    entries: list[str] = []
    range_splits: set[str] = set()
    closing: set[str] = set()
    todo = ["r"]
    while todo:
        name = todo.pop()
        length = draw(st.integers(1, 3))
        entries += [partition_id_of(name, ordinal) for ordinal in range(1, length + 1)]
        if len(name) < 4 and draw(st.booleans()):
            range_splits.add(entries[-1])
            todo += [f"{name}0", f"{name}1"]
        else:
            closing.add(entries[-1])
    return entries, range_splits, closing


@given(trees(), st.data())
def test_a_job_is_complete_when_everything_is_and_not_before(
    tree: tuple[list[str], set[str], set[str]], data: st.DataObject
) -> None:
    """At any moment some entries are there (the first ones of each range), and some have receipts."""
    entries, range_splits, closing = tree
    written_entries = entries[: data.draw(st.integers(0, len(entries)))]
    manifests = [entry for entry in written_entries if entry not in range_splits]
    done = set(data.draw(st.lists(st.sampled_from(manifests), unique=True))) if manifests else set()
    if data.draw(st.booleans()):
        written_entries, done = entries, set(entries) - range_splits
    names, seen_range_splits = set(written_entries), range_splits & set(written_entries)
    closed = {partition_id.rpartition("-")[0] for partition_id in done & closing}
    finished = names == set(entries) and done == names - range_splits
    concluded = (
        may_be_complete(names, done)
        and seen_range_splits == names - done
        and complete(names, seen_range_splits, closed)
    )
    assert concluded == finished
    if finished:
        assert may_be_complete(names, done)


def test_ranges_of() -> None:
    assert ranges_of(["r-000002", "r-000001", "r01-000003"]) == {"r": 2, "r01": 3}
    assert ranges_of([]) == {}
