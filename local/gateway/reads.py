"""Handle HEAD, GET, LIST and GetObjectAttributes: add S3's headers and elements to the emulator's answers."""

from __future__ import annotations

from xml.etree import ElementTree

from multidict import CIMultiDict

from local.gateway import limits
from local.gateway.answers import (
    hide_checksums,
    show_checksum,
    with_attributes_checksum,
    with_listed_checksums,
    with_listed_initiators,
)
from local.gateway.checksums import FULL_OBJECT, MODE_HEADER, Checksum, shown
from local.gateway.errors import S3Error
from local.gateway.exchange import Answer, Exchange
from local.gateway.memory import ObjectFacts
from local.gateway.s3state import S3State
from local.gateway.upstream import object_target
from local.gateway.writes import Writes


class Reads:
    def __init__(self, state: S3State, writes: Writes) -> None:
        self._upstream = state.upstream
        self._memory = state.memory
        self._writes = writes
        self._uploads = state.uploads

    async def head_object(self, exchange: Exchange) -> Answer:
        answer = await self._upstream.send(exchange)
        if answer.status != 200:
            return answer
        if "partNumber" in exchange.call.query:
            return await self._head_part(exchange, answer)
        if _wants_checksum(exchange):
            await self._show_checksum(exchange, answer, may_read=True)
        await self._show_tag_count(exchange, answer)
        return answer

    async def get_object(self, exchange: Exchange) -> Answer:
        answer = await self._upstream.send(exchange)
        # 206 is a piece: S3 shows the whole object's checksum only beside the whole object.
        if answer.status == 200 and _wants_checksum(exchange):
            await self._show_checksum(exchange, answer, may_read=False)
        return answer

    async def get_object_attributes(self, exchange: Exchange) -> Answer:
        call = exchange.call
        answer = await self._upstream.send(exchange, buffered=True)
        facts = self._memory.recall(call.bucket, call.key, answer.version) if answer.ok else None
        if facts is not None and facts.overrides and facts.checksum is not None:
            answer.replace_body(with_attributes_checksum(answer.body, facts.checksum))
        return answer

    async def list_objects(self, exchange: Exchange) -> Answer:
        """Handle ListObjects, ListObjectsV2 and ListObjectVersions."""
        bucket = exchange.call.bucket
        exchange.retarget(limits.capped_page(exchange.call.operation, exchange.target))
        if not self._memory.has_checksums(bucket):
            return await self._upstream.send(exchange)
        answer = await self._upstream.send(exchange, buffered=True)
        if answer.ok:

            def lookup(key: str, version: str, etag: str) -> Checksum | None:
                facts = self._memory.facts(bucket, key, "" if version == "null" else version, etag)
                return facts.checksum if facts else None

            answer.replace_body(with_listed_checksums(answer.body, lookup))
        return answer

    async def list_uploads(self, exchange: Exchange) -> Answer:
        exchange.retarget(limits.capped_page(exchange.call.operation, exchange.target))
        answer = await self._upstream.send(exchange, buffered=True)
        if answer.ok:
            answer.replace_body(with_listed_initiators(answer.body, self._uploads.get))
        return answer

    async def _show_checksum(self, exchange: Exchange, answer: Answer, *, may_read: bool) -> None:
        call, version = exchange.call, answer.version
        etag = answer.headers.get("ETag", "")
        facts = self._memory.facts(call.bucket, call.key, version, etag)
        if facts is not None and facts.overrides and facts.checksum is not None:
            show_checksum(answer.headers, facts.checksum)
            return
        emulators_checksum = shown(answer.headers)
        if emulators_checksum is None or emulators_checksum.kind != FULL_OBJECT or "-" not in emulators_checksum.value:
            return
        if facts is not None and facts.checksum is not None and facts.checksum.value == emulators_checksum.value:
            # The emulator calls a COMPOSITE checksum FULL_OBJECT when it is asked for the object by version.
            show_checksum(answer.headers, facts.checksum)
            return
        # The emulator gives a CopyObject the composite value of its multipart source, and calls it FULL_OBJECT.
        if not may_read:
            hide_checksums(answer.headers)
            return
        checksum = await self._writes.computed_checksum(call, version, emulators_checksum.algorithm)
        size = int(answer.headers.get("Content-Length", "0"))
        healed = ObjectFacts(etag.strip('"'), size, checksum, overrides=True)
        if "versionId" not in call.query:
            self._memory.written(call.bucket, call.key, version, healed)
        show_checksum(answer.headers, checksum)

    async def _show_tag_count(self, exchange: Exchange, answer: Answer) -> None:
        call = exchange.call
        if "x-amz-tagging-count" in answer.headers or not self._memory.maybe_tagged(call.bucket, call.key):
            return
        version = {"versionId": call.query["versionId"]} if "versionId" in call.query else {}
        target = object_target(call.bucket, call.key, tagging="", **version)
        tags = await self._upstream.get(target, call)
        count = tags.body.count(b"<Tag>") if tags.ok else 0
        if count:
            answer.headers["x-amz-tagging-count"] = str(count)

    async def _head_part(self, exchange: Exchange, answer: Answer) -> Answer:
        """Answer HEAD with partNumber: one part's length, and the number of parts. The emulator still lists the
        parts."""
        number = int(exchange.call.query["partNumber"] or 0)
        total = int(answer.headers.get("Content-Length", "0"))
        sizes = await self._part_sizes(exchange) or {1: total}
        if number not in sizes:
            raise S3Error(416, "InvalidPartNumber", "The requested partnumber is not satisfiable")
        start = sum(size for part, size in sizes.items() if part < number)
        headers = CIMultiDict(answer.headers)
        hide_checksums(headers)
        headers["Content-Length"] = str(sizes[number])
        if sizes[number]:
            headers["Content-Range"] = f"bytes {start}-{start + sizes[number] - 1}/{total}"
        if "-" in headers.get("ETag", ""):
            headers["x-amz-mp-parts-count"] = str(len(sizes))
        return Answer(206, headers)

    async def _part_sizes(self, exchange: Exchange) -> dict[int, int]:
        """Return the parts' sizes in bytes by number; empty if the object was made in one piece."""
        call = exchange.call
        version = {"versionId": call.query["versionId"]} if "versionId" in call.query else {}
        target = object_target(call.bucket, call.key, attributes="", **version)
        headers = {"x-amz-object-attributes": "ObjectParts", "x-amz-max-parts": str(limits.PARTS_MAX)}
        attributes = await self._upstream.get(target, call, headers)
        if not attributes.ok:
            return {}
        sizes: dict[int, int] = {}
        for element in ElementTree.fromstring(attributes.body).iter():
            if element.tag.rpartition("}")[2] == "Part":
                texts = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
                sizes[int(texts["PartNumber"])] = int(texts["Size"])
        return sizes


def _wants_checksum(exchange: Exchange) -> bool:
    return exchange.headers.get(MODE_HEADER, "").upper() == "ENABLED"
