"""The gateway does not change requests and answers that it only passes on."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import random
import socket
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from local.gateway.launch import EAST, WEST
from tests.gateway.conftest import Cloud, code_of

pytestmark = pytest.mark.cloud

ODD_KEYS = [
    "plain",
    "/leading",
    "//two",
    "trailing/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "./a",
    "a b",
    "a+b",
    "a%2Fb",
    "a%b",
    "a?b=c&d",
    "a#b",
    "a;b,c:d@e=f",
    "a'b\"c<d>e",
    "a\\b|c",
    "[]{}^`~$!*()",
    "ключ/файл",
    "日本語",
    "\U0001f600",
    "a\tb",
    "x" * 1024,
    "ä" * 512,
    "\U0001f600" * 256,
]


@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: ascii(key[:12]))
def test_odd_keys_round_trip(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"data", IfNoneMatch="*")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"data"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    source = {"Bucket": bucket, "Key": key}
    assert code_of(s3.copy_object, **source, CopySource=source, IfMatch='"0"', MetadataDirective="REPLACE") == (
        "PreconditionFailed"
    )
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, IfNoneMatch="*")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})
    assert code_of(s3.head_object, **source) == "404"


def test_keys_end_at_1024_bytes(s3: Any, bucket: str) -> None:
    for call in (s3.put_object, s3.create_multipart_upload):
        assert code_of(call, Bucket=bucket, Key="ä" * 512 + "b") == "KeyTooLongError"


def test_metadata_round_trips_and_ends_at_2_kib(s3: Any, bucket: str) -> None:
    metadata = {"a": "v" * 2047}
    s3.put_object(Bucket=bucket, Key="a", Metadata=metadata)
    assert s3.head_object(Bucket=bucket, Key="a")["Metadata"] == metadata
    assert code_of(s3.put_object, Bucket=bucket, Key="a", Metadata={"ab": "v" * 2047}) == "MetadataTooLarge"


def test_a_copy_onto_itself_must_change_something(s3: Any, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "a"}
    s3.put_object(**source)
    assert code_of(s3.copy_object, **source, CopySource=source) == "InvalidRequest"
    assert code_of(s3.copy_object, **source, CopySource=source, StorageClass="STANDARD_IA") == ""
    assert code_of(s3.copy_object, **source, CopySource=source, MetadataDirective="REPLACE") == ""


def test_pages_hold_1000_at_most(s3: Any, bucket: str) -> None:
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)["MaxKeys"] == 1000
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=5)["MaxKeys"] == 5
    assert s3.list_objects(Bucket=bucket, MaxKeys=5000)["MaxKeys"] == 1000
    assert s3.list_object_versions(Bucket=bucket, MaxKeys=5000)["MaxKeys"] == 1000
    assert s3.list_multipart_uploads(Bucket=bucket, MaxUploads=5000)["MaxUploads"] == 1000


def test_tag_counts_show_on_head(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Tagging="a=1&b=2")
    s3.put_object(Bucket=bucket, Key="b")
    s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a"})
    assert s3.head_object(Bucket=bucket, Key="a")["TagCount"] == 2
    assert "TagCount" not in s3.head_object(Bucket=bucket, Key="b")
    assert s3.head_object(Bucket=bucket, Key="c")["TagCount"] == 2


def test_head_says_how_long_the_object_is(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 12345)
    assert s3.head_object(Bucket=bucket, Key="a")["ContentLength"] == 12345
    assert code_of(s3.head_object, Bucket=bucket, Key="missing") == "404"


def test_large_bodies_stream_both_ways(s3: Any, bucket: str) -> None:
    data = random.Random(2).randbytes(24 * 1024 * 1024)
    s3.put_object(Bucket=bucket, Key="a", Body=data)
    digest = hashlib.sha256(s3.get_object(Bucket=bucket, Key="a")["Body"].read()).digest()
    assert digest == hashlib.sha256(data).digest()
    piece = s3.get_object(Bucket=bucket, Key="a", Range="bytes=1048576-3145727")
    assert piece["Body"].read() == data[1048576:3145728]


def test_encoded_bodies_are_not_touched(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"not really gzip", ContentEncoding="gzip")
    fetched = s3.get_object(Bucket=bucket, Key="a")
    assert (fetched["Body"].read(), fetched["ContentEncoding"]) == (b"not really gzip", "gzip")


def test_aws_chunked_bodies_with_trailers_pass(cloud: Cloud, bucket: str) -> None:
    crc = base64.b64encode(zlib.crc32(b"data").to_bytes(4, "big"))
    body = b"4\r\ndata\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % crc
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "4",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Authorization": "AWS test:x",
    }
    url = f"{cloud.gateway.aws_url}/{bucket}/a"
    answer = httpx.put(url, content=body, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    assert httpx.get(url, trust_env=False).content == b"data"


def test_chunked_transfer_encoding_passes(cloud: Cloud, bucket: str) -> None:
    def body() -> Iterator[bytes]:
        yield b"da"
        yield b"ta"

    url = f"{cloud.gateway.aws_url}/{bucket}/a"
    assert httpx.put(url, content=body(), trust_env=False).status_code == 200
    assert httpx.get(url, trust_env=False).content == b"data"


def test_100_continue_comes_before_the_body(cloud: Cloud, bucket: str) -> None:
    url = urlsplit(cloud.gateway.aws_url)
    with socket.create_connection((url.hostname, url.port), timeout=10) as client:
        head = f"PUT /{bucket}/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"data")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_refused_body_does_not_spoil_the_connection(cloud: Cloud, bucket: str) -> None:
    """The gateway answers a request without Expect early with an error. The same connection carries the next
    request."""
    url = urlsplit(cloud.gateway.aws_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("PUT", f"/{bucket}/{'k' * 1025}", body=b"x" * 100_000)
        assert connection.getresponse().read().count(b"KeyTooLongError") == 1
        sock = connection.sock
        connection.request("PUT", f"/{bucket}/k", body=b"data")
        assert connection.getresponse().status == 200
        assert connection.sock is sock


def test_a_client_that_goes_away_leaves_nothing_behind(cloud: Cloud, s3: Any, bucket: str) -> None:
    """The client sent half of a long body. The key is not written, and its lock is free."""
    url = urlsplit(cloud.gateway.aws_url)
    with socket.create_connection((url.hostname, url.port), timeout=10) as client:
        head = f"PUT /{bucket}/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n"
        client.sendall(head.encode() + b"x" * 2_000_000)
    assert code_of(s3.put_object, Bucket=bucket, Key="a", Body=b"data", IfNoneMatch="*") == ""


def test_the_expected_owner_must_be_right(cloud: Cloud, s3: Any, bucket: str) -> None:
    account = cloud.client("sts").get_caller_identity()["Account"]
    source = {"Bucket": bucket, "Key": "a"}
    copy = {"Bucket": bucket, "Key": "b", "CopySource": source}
    assert code_of(s3.put_object, **source, ExpectedBucketOwner="111111111111") == "AccessDenied"
    assert code_of(s3.put_object, **source, ExpectedBucketOwner=account) == ""
    assert code_of(s3.copy_object, **copy, ExpectedSourceBucketOwner="111111111111") == "AccessDenied"
    assert code_of(s3.copy_object, **copy, ExpectedSourceBucketOwner=account, ExpectedBucketOwner=account) == ""


def test_presigned_links_work(s3: Any, bucket: str) -> None:
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b+c"})
    assert httpx.put(put, content=b"data", trust_env=False).status_code == 200
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b+c"})
    assert httpx.get(get, trust_env=False).content == b"data"


def test_other_services_pass(cloud: Cloud) -> None:
    table = cloud.client("dynamodb").create_table(
        TableName="proxied",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert table["TableDescription"]["TableName"] == "proxied"
    assert cloud.client("dynamodb", EAST).list_tables()["TableNames"] == []
    queues = cloud.client("sqs", url=cloud.gateway.functions_url(WEST))
    url = queues.create_queue(QueueName="proxied")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="hello")
    assert queues.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"
    assert cloud.client("sts").get_caller_identity()["Account"]


def test_a_bucket_of_another_region_is_copied_from(cloud: Cloud, s3: Any, bucket: str) -> None:
    east = cloud.client("s3", EAST)
    name = f"{bucket}-east"
    east.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": EAST})
    s3.put_object(Bucket=bucket, Key="a", Body=b"data")
    east.copy_object(Bucket=name, Key="a", CopySource={"Bucket": bucket, "Key": "a"}, IfNoneMatch="*")
    upload = east.create_multipart_upload(Bucket=name, Key="b", ChecksumAlgorithm="CRC64NVME")["UploadId"]
    part = {"Bucket": name, "Key": "b", "UploadId": upload, "PartNumber": 1}
    result = east.upload_part_copy(**part, CopySource={"Bucket": bucket, "Key": "a"})
    assert result["CopyPartResult"]["ChecksumCRC64NVME"]
