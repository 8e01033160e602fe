"""Case return: West sleeps until it has been replaced, and returns."""

from __future__ import annotations

import time
from random import Random

from local.drill import collect
from local.drill.cases.steps import await_settled, happened
from local.drill.customer import now_ms
from local.drill.faults import slow
from local.drill.model import Record
from local.drill.stage import MIB, Stage, Work, side, small_sizes
from local.gateway.launch import WEST
from local.wait import wait_until

STORY = (
    "West falls asleep in mid-work: every process stopped, its table cut off. East finishes everything. After 20 "
    "minutes (scaled) West's workers wake up as zombies and go on where they were, its old messages run, and its "
    "replication queue is released. Nothing is written twice, nothing is lost."
)
OBJECTS, LARGE = 200, (12, 40)
LAMBDA_S = 900
"""Lambda's longest invocation, in seconds. After a longer sleep no worker is left to wake up."""


def play(stage: Stage, record: Record, rng: Random) -> None:
    small = stage.work("return", "small", small_sizes(rng, OBJECTS))
    large = stage.work("return", "large", [size * MIB for size in LARGE])
    works = [small, large]
    _slow_down(stage, works)
    moment = rng.randrange(8, OBJECTS // 2)
    for work in works:
        stage.submit(work)
    wait_until(lambda: min(stage.fired().values()) >= 1 and stage.fired()["CopyObject"] >= moment, "mid-work", 120)
    _fall_asleep(stage, record)
    asleep_since_s = time.monotonic()
    collect.look_at_death(stage, record, works)
    await_settled(stage, record, works)
    wait_until(
        lambda: time.monotonic() - asleep_since_s >= stage.times.pause_s, "20 minutes, scaled", stage.times.pause_s + 5
    )
    requests_before = _wake_up(stage, record)
    stage.rest(sweeps=5)
    stage.leave(record)
    collect.collect(stage, record, works)
    # Requests that stood at the very moment of falling asleep may still have been in progress: versions are counted in
    # any case.
    requests_after = sum(stage.fired().values()) - requests_before
    if stage.times.pause_s < LAMBDA_S:
        record.check(
            "The zombies did go on",
            requests_after > 0,
            f"{requests_after} write requests by West's workers after they woke up",
        )
    record.check(
        "Work is balanced again: the name leads to West",
        stage.name_answers() == WEST,
        f"after {side(WEST)} had returned and swept 5 times",
    )


def _slow_down(stage: Stage, works: list[Work]) -> None:
    """Slow West's requests down, so that the sleep falls into the middle of the work."""
    small, large = works
    operations = {"CopyObject": (small, 150), "UploadPartCopy": (large, 500)}
    stage.faults(
        *(
            slow(operation, {"caller": WEST, "operation": operation, "key_prefix": work.prefix}, delay_ms)
            for operation, (work, delay_ms) in operations.items()
        )
    )


def _fall_asleep(stage: Stage, record: Record) -> None:
    stage.sweeper.lull(WEST)
    intervention = stage.noted(record, stage.regions.freeze("west"))
    record.death_ms = intervention.steps[0][0]
    record.phase("West falls asleep", record.death_ms)
    stage.noted(record, stage.regions.isolate("west"))
    stage.say(f"  West is asleep: {len(intervention.pids)} processes stopped")


def _wake_up(stage: Stage, record: Record) -> int:
    """Wake West up. Return how many of the slowed-down requests there had been before."""
    requests_before = sum(stage.fired().values())
    intervention = stage.noted(record, stage.regions.thaw("west"))
    record.phase("West wakes up", intervention.steps[0][0])
    stage.sweeper.asleep.discard(WEST)
    happened(record, now_ms(), "West's schedule runs again")
    stage.noted(record, stage.regions.rejoin("west"))
    stage.say(f"  West is awake: {len(intervention.pids)} processes continue; East did everything meanwhile")
    return requests_before
