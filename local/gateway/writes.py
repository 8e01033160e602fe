"""Handle PutObject, CopyObject and deletes: every request that changes a key, one at a time for each key."""

from __future__ import annotations

from xml.etree import ElementTree

from local.gateway import checksums, limits
from local.gateway.answers import etag_in, show_checksum, with_checksum
from local.gateway.checksums import FULL_OBJECT, Checksum, Digest
from local.gateway.classify import Call, split_copy_source
from local.gateway.conditions import Conditions, violation
from local.gateway.errors import S3Error, invalid_request, raise_if
from local.gateway.exchange import Answer, Exchange
from local.gateway.memory import ObjectFacts
from local.gateway.s3state import S3State
from local.gateway.upstream import object_target

# A copy of an object onto itself must change one of these, else S3 refuses it (API reference, CopyObject).
_CHANGES = (
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    checksums.ALGORITHM_HEADER,
)
_SELF_COPY = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
    "metadata, storage class, website redirect location or encryption attributes."
)


class Writes:
    def __init__(self, state: S3State) -> None:
        self._state = state
        self._upstream = state.upstream
        self._memory = state.memory

    async def put_object(self, exchange: Exchange) -> Answer:
        call = exchange.call
        check_new_object(exchange)
        # The body is read before the lock: a client that sends a short body slowly must not keep others from the key.
        await exchange.load_body()
        async with self._state.locks.holding(call.bucket, call.key):
            answer = await self._upstream.send(exchange)
            if answer.ok:
                checksum = checksums.declared(exchange.headers)
                facts = ObjectFacts(answer.headers.get("ETag", "").strip('"'), _payload_size(exchange), checksum)
                self._memory.written(call.bucket, call.key, answer.version, facts)
                await self.settle_tags(call, bool(exchange.headers.get("x-amz-tagging")))
                if checksum is not None and checksum.value:
                    show_checksum(answer.headers, checksum)
            return answer

    async def copy_object(self, exchange: Exchange) -> Answer:
        call, headers = exchange.call, exchange.headers
        check_new_object(exchange)
        bucket, key, version = split_copy_source(headers["x-amz-copy-source"])
        if (bucket, key, version) == (call.bucket, call.key, "") and not _changes_something(exchange):
            raise invalid_request(_SELF_COPY)
        source = self._memory.recall(bucket, key, version)
        if source is not None and source.size is not None:
            raise_if(limits.copy_too_large(source.size, self._state.limits))
        async with self._state.locks.holding(call.bucket, call.key):
            await self._check_destination(exchange)
            answer = await self._upstream.send(exchange, buffered=True)
            if answer.ok:
                await self._remember_copy(exchange, answer, (bucket, key, version))
            return answer

    async def delete_object(self, exchange: Exchange) -> Answer:
        call = exchange.call
        async with self._state.locks.holding(call.bucket, call.key):
            answer = await self._upstream.send(exchange)
            # A delete that was refused, or that named a version, leaves the current version's facts true.
            if answer.ok and "versionId" not in call.query:
                self._memory.deleted(call.bucket, call.key)
            return answer

    async def delete_objects(self, exchange: Exchange) -> Answer:
        bucket = exchange.call.bucket
        keys = _keys_named(await exchange.load_document())
        async with self._state.locks.holding_all(bucket, keys):
            answer = await self._upstream.send(exchange)
            for key in keys if answer.ok else ():
                self._memory.deleted(bucket, key)
            return answer

    async def put_object_tagging(self, exchange: Exchange) -> Answer:
        self._memory.tag(exchange.call.bucket, exchange.call.key)
        return await self._upstream.send(exchange)

    async def settle_tags(self, call: Call, tagged: bool) -> None:
        """Delete the tags that a new object has not got by its own request. The emulator leaves it those of the
        previous object."""
        if tagged:
            self._memory.tag(call.bucket, call.key)
        elif self._memory.maybe_tagged(call.bucket, call.key):
            await self._upstream.delete(object_target(call.bucket, call.key) + "?tagging", call)

    async def computed_checksum(self, call: Call, version: str, algorithm: str) -> Checksum:
        """Compute the FULL_OBJECT checksum of an existing object by reading it."""
        digest = Digest(algorithm)
        target = object_target(call.bucket, call.key, **({"versionId": version} if version else {}))
        async with self._upstream.reading(target, call, {}) as response:
            response.raise_for_status()
            async for chunk in response.content.iter_any():
                digest.update(chunk)
        return Checksum(algorithm, FULL_OBJECT, digest.value())

    async def _check_destination(self, exchange: Exchange) -> None:
        """Raise S3Error if the write's conditions don't hold. Call it under the key's lock. The headers themselves go
        on to the emulator, which ignores them."""
        conditions = Conditions(exchange.headers.get("If-Match", ""), exchange.headers.get("If-None-Match", ""))
        if not conditions.any:
            return
        head = await self._upstream.head_object(exchange.call)
        if not head.ok and head.status != 404:
            # A write whose conditions can't be checked is not carried out.
            raise S3Error(500, "InternalError", f"The destination can't be checked: HEAD answers {head.status}.")
        etag = head.headers.get("ETag", "") if head.ok else None
        raise_if(violation(conditions, etag, exchange.call.key))

    async def _remember_copy(self, exchange: Exchange, answer: Answer, source: tuple[str, str, str]) -> None:
        """Remember a copy's facts. Its checksum is its source's, or one of the algorithm that was asked for."""
        call, headers = exchange.call, exchange.headers
        etag, version = etag_in(answer.body), answer.version
        origin = self._memory.facts(*source, etag)
        requested_algorithm = headers.get(checksums.ALGORITHM_HEADER, "").upper()
        if requested_algorithm and not (
            origin and origin.checksum and origin.checksum.algorithm == requested_algorithm
        ):
            checksum = await self.computed_checksum(call, version, requested_algorithm)
            facts: ObjectFacts | None = ObjectFacts(etag, origin.size if origin else None, checksum, overrides=True)
        elif origin is not None and origin.checksum is not None and origin.checksum.kind != FULL_OBJECT:
            # A copy is one piece, so its checksum is the whole object's. reads.py computes it when a client asks for
            # it.
            facts = ObjectFacts(etag, origin.size, Checksum(origin.checksum.algorithm, FULL_OBJECT))
        else:
            facts = origin
        self._memory.written(call.bucket, call.key, version, facts)
        if headers.get("x-amz-tagging-directive", "COPY").upper() == "REPLACE":
            tagged = bool(headers.get("x-amz-tagging"))
        else:
            tagged = self._memory.maybe_tagged(source[0], source[1])
        if tagged:
            self._memory.tag(call.bucket, call.key)
        if facts is not None and facts.checksum is not None and facts.checksum.value:
            answer.replace_body(with_checksum(answer.body, "CopyObjectResult", facts.checksum))


def check_new_object(exchange: Exchange) -> None:
    """Check S3's requirements for any request that makes an object. Raises S3Error."""
    raise_if(limits.key_too_long(exchange.call.key))
    raise_if(limits.metadata_too_large(exchange.headers.items()))


def _payload_size(exchange: Exchange) -> int | None:
    decoded = exchange.headers.get("x-amz-decoded-content-length", "")
    return int(decoded) if decoded.isdigit() else exchange.content_length


def _changes_something(exchange: Exchange) -> bool:
    replaced = exchange.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
    return replaced or any(name in exchange.headers for name in _CHANGES)


def _keys_named(body: bytes) -> list[str]:
    """Return the keys of a DeleteObjects; none if it is malformed, which the emulator then reports itself."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return []
    return [element.text for element in root.iter() if element.tag.rpartition("}")[2] == "Key" and element.text]
