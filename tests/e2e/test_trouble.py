"""Each kind of trouble, on real processes, ends in a clear outcome, loses nothing, and delays nothing else."""

import json
import os
import random
import signal
from collections import Counter
from functools import partial

import pytest

from local.gateway.launch import WEST
from local.processes import send
from local.regions import Regions
from local.wait import wait_until
from tests.e2e.conftest import MIB, World

pytestmark = pytest.mark.cloud
TRIES = 50


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended"])
def test_overwriting_a_source_during_its_multipart_copy_never_yields_a_mixed_object(
    world: World, versioning: str
) -> None:
    """There are 50 objects in all, and each is overwritten at a random moment of its copy. One whole version arrives
    where the source keeps versions: the pinned one. Where it doesn't, that version or nothing arrives."""
    seed = int(os.environ.get("EFT_SEED", random.randrange(2**32)))
    moments = random.Random(seed)
    size, count = 11 * MIB, TRIES // 2
    old, new = b"o" * size, b"n" * size
    prefix = f"torn-{versioning}/"
    keys = [f"{prefix}{index:02d}" for index in range(count)]
    with world.source_versioning(versioning):
        for key in keys:
            world.put(key, old)
        # Part copies take a while, so that the overwrites fall between and into them.
        slow = {"kind": "delay", "delay_ms": 100}
        world.faults({"id": "slow", "match": {"operation": "UploadPartCopy"}, "action": slow})
        world.forget_requests()
        job_id = world.submit(prefix, prefix)
        # Each object has three part copies, so the moments are spread over the whole of the job's copying.
        for part_copies, key in sorted((moments.randrange(3 * count + 3), key) for key in keys):
            wait_until(partial(_has_come_to, world, job_id, part_copies), f"part copy {part_copies} (seed {seed})", 90)
            world.put(key, new)
        world.faults()
        world.settled(job_id)
    rows = world.rows(job_id)
    assert len(rows) == count
    outcomes = Counter(row["outcome"] for row in rows)
    for row in rows:
        arrived = world.read(world.east.target_bucket, row["key"])
        expected = {"COPIED": (old, new), "SOURCE_CHANGED": (None,)}[row["outcome"]]
        assert arrived in expected, f"seed {seed}: {row}"
    if versioning == "Enabled":
        assert outcomes == {"COPIED": count}, f"seed {seed}"
    else:
        assert outcomes["SOURCE_CHANGED"], f"seed {seed}: no overwrite fell into a copy"
    assert world.uploads(world.east.target_bucket) == []


def _has_come_to(world: World, job_id: str, part_copies: int) -> bool:
    return _count(world, "UploadPartCopy") >= part_copies or world.job(job_id)["phase"] in ("verify", "settled")


def _count(world: World, operation: str) -> int:
    return sum(r["count"] for r in world.requests() if r["operation"] == operation)


def test_a_copy_worker_killed_in_mid_copy_is_replaced_and_its_finished_parts_are_kept(world: World) -> None:
    body = os.urandom(41 * MIB)
    world.put("killed/large", body)
    for index in range(20):
        world.put(f"killed/small-{index}", b"x" * index)
    world.forget_requests()
    world.faults({"id": "slow", "match": {"operation": "UploadPartCopy"}, "action": {"kind": "delay", "delay_ms": 500}})
    job_id = world.submit("killed/", "killed/")
    wait_until(lambda: _count(world, "UploadPartCopy") >= 3, "three parts are copied", 30)
    (upload,) = world.s3.list_multipart_uploads(Bucket=world.east.target_bucket)["Uploads"]
    assert ":assumed-role/eft-copy-us-gov-west-1/" in upload["Initiator"]["ID"], "sweep knows it for ours"
    workers = Regions.of(world.cloud).processes("west", "copy")
    assert workers
    send(signal.SIGKILL, workers)
    world.faults()

    view = world.settled(job_id, timeout_s=150)
    assert view["outcomes"] == {"COPIED": 21}, view
    assert world.read(world.east.target_bucket, "killed/large") == body
    versions = world.versions(world.east.target_bucket, "killed/")
    assert len(versions) == len(set(versions)) == 21
    assert _count(world, "CreateMultipartUpload") == 1, "the successor goes on with the upload it found"
    assert _count(world, "UploadPartCopy") <= 9 + 4, "only parts that were under way are sent again"
    assert world.uploads(world.east.target_bucket) == []


def test_a_storm_of_slow_down_loses_nothing(world: World) -> None:
    world.fill("storm/", 300, size=100)
    storm = {"kind": "error", "status": 503, "code": "SlowDown", "message": "Please reduce your request rate."}
    world.faults(
        {"id": "s", "match": {"operation": "CopyObject"}, "action": storm, "probability": 0.6, "seed": 1},
        {"id": "l", "match": {"operation": "ListObjectsV2"}, "action": storm, "probability": 0.3, "seed": 2},
    )
    view = world.settled(world.submit("storm/", "storm/"), timeout_s=180)
    assert view["outcomes"] == {"COPIED": 300}, view
    assert len(world.versions(world.east.target_bucket, "storm/")) == 300


def test_lost_answers_write_nothing_twice(world: World) -> None:
    world.fill("lost/", 100, size=100)
    world.put("lost/large", os.urandom(11 * MIB))
    dropped = [
        {"id": name, "match": {"operation": name}, "action": {"kind": "drop_answer"}, "probability": p, "seed": 3}
        for name, p in (("CopyObject", 0.3), ("CompleteMultipartUpload", 1.0), ("UploadPartCopy", 0.3))
    ]
    world.faults(*dropped)
    view = world.settled(world.submit("lost/", "lost/"), timeout_s=120)
    assert view["outcomes"] == {"COPIED": 101}, view
    versions = world.versions(world.east.target_bucket, "lost/")
    assert len(versions) == len(set(versions)) == 101
    assert world.uploads(world.east.target_bucket) == []


def test_lost_messages_are_made_good_by_the_sweep(world: World) -> None:
    world.fill("unheard/", 20)
    match = {"service": "sqs", "operation": "SendMessageBatch", "caller": WEST}
    world.faults({"id": "q", "match": match, "action": {"kind": "drop_request"}, "times": 1})
    # The submission itself fails to start split. The client sees that, retries with the same key, and gets its job.
    headers = {"Idempotency-Key": "unheard"}
    body = {
        "source": {"endpoint": "west-source", "prefix": "unheard/"},
        "target": {"endpoint": "east-target", "prefix": "unheard/"},
    }
    first = world.http.post("/jobs", json=body, headers=headers)
    second = world.http.post("/jobs", json=body, headers=headers)
    assert (first.status_code, second.status_code) in ((503, 200), (201, 200)), (first.text, second.text)
    assert world.settled(second.json()["id"])["outcomes"] == {"COPIED": 20}


def test_bad_events_end_in_the_dead_letter_queue_and_good_ones_beside_them_are_delivered(world: World) -> None:
    sqs = world.cloud.client("sqs")
    urls = sqs.list_queues()["QueueUrls"]
    intake = next(
        url for url in urls if "ntake" in url and "dlq" not in url.lower() and "deadletter" not in url.lower()
    )
    world.put("inbox/good.txt", b"good")
    source = world.west.source_bucket
    for body in (
        "this is no JSON",
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": source}),
        json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": source}}}]}),
        json.dumps(_created(source, "inbox/never-existed")),
        json.dumps({"type": "object_event", "bucket": world.west.target_bucket, "key": "inbox/good.txt"}),
    ):
        sqs.send_message(QueueUrl=intake, MessageBody=body)
    wait_until(lambda: world.read(world.west.target_bucket, "inbox/good.txt") == b"good", "the good file arrives", 30)
    assert world.versions(world.west.target_bucket, "inbox/good.txt") == ["inbox/good.txt"]
    assert world.read(world.west.target_bucket, "inbox/never-existed") is None


def _created(bucket: str, key: str) -> dict[str, object]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"source": {"endpoint": "nobody"}, "target": {"endpoint": "east-target"}}', 400),
        (b'{"padding": "' + b"x" * 3 * MIB + b'"}', 413),
    ],
)
def test_bad_requests_are_answered_with_a_problem(world: World, body: bytes, status: int) -> None:
    answer = world.http.post("/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


def test_a_token_is_needed(world: World) -> None:
    assert world.http.get("/jobs", headers={"Authorization": "Bearer nonsense"}).status_code in (401, 403)


def test_an_unknown_job_is_not_found_in_either_region(world: World) -> None:
    for region in (world.west, world.east):
        answer = world.http.get(f"{region.api_url}/jobs/job-aaaaaaaaaaaaaaaaaaaaaaaaaa")
        assert answer.status_code == 404


def test_both_regions_know_a_job(world: World) -> None:
    """East knows the job at once, though the table is replicated later. It knows the job's end once that has been
    replicated."""
    world.put("both/one", b"1")
    job_id = world.submit("both/", "both/")
    in_east = f"{world.east.api_url}/jobs/{job_id}"
    assert world.http.get(in_east).json()["id"] == job_id
    world.settled(job_id)
    wait_until(lambda: world.http.get(in_east).json()["state"] == "SUCCEEDED", "East knows how it ended", 10)
