"""A client that got no answer in time sends the same submission to both Regions at the same moment. There is one
job."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from threading import Barrier
from typing import Any

import httpx
import pytest

from local.gateway.launch import EAST, WEST
from local.wait import wait_until
from tests.e2e.conftest import World, until_answered

pytestmark = pytest.mark.cloud
KEYS = 200
SETTLED_S = 240


@pytest.fixture
def listener(world: World) -> Iterator["Listener"]:
    with ExitStack() as undo:
        yield Listener(world, undo)


def test_the_same_key_to_west_and_east_at_once_is_one_job(world: World, listener: "Listener") -> None:
    for index in range(KEYS):
        world.put(_source_key(index), b"once")
    answers = _submit_everywhere(world)

    ids = []
    for west, east in answers:
        assert west.json()["id"] == east.json()["id"]
        assert sorted([west.status_code, east.status_code]) == [200, 201], (west.text, east.text)
        assert west.json()["home_region"] == east.json()["home_region"]
        ids.append(west.json()["id"])
    assert len(set(ids)) == KEYS
    # The requests did meet: neither Region was always the first.
    assert {west.status_code for west, _ in answers} == {200, 201}

    wait_until(lambda: not _records(world, "open/").keys() & set(ids), "all of them are settled", SETTLED_S)
    records = _records(world, "jobs/")
    for job_id in ids:
        # There is one spec, planned once, claimed once, copied once.
        assert records[job_id] == {"spec": 1, "manifest": 1, "claim": 1, "copied": 1, "done": 1, "terminal": 1}, job_id
        assert world.job(job_id)["outcomes"] == {"COPIED": 1}
    assert world.versions(world.east.target_bucket, "twice/") == [_source_key(index) for index in range(KEYS)]
    wait_until(lambda: set(ids) <= listener.settled().keys(), "everybody was told", 30)
    assert {job_id: count for job_id, count in listener.settled().items() if job_id in ids and count > 1} == {}


def _source_key(index: int) -> str:
    return f"twice/{index:03d}/only"


def _submit_everywhere(world: World) -> list[tuple[httpx.Response, httpx.Response]]:
    """Send both requests of each key at the same moment, and return their answers."""
    headers = {"Authorization": f"Bearer {world.cloud.token()}"}
    start = Barrier(2)

    def submit(client: httpx.Client) -> list[httpx.Response]:
        answers = []
        for index in range(KEYS):
            prefix = f"twice/{index:03d}/"
            body = {
                "source": {"endpoint": "west-source", "prefix": prefix},
                "target": {"endpoint": "east-target", "prefix": prefix},
            }
            post = partial(client.post, "/jobs", json=body, headers={"Idempotency-Key": f"both-at-once-{index}"})
            start.wait(120)
            answers.append(until_answered(post))
        return answers

    with ExitStack() as clients, ThreadPoolExecutor(2) as side_by_side:
        region_clients = [
            clients.enter_context(httpx.Client(base_url=side.api_url, headers=headers, timeout=35, trust_env=False))
            for side in (world.west, world.east)
        ]
        west, east = side_by_side.map(submit, region_clients)
    return list(zip(west, east, strict=True))


def _records(world: World, prefix: str) -> dict[str, dict[str, int]]:
    """Count the records of each kind of each job, in both control buckets together."""
    records: dict[str, dict[str, int]] = {}
    for bucket in (world.west.control_bucket, world.east.control_bucket):
        for page in world.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                job_id, _, rest = entry["Key"].removeprefix(prefix).partition("/")
                of_job = records.setdefault(job_id, Counter())
                of_job[rest.partition("/")[0]] += 1
    return records


class Listener:
    """A listener to the event buses of both Regions."""

    def __init__(self, world: World, undo: ExitStack) -> None:
        self._counted: Counter[str] = Counter()
        self._queues = [self._listen(world, region, undo) for region in (WEST, EAST)]

    def _listen(self, world: World, region: str, undo: ExitStack) -> tuple[Any, str]:
        sqs, events = world.cloud.client("sqs", region), world.cloud.client("events", region)
        url = sqs.create_queue(QueueName="listener")["QueueUrl"]
        undo.callback(sqs.delete_queue, QueueUrl=url)
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="listener", EventBusName="eft", EventPattern=json.dumps({"detail-type": ["Job Settled"]}))
        undo.callback(events.delete_rule, Name="listener", EventBusName="eft")
        events.put_targets(Rule="listener", EventBusName="eft", Targets=[{"Id": "listener", "Arn": arn}])
        undo.callback(events.remove_targets, Rule="listener", EventBusName="eft", Ids=["listener"])
        return sqs, url

    def settled(self) -> Counter[str]:
        """Return how many events say that each job is settled."""
        for sqs, url in self._queues:
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                self._counted.update(json.loads(message["Body"])["detail"]["jobId"] for message in messages)
                for message in messages:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return self._counted
