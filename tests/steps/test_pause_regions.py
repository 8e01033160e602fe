"""A paused job and both Regions' sweeps: they leave it alone, it survives a Region's death, and it is started whole."""

from dataclasses import replace

import pytest

from chalicelib.core.jobs import JobState
from chalicelib.core.rows import Outcome
from chalicelib.steps import control
from simulation.memory.env import EAST, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.calls import crash
from tests.steps.pausing import (
    KEYS,
    LOOK_MS,
    all_arrived_once,
    begun,
    many,
    pause,
    paused_at,
    resume,
    slow_world,
    state,
)
from tests.steps.world import HOUR, MINUTE, SMALL, Mail, World

NEVER_MS = 24_000 * HOUR

# --- sweeps -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("died", [False, True], ids=["given-back", "its-worker-died"])
def test_sweeps_start_nothing_in_a_paused_job(died: bool) -> None:
    world = many(slow_world(replace(SMALL, partition_rows=4)))
    messages: list[Mail] = []
    if died:
        world.faults.rule(Rule(operation=Operation.COPY, first=2, act=lambda: crash("worker"), error=None))
        world.redeliver = False
    spec = paused_at(world, Operation.COPY, 1)
    assert bool(world.crashes) is died
    world.run(LOOK_MS)
    before = begun(world), world.records(spec).snapshot()
    world.watch = lambda: messages.extend(world.mail)
    beats = {heartbeat.region: heartbeat.counter for heartbeat in world.ledger.region_heartbeats()}
    world.run(HOUR)
    assert messages == []
    assert (begun(world), world.records(spec).snapshot()) == before
    assert all(heartbeat.counter >= beats[heartbeat.region] + 59 for heartbeat in world.ledger.region_heartbeats())
    world.watch = None
    resume(world, spec, EAST)
    world.settle()
    all_arrived_once(world, spec)


def test_resumed_by_sweeps_alone_within_minutes() -> None:
    """Every message is lost except the sweeps', and no sweep has looked between the pause and the resume."""
    world = many(slow_world(lose=True))
    spec = world.submit("a/", "b/")
    pause(world, spec)
    world.run(3 * HOUR)
    assert begun(world) == 0
    resume(world, spec)
    resumed_ms = world.clock.now_ms()
    world.run(MINUTE)
    assert world.records(spec).snapshot().entries, "split was started at once"
    world.settle()
    all_arrived_once(world, spec)
    assert world.terminal(spec).settled_ms - resumed_ms <= 30 * MINUTE


def test_what_was_copied_is_verified_and_a_job_that_was_all_copied_settles_though_paused() -> None:
    world = World(lose=True)
    world.put(KEYS[0], b"x")
    spec = world.submit("a/", "b/")
    while not world.records(spec).snapshot().copied:
        world.step()
    assert not world.records(spec).snapshot().done, "the message to verify is lost"
    assert pause(world, spec) is JobState.PAUSED
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert state(world, spec) is JobState.SUCCEEDED


def test_a_job_of_very_many_partitions_goes_on_at_once_and_by_itself() -> None:
    """The request starts the first partition of each lane, and each partition starts the next. No queue is filled, and
    no sweep is needed."""
    world = World(policy=replace(SMALL, partition_rows=1, split_entries_per_run=2000))
    keys = [f"in/a/{number:04d}" for number in range(1100)]
    for key in keys:
        world.put(key, b"x")
    spec = world.submit("a/", "b/")
    world.collect()
    split = next(mail for mail in world.mail if mail.queue == "split")
    world.mail.remove(split)
    world.handle(split)
    pause(world, spec)
    world.pump()
    assert begun(world) == 0
    world.run(HOUR)
    resume(world, spec)
    world.collect()
    assert sum(mail.queue == "copy" for mail in world.mail) == world.policy.partitions_ahead
    world.pump()
    assert len(world.written(keys[-1].replace("in/a", "out/b"))) == 1
    world.run(2 * MINUTE)
    assert world.terminal(spec).counts == {Outcome.COPIED: 1100}


# --- Regions ------------------------------------------------------------------------------------------------------


def west_dies(world: World) -> None:
    world.mail[:] = [mail for mail in world.mail if mail.region != WEST]
    world.regions[WEST].next_sweep_ms += NEVER_MS


def test_paused_in_west_and_west_dies_and_it_is_resumed_through_east() -> None:
    world = many(slow_world(replace(SMALL, partition_rows=30)))
    spec = paused_at(world, Operation.COPY, 3)
    west_dies(world)
    copied = begun(world)
    world.run(3 * HOUR)
    assert begun(world) == copied
    assert world.records(spec).snapshot().claims == {"r-000001": 1}, "nobody took it over"
    assert state(world, spec, EAST) is JobState.PAUSED
    assert resume(world, spec, EAST) is JobState.RUNNING
    world.pump()
    claim = world.records(spec).claim("r-000001", 2)
    assert claim is not None
    assert claim.region == EAST
    all_arrived_once(world, spec)


def test_west_dies_with_a_worker_that_never_saw_the_pause() -> None:
    world = many(slow_world(replace(SMALL, partition_rows=30)))
    spec = world.submit("a/", "b/")

    def paused_and_dead() -> None:
        pause(world, spec)
        crash("West")

    world.faults.rule(Rule(operation=Operation.COPY, first=3, act=paused_and_dead, error=None))
    world.pump()
    assert world.crashes
    world.collect(lost=True)
    west_dies(world)
    world.run(3 * HOUR)
    assert world.records(spec).snapshot().claims == {"r-000001": 1}, "nobody took it over"
    resume(world, spec, EAST)
    resumed_ms = world.clock.now_ms()
    world.settle()
    all_arrived_once(world, spec)
    copying_ms = 20_000 * len(KEYS)
    assert world.terminal(spec).settled_ms - resumed_ms <= 10 * MINUTE + copying_ms


def test_the_other_region_shows_the_pause_though_the_table_has_not_told_it() -> None:
    """The process that took the request died before it noted the pause in the table, or the table's replication stands
    still. Sweeps see it."""
    world = many(slow_world(lose=True))
    spec = world.submit("a/", "b/")
    pause(world, spec)
    world.ledger.observations.clear()
    assert state(world, spec, EAST) is JobState.PLANNING
    world.run(2 * MINUTE)
    assert {state(world, spec, region) for region in (WEST, EAST)} == {JobState.PAUSED}
    view = control.get_job(world.east, TENANT, spec.job_id)
    assert (view.reason, view.settled_ms) == ("paused by request: it goes on when it is resumed", None)


def test_a_note_that_comes_late_is_put_right() -> None:
    world = many(slow_world(lose=True))
    spec = world.submit("a/", "b/")
    pause(world, spec)
    late = world.ledger.observations[spec.job_id, "desired-state", WEST]
    resume(world, spec)
    world.run(2 * MINUTE)
    world.ledger.put_observation(late)
    world.ledger.put_observation(replace(late, region=EAST))
    world.run(2 * MINUTE)
    assert state(world, spec, EAST) is not JobState.PAUSED


def test_the_storage_of_a_paused_jobs_region_is_dead() -> None:
    """The job waits for its owner first. To resume it, that storage is needed."""
    world = many(slow_world())
    spec = world.submit("a/", "b/")
    pause(world, spec)
    world.pump()
    dead = Rule(region=EAST, times=None)
    world.faults.rule(dead)
    world.run(5 * MINUTE)
    assert state(world, spec) is JobState.PAUSED
    world.faults.rules.remove(dead)
    resume(world, spec)
    world.settle()
    all_arrived_once(world, spec)
