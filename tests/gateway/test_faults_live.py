"""Faults and counters through the real gateway, as boto3 sees them."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from local.gateway.launch import EAST, WEST
from tests.gateway.conftest import Cloud, code_of, failure

pytestmark = pytest.mark.cloud


def rule(action: dict[str, Any], **extra: Any) -> list[dict[str, Any]]:
    return [{"id": "under-test", "action": action, **extra}]


def fired(cloud: Cloud) -> int:
    (report,) = cloud.control("GET", "faults")
    return int(report["fired"])


def test_a_dropped_answer_is_of_a_request_carried_out(clean: Cloud, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    match = {"operation": "CopyObject", "bucket": bucket}
    clean.control("PUT", "faults", rule({"kind": "drop_answer"}, match=match, times=1))
    copy = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}, "IfNoneMatch": "*"}
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        s3.copy_object(**copy)
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"data"
    assert code_of(s3.copy_object, **copy) == "PreconditionFailed"
    assert fired(clean) == 1


def test_a_dropped_request_is_not_carried_out(clean: Cloud, s3: Any, bucket: str) -> None:
    clean.control("PUT", "faults", rule({"kind": "drop_request"}, match={"operation": "PutObject"}, times=1))
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    assert code_of(s3.head_object, Bucket=bucket, Key="a") == "404"
    assert code_of(s3.put_object, Bucket=bucket, Key="a", Body=b"data") == ""


def test_a_lost_complete_was_carried_out(clean: Cloud, s3: Any, bucket: str) -> None:
    target = {"Bucket": bucket, "Key": "a"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    etag = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"data")["ETag"]
    clean.control("PUT", "faults", rule({"kind": "drop_answer"}, match={"operation": "CompleteMultipartUpload"}))
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        s3.complete_multipart_upload(
            **target, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}
        )
    assert s3.get_object(**target)["Body"].read() == b"data"
    assert code_of(s3.list_parts, **target, UploadId=upload) == "NoSuchUpload"


def test_slow_down_is_parsed_as_such(clean: Cloud, s3: Any, bucket: str) -> None:
    action = {"kind": "error", "status": 503, "code": "SlowDown", "message": "Please reduce your request rate."}
    clean.control("PUT", "faults", rule(action, match={"service": "s3", "operation": "PutObject"}, times=2))
    for _ in range(2):
        error = failure(s3.put_object, Bucket=bucket, Key="a", Body=b"data")
        assert (error["status"], error["Code"]) == (503, "SlowDown")
    assert code_of(s3.put_object, Bucket=bucket, Key="a", Body=b"data") == ""


def test_json_services_get_json_errors(clean: Cloud) -> None:
    throttled = {"kind": "error", "status": 400, "code": "ProvisionedThroughputExceededException"}
    clean.control("PUT", "faults", rule(throttled, match={"service": "dynamodb"}))
    assert code_of(clean.client("dynamodb").list_tables) == "ProvisionedThroughputExceededException"
    clean.control("PUT", "faults", rule({"kind": "error", "status": 503, "code": "ServiceUnavailable"}))
    assert code_of(clean.client("sqs").list_queues) == "ServiceUnavailable"


def test_an_error_inside_a_200_does_nothing(clean: Cloud, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    clean.control("PUT", "faults", rule({"kind": "error_in_200", "code": "InternalError"}, times=1))
    copy = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
    with pytest.raises(ClientError, match="InternalError"):
        s3.copy_object(**copy)
    assert code_of(s3.head_object, Bucket=bucket, Key="b") == "404"


def test_a_delay_delays(clean: Cloud, s3: Any, bucket: str) -> None:
    clean.control("PUT", "faults", rule({"kind": "delay", "delay_ms": 200}, match={"operation": "HeadBucket"}))
    begin = time.monotonic()
    s3.head_bucket(Bucket=bucket)
    assert time.monotonic() - begin >= 0.2


def test_bad_rules_are_refused_with_a_reason(clean: Cloud) -> None:
    url = f"{clean.gateway.aws_url}/_gateway/faults"
    answer = httpx.put(url, json=[{"id": "a", "action": {"kind": "dleay"}}], trust_env=False)
    assert answer.status_code == 400
    assert "drop_answer" in answer.json()["error"]


def test_counters_are_exact(clean: Cloud, s3: Any, bucket: str) -> None:
    clean.control("DELETE", "requests")
    source = {"Bucket": bucket, "Key": "a"}
    for _ in range(3):
        s3.put_object(**source, Body=b"data", Tagging="a=b")
    s3.copy_object(
        Bucket=bucket, Key="b", CopySource=source, IfNoneMatch="*"
    )  # checked with a HEAD of the gateway's own
    failure(s3.copy_object, Bucket=bucket, Key="b", CopySource=source, IfNoneMatch="*")
    s3.head_object(**source)
    clean.client("s3", url=clean.gateway.functions_url(EAST)).head_object(**source)
    report = clean.control("GET", "requests")
    rows = {(row["caller"], row["operation"], row["status"]): row["count"] for row in report["requests"]}
    assert rows == {
        ("aws", "PutObject", "2xx"): 3,
        ("aws", "CopyObject", "2xx"): 1,
        ("aws", "CopyObject", "4xx"): 1,
        ("aws", "HeadObject", "2xx"): 1,
        (EAST, "HeadObject", "2xx"): 1,
    }
    assert {row["bucket"] for row in report["requests"]} == {bucket}
    assert report["totals"] == {"PutObject": 3, "CopyObject": 2, "HeadObject": 2}
    assert report["total"] == 7


def test_a_cut_regions_functions_reach_nothing(clean: Cloud, s3: Any, bucket: str) -> None:
    inside = clean.client("s3", url=clean.gateway.functions_url(WEST))
    inside.head_bucket(Bucket=bucket)
    clean.control("PUT", f"cut/{WEST}")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        inside.head_bucket(Bucket=bucket)
    s3.head_bucket(Bucket=bucket)
    clean.control("PUT", f"cut/{WEST}?s3=true")
    with pytest.raises((ConnectionClosedError, HTTPClientError)):
        s3.head_bucket(Bucket=bucket)
    clean.control("DELETE", f"cut/{WEST}")
    inside.head_bucket(Bucket=bucket)
