"""Case slow: West's storage and table answer, but only after seconds."""

from __future__ import annotations

import time
from random import Random

from local.drill import collect
from local.drill.cases.steps import await_settled, happened
from local.drill.cases.survival import Survival
from local.drill.customer import now_ms
from local.drill.faults import Rules, hold, slow
from local.drill.model import Record
from local.drill.stage import MIB, Stage, small_sizes
from local.gateway.launch import EAST, WEST
from local.wait import wait_until

STORY = (
    "West's storage and table answer after several seconds, longer than East waits for them. West's functions live, "
    "and crawl. Nothing is lost and nothing written twice, whoever works on what; East's sweeps keep their time, and "
    "East answers as ever."
)
OBJECTS = 24
DELAY_MS = 4000


def play(stage: Stage, record: Record, rng: Random) -> None:
    home = stage.work("slow", "home", [*small_sizes(rng, OBJECTS), 24 * MIB], source=stage.east)
    across = stage.work("slow", "across", small_sizes(rng, OBJECTS))
    returning = stage.work("slow", "returning", small_sizes(rng, OBJECTS), source=stage.east, target=stage.west)
    works = [home, across, returning]
    survival = Survival(stage, record)
    moments = {work.name: rng.randrange(3, OBJECTS // 2) for work in works}
    # The requests are held, so that the trouble comes in the middle of the work. Then the connections close, and the
    # work goes on.
    stage.faults(
        *(hold(w.name, {"operation": "CopyObject", "key_prefix": w.prefix}, skip=moments[w.name]) for w in works)
    )
    stage.sweeper.paused = True
    for work in works:
        stage.submit(work)
    stage.reached(*moments)
    stage.say(f"  West becomes slow after so many copies: {moments}")
    stage.faults(*_trouble(stage))
    stage.sweeper.excused.add(WEST)
    stage.sweeper.paused = False
    record.phase("West becomes slow", now_ms())
    record.since_ms = began_ms = now_ms()
    happened(record, began_ms, f"West's storage and table answer after {DELAY_MS} ms")
    survival.begin(returning)
    survival.deliver(rng)
    await_settled(stage, record, [home, across])
    record.ended_ms = collect.settled_ms([home, across])
    survival.observe()
    wait_until(lambda: now_ms() - began_ms > stage.times.takeover_s * 1000, "as long as a takeover takes", 600)
    survival.end()
    record.returned_ms = now_ms()
    stage.faults()
    stage.sweeper.excused.discard(WEST)
    record.phase("West is well again", record.returned_ms)
    started_s = time.monotonic()
    limit_s = stage.times.promise.recovery + 60
    wait_until(lambda: returning.customer is None or returning.customer.settled, "every job is settled", limit_s)
    record.check("What was in West was done when it was well again", True, f"{time.monotonic() - started_s:.1f} s")
    survival.leave()
    stage.rest()
    stage.leave(record)
    collect.collect(stage, record, [*works, survival.feed])


def _trouble(stage: Stage) -> list[Rules]:
    """Return the rules that delay requests to West by the functions of both Regions. Copies that read from West's
    bucket are delayed too."""
    callers = {"West": WEST, "East": EAST}
    services = [
        slow(f"{name} {service}", {"caller": caller, "service": service, "region": WEST}, DELAY_MS)
        for name, caller in callers.items()
        for service in ("s3", "dynamodb")
    ]
    sources = [
        slow(f"{name} copies", {"caller": caller, "region": EAST, "source_prefix": stage.west.source_bucket}, DELAY_MS)
        for name, caller in callers.items()
    ]
    return [*services, *sources]
