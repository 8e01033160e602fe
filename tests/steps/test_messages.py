"""Messages come twice, never, late and in any order. They only start steps; the records say what is to be done."""

import random

import pytest

from chalicelib.core.jobs import JobState
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Outcome
from chalicelib.ports import QueueName
from chalicelib.protocol import messages
from simulation.memory.env import EAST, WEST
from tests.steps import prefix_job
from tests.steps.world import MINUTE, SMALL, World
from tests.tasks import task_on


def test_every_message_comes_twice() -> None:
    world = prefix_job.filled(World(deliver_times=2))
    prefix_job.check(world, prefix_job.run(world))


def test_every_message_is_lost_and_sweeps_finish_the_job() -> None:
    world = prefix_job.filled(World(lose=True))
    spec = prefix_job.run(world)
    prefix_job.check(world, spec)
    assert world.terminal(spec).settled_ms - spec.created_ms <= 30 * MINUTE


def test_every_message_is_lost_and_the_range_was_split() -> None:
    """The split messages of both halves are lost too, when neither half has a record yet."""
    world = World(policy=forking(), lose=True)
    keys = [f"in/a/{number:03d}" for number in range(60)]
    for key in keys:
        world.put(key, key.encode())
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == dict.fromkeys(keys, Outcome.COPIED)
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert any(name.startswith("r0") for name in world.records(spec).snapshot().entries), "nothing was split"


@pytest.mark.parametrize("seed", range(20))
def test_messages_come_in_any_order(seed: int) -> None:
    world = prefix_job.filled(World(shuffle=random.Random(seed), deliver_times=1 + seed % 3))
    prefix_job.check(world, prefix_job.run(world))


@pytest.mark.parametrize("seed", range(10))
def test_some_messages_are_lost_and_others_come_late(seed: int) -> None:
    chance = random.Random(seed)
    world = World(policy=forking(), shuffle=chance)
    keys = [f"in/a/{number:03d}" for number in range(40)]
    for key in keys:
        world.put(key, key.encode())
    spec = world.submit("a/", "b/")
    while world.open_jobs():
        world.collect(lost=chance.random() < 0.5)
        for mail in world.mail:
            mail.due_ms += chance.choice([0, 0, MINUTE, 10 * MINUTE])
        world.step()
    assert world.outcomes(spec) == dict.fromkeys(keys, Outcome.COPIED)
    assert all(len(world.written(key.replace("in/a", "out/b"))) == 1 for key in keys)


def test_the_messages_of_a_finished_job_change_nothing() -> None:
    world = prefix_job.filled(World())
    spec = prefix_job.run(world)
    requests = dict(world.store.requests)
    puts = {name: count for name, count in requests.items() if name[0] in ("PutObject", "CopyObject")}
    for region in (WEST, EAST):
        for queue in QueueName:
            for partition_id in ("r", "r-000001", "r-000002"):
                world.post(region, queue, messages.dumps(task_on(queue, spec.job_id, EAST, partition_id)))
    world.settle()
    assert {n: c for n, c in world.store.requests.items() if n[0] in ("PutObject", "CopyObject")} == puts
    prefix_job.check(world, spec)
    assert world.dead_letters == []


def test_a_message_for_a_job_that_never_was_changes_nothing() -> None:
    world = World()
    for queue in QueueName:
        world.post(WEST, queue, messages.dumps(task_on(queue, "job-never", EAST, "r-000001")))
    world.settle()
    assert world.dead_letters == []


def forking() -> Policy:
    return Policy(
        multipart_threshold_bytes=SMALL.multipart_threshold_bytes,
        part_size_bytes=SMALL.part_size_bytes,
        partition_rows=2,
        split_entries_per_run=3,
    )
