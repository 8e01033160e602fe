"""Which objects may be deleted, how this is decided row by row, and how a job that deletes ends."""

from dataclasses import replace

import pytest

from chalicelib.core.deletions import (
    NOT_ALL_DELIVERED,
    SOURCE_EMPTY,
    Deletion,
    Versioning,
    beneath,
    by_globs_alone,
    finality,
    refusal,
)
from chalicelib.core.ids import is_delete_partition, is_partition_id, partition_id_of, split_partition_id
from chalicelib.core.inputs import Filters
from chalicelib.core.jobs import JobState
from chalicelib.core.manifests import Receipt
from chalicelib.core.objects import ObjectFacts
from chalicelib.core.policy import Policy
from chalicelib.core.progress import PlanProgress, derive, planning_complete
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome, Verification
from chalicelib.core.settle import CANCELLED, ReceiptFold, complete, may_be_complete
from chalicelib.core.sweep import JobSnapshot, decide, waiting
from chalicelib.core.verdict import Undecided, deletion, verified_deletion

WEST = "us-gov-west-1"
ROW = Row("in/a", "out/a", 7, "", "pinned", Method.DELETE)
DELETED = RowOutcome("in/a", Outcome.DELETED, etag="pinned", version_id="marker")
KEPT = RowOutcome("in/a", Outcome.KEPT, "it has appeared")
COPIED = RowOutcome("in/b", Outcome.COPIED, verification=Verification.ETAG)
FAILED = RowOutcome("in/b", Outcome.FAILED)


def facts(etag: str) -> ObjectFacts:
    return ObjectFacts("out/a", 7, etag)


@pytest.mark.parametrize(
    ("objects", "cap", "empty", "why"),
    [
        (0, 1, True, ""),
        (1, 1, False, ""),
        (2, 1, False, "nothing was deleted: 2 objects would be deleted, the cap is 1"),
        (1_000_001, 1_000_000, False, "nothing was deleted: 1000001 objects would be deleted, the cap is 1000000"),
        (1, 1, True, SOURCE_EMPTY),
        (2, 1, True, "nothing was deleted: 2 objects would be deleted, the cap is 1"),
    ],
)
def test_when_nothing_may_be_deleted(objects: int, cap: int, empty: bool, why: str) -> None:
    reason = refusal(Deletion(cap), objects, source_empty=empty)
    assert reason.startswith(why)
    assert bool(reason) is bool(why)


def test_what_is_gone_for_ever_and_nobody_consented() -> None:
    why = "it keeps no versions"
    assert refusal(Deletion(1), 1, source_empty=False, for_ever=why).startswith(f"nothing was deleted: {why}; turn")
    assert refusal(Deletion(1), 0, source_empty=False, for_ever=why) == ""
    assert refusal(Deletion(1), 1, source_empty=True, for_ever=why) == SOURCE_EMPTY


@pytest.mark.parametrize("versioning", [*Versioning, None])
def test_where_a_delete_can_be_undone(versioning: Versioning | None) -> None:
    assert (finality(versioning) == "") is (versioning is Versioning.ENABLED)


def test_which_filters_can_be_judged_by_a_key_alone() -> None:
    assert by_globs_alone(Filters())
    assert by_globs_alone(Filters(include=("a",), exclude=("b",)))
    for bounds in (
        {"size_min_bytes": 0},
        {"size_max_bytes": 1},
        {"modified_since_ms": 0},
        {"modified_before_ms": 1},
        {"storage_classes": ("STANDARD",)},
    ):
        assert not by_globs_alone(replace(Filters(include=("a",)), **bounds))


def test_other_locations_beneath_a_prefix() -> None:
    assert beneath("a/", ["", "a/", "a/b/", "a/b/", "ab/", "b/"]) == ("a/b/",)
    assert beneath("", ["", "a/"]) == ("a/",)


def test_part_ids_of_the_second_manifest_log() -> None:
    assert is_partition_id("d-000001")
    assert split_partition_id("d-000012") == ("d", 12)
    assert not is_partition_id("d0-000001"), "its range is never split"
    assert is_delete_partition(partition_id_of("d", 1))
    assert not is_delete_partition(partition_id_of("r01", 1))


@pytest.mark.parametrize(
    ("destination", "outcome"),
    [(None, Outcome.DELETED), (facts("pinned"), None), (facts("another"), Outcome.DESTINATION_CONFLICT)],
)
def test_a_row_is_decided_by_what_the_destination_shows(
    destination: ObjectFacts | None, outcome: Outcome | None
) -> None:
    decision = deletion(ROW, destination)
    assert decision is Undecided.UNDECIDED if outcome is None else decision.outcome is outcome  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("claimed", "destination", "outcome", "detail"),
    [
        (DELETED, None, Outcome.DELETED, ""),
        (DELETED, facts("another"), Outcome.DELETED, "deleted; somebody has put another object there since"),
        (
            DELETED,
            facts("pinned"),
            Outcome.DESTINATION_CONFLICT,
            "deleted, but the same object was there again when verified",
        ),
        (KEPT, facts("pinned"), Outcome.KEPT, "it has appeared"),
        (KEPT, None, Outcome.DELETED, "it has appeared"),
    ],
)
def test_verification(claimed: RowOutcome, destination: ObjectFacts | None, outcome: Outcome, detail: str) -> None:
    end = verified_deletion(ROW, claimed, destination)
    assert (end.outcome, end.detail) == (outcome, detail)
    if end.outcome is Outcome.DELETED and claimed is DELETED:
        assert (end.etag, end.version_id) == ("pinned", "marker")


# --- how it ends --------------------------------------------------------------------------------------------------


def receipt_fold(*receipts: Receipt) -> ReceiptFold:
    fold = ReceiptFold()
    for receipt in sorted(receipts, key=lambda receipt: receipt.partition_id):
        fold.add(receipt, receipt.nonce.encode())
    return fold


def receipt(partition_id: str, *rows: RowOutcome, error: str = "") -> Receipt:
    return Receipt("job", partition_id, WEST, "sha", rows, 0, 0, True, error, 1, 2, f"nonce-{partition_id}")


CAP = "nothing was deleted: 2 objects would be deleted, the cap is 1"


@pytest.mark.parametrize(
    ("copies", "copies_error", "deletions", "error", "cancelled", "end"),
    [
        ((COPIED,), "", (DELETED,), "", False, (JobState.SUCCEEDED, "")),
        ((), "", (DELETED,), "", False, (JobState.SUCCEEDED, "")),
        ((COPIED,), "", (KEPT, KEPT), CAP, False, (JobState.PARTIAL, CAP)),
        ((), "", (KEPT,), SOURCE_EMPTY, False, (JobState.PARTIAL, SOURCE_EMPTY)),
        (
            (COPIED,),
            "",
            (DELETED, KEPT, KEPT),
            "",
            False,
            (
                JobState.PARTIAL,
                "2 of 3 objects that were to be deleted are still there, or others in their place",
            ),
        ),
        (
            (COPIED, FAILED),
            "",
            (),
            NOT_ALL_DELIVERED,
            False,
            (JobState.PARTIAL, f"1 of 2 objects were not delivered; {NOT_ALL_DELIVERED}"),
        ),
        (
            (FAILED,),
            "",
            (),
            NOT_ALL_DELIVERED,
            False,
            (JobState.FAILED, f"1 of 1 objects were not delivered; {NOT_ALL_DELIVERED}"),
        ),
        ((), "can't list", (), NOT_ALL_DELIVERED, False, (JobState.FAILED, f"can't list; {NOT_ALL_DELIVERED}")),
        (
            (COPIED,),
            "",
            (DELETED,),
            CANCELLED,
            True,
            (JobState.CANCELLED, "cancelled by request; 1 objects had been delivered, 1 deleted"),
        ),
        (
            (COPIED,),
            "",
            (),
            CANCELLED,
            True,
            (JobState.CANCELLED, "cancelled by request; 1 objects had been delivered"),
        ),
        # The cancel came when all was done.
        ((COPIED,), "", (DELETED,), "", True, (JobState.SUCCEEDED, "")),
    ],
)
def test_the_state_and_its_reason(
    copies: tuple[RowOutcome, ...],
    copies_error: str,
    deletions: tuple[RowOutcome, ...],
    error: str,
    cancelled: bool,
    end: tuple[JobState, str],
) -> None:
    fold = receipt_fold(receipt("r-000001", *copies, error=copies_error), receipt("d-000001", *deletions, error=error))
    assert fold.outcome(cancelled) == end


def test_deletions_begin_only_when_all_is_delivered() -> None:
    assert receipt_fold(receipt("r-000001", COPIED)).all_delivered
    assert receipt_fold(receipt("r-000001")).all_delivered
    assert not receipt_fold(receipt("r-000001", COPIED, FAILED)).all_delivered
    assert not receipt_fold(receipt("r-000001", COPIED, error="can't list")).all_delivered


@pytest.mark.parametrize(
    ("entries", "done", "expected"),
    [
        ({"r-000001"}, {"r-000001"}, False),
        ({"r-000001", "d-000001"}, {"r-000001"}, False),
        ({"r-000001", "d-000001"}, {"d-000001"}, False),
        ({"r-000001", "d-000001"}, {"r-000001", "d-000001"}, True),
        ({"r-000001", "r0-000001", "r1-000001", "d-000001"}, {"r0-000001", "r1-000001", "d-000001"}, True),
        ({"d-000001"}, {"d-000001"}, False),
    ],
)
def test_complete_with_both_manifest_logs(entries: set[str], done: set[str], expected: bool) -> None:
    assert may_be_complete(entries, done, deletes=True) is expected
    range_splits, closed = entries - done, {partition_id.rpartition("-")[0] for partition_id in done}
    assert complete(entries, range_splits, closed, deletes=True) is expected


# --- sweep and progress -------------------------------------------------------------------------------------------


def test_the_sweep_sees_that_the_second_manifest_log_has_not_begun() -> None:
    delivered = JobSnapshot(frozenset({"r-000001"}), {"r-000001": 1}, {"r-000001": 1}, frozenset({"r-000001"}))
    assert "d" in waiting(delivered, deletes=True).split
    assert "d" not in waiting(delivered).split
    assert "d" not in waiting(replace(delivered, done=frozenset()), deletes=True).split
    begun = replace(delivered, entries=frozenset({"r-000001", "d-000001"}))
    assert waiting(begun, deletes=True).split == {"r", "d"}, "and no halves of it"
    assert waiting(begun, deletes=True).copy == {"d-000001"}


@pytest.mark.parametrize("deletes", [True, False])
def test_the_sweep_settles_a_job_that_deletes_only_with_its_second_manifest_log(deletes: bool) -> None:
    delivered = JobSnapshot(entries=frozenset({"r-000001"}), done=frozenset({"r-000001"}))
    repairs = decide(
        "job",
        delivered,
        None,
        region=WEST,
        home=WEST,
        home_region=None,
        now_ms=0,
        policy=Policy(),
        deletes=deletes,
    )
    assert repairs.settle is not deletes


def test_there_is_more_to_plan_until_the_deletions_are() -> None:
    copies, begun = PlanProgress("job", "r", WEST, 1, 3, 30, True), PlanProgress("job", "d", WEST, 1, 2, 0, False)
    assert planning_complete([copies])
    assert not planning_complete([copies], deletes=True)
    assert not planning_complete([copies, begun], deletes=True)
    assert planning_complete([copies, replace(begun, closed=True)], deletes=True)
    progress = derive([copies, begun], [], None, 1, deletes=True)
    assert (progress.phase, progress.objects_planned, progress.planned) == ("delete", 5, False)
