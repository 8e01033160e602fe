"""Lists of uploads name the initiator, so that a sweeper can tell its own uploads from another application's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.gateway.launch import WEST
from tests.gateway.conftest import Cloud

pytestmark = pytest.mark.cloud


def begin(s3: Any, bucket: str, key: str, **more: Any) -> dict[str, Any]:
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    return {"Bucket": bucket, "Key": key, "UploadId": upload}


def listed(s3: Any, bucket: str) -> dict[str, Any]:
    return {entry["Key"]: entry for entry in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]}


def test_a_role_is_told_from_the_root_user(cloud: Cloud, s3: Any, bucket: str) -> None:
    role = "arn:aws:iam::000000000000:role/eft-copy-us-gov-west-1"
    session = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="worker")["Credentials"]
    credentials = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    ours = begin(cloud.client("s3", credentials=credentials), bucket, "ours")
    theirs = begin(s3, bucket, "theirs & more", ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")

    arn = "arn:aws:sts::000000000000:assumed-role/eft-copy-us-gov-west-1/worker"
    uploads = listed(s3, bucket)
    assert uploads["ours"]["Initiator"] == {"ID": arn, "DisplayName": "worker"}
    assert uploads["theirs & more"]["Initiator"]["ID"] == "arn:aws:iam::000000000000:root"
    assert s3.list_parts(**ours)["Initiator"]["ID"] == arn
    assert s3.list_parts(**theirs)["Initiator"]["ID"] == "arn:aws:iam::000000000000:root"
    assert s3.list_parts(**theirs)["ChecksumAlgorithm"] == "CRC64NVME"


def test_a_function_is_known_by_its_user_agent(cloud: Cloud, s3: Any, bucket: str) -> None:
    """Without AUTH=true all functions use the account's credentials."""
    cloud.client("iam").create_role(RoleName="their-role", AssumeRolePolicyDocument="{}")
    cloud.client("lambda").create_function(
        FunctionName="their-function",
        Runtime="python3.11",
        Role="arn:aws:iam::000000000000:role/path/their-role",
        Handler="x.x",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
    )
    worker = cloud.client("s3", url=cloud.gateway.functions_url(WEST), user_agent_appid="their-function")
    begin(worker, bucket, "a")
    outside = cloud.client("s3", user_agent_appid="their-function")
    begin(outside, bucket, "b")
    uploads = listed(s3, bucket)
    assert uploads["a"]["Initiator"]["ID"] == "arn:aws:sts::000000000000:assumed-role/their-role/their-function"
    assert uploads["b"]["Initiator"]["ID"] == "arn:aws:iam::000000000000:root", "only functions are believed"


def test_an_upload_is_made_to_look_old(cloud: Cloud, s3: Any, bucket: str) -> None:
    old = begin(s3, bucket, "old")
    begin(s3, bucket, "young")
    cloud.control("PUT", "uploads/age", {"upload_id": old["UploadId"], "age_hours": 48})
    uploads = listed(s3, bucket)
    now = datetime.now(UTC)
    assert timedelta(hours=47, minutes=59) < now - uploads["old"]["Initiated"] < timedelta(hours=48, minutes=1)
    assert now - uploads["young"]["Initiated"] < timedelta(minutes=1)
