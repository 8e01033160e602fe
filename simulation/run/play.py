"""Play a seed: first check safety under faults, then stop the faults and check that everything ends."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from simulation.memory.env import CONTROL, EAST, WEST
from simulation.run.actors import Actors
from simulation.run.faults import Fault
from simulation.run.judgements import judge, judge_leftovers, told_of_failures, uploads_left
from simulation.run.monitors import Violation
from simulation.run.scenario import draw
from simulation.run.situations import Situation
from simulation.run.story import HOUR, MINUTE
from simulation.run.timetable import all_submitted, judge_runs
from simulation.run.world import World

TIDY_SWEEPS = 30
ENDS_WITHIN_MS = 12 * HOUR
"""Virtual time, in milliseconds, from when faults stop until every job must have ended. Messages are invisible for 20
minutes at most, and a paused worker sleeps for 20."""


@dataclass(frozen=True, slots=True)
class Played:
    seed: int
    violations: tuple[Violation, ...]
    calls: int
    faults: Counter[tuple[Fault, str]]
    situations: Counter[Situation]
    digest: str
    """Digest of everything that happened. It is the same for the same seed."""
    trace: tuple[str, ...] = ()


def play(seed: int, *, traced: bool = False) -> Played:
    world = World(draw(seed), traced=traced)
    actors = Actors(world)
    actors.set_up()
    last_event_ms = max((event.at_ms for event in world.scenario.events), default=0)
    # Mostly all is done long before faults would stop: then nothing but idle sweeps would follow.
    world.scheduler.run(world.scenario.calm_at_ms, _ended(world, actors, last_event_ms))
    if not world.scheduler.stop:
        _calm(world, actors)
        _let_end(world, actors)
    if not world.scheduler.stop:
        judge_leftovers(world)
        _tidy(world)
        judge(world, actors)
        judge_runs(world)
    return Played(
        seed,
        tuple(world.monitors.violations),
        world.calls.made,
        world.calls.pairs,
        world.happened,
        _digest(world),
        tuple(world.trace.lines),
    )


def _calm(world: World, actors: Actors) -> None:
    """Stop all faults. Effects of earlier faults remain, and a Region may stay dead."""
    world.trace.event("faults stop")
    world.plan.end()
    world.calls.down.clear()
    world.calls.hanging.clear()
    for region in (WEST, EAST):
        if region != world.scenario.dead_for_good:
            world.resume(region)
    world.redrive_dead_letters()
    actors.customers.resume_all()


def _let_end(world: World, actors: Actors) -> None:
    """Run until every job has ended and every drop is delivered; then until every sleeper has woken up, and the last
    message is handled."""
    scheduler = world.scheduler
    deadline = scheduler.now_ms + ENDS_WITHIN_MS
    scheduler.run(deadline, _ended(world, actors, scheduler.now_ms))
    if scheduler.now_ms >= deadline:
        world.monitors.violated("I8 every job ends", f"not within {ENDS_WITHIN_MS / HOUR:g} hours: {_open_jobs(world)}")
    world.sweeping = False
    scheduler.run(deadline)


def _ended(world: World, actors: Actors, not_before_ms: int) -> Callable[[], bool]:
    """Return a function that says whether all events are over, every job has ended and everything is delivered. It
    looks every half minute."""
    look_ms = not_before_ms

    def ended() -> bool:
        nonlocal look_ms
        if world.scheduler.now_ms < look_ms:
            return False
        look_ms = world.scheduler.now_ms + MINUTE // 2
        answered = len(actors.truth.accepted) + len(actors.truth.needless)
        if len(actors.scenario.jobs) != answered or _open_jobs(world) or _backfills(world):
            return False
        if not all_submitted(world):
            return False
        plans = {number for number, job in enumerate(actors.scenario.jobs) if job.planned_first and job.approved}
        if plans - actors.truth.approved:
            return False
        return told_of_failures(world) and actors.partners.agreed() and not world.inbox.missing()

    return ended


def _open_jobs(world: World) -> list[str]:
    return [key for bucket in CONTROL.values() for key in world.store.keys(bucket) if key.startswith("open/")]


def _backfills(world: World) -> list[str]:
    """Return the back-fills that are still open. A new feed's own one stays until its source's Region has listed the
    source itself, since that Region may not know the feed yet; it is not counted while that Region is dead for good.
    The one of a feed that was removed, and made again since, belongs to nobody and is not counted."""
    open_keys = [key for bucket in CONTROL.values() for key in world.store.keys(bucket) if key.startswith("backfills/")]
    bodies = [entry.body for region in world.awake for entry in world.registries[region].entries.values()]
    lives = world.scenario.dead_for_good != WEST
    return [
        key
        for key in open_keys
        if not key.endswith("/created") or (lives and any(key.split("/")[1] in body for body in bodies))
    ]


def _tidy(world: World) -> None:
    """Run a day more: sweeps collect unused uploads, and settle what late workers have left."""
    world.trace.event("a day later")
    scheduler = world.scheduler
    scheduler.run(scheduler.now_ms + world.scenario.policy.stale_upload_ms)
    # One sweep collects only as much as its time allows, which slow calls use up.
    for _ in range(TIDY_SWEEPS):
        for region in (WEST, EAST):
            world.sweep(region)
        scheduler.run(scheduler.now_ms + 10 * MINUTE)
        if not _open_jobs(world) and not uploads_left(world):
            return


def _digest(world: World) -> str:
    requests, faults = sorted(world.store.requests.items()), sorted(world.calls.pairs.items())
    text = f"{world.calls.made} {world.scheduler.now_ms} {requests} {faults}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
