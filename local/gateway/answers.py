"""Add checksums and initiators to the emulator's answers, as headers and XML elements. This module is pure."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from xml.sax.saxutils import escape, unescape

from local.gateway.checksums import CHECKSUM_HEADER, TYPE_HEADER, Checksum, checksum_headers
from local.gateway.multipart import Upload

_ETAG = re.compile(rb"<ETag>(?:&quot;|\")?([^\"&<]+)")
_LISTED = re.compile(rb"<(Contents|Version)>(.*?)</\1>", re.DOTALL)
_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
_VERSION = re.compile(rb"<VersionId>(.*?)</VersionId>")
_AFTER_ETAG = b"</ETag>"
_PART = re.compile(rb"<Part>.*?</Part>", re.DOTALL)
_PART_NUMBER = re.compile(rb"<PartNumber>(\d+)</PartNumber>")
_CHECKSUM = re.compile(rb"<Checksum(CRC32C|CRC32|CRC64NVME|SHA1|SHA256)>([^<]+)</Checksum\1>")
_UPLOAD = re.compile(rb"<Upload>.*?</Upload>", re.DOTALL)
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_INITIATOR = re.compile(rb"<Initiator>.*?</Initiator>", re.DOTALL)
_INITIATED = re.compile(rb"<Initiated>([^<]+)</Initiated>")
_ATTRIBUTES_CHECKSUM = re.compile(rb"<Checksum\s*/>|<Checksum>.*?</Checksum>", re.DOTALL)


def etag_in(body: bytes) -> str:
    """Return the text of the first ETag element, without quotes; empty if there is none."""
    match = _ETAG.search(body)
    return match.group(1).decode() if match else ""


def checksum_in(body: bytes, kind: str) -> Checksum | None:
    match = _CHECKSUM.search(body)
    return Checksum(match.group(1).decode(), kind, match.group(2).decode()) if match else None


def show_checksum(headers: MutableMapping[str, str], checksum: Checksum) -> None:
    """Replace any checksum in an answer's headers by this one."""
    for name in checksum_headers(list(headers)):
        del headers[name]
    headers[checksum.header] = checksum.value
    headers[TYPE_HEADER] = checksum.kind


def hide_checksums(headers: MutableMapping[str, str]) -> None:
    for name in list(headers):
        if name.lower().startswith(CHECKSUM_HEADER):
            del headers[name]


def with_checksum(body: bytes, root: str, checksum: Checksum) -> bytes:
    """Insert the checksum's elements at the end of the document's root element."""
    return _append(body, root, f"{_value_element(checksum)}<ChecksumType>{checksum.kind}</ChecksumType>")


def with_part_checksum(body: bytes, checksum: Checksum) -> bytes:
    return _append(body, "CopyPartResult", _value_element(checksum))


def with_listed_checksums(body: bytes, lookup: Callable[[str, str, str], Checksum | None]) -> bytes:
    """Insert ChecksumAlgorithm and ChecksumType for each listed object for which `lookup(key, version, etag)` returns a
    checksum."""
    url_encoded = b"<EncodingType>url</EncodingType>" in body

    def patched(match: re.Match[bytes]) -> bytes:
        text = match.group(0)
        key = _KEY.search(text)
        if key is None:
            return text
        name = key.group(1).decode()
        version = _VERSION.search(text)
        checksum = lookup(
            unquote(name) if url_encoded else unescape(name, {"&quot;": '"', "&#13;": "\r", "&#10;": "\n"}),
            version.group(1).decode() if version else "",
            etag_in(text),
        )
        return text if checksum is None else text.replace(_AFTER_ETAG, _AFTER_ETAG + _kind_elements(checksum), 1)

    return _LISTED.sub(patched, body)


def with_listed_part_checksums(
    body: bytes, algorithm: str, kind: str, lookup: Callable[[int, str], str | None]
) -> bytes:
    """Insert each listed part's checksum, which `lookup(number, etag)` returns, and the upload's algorithm and kind."""

    def patched(match: re.Match[bytes]) -> bytes:
        text = match.group(0)
        number = _PART_NUMBER.search(text)
        value = lookup(int(number.group(1)), etag_in(text)) if number else None
        if value is None:
            return text
        return text.replace(b"</Part>", _value_element(Checksum(algorithm, kind, value)).encode() + b"</Part>")

    elements = _kind_elements(Checksum(algorithm, kind)).decode()
    return _append(_PART.sub(patched, body), "ListPartsResult", elements)


def with_attributes_checksum(body: bytes, checksum: Checksum) -> bytes:
    """Fill in the Checksum element of GetObjectAttributes, if it was asked for."""
    elements = f"<Checksum>{_value_element(checksum)}<ChecksumType>{checksum.kind}</ChecksumType></Checksum>"
    return _ATTRIBUTES_CHECKSUM.sub(elements.encode(), body, count=1)


def with_initiator(body: bytes, arn: str) -> bytes:
    """Insert the initiator of the upload as S3 names a role's session or a user: its ARN, and the last part of the ARN.
    An empty `arn` means that it isn't known, and changes nothing."""
    if not arn:
        return body
    name = arn.rpartition("/")[2]
    elements = f"<Initiator><ID>{escape(arn)}</ID><DisplayName>{escape(name)}</DisplayName></Initiator>".encode()
    return _INITIATOR.sub(lambda _: elements, body, count=1)


def with_listed_initiators(body: bytes, lookup: Callable[[str], Upload | None]) -> bytes:
    """Insert, for each listed upload that `lookup(upload id)` knows, its initiator and the time that it is to show as
    its beginning."""

    def patched(match: re.Match[bytes]) -> bytes:
        text = match.group(0)
        upload_id = _UPLOAD_ID.search(text)
        upload = lookup(upload_id.group(1).decode()) if upload_id else None
        if upload is None:
            return text
        return _INITIATED.sub(
            lambda element: _earlier(element.group(1), upload.older_by_s), with_initiator(text, upload.initiator)
        )

    return _UPLOAD.sub(patched, body)


def _earlier(instant: bytes, seconds: float) -> bytes:
    shown_beginning = datetime.fromisoformat(instant.decode()) - timedelta(seconds=seconds)
    return f"<Initiated>{shown_beginning.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.000Z')}</Initiated>".encode()


def _append(body: bytes, root: str, elements: str) -> bytes:
    end = f"</{root}>".encode()
    return body.replace(end, elements.encode() + end)


def _value_element(checksum: Checksum) -> str:
    return f"<{checksum.element}>{checksum.value}</{checksum.element}>"


def _kind_elements(checksum: Checksum) -> bytes:
    return (
        f"<ChecksumAlgorithm>{checksum.algorithm}</ChecksumAlgorithm><ChecksumType>{checksum.kind}</ChecksumType>"
    ).encode()
