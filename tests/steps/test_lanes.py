"""Each partition is started by the one before it in its lane. Messages alone start all of them, whatever lies
between."""

from dataclasses import replace

import pytest

from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.rows import Outcome
from chalicelib.steps import control
from simulation.memory.env import EAST, TARGET, TENANT
from tests.steps import prefix_job
from tests.steps.calls import crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import HOUR, SMALL, World


def world_of(ahead: int, objects: int, unchanged: frozenset[int] = frozenset()) -> World:
    """Return a world with partitions of one object each. Those of `unchanged` need no copying."""
    world = World(policy=replace(SMALL, partition_rows=1, partitions_ahead=ahead, split_entries_per_run=10_000))
    for number in range(objects):
        world.put(f"in/a/{number:03d}", b"x%d" % number)
        if number in unchanged:
            world.put(f"out/b/{number:03d}", b"x%d" % number, TARGET[EAST])
    return world


def run_without_sweeps(world: World) -> JobSpec:
    spec = world.submit("a/", "b/")
    world.pump()
    return spec


def waiting(world: World) -> int:
    """Return the number of messages in the copy queue."""
    world.collect()
    return sum(mail.queue == "copy" for mail in world.mail)


def plan(world: World) -> JobSpec:
    """Plan the job to its end. Nothing is copied yet."""
    spec = world.submit("a/", "b/")
    world.collect()
    split = next(mail for mail in world.mail if mail.queue == "split")
    world.mail.remove(split)
    world.handle(split)
    return spec


@pytest.mark.parametrize("ahead", [1, 2, 5, 32])
def test_all_of_a_job(ahead: int) -> None:
    world = world_of(ahead, 30)
    spec = plan(world)
    assert waiting(world) == min(ahead, 30)
    world.pump()
    assert world.terminal(spec).counts == {Outcome.COPIED: 30}
    assert world.events("redriven") == []


@pytest.mark.parametrize("ahead", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "changed",
    [{0}, {39}, {0, 39}, {5, 6, 30}, set(range(0, 40, 3)), set(range(20, 40)), set(range(20)), set()],
    ids=["first", "last", "both-ends", "few", "every-third", "second-half", "first-half", "none"],
)
def test_unchanged_partitions_hand_on_the_turn(ahead: int, changed: set[int]) -> None:
    world = world_of(ahead, 40, frozenset(range(40)) - changed)
    spec = world.submit("a/", "b/")
    world.pump()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.terminal(spec).counts.get(Outcome.COPIED, 0) == len(changed)
    assert world.events("redriven") == []


def test_an_incremental_run_does_not_fill_the_queue() -> None:
    """Half of its partitions have something to copy. One that lies behind an unchanged one waits for its turn, too."""
    world = world_of(4, 100, frozenset(number for number in range(100) if number // 4 % 2))
    spec = plan(world)
    assert waiting(world) == 4
    world.pump()
    assert world.terminal(spec).counts == {Outcome.COPIED: 52, Outcome.UNCHANGED: 48}


def test_a_splitter_that_finds_its_turn_come_starts_it_himself() -> None:
    """Planning is slower than copying: the worker that finished the one before saw no entry to start."""
    world = world_of(2, 12)
    world.policy = replace(world.policy, split_entries_per_run=1)
    for region in world.regions.values():
        region.env = replace(region.env, policy=world.policy)
    spec = run_without_sweeps(world)
    assert world.terminal(spec).counts == {Outcome.COPIED: 12}
    assert world.events("redriven") == []


def test_a_cancelled_job_is_decided_to_its_end() -> None:
    world = world_of(3, 40)
    spec = plan(world)
    control.cancel(world.west, TENANT, spec.job_id)
    world.pump()
    end = world.terminal(spec)
    assert end.state is JobState.CANCELLED
    assert end.counts == {Outcome.CANCELLED: 40}
    assert world.events("redriven") == []


def test_a_paused_job_goes_on_lane_by_lane() -> None:
    world = world_of(3, 40)
    spec = plan(world)
    control.pause(world.west, TENANT, spec.job_id)
    world.pump()
    world.run(HOUR)
    control.resume(world.west, TENANT, spec.job_id)
    assert waiting(world) == 3
    world.pump()
    assert world.terminal(spec).counts == {Outcome.COPIED: 40}


def test_a_lane_that_broke_off_is_mended() -> None:
    """Every message but the sweep's is lost. Each time that the sweep finds the job standing still, the job goes on."""
    world = world_of(2, 8)
    world.lose = True
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.terminal(spec).counts == {Outcome.COPIED: 8}


def test_a_crash_at_any_call() -> None:
    """The window has two partitions, and two of the five need no copying. Whichever call a worker dies at, the job ends
    with every object."""

    def filled() -> World:
        return world_of(2, 5, frozenset({1, 3}))

    for world, spec, call in at_every_call(filled, prefix_job.run, lambda _: crash, least=80):
        assert world.terminal(spec).counts == {Outcome.COPIED: 3, Outcome.UNCHANGED: 2}, call
