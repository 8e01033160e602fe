"""Progress is merged from what each Region wrote. Nothing is counted twice, and nothing goes backwards."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.desired_state import AS_SUBMITTED, DesiredState
from chalicelib.core.jobs import JobState, Terminal
from chalicelib.core.leases import LeasePhase, PartitionLease
from chalicelib.core.progress import OBJECT_WEIGHT, PlanProgress, Progress, derive, planning_complete
from chalicelib.core.rows import Outcome

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
ROWS, ROW_BYTES = 4, 10


def plan(
    range_id: str = "r",
    entries: int = 1,
    rows: int = ROWS,
    *,
    region: str = WEST,
    closed: bool = False,
    is_split: bool = False,
) -> PlanProgress:
    return PlanProgress("job", range_id, region, entries, rows, rows * ROW_BYTES, closed, is_split)


def lease(
    partition_id: str = "r-000001",
    decided: int = 0,
    *,
    region: str = WEST,
    epoch: int = 1,
    phase: LeasePhase = LeasePhase.COPYING,
    started_ms: int = 1000,
    counts: dict[Outcome, int] | None = None,
) -> PartitionLease:
    size = decided.bit_count() * ROW_BYTES
    return PartitionLease(
        "job", partition_id, region, epoch, "w", 1, phase, ROWS, decided, size, started_ms, counts or {}, {}
    )


def done(partition_id: str = "r-000001", region: str = WEST) -> PartitionLease:
    return lease(partition_id, 0b1111, region=region, epoch=0, phase=LeasePhase.DONE, counts={Outcome.COPIED: ROWS})


@pytest.mark.parametrize(
    ("plans", "complete"),
    [
        ([], False),
        ([plan()], False),
        ([plan(closed=True)], True),
        ([plan("r0", closed=True)], False),
        ([plan(closed=True, is_split=True)], False),
        ([plan(closed=True, is_split=True), plan("r0", closed=True)], False),
        ([plan(closed=True, is_split=True), plan("r0", closed=True), plan("r1")], False),
        ([plan(closed=True, is_split=True), plan("r0", closed=True), plan("r1", closed=True)], True),
        # An earlier view of another Region doesn't matter.
        ([plan(entries=1, region=EAST), plan(entries=2, closed=True)], True),
        ([plan(entries=2, closed=False, region=EAST), plan(entries=2, closed=True)], True),
    ],
)
def test_when_planning_is_complete(plans: list[PlanProgress], complete: bool) -> None:
    for order in permutations(plans):
        assert planning_complete(order) is complete


@pytest.mark.parametrize(
    ("plans", "leases", "phase", "state"),
    [
        ([], [], "split", JobState.PLANNING),
        ([plan()], [], "split", JobState.PLANNING),
        ([plan()], [lease()], "copy", JobState.RUNNING),
        ([plan(closed=True)], [lease()], "copy", JobState.RUNNING),
        ([plan(closed=True)], [lease(phase=LeasePhase.RELEASED)], "copy", JobState.RUNNING),
        ([plan(closed=True)], [done()], "verify", JobState.RUNNING),
        (
            [plan(closed=True, entries=2, rows=8)],
            [done(), lease("r-000002", phase=LeasePhase.COPIED)],
            "verify",
            JobState.RUNNING,
        ),
        ([plan(closed=False)], [done()], "copy", JobState.RUNNING),
    ],
)
def test_phases(plans: list[PlanProgress], leases: list[PartitionLease], phase: str, state: JobState) -> None:
    progress = derive(plans, leases, None, 2000)
    assert (progress.phase, progress.state) == (phase, state)


def test_a_row_decided_in_both_regions_counts_once() -> None:
    progress = derive([plan()], [lease(decided=0b0111), lease(decided=0b1110, region=EAST, epoch=2)], None, 2000)
    assert progress.objects_decided == 4
    assert progress.bytes_decided <= progress.bytes_planned


def test_a_partition_verified_in_both_regions_counts_once() -> None:
    progress = derive([plan(closed=True)], [done(), done(region=EAST)], None, 2000)
    assert (progress.objects_decided, progress.partitions_done, progress.counts) == (4, 1, {Outcome.COPIED: 4})


def test_rows_set_aside_count_once() -> None:
    """The parent plans these rows. A slow worker of the parent may have decided them all the same."""
    aside = replace(lease("r-000001w", 0b1), rows=1)
    parent = replace(lease(decided=0b0111, phase=LeasePhase.DONE), counts={Outcome.COPIED: 3})
    slow = lease(decided=0b1111, region=EAST)
    # Until a partition's plan is noted, only its lease gives the number of its rows.
    for plans in ([plan(closed=True)], []):
        progress = derive(plans, [parent, slow, replace(aside, decided=0)], None, 2000)
        assert (progress.objects_planned, progress.objects_decided) == (4, 3)
        progress = derive(plans, [parent, slow, aside], None, 2000)
        assert (progress.objects_planned, progress.objects_decided) == (4, 4)


def test_the_terminal_record_has_the_last_word() -> None:
    end = Terminal("job", JobState.PARTIAL, "why", 9, {Outcome.COPIED: 8}, 90, 80, {}, 3, "sha", EAST, 0, 5, "n")
    progress = derive([plan()], [lease()], end, 2000)
    assert (progress.state, progress.phase, progress.planned, progress.eta_ms) == (JobState.PARTIAL, "settled", True, 0)
    assert (progress.objects_planned, progress.objects_decided, progress.bytes_planned) == (9, 9, 90)
    assert (progress.partitions, progress.partitions_done, progress.counts) == (3, 3, {Outcome.COPIED: 8})


@pytest.mark.parametrize(
    ("leases", "now_ms", "eta_ms"),
    [
        ([], 2000, None),
        ([lease(decided=0)], 2000, None),
        ([lease(decided=0b0011)], 1000, None),
        ([lease(decided=0b0011)], 2000, 1000),
        ([lease(decided=0b0001)], 2000, 3000),
        ([lease(decided=0b1111)], 2000, 0),
    ],
)
def test_the_time_to_go(leases: list[PartitionLease], now_ms: int, eta_ms: int | None) -> None:
    assert derive([plan(closed=True)], leases, None, now_ms).eta_ms == eta_ms


def test_objects_and_bytes_both_count_in_the_time_to_go() -> None:
    """Half of the objects are done, and next to no bytes. The other objects take as long again, and their bytes take
    twice that."""
    small = PartitionLease("job", "r-000001", WEST, 1, "w", 1, LeasePhase.COPYING, 4, 0b0011, 0, 1000, {}, {})
    size = 4 * OBJECT_WEIGHT
    assert derive([PlanProgress("job", "r", WEST, 1, 4, size, True)], [small], None, 2000).eta_ms == 3000


@pytest.mark.parametrize("leases", [[], [lease(decided=0b0011)]])
@pytest.mark.parametrize(
    ("desired_state", "paused"),
    [
        (AS_SUBMITTED, False),
        (DesiredState(1), True),
        (DesiredState(2), False),
        (DesiredState(1, cancelled=True), False),
    ],
)
def test_a_paused_job(leases: list[PartitionLease], desired_state: DesiredState, paused: bool) -> None:
    before, progress = derive([plan()], leases, None, 2000), derive([plan()], leases, None, 2000, desired_state)
    assert progress.state is (JobState.PAUSED if paused else before.state)
    assert progress.eta_ms == (before.eta_ms if desired_state == AS_SUBMITTED else None)
    assert (progress.phase, progress.objects_decided) == (before.phase, before.objects_decided), "what was done stays"
    assert not progress.state.terminal


def test_a_job_that_settled_is_not_paused_any_more() -> None:
    end = Terminal("job", JobState.SUCCEEDED, "", 9, {Outcome.COPIED: 9}, 90, 90, {}, 3, "sha", EAST, 0, 5, "n")
    progress = derive([plan()], [lease()], end, 2000, DesiredState(1))
    assert (progress.state, progress.eta_ms) == (JobState.SUCCEEDED, 0)


# --- histories ----------------------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[PlanProgress | PartitionLease]:
    """Draw the items that two Regions write, in order. Each item of one Region only goes forward."""
    items: list[PlanProgress | PartitionLease] = []
    decided = {(partition_id, region): 0 for partition_id in ("r-000001", "r-000002") for region in (WEST, EAST)}
    finished: set[tuple[str, str]] = set()
    entries = {WEST: 0, EAST: 0}
    for _ in range(draw(st.integers(0, 14))):
        region = draw(st.sampled_from([WEST, EAST]))
        if draw(st.booleans()):
            entries[region] = min(2, entries[region] + 1)
            items.append(
                plan(entries=entries[region], rows=entries[region] * ROWS, region=region, closed=entries[region] == 2)
            )
            continue
        partition_id = draw(st.sampled_from(["r-000001", "r-000002"]))
        if (partition_id, region) in finished:
            continue
        decided[partition_id, region] |= draw(st.integers(0, 15))
        phase = draw(st.sampled_from(LeasePhase))
        if phase is LeasePhase.DONE:
            finished.add((partition_id, region))
            items.append(done(partition_id, region))
        else:
            items.append(lease(partition_id, decided[partition_id, region], region=region, phase=phase))
    return items


def views(items: list[PlanProgress | PartitionLease]) -> list[Progress]:
    """Return what a reader sees after each write: it sees the last item of each writer."""
    plans: dict[tuple[str, str], PlanProgress] = {}
    leases: dict[tuple[str, str], PartitionLease] = {}
    seen_progress = []
    for item in items:
        if isinstance(item, PlanProgress):
            plans[item.range_id, item.region] = item
        else:
            leases[item.partition_id, item.region] = item
        seen_progress.append(derive(plans.values(), leases.values(), None, 5000))
    return seen_progress


@given(histories())
def test_nothing_is_counted_twice_and_nothing_goes_backwards(items: list[PlanProgress | PartitionLease]) -> None:
    before = derive([], [], None, 5000)
    for view in views(items):
        assert view.objects_decided <= view.objects_planned <= 2 * ROWS
        assert view.bytes_decided <= view.bytes_planned <= 2 * ROWS * ROW_BYTES
        assert view.partitions_done <= view.partitions <= 2
        assert sum(view.counts.values()) == view.partitions_done * ROWS
        assert view.objects_decided >= before.objects_decided
        assert view.bytes_decided >= before.bytes_decided
        assert view.objects_planned >= before.objects_planned
        assert view.partitions_done >= before.partitions_done
        assert view.planned >= before.planned
        before = view


@given(histories(), st.randoms())
def test_replicas_that_learn_of_items_in_any_order_end_alike(
    items: list[PlanProgress | PartitionLease], chance
) -> None:
    """Items of different writers arrive in any order. Those of one writer replace each other."""
    last_of_writer: dict[tuple[str, str, str], PlanProgress | PartitionLease] = {}
    for item in items:
        name = item.range_id if isinstance(item, PlanProgress) else item.partition_id
        last_of_writer[type(item).__name__, name, item.region] = item
    shuffled = list(last_of_writer.values())
    results = []
    for _ in range(3):
        chance.shuffle(shuffled)
        plans = [item for item in shuffled if isinstance(item, PlanProgress)]
        leases = [item for item in shuffled if isinstance(item, PartitionLease)]
        results.append(derive(plans, leases, None, 5000))
    assert results[0] == results[1] == results[2]
