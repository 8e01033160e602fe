"""Exactly one of many conditional writes through the gateway wins."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.conftest import Cloud, code_of, failure

pytestmark = pytest.mark.cloud

WRITERS = 20


def test_copy_if_none_match_refuses_an_existing_destination(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"new")
    s3.put_object(Bucket=bucket, Key="b", Body=b"old")
    source = {"Bucket": bucket, "Key": "a"}
    error = failure(s3.copy_object, Bucket=bucket, Key="b", CopySource=source, IfNoneMatch="*")
    assert (error["status"], error["Code"], error["Condition"]) == (412, "PreconditionFailed", "If-None-Match")
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"old"


def test_copy_if_match_needs_the_etag_it_names(s3: Any, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "a"}
    s3.put_object(Bucket=bucket, Key="a", Body=b"new")
    etag = s3.put_object(Bucket=bucket, Key="b", Body=b"old")["ETag"]
    assert code_of(s3.copy_object, Bucket=bucket, Key="b", CopySource=source, IfMatch='"0"') == "PreconditionFailed"
    assert code_of(s3.copy_object, Bucket=bucket, Key="b", CopySource=source, IfMatch=etag) == ""
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"new"
    missing = {"Bucket": bucket, "Key": "c", "CopySource": source, "IfMatch": etag}
    assert code_of(s3.copy_object, **missing) == "NoSuchKey"


def test_a_delete_marker_counts_as_absent(s3: Any, versioned: str) -> None:
    source = {"Bucket": versioned, "Key": "a"}
    s3.put_object(Bucket=versioned, Key="a", Body=b"new")
    etag = s3.put_object(Bucket=versioned, Key="b", Body=b"old")["ETag"]
    s3.delete_object(Bucket=versioned, Key="b")
    assert code_of(s3.copy_object, Bucket=versioned, Key="b", CopySource=source, IfMatch=etag) == "NoSuchKey"
    assert code_of(s3.copy_object, Bucket=versioned, Key="b", CopySource=source, IfNoneMatch="*") == ""


def race(jobs: list[Any]) -> list[str]:
    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(lambda job: job(), jobs))


@pytest.mark.parametrize("round_", range(3))
def test_racing_conditional_copies_have_one_winner(s3: Any, bucket: str, round_: int) -> None:
    for n in range(WRITERS):
        s3.put_object(Bucket=bucket, Key=f"source/{n}", Body=f"{n}".encode())

    def copy(n: int) -> Any:
        source = {"Bucket": bucket, "Key": f"source/{n}"}
        return lambda: code_of(s3.copy_object, Bucket=bucket, Key="target", CopySource=source, IfNoneMatch="*")

    outcomes = race([copy(n) for n in range(WRITERS)])
    assert sorted(outcomes) == [""] + ["PreconditionFailed"] * (WRITERS - 1)
    assert s3.get_object(Bucket=bucket, Key="target")["Body"].read() == str(outcomes.index("")).encode()


def volley(cloud: Cloud, requests: list[bytes]) -> list[int]:
    """Write all requests before any answer is read, each on a connection of its own. They arrive far closer together
    than requests of threads."""
    url = urlsplit(cloud.gateway.aws_url)
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((url.hostname, url.port), timeout=30)) for _ in requests
        ]
        for connection, request in zip(sockets, requests, strict=True):
            connection.sendall(request)
        return [int(connection.recv(4096).split(b" ", 2)[1]) for connection in sockets]


@pytest.mark.parametrize("round_", range(5))
def test_a_volley_of_copies_and_puts_has_one_winner(cloud: Cloud, s3: Any, bucket: str, round_: int) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"source")
    head = f"PUT /{bucket}/target HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\nContent-Length: 0\r\n"
    copy = f"{head}x-amz-copy-source: /{bucket}/source\r\n\r\n".encode()
    put = f"{head}\r\n".encode()
    statuses = volley(cloud, [copy] * WRITERS + [put, copy] * 5)
    assert sorted(statuses) == [200] + [412] * (WRITERS + 9)


@pytest.mark.parametrize("round_", range(3))
def test_puts_copies_and_completes_race_for_one_key(s3: Any, versioned: str, round_: int) -> None:
    s3.put_object(Bucket=versioned, Key="source", Body=b"source")
    source = {"Bucket": versioned, "Key": "source"}
    target = {"Bucket": versioned, "Key": "target"}

    def prepared_complete() -> Any:
        upload = s3.create_multipart_upload(**target)["UploadId"]
        part = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"part")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return lambda: code_of(
            s3.complete_multipart_upload, **target, UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"
        )

    jobs = [prepared_complete() for _ in range(6)]
    jobs += [lambda: code_of(s3.copy_object, **target, CopySource=source, IfNoneMatch="*")] * 7
    jobs += [lambda: code_of(s3.put_object, **target, Body=b"put", IfNoneMatch="*")] * 7
    outcomes = race(jobs)
    assert outcomes.count("") == 1, outcomes
    assert set(outcomes) == {"", "PreconditionFailed"}
    assert len(s3.list_object_versions(Bucket=versioned, Prefix="target")["Versions"]) == 1


def test_an_unconditional_put_is_never_lost_between_check_and_copy(s3: Any, versioned: str) -> None:
    """If-Match copies race puts that change the ETag. Every copy that succeeds replaced exactly the ETag that it
    named."""
    s3.put_object(Bucket=versioned, Key="source", Body=b"copied")
    source = {"Bucket": versioned, "Key": "source"}
    first = s3.put_object(Bucket=versioned, Key="target", Body=b"first")

    def copy() -> str:
        return code_of(s3.copy_object, Bucket=versioned, Key="target", CopySource=source, IfMatch=first["ETag"])

    jobs: list[Any] = []
    for n in range(8):
        jobs += [copy, lambda n=n: code_of(s3.put_object, Bucket=versioned, Key="target", Body=f"put {n}".encode())]
    race(jobs)
    versions = s3.list_object_versions(Bucket=versioned, Prefix="target")["Versions"]
    etags = [version["ETag"] for version in reversed(versions)]
    copied = s3.head_object(Bucket=versioned, Key="source")["ETag"]
    for before, after in pairwise(etags):
        assert after != copied or before == first["ETag"]


def test_put_conditions_still_work_through_the_gateway(s3: Any, bucket: str) -> None:
    assert code_of(s3.put_object, Bucket=bucket, Key="a", Body=b"1", IfNoneMatch="*") == ""
    assert code_of(s3.put_object, Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert code_of(s3.put_object, Bucket=bucket, Key="b", Body=b"2", IfMatch='"0"') == "NoSuchKey"
