"""Case feed: objects are dropped while the stack of their Region is down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

from local.deploy import STACK
from local.drill import collect
from local.drill.cases.steps import happened, return_west
from local.drill.customer import now_ms
from local.drill.model import Record
from local.drill.stage import MIB, Stage, Work, small_sizes
from local.gateway.launch import EAST, WEST
from local.wait import wait_until

STORY = (
    "West's stack is dead, its S3 is not, and partners go on dropping objects. West's event rule forwards them to "
    "East, where they wait as hints. Others reach East by no event at all: it finds them by listing. West returns with "
    "the same events in its own queue, and delivers nothing twice."
)
FORWARDED, LISTED, ASKED = 14, 6, 10


def play(stage: Stage, record: Record, rng: Random) -> None:
    forwarded = _feed(stage, "forwarded")
    listed = _feed(stage, "listed")
    submitted = stage.work("feed", "asked", small_sizes(rng, ASKED))
    works = [forwarded, listed]
    stage.kill(record, "west")
    for work in works:
        stage.watch(work)
    # A customer submits a job while West is dead. It does nothing but repeat its request.
    customer = stage.submit(submitted)
    sizes = [*small_sizes(rng, FORWARDED - 1), 12 * MIB]
    stage.put(forwarded, {f"{forwarded.prefix}{index:03d}": size for index, size in enumerate(sizes)})
    forward(stage, forwarded.sizes)
    happened(record, now_ms(), f"{FORWARDED} objects dropped, and their events forwarded to East")
    waiting = _waiting(stage)
    record.check("Forwarded events waited in East as hints", waiting == FORWARDED, f"{waiting} messages in its queue")
    stage.put(listed, {f"{listed.prefix}{index:03d}": size for index, size in enumerate(small_sizes(rng, LISTED))})
    happened(record, now_ms(), f"{LISTED} objects dropped, no event leaves West")
    _await_delivery(stage, record, forwarded, "forwarded ones delivered")
    _await_delivery(stage, record, listed, "listed ones delivered")
    wait_until(lambda: customer.settled, "the job that was asked for meanwhile is settled", 60)
    record.ended_ms = now_ms()
    record.dns_ms = stage.resolved_ms(EAST, record.death_ms or 0)
    if record.dns_ms:
        record.phase("the name leads to East", record.dns_ms)
    return_west(stage, record)
    stage.leave(record)
    collect.collect(stage, record, [*works, submitted])


def _feed(stage: Stage, name: str) -> Work:
    """Return objects for the feed `west-inbox`, from and to West's buckets."""
    return Work(name, f"inbox/drill-{name}/", "", stage.west, stage.west, {})


def forward(stage: Stage, sizes: Mapping[str, int]) -> None:
    """Send East's queue of hints the events of objects of these sizes in West's source bucket. On AWS, West's event
    rule does this, and survives West's stack. The emulator forwards nothing to another Region."""
    sqs: Any = stage.cloud.client("sqs", EAST)
    url = _hints(sqs)
    for key, size in sizes.items():
        detail = {"bucket": {"name": stage.west.source_bucket}, "object": {"key": key, "size": size}}
        event = {"source": "aws.s3", "detail-type": "Object Created", "region": WEST, "detail": detail}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))


def _hints(sqs: Any) -> str:  # noqa: ANN401 - boto3's client
    url: str = sqs.get_queue_url(QueueName=f"{STACK}-hints")["QueueUrl"]
    return url


def _waiting(stage: Stage) -> int:
    sqs: Any = stage.cloud.client("sqs", EAST)
    attributes = sqs.get_queue_attributes(QueueUrl=_hints(sqs), AttributeNames=["All"])["Attributes"]
    return sum(int(number) for name, number in attributes.items() if name.startswith("ApproximateNumberOfMessages"))


def _await_delivery(stage: Stage, record: Record, work: Work, phase: str) -> None:
    bucket = work.target.target_bucket
    limit_s = stage.times.promise.recovery + stage.times.policy.feed_catch_up_ms / 1000 + 60
    wait_until(
        lambda: set(work.sizes) <= set(collect.versions(stage, bucket, work.prefix)),
        f"all objects of {work.prefix} are delivered",
        limit_s,
    )
    record.phase(phase, now_ms())
