"""Objects dropped while the stack of their Region is down."""

from __future__ import annotations

from random import Random
from typing import Any

from local.drill import collect
from local.drill.cases.steps import happened, return_west
from local.drill.customer import now_ms
from local.drill.model import Record
from local.drill.stage import MIB, Stage, Work, small_sizes
from local.gateway.launch import EAST, WEST
from local.wait import wait_until

STORY = (
    "West's stack is dead, its S3 is not, and partners go on dropping objects. West's event rule forwards them to "
    "East, where they wait as hints. Then even forwarding fails: East finds the rest by listing. West returns with the "
    "same events in its own queue, and delivers nothing twice."
)
FORWARDED, LISTED = 14, 6


def play(stage: Stage, record: Record, rng: Random) -> None:
    forwarded = _feed(stage, "forwarded")
    listed = _feed(stage, "listed")
    works = [forwarded, listed]
    stage.kill(record, "west", forwarding=True)
    for work in works:
        stage.watch(work)
    sizes = [*small_sizes(rng, FORWARDED - 1), 12 * MIB]
    stage.put(forwarded, {f"{forwarded.prefix}{index:03d}": size for index, size in enumerate(sizes)})
    happened(record, now_ms(), f"{FORWARDED} objects dropped, events forwarded")
    wait_until(lambda: _waiting(stage) > 0, "forwarded events wait in East", 20)
    record.check("Forwarded events waited in East as hints", True, f"{_waiting(stage)} messages in its queue")
    _stop_forwarding(stage)
    happened(record, now_ms(), "West's forwarding rule is off, too")
    stage.put(listed, {f"{listed.prefix}{index:03d}": size for index, size in enumerate(small_sizes(rng, LISTED))})
    happened(record, now_ms(), f"{LISTED} objects dropped, no event leaves West")
    _await_delivery(stage, record, forwarded, "forwarded ones delivered")
    _await_delivery(stage, record, listed, "listed ones delivered")
    record.ended_ms = now_ms()
    stage.await_name(EAST, stage.times.promise.dns + 10)
    record.dns_ms = stage.resolved_ms(EAST, record.death_ms or 0)
    return_west(stage, record)
    stage.leave(record)
    collect.collect(stage, record, works, jobs=False)


def _feed(stage: Stage, name: str) -> Work:
    """The feed `west-inbox`, from and to West's buckets."""
    return Work(name, f"inbox/drill-{name}/", "", stage.west, {})


def _waiting(stage: Stage) -> int:
    sqs = stage.cloud.client("sqs", EAST)
    url = sqs.get_queue_url(QueueName="eft-hints")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return sum(int(number) for name, number in found.items() if name.startswith("ApproximateNumberOfMessages"))


def _stop_forwarding(stage: Stage) -> None:
    events: Any = stage.cloud.client("events", WEST)
    for rule in events.list_rules()["Rules"]:
        events.disable_rule(Name=rule["Name"])


def _await_delivery(stage: Stage, record: Record, work: Work, phase: str) -> None:
    bucket = work.target.target_bucket
    limit_s = stage.times.promise.recovery + stage.times.policy.feed_catch_up_ms / 1000 + 60
    wait_until(
        lambda: set(work.sizes) <= set(collect.versions(stage, bucket, work.prefix)),
        f"all objects of {work.prefix} are delivered",
        limit_s,
    )
    record.phase(phase, now_ms())
