"""Test checksums, the aws-chunked encoding, and bodies that are checked as they pass."""

from __future__ import annotations

import asyncio
import base64
import random
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from local.gateway.answers import (
    etag_in,
    with_attributes_checksum,
    with_checksum,
    with_listed_checksums,
    with_listed_part_checksums,
)
from local.gateway.awschunked import AwsChunkedDecoder, is_aws_chunked
from local.gateway.checkedbody import CheckedBody
from local.gateway.checksums import (
    Checksum,
    Digest,
    combined,
    declared,
    full_object_algorithm,
    shown,
)
from local.gateway.errors import S3Error

CHECK_INPUT = b"123456789"


def digest(algorithm: str, data: bytes) -> str:
    running = Digest(algorithm)
    running.update(data)
    return running.value()


def test_published_check_values() -> None:
    """These are the catalogue's check values of each CRC (over "123456789")."""
    assert base64.b64decode(digest("CRC32", CHECK_INPUT)).hex() == "cbf43926"
    assert base64.b64decode(digest("CRC32C", CHECK_INPUT)).hex() == "e3069283"
    assert base64.b64decode(digest("CRC64NVME", CHECK_INPUT)).hex() == "ae8b14860a799888"
    assert digest("SHA256", b"") == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@given(pieces=st.lists(st.binary(max_size=64), max_size=6), algorithm=st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]))
def test_combined_parts_are_the_whole(pieces: list[bytes], algorithm: str) -> None:
    parts = [(digest(algorithm, piece), len(piece)) for piece in pieces]
    assert combined(algorithm, parts) == digest(algorithm, b"".join(pieces))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x-amz-checksum-algorithm": "CRC64NVME"}, "CRC64NVME"),
        ({"x-amz-checksum-algorithm": "crc32", "x-amz-checksum-type": "FULL_OBJECT"}, "CRC32"),
        ({"x-amz-checksum-algorithm": "CRC32"}, None),
        ({"x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-type": "COMPOSITE"}, None),
        ({"x-amz-checksum-algorithm": "SHA256"}, None),
    ],
)
def test_which_uploads_are_full_object(headers: dict[str, str], expected: str | None) -> None:
    assert full_object_algorithm(CIMultiDict(headers)) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-type": "FULL_OBJECT"},
        {"x-amz-checksum-algorithm": "SHA1", "x-amz-checksum-type": "FULL_OBJECT"},
        {"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
    ],
)
def test_impossible_checksums(headers: dict[str, str]) -> None:
    with pytest.raises(S3Error):
        full_object_algorithm(CIMultiDict(headers))


def test_declared_checksums() -> None:
    assert declared(CIMultiDict({"X-Amz-Checksum-CRC32C": "v"})) == Checksum("CRC32C", "FULL_OBJECT", "v")
    assert declared(CIMultiDict({"x-amz-trailer": "x-amz-checksum-crc64nvme"})) == Checksum("CRC64NVME", "FULL_OBJECT")
    assert declared(CIMultiDict({"x-amz-checksum-mode": "ENABLED"})) is None
    answered = CIMultiDict({"x-amz-checksum-sha1": "v-2", "x-amz-checksum-type": "COMPOSITE"})
    assert shown(answered) == Checksum("SHA1", "COMPOSITE", "v-2")


def chunked(payload: bytes, size: int, trailers: str = "") -> bytes:
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)]
    frames = [b"%x;chunk-signature=0\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join(frames) + b"0\r\n" + trailers.encode() + b"\r\n"


@given(
    payload=st.binary(max_size=300),
    frame=st.integers(min_value=1, max_value=100),
    step=st.integers(min_value=1, max_value=50),
)
def test_aws_chunked_survives_any_splitting(payload: bytes, frame: int, step: int) -> None:
    body = chunked(payload, frame, "x-amz-checksum-crc32:abcd\r\n")
    decoder = AwsChunkedDecoder()
    decoded = b"".join(decoder.feed(body[start : start + step]) for start in range(0, len(body), step))
    decoder.finish()
    assert decoded == payload
    assert decoder.trailers == {"x-amz-checksum-crc32": "abcd"}


@pytest.mark.parametrize("body", [b"", b"5\r\nabc", b"x\r\n", b"3\r\nabcde\r\n0\r\n\r\n"])
def test_broken_aws_chunked_bodies(body: bytes) -> None:
    with pytest.raises(S3Error):
        CheckedBody(body, "CRC32", "", chunked=True).forwarded()


def test_which_bodies_are_aws_chunked() -> None:
    assert is_aws_chunked(CIMultiDict({"Content-Encoding": "gzip,aws-chunked"}))
    assert is_aws_chunked(CIMultiDict({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}))
    assert not is_aws_chunked(CIMultiDict({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}))


async def pieces_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def drained(body: CheckedBody, into: list[bytes]) -> None:
    forwarded = body.forwarded()
    assert not isinstance(forwarded, bytes)
    async for piece in forwarded:
        into += [piece]


def test_a_streamed_body_passes_when_its_checksum_is_right() -> None:
    data = random.Random(1).randbytes(1000)
    body = CheckedBody(pieces_of(data, 64), "CRC32", digest("CRC32", data), chunked=False)
    passed: list[bytes] = []
    asyncio.run(drained(body, passed))
    assert (b"".join(passed), body.size, body.error) == (data, 1000, None)


def test_a_streamed_body_with_a_wrong_checksum_never_passes_whole() -> None:
    data = random.Random(1).randbytes(1000)
    body = CheckedBody(pieces_of(data, 64), "CRC32", digest("CRC32", b""), chunked=False)
    passed: list[bytes] = []
    with pytest.raises(S3Error):
        asyncio.run(drained(body, passed))
    assert len(b"".join(passed)) < len(data)
    assert body.error is not None
    assert body.error.code == "BadDigest"


def test_a_trailing_checksum_is_checked_too() -> None:
    value = digest("CRC32", b"payload")
    good = CheckedBody(chunked(b"payload", 3, f"x-amz-checksum-crc32:{value}\r\n"), "CRC32", "", chunked=True)
    assert good.forwarded() == b"payload"
    assert base64.b64decode(good.value()) == zlib.crc32(b"payload").to_bytes(4, "big")
    bad = CheckedBody(chunked(b"payloaX", 3, f"x-amz-checksum-crc32:{value}\r\n"), "CRC32", "", chunked=True)
    with pytest.raises(S3Error):
        bad.forwarded()


def test_additions_to_answers() -> None:
    crc = Checksum("CRC32", "FULL_OBJECT", "v=")
    assert with_checksum(b"<R><ETag>e</ETag></R>", "R", crc) == (
        b"<R><ETag>e</ETag><ChecksumCRC32>v=</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></R>"
    )
    assert etag_in(b"<R><ETag>&quot;abc-2&quot;</ETag></R>") == etag_in(b'<R><ETag>"abc-2"</ETag></R>') == "abc-2"
    attributes = with_attributes_checksum(b"<R><Checksum /><ObjectSize>1</ObjectSize></R>", crc)
    assert attributes.startswith(b"<R><Checksum><ChecksumCRC32>v=</ChecksumCRC32>")
    assert with_attributes_checksum(b"<R><ObjectSize>1</ObjectSize></R>", crc) == b"<R><ObjectSize>1</ObjectSize></R>"


def test_listings_find_keys_in_either_encoding() -> None:
    crc = Checksum("CRC32", "FULL_OBJECT")

    def lookup(key: str, version: str, etag: str) -> Checksum | None:
        return crc if (key, version, etag) == ("a&b c", "", "e") else None

    added = b"<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
    plain = b'<L><Contents><Key>a&amp;b c</Key><ETag>"e"</ETag><Size>1</Size></Contents></L>'
    assert added in with_listed_checksums(plain, lookup)
    encoded = b'<L><EncodingType>url</EncodingType><Contents><Key>a%26b%20c</Key><ETag>"e"</ETag></Contents></L>'
    assert added in with_listed_checksums(encoded, lookup)
    other = b'<L><Contents><Key>other</Key><ETag>"e"</ETag></Contents></L>'
    assert with_listed_checksums(other, lookup) == other


def test_listed_parts_show_their_checksums() -> None:
    body = b'<ListPartsResult><Part><PartNumber>2</PartNumber><ETag>"e"</ETag></Part></ListPartsResult>'
    patched = with_listed_part_checksums(body, "CRC32C", "FULL_OBJECT", lambda number, etag: f"{number}{etag}")
    assert b"<ChecksumCRC32C>2e</ChecksumCRC32C></Part>" in patched
    assert b"<ChecksumType>FULL_OBJECT</ChecksumType></ListPartsResult>" in patched
