"""The S3 adapter follows pages in every call that has any. The tests check its next request on the wire: a real client
talks to a server that answers as S3 may and as no store does on demand (an empty page with more behind it)."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import boto3
import pytest

from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.core.errors import NoSuchUpload, Retry
from chalicelib.core.objects import Bucket
from chalicelib.ports import Part, UploadRef
from tests.contract.test_s3_adapter import session
from tests.servers.scripted import Answer, ScriptedServer, error, scripted_server

BUCKET = Bucket("target", "us-gov-west-1", owner="111122223333")
UPLOAD = UploadRef(BUCKET, "out/a", "upload-1")
DATE = {"Date": "Thu, 01 Dec 2033 16:00:10 GMT"}
MOMENT = "2033-12-01T16:00:00Z"


def store_at(server: ScriptedServer, client_session: boto3.Session | None = None) -> S3ObjectStore:
    return S3ObjectStore(client_session or session(), server.url)


def element(name: str, content: Any) -> str:
    """Return XML. The entries of a mapping become elements, and each item of a list becomes an element with this
    name."""
    if isinstance(content, list):
        return "".join(element(name, item) for item in content)
    if isinstance(content, Mapping):
        return f"<{name}>{''.join(element(key, value) for key, value in content.items())}</{name}>"
    return f"<{name}>{escape(str(content))}</{name}>"


def page(name: str, **content: object) -> Answer:
    return Answer(200, element(name, content).encode(), {"Content-Type": "application/xml", **DATE})


def queries_of(server: ScriptedServer) -> list[dict[str, str]]:
    """Return the queries of all requests."""
    return [dict(parse_qsl(urlsplit(path).query, keep_blank_values=True)) for _, path, _ in server.requests]


# --- ListObjectsV2 ------------------------------------------------------------------------------------------------


def objects(*keys: str) -> list[dict[str, object]]:
    return [{"Key": key, "Size": 3, "ETag": '"0"', "LastModified": MOMENT, "StorageClass": "STANDARD"} for key in keys]


def listing(keys: Sequence[str], token: str = "", *, asked_by: str = "") -> Answer:
    tokens: dict[str, object] = {"NextContinuationToken": token} if token else {}
    if asked_by:
        tokens["ContinuationToken"] = asked_by  # S3 repeats the token of the request.
    return page(
        "ListBucketResult", EncodingType="url", IsTruncated=str(bool(token)).lower(), **tokens, Contents=objects(*keys)
    )


def test_a_page_of_objects_that_is_not_the_last_says_so() -> None:
    with scripted_server(listing(["in/a", "in/b%2Bc"], "t1")) as server:
        listed = store_at(server).list(BUCKET, "in/", start_after="in/0", limit=2)
    assert ([facts.key for facts in listed.objects], listed.truncated) == (["in/a", "in/b+c"], True)
    assert len(server.requests) == 1, "a page is one request: its reader asks for the next"
    (query,) = queries_of(server)
    assert (query["prefix"], query["start-after"], query["max-keys"]) == ("in/", "in/0", "2")
    assert query["encoding-type"] == "url"


def test_the_last_page_of_objects_says_so() -> None:
    with scripted_server(listing(["in/a"])) as server:
        listed = store_at(server).list(BUCKET, "in/")
    assert ([facts.key for facts in listed.objects], listed.truncated) == (["in/a"], False)
    assert "start-after" not in queries_of(server)[0], "an empty one is refused by some stores"


def test_empty_pages_of_objects_are_followed_to_the_first_that_holds_any() -> None:
    """S3 permits an empty page with more behind it. There is no last key, and only the token leads to the next page."""
    last_page = listing(["in/a"], "t3", asked_by="t/2+=")
    with scripted_server(listing([], "t1"), listing([], "t/2+=", asked_by="t1"), last_page) as server:
        listed = store_at(server).list(BUCKET, "in/", start_after="in/0")
    assert ([facts.key for facts in listed.objects], listed.truncated) == (["in/a"], True)
    assert [query.get("continuation-token") for query in queries_of(server)] == [None, "t1", "t/2+="]
    assert {query["prefix"] for query in queries_of(server)} == {"in/"}


def test_empty_pages_of_objects_to_the_end_are_the_end() -> None:
    with scripted_server(listing([], "t1"), listing([])) as server:
        listed = store_at(server).list(BUCKET, "in/")
    assert (listed.objects, listed.truncated) == ((), False)
    assert len(server.requests) == 2


def test_an_empty_page_whose_successor_fails_is_no_empty_bucket() -> None:
    with scripted_server(listing([], "t1"), error(503, "SlowDown")) as server, pytest.raises(Retry):
        store_at(server).list(BUCKET, "in/")


def test_no_more_objects_are_asked_for_than_s3_gives() -> None:
    with scripted_server(listing([])) as server:
        store_at(server).list(BUCKET, "in/", limit=5000)
    assert queries_of(server)[0]["max-keys"] == "1000"


# --- ListParts ----------------------------------------------------------------------------------------------------


def parts(numbers: Sequence[int], marker: str = "") -> Answer:
    markers: dict[str, object] = {"NextPartNumberMarker": marker} if marker else {}
    entries = [
        {"PartNumber": n, "ETag": f'"{n}"', "Size": 10 + n, "LastModified": MOMENT, "ChecksumCRC64NVME": "c"}
        for n in numbers
    ]
    return page("ListPartsResult", UploadId="upload-1", IsTruncated=str(bool(marker)).lower(), **markers, Part=entries)


def test_every_page_of_parts_is_read() -> None:
    """The owner copies parts again that it takes for missing, and Complete publishes the parts that it takes for
    all."""
    with scripted_server(parts([1, 2], "2"), parts([3, 5], "5"), parts([9])) as server:
        listed = store_at(server).list_parts(UPLOAD)
    assert listed == [Part(n, str(n), 10 + n) for n in (1, 2, 3, 5, 9)]
    assert [query.get("part-number-marker") for query in queries_of(server)] == [None, "2", "5"]
    assert {query["uploadId"] for query in queries_of(server)} == {"upload-1"}


def test_an_empty_page_of_parts_that_is_not_the_last_is_followed() -> None:
    with scripted_server(parts([], "1000"), parts([1001])) as server:
        assert [part.number for part in store_at(server).list_parts(UPLOAD)] == [1001]
    assert queries_of(server)[1]["part-number-marker"] == "1000"


def test_an_upload_without_parts() -> None:
    with scripted_server(parts([])) as server:
        assert store_at(server).list_parts(UPLOAD) == []
    assert len(server.requests) == 1


def test_an_upload_that_ends_between_two_pages_has_no_parts() -> None:
    """Half of the parts would pass for all of them."""
    with scripted_server(parts([1], "1"), error(404, "NoSuchUpload")) as server, pytest.raises(NoSuchUpload):
        store_at(server).list_parts(UPLOAD)


# --- ListMultipartUploads -----------------------------------------------------------------------------------------


def uploads(entries: Sequence[tuple[str, str]], key: str = "", upload: str = "", *, encoded: bool = True) -> Answer:
    """Return a page of uploads. `entries` and markers are as S3 writes them."""
    markers: dict[str, object] = {"NextKeyMarker": key, "NextUploadIdMarker": upload} if key else {}
    encoding: dict[str, object] = {"EncodingType": "url"} if encoded else {}
    elements = [
        {"Key": name, "UploadId": upload_id, "Initiator": {"ID": f"by {upload_id}"}, "Initiated": MOMENT}
        for name, upload_id in entries
    ]
    return page(
        "ListMultipartUploadsResult", **encoding, IsTruncated=str(bool(key)).lower(), **markers, Upload=elements
    )


def test_every_page_of_uploads_is_read() -> None:
    """The adapter sends both markers. With the key's alone, S3 goes on behind the key and leaves out the key's other
    uploads."""
    script = (
        uploads([("out/a", "u1"), ("out/a", "u2")], "out/a", "u2"),
        uploads([("out/a", "u3")], "out/a", "u3"),
        uploads([("out/b", "u4")]),
    )
    with scripted_server(*script) as server:
        listed = store_at(server).list_uploads(BUCKET, "out/")
    assert [(info.upload.key, info.upload.upload_id) for info in listed] == [
        ("out/a", "u1"),
        ("out/a", "u2"),
        ("out/a", "u3"),
        ("out/b", "u4"),
    ]
    assert [info.initiator for info in listed] == ["by u1", "by u2", "by u3", "by u4"]
    assert {info.age_ms for info in listed} == {10_000}, "by the store's own clock"
    markers = [(query.get("key-marker"), query.get("upload-id-marker")) for query in queries_of(server)]
    assert markers == [(None, None), ("out/a", "u2"), ("out/a", "u3")]
    assert {query["prefix"] for query in queries_of(server)} == {"out/"}
    assert {query["encoding-type"] for query in queries_of(server)} == {"url"}


def test_keys_and_markers_of_uploads_are_decoded_once() -> None:
    """botocore doesn't decode this answer by itself. If a marker were sent back undecoded, it would name another
    key."""
    script = (uploads([("out/%C3%A4+%252B", "u1")], "out/%C3%A4+%252B", "u1"), uploads([]))
    with scripted_server(*script) as server:
        (info,) = store_at(server).list_uploads(BUCKET, "out/")
    assert info.upload.key == "out/ä %2B"
    assert queries_of(server)[1]["key-marker"] == "out/ä %2B"


def test_a_store_that_does_not_encode_is_taken_at_its_word() -> None:
    script = (uploads([("out/a+b%20c", "u1")], "out/a+b%20c", "u1", encoded=False), uploads([], encoded=False))
    with scripted_server(*script) as server:
        (info,) = store_at(server).list_uploads(BUCKET, "out/")
    assert info.upload.key == queries_of(server)[1]["key-marker"] == "out/a+b%20c"


def test_an_empty_page_of_uploads_that_is_not_the_last_is_followed() -> None:
    with scripted_server(uploads([], "out/m", "u5"), uploads([("out/z", "u9")])) as server:
        assert [info.upload.upload_id for info in store_at(server).list_uploads(BUCKET, "out/")] == ["u9"]
    assert (queries_of(server)[1]["key-marker"], queries_of(server)[1]["upload-id-marker"]) == ("out/m", "u5")


# --- GetObjectAttributes ------------------------------------------------------------------------------------------


def attributes(sizes: Mapping[int, int], total: int, marker: str = "", *, count: int = 0) -> Answer:
    markers: dict[str, object] = {"NextPartNumberMarker": marker} if marker else {}
    entries = [{"PartNumber": number, "Size": size} for number, size in sizes.items()]
    object_parts: dict[str, object] = {
        "PartsCount": count or len(sizes),
        "IsTruncated": str(bool(marker)).lower(),
        **markers,
        "Part": entries,
    }
    return page("GetObjectAttributesResponse", ObjectParts=object_parts, ObjectSize=total)


def test_every_page_of_an_objects_parts_is_read() -> None:
    with scripted_server(attributes({1: 8, 2: 8}, 27, "2"), attributes({3: 8}, 27, "3"), attributes({4: 3}, 27)) as s:
        assert store_at(s).part_sizes(BUCKET, "in/a", "v1") == [8, 8, 8, 3]
    assert [headers.get("x-amz-part-number-marker") for _, _, headers in s.requests] == [None, "2", "3"]
    assert {query["versionId"] for query in queries_of(s)} == {"v1"}, "all pages of one version"


def head(size: int, *, etag: str = "0-4", count: int = 0) -> Answer:
    headers = {"x-amz-mp-parts-count": str(count)} if count else {}
    return Answer(200, b"", {"ETag": f'"{etag}"', **headers}, length=size)


UNLISTED = attributes({1: 8}, 27, count=4)
"""This is the answer about an object that was uploaded without part checksums: S3 counts its parts, and lists few or
none of them."""


def test_parts_that_do_not_add_up_are_looked_at_one_by_one() -> None:
    script = (UNLISTED, head(27), head(8, count=4), head(3, count=4))
    with scripted_server(*script) as server:
        assert store_at(server).part_sizes(BUCKET, "in/a", "v1") == [8, 8, 8, 3]
    assert [query.get("partNumber") for query in queries_of(server)] == [None, None, "1", "4"], (
        "those between are as large"
    )
    assert {query["versionId"] for query in queries_of(server)} == {"v1"}
    assert server.requests[3][2]["if-match"] == '"0-4"', "the last part is the same object's"


def test_parts_of_different_sizes_are_all_looked_at() -> None:
    script = (UNLISTED, head(27), head(8, count=4), head(6, count=4), head(5, count=4), head(8, count=4))
    with scripted_server(*script) as server:
        assert store_at(server).part_sizes(BUCKET, "in/a") == [8, 5, 8, 6]
    assert [query.get("partNumber") for query in queries_of(server)][2:] == ["1", "4", "2", "3"]


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
