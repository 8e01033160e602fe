"""Test how the gateway classifies requests in the form in which SDKs send them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from multidict import CIMultiDict

from local.gateway.classify import classify, split_copy_source, split_path

SIGNED = "AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"


def signed(service: str, region: str = "us-gov-west-1", **headers: str) -> CIMultiDict[str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return CIMultiDict({"Authorization": SIGNED.format(service=service, region=region)} | named)


@pytest.mark.parametrize(
    ("method", "target", "copy", "operation"),
    [
        ("GET", "/", False, "ListBuckets"),
        ("PUT", "/b", False, "CreateBucket"),
        ("HEAD", "/b", False, "HeadBucket"),
        ("DELETE", "/b", False, "DeleteBucket"),
        ("GET", "/b", False, "ListObjects"),
        ("GET", "/b?list-type=2&prefix=a", False, "ListObjectsV2"),
        ("GET", "/b?versions", False, "ListObjectVersions"),
        ("GET", "/b?uploads", False, "ListMultipartUploads"),
        ("GET", "/b?versioning", False, "GetBucketVersioning"),
        ("PUT", "/b?notification", False, "PutBucketNotificationConfiguration"),
        ("DELETE", "/b?lifecycle", False, "DeleteBucketLifecycleConfiguration"),
        ("POST", "/b?delete", False, "DeleteObjects"),
        ("GET", "/b/k", False, "GetObject"),
        ("GET", "/b/k?versionId=1&partNumber=2", False, "GetObject"),
        ("GET", "/b/k?x-id=GetObject", False, "GetObject"),
        ("HEAD", "/b/k", False, "HeadObject"),
        ("PUT", "/b/k", False, "PutObject"),
        ("PUT", "/b/k", True, "CopyObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", False, "UploadPart"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", True, "UploadPartCopy"),
        ("POST", "/b/k?uploads", False, "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=u", False, "CompleteMultipartUpload"),
        ("DELETE", "/b/k?uploadId=u", False, "AbortMultipartUpload"),
        ("GET", "/b/k?uploadId=u", False, "ListParts"),
        ("DELETE", "/b/k", False, "DeleteObject"),
        ("GET", "/b/k?attributes", False, "GetObjectAttributes"),
        ("PUT", "/b/k?tagging", False, "PutObjectTagging"),
        ("DELETE", "/b/k?tagging", False, "DeleteObjectTagging"),
        ("POST", "/b/k?restore", False, "RestoreObject"),
    ],
)
def test_s3_operations(method: str, target: str, copy: bool, operation: str) -> None:
    headers = signed("s3", **({"x_amz_copy_source": "/c/d"} if copy else {}))
    call = classify("aws", method, target, headers)
    assert (call.operation, call.source) == (operation, "c/d" if copy else "")


def test_what_a_call_carries() -> None:
    call = classify("us-gov-east-1", "GET", "/b/a%20b?versionId=v", signed("s3", "us-gov-east-1"))
    assert (call.caller, call.service, call.region) == ("us-gov-east-1", "s3", "us-gov-east-1")
    assert (call.bucket, call.key, call.access_key, dict(call.query)) == ("b", "a b", "AKID", {"versionId": "v"})


@pytest.mark.parametrize("key", ["/", "//a", "a//b", "../a", ".", "a+b", "a%2Fb", "a?b=c&d", "ключ", "a\nb", "ä" * 512])
def test_any_key_is_read_back(key: str) -> None:
    assert split_path("/bucket/" + quote(key, safe="/")) == ("bucket", key)
    assert split_path("/bucket/" + quote(key, safe="")) == ("bucket", key)
    assert split_copy_source("bucket/" + quote(key)) == ("bucket", key, "")
    assert split_copy_source("/bucket/" + quote(key) + "?versionId=a.b") == ("bucket", key, "a.b")


@pytest.mark.parametrize(
    ("service", "target", "expected"),
    [
        ("dynamodb", "DynamoDB_20120810.UpdateItem", ("dynamodb", "UpdateItem")),
        ("sqs", "AmazonSQS.SendMessage", ("sqs", "SendMessage")),
        ("events", "AWSEvents.PutEvents", ("events", "PutEvents")),
    ],
)
def test_json_services(service: str, target: str, expected: tuple[str, str]) -> None:
    call = classify("aws", "POST", "/", signed(service, X_Amz_Target=target))
    assert (call.service, call.operation) == expected
    unsigned = classify("aws", "POST", "/", CIMultiDict({"X-Amz-Target": target}))
    assert unsigned.operation == expected[1]


def test_other_services_are_known_as_far_as_possible() -> None:
    invoke = classify("aws", "POST", "/2015-03-31/functions/f/invocations", signed("lambda"))
    assert (invoke.service, invoke.operation) == ("lambda", "Invoke")
    assert classify("aws", "POST", "/", signed("cloudformation")).operation == "Unknown"
    assert classify("aws", "GET", "/?Action=ListTopics", signed("sns")).operation == "ListTopics"
    assert classify("aws", "GET", "/_ministack/health", CIMultiDict()).service == "emulator"
    rest = classify("aws", "GET", "/_aws/execute-api/abc/api/jobs", CIMultiDict())
    assert (rest.service, rest.operation) == ("execute-api", "GET")


def test_presigned_and_unsigned_requests() -> None:
    presigned = classify("aws", "GET", "/b/k?X-Amz-Credential=A%2F20260101%2Fus-gov-east-1%2Fs3%2Faws4_request", {})
    assert (presigned.service, presigned.region, presigned.access_key) == ("s3", "us-gov-east-1", "A")
    assert presigned.operation == "GetObject"
    unsigned = classify("aws", "GET", "/b/k", {})
    assert (unsigned.service, unsigned.operation, unsigned.region) == ("s3", "GetObject", "")
    second = classify("aws", "GET", "/b/k", CIMultiDict({"Authorization": "AWS key:signature"}))
    assert (second.service, second.access_key) == ("s3", "key")
