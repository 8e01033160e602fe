"""Test faults and counters through the real gateway, as boto3 sees them."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.exceptions import IncompleteReadError as ShortBody

from local.gateway.launch import EAST, WEST
from local.wait import wait_until
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
    )  # The gateway checks the condition with a HEAD of its own.
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


# ---- what hangs, and what is cut in the middle -------------------------------------------------------------------


def quick_client(cloud: Cloud, url: str | None = None, region: str = WEST, service: str = "s3") -> Any:
    return cloud.client(service, region, url=url, read_timeout=0.5, connect_timeout=1)


def seconds(call: Callable[[], object]) -> float:
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def test_what_hangs_is_accepted_and_never_answered_nor_carried_out(clean: Cloud, s3: Any, bucket: str) -> None:
    clean.control("PUT", "faults", rule({"kind": "hang"}, match={"operation": "PutObject"}, times=1))
    with pytest.raises(ReadTimeoutError):
        quick_client(clean).put_object(Bucket=bucket, Key="a", Body=b"x" * 3_000_000)
    assert code_of(s3.head_object, Bucket=bucket, Key="a") == "404"
    assert code_of(s3.put_object, Bucket=bucket, Key="a", Body=b"data") == ""


def test_what_hangs_ends_when_its_rule_is_taken_back(clean: Cloud, s3: Any, bucket: str) -> None:
    clean.control("PUT", "faults", rule({"kind": "hang"}, match={"operation": "HeadBucket"}))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(s3.head_bucket, Bucket=bucket)
        wait_until(lambda: fired(clean) == 1, "it hangs", 10)
        clean.control("DELETE", "faults")
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            waiting.result(timeout=10)


def test_thousands_that_hang_keep_nobody_else_waiting(clean: Cloud, s3: Any, bucket: str) -> None:
    """The requests that hang use up no connections of the gateway to the emulator either."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = 2000
    if hard < 2 * many:
        pytest.skip(f"a process may have {hard} open files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clean.control("PUT", "faults", rule({"kind": "hang"}, match={"operation": "GetObject"}))
    sockets = [socket.create_connection(("127.0.0.1", clean.gateway.ports.aws)) for _ in range(many)]
    try:
        for each in sockets:
            each.sendall(f"GET /{bucket}/key HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_until(lambda: fired(clean) == many, "all of them hang", 60)
        took = [seconds(lambda: s3.put_object(Bucket=bucket, Key="a", Body=b"data")) for _ in range(5)]
        assert sorted(took)[2] < 2, took
    finally:
        for each in sockets:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_flapping_service_is_well_and_gone_in_turn(clean: Cloud, s3: Any, bucket: str) -> None:
    error = {"kind": "error", "status": 503, "code": "SlowDown"}
    clean.control("PUT", "faults", rule({"kind": "flap", "well_ms": 300, "gone_ms": 300, "gone": error}))
    codes: list[str] = []

    def look() -> bool:
        code = code_of(s3.put_object, Bucket=bucket, Key="a", Body=b"data")
        if codes[-1:] != [code]:
            codes.append(code)
        return len(codes) >= 4

    wait_until(look, "well and gone twice", 30)
    assert set(codes) == {"", "SlowDown"}


def test_an_answer_that_is_cut_has_its_headers_and_half_of_its_body(clean: Cloud, s3: Any, bucket: str) -> None:
    for size in (1000, 3_000_000):  # The first is held in memory, the second is streamed.
        s3.put_object(Bucket=bucket, Key="a", Body=b"x" * size)
        clean.control("PUT", "faults", rule({"kind": "cut_answer"}, match={"operation": "GetObject"}, times=1))
        answer = s3.get_object(Bucket=bucket, Key="a")
        assert answer["ContentLength"] == size
        with pytest.raises((ShortBody, ResponseStreamingError)):
            answer["Body"].read()
        assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x" * size


def test_half_of_a_body_arrives(clean: Cloud, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 1000)
    clean.control("PUT", "faults", rule({"kind": "cut_answer"}, match={"operation": "GetObject"}))
    received = b""
    with socket.create_connection(("127.0.0.1", clean.gateway.ports.aws), timeout=10) as client:
        client.sendall(f"GET /{bucket}/a HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while piece := client.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Length: 1000" in head
    assert len(body) == 500


def test_the_answer_to_a_write_is_cut_after_the_write(clean: Cloud, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    clean.control("PUT", "faults", rule({"kind": "cut_answer"}, match={"operation": "CopyObject"}))
    # boto calls an answer a 500 if it can't parse it.
    assert failure(s3.copy_object, Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})["status"] == 500
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"data"


def test_an_answer_without_a_body_is_cut_in_its_headers(clean: Cloud, s3: Any, bucket: str) -> None:
    """boto takes this for an answer that has no more headers. A caller that needs a header has to check that it is
    there."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"data", Metadata={"m": "x" * 1000})
    clean.control("PUT", "faults", rule({"kind": "cut_answer"}))
    assert s3.head_object(Bucket=bucket, Key="a")["Metadata"] != {"m": "x" * 1000}
    clean.control("DELETE", "faults")
    assert s3.head_object(Bucket=bucket, Key="a")["Metadata"] == {"m": "x" * 1000}


def test_a_dribbled_body_is_whole_and_outlives_a_read_timeout(clean: Cloud, s3: Any, bucket: str) -> None:
    for size in (1000, 3_000_000):
        s3.put_object(Bucket=bucket, Key="a", Body=b"x" * size)
        clean.control("PUT", "faults", rule({"kind": "dribble", "over_ms": 1500}, match={"operation": "GetObject"}))
        begin = time.monotonic()
        assert quick_client(clean).get_object(Bucket=bucket, Key="a")["Body"].read() == b"x" * size
        assert time.monotonic() - begin >= 1.4
        clean.control("DELETE", "faults")


# ---- a Region that hangs -------------------------------------------------------------------------------------------


def test_a_hanging_region_hangs_for_its_functions_and_for_the_others(clean: Cloud, s3: Any, bucket: str) -> None:
    s3.head_bucket(Bucket=bucket)
    west, east = (clean.gateway.functions_url(region) for region in (WEST, EAST))
    clean.control("PUT", f"cut/{WEST}?s3=true&how=hang")
    for caller in (west, east):
        for service, operation in (("dynamodb", "list_tables"), ("sqs", "list_queues"), ("lambda", "list_functions")):
            with pytest.raises(ReadTimeoutError):
                getattr(quick_client(clean, caller, service=service), operation)()
        with pytest.raises(ReadTimeoutError):
            quick_client(clean, caller).head_bucket(Bucket=bucket)
    with pytest.raises(ReadTimeoutError):
        quick_client(clean, west, EAST, "sqs").list_queues()
    quick_client(clean, east, EAST, "sqs").list_queues()
    quick_client(clean, service="sqs").list_queues()
    with pytest.raises(ReadTimeoutError):
        quick_client(clean).head_bucket(Bucket=bucket)
    clean.control("DELETE", f"cut/{WEST}")
    quick_client(clean, east).head_bucket(Bucket=bucket)


def test_what_hung_ends_when_its_region_is_back(clean: Cloud, s3: Any, bucket: str) -> None:
    clean.control("PUT", f"cut/{WEST}?how=hang")
    clean.control("DELETE", "requests")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(clean.client("s3", url=clean.gateway.functions_url(WEST)).head_bucket, Bucket=bucket)
        wait_until(lambda: clean.control("GET", "requests")["total"] == 1, "it hangs", 10)
        clean.control("DELETE", f"cut/{WEST}")
        with pytest.raises((ConnectionClosedError, HTTPClientError)):
            waiting.result(timeout=10)


def test_s3_gives_up_on_a_source_that_hangs(clean: Cloud, s3: Any, bucket: str) -> None:
    """The destination's S3 is well. It answers with an error after a while."""
    east = clean.client("s3", EAST)
    east.create_bucket(Bucket=f"{bucket}-east", CreateBucketConfiguration={"LocationConstraint": EAST})
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    copy = {"Bucket": f"{bucket}-east", "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
    clean.control("PUT", f"cut/{WEST}?s3=true&how=hang")
    begin = time.monotonic()
    error = failure(clean.client("s3", EAST, url=clean.gateway.functions_url(EAST)).copy_object, **copy)
    assert (error["status"], error["Code"]) == (500, "InternalError")
    assert 4 < time.monotonic() - begin < 20
    assert code_of(east.head_object, Bucket=f"{bucket}-east", Key="b") == "404"
