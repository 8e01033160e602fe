"""Case C: West dies with a batch of many objects part done."""

from __future__ import annotations

from random import Random

from local.drill import collect
from local.drill.cases.steps import await_settled, kill_west, return_west
from local.drill.faults import Rules, count, hold, lose_answer
from local.drill.model import Record
from local.drill.stage import Stage, Work, small_sizes
from local.gateway.launch import EAST, WEST

STORY = (
    "West dies with a batch of many objects part done. The same death hits three more jobs: one while it is being "
    "split, one while it is being verified, one while it is being settled. East copies only what remains."
)
OBJECTS = 300
STEPS = {
    "split": (("PutObject", "jobs/{}/manifest/"), ("PutObject", "jobs/{}/claim/")),
    "verify": (("PutObject", "jobs/{}/done/"), ("PutObject", "jobs/{}/terminal")),
    "settle": (("PutObject", "jobs/{}/terminal"), ("DeleteObject", "open/{}")),
}
"""For each step, the requests before which it can die: right before it writes its record, or right before the request
that follows from it."""


def play(stage: Stage, record: Record, rng: Random) -> None:
    batch = stage.work("c", "batch", small_sizes(rng, OBJECTS))
    held_works = {step: stage.work("c", step, small_sizes(rng, 12)) for step in STEPS}
    works = [batch, *held_works.values()]
    moment = rng.randrange(10, OBJECTS - 10)
    stage.say(f"  West dies after about {moment} of {OBJECTS} objects")
    holds = [_stop_at(step, work, rng, record) for step, work in held_works.items()]
    stage.faults(*_stop_batch(batch, moment), *holds)
    stage.sweeper.paused = True
    stage.submit(batch)
    stage.reached("batch")
    for step in STEPS:
        stage.submit(held_works[step])
        stage.reached(step)
    kill_west(stage, record, works)
    stage.sweeper.paused = False
    delivered = len([key for key in record.evidence.there_at_death if key in batch.sizes])
    await_settled(stage, record, works)
    record.evidence.copies_after = stage.fired()["east"]
    return_west(stage, record)
    stage.leave(record)
    collect.collect(stage, record, works)
    record.check(
        "East copied exactly what remained of the batch",
        record.evidence.copies_after == OBJECTS - delivered,
        f"{delivered} of {OBJECTS} there at the death, {record.evidence.copies_after} CopyObject by East",
    )


def _stop_batch(batch: Work, moment: int) -> list[Rules]:
    """Return the rules that stop West at the moment. The answer to its last copy is lost, and no later request of it is
    carried out."""
    copies = {"operation": "CopyObject", "key_prefix": batch.prefix}
    look = {"caller": WEST, "operation": "HeadObject", "bucket": batch.target.target_bucket}
    return [
        hold("batch", {"caller": WEST} | copies, skip=moment),
        lose_answer("last", {"caller": WEST} | copies, skip=moment - 1),
        hold("looking", look),
        count("east", {"caller": EAST} | copies),
    ]


def _stop_at(step: str, work: Work, rng: Random, record: Record) -> Rules:
    written = rng.random() < 0.5
    operation, key = STEPS[step][written]
    moment = f"right {'after' if written else 'before'} its record is written"
    record.happened.append((record.began_ms, f"drawn: the job in {step} dies {moment}"))
    match = {"caller": WEST, "bucket": work.target.control_bucket, "key_prefix": key.format(work.job_id)}
    return hold(step, match | {"operation": operation})
