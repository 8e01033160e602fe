"""Progress, merged from what each Region wrote: nothing is counted twice, and nothing goes backwards."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.intents import NO_INTENTS, Intents
from chalicelib.core.leases import LeasePhase, PartLease
from chalicelib.core.model import JobState, Outcome, Terminal
from chalicelib.core.progress import OBJECT_WEIGHT, PlanProgress, Progress, derive, planning_complete

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
ROWS, ROW_BYTES = 4, 10


def plan(
    range_id: str = "r",
    links: int = 1,
    rows: int = ROWS,
    *,
    region: str = WEST,
    closed: bool = False,
    forked: bool = False,
) -> PlanProgress:
    return PlanProgress("job", range_id, region, links, rows, rows * ROW_BYTES, closed, forked)


def lease(
    part: str = "r-000001",
    decided: int = 0,
    *,
    region: str = WEST,
    epoch: int = 1,
    phase: LeasePhase = LeasePhase.COPYING,
    started_ms: int = 1000,
    counts: dict[Outcome, int] | None = None,
) -> PartLease:
    size = decided.bit_count() * ROW_BYTES
    return PartLease("job", part, region, epoch, "w", 1, phase, ROWS, decided, size, started_ms, counts or {}, {})


def done(part: str = "r-000001", region: str = WEST) -> PartLease:
    return lease(part, 0b1111, region=region, epoch=0, phase=LeasePhase.DONE, counts={Outcome.COPIED: ROWS})


@pytest.mark.parametrize(
    ("plans", "complete"),
    [
        ([], False),
        ([plan()], False),
        ([plan(closed=True)], True),
        ([plan("r0", closed=True)], False),
        ([plan(closed=True, forked=True)], False),
        ([plan(closed=True, forked=True), plan("r0", closed=True)], False),
        ([plan(closed=True, forked=True), plan("r0", closed=True), plan("r1")], False),
        ([plan(closed=True, forked=True), plan("r0", closed=True), plan("r1", closed=True)], True),
        # What another Region saw earlier doesn't matter.
        ([plan(links=1, region=EAST), plan(links=2, closed=True)], True),
        ([plan(links=2, closed=False, region=EAST), plan(links=2, closed=True)], True),
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
            [plan(closed=True, links=2, rows=8)],
            [done(), lease("r-000002", phase=LeasePhase.COPIED)],
            "verify",
            JobState.RUNNING,
        ),
        ([plan(closed=False)], [done()], "copy", JobState.RUNNING),
    ],
)
def test_phases(plans: list[PlanProgress], leases: list[PartLease], phase: str, state: JobState) -> None:
    found = derive(plans, leases, None, 2000)
    assert (found.phase, found.state) == (phase, state)


def test_a_row_decided_in_both_regions_counts_once() -> None:
    found = derive([plan()], [lease(decided=0b0111), lease(decided=0b1110, region=EAST, epoch=2)], None, 2000)
    assert found.objects_decided == 4
    assert found.bytes_decided <= found.bytes_planned


def test_a_partition_verified_in_both_regions_counts_once() -> None:
    found = derive([plan(closed=True)], [done(), done(region=EAST)], None, 2000)
    assert (found.objects_decided, found.partitions_done, found.counts) == (4, 1, {Outcome.COPIED: 4})


def test_rows_set_aside_count_once() -> None:
    """They are their parent's; a slow worker may have decided them all the same."""
    aside = replace(lease("r-000001w", 0b1), rows=1)
    parent = replace(lease(decided=0b0111, phase=LeasePhase.DONE), counts={Outcome.COPIED: 3})
    slow = lease(decided=0b1111, region=EAST)
    # Before its plan is told, a partition's rows are known by its lease alone.
    for plans in ([plan(closed=True)], []):
        found = derive(plans, [parent, slow, replace(aside, decided=0)], None, 2000)
        assert (found.objects_planned, found.objects_decided) == (4, 3)
        found = derive(plans, [parent, slow, aside], None, 2000)
        assert (found.objects_planned, found.objects_decided) == (4, 4)


def test_the_terminal_record_has_the_last_word() -> None:
    end = Terminal("job", JobState.PARTIAL, "why", 9, {Outcome.COPIED: 8}, 90, 80, {}, 3, "sha", EAST, 0, 5, "n")
    found = derive([plan()], [lease()], end, 2000)
    assert (found.state, found.phase, found.planned, found.eta_ms) == (JobState.PARTIAL, "settled", True, 0)
    assert (found.objects_planned, found.objects_decided, found.bytes_planned) == (9, 9, 90)
    assert (found.partitions, found.partitions_done, found.counts) == (3, 3, {Outcome.COPIED: 8})


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
def test_the_time_to_go(leases: list[PartLease], now_ms: int, eta_ms: int | None) -> None:
    assert derive([plan(closed=True)], leases, None, now_ms).eta_ms == eta_ms


def test_objects_and_bytes_both_count_in_the_time_to_go() -> None:
    """Half of the objects, of next to no bytes: as long again for the others, and twice that for their bytes."""
    small = PartLease("job", "r-000001", WEST, 1, "w", 1, LeasePhase.COPYING, 4, 0b0011, 0, 1000, {}, {})
    size = 4 * OBJECT_WEIGHT
    assert derive([PlanProgress("job", "r", WEST, 1, 4, size, True)], [small], None, 2000).eta_ms == 3000


@pytest.mark.parametrize("leases", [[], [lease(decided=0b0011)]])
@pytest.mark.parametrize(
    ("intents", "paused"),
    [(NO_INTENTS, False), (Intents(1), True), (Intents(2), False), (Intents(1, cancelled=True), False)],
)
def test_a_paused_job(leases: list[PartLease], intents: Intents, paused: bool) -> None:
    before, found = derive([plan()], leases, None, 2000), derive([plan()], leases, None, 2000, intents)
    assert found.state is (JobState.PAUSED if paused else before.state)
    assert found.eta_ms == (before.eta_ms if intents == NO_INTENTS else None)
    assert (found.phase, found.objects_decided) == (before.phase, before.objects_decided), "what was done stays"
    assert not found.state.terminal


def test_a_job_that_settled_is_not_paused_any_more() -> None:
    end = Terminal("job", JobState.SUCCEEDED, "", 9, {Outcome.COPIED: 9}, 90, 90, {}, 3, "sha", EAST, 0, 5, "n")
    found = derive([plan()], [lease()], end, 2000, Intents(1))
    assert (found.state, found.eta_ms) == (JobState.SUCCEEDED, 0)


# --- histories ----------------------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[PlanProgress | PartLease]:
    """What two Regions write, in the order in which they do: each item of one Region only goes forward."""
    written: list[PlanProgress | PartLease] = []
    decided = {(part, region): 0 for part in ("r-000001", "r-000002") for region in (WEST, EAST)}
    finished: set[tuple[str, str]] = set()
    links = {WEST: 0, EAST: 0}
    for _ in range(draw(st.integers(0, 14))):
        region = draw(st.sampled_from([WEST, EAST]))
        if draw(st.booleans()):
            links[region] = min(2, links[region] + 1)
            written.append(
                plan(links=links[region], rows=links[region] * ROWS, region=region, closed=links[region] == 2)
            )
            continue
        part = draw(st.sampled_from(["r-000001", "r-000002"]))
        if (part, region) in finished:
            continue
        decided[part, region] |= draw(st.integers(0, 15))
        phase = draw(st.sampled_from(LeasePhase))
        if phase is LeasePhase.DONE:
            finished.add((part, region))
            written.append(done(part, region))
        else:
            written.append(lease(part, decided[part, region], region=region, phase=phase))
    return written


def views(written: list[PlanProgress | PartLease]) -> list[Progress]:
    """What a reader sees after each write: the last item of each writer."""
    plans: dict[tuple[str, str], PlanProgress] = {}
    leases: dict[tuple[str, str], PartLease] = {}
    found = []
    for item in written:
        if isinstance(item, PlanProgress):
            plans[item.range_id, item.region] = item
        else:
            leases[item.part, item.region] = item
        found.append(derive(plans.values(), leases.values(), None, 5000))
    return found


@given(histories())
def test_nothing_is_counted_twice_and_nothing_goes_backwards(written: list[PlanProgress | PartLease]) -> None:
    before = derive([], [], None, 5000)
    for view in views(written):
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
def test_replicas_that_learn_of_items_in_any_order_end_alike(written: list[PlanProgress | PartLease], chance) -> None:
    """Items of different writers arrive in any order; those of one writer replace each other."""
    last: dict[tuple[str, str, str], PlanProgress | PartLease] = {}
    for item in written:
        name = item.range_id if isinstance(item, PlanProgress) else item.part
        last[type(item).__name__, name, item.region] = item
    items = list(last.values())
    seen = []
    for _ in range(3):
        chance.shuffle(items)
        plans = [item for item in items if isinstance(item, PlanProgress)]
        leases = [item for item in items if isinstance(item, PartLease)]
        seen.append(derive(plans, leases, None, 5000))
    assert seen[0] == seen[1] == seen[2]
