"""Run the main job through the front door: files come from the partners' own tools, and jobs are submitted over
HTTP."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.deploy import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from local.gateway.launch import WEST
from local.wait import wait_until
from tests.e2e.conftest import World

pytestmark = pytest.mark.cloud
BIN = Path(sys.executable).parent
PROMISE_S = 30
WRITES = ("CopyObject", "PutObject", "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload")


def _tool_env() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/tmp"),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": WEST,
    }


def test_a_file_dropped_with_the_aws_cli_arrives_with_its_metadata(world: World, tmp_file: Path) -> None:
    bucket = world.west.source_bucket
    command = [str(BIN / "aws"), "--endpoint-url", world.cloud.endpoint_url, "s3", "cp", str(tmp_file)]
    options = ["--metadata", "sender=alice,Case=Kept", "--content-type", "text/x-report", "--cache-control", "no-cache"]
    subprocess.run([*command, f"s3://{bucket}/inbox/", *options], env=_tool_env(), check=True, capture_output=True)

    key = f"inbox/{tmp_file.name}"
    wait_until(
        lambda: world.read(world.west.target_bucket, key) == tmp_file.read_bytes(), "the file is there", PROMISE_S
    )
    head = world.s3.head_object(Bucket=world.west.target_bucket, Key=key)
    assert head["ContentType"] == "text/x-report"
    assert head["CacheControl"] == "no-cache"
    assert {name.lower(): value for name, value in head["Metadata"].items()} == {"sender": "alice", "case": "Kept"}
    assert world.versions(world.west.target_bucket, key) == [key]


def test_a_file_dropped_with_rclone_arrives(world: World, tmp_file: Path) -> None:
    remote = f":s3:{world.west.source_bucket}/inbox/rclone {tmp_file.name}"
    flags = ["--s3-provider", "Other", "--s3-endpoint", world.cloud.endpoint_url, "--s3-region", WEST]
    keys = ["--s3-access-key-id", ACCESS_KEY_ID, "--s3-secret-access-key", SECRET_ACCESS_KEY]
    command = [
        str(BIN / "rclone"),
        "copyto",
        str(tmp_file),
        remote,
        "--config",
        "/dev/null",
        "--s3-no-check-bucket",
        *flags,
        *keys,
    ]
    subprocess.run(command, env=_tool_env(), check=True, capture_output=True)

    key = f"inbox/rclone {tmp_file.name}"
    wait_until(
        lambda: world.read(world.west.target_bucket, key) == tmp_file.read_bytes(), "the file is there", PROMISE_S
    )


def test_a_job_of_ten_thousand_objects_costs_what_is_promised_and_its_repetition_copies_nothing(world: World) -> None:
    count = 10_000
    world.fill("bulk/", count)
    world.forget_requests()
    job_id = world.submit("bulk/", "bulk/")
    view = world.settled(job_id, timeout_s=240)
    assert view["state"] == "SUCCEEDED", view
    assert view["outcomes"] == {"COPIED": count}

    data = {world.west.source_bucket, world.east.target_bucket}
    counted = [request for request in world.requests() if request["bucket"] in data]
    writes = [r for r in counted if r["bucket"] == world.east.target_bucket and r["operation"] in WRITES]
    assert sum(r["count"] for r in writes) <= 1.01 * count
    assert sum(r["count"] for r in counted if r["operation"] == "ListObjectsV2") <= 5 * count / 1000
    assert sorted(world.versions(world.east.target_bucket, "bulk/")) == [f"bulk/{i:06d}" for i in range(count)]

    world.forget_requests()
    again = world.settled(world.submit("bulk/", "bulk/"), timeout_s=120)
    assert again["state"] == "SUCCEEDED"
    assert again["outcomes"] == {"UNCHANGED": count}
    target_operations = {r["operation"] for r in world.requests() if r["bucket"] == world.east.target_bucket}
    assert target_operations <= {"ListObjectsV2", "ListMultipartUploads"}
