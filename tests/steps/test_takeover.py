"""Two workers on one partition: the first is paused at some call, another takes over and finishes, and the first wakes
up and goes on. Nothing is published twice, and the receipt tells the truth."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.rows import Outcome
from chalicelib.ports import CopyPartition, PlanRange, SourceRef, UploadRef
from chalicelib.steps import copy, split
from simulation.memory.clock import SequentialIds
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.calls import Act
from tests.steps.everywhere import at_every_call
from tests.steps.turns import Turns
from tests.steps.world import FOREVER_MS, MINUTE, World

TARGETS: dict[str, Callable[[], World]] = {
    "sse-s3": lambda: World(runtime_ms=FOREVER_MS),
    "kms": lambda: World(encryption="aws:kms", runtime_ms=FOREVER_MS),
}


def others_finish(world: World) -> Act:
    """Return an act in which leases run out, sweeps run, and others finish the job."""

    def act(_: str) -> None:
        world.run(45 * MINUTE)

    return act


def run_in(region: str) -> Callable[[World], JobSpec]:
    def run(world: World) -> JobSpec:
        spec = world.submit("a/", "b/", region=region)
        world.settle()
        world.calls.paused = True
        world.tidy()
        return spec

    return run


@pytest.mark.parametrize("make", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("region", [WEST, EAST])
def test_a_worker_wakes_up_after_its_partition_was_taken_over(make: Callable[[], World], region: str) -> None:
    everywhere = at_every_call(lambda: prefix_job.filled(make()), run_in(region), others_finish, least=60)
    for world, spec, call in everywhere:
        prefix_job.check(world, spec, call)


WATCHED = frozenset({"copy", "create_upload", "upload_part_copy", "complete", "list_parts", "head", "create"})
PARTITION = "r-000001"


@pytest.mark.parametrize("third", [1, 4, 1000])
@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_two_workers_side_by_side(encryption: str, third: int) -> None:
    """The workers take turns: the first makes some calls, the second takes over and makes some, and so on, to the
    end."""
    for first in range(4, 22):
        for second in range(1, 18, 2):
            world = World(encryption=encryption)
            world.put("in/a/1", bytes(range(50)))
            world.put("in/a/2", b"small")
            spec = planned(world)
            turns = Turns([first, second, third])
            turns.run((worker(world, turns, 0, spec), successor(world, turns, 1, spec)))
            world.settle()
            assert world.outcomes(spec) == {"in/a/1": Outcome.COPIED, "in/a/2": Outcome.COPIED}, (first, second)
            assert [len(world.written(f"out/b/{name}")) for name in "12"] == [1, 1], (first, second)
            assert world.terminal(spec).state is JobState.SUCCEEDED, (first, second)
            world.tidy()
            assert world.all_uploads() == [], (first, second)


def planned(world: World) -> JobSpec:
    """Return a job that is planned. Its copy message is lost, so the test starts the workers."""
    spec = world.submit("a/", "b/")
    split.run(world.west, PlanRange(spec.job_id, EAST, "r"), world.clock.now_ms() + 15 * MINUTE)
    world.collect(lost=True)
    world.mail.clear()
    return spec


def worker(world: World, turns: Turns, number: int, spec: JobSpec) -> Callable[[], None]:
    name = f"worker-{number}"
    store = turns.tap(number, world.store, WATCHED.__contains__)
    env = replace(world.west, store=store, worker=name, ids=SequentialIds(name))

    def work() -> None:
        copy.run(env, CopyPartition(spec.job_id, EAST, PARTITION), world.clock.now_ms() + 15 * MINUTE)

    return work


def successor(world: World, turns: Turns, number: int, spec: JobSpec) -> Callable[[], None]:
    """Return a worker that looks until the first one's lease has run out, and then works."""
    work = worker(world, turns, number, spec)

    def wait_and_work() -> None:
        for _ in range(4):
            work()
            world.clock.advance(2 * MINUTE)

    return wait_and_work


def test_a_row_that_another_worker_published_is_not_blamed_on_the_source() -> None:
    """The worker is paused anywhere. Meanwhile another one publishes the rows, and then the sources are deleted."""
    names = ("small", "large")

    def make() -> World:
        world = World(runtime_ms=FOREVER_MS)
        world.put("in/a/small", b"small")
        world.put("in/a/large", bytes(range(70)))
        return world

    def run(world: World) -> JobSpec:
        spec = world.submit("a/", "b/")
        world.settle()
        return spec

    def finish_and_delete(world: World) -> Act:
        def act(_: str) -> None:
            world.run(45 * MINUTE)
            for name in names:
                if world.written(f"out/b/{name}"):
                    world.store.remove(SOURCE[WEST], f"in/a/{name}")

        return act

    for world, spec, call in at_every_call(make, run, finish_and_delete, least=40):
        assert [len(world.written(f"out/b/{name}")) for name in names] == [1, 1], call
        assert set(world.outcomes(spec).values()) == {Outcome.COPIED}, call


def test_a_part_of_a_worker_long_dead_arrives_just_before_the_upload_is_completed() -> None:
    """Under SSE-KMS the same bytes have another ETag each time, so the list of parts is not true any more."""
    world = World(encryption="aws:kms")
    version = world.put("in/a/large", bytes(range(70)))
    source = SourceRef(SOURCE[WEST], "in/a/large", version.etag)

    def late_part() -> None:
        upload = world.store.uploads(TARGET[EAST])[0]
        ref = UploadRef(TARGET[EAST], upload.key, upload.upload_id)
        world.store.upload_part_copy(ref, 2, source, 16, 31, whole=False)

    world.faults.rule(Rule(operation=Operation.COMPLETE, act=late_part, error=None))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {"in/a/large": Outcome.COPIED}
    assert [version.body for version in world.written("out/b/large")] == [bytes(range(70))]
