"""Map the operations that need more than being passed on to their handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from local.gateway import limits
from local.gateway.errors import S3Error, raise_if
from local.gateway.exchange import Answer, Exchange, s3_error
from local.gateway.partcopy import PartCopyRule
from local.gateway.reads import Reads
from local.gateway.replicator import Replicator
from local.gateway.s3state import S3State
from local.gateway.uploads import MultipartRules
from local.gateway.writes import Writes

Handler = Callable[[Exchange], Awaitable[Answer]]


class Rules:
    def __init__(self, state: S3State, replicator: Replicator) -> None:
        self._upstream = state.upstream
        self._replicator = replicator
        self._owners = state.owners
        writes = Writes(state)
        reads = Reads(state, writes)
        uploads = MultipartRules(state, writes)
        self._handlers: Mapping[str, Handler] = {
            "PutObject": writes.put_object,
            "CopyObject": writes.copy_object,
            "DeleteObject": writes.delete_object,
            "DeleteObjects": writes.delete_objects,
            "PutObjectTagging": writes.put_object_tagging,
            "HeadObject": reads.head_object,
            "GetObject": reads.get_object,
            "GetObjectAttributes": reads.get_object_attributes,
            "ListObjects": reads.list_objects,
            "ListObjectsV2": reads.list_objects,
            "ListObjectVersions": reads.list_objects,
            "ListMultipartUploads": reads.list_uploads,
            "CreateMultipartUpload": uploads.create,
            "UploadPart": uploads.upload_part,
            "UploadPartCopy": PartCopyRule(state, uploads).upload_part_copy,
            "ListParts": uploads.list_parts,
            "CompleteMultipartUpload": uploads.complete,
            "AbortMultipartUpload": uploads.abort,
        }

    async def carry_out(self, exchange: Exchange) -> Answer:
        call = exchange.call
        if call.service == "dynamodb":
            return await self._replicator.carry_out(exchange)
        if call.service != "s3":
            return await self._upstream.send(exchange)
        handler = self._handlers.get(call.operation, self._upstream.send)
        try:
            raise_if(limits.key_too_long(call.key))
            raise_if(self._owners.check(call, exchange.headers))
            answer = await handler(exchange)
        except S3Error as error:
            return s3_error(error, call)
        if answer.ok:
            self._owners.learn(call)
        return answer
