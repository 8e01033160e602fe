"""Test details of the S3 adapter: ranges to the byte, versions, tags, and codes that are easily forgotten. Each test
finds a planted bug that the other tests did not find (docs/verification.md)."""

from urllib.parse import unquote

import pytest

from chalicelib.adapters import s3_shapes as shapes
from chalicelib.adapters.s3_errors import translate
from chalicelib.core.errors import Archived, Denied, EftError, NoSuchUpload, Permanent, Retry
from chalicelib.core.objects import ChecksumType, Properties
from chalicelib.ports import Part, Placement, UploadRef
from tests.contract.test_s3_adapter import BUCKET, SOURCE, UPLOAD, client_error, store_at
from tests.servers.scripted import Answer, scripted_server

COPIED_PART = Answer(200, b"<CopyPartResult><ETag>&quot;89ab&quot;</ETag></CopyPartResult>")


def test_a_part_is_copied_to_the_byte() -> None:
    with scripted_server(COPIED_PART) as server:
        part = store_at(server.url).upload_part_copy(UPLOAD, 2, SOURCE, 10, 19, whole=False)
    assert server.requests[0][2]["x-amz-copy-source-range"] == "bytes=10-19", "both ends are in it"
    assert part == Part(2, "89ab", 10)


def test_a_part_that_is_the_whole_object_has_no_range() -> None:
    """S3 refuses a range for objects of up to 5 MiB."""
    with scripted_server(COPIED_PART) as server:
        part = store_at(server.url).upload_part_copy(UPLOAD, 1, SOURCE, 0, 9, whole=True)
    assert "x-amz-copy-source-range" not in server.requests[0][2]
    assert part.size == 10


def test_a_part_states_its_source_as_it_is_pinned() -> None:
    with scripted_server(COPIED_PART) as server:
        store_at(server.url).upload_part_copy(UPLOAD, 2, SOURCE, 10, 19, whole=False)
    headers = server.requests[0][2]
    assert headers["x-amz-copy-source"] == "source/in/a?versionId=v1"
    assert headers["x-amz-copy-source-if-match"] == '"0123"'
    assert headers["x-amz-source-expected-bucket-owner"] == "444455556666"


@pytest.mark.parametrize("obeyed", [True, False])
def test_a_range_is_read_to_the_byte(obeyed: bool) -> None:
    """The adapter returns exactly the range, even from a server that answers with the whole object."""
    whole = Answer(200, b"0123456789", {"ETag": '"0123"'})
    part = Answer(206, b"345", {"ETag": '"0123"', "Content-Range": "bytes 3-5/10"})
    with scripted_server(part if obeyed else whole) as server:
        assert store_at(server.url).read(BUCKET, "a", "0123", 3, 5, version_id="v1") == b"345"
    ((_, path, headers),) = server.requests
    assert (headers["range"], headers["if-match"]) == ("bytes=3-5", '"0123"')
    assert path.endswith("versionId=v1")


def test_a_version_written_without_versioning_has_a_name() -> None:
    """The name is "null". Without it, the adapter would read the next version instead."""
    for fields, version_id in (({"VersionId": "null"}, "null"), ({"VersionId": "v7"}, "v7"), ({}, None)):
        assert shapes.head_of("a", {"ETag": '"0"', **fields}).facts.version_id == version_id


def test_a_listed_object_made_of_parts_has_a_checksum_of_its_parts() -> None:
    """The LIST does not name the type of the checksum."""
    for etag, kind in (("0" * 32, ChecksumType.FULL_OBJECT), ("0" * 32 + "-2", ChecksumType.COMPOSITE)):
        facts = shapes.listed({"Key": "a", "ETag": f'"{etag}"', "ChecksumAlgorithm": ["CRC32"]})
        assert facts.checksum is not None
        assert facts.checksum.type is kind
    entry = {"Key": "a", "ETag": '"0-2"', "ChecksumAlgorithm": ["CRC64NVME"], "ChecksumType": "FULL_OBJECT"}
    facts = shapes.listed(entry)
    assert facts.checksum is not None
    assert facts.checksum.type is ChecksumType.FULL_OBJECT


def test_tags_arrive_as_they_were() -> None:
    """S3 takes tags url-encoded, with %20 for a space: a plus sign stands for itself."""
    tags = {"order number": "a+b & c=d", "größe": "1/2"}
    result = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    with scripted_server(Answer(200, result)) as server:
        store_at(server.url).create_upload(BUCKET, "a", Properties(), tags, Placement(), None)
    header = server.requests[0][2]["x-amz-tagging"]
    assert "+" not in header
    assert {unquote(k): unquote(v) for k, _, v in (pair.partition("=") for pair in header.split("&"))} == tags


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "KMS.ThrottlingException", Retry),
        (400, "KMS.KMSInternalException", Retry),
        (400, "KMS.DependencyTimeoutException", Retry),
        (403, "RequestTimeTooSkewed", Retry),
        (400, "IncompleteBody", Retry),
        (400, "RequestLimitExceeded", Retry),
        (400, "ThrottlingException", Retry),
        (500, "SomethingNew", Retry),
        (599, "SomethingNew", Retry),
        (409, "SomethingNew", Retry),
        (429, "SomethingNew", Retry),
        (409, "InvalidBucketState", Permanent),
        (401, "SomethingNew", Denied),
        (400, "KMS.NotFoundException", Denied),
        (400, "KMS.KMSInvalidStateException", Denied),
        (400, "SomethingNew", Permanent),
    ],
)
def test_codes_that_are_easily_forgotten(status: int, code: str, kind: type[EftError]) -> None:
    assert type(translate(client_error(status, code))) is kind


@pytest.mark.parametrize("body", [b"<ListBucketResult><Contents><Key>a", b"no XML at all", b"<a>\x00</a>"])
def test_an_answer_that_is_no_xml_is_asked_for_again_later(body: bytes) -> None:
    with scripted_server(Answer(200, body, {"Content-Type": "application/xml"})) as server, pytest.raises(Retry):
        store_at(server.url).list(BUCKET, "in/")


UNHOLDABLE = ["a\x08b", "a\x0bb", "a\x1fb", "a\ufffeb", "a\uffffb"]


@pytest.mark.parametrize("key", UNHOLDABLE)
@pytest.mark.parametrize("written", ["raw", "hexadecimal", "decimal"])
def test_an_answer_about_a_key_that_xml_can_not_hold_is_understood(key: str, written: str) -> None:
    """Formerly, botocore took each success for a 500. The request was repeated for ever, and each one left an upload
    behind."""
    form = {"raw": "{}", "hexadecimal": "&#x{:x};", "decimal": "&#{};"}[written]
    key_text = "a" + form.format(key[1] if written == "raw" else ord(key[1])) + "b"

    def answer(root: str, rest: str) -> Answer:
        return Answer(
            200, f'<?xml version="1.0" encoding="UTF-8"?><{root}><Key>{key_text}</Key>{rest}</{root}>'.encode()
        )

    upload = UploadRef(BUCKET, key, "u")
    part = "<Part><PartNumber>1</PartNumber><ETag>&quot;0&quot;</ETag><Size>10</Size></Part>"
    with scripted_server(answer("InitiateMultipartUploadResult", "<UploadId>u</UploadId>")) as server:
        assert store_at(server.url).create_upload(BUCKET, key, Properties(), {}, Placement(), None) == upload
    with scripted_server(answer("ListPartsResult", part)) as server:
        assert store_at(server.url).list_parts(upload) == [Part(1, "0", 10)]
    with scripted_server(answer("CompleteMultipartUploadResult", "<ETag>&quot;1-1&quot;</ETag>")) as server:
        assert store_at(server.url).complete(upload, [Part(1, "0", 10)], None, 10, None).etag == "1-1"


@pytest.mark.parametrize("status", [200, 404])
def test_an_error_about_such_a_key_keeps_its_meaning(status: int) -> None:
    body = b"<Error><Code>NoSuchUpload</Code><Message>m</Message><Key>a\x08b</Key></Error>"
    with scripted_server(Answer(status, body)) as server, pytest.raises(NoSuchUpload):
        store_at(server.url).complete(UploadRef(BUCKET, "a\x08b", "u"), [Part(1, "0", 10)], None, 10, None)


def test_whatever_was_asked_about_such_a_key() -> None:
    body = b"<Error><Code>InvalidObjectState</Code><Message>m</Message><Key>a\x08b</Key></Error>"
    with scripted_server(Answer(403, body)) as server, pytest.raises(Archived):
        store_at(server.url).read(BUCKET, "a\x08b", "e", 0, 0)


def test_half_a_surrogate_pair_can_be_no_key() -> None:
    """Such a key has no form in UTF-8, and the adapter refuses it before it sends a request."""
    with scripted_server(Answer(200)) as server, pytest.raises((EftError, UnicodeEncodeError)):
        store_at(server.url).create_upload(BUCKET, "a\ud800b", Properties(), {}, Placement(), None)
    assert server.requests == []
