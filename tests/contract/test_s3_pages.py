"""The S3 adapter follows pages in every call that has any. What it asks for next is looked at on the wire: by a real
client, against a server that answers as S3 may and as no store does on demand (a page of nothing, with more behind)."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import boto3
import pytest

from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.core.errors import NoSuchUpload, Retry
from chalicelib.core.model import Bucket
from chalicelib.ports import Part, UploadRef
from tests.contract.test_s3_adapter import session
from tests.servers.scripted import Answer, ScriptedServer, error, scripted_server

BUCKET = Bucket("target", "us-gov-west-1", owner="111122223333")
UPLOAD = UploadRef(BUCKET, "out/a", "upload-1")
DATE = {"Date": "Thu, 01 Dec 2033 16:00:10 GMT"}
MOMENT = "2033-12-01T16:00:00Z"


def store_at(server: ScriptedServer, made: boto3.Session | None = None) -> S3ObjectStore:
    return S3ObjectStore(made or session(), server.url)


def element(name: str, content: Any) -> str:
    """A mapping's entries become elements; a list's, one of this name each."""
    if isinstance(content, list):
        return "".join(element(name, each) for each in content)
    if isinstance(content, Mapping):
        return f"<{name}>{''.join(element(key, value) for key, value in content.items())}</{name}>"
    return f"<{name}>{escape(str(content))}</{name}>"


def page(name: str, **content: object) -> Answer:
    return Answer(200, element(name, content).encode(), {"Content-Type": "application/xml", **DATE})


def asked(server: ScriptedServer) -> list[dict[str, str]]:
    """The queries of all requests."""
    return [dict(parse_qsl(urlsplit(path).query, keep_blank_values=True)) for _, path, _ in server.requests]


# --- ListObjectsV2 ------------------------------------------------------------------------------------------------


def objects(*keys: str) -> list[dict[str, object]]:
    return [{"Key": key, "Size": 3, "ETag": '"0"', "LastModified": MOMENT, "StorageClass": "STANDARD"} for key in keys]


def listing(keys: Sequence[str], token: str = "", *, asked_by: str = "") -> Answer:
    more: dict[str, object] = {"NextContinuationToken": token} if token else {}
    if asked_by:
        more["ContinuationToken"] = asked_by  # S3 says again what it was asked with.
    return page(
        "ListBucketResult", EncodingType="url", IsTruncated=str(bool(token)).lower(), **more, Contents=objects(*keys)
    )


def test_a_page_of_objects_that_is_not_the_last_says_so() -> None:
    with scripted_server(listing(["in/a", "in/b%2Bc"], "t1")) as server:
        found = store_at(server).list(BUCKET, "in/", start_after="in/0", limit=2)
    assert ([facts.key for facts in found.objects], found.truncated) == (["in/a", "in/b+c"], True)
    assert len(server.requests) == 1, "a page is one request: its reader asks for the next"
    (query,) = asked(server)
    assert (query["prefix"], query["start-after"], query["max-keys"]) == ("in/", "in/0", "2")
    assert query["encoding-type"] == "url"


def test_the_last_page_of_objects_says_so() -> None:
    with scripted_server(listing(["in/a"])) as server:
        found = store_at(server).list(BUCKET, "in/")
    assert ([facts.key for facts in found.objects], found.truncated) == (["in/a"], False)
    assert "start-after" not in asked(server)[0], "an empty one is refused by some stores"


def test_empty_pages_of_objects_are_followed_to_the_first_that_holds_any() -> None:
    """S3 permits a page of nothing with more behind it: no key leads on, only its token does."""
    last = listing(["in/a"], "t3", asked_by="t/2+=")
    with scripted_server(listing([], "t1"), listing([], "t/2+=", asked_by="t1"), last) as server:
        found = store_at(server).list(BUCKET, "in/", start_after="in/0")
    assert ([facts.key for facts in found.objects], found.truncated) == (["in/a"], True)
    assert [query.get("continuation-token") for query in asked(server)] == [None, "t1", "t/2+="]
    assert {query["prefix"] for query in asked(server)} == {"in/"}


def test_empty_pages_of_objects_to_the_end_are_the_end() -> None:
    with scripted_server(listing([], "t1"), listing([])) as server:
        found = store_at(server).list(BUCKET, "in/")
    assert (found.objects, found.truncated) == ((), False)
    assert len(server.requests) == 2


def test_an_empty_page_whose_successor_fails_is_no_empty_bucket() -> None:
    with scripted_server(listing([], "t1"), error(503, "SlowDown")) as server, pytest.raises(Retry):
        store_at(server).list(BUCKET, "in/")


def test_no_more_objects_are_asked_for_than_s3_gives() -> None:
    with scripted_server(listing([])) as server:
        store_at(server).list(BUCKET, "in/", limit=5000)
    assert asked(server)[0]["max-keys"] == "1000"


# --- ListParts ----------------------------------------------------------------------------------------------------


def parts(numbers: Sequence[int], after: str = "") -> Answer:
    more: dict[str, object] = {"NextPartNumberMarker": after} if after else {}
    entries = [
        {"PartNumber": n, "ETag": f'"{n}"', "Size": 10 + n, "LastModified": MOMENT, "ChecksumCRC64NVME": "c"}
        for n in numbers
    ]
    return page("ListPartsResult", UploadId="upload-1", IsTruncated=str(bool(after)).lower(), **more, Part=entries)


def test_every_page_of_parts_is_read() -> None:
    """What an owner takes for missing it copies again; what it takes for all is what Complete publishes."""
    with scripted_server(parts([1, 2], "2"), parts([3, 5], "5"), parts([9])) as server:
        found = store_at(server).list_parts(UPLOAD)
    assert found == [Part(n, str(n), 10 + n) for n in (1, 2, 3, 5, 9)]
    assert [query.get("part-number-marker") for query in asked(server)] == [None, "2", "5"]
    assert {query["uploadId"] for query in asked(server)} == {"upload-1"}


def test_an_empty_page_of_parts_that_is_not_the_last_is_followed() -> None:
    with scripted_server(parts([], "1000"), parts([1001])) as server:
        assert [part.number for part in store_at(server).list_parts(UPLOAD)] == [1001]
    assert asked(server)[1]["part-number-marker"] == "1000"


def test_an_upload_without_parts() -> None:
    with scripted_server(parts([])) as server:
        assert store_at(server).list_parts(UPLOAD) == []
    assert len(server.requests) == 1


def test_an_upload_that_ends_between_two_pages_has_no_parts() -> None:
    """Half of them would pass for all."""
    with scripted_server(parts([1], "1"), error(404, "NoSuchUpload")) as server, pytest.raises(NoSuchUpload):
        store_at(server).list_parts(UPLOAD)


# --- ListMultipartUploads -----------------------------------------------------------------------------------------


def uploads(entries: Sequence[tuple[str, str]], key: str = "", upload: str = "", *, encoded: bool = True) -> Answer:
    """`entries` and markers as S3 writes them."""
    more: dict[str, object] = {"NextKeyMarker": key, "NextUploadIdMarker": upload} if key else {}
    told: dict[str, object] = {"EncodingType": "url"} if encoded else {}
    listed = [
        {"Key": name, "UploadId": upload_id, "Initiator": {"ID": f"by {upload_id}"}, "Initiated": MOMENT}
        for name, upload_id in entries
    ]
    return page("ListMultipartUploadsResult", **told, IsTruncated=str(bool(key)).lower(), **more, Upload=listed)


def test_every_page_of_uploads_is_read() -> None:
    """Both markers: with the key's alone S3 goes on behind the key, and leaves out what else is under way for it."""
    script = (
        uploads([("out/a", "u1"), ("out/a", "u2")], "out/a", "u2"),
        uploads([("out/a", "u3")], "out/a", "u3"),
        uploads([("out/b", "u4")]),
    )
    with scripted_server(*script) as server:
        found = store_at(server).list_uploads(BUCKET, "out/")
    assert [(info.upload.key, info.upload.upload_id) for info in found] == [
        ("out/a", "u1"),
        ("out/a", "u2"),
        ("out/a", "u3"),
        ("out/b", "u4"),
    ]
    assert [info.initiator for info in found] == ["by u1", "by u2", "by u3", "by u4"]
    assert {info.age_ms for info in found} == {10_000}, "by the store's own clock"
    markers = [(query.get("key-marker"), query.get("upload-id-marker")) for query in asked(server)]
    assert markers == [(None, None), ("out/a", "u2"), ("out/a", "u3")]
    assert {query["prefix"] for query in asked(server)} == {"out/"}
    assert {query["encoding-type"] for query in asked(server)} == {"url"}


def test_keys_and_markers_of_uploads_are_decoded_once() -> None:
    """botocore doesn't decode this answer by itself. Sent back undecoded, a marker would name another key."""
    script = (uploads([("out/%C3%A4+%252B", "u1")], "out/%C3%A4+%252B", "u1"), uploads([]))
    with scripted_server(*script) as server:
        (found,) = store_at(server).list_uploads(BUCKET, "out/")
    assert found.upload.key == "out/ä %2B"
    assert asked(server)[1]["key-marker"] == "out/ä %2B"


def test_a_store_that_does_not_encode_is_taken_at_its_word() -> None:
    script = (uploads([("out/a+b%20c", "u1")], "out/a+b%20c", "u1", encoded=False), uploads([], encoded=False))
    with scripted_server(*script) as server:
        (found,) = store_at(server).list_uploads(BUCKET, "out/")
    assert found.upload.key == asked(server)[1]["key-marker"] == "out/a+b%20c"


def test_an_empty_page_of_uploads_that_is_not_the_last_is_followed() -> None:
    with scripted_server(uploads([], "out/m", "u5"), uploads([("out/z", "u9")])) as server:
        assert [info.upload.upload_id for info in store_at(server).list_uploads(BUCKET, "out/")] == ["u9"]
    assert (asked(server)[1]["key-marker"], asked(server)[1]["upload-id-marker"]) == ("out/m", "u5")


# --- GetObjectAttributes ------------------------------------------------------------------------------------------


def attributes(sizes: Mapping[int, int], total: int, after: str = "", *, count: int = 0) -> Answer:
    more: dict[str, object] = {"NextPartNumberMarker": after} if after else {}
    entries = [{"PartNumber": number, "Size": size} for number, size in sizes.items()]
    told: dict[str, object] = {
        "PartsCount": count or len(sizes),
        "IsTruncated": str(bool(after)).lower(),
        **more,
        "Part": entries,
    }
    return page("GetObjectAttributesResponse", ObjectParts=told, ObjectSize=total)


def test_every_page_of_an_objects_parts_is_read() -> None:
    with scripted_server(attributes({1: 8, 2: 8}, 27, "2"), attributes({3: 8}, 27, "3"), attributes({4: 3}, 27)) as s:
        assert store_at(s).part_sizes(BUCKET, "in/a", "v1") == [8, 8, 8, 3]
    assert [headers.get("x-amz-part-number-marker") for _, _, headers in s.requests] == [None, "2", "3"]
    assert {query["versionId"] for query in asked(s)} == {"v1"}, "all pages of one version"


def head(size: int, *, etag: str = "0-4", count: int = 0) -> Answer:
    told = {"x-amz-mp-parts-count": str(count)} if count else {}
    return Answer(200, b"", {"ETag": f'"{etag}"', **told}, length=size)


UNLISTED = attributes({1: 8}, 27, count=4)
"""Of an object uploaded without part checksums: S3 counts its parts, and lists none or few."""


def test_parts_that_do_not_add_up_are_looked_at_one_by_one() -> None:
    script = (UNLISTED, head(27), head(8, count=4), head(3, count=4))
    with scripted_server(*script) as server:
        assert store_at(server).part_sizes(BUCKET, "in/a", "v1") == [8, 8, 8, 3]
    assert [query.get("partNumber") for query in asked(server)] == [None, None, "1", "4"], "those between are as large"
    assert {query["versionId"] for query in asked(server)} == {"v1"}
    assert server.requests[3][2]["if-match"] == '"0-4"', "the last part is the same object's"


def test_parts_of_different_sizes_are_all_looked_at() -> None:
    script = (UNLISTED, head(27), head(8, count=4), head(6, count=4), head(5, count=4), head(8, count=4))
    with scripted_server(*script) as server:
        assert store_at(server).part_sizes(BUCKET, "in/a") == [8, 5, 8, 6]
    assert [query.get("partNumber") for query in asked(server)][2:] == ["1", "4", "2", "3"]


def test_parts_of_an_object_that_was_replaced_meanwhile_are_not_known() -> None:
    for script in (
        (UNLISTED, head(27), head(8, etag="1-4", count=4)),
        (UNLISTED, head(27), head(8, count=4), head(9, count=4), head(9, count=4), head(9, count=4)),
        (UNLISTED, head(27), head(8)),
    ):
        with scripted_server(*script) as server:
            assert store_at(server).part_sizes(BUCKET, "in/a") == ()


def test_without_permission_for_attributes_parts_are_looked_at_one_by_one() -> None:
    for refusal in (error(403, "AccessDenied"), error(404, "NoSuchKey"), error(400, "InvalidArgument")):
        with scripted_server(refusal, head(11), head(8, count=2), head(3, count=2)) as server:
            assert store_at(server).part_sizes(BUCKET, "in/a") == [8, 3]


def test_a_page_of_attributes_that_fails_in_passing_is_asked_for_later() -> None:
    with scripted_server(attributes({1: 8}, 27, "1"), error(503, "SlowDown")) as server, pytest.raises(Retry):
        store_at(server).part_sizes(BUCKET, "in/a")
