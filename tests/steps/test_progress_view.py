"""A client that watches a job sees no step backwards, never more than there is, and the truth at the end."""

from collections.abc import Callable

import pytest

from chalicelib.core.jobs import JobState
from chalicelib.core.progress import Progress
from chalicelib.core.rows import Outcome
from chalicelib.steps import control
from simulation.memory.env import EAST, TENANT, WEST
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.calls import crash, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.test_storms import STORMS, storm
from tests.steps.world import MINUTE, World


class Watcher:
    """Reads the job after every step."""

    def __init__(self, world: World) -> None:
        self.world, self.seen = world, list[Progress]()

    def __call__(self) -> None:
        jobs = control.list_jobs(self.world.observer, TENANT, None, 10).jobs
        for spec, _ in jobs:
            self.seen.append(control.get_job(self.world.observer, TENANT, spec.job_id).progress)

    def check(self) -> None:
        assert self.seen
        for earlier, later in zip(self.seen, self.seen[1:], strict=False):
            for count in ("objects_planned", "objects_decided", "bytes_planned", "bytes_decided", "partitions_done"):
                assert getattr(earlier, count) <= getattr(later, count), (count, earlier, later)
            assert earlier.planned <= later.planned
            assert not earlier.state.terminal or later.state is earlier.state
        for progress in self.seen:
            assert progress.objects_decided <= progress.objects_planned
            assert progress.bytes_decided <= progress.bytes_planned
            assert sum(progress.counts.values()) <= progress.objects_planned
            assert progress.partitions_done <= progress.partitions
        last = self.seen[-1]
        assert (last.state, last.phase, last.planned, last.eta_ms) == (JobState.SUCCEEDED, "settled", True, 0)
        assert (last.objects_planned, last.objects_decided) == (6, 6)
        assert last.counts == {Outcome.COPIED: 5, Outcome.UNCHANGED: 1}


def watched(world: World) -> World:
    world.watch = Watcher(prefix_job.filled(world))
    return world


def check(world: World) -> None:
    assert isinstance(world.watch, Watcher)
    world.watch.check()


@pytest.mark.parametrize("act", [crash, refuse], ids=["crash", "refuse"])
def test_progress_never_goes_back_whatever_happens(act: Callable[[str], object]) -> None:
    for world, _, _ in at_every_call(lambda: watched(World()), prefix_job.run, lambda _: act):
        check(world)


def test_progress_never_goes_back_when_a_partition_is_given_back() -> None:
    """Rows that an earlier epoch decided are looked at again, and are still shown as decided."""
    world = watched(World())
    storm(world, STORMS["completes"], world.clock.now_ms() + 20 * MINUTE)
    prefix_job.run(world)
    check(world)


def test_progress_never_goes_back_when_the_other_region_takes_over() -> None:
    world = watched(World())
    storm(world, STORMS["completes"], world.clock.now_ms() + 2 * MINUTE)
    prefix_job.submit_until_accepted(world)
    world.pump()
    world.mail = [mail for mail in world.mail if mail.region == EAST]
    world.regions[WEST].next_sweep_ms += 1000 * MINUTE
    world.settle()
    check(world)


def test_a_job_that_has_just_been_accepted() -> None:
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")
    view = control.get_job(world.west, TENANT, spec.job_id)
    assert (view.progress.state, view.progress.phase, view.progress.planned) == (JobState.PLANNING, "split", False)
    assert (view.progress.objects_planned, view.progress.eta_ms, view.settled_ms) == (0, None, None)


def test_a_successor_that_can_not_read_what_was_decided_before_takes_nothing_back() -> None:
    """Found by simulation: its first heartbeat replaced the progress that an earlier epoch of its Region had noted."""

    def make() -> World:
        world = watched(World(runtime_ms=4 * MINUTE))

        def slow(operation: Operation, _bucket: str, _key: str) -> None:
            if operation in (Operation.COPY, Operation.COMPLETE):
                world.clock.advance(2 * MINUTE)
                assert world.watch is not None
                world.watch()

        world.store.before_call = slow
        return world

    reads = at_every_call(make, prefix_job.run, lambda _: refuse, is_counted="ledger.get_leases".__eq__, least=3)
    for world, _, _ in reads:
        check(world)
