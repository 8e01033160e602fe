"""A schedule in the tests' world, whose time begins at 2027-01-15T08:00:00Z."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.core import codec
from chalicelib.core.entries import ANY
from chalicelib.core.model import JobSpec
from chalicelib.core.schedules import Overlap, Run, RunState, occurrence_of
from chalicelib.protocol.registering import Author
from chalicelib.protocol.submitting import Place, Submission
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
    """Implements `ports.Clock`: one that goes wrong by so much."""

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
    **more: Any,
) -> Wanted:
    job = Submission(TENANT, "", Place("source-west", prefix), Place(target, prefix), **more)
    return Wanted(cron, timezone, job, enabled, overlap)


def put(world: World, what: Wanted | None = None, *, name: str = "nightly", region: str = WEST) -> ScheduleView:
    return schedules.put_schedule(world.regions[region].env, ANN, name, what or wanted(), ANY)[0]


def sweep(world: World, *regions: str) -> None:
    """Just the schedules' part of a sweep, as often as there are names."""
    for region in regions or (WEST, EAST):
        env = world.regions[region].env
        schedules.run(env, env.clock.now_ms() + 15 * MINUTE)


def wait_until(world: World, at_ms: int) -> None:
    """Nobody sweeps meanwhile."""
    world.clock.advance(at_ms - world.clock.now_ms())


def runs(world: World, region: str = EAST) -> list[Run]:
    """What was decided, in the order of time."""
    found = []
    for key in world.store.keys(CONTROL[region]):
        if key.startswith("schedules/"):
            body = world.store.get(CONTROL[region], key)
            assert body is not None
            found.append(codec.loads(body, Run))
            assert occurrence_of(key.rsplit("/", 1)[1]) == found[-1].occurrence_ms
    return sorted(found, key=lambda run: run.occurrence_ms)


def told(world: World, region: str = EAST) -> list[tuple[str, RunState]]:
    """The same in short."""
    return [
        (datetime.fromtimestamp(run.occurrence_ms / 1000, UTC).strftime("%H:%M"), run.state)
        for run in runs(world, region)
    ]


def jobs(world: World) -> list[JobSpec]:
    """All that were accepted anywhere, by occurrence."""
    found = []
    for bucket in CONTROL.values():
        for key in world.store.keys(bucket):
            if key.endswith("/spec"):
                body = world.store.get(bucket, key)
                assert body is not None
                found.append(codec.loads(body, JobSpec))
    return sorted(found, key=lambda spec: spec.scheduled.occurrence_ms if spec.scheduled else 0)


def check(world: World) -> None:
    """Each occurrence that ran has its one job, and each job its one occurrence."""
    ran = [run.job_id for region in (WEST, EAST) for run in runs(world, region) if run.state is RunState.RUN]
    assert sorted(ran) == sorted(spec.job_id for spec in jobs(world))
    times = [(spec.scheduled.schedule_id, spec.scheduled.occurrence_ms) for spec in jobs(world) if spec.scheduled]
    assert len(set(times)) == len(times) == len(ran)


def skew(world: World, region: str, ahead_ms: int) -> None:
    there = world.regions[region]
    there.env = replace(there.env, clock=Skewed(world.clock, ahead_ms))


def part(world: World, region: str) -> MemoryRegistry:
    """From now on this Region's table learns nothing more of the other's changes."""
    there = world.regions[region]
    apart = replace(world.registry, entries=dict(world.registry.entries), audit=list(world.registry.audit))
    there.env = replace(there.env, registry=apart)
    return apart
