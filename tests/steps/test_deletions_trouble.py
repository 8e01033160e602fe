"""Jobs that also delete, in trouble: a worker dies, wakes up late or must stop. Nothing goes that must not, and in the
end everything is as it was requested."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.core.deletions import Consent, Deletion, Versioning
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.rows import Outcome
from chalicelib.ports import CopyPartition, PlanRange
from chalicelib.steps import control, copy, split
from simulation.memory.clock import SequentialIds
from simulation.memory.env import EAST, SOURCE, TARGET, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Action, Operation
from tests.steps import deleting, prefix_job
from tests.steps.calls import Act, crash, lose_answer, refuse
from tests.steps.deleting import STRAYS, deletes, deletions, source_of
from tests.steps.everywhere import at_every_call
from tests.steps.turns import Turns
from tests.steps.world import FOREVER_MS, HOUR, MINUTE, SMALL, World

FEW = replace(SMALL, partition_rows=2, split_entries_per_run=1)
"""Two partitions of deletions, cut by two invocations."""


def unversioned() -> World:
    world = World()
    world.store.make_bucket(TARGET[EAST], versioned=False)
    return world


def run(world: World, cap: int = len(STRAYS)) -> JobSpec:
    """Submit the job without counted calls, because the trouble of a submission is that of any job, and let it end."""
    world.calls.paused = True
    keeps_versions = world.store.versioning(TARGET[EAST]) is Versioning.ENABLED
    spec = deleting.submit(world, Deletion(cap, Consent.DELETE if keeps_versions else Consent.FOR_EVER))
    world.calls.paused = False
    world.settle()
    return spec


MAKERS: dict[str, Callable[[], World]] = {
    "message-comes-again": World,
    "message-is-lost": lambda: World(redeliver=False),
    "several-partitions": lambda: World(policy=FEW),
    "unversioned-target": unversioned,
    "kms-target": lambda: World(encryption="aws:kms"),
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_crash_at_any_call(maker: Callable[[], World]) -> None:
    for world, spec, call in at_every_call(lambda: deleting.filled(maker()), run, lambda _: crash, least=100):
        deleting.check(world, spec, call)


@pytest.mark.parametrize("port", ["store", "ledger", "queue", "notifier"])
def test_an_answer_is_lost_at_any_call(port: str) -> None:
    runs = at_every_call(
        lambda: deleting.filled(World()),
        run,
        lambda _: lose_answer,
        is_counted=lambda label: label.startswith(f"{port}."),
        after=True,
    )
    for world, spec, call in runs:
        deleting.check(world, spec, call)


def test_a_call_is_refused_at_any_time() -> None:
    runs = at_every_call(
        lambda: deleting.filled(World()), run, lambda _: refuse, is_counted=lambda label: label.startswith("store.")
    )
    for world, spec, call in runs:
        deleting.check(world, spec, call)


def test_a_storm_of_refused_deletes() -> None:
    world = deleting.filled(World())
    world.faults.rule(Rule(operation=Operation.DELETE, bucket=TARGET[EAST].name, times=20))
    deleting.check(world, run(world))


@pytest.mark.parametrize("over", [False, True])
def test_every_message_is_lost_and_sweeps_finish_the_job(over: bool) -> None:
    world = deleting.filled(World(policy=FEW, lose=True))
    spec = deleting.submit(world, Deletion(1) if over else deleting.CAP)
    world.settle()
    if over:
        assert "the cap is 1" in deleting.nothing_deleted(world, spec)
    else:
        deleting.check(world, spec)


@pytest.mark.parametrize("redeliver", [True, False])
def test_a_crash_at_any_call_of_a_job_over_its_cap(redeliver: bool) -> None:
    def make() -> World:
        return deleting.filled(World(policy=FEW, redeliver=redeliver))

    for world, spec, call in at_every_call(make, lambda world: run(world, 2), lambda _: crash, least=100):
        assert "3 objects would be deleted, the cap is 2" in deleting.nothing_deleted(world, spec), call
        assert set(deletions(world, spec).values()) == {Outcome.KEPT}, call


@pytest.mark.parametrize("redeliver", [True, False])
def test_a_crash_at_any_call_of_a_job_that_delivers_not_all(redeliver: bool) -> None:
    """Simulation, seeds 2341 and 2819: the entry that says why nothing is deleted has no rows. Its writer died before
    it wrote the receipt."""

    def make() -> World:
        world = deleting.filled(World(redeliver=redeliver))
        world.store.deny(SOURCE[WEST], Action.READ, key="in/a/1-small")
        return world

    for world, spec, call in at_every_call(make, run, lambda _: crash, least=80):
        assert "nothing was deleted: not every object" in deleting.nothing_deleted(world, spec), call
        assert deletions(world, spec) == {}, call


# --- two workers, two Regions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", [WEST, EAST])
def test_a_worker_wakes_up_after_its_partition_was_taken_over(region: str) -> None:
    def make() -> World:
        return deleting.filled(World(policy=FEW, runtime_ms=FOREVER_MS))

    def run_in(world: World) -> JobSpec:
        world.calls.paused = True
        spec = deleting.submit(world, region=region)
        world.calls.paused = False
        world.settle()
        return spec

    def others_finish(world: World) -> Act:
        return lambda _: world.run(45 * MINUTE)

    for world, spec, call in at_every_call(make, run_in, others_finish, least=100):
        deleting.check(world, spec, call)


def test_the_other_region_finishes_what_a_dead_one_began() -> None:
    world = deleting.filled(World(policy=FEW))
    spec = deleting.submit(world)
    dies = Rule(operation=Operation.DELETE, bucket=TARGET[EAST].name, act=lambda: crash("delete"))
    world.faults.rule(dies)
    world.pump()
    world.regions[WEST].next_sweep_ms += 1000 * HOUR
    world.mail = [mail for mail in world.mail if mail.region != WEST]
    while world.open_jobs():
        world.step()
        world.mail = [mail for mail in world.mail if mail.region != WEST]
    deleting.check(world, spec)
    assert world.records(spec).snapshot().claims["d-000001"] == 2
    assert world.records(spec).receipt("d-000001").region == EAST  # type: ignore[union-attr]


WATCHED = frozenset({"head", "delete_pinned", "create"})


def test_two_workers_side_by_side() -> None:
    for first in range(2, 14):
        for second in range(1, 12):
            world = deleting.filled(World(policy=replace(SMALL, partition_rows=10)))
            spec = planned(world)
            turns = Turns([first, second, 1000])
            turns.run((worker(world, turns, 0, spec), worker(world, turns, 1, spec, wait=True)))
            world.settle()
            deleting.check(world, spec, f"{first}, {second}")


def planned(world: World) -> JobSpec:
    """Submit a job, and stop when everything is delivered, the deletions are planned, and their copy message is
    lost."""
    spec = deleting.submit(world)
    while not world.records(spec).entries_of_range("d"):
        world.collect()
        mail = world.mail.pop(0)
        world.handle(mail)
    world.collect(lost=True)
    world.mail.clear()
    return spec


def worker(world: World, turns: Turns, number: int, spec: JobSpec, *, wait: bool = False) -> Callable[[], None]:
    name = f"worker-{number}"
    store = turns.tap(number, world.store, WATCHED.__contains__)
    env = replace(world.west, store=store, worker=name, ids=SequentialIds(name))

    def work() -> None:
        for _ in range(4 if wait else 1):
            copy.run(env, CopyPartition(spec.job_id, EAST, "d-000001"), world.clock.now_ms() + 15 * MINUTE)
            if wait:  # It looks until the first one's lease has run out.
                world.clock.advance(2 * MINUTE)

    return work


@pytest.mark.parametrize("cap", [3, 2])
def test_both_regions_plan_the_deletions_at_once(cap: int) -> None:
    for first in range(1, 40, 3):
        for second in range(1, 30, 4):
            world = deleting.filled(World(policy=FEW))
            spec = deleting.submit(world, Deletion(cap))
            world.collect()
            delivered(world, spec)
            turns = Turns([first, second, 5, 1000])
            turns.run((splitter(world, turns, 0, spec), splitter(world, turns, 1, spec)))
            world.settle()
            if cap == 3:
                deleting.check(world, spec, f"{first}, {second}")
            else:
                assert "the cap is 2" in deleting.nothing_deleted(world, spec)


def delivered(world: World, spec: JobSpec) -> None:
    """Handle messages until all is delivered, and lose the message to plan the deletions."""
    while '"range_id":"d"' not in "".join(mail.body for mail in world.mail):
        world.handle(world.mail.pop(0))
        world.collect()
    world.mail.clear()


def splitter(world: World, turns: Turns, number: int, spec: JobSpec) -> Callable[[], None]:
    name = f"splitter-{number}"
    store = turns.tap(number, world.store, lambda _: True)
    env = replace(world.west if number else world.east, store=store, worker=name, ids=SequentialIds(name))

    def plan() -> None:
        for _ in range(3):
            split.run(env, PlanRange(spec.job_id, EAST, "d"), world.clock.now_ms() + 15 * MINUTE)

    return plan


def test_a_late_delete_meets_what_others_have_put_there() -> None:
    """A worker sleeps just before its DeleteObject. Others finish the job, and somebody puts a new object there."""

    def act(world: World) -> Act:
        def sleep(_: str) -> None:
            world.run(45 * MINUTE)
            for key in STRAYS:
                world.put(key, b"new", TARGET[EAST])

        return sleep

    runs = at_every_call(
        lambda: deleting.filled(World(runtime_ms=FOREVER_MS)),
        run,
        act,
        is_counted=lambda label: label == "store.delete_pinned",
        least=3,
    )
    for world, spec, call in runs:
        assert [world.body(key) for key in STRAYS] == [b"new"] * 3, call
        assert set(deletions(world, spec).values()) == {Outcome.DELETED}, call


def test_a_copy_message_before_the_manifest_log_is_planned_deletes_nothing() -> None:
    """The sweep sends such a message for any entry that nobody works on."""
    world = deleting.filled(World(policy=FEW))
    spec = deleting.submit(world)
    while not world.records(spec).entries_of_range("d"):
        world.collect()
        world.handle(world.mail.pop(0))
    first = world.records(spec).entry("d-000001")
    assert not first.last  # type: ignore[union-attr]
    task = CopyPartition(spec.job_id, EAST, "d-000001", fresh=True)
    copy.run(world.west, task, world.clock.now_ms() + HOUR)
    assert [deletes(world, key) for key in STRAYS] == [0] * 3
    assert "d-000001" not in world.records(spec).snapshot().claims
    world.settle()
    deleting.check(world, spec)


def test_a_message_to_plan_deletions_comes_too_early_or_to_a_job_without_consent() -> None:
    for deletion in (deleting.CAP, None):
        world = deleting.filled(World())
        spec = deleting.submit(world, deletion)
        split.run(world.east, PlanRange(spec.job_id, EAST, "d"), world.clock.now_ms() + HOUR)
        assert world.records(spec).snapshot().entries == set()
        world.settle()
        assert world.terminal(spec).state is JobState.SUCCEEDED
        split.run(world.east, PlanRange(spec.job_id, EAST, "d"), world.clock.now_ms() + HOUR)
        assert sum(deletes(world, key) for key in STRAYS) == (3 if deletion else 0)


# --- pause and cancel ---------------------------------------------------------------------------------------------


def test_cancelled_at_any_moment() -> None:
    def cancel(world: World) -> Act:
        return lambda _: [control.cancel(world.observer, TENANT, job) for job in world.ledger.jobs]

    ends = set()
    for world, spec, call in at_every_call(lambda: deleting.filled(World(policy=FEW)), run, cancel, least=100):
        end = world.terminal(spec)
        ends.add((end.state, end.counts.get(Outcome.DELETED, 0) > 0))
        for key, outcome in deletions(world, spec).items():
            assert outcome in (Outcome.DELETED, Outcome.CANCELLED), call
            assert deletes(world, key) == (outcome is Outcome.DELETED), (call, key)
        if end.state is JobState.SUCCEEDED:
            deleting.check(world, spec, call)
        else:
            assert end.reason.startswith("cancelled by request"), call
            assert (f", {end.counts.get(Outcome.DELETED)} deleted" in end.reason) is (Outcome.DELETED in end.counts)
        assert world.dead_letters == [], call
    assert {(JobState.CANCELLED, False), (JobState.CANCELLED, True), (JobState.SUCCEEDED, True)} <= ends


def test_paused_at_any_moment_and_resumed() -> None:
    def pause(world: World) -> Act:
        return lambda _: [control.pause(world.observer, TENANT, job) for job in world.ledger.jobs]

    def run_paused(world: World) -> JobSpec:
        world.calls.paused = True
        spec = deleting.submit(world)
        world.calls.paused = False
        world.run(30 * MINUTE)
        world.calls.paused = True
        if world.open_jobs():
            at_rest = sum(deletes(world, key) for key in STRAYS)
            world.run(HOUR)
            assert at_rest == sum(deletes(world, key) for key in STRAYS)
            control.resume(world.east, TENANT, spec.job_id)
        world.settle()
        return spec

    for world, spec, call in at_every_call(lambda: deleting.filled(World(policy=FEW)), run_paused, pause, least=100):
        deleting.check(world, spec, call)


def test_resumed_by_its_owner_alone_before_the_deletions_have_begun() -> None:
    """All is delivered, and the message to go on was dropped. The resume sends another, and no sweep is needed."""
    world = deleting.filled(World())
    spec = deleting.submit(world)
    paused: list[control.JobView] = []

    def pause() -> None:
        snapshot = world.records(spec).snapshot()
        if not paused and snapshot.entries and snapshot.entries == snapshot.done:
            paused.append(control.pause(world.observer, TENANT, spec.job_id))

    world.watch = pause
    world.pump()
    assert paused
    assert world.records(spec).entries_of_range("d") == []
    control.resume(world.west, TENANT, spec.job_id)
    world.pump()
    deleting.check(world, spec)


def test_an_object_that_appears_at_the_source_at_any_moment_stays_or_was_not_there_in_time() -> None:
    """It is deleted only if it came after the last look, and the object at the source is untouched."""

    def appear(world: World) -> Act:
        return lambda _: world.put(source_of(STRAYS[0]), b"back")

    outcomes = set()
    for world, spec, call in at_every_call(lambda: deleting.filled(World()), run, appear, least=100):
        outcome = deletions(world, spec).get(STRAYS[0])
        outcomes.add(outcome)
        assert deletes(world, STRAYS[0]) == (outcome is Outcome.DELETED), call
        assert outcome in (None, Outcome.KEPT, Outcome.DELETED), call
        assert world.store.current(SOURCE[WEST], source_of(STRAYS[0])) is not None
        assert deletes(world, STRAYS[1]) == 1, call
    assert outcomes == {None, Outcome.KEPT, Outcome.DELETED}


def test_prefix_jobs_are_as_before() -> None:
    """A job without consent makes the same calls as before, and not one more."""
    world = prefix_job.filled(World())
    spec = prefix_job.run(world)
    prefix_job.check(world, spec)
    assert not any(key.rsplit("/", 1)[-1].startswith("d-") for _, _, key in world.faults.calls)
