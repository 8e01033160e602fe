"""Test the pure decisions about S3: conditions, limits, parts."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from local.gateway.conditions import Conditions, violation
from local.gateway.errors import S3Error
from local.gateway.limits import (
    SizeLimits,
    bad_part_number,
    capped_page,
    copy_too_large,
    key_too_long,
    metadata_too_large,
    range_source_too_small,
)
from local.gateway.multipart import (
    StoredPart,
    Upload,
    Uploads,
    WantedPart,
    check_parts,
    complete_body,
    full_object_value,
    parse_complete,
    parse_list_parts,
    upload_id_in,
)

LIMITS = SizeLimits(part_min=10)


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "etag", "code"),
    [
        ("", "", None, None),
        ("", "", "e", None),
        ("", "*", None, None),
        ("", "*", '"e"', "PreconditionFailed"),
        ("", '"e"', '"e"', "PreconditionFailed"),
        ("", '"e"', '"f"', None),
        ('"e"', "", '"e"', None),
        ("e", "", '"e"', None),
        ('"e"', "", '"f"', "PreconditionFailed"),
        ('"e"', "", None, "NoSuchKey"),
        ("*", "", None, "NoSuchKey"),
        ("*", "", '"e"', None),
    ],
)
def test_conditions(if_match: str, if_none_match: str, etag: str | None, code: str | None) -> None:
    error = violation(Conditions(if_match, if_none_match), etag, "key")
    assert (error.code if error else None) == code
    assert error is None or error.status == (404 if code == "NoSuchKey" else 412)


def test_keys_end_at_1024_bytes() -> None:
    assert key_too_long("ä" * 512) is None
    error = key_too_long("ä" * 512 + "a")
    assert error is not None
    assert (error.code, error.details["Size"]) == ("KeyTooLongError", "1025")


def test_metadata_ends_at_2_kib_of_names_and_values() -> None:
    fits = CIMultiDict({"x-amz-meta-ab": "v" * 2046, "Content-Type": "x" * 5000})
    assert metadata_too_large(fits.items()) is None
    fits.add("X-Amz-Meta-c", "")
    error = metadata_too_large(fits.items())
    assert error is not None
    assert error.code == "MetadataTooLarge"


@pytest.mark.parametrize(("text", "good"), [("1", True), ("10000", True), ("0", False), ("10001", False), ("x", False)])
def test_part_numbers(text: str, good: bool) -> None:
    assert (bad_part_number(text) is None) == good


def test_sizes_of_copies() -> None:
    limits = SizeLimits()
    assert copy_too_large(5 * 1024**3, limits) is None
    assert copy_too_large(5 * 1024**3 + 1, limits) is not None
    assert range_source_too_small(5 * 1024**2, limits) is not None
    assert range_source_too_small(5 * 1024**2 + 1, limits) is None


@pytest.mark.parametrize(
    ("operation", "target", "expected"),
    [
        ("ListObjectsV2", "/b?list-type=2&max-keys=5000&prefix=max-keys%3D9999", "max-keys=1000"),
        ("ListObjectsV2", "/b?list-type=2&max-keys=7", "max-keys=7"),
        ("ListParts", "/b/k?max-parts=1001&uploadId=u", "max-parts=1000"),
        ("ListMultipartUploads", "/b?uploads&max-uploads=9999", "max-uploads=1000"),
    ],
)
def test_pages_are_capped(operation: str, target: str, expected: str) -> None:
    assert expected in capped_page(operation, target)


def test_nothing_else_is_rewritten() -> None:
    for operation, target in [("ListObjectsV2", "/b?prefix=max-keys%3D5000"), ("GetObject", "/b/k?max-keys=5000")]:
        assert capped_page(operation, target) == target


def part(number: int, etag: str = "e") -> WantedPart:
    return WantedPart(number, etag, {})


@pytest.mark.parametrize(
    ("listed_parts", "code"),
    [
        ([part(1), part(2)], None),
        ([part(2)], None),
        ([part(2), part(1)], "InvalidPartOrder"),
        ([part(1), part(1)], "InvalidPartOrder"),
        ([part(1), part(3)], "InvalidPart"),
        ([part(1, "f")], "InvalidPart"),
        ([part(2), part(4)], "EntityTooSmall"),
    ],
)
def test_parts_of_a_complete(listed_parts: list[WantedPart], code: str | None) -> None:
    stored = {1: StoredPart("e", 10), 2: StoredPart("e", 9), 4: StoredPart("e", 10)}
    caught = None
    try:
        check_parts(listed_parts, stored, LIMITS)
    except S3Error as error:
        caught = error.code
    assert caught == code


def test_a_complete_is_parsed() -> None:
    body = (
        b'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Part><ETag>&quot;a&quot;</ETag>'
        b"<PartNumber>1</PartNumber><ChecksumCRC32>x==</ChecksumCRC32></Part></CompleteMultipartUpload>"
    )
    listed_parts = parse_complete(body)
    assert listed_parts == [WantedPart(1, "a", {"CRC32": "x=="})]
    assert parse_complete(complete_body(listed_parts)) == [part(1, "a")]


@pytest.mark.parametrize("body", [b"", b"<a", b"<a/>", b"<a><Part><PartNumber>1</PartNumber></Part></a>"])
def test_a_malformed_complete(body: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        parse_complete(body)
    assert caught.value.code == "MalformedXML"


def test_list_parts_is_parsed() -> None:
    body = (
        b"<R><Part><PartNumber>3</PartNumber><ETag>&quot;a&quot;</ETag><Size>5</Size></Part>"
        b"<NextPartNumberMarker>3</NextPartNumberMarker></R>"
    )
    assert parse_list_parts(body) == ({3: StoredPart("a", 5)}, "3")
    assert upload_id_in(b"<R><UploadId>u</UploadId></R>") == "u"
    assert upload_id_in(b"<R/>") is None


def test_a_part_whose_crc_is_unknown_is_invalid() -> None:
    with pytest.raises(S3Error) as caught:
        full_object_value(Upload("b", "k", "CRC32", ""), [part(1)], {1: StoredPart("e", 1)})
    assert caught.value.code == "InvalidPart"


def test_uploads_are_bounded() -> None:
    uploads = Uploads(capacity=2)
    for name in "abc":
        uploads.add(name, Upload("b", name, "", ""))
        uploads.get("a")
    assert uploads.get("a") is not None
    assert uploads.get("b") is None
    uploads.remove("a")
    assert uploads.get("a") is None
