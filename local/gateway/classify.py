"""Classify a request to AWS: its service, Region, operation, bucket and key. This module is pure.

Operations have boto's names. The classification uses only what every SDK sends: the SigV4 credential scope (header or
presigned query), X-Amz-Target for the JSON protocols, method, path and query for S3. Only path-style S3 is understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

UNKNOWN = "Unknown"

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_EXECUTE_API = "/_aws/execute-api/"

_SERVICE_OF_TARGET: Mapping[str, str] = {"DynamoDB": "dynamodb", "DynamoDBStreams": "dynamodb", "AmazonSQS": "sqs"}

# The first subresource found in the query decides. The order matters where S3 allows two of them together.
_OBJECT_SUBRESOURCES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("GET", "uploadId"): "ListParts",
        ("GET", "tagging"): "GetObjectTagging",
        ("GET", "attributes"): "GetObjectAttributes",
        ("GET", "acl"): "GetObjectAcl",
        ("GET", "retention"): "GetObjectRetention",
        ("GET", "legal-hold"): "GetObjectLegalHold",
        ("PUT", "tagging"): "PutObjectTagging",
        ("PUT", "acl"): "PutObjectAcl",
        ("PUT", "retention"): "PutObjectRetention",
        ("PUT", "legal-hold"): "PutObjectLegalHold",
        ("POST", "uploads"): "CreateMultipartUpload",
        ("POST", "uploadId"): "CompleteMultipartUpload",
        ("POST", "restore"): "RestoreObject",
        ("POST", "select"): "SelectObjectContent",
        ("DELETE", "uploadId"): "AbortMultipartUpload",
        ("DELETE", "tagging"): "DeleteObjectTagging",
    }
)
_OBJECT_PLAIN: Mapping[str, str] = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
}
_BUCKET_PLAIN: Mapping[str, str] = {
    "GET": "ListObjects",
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
}
_BUCKET_VERBS: Mapping[str, str] = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}
_BUCKET_SUBRESOURCES: Mapping[str, str] = MappingProxyType(
    {
        "accelerate": "BucketAccelerateConfiguration",
        "acl": "BucketAcl",
        "cors": "BucketCors",
        "encryption": "BucketEncryption",
        "lifecycle": "BucketLifecycleConfiguration",
        "location": "BucketLocation",
        "logging": "BucketLogging",
        "notification": "BucketNotificationConfiguration",
        "object-lock": "ObjectLockConfiguration",
        "ownershipControls": "BucketOwnershipControls",
        "policy": "BucketPolicy",
        "publicAccessBlock": "PublicAccessBlock",
        "replication": "BucketReplication",
        "requestPayment": "BucketRequestPayment",
        "tagging": "BucketTagging",
        "versioning": "BucketVersioning",
        "website": "BucketWebsite",
    }
)


@dataclass(frozen=True, slots=True)
class Call:
    """One classified request. `caller` is the name of the listener that it came in by. Texts that don't apply are
    empty."""

    caller: str
    service: str
    operation: str
    region: str
    bucket: str
    key: str
    access_key: str
    query: Mapping[str, str]
    source: str = ""
    """The bucket and key that a copy reads, with a slash between."""


@dataclass(frozen=True, slots=True)
class _Scope:
    access_key: str
    region: str
    service: str


_NO_SCOPE = _Scope("", "", "")


def classify(caller: str, method: str, target: str, headers: Mapping[str, str]) -> Call:
    """Classify a request. `target` is the request target as on the wire (path and query, undecoded). `headers` ignores
    case."""
    raw_path, _, raw_query = target.partition("?")
    query = dict(parse_qsl(raw_query, keep_blank_values=True)) if raw_query else {}
    scope = _scope(headers.get("Authorization", ""), query)
    service = _service(scope, raw_path, headers)
    if service == "s3":
        bucket, key = split_path(raw_path)
        copied = headers.get("x-amz-copy-source", "")
        operation = s3_operation(method, bucket, key, query, "x-amz-copy-source" in headers)
        source = "/".join(split_copy_source(copied)[:2]) if copied else ""
        return Call(caller, service, operation, scope.region, bucket, key, scope.access_key, query, source)
    operation = _operation(method, raw_path, query, headers)
    return Call(caller, service, operation, scope.region, "", "", scope.access_key, query)


def split_path(raw_path: str) -> tuple[str, str]:
    """Return the bucket and the decoded key of a path-style S3 path. Slashes after the bucket's own belong to the
    key."""
    bucket, _, key = raw_path.lstrip("/").partition("/")
    return unquote(bucket), unquote(key)


def split_copy_source(value: str) -> tuple[str, str, str]:
    """Return bucket, key and version ("" for the current one) of an x-amz-copy-source header.

    The header is split at "?" before it is decoded: a key that holds a "?" comes as %3F.
    """
    raw_path, _, raw_query = value.partition("?")
    bucket, key = split_path(raw_path)
    return bucket, key, dict(parse_qsl(raw_query)).get("versionId", "")


def s3_operation(method: str, bucket: str, key: str, query: Mapping[str, str], is_copy: bool) -> str:
    if not bucket:
        return "ListBuckets" if method == "GET" else UNKNOWN
    if not key:
        return _bucket_operation(method, query)
    if method == "PUT" and "uploadId" in query:
        return "UploadPartCopy" if is_copy else "UploadPart"
    for name in query:
        operation = _OBJECT_SUBRESOURCES.get((method, name))
        if operation is not None:
            return operation
    if method == "PUT" and is_copy:
        return "CopyObject"
    return _OBJECT_PLAIN.get(method, UNKNOWN)


def _bucket_operation(method: str, query: Mapping[str, str]) -> str:
    if method == "POST":
        return "DeleteObjects" if "delete" in query else "PostObject"
    if method == "GET":
        if "uploads" in query:
            return "ListMultipartUploads"
        if "versions" in query:
            return "ListObjectVersions"
        if query.get("list-type") == "2":
            return "ListObjectsV2"
    for name in query:
        if name in _BUCKET_SUBRESOURCES and method in _BUCKET_VERBS:
            return _BUCKET_VERBS[method] + _BUCKET_SUBRESOURCES[name]
    return _BUCKET_PLAIN.get(method, UNKNOWN)


def _scope(authorization: str, query: Mapping[str, str]) -> _Scope:
    match = _CREDENTIAL.search(authorization)
    if match is not None:
        return _Scope(*match.groups())
    parts = query.get("X-Amz-Credential", "").split("/")
    if len(parts) == 5:
        return _Scope(parts[0], parts[2], parts[3])
    if authorization.startswith("AWS "):  # Signature Version 2, which only S3 still accepts
        return _Scope(authorization[4:].partition(":")[0], "", "s3")
    return _NO_SCOPE


def _service(scope: _Scope, raw_path: str, headers: Mapping[str, str]) -> str:
    if raw_path.startswith(_EXECUTE_API):
        return "execute-api"
    target = headers.get("X-Amz-Target", "")
    if scope.service:
        return scope.service
    if target:
        name = target.partition(".")[0].partition("_")[0]
        return _SERVICE_OF_TARGET.get(name, name.lower())
    # No bucket name starts with "_", so such a path belongs to the emulator itself.
    return "emulator" if raw_path.startswith("/_") else "s3"


def _operation(method: str, raw_path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    target = headers.get("X-Amz-Target", "")
    if target:
        return target.rpartition(".")[2]
    if "Action" in query:
        return query["Action"]
    if raw_path.endswith("/invocations"):
        return "Invoke"
    return method if raw_path.startswith(_EXECUTE_API) else UNKNOWN
