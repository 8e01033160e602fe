"""Handle UploadPartCopy: allow ranges only of large sources, and compute the copied range's CRC where the upload keeps
one."""

from __future__ import annotations

import re
from dataclasses import dataclass

import aiohttp

from local.gateway import limits
from local.gateway.answers import etag_in, with_part_checksum
from local.gateway.checksums import FULL_OBJECT, Checksum, Digest
from local.gateway.classify import split_copy_source
from local.gateway.errors import S3Error, raise_if
from local.gateway.exchange import Answer, Exchange
from local.gateway.multipart import Upload
from local.gateway.s3state import S3State
from local.gateway.uploads import MultipartRules
from local.gateway.upstream import object_target

_IF_MATCH = "x-amz-copy-source-if-match"
_RANGE = "x-amz-copy-source-range"
_TRIES = 5
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class _Range:
    """A range that was read from a source: its CRC, and the ETag that the source had then."""

    value: str
    etag: str


class PartCopyRule:
    def __init__(self, state: S3State, uploads: MultipartRules) -> None:
        self._state = state
        self._upstream = state.upstream
        self._uploads = uploads

    async def upload_part_copy(self, exchange: Exchange) -> Answer:
        raise_if(limits.bad_part_number(exchange.call.query.get("partNumber", "")))
        upload = self._uploads.find(exchange)
        if upload is not None and upload.algorithm:
            return await self._with_checksum(exchange, upload)
        if _RANGE in exchange.headers:
            size = await self._source_size(exchange)
            if size is not None:
                raise_if(limits.range_source_too_small(size, self._state.limits))
        return await self._upstream.send(exchange)

    async def _with_checksum(self, exchange: Exchange, upload: Upload) -> Answer:
        """Compute the range's CRC, then copy it under the ETag that it was read under. Repeat if the source changed in
        between."""
        pinned = exchange.headers.get(_IF_MATCH)
        for _ in range(_TRIES):
            range_read = await self._read_range(exchange, upload.algorithm, pinned)
            if range_read is None:  # the source can't be read as asked: the emulator says why
                return await self._upstream.send(exchange)
            exchange.headers[_IF_MATCH] = range_read.etag
            answer = await self._upstream.send(exchange, buffered=True)
            if answer.ok:
                number = int(exchange.call.query["partNumber"])
                upload.crcs[(number, etag_in(answer.body))] = range_read.value
                checksum = Checksum(upload.algorithm, FULL_OBJECT, range_read.value)
                answer.replace_body(with_part_checksum(answer.body, checksum))
                return answer
            if answer.status != 412 or pinned is not None:
                return answer
        raise S3Error(503, "SlowDown", "The copy source keeps changing. Please reduce your request rate.")

    async def _read_range(self, exchange: Exchange, algorithm: str, pinned: str | None) -> _Range | None:
        bucket, key, version = split_copy_source(exchange.headers["x-amz-copy-source"])
        if version and _RANGE in exchange.headers:
            # If asked by version, the emulator answers with the whole object, for each of its parts. Nearly always the
            # version is the current one, so that one is tried first.
            range_read = await self._read(exchange, object_target(bucket, key), algorithm, pinned, version)
            if range_read is not None:
                return range_read
        return await self._read(exchange, _source_target(exchange), algorithm, pinned, "")

    async def _read(
        self, exchange: Exchange, target: str, algorithm: str, pinned: str | None, version: str
    ) -> _Range | None:
        """Read the range. Return None if it can't be read as asked, or if `target` is not the wanted version (if one
        is)."""
        digest = Digest(algorithm)
        requested_range = exchange.headers.get(_RANGE)
        headers = {"Range": requested_range} if requested_range else {}
        if pinned is not None:
            headers["If-Match"] = pinned
        async with self._upstream.reading(target, exchange.call, headers) as response:
            if response.status not in (200, 206):
                return None
            if version and response.headers.get("x-amz-version-id") != version:
                return None
            size = _size(response)
            first, last = _bounds(requested_range, size)
            if last >= size:
                return None  # it ends beyond the source: a GET is cut short, a copy is refused
            if requested_range:
                raise_if(limits.range_source_too_small(size, self._state.limits))
            # The emulator ignores Range when a version is named. Then the range is cut out of the whole object here.
            offset = first if response.status == 206 else 0
            async for chunk in response.content.iter_any():
                digest.update(chunk[max(0, first - offset) : max(0, last + 1 - offset)])
                offset += len(chunk)
            return _Range(digest.value(), response.headers["ETag"])

    async def _source_size(self, exchange: Exchange) -> int | None:
        """Return the source's size in bytes; None if it is unknown, or there is no such source."""
        bucket, key, version = split_copy_source(exchange.headers["x-amz-copy-source"])
        facts = self._state.memory.recall(bucket, key, version)
        if facts is not None and facts.size is not None:
            return facts.size
        head = await self._upstream.head(_source_target(exchange), exchange.call)
        return int(head.headers["Content-Length"]) if head.ok else None


def _size(response: aiohttp.ClientResponse) -> int:
    """Return the whole object's size in bytes."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(match.group(3)) if match else int(response.headers["Content-Length"])


def _bounds(requested_range: str | None, size: int) -> tuple[int, int]:
    """Return the first and last byte of a copy source range. S3 accepts only the form bytes=first-last."""
    if requested_range is None:
        return 0, size - 1
    first, _, last = requested_range.removeprefix("bytes=").partition("-")
    try:
        return int(first), int(last)
    except ValueError:
        raise S3Error(400, "InvalidArgument", "The x-amz-copy-source-range value must be bytes=first-last") from None


def _source_target(exchange: Exchange) -> str:
    bucket, key, version = split_copy_source(exchange.headers["x-amz-copy-source"])
    return object_target(bucket, key, **({"versionId": version} if version else {}))
