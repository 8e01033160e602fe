"""A schedule in the tests' world, whose time begins at 2027-01-15T08:00:00Z."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.core import codec
from chalicelib.core.entries import ANY
from chalicelib.core.jobs import JobSpec
from chalicelib.core.schedules import Overlap, Run, RunState, occurrence_of
from chalicelib.protocol.registering import Author
from chalicelib.protocol.submitting import Location, Submission
from chalicelib.steps import schedules
from chalicelib.steps.schedules import ScheduleView, Wanted
from simulation.memory.clock import VirtualClock
from simulation.memory.env import CONTROL, EAST, TENANT, WEST
from simulation.memory.registry import MemoryRegistry
from tests.steps.world import MINUTE, World

ANN = Author(TENANT, "ann", "request-1")
NINE = 1_800_003_600_000
"""2027-01-15T09:00:00Z."""
DAILY = "0 9 * * *"


@dataclass
class Skewed:
    """A clock that is wrong by `ahead_ms`. Implements `ports.Clock`."""

    clock: VirtualClock
    ahead_ms: int

    def now_ms(self) -> int:
        return self.clock.now_ms() + self.ahead_ms

    def sleep_ms(self, duration_ms: int) -> None:
        self.clock.sleep_ms(duration_ms)


def wanted(
    cron: str = DAILY,
    *,
    timezone: str = "UTC",
    target: str = "target-east",
    prefix: str = "",
    enabled: bool = True,
    overlap: Overlap = Overlap.SKIP,
    **options: Any,
) -> Wanted:
    job = Submission(TENANT, "", Location("source-west", prefix), Location(target, prefix), **options)
    return Wanted(cron, timezone, job, enabled, overlap)


def put(world: World, schedule: Wanted | None = None, *, name: str = "nightly", region: str = WEST) -> ScheduleView:
    return schedules.put_schedule(world.regions[region].env, ANN, name, schedule or wanted(), ANY)[0]


def sweep(world: World, *regions: str) -> None:
    """Run the schedules' part of a sweep in each of these Regions, in this order."""
    for region in regions or (WEST, EAST):
        env = world.regions[region].env
        schedules.run(env, env.clock.now_ms() + 15 * MINUTE)


def wait_until(world: World, at_ms: int) -> None:
    """Advance the clock. No Region sweeps meanwhile."""
    world.clock.advance(at_ms - world.clock.now_ms())


def runs(world: World, region: str = EAST) -> list[Run]:
    """Return the decisions about occurrences, in the order of time."""
    decided = []
    for key in world.store.keys(CONTROL[region]):
        if key.startswith("schedules/"):
            body = world.store.get(CONTROL[region], key)
            assert body is not None
            decided.append(codec.loads(body, Run))
            assert occurrence_of(key.rsplit("/", 1)[1]) == decided[-1].occurrence_ms
    return sorted(decided, key=lambda run: run.occurrence_ms)


def run_states(world: World, region: str = EAST) -> list[tuple[str, RunState]]:
    """Return time and state of each decision."""
    return [
        (datetime.fromtimestamp(run.occurrence_ms / 1000, UTC).strftime("%H:%M"), run.state)
        for run in runs(world, region)
    ]


def jobs(world: World) -> list[JobSpec]:
    """Return all jobs that either Region accepted, by occurrence."""
    specs = []
    for bucket in CONTROL.values():
        for key in world.store.keys(bucket):
            if key.endswith("/spec"):
                body = world.store.get(bucket, key)
                assert body is not None
                specs.append(codec.loads(body, JobSpec))
    return sorted(specs, key=lambda spec: spec.scheduled.occurrence_ms if spec.scheduled else 0)


def check(world: World) -> None:
    """Assert that each occurrence that ran has its one job, and each job its one occurrence."""
    ran = [run.job_id for region in (WEST, EAST) for run in runs(world, region) if run.state is RunState.RUN]
    assert sorted(ran) == sorted(spec.job_id for spec in jobs(world))
    times = [(spec.scheduled.schedule_id, spec.scheduled.occurrence_ms) for spec in jobs(world) if spec.scheduled]
    assert len(set(times)) == len(times) == len(ran)


def skew(world: World, region: str, ahead_ms: int) -> None:
    skewed = world.regions[region]
    skewed.env = replace(skewed.env, clock=Skewed(world.clock, ahead_ms))


def isolate_registry(world: World, region: str) -> MemoryRegistry:
    """Give this Region a copy of the table, which learns nothing more of the other Region's changes."""
    isolated = world.regions[region]
    registry = replace(world.registry, entries=dict(world.registry.entries), audit=list(world.registry.audit))
    isolated.env = replace(isolated.env, registry=registry)
    return registry
