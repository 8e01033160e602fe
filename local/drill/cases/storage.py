"""Case storage: the Region of the destination dies, with its S3."""

from __future__ import annotations

from random import Random

from local.drill import collect
from local.drill.cases.steps import await_settled
from local.drill.customer import now_ms
from local.drill.faults import slow
from local.drill.model import Record
from local.drill.stage import MIB, Stage, small_sizes
from local.gateway.launch import WEST
from local.wait import wait_until

STORY = (
    "East dies, and its storage with it: the destination of a job that West is carrying out. No takeover can help. The "
    "job says that it is waiting and why; when the Region is back, the job goes on by itself."
)
OBJECTS = 150


def play(stage: Stage, record: Record, rng: Random) -> None:
    work = stage.work("storage", "job", [*small_sizes(rng, OBJECTS), 24 * MIB])
    moment = rng.randrange(10, OBJECTS // 2)
    stage.faults(slow("copies", {"caller": WEST, "operation": "CopyObject", "key_prefix": work.prefix}, 100))
    customer = stage.submit(work)
    wait_until(lambda: stage.fired()["copies"] >= moment, "mid-work", 120)
    stage.kill(record, "east", storage=True)

    def waiting() -> bool:
        return customer.last is not None and customer.last.state == "WAITING_FOR_REGION"

    limit_s = 2 * stage.times.sweep_s + 90
    wait_until(waiting, "the job says WAITING_FOR_REGION", limit_s)
    record.phase("WAITING_FOR_REGION", now_ms())
    # This is as long as a takeover takes, so that a process that could react would have reacted by then.
    wait_until(lambda: now_ms() - (record.death_ms or 0) > stage.times.takeover_s * 1000, "it stays dead", 600)
    view = stage.api(stage.west.api_url, f"/jobs/{work.job_id}")
    record.check("The job waits, and says for what", view["state"] == "WAITING_FOR_REGION", view["reason"])
    stage.restore(record, "east")
    record.since_ms = now_ms()
    stage.faults()
    await_settled(stage, record, [work])
    record.dns_ms = None
    stage.rest()
    stage.leave(record)
    collect.collect(stage, record, [work])
    states = [answer.state for answer in record.evidence.views[work.key]]
    record.check(
        "The job went on by itself, without anybody's asking",
        states[-1] == "SUCCEEDED" and len(set(record.evidence.ids[work.key])) == 1,
        " → ".join(dict.fromkeys(states)),
    )
