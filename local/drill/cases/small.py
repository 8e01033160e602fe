"""Case A: West dies after an object was published and before that was recorded."""

from __future__ import annotations

from random import Random

from local.drill import collect
from local.drill.cases.steps import await_settled, kill_west, return_west
from local.drill.faults import count, hold, lose_answer
from local.drill.model import Record
from local.drill.stage import Stage, small_sizes
from local.gateway.launch import EAST, WEST

STORY = (
    "West copies small objects. One of them has just arrived at the target when West dies: before it heard that, and "
    "before it recorded anything. East finds it there, marks it COPIED and does not copy it again."
)
OBJECTS = 60


def play(stage: Stage, record: Record, rng: Random) -> None:
    work = stage.work("a", "small", small_sizes(rng, OBJECTS))
    moment = rng.randrange(1, OBJECTS - 1)
    copies = {"operation": "CopyObject", "key_prefix": work.prefix}
    look = {"operation": "HeadObject", "key_prefix": work.prefix, "bucket": work.target.target_bucket}
    stage.faults(
        hold("held", {"caller": WEST} | copies, skip=moment + 1),
        lose_answer("lost", {"caller": WEST} | copies, skip=moment),
        # West would look for the result of its request, but it dies before it can.
        hold("looking", {"caller": WEST} | look),
        count("east", {"caller": EAST} | copies),
    )
    stage.submit(work)
    stage.reached("lost")
    stage.say(f"  the answer to copy {moment + 1} of {OBJECTS} is lost")
    kill_west(stage, record, [work])
    published = len(record.evidence.there_at_death)
    await_settled(stage, record, [work])
    record.evidence.copies_after = stage.fired()["east"]
    return_west(stage, record)
    stage.leave(record)
    collect.collect(stage, record, [work])
    record.check(
        "East copied exactly what was missing, and nothing that was there",
        published > moment and record.evidence.copies_after == OBJECTS - published,
        f"{published} of {OBJECTS} there at the death, {record.evidence.copies_after} CopyObject by East",
    )
