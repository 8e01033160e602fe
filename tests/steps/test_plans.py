"""Plans: nothing is copied before the approval. After it, exactly what was planned is copied, whatever happens in
between."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.errors import KeyReused, NotYet, Retry, Unknown
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.lifecycles import PlanState
from chalicelib.core.parts import PartShare
from chalicelib.core.rows import Outcome, OverwriteMode
from chalicelib.ports import CopyPartition, CopyUploadParts, PlanRange, VerifyPartition
from chalicelib.protocol import messages
from chalicelib.steps import control, plan
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Action, Operation
from tests.steps import prefix_job
from tests.steps.calls import Act, Crash, crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import HOUR, MINUTE, SMALL, World

DAY = 24 * HOUR
PUBLISHES = {Operation.COPY, Operation.CREATE_UPLOAD, Operation.UPLOAD_PART_COPY, Operation.COMPLETE}


def submit(world: World, region: str = WEST, **options: Any) -> JobSpec:
    return world.submit("a/", "b/", region=region, planned_first=True, **options)


def planned(world: World, **options: Any) -> JobSpec:
    spec = submit(world, **options)
    world.settle()
    assert view(world, spec).state is PlanState.PLANNED
    return spec


def approve(world: World, spec: JobSpec, region: str = WEST) -> None:
    plan.approve(world.regions[region].env, TENANT, spec.job_id)


def view(world: World, spec: JobSpec, region: str = EAST) -> plan.PlanView:
    return plan.get_plan(world.regions[region].env, TENANT, spec.job_id)


def rows(world: World, spec: JobSpec, outcome: Outcome | None = None, limit: int = 3) -> dict[str, Outcome]:
    """Return the predicted outcome of each row by source key, through all pages."""
    outcomes: dict[str, Outcome] = {}
    cursor: str | None = None
    while True:
        page = plan.list_planned(world.observer, TENANT, spec.job_id, outcome, cursor, limit)
        assert not outcomes.keys() & {row.row.key for row in page.rows}
        outcomes |= {row.row.key: row.outcome for row in page.rows}
        if page.cursor is None:
            return outcomes
        cursor = page.cursor


def published(world: World) -> int:
    return sum(operation in PUBLISHES for operation, bucket, _ in world.faults.calls if bucket.startswith("target"))


def storm(world: World, spec: JobSpec) -> None:
    """Send every message about the plan that anybody could send to both Regions, fresh and not, and sweep for hours."""
    partition_ids, job = sorted(world.records(spec).snapshot().entries), (spec.job_id, spec.control_region)
    for region in (WEST, EAST):
        for partition_id in [*partition_ids, "r"]:
            for fresh in (False, True):
                world.post(region, "copy", messages.dumps(CopyPartition(*job, partition_id, fresh=fresh)))
            world.post(region, "copy", messages.dumps(CopyUploadParts(*job, partition_id, PartShare(0, 1, 2))))
            world.post(region, "verify", messages.dumps(VerifyPartition(*job, partition_id)))
            world.post(region, "split", messages.dumps(PlanRange(*job, "r")))
    world.run(5 * HOUR)


# --- nothing before the approval, everything after it ---------------------------------------------------------------


def test_planned_approved_and_carried_out() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    summary = view(world, spec).summary
    assert summary is not None
    assert summary.totals.objects == 6
    assert summary.totals.decided == {"UNCHANGED": 1}
    assert (summary.totals.to_copy.copies, summary.totals.to_copy.uploads) == (4, 1)
    assert published(world) == 0
    assert control.get_job(world.west, TENANT, spec.job_id).progress.state is JobState.PLANNED
    predicted = rows(world, spec)
    approve(world, spec)
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)
    assert world.outcomes(spec) == predicted
    assert rows(world, spec) == predicted, "the plan stays what it was"


def test_whatever_messages_come_nothing_is_copied() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    before = world.records(spec).snapshot()
    storm(world, spec)
    assert published(world) == 0
    assert world.records(spec).snapshot() == before, "no claim, no record, no receipt"
    assert world.open_jobs() == []


def test_neither_while_it_is_made() -> None:
    world = prefix_job.filled(World(policy=replace(SMALL, partition_rows=1, split_entries_per_run=1)))
    spec = submit(world)
    for _ in range(3):
        world.collect()
        mail = next(mail for mail in world.mail if mail.queue == "split")
        world.mail.remove(mail)
        world.handle(mail)
    assert view(world, spec).state is PlanState.PLANNING
    storm(world, spec)
    assert view(world, spec).state is PlanState.PLANNED
    assert published(world) == 0
    assert not world.records(spec).snapshot().claims


def test_sweeps_alone_make_a_plan_and_carry_it_out() -> None:
    """Every message is lost except the sweeps'."""
    world = prefix_job.filled(World(lose=True))
    spec = planned(world)
    approve(world, spec, EAST)
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)


def test_a_plan_of_many_ranges() -> None:
    world = World(policy=replace(SMALL, partition_rows=2, split_entries_per_run=2))
    for number in range(40):
        world.put(f"in/a/{number:03d}", b"x" * (number % 3))
        if number % 4 == 0:
            world.put(f"out/b/{number:03d}", b"x" * (number % 3), TARGET[EAST])
    spec = planned(world)
    summary = view(world, spec).summary
    assert summary is not None
    assert summary.ranges > 5
    assert summary.totals.objects == 40
    assert summary.totals.bytes == sum(number % 3 for number in range(40))
    assert summary.totals.decided == {"UNCHANGED": 10}
    approve(world, spec)
    world.settle()
    assert world.terminal(spec).counts == {Outcome.COPIED: 30, Outcome.UNCHANGED: 10}
    assert world.outcomes(spec) == rows(world, spec)


@pytest.mark.parametrize("put", [0, 3], ids=["empty", "all-unchanged"])
def test_a_plan_of_nothing_to_copy_is_approved_all_the_same(put: int) -> None:
    world = World()
    for number in range(put):
        world.put(f"in/a/{number}", b"x")
        world.put(f"out/b/{number}", b"x", TARGET[EAST])
    spec = planned(world)
    world.run(HOUR)
    assert world.records(spec).terminal() is None
    approve(world, spec)
    world.pump()
    assert world.terminal(spec).state is JobState.SUCCEEDED, "at once, by split"


def test_a_plan_is_no_burden_to_sweeps_once_it_is_made() -> None:
    world = prefix_job.filled(World())
    planned(world)
    world.run(MINUTE)
    world.faults.calls.clear()
    world.run(10 * MINUTE)
    assert not any(key.startswith("jobs/") for _, _, key in world.faults.calls)


def test_an_ordinary_job_costs_nothing_more() -> None:
    world = prefix_job.filled(World())
    world.submit("a/", "b/")
    world.settle()
    names = {key.rpartition("/")[2] for _, bucket, key in world.faults.calls if bucket.startswith("control")}
    assert not names & {"approved", "planned"}


# --- what has changed since -----------------------------------------------------------------------------------------


def test_what_has_changed_since_is_told_and_not_planned_anew() -> None:
    world = World()
    for key in ("changed", "gone", "met", "plain"):
        world.put(f"in/a/{key}", key.encode())
    spec = planned(world)
    world.put("in/a/changed", b"another")
    world.put("in/a/new", b"never planned")
    world.store.remove(SOURCE[WEST], "in/a/gone")
    world.put("out/b/met", b"somebody else's", TARGET[EAST])
    approve(world, spec)
    world.settle()
    assert {key.removeprefix("in/a/"): outcome for key, outcome in world.outcomes(spec).items()} == {
        "changed": Outcome.SOURCE_CHANGED,
        "gone": Outcome.SOURCE_GONE,
        "met": Outcome.DESTINATION_CONFLICT,
        "plain": Outcome.COPIED,
    }
    assert world.body("out/b/met") == b"somebody else's"
    assert world.body("out/b/new") is None


# --- approving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("planning", "approving"), [(WEST, EAST), (EAST, WEST), (EAST, EAST)])
def test_either_region_approves(planning: str, approving: str) -> None:
    world = prefix_job.filled(World())
    spec = planned(world, region=planning)
    approve(world, spec, approving)
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)


def test_approved_in_east_when_west_is_dead() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    world.mail.clear()
    world.regions[WEST].next_sweep_ms += 1000 * DAY
    approve(world, spec, EAST)
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED


def test_approving_twice_changes_nothing() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    approve(world, spec)
    approve(world, spec, EAST)
    world.settle()
    approve(world, spec)
    assert world.open_jobs() == []
    world.tidy()
    prefix_job.check(world, spec)


def test_it_is_listed_among_jobs_only_when_it_is_approved() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    assert control.list_jobs(world.west, TENANT, None, 10).jobs == ()
    approve(world, spec)
    assert [job.job_id for job, _ in control.list_jobs(world.east, TENANT, None, 10).jobs] == [spec.job_id]


def test_not_before_it_is_made() -> None:
    world = prefix_job.filled(World())
    spec = submit(world)
    with pytest.raises(NotYet, match="still being made") as refusal:
        approve(world, spec)
    assert refusal.value.code == "PlanNotMade"
    world.settle()
    approve(world, spec)


def test_not_when_it_is_old() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    expires_ms = view(world, spec).expires_ms
    assert expires_ms is not None
    world.clock.advance(expires_ms - world.clock.now_ms())
    assert view(world, spec).state is PlanState.EXPIRED
    with pytest.raises(NotYet) as refusal:
        approve(world, spec)
    assert refusal.value.code == "PlanExpired"
    assert world.records(spec).approval() is None


def test_once_approved_it_does_not_expire() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    approve(world, spec)
    world.clock.advance(30 * DAY)
    approve(world, spec)
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED


def test_a_job_is_no_plan() -> None:
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")
    for ask in (lambda: view(world, spec), lambda: approve(world, spec), lambda: rows(world, spec)):
        with pytest.raises(Unknown, match="you have no plan"):
            ask()


@pytest.mark.parametrize("first", [False, True], ids=["job-first", "plan-first"])
def test_a_job_and_a_plan_under_one_key_are_two_requests(first: bool) -> None:
    world = prefix_job.filled(World())
    world.submit("a/", "b/", planned_first=first)
    with pytest.raises(KeyReused):
        world.submit("a/", "b/", planned_first=not first)
    with pytest.raises(KeyReused):
        world.submit("a/", "b/", planned_first=True, every_object=True)


def test_the_same_request_is_the_same_plan() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    assert submit(world, EAST) == spec
    world.settle()
    assert world.open_jobs() == []
    assert view(world, spec).state is PlanState.PLANNED
    approve(world, spec)
    assert submit(world) == spec
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)


# --- cancel and pause -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_made", [False, True], ids=["in-the-making", "made"])
@pytest.mark.parametrize("lose", [False, True], ids=["", "messages-lost"])
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_cancelled_without_approval(is_made: bool, lose: bool, filled: bool) -> None:
    world = prefix_job.filled(World(lose=lose)) if filled else World(lose=lose)
    spec = planned(world) if is_made else submit(world)
    control.cancel(world.east, TENANT, spec.job_id)
    assert view(world, spec).state is PlanState.CANCELLED
    with pytest.raises(NotYet) as refusal:
        approve(world, spec)
    assert refusal.value.code == "PlanCancelled"
    world.settle()
    assert world.terminal(spec).state is JobState.CANCELLED
    assert view(world, spec).state is PlanState.CANCELLED
    assert published(world) == 0
    with pytest.raises(NotYet):
        approve(world, spec)
    control.cancel(world.west, TENANT, spec.job_id)
    world.run(10 * MINUTE)
    assert world.open_jobs() == []


def test_cancelled_after_the_approval() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    approve(world, spec)
    control.cancel(world.west, TENANT, spec.job_id)
    world.settle()
    assert world.terminal(spec).state is JobState.CANCELLED
    assert published(world) == 0


def test_approved_and_cancelled_at_once() -> None:
    """At any call of the approval: it is refused, or the job ends as a cancelled job does."""

    def run(world: World) -> JobSpec:
        spec = planned(world)
        world.calls.paused = False
        with suppress(NotYet):
            approve(world, spec)
        world.calls.paused = True
        world.settle()
        return spec

    def make() -> World:
        world = prefix_job.filled(World())
        world.calls.paused = True
        return world

    def act(world: World) -> Act:
        def cancel(_: str) -> None:
            [job_id] = {key.split("/")[1] for key in world.store.keys(CONTROL[EAST]) if key.startswith("jobs/")}
            control.cancel(world.east, TENANT, job_id)

        return cancel

    for world, spec, call in at_every_call(make, run, act, least=8):
        assert world.terminal(spec).state is JobState.CANCELLED, call
        assert published(world) == 0, call


@pytest.mark.parametrize("is_made", [False, True], ids=["in-the-making", "made"])
def test_paused_and_resumed(is_made: bool) -> None:
    world = prefix_job.filled(World())
    spec = planned(world) if is_made else submit(world)
    control.pause(world.west, TENANT, spec.job_id)
    world.run(HOUR)
    assert control.get_job(world.east, TENANT, spec.job_id).progress.state is JobState.PAUSED
    if is_made:
        approve(world, spec)
        world.run(HOUR)
        assert published(world) == 0
    control.resume(world.east, TENANT, spec.job_id)
    world.settle()
    if not is_made:
        assert published(world) == 0
        approve(world, spec)
        world.settle()
    world.tidy()
    prefix_job.check(world, spec)


# --- trouble --------------------------------------------------------------------------------------------------------


def until_answered(world: World, ask: Callable[[], object]) -> None:
    """Repeat the request until it is answered, as a client does."""
    for _ in range(20):
        try:
            ask()
        except Crash as died:
            world.crashes.append(str(died))
        except Retry:
            world.run(1000)
        else:
            return
    raise AssertionError("never answered")


def whole(approving: str) -> Callable[[World], JobSpec]:
    """Return a run that makes a plan, approves it and ends its job, with a client that repeats requests without an
    answer."""

    def run(world: World) -> JobSpec:
        specs: list[JobSpec] = []
        until_answered(world, lambda: specs.append(submit(world)))
        world.settle()
        spec = specs[0]
        assert published(world) == 0
        predicted = rows(world, spec)
        until_answered(world, lambda: approve(world, spec, approving))
        world.settle()
        world.calls.paused = True
        world.tidy()
        assert world.outcomes(spec) == predicted
        return spec

    return run


@pytest.mark.parametrize("approving", [WEST, EAST])
@pytest.mark.parametrize("redeliver", [True, False], ids=["message-comes-again", "message-is-lost"])
def test_a_crash_at_any_call_of_planning_and_approval(approving: str, redeliver: bool) -> None:
    everywhere = at_every_call(
        lambda: prefix_job.filled(World(redeliver=redeliver)), whole(approving), lambda _: crash, least=100
    )
    for world, spec, call in everywhere:
        prefix_job.check(world, spec, call)


def test_a_late_hand_takes_the_plan_and_not_the_job_off_the_list() -> None:
    """The worker that summed the plan up falls asleep before it takes it off the list, and wakes up after the
    approval."""
    world = prefix_job.filled(World(lose=True))
    spec = submit(world)
    late: list[str] = []

    def approved_meanwhile(_: str) -> None:
        late.append("approved")
        approve(world, spec, EAST)

    world.calls.plan(1, before=approved_meanwhile, is_counted=lambda label: label == "store.delete")
    world.run(10 * MINUTE)
    assert late
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)


def test_storage_that_does_not_answer_is_no_approval() -> None:
    world = prefix_job.filled(World())
    spec = planned(world)
    dead = world.faults.rule(Rule(Operation.PUT, times=None))
    with pytest.raises(Retry):
        approve(world, spec)
    world.faults.rules.remove(dead)
    assert view(world, spec).state is PlanState.PLANNED


# --- what a plan foresees -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every_object", [False, True])
def test_rows_that_would_fail(every_object: bool) -> None:
    world = World(policy=replace(SMALL, object_max_bytes=100))
    world.put("in/a/archived", b"x", storage_class="GLACIER")
    world.put("in/a/denied", b"x")
    world.put("in/a/exists", b"x")
    world.put("in/a/huge", b"x" * 101)
    world.put("in/a/plain", b"x")
    world.put("out/b/exists", b"another", TARGET[EAST])
    world.store.deny(SOURCE[WEST], Action.READ, key="in/a/denied")
    spec = planned(world, mode=OverwriteMode.FAIL, every_object=every_object)
    predicted = {key.removeprefix("in/a/"): outcome for key, outcome in rows(world, spec).items()}
    assert predicted == {
        "archived": Outcome.ARCHIVED,
        "denied": Outcome.DENIED if every_object else Outcome.COPIED,
        "exists": Outcome.DESTINATION_CONFLICT,
        "huge": Outcome.FAILED,
        "plain": Outcome.COPIED,
    }
    assert set(rows(world, spec, Outcome.FAILED)) == {"in/a/huge"}
    approve(world, spec)
    world.settle()
    expected = predicted | {"denied": Outcome.DENIED}
    assert {key.removeprefix("in/a/"): outcome for key, outcome in world.outcomes(spec).items()} == expected


def test_every_object_is_looked_at_only_where_it_would_be_copied() -> None:
    world = prefix_job.filled(World())
    planned(world, every_object=True)
    looked = {
        key for operation, bucket, key in world.faults.calls if operation is Operation.HEAD and "source" in bucket
    }
    assert looked == {key.replace("out/b/", "in/a/") for key in prefix_job.DELIVERED}


@pytest.mark.parametrize("options", [{"keys": ("0-empty", "1-small", "2-large", "3-same", "4-changed", "5-more")}])
def test_plans_of_lists(options: dict[str, Any]) -> None:
    world = prefix_job.filled(World())
    spec = planned(world, **options)
    approve(world, spec)
    world.settle()
    world.tidy()
    assert world.outcomes(spec) == rows(world, spec)
    assert world.terminal(spec).state is JobState.SUCCEEDED
