"""Case split-brain: both Regions live, but their tables don't see each other."""

from __future__ import annotations

from random import Random

from local.drill import collect
from local.drill.cases.steps import await_settled
from local.drill.customer import now_ms
from local.drill.faults import slow
from local.drill.model import Record
from local.drill.stage import Stage, small_sizes
from local.gateway.launch import EAST, WEST

STORY = (
    "Replication between the tables stands still for much longer than a takeover takes, while both Regions run. Each "
    "sees the other's leases stand still; its heartbeats in S3 say that it lives. Both work, nothing living is taken "
    "over, nothing is published twice, and afterwards both say the same."
)
OBJECTS = 120
ROWS_AT_ONCE = 8


def play(stage: Stage, record: Record, rng: Random) -> None:
    west = stage.work("split-brain", "west", small_sizes(rng, OBJECTS))
    east = stage.work("split-brain", "east", small_sizes(rng, OBJECTS), target=stage.west)
    works = [west, east]
    # The first partition of 100 rows takes more than twice as long as a takeover would.
    delay_ms = round(2.2 * stage.times.takeover_s * 1000 / (100 / ROWS_AT_ONCE))
    stage.faults(
        slow("west", {"caller": WEST, "operation": "CopyObject", "key_prefix": west.prefix}, delay_ms),
        slow("east", {"caller": EAST, "operation": "CopyObject", "key_prefix": east.prefix}, delay_ms),
    )
    intervention = stage.noted(record, stage.regions.isolate("west"))
    record.phase("tables cut apart", intervention.steps[-1][0])
    stage.submit(west)
    stage.submit(east, api_url=stage.east.api_url)
    stage.reached("west", "east")
    repeated_answer = stage.post(stage.east.api_url, west)
    record.check(
        "East, which knows nothing of it, takes West's job for the same",
        repeated_answer["id"] == west.job_id,
        repeated_answer["id"],
    )
    await_settled(stage, record, works)
    record.phase("both customers know that their job is settled", now_ms())
    intervention = stage.noted(record, stage.regions.rejoin("west"))
    record.phase("tables joined", intervention.steps[-1][0])
    stage.faults()
    stage.rest()
    stage.leave(record)
    collect.collect(stage, record, works)
    owners = {name: region for work in works for name, region in collect.claims(stage, work).items()}
    for work, region in ((west, WEST), (east, EAST)):
        foreign = {name: by for name, by in collect.claims(stage, work).items() if by != region}
        record.check(f"Living work of {region} was not taken over", not foreign, foreign or f"{len(owners)} claims")
    record.check("No takeover is on record", not record.evidence.takeovers, record.evidence.takeovers or "GET /leases")
    cut_s = ((record.at("tables joined") or now_ms()) - (record.at("tables cut apart") or 0)) / 1000
    needed_s = 2 * stage.times.takeover_s
    record.check(
        "The cut lasted over twice the time of a takeover", cut_s > needed_s, f"{cut_s:.0f} of {needed_s:.0f} s"
    )
    _judge_agreement(stage, record, [work.job_id for work in works])


def _judge_agreement(stage: Stage, record: Record, job_ids: list[str]) -> None:
    fields = ("state", "outcomes", "progress", "receipt_chain_sha256")
    views = [
        {job_id: {name: stage.api(info.api_url, f"/jobs/{job_id}")[name] for name in fields} for job_id in job_ids}
        for info in (stage.west, stage.east)
    ]
    record.check("Both Regions say the same afterwards", views[0] == views[1], f"{len(job_ids)} jobs asked of both")
