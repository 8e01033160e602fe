"""Test feeds on real processes: the newest version stays, and a version comes once, whatever the table knows."""

import json
import time

import pytest

from local.gateway.launch import EAST
from local.wait import wait_until
from tests.e2e.conftest import World

pytestmark = pytest.mark.cloud
HELD_MS = 6_000


def test_an_older_version_that_is_late_does_not_replace_the_newest_of_the_same_contents(world: World) -> None:
    """A comes first, then B, whose copy is delayed on its way to S3, then A again. The second A finds the first A in
    place."""
    key, bucket = "inbox/repeats.txt", world.west.target_bucket
    world.put(key, b"contents A")
    wait_until(lambda: world.read(bucket, key) == b"contents A", "A arrives", 60)
    hold = {"kind": "delay", "delay_ms": HELD_MS}
    world.faults({"id": "held", "match": {"operation": "CopyObject"}, "action": hold, "times": 1})
    world.forget_requests()
    world.put(key, b"contents B")
    wait_until(lambda: _copies(world) >= 1, "B's copy is on its way", 60)
    held_until = time.monotonic() + HELD_MS / 1000
    world.put(key, b"contents A")
    wait_until(lambda: _verified(world, key) >= 2, "the newest A is verified", 60)
    wait_until(lambda: time.monotonic() > held_until + 3, "B's copy has been answered", 60)
    wait_until(lambda: world.read(bucket, key) == b"contents A", "A is in place", 60)
    assert len(world.versions(bucket, key)) in (1, 3), "B never appeared, or was replaced again"


def test_what_a_receiver_took_away_does_not_come_again_from_a_region_whose_table_stands_still(world: World) -> None:
    key, bucket = "inbox/taken.txt", world.west.target_bucket
    with world.stalled():
        world.put(key, b"taken at once")
        wait_until(lambda: _verified(world, key) == 1, "it is delivered", 60)
        world.s3.delete_object(Bucket=bucket, Key=key)
        sqs = world.cloud.client("sqs", EAST)
        hints = next(url for url in sqs.list_queues()["QueueUrls"] if url.endswith("-hints"))
        detail = {"bucket": {"name": world.west.source_bucket}, "object": {"key": key}}
        event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
        sqs.send_message(QueueUrl=hints, MessageBody=json.dumps(event), DelaySeconds=0)
        # East notes in its own table the delivery that it has read from S3.
        wait_until(lambda: bool(_deliveries(world, key, world.east.api_url)), "East has looked at its hint", 90)
    assert world.versions(bucket, key) == [key]
    assert world.read(bucket, key) is None


def _copies(world: World) -> int:
    return sum(r["count"] for r in world.requests() if r["operation"] == "CopyObject")


def _verified(world: World, key: str) -> int:
    return sum(d["status"] == "VERIFIED" for d in _deliveries(world, key, world.west.api_url))


def _deliveries(world: World, key: str, api_url: str) -> list[dict[str, str]]:
    answer = world.http.get(f"{api_url}/feeds/west-inbox/deliveries", params={"key": key})
    assert answer.status_code == 200, answer.text
    deliveries: list[dict[str, str]] = answer.json()["deliveries"]
    return deliveries
