"""S3, the table or the queues refuse for a while. Partitions are given back, no outcome is made up, and afterwards
everything is delivered."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.errors import Retry
from chalicelib.core.jobs import JobState
from chalicelib.core.leases import LeasePhase
from chalicelib.core.rows import Outcome
from simulation.memory.env import EAST, TARGET
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.world import MINUTE, World

STORMS: dict[str, Callable[[Operation, str], bool]] = {
    "target": lambda _, bucket: bucket == "target-east",
    "source": lambda _, bucket: bucket == "source-west",
    "control": lambda _, bucket: bucket == "control-east",
    "copies": lambda operation, _: operation in (Operation.COPY, Operation.UPLOAD_PART_COPY),
    "completes": lambda operation, _: operation is Operation.COMPLETE,
    "every-put": lambda operation, _: operation is Operation.PUT,
    "lists": lambda operation, _: operation is Operation.LIST,
    "heads": lambda operation, _: operation is Operation.HEAD,
    "all": lambda *_: True,
}


def storm(world: World, hit: Callable[[Operation, str], bool], until_ms: int, *, one_in: int = 1) -> None:
    """Let S3 answer SlowDown to every n-th request that is hit (n is `one_in`), until the storm is over."""
    count = 0

    def before_call(operation: Operation, bucket: str, _: str) -> None:
        nonlocal count
        if hit(operation, bucket) and world.clock.now_ms() < until_ms:
            count += 1
            if count % one_in == 0:
                raise Retry("SlowDown", "Please reduce your request rate.")

    world.store.before_call = before_call


@pytest.mark.parametrize("hit", STORMS.values(), ids=STORMS)
def test_half_an_hour_of_slow_down(hit: Callable[[Operation, str], bool]) -> None:
    world = prefix_job.filled(World())
    spec = prefix_job.submit_until_accepted(world)
    storm(world, hit, world.clock.now_ms() + 30 * MINUTE)
    world.run(29 * MINUTE)
    assert world.open_jobs() == [f"open/{spec.job_id}"]
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)
    assert world.terminal(spec).settled_ms < spec.created_ms + 60 * MINUTE


@pytest.mark.parametrize("one_in", [2, 3, 5])
def test_a_part_of_all_requests_is_refused(one_in: int) -> None:
    world = prefix_job.filled(World())
    spec = prefix_job.submit_until_accepted(world)
    storm(world, STORMS["all"], world.clock.now_ms() + 30 * MINUTE, one_in=one_in)
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)


def test_a_throttled_partition_is_given_back_and_others_go_on() -> None:
    """One key is refused all the time. Its row is set aside, rests and is tried again, and all others finish."""
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")

    def before_call(operation: Operation, _: str, key: str) -> None:
        if operation is Operation.COPY and key == "out/b/1-small":
            raise Retry("SlowDown")

    world.store.before_call = before_call
    world.run(10 * MINUTE)
    snapshot = world.records(spec).snapshot()
    assert snapshot.done == {"r-000001", "r-000002"}
    assert snapshot.claims["r-000001w"] > 1, "tried again by the next epoch"
    phases = {lease.phase for (_, partition_id, _), lease in world.ledger.leases.items() if partition_id == "r-000001w"}
    assert phases <= {LeasePhase.RELEASED, LeasePhase.COPYING}
    assert world.events("unsettled")
    world.store.before_call = None
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)


def test_a_heartbeat_during_a_storm_does_not_cost_the_partition() -> None:
    """The look for a successor is refused too. That look is only for efficiency."""
    world = World()
    keys = [f"in/a/{number}" for number in range(4)]
    for key in keys:
        world.put(key, b"x")
    refused = 0

    def slow(operation: Operation, bucket: str, key: str) -> None:
        nonlocal refused
        if operation is Operation.COPY:
            world.clock.advance(61_000)  # Each copy takes a minute, so the worker beats after each.
        if bucket == "control-east" and "claim/" in key and operation in (Operation.GET, Operation.HEAD):
            refused += 1
            raise Retry("SlowDown")

    world.store.before_call = slow
    spec = world.submit("a/", "b/")
    world.settle()
    assert refused > 0
    assert world.records(spec).snapshot().claims == {"r-000001": 1}, "one epoch did all"
    assert world.outcomes(spec) == dict.fromkeys(keys, Outcome.COPIED)


class ThrottledLedger:
    """The table refuses every call, or one method, until the storm is over. Implements `ports.Ledger`."""

    def __init__(self, world: World, until_ms: int, only: str = "") -> None:
        self._world, self._until_ms, self._only = world, until_ms, only

    def __getattr__(self, method: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._world.clock.now_ms() < self._until_ms and self._only in ("", method):
                raise Retry("ThrottlingException", method)
            return getattr(self._world.ledger, method)(*args, **kwargs)

        return call


def throttled(world: World, minutes: int, only: str = "") -> World:
    ledger: Any = ThrottledLedger(world, world.clock.now_ms() + minutes * MINUTE, only)
    for region in world.regions.values():
        region.env = replace(region.env, ledger=ledger)
    return world


@pytest.mark.parametrize("minutes", [5, 60])
def test_the_table_refuses_everything_for_a_while(minutes: int) -> None:
    world = prefix_job.filled(World())
    spec = prefix_job.submit_until_accepted(world)
    throttled(world, minutes)
    world.run(minutes * MINUTE)
    for key in prefix_job.DELIVERED:
        assert len(world.written(key)) == 1, "the table is for liveness: objects are copied without it"
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)


@pytest.mark.parametrize(
    "method", ["put_lease", "get_leases", "put_plan", "job_items", "put_observation", "get_observation", "put_terminal"]
)
def test_the_table_refuses_one_kind_of_call_for_an_hour(method: str) -> None:
    world = throttled(prefix_job.filled(World()), 60, method)
    spec = prefix_job.submit_until_accepted(world)
    world.settle()
    world.tidy()
    prefix_job.check(world, spec)


def test_the_other_regions_storage_is_unreachable_and_ours_goes_on() -> None:
    """West's control bucket is cut off. Jobs whose destination is in East end all the same."""
    world = prefix_job.filled(World())
    spec = prefix_job.submit_until_accepted(world)
    storm(world, lambda _, bucket: bucket.endswith("-west") and bucket != "source-west", world.clock.now_ms() + MINUTE)
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.body("out/b/1-small", TARGET[EAST]) == b"small"
