"""Pausing and resuming jobs in a world where copying takes time."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from chalicelib.core import codec
from chalicelib.core.desired_state import PauseLogEntry
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Outcome
from chalicelib.steps import control
from simulation.memory.clock import SerialPool
from simulation.memory.env import CONTROL, EAST, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.calls import Act
from tests.steps.world import MINUTE, SECOND, SMALL, World

T = TypeVar("T")
R = TypeVar("R")

LOOK_MS = 2 * MINUTE
"""Workers look for a pause every minute. After this time all of them have seen it."""
BEGINS = (Operation.COPY, Operation.CREATE_UPLOAD, Operation.UPLOAD_PART_COPY, Operation.COMPLETE)
KEYS = [f"in/a/{number:02d}" for number in range(14)]
LARGE = bytes(range(100))
COPIES = (Operation.COPY, Operation.UPLOAD_PART_COPY)


class TickingPool:
    """Runs rows and parts one by one, and calls the rows' tick between parts too. In the real pools, the thread that
    holds the partition ticks while others work."""

    def __init__(self) -> None:
        self._tick: Callable[[], None] | None = None

    def map(self, work: Callable[[T], R], items: Iterable[T], tick: Callable[[], None] | None = None) -> list[R]:
        outer = self._tick
        self._tick = tick or outer
        try:
            return SerialPool().map(work, items, self._tick)
        finally:
            self._tick = outer


def slow_world(policy: Policy = SMALL, *, lose: bool = False) -> World:
    """Return a world in which each object, and each part of a large object, takes 20 s."""
    world = World(policy=policy, pool=TickingPool(), lose=lose)

    def slow(operation: Operation, _bucket: str, _key: str) -> None:
        if operation in COPIES:
            world.clock.advance(20 * SECOND)

    world.store.before_call = slow
    return world


def pause(world: World, spec: JobSpec, region: str = WEST) -> JobState:
    return control.pause(world.regions[region].env, TENANT, spec.job_id).progress.state


def resume(world: World, spec: JobSpec, region: str = WEST) -> JobState:
    return control.resume(world.regions[region].env, TENANT, spec.job_id).progress.state


def state(world: World, spec: JobSpec, region: str = WEST) -> JobState:
    return control.get_job(world.regions[region].env, TENANT, spec.job_id).progress.state


def pausing(world: World) -> Act:
    """Return an act that pauses each accepted job, because a client knows a job's id only then. It goes through the
    Region that isn't the job's home."""

    def act(_: str) -> None:
        for job_id in world.ledger.jobs:
            control.pause(world.regions[EAST].env, TENANT, job_id)

    return act


def log_of(world: World, spec: JobSpec) -> list[PauseLogEntry]:
    """Return the job's pause log in order. Assert that the entries are numbered without gaps."""
    prefix = f"jobs/{spec.job_id}/desired/"
    names = [name for name in sorted(world.store.keys(CONTROL[EAST])) if name.startswith(prefix)]
    bodies = [world.store.get(CONTROL[EAST], name) for name in names]
    entries = [codec.loads(body, PauseLogEntry) for body in bodies if body is not None]
    assert [f"{prefix}{entry.number:06d}" for entry in entries] == names
    return entries


def begun(world: World) -> int:
    """Return how many requests have begun or published anything at a destination."""
    return sum(operation in BEGINS for operation, _, _ in world.faults.calls)


def calls_of(world: World, operation: Operation) -> int:
    return sum(called is operation for called, _, _ in world.faults.calls)


def many(world: World) -> World:
    for key in KEYS:
        world.put(key, key.encode())
    return world


def paused_at(world: World, operation: Operation, nth: int) -> JobSpec:
    """Submit a job to West, which works on it, and pause it just before the n-th request of this operation."""
    world.faults.rule(Rule(operation=operation, first=nth, act=lambda: pausing(world)(""), error=None))
    spec = world.submit("a/", "b/")
    world.pump()
    assert log_of(world, spec)
    return spec


def all_arrived_once(world: World, spec: JobSpec) -> None:
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.outcomes(spec) == dict.fromkeys(KEYS, Outcome.COPIED)
    assert [len(world.written(key.replace("in/a", "out/b"))) for key in KEYS] == [1] * len(KEYS)
