"""Both Regions of the running cloud sweep, and each minute of a schedule has one job."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.deploy import SCHEDULED
from local.gateway.launch import EAST, WEST
from local.wait import wait_until
from tests.e2e.conftest import World

pytestmark = pytest.mark.cloud
PATH = "/schedules/each-minute"
MINUTES = 1


def test_each_minute_has_one_job_although_both_regions_sweep(world: World) -> None:
    world.put("cron/only", b"once")
    job = {
        "source": {"endpoint": "west-source", "prefix": "cron/"},
        "target": {"endpoint": "east-target", "prefix": "cron/"},
    }
    created = world.http.put(PATH, json={"cron": "* * * * *", "overlap": "allow", "job": job})
    assert created.status_code == 201, created.text
    wait_until(lambda: len(_ran(world)) >= MINUTES, "a minute's job is settled", 280)
    assert world.http.delete(PATH, headers={"If-Match": created.headers["etag"]}).status_code == 204
    _sweep_both(world)

    records, jobs = _records(world)
    assert len(records) >= MINUTES
    assert max(Counter(record["occurrence_ms"] for record in records).values()) == 1
    ran = {record["job_id"] for record in records if record["state"] == "RUN"}
    assert {spec["job_id"]: spec["scheduled"]["occurrence_ms"] for spec in jobs} == {
        record["job_id"]: record["occurrence_ms"] for record in records if record["job_id"] in ran
    }
    assert len(jobs) == len(ran)
    for job_id in ran:
        assert world.settled(job_id)["state"] == "SUCCEEDED"
    assert world.versions(world.east.target_bucket, "cron/") == ["cron/only"]


def _ran(world: World) -> list[dict[str, Any]]:
    """Return the runs whose jobs are settled, after both Regions have swept at the same moment."""
    _sweep_both(world)
    runs = world.http.get(PATH).json()["runs"] or []
    return [run for run in runs if run["job_state"] == "SUCCEEDED"]


def _sweep_both(world: World) -> None:
    with ThreadPoolExecutor(2) as side_by_side:
        list(side_by_side.map(lambda region: world.invoke("sweep", SCHEDULED, region), (WEST, EAST)))


def _records(world: World) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the decisions about occurrences, and the schedule's jobs, in both control buckets."""
    decided, jobs = [], []
    for bucket in (world.west.control_bucket, world.east.control_bucket):
        for page in world.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for key in (entry["Key"] for entry in page.get("Contents", [])):
                if key.startswith("schedules/"):
                    decided.append(_json(world, bucket, key))
                elif key.endswith("/spec") and "scheduled" in (spec := _json(world, bucket, key)):
                    jobs.append(spec)
    return decided, jobs


def _json(world: World, bucket: str, key: str) -> dict[str, Any]:
    body = world.read(bucket, key)
    assert body is not None
    record: dict[str, Any] = json.loads(body)
    return record
