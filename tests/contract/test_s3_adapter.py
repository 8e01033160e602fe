"""Test the S3 adapter alone: its requests, how it reads every kind of answer, and that it never repeats a write."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from chalicelib.adapters import s3_shapes as shapes
from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.adapters.s3_errors import translate
from chalicelib.core.deletions import Versioning
from chalicelib.core.errors import (
    Archived,
    Conflict,
    Denied,
    EftError,
    NoAnswer,
    NoSuchBucket,
    NoSuchUpload,
    NotFound,
    Permanent,
    PreconditionFailed,
    Retry,
)
from chalicelib.core.objects import Bucket, Checksum, ChecksumType, Properties
from chalicelib.ports import ObjectStore, Part, Placement, SourceRef, UploadRef
from tests.servers.scripted import Answer, error, scripted_server

BUCKET = Bucket("target", "us-gov-west-1", owner="111122223333")
PAYING = Bucket("source", "us-gov-east-1", owner="444455556666", requester_pays=True)
SOURCE = SourceRef(PAYING, "in/a", "0123", version_id="v1")
UPLOAD = UploadRef(BUCKET, "out/a", "upload-1")

WRITES: dict[str, Callable[[ObjectStore], object]] = {
    "create": lambda store: store.create(BUCKET, "out/a", b"body"),
    "delete": lambda store: store.delete(BUCKET, "out/a"),
    "delete_pinned": lambda store: store.delete_pinned(BUCKET, "out/a", "0123"),
    "copy": lambda store: store.copy(SOURCE, BUCKET, "out/a", None, Placement()),
    "create_upload": lambda store: store.create_upload(BUCKET, "out/a", Properties(), {}, Placement(), None),
    "upload_part_copy": lambda store: store.upload_part_copy(UPLOAD, 1, SOURCE, 0, 9, whole=False),
    "complete": lambda store: store.complete(UPLOAD, [Part(1, "0123", 10)], None, 10, None),
    "abort": lambda store: store.abort(UPLOAD),
}
NO_ANSWERS = {
    "slow down": error(503, "SlowDown"),
    "internal error": error(500, "InternalError"),
    "conflict": error(409, "OperationAborted"),
    "too slow": error(400, "RequestTimeout"),
    "connection closed": Answer(0),
}


@cache
def session() -> boto3.Session:
    """Return one session for all clients: the data that it has loaded serves the next client sooner."""
    return boto3.Session("key", "secret")


def store_at(url: str) -> S3ObjectStore:
    return S3ObjectStore(session(), url)


# --- writes are never repeated ------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", NO_ANSWERS)
@pytest.mark.parametrize("write", WRITES)
def test_write_without_an_answer_is_not_repeated(write: str, answer: str) -> None:
    with scripted_server(NO_ANSWERS[answer]) as server:
        with pytest.raises(Retry):
            WRITES[write](store_at(server.url))
        assert len(server.requests) == 1


@pytest.mark.parametrize("write", ["copy", "upload_part_copy", "complete"])
def test_success_with_an_error_in_its_body_is_none(write: str) -> None:
    with scripted_server(error(200, "InternalError")) as server:
        with pytest.raises(Retry):
            WRITES[write](store_at(server.url))
        assert len(server.requests) == 1


def test_publish_whose_answer_breaks_off_is_unknown() -> None:
    cut = b"<?xml version='1.0'?><CopyObjectResult><ETag>"
    with scripted_server(Answer(200, cut, length=400)) as server:
        with pytest.raises(Retry):
            WRITES["copy"](store_at(server.url))
        assert len(server.requests) == 1


def test_read_is_repeated() -> None:
    with scripted_server(error(503, "SlowDown"), Answer(200, b"body")) as server:
        assert store_at(server.url).get(BUCKET, "a") == b"body"
        assert len(server.requests) == 2


def test_read_that_breaks_off_is_no_object() -> None:
    with scripted_server(Answer(200, b"bo", length=4)) as server, pytest.raises(Retry):
        store_at(server.url).get(BUCKET, "a")


# --- what is sent -------------------------------------------------------------------------------------------------


def test_copy_states_both_conditions_owners_and_who_pays() -> None:
    result = b"<?xml version='1.0'?><CopyObjectResult><ETag>&quot;4567&quot;</ETag></CopyObjectResult>"
    placement = Placement("STANDARD_IA", "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1", "/elsewhere")
    with scripted_server(Answer(200, result, {"x-amz-version-id": "v2"})) as server:
        written = store_at(server.url).copy(SOURCE, BUCKET, "out/ä +", "89ab", placement)
    ((method, path, headers),) = server.requests
    assert (written.etag, written.version_id) == ("4567", "v2")
    assert (method, path) == ("PUT", "/target/out/%C3%A4%20%2B")
    expected = {
        "x-amz-copy-source": "source/in/a?versionId=v1",
        "x-amz-copy-source-if-match": '"0123"',
        "if-match": '"89ab"',
        "x-amz-expected-bucket-owner": "111122223333",
        "x-amz-source-expected-bucket-owner": "444455556666",
        "x-amz-request-payer": "requester",
        "x-amz-metadata-directive": "COPY",
        "x-amz-tagging-directive": "COPY",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": placement.kms_key,
        "x-amz-website-redirect-location": "/elsewhere",
    }
    assert {name: headers.get(name) for name in expected} == expected
    assert "if-none-match" not in headers
    assert "/us-gov-west-1/s3/" in headers["authorization"], "a copy is sent to the destination's Region"


def test_upload_asks_for_no_checksum_of_its_own() -> None:
    """botocore would ask for CRC32 by default. That is a composite checksum, and Complete lacks the parts' own
    checksums for it."""
    result = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    with scripted_server(Answer(200, result)) as server:
        store = store_at(server.url)
        store.create_upload(BUCKET, "a", Properties(), {}, Placement(), None)
        store.create_upload(BUCKET, "a", Properties(), {}, Placement(), "CRC64NVME")
    without, with_checksum = (headers for _, _, headers in server.requests)
    assert not [name for name in without if "checksum" in name]
    assert with_checksum["x-amz-checksum-algorithm"] == "CRC64NVME"
    assert with_checksum["x-amz-checksum-type"] == "FULL_OBJECT"


def test_complete_states_size_and_checksum() -> None:
    result = b"<CompleteMultipartUploadResult><ETag>&quot;0-1&quot;</ETag></CompleteMultipartUploadResult>"
    checksum = Checksum("CRC64NVME", ChecksumType.FULL_OBJECT, "rosUhgp5mIg=")
    with scripted_server(Answer(200, result)) as server:
        store_at(server.url).complete(UPLOAD, [Part(1, "0123", 9)], None, 9, checksum)
    ((_, _, headers),) = server.requests
    assert headers["if-none-match"] == "*"
    assert headers["x-amz-mp-object-size"] == "9"
    assert headers["x-amz-checksum-crc64nvme"] == "rosUhgp5mIg="
    assert headers["x-amz-checksum-type"] == "FULL_OBJECT"


def test_a_pinned_delete_states_its_condition_and_whose_bucket_it_is() -> None:
    answer = Answer(204, b"", {"x-amz-version-id": "m1", "x-amz-delete-marker": "true"})
    with scripted_server(answer) as server:
        assert store_at(server.url).delete_pinned(BUCKET, "out/ä +", "89ab") == "m1"
    ((method, path, headers),) = server.requests
    assert (method, path) == ("DELETE", "/target/out/%C3%A4%20%2B"), "no version: nothing is deleted for good"
    assert headers["if-match"] == '"89ab"'
    assert headers["x-amz-expected-bucket-owner"] == "111122223333"


def test_a_bucket_as_such_is_asked_by_whoever_owns_it_and_nobody_pays() -> None:
    """Botocore refuses to send the requester-pays field with these requests, so an endpoint whose requester pays could
    not be tried."""
    tags = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    versioning = b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
    with scripted_server(Answer(200), Answer(200, tags), Answer(200, versioning)) as server:
        assert store_at(server.url).describe(PAYING).tags == {"a": "b"}
        assert store_at(server.url).versioning(PAYING) is Versioning.SUSPENDED
    for _, _, headers in server.requests:
        assert headers["x-amz-expected-bucket-owner"] == "444455556666"
    assert [path for _, path, _ in server.requests] == ["/source", "/source?tagging", "/source?versioning"]


@pytest.mark.parametrize(
    ("status", "versioning"),
    [
        (b"<Status>Enabled</Status>", Versioning.ENABLED),
        (b"<Status>Suspended</Status><MfaDelete>Enabled</MfaDelete>", Versioning.SUSPENDED),
        (b"", Versioning.NEVER),
    ],
)
def test_what_a_bucket_says_of_its_versions(status: bytes, versioning: Versioning) -> None:
    body = b"<VersioningConfiguration>" + status + b"</VersioningConfiguration>"
    with scripted_server(Answer(200, body)) as server:
        assert store_at(server.url).versioning(BUCKET) is versioning


def test_looking_states_owner_and_who_pays() -> None:
    with scripted_server(Answer(200, b"<ListBucketResult><Name>source</Name></ListBucketResult>")) as server:
        store_at(server.url).list(PAYING, "in/")
        store_at(server.url).head(PAYING, "in/a")
    for _, _, headers in server.requests:
        assert headers["x-amz-request-payer"] == "requester"
        assert headers["x-amz-expected-bucket-owner"] == "444455556666"


def test_a_link_of_aws_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is signed by SigV4 for the bucket's own Region and host. A client that follows it needs no headers."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    store = S3ObjectStore(session())
    url = urlsplit(store.presign(BUCKET, "report/a b", expires_s=900, file_name="a.csv", content_type="text/csv"))
    query = dict(parse_qsl(url.query))
    assert (url.scheme, url.netloc) == ("https", "target.s3.us-gov-west-1.amazonaws.com")
    assert url.path == "/report/a%20b"
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == ("AWS4-HMAC-SHA256", "900")
    assert query["X-Amz-SignedHeaders"] == "host"
    assert "/us-gov-west-1/s3/aws4_request" in query["X-Amz-Credential"]
    assert query["response-content-disposition"] == 'attachment; filename="a.csv"'


# --- what is made of an answer ------------------------------------------------------------------------------------


def client_error(status: int, code: str) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "in S3's words"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "CopyObject",
    )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "SlowDown", Retry),
        (500, "InternalError", Retry),
        (502, "502", Retry),
        (400, "RequestTimeout", Retry),
        (429, "TooManyRequests", Retry),
        (400, "ExpiredToken", Retry),
        (409, "OperationAborted", Retry),
        (409, "ConditionalRequestConflict", Conflict),
        (501, "NotImplemented", Permanent),
        (412, "PreconditionFailed", PreconditionFailed),
        (412, "412", PreconditionFailed),
        (404, "NoSuchKey", NotFound),
        (404, "NoSuchVersion", NotFound),
        (404, "404", NotFound),
        (405, "MethodNotAllowed", NotFound),
        (404, "NoSuchBucket", NoSuchBucket),
        (404, "NoSuchUpload", NoSuchUpload),
        (403, "AccessDenied", Denied),
        (403, "AllAccessDisabled", Denied),
        (403, "403", Denied),
        (400, "KMS.DisabledException", Denied),
        (403, "InvalidObjectState", Archived),
        (403, "ObjectNotInActiveTierError", Archived),
        (400, "BadDigest", Permanent),
        (400, "EntityTooSmall", Permanent),
        (416, "416", Permanent),
        (301, "PermanentRedirect", Permanent),
    ],
)
def test_errors_are_translated(status: int, code: str, kind: type[EftError]) -> None:
    translated = translate(client_error(status, code))
    assert type(translated) is kind
    assert (translated.code, translated.message) == (code, "in S3's words")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (EndpointConnectionError(endpoint_url="http://s3"), NoAnswer),
        (ConnectTimeoutError(endpoint_url="http://s3"), NoAnswer),
        (ReadTimeoutError(endpoint_url="http://s3"), NoAnswer),
        (ConnectionClosedError(endpoint_url="http://s3"), NoAnswer),
        (HTTPClientError(error="reset by peer"), NoAnswer),
        (ResponseStreamingError(error="it ended early"), Retry),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), Retry),
        (NoCredentialsError(), Denied),
        (ParamValidationError(report="wrong"), Permanent),
    ],
)
def test_failures_without_an_answer_are_translated(raised: Exception, kind: type[EftError]) -> None:
    assert type(translate(raised)) is kind


def test_checksum_of_an_answer() -> None:
    whole, parts = "0" * 32, "0" * 32 + "-2"
    full_object, composite = ChecksumType.FULL_OBJECT, ChecksumType.COMPOSITE
    both = {"ChecksumSHA256": "s", "ChecksumCRC64NVME": "c", "ChecksumType": "FULL_OBJECT"}
    assert shapes.checksum_of({}, whole) is None
    assert shapes.checksum_of(both, parts) == Checksum("CRC64NVME", full_object, "c")
    assert shapes.checksum_of({"ChecksumCRC32": "c"}, whole) == Checksum("CRC32", full_object, "c")
    assert shapes.checksum_of({"ChecksumSHA256": "s-2"}, parts) == Checksum("SHA256", composite, "s-2")
    assert shapes.checksum_of({"ChecksumSHA256": "s"}, parts) == Checksum("SHA256", composite, "s")


@pytest.mark.parametrize(
    ("header", "restored"),
    [(None, False), ('ongoing-request="true"', False), ('ongoing-request="false", expiry-date="Fri"', True)],
)
def test_restored_copy_of_an_archived_object(header: str | None, restored: bool) -> None:
    head = shapes.head_of("a", {"StorageClass": "GLACIER", "Restore": header, "ETag": '"0"'})
    assert (head.facts.storage_class, head.facts.restored) == ("GLACIER", restored)
    status = {"IsRestoreInProgress": not restored, "RestoreExpiryDate": datetime(2033, 1, 1, tzinfo=UTC)}
    facts = shapes.listed({"Key": "a", "StorageClass": "GLACIER", "RestoreStatus": status if header else None})
    assert facts.restored == restored


def test_expires_is_restated_where_it_is_a_date() -> None:
    assert shapes.restated(Properties(expires="Thu, 01 Dec 2033 16:00:00 GMT"), {}) == {
        "Expires": datetime(2033, 12, 1, 16, tzinfo=UTC)
    }
    assert shapes.restated(Properties(expires="0"), {}) == {}


def test_age_is_by_the_stores_own_clock() -> None:
    answer = {"ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 Dec 2033 16:00:10 GMT"}}}
    assert shapes.age_ms(answer, datetime(2033, 12, 1, 16, tzinfo=UTC)) == 10_000
