"""How a job ends: the fold over its receipts, and when it may."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.ids import part_id
from chalicelib.core.intents import NO_INTENTS
from chalicelib.core.model import (
    Bucket,
    Endpoint,
    JobKind,
    JobSpec,
    JobState,
    Outcome,
    OverwriteMode,
    Receipt,
    RowOutcome,
    Verification,
)
from chalicelib.core.settle import CANCELLED, CHAIN_START, Tally, chain, complete, may_be_complete, ranges_of, terminal

GOOD = (Outcome.COPIED, Verification.ETAG)
SIZE = (Outcome.COPIED, Verification.SIZE)
UNPROVEN = (Outcome.COPIED, Verification.NONE)
SAME = (Outcome.UNCHANGED, Verification.ETAG)
KEPT = (Outcome.UNCHANGED, Verification.NONE)
BAD = (Outcome.FAILED, Verification.NONE)
GONE = (Outcome.SOURCE_GONE, Verification.NONE)
STOPPED = (Outcome.CANCELLED, Verification.NONE)

Rows = list[tuple[Outcome, Verification]]


def receipt(part: str, rows: Rows, *, last: bool = True, error: str = "") -> Receipt:
    outcomes = tuple(RowOutcome(f"k{i}", outcome, verification=v) for i, (outcome, v) in enumerate(rows))
    return Receipt("job", part, "east", "sha", outcomes, 10, 7, last, error, 0, 1, f"nonce-{part}")


def tally(*receipts: Receipt) -> Tally:
    found = Tally()
    for one in receipts:
        found.add(one, one.nonce.encode())
    return found


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
    assert tally(receipt("r-000001", rows, error=error)).outcome(cancelled) == (state, reason)


def test_totals() -> None:
    found = tally(receipt("r-000001", [GOOD, SAME], last=False), receipt("r-000002", [BAD, GOOD]))
    assert (found.planned, found.parts, found.bytes_planned, found.bytes_copied) == (4, 2, 20, 14)
    assert dict(found.counts) == {Outcome.COPIED: 2, Outcome.UNCHANGED: 1, Outcome.FAILED: 1}
    assert found.closed == {"r"}


def test_rows_set_aside_count_where_they_end() -> None:
    """Once, and the job waits for them."""
    left = (Outcome.SET_ASIDE, Verification.NONE)
    parent, aside = receipt("r-000001", [GOOD, left]), receipt("r-000001w", [BAD], last=False)
    found = tally(parent, aside)
    assert (found.planned, dict(found.counts)) == (2, {Outcome.COPIED: 1, Outcome.FAILED: 1})
    assert dict(found.verification) == {Verification.ETAG: 1, Verification.NONE: 1}
    assert found.outcome(False) == (JobState.PARTIAL, "1 of 2 objects were not delivered")
    assert not may_be_complete({"r-000001", "r-000001w"}, {"r-000001"})
    assert may_be_complete({"r-000001", "r-000001w"}, {"r-000001", "r-000001w"})


def test_a_receipt_of_rows_that_all_ended_elsewhere_tells_nothing() -> None:
    late = receipt("r-000001w", [(Outcome.SET_ASIDE, Verification.NONE)])
    assert tally(receipt("r-000001", [GOOD]), late) == tally(receipt("r-000001", [GOOD]))


def test_the_terminal_record_says_it_all() -> None:
    place = Endpoint("e", "acme", Bucket("b", "us-gov-east-1"), "", readable=True, writable=True)
    spec = JobSpec(
        "job", "acme", JobKind.PREFIX, place, place, "", "", OverwriteMode.IF_CHANGED, "us-gov-west-1", 5, "digest"
    )
    end = terminal(spec, tally(receipt("r-000001", [GOOD])), intents=NO_INTENTS, region="east", now_ms=9, nonce="n")
    assert (end.state, end.planned, end.parts, end.created_ms, end.settled_ms) == (JobState.SUCCEEDED, 1, 1, 5, 9)
    assert end.verification == {Verification.ETAG: 1}
    assert end.chain_sha256 == chain(CHAIN_START, hashlib.sha256(b"nonce-r-000001").hexdigest())


def test_the_chain_depends_on_every_receipt_and_their_order() -> None:
    first, second = receipt("r-000001", [GOOD]), receipt("r-000002", [GOOD])
    heads = {tally().head, tally(first).head, tally(second).head, tally(first, second).head, tally(second, first).head}
    assert len(heads) == 5


# --- when a job is complete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("links", "forks", "closed", "expected"),
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
def test_complete(links: set[str], forks: set[str], closed: set[str], expected: bool) -> None:
    assert complete(links, forks, closed) is expected


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[str], set[str], set[str]]:
    """A job as splitters make it: its links in the order of their making, which of them are forks, which close."""
    links: list[str] = []
    forks: set[str] = set()
    closing: set[str] = set()
    todo = ["r"]
    while todo:
        name = todo.pop()
        length = draw(st.integers(1, 3))
        links += [part_id(name, ordinal) for ordinal in range(1, length + 1)]
        if len(name) < 4 and draw(st.booleans()):
            forks.add(links[-1])
            todo += [f"{name}0", f"{name}1"]
        else:
            closing.add(links[-1])
    return links, forks, closing


@given(trees(), st.data())
def test_a_job_is_complete_when_everything_is_and_not_before(
    tree: tuple[list[str], set[str], set[str]], data: st.DataObject
) -> None:
    """At any moment: some links are there (of each range, the first ones), some have receipts."""
    links, forks, closing = tree
    there = links[: data.draw(st.integers(0, len(links)))]
    manifests = [link for link in there if link not in forks]
    done = set(data.draw(st.lists(st.sampled_from(manifests), unique=True))) if manifests else set()
    if data.draw(st.booleans()):
        there, done = links, set(links) - forks
    names, seen_forks = set(there), forks & set(there)
    closed = {part.rpartition("-")[0] for part in done & closing}
    finished = names == set(links) and done == names - forks
    concluded = may_be_complete(names, done) and seen_forks == names - done and complete(names, seen_forks, closed)
    assert concluded == finished
    if finished:
        assert may_be_complete(names, done)


def test_ranges_of() -> None:
    assert ranges_of(["r-000002", "r-000001", "r01-000003"]) == {"r": 2, "r01": 3}
    assert ranges_of([]) == {}
