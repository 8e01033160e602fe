"""Handle multipart uploads: check parts, and keep tags and FULL_OBJECT checksums instead of the emulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import aiohttp
from multidict import CIMultiDict

from local.gateway import checksums, limits, multipart
from local.gateway.answers import (
    checksum_in,
    etag_in,
    with_checksum,
    with_initiator,
    with_listed_part_checksums,
)
from local.gateway.awschunked import is_aws_chunked
from local.gateway.checkedbody import CheckedBody
from local.gateway.checksums import COMPOSITE, FULL_OBJECT, Checksum
from local.gateway.errors import S3Error, invalid_request, raise_if
from local.gateway.exchange import Answer, Exchange
from local.gateway.memory import ObjectFacts
from local.gateway.multipart import StoredPart, Upload, WantedPart
from local.gateway.s3state import S3State
from local.gateway.upstream import object_target
from local.gateway.writes import Writes, check_new_object


class MultipartRules:
    def __init__(self, state: S3State, writes: Writes) -> None:
        self._state = state
        self._upstream = state.upstream
        self._memory = state.memory
        self._writes = writes
        self._uploads = state.uploads

    def find(self, exchange: Exchange) -> Upload | None:
        """Return the upload that a request names, if this gateway saw it begin and it is for this key."""
        upload = self._uploads.get(exchange.call.query.get("uploadId", ""))
        is_its = upload is not None and (upload.bucket, upload.key) == (exchange.call.bucket, exchange.call.key)
        return upload if is_its else None

    async def create(self, exchange: Exchange) -> Answer:
        check_new_object(exchange)
        tagging = exchange.headers.get("x-amz-tagging", "")
        if len(parse_qsl(tagging, keep_blank_values=True)) > limits.TAGS_MAX:
            raise S3Error(400, "BadRequest", f"Object tags cannot be greater than {limits.TAGS_MAX}")
        algorithm = checksums.full_object_algorithm(exchange.headers) or ""
        if algorithm:
            exchange.drop_headers(*checksums.checksum_headers(list(exchange.headers)))
        answer = await self._upstream.send(exchange, buffered=True)
        upload_id = multipart.upload_id_in(answer.body) if answer.ok else None
        if upload_id is not None:
            upload = Upload(exchange.call.bucket, exchange.call.key, algorithm, tagging)
            upload.initiator = await self._state.callers.arn(exchange.call, exchange.headers)
            self._uploads.add(upload_id, upload)
            if algorithm:
                answer.headers[checksums.ALGORITHM_HEADER] = algorithm
                answer.headers[checksums.TYPE_HEADER] = FULL_OBJECT
        return answer

    async def abort(self, exchange: Exchange) -> Answer:
        answer = await self._upstream.send(exchange)
        if answer.ok:
            self._uploads.remove(exchange.call.query["uploadId"])
        return answer

    async def list_parts(self, exchange: Exchange) -> Answer:
        exchange.retarget(limits.capped_page(exchange.call.operation, exchange.target))
        upload = self.find(exchange)
        if upload is None:
            return await self._upstream.send(exchange)
        answer = await self._upstream.send(exchange, buffered=True)
        if answer.ok:
            answer.replace_body(with_initiator(answer.body, upload.initiator))
        if answer.ok and upload.algorithm:

            def lookup(number: int, etag: str) -> str | None:
                return upload.crcs.get((number, etag))

            body = with_listed_part_checksums(answer.body, upload.algorithm, FULL_OBJECT, lookup)
            answer.replace_body(body)
        return answer

    async def upload_part(self, exchange: Exchange) -> Answer:
        number = exchange.call.query.get("partNumber", "")
        raise_if(limits.bad_part_number(number))
        upload = self.find(exchange)
        if upload is None or not upload.algorithm:
            return await self._upstream.send(exchange)
        body = await _checked_body(exchange, upload.algorithm)
        exchange.body = body.forwarded()
        try:
            answer = await self._upstream.send(exchange)
        except (aiohttp.ClientError, S3Error):
            raise_if(body.error)
            raise
        if answer.ok:
            upload.crcs[(int(number), answer.headers.get("ETag", "").strip('"'))] = body.value()
            answer.headers[checksums.value_header(upload.algorithm)] = body.value()
        return answer

    async def complete(self, exchange: Exchange) -> Answer:
        call = exchange.call
        body = await exchange.load_document()
        async with self._state.locks.holding(call.bucket, call.key):
            upload = self.find(exchange)
            if upload is not None and upload.answer is not None:
                status, headers, replayed = upload.answer
                return Answer(status, CIMultiDict(headers), replayed)
            named_parts = multipart.parse_complete(body)
            stored = await self._stored_parts(exchange)
            if stored is None:  # the emulator says NoSuchUpload, or repeats the answer to the first Complete
                return await self._upstream.send(exchange)
            multipart.check_parts(named_parts, stored, self._state.limits)
            checksum = self._checked(exchange, upload, named_parts, stored)
            answer = await self._upstream.send(exchange, buffered=True)
            if answer.ok and etag_in(answer.body):
                size = sum(stored[part.number].size for part in named_parts)
                await self._published(exchange, upload, answer, checksum, size)
            return answer

    def _checked(
        self,
        exchange: Exchange,
        upload: Upload | None,
        named_parts: Sequence[WantedPart],
        stored: Mapping[int, StoredPart],
    ) -> Checksum | None:
        """Return the FULL_OBJECT checksum that the object will have. Raises S3Error if the client expects another
        one."""
        headers = exchange.headers
        kind = headers.get(checksums.TYPE_HEADER, "").upper()
        if upload is None or not upload.algorithm:
            if upload is None and kind == FULL_OBJECT:
                # It was begun before this gateway was: its parts' CRCs are lost, and an object that can't be verified
                # isn't published.
                raise S3Error(404, "NoSuchUpload", "The specified upload does not exist. It may have been aborted.")
            return None
        if kind not in ("", FULL_OBJECT):
            raise invalid_request(f"The upload was created with the {FULL_OBJECT} checksum type, not {kind}.")
        expected = checksums.declared(headers)
        if expected is not None and expected.algorithm != upload.algorithm:
            raise checksums.wrong_algorithm(upload.algorithm, expected.algorithm)
        value = multipart.full_object_value(upload, named_parts, stored)
        if expected is not None and expected.value != value:
            raise checksums.bad_digest(upload.algorithm)
        exchange.drop_headers(*checksums.checksum_headers(list(headers)))
        exchange.replace_body(multipart.complete_body(named_parts))
        return Checksum(upload.algorithm, FULL_OBJECT, value)

    async def _published(
        self, exchange: Exchange, upload: Upload | None, answer: Answer, checksum: Checksum | None, size: int
    ) -> None:
        call = exchange.call
        if checksum is not None:
            answer.replace_body(with_checksum(answer.body, "CompleteMultipartUploadResult", checksum))
        shown_checksum = checksum or checksum_in(answer.body, COMPOSITE)
        facts = ObjectFacts(etag_in(answer.body), size, shown_checksum, overrides=checksum is not None)
        self._memory.written(call.bucket, call.key, answer.version, facts)
        tagging = upload.tagging if upload is not None else ""
        if tagging:
            await self._upstream.put(object_target(call.bucket, call.key) + "?tagging", call, _tagging_xml(tagging))
        await self._writes.settle_tags(call, bool(tagging))
        if upload is not None:
            upload.crcs.clear()
            upload.answer = (answer.status, CIMultiDict(answer.headers), answer.body)

    async def _stored_parts(self, exchange: Exchange) -> dict[int, StoredPart] | None:
        """Return every part that the upload holds now; None if there is no such upload."""
        call = exchange.call
        parts: dict[int, StoredPart] = {}
        marker = "0"
        while marker:
            query = {
                "uploadId": call.query["uploadId"],
                "part-number-marker": marker,
                "max-parts": str(limits.PAGE_MAX),
            }
            page = await self._upstream.get(object_target(call.bucket, call.key, **query), call)
            if not page.ok:
                return None
            page_parts, marker = multipart.parse_list_parts(page.body)
            parts |= page_parts
        return parts


async def _checked_body(exchange: Exchange, algorithm: str) -> CheckedBody:
    """Return the body of an UploadPart, and remove the emulator's own checksum handling from its headers."""
    headers = exchange.headers
    declared = checksums.declared(headers)
    if declared is not None and declared.algorithm != algorithm:
        raise checksums.wrong_algorithm(algorithm, declared.algorithm)
    await exchange.load_body()
    chunked = is_aws_chunked(headers)
    if chunked:
        _unchunk_headers(exchange)
    exchange.drop_headers(*checksums.checksum_headers(list(headers)))
    body = exchange.body if exchange.body is not None else b""
    return CheckedBody(body, algorithm, declared.value if declared else "", chunked=chunked)


def _unchunk_headers(exchange: Exchange) -> None:
    """Change the headers to describe the decoded payload instead of its aws-chunked form."""
    headers = exchange.headers
    length = headers.get("x-amz-decoded-content-length", "")
    encodings = [name for name in headers.get("Content-Encoding", "").split(",") if name.strip() != "aws-chunked"]
    exchange.drop_headers("x-amz-decoded-content-length", "x-amz-trailer", "Content-Encoding")
    if any(name.strip() for name in encodings):
        headers["Content-Encoding"] = ",".join(encodings)
    headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
    if length:
        headers["Content-Length"] = length


def _tagging_xml(tagging: str) -> bytes:
    tags = "".join(
        f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>"
        for key, value in parse_qsl(tagging, keep_blank_values=True)
    )
    return f"<Tagging><TagSet>{tags}</TagSet></Tagging>".encode()
