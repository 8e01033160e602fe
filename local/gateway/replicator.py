"""Carry writes of replicated tables from one Region's table to the other's. `replication` decides, this module acts.

Its own requests go to the emulator directly: they are not counted, and no fault or cut affects them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

from local.gateway.exchange import Answer, Exchange
from local.gateway.locks import KeyLocks
from local.gateway.replication import Change, Item, ItemId, Replication
from local.gateway.tablewrites import OPERATIONS, Write, left_undone, writes_of
from local.gateway.upstream import Upstream

_LOG = logging.getLogger("replicator")
_REQUEST_MAX_BYTES = 17 * 1024 * 1024
_BATCH_ITEMS = 25
_RETRY_MS = 1_000


class DeliveryError(RuntimeError):
    """The emulator did not take a batch."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Replicator:
    def __init__(self, upstream: Upstream, replication: Replication, clock: Callable[[], int] = _now_ms) -> None:
        self.replication = replication
        self._upstream = upstream
        self._clock = clock
        # Locks of items, by Region. A write and its stamp are one step, so that the order of stamps is the order of
        # writes.
        self._locks = KeyLocks()
        self._changed = {name: asyncio.Event() for name in replication.directions}

    def look_again(self) -> None:
        """Let the deliveries look again after a write or a change of settings."""
        for event in self._changed.values():
            event.set()

    # ---- clients' writes -------------------------------------------------------------------------------------------

    async def carry_out(self, exchange: Exchange) -> Answer:
        """Carry out a request to DynamoDB, and queue its writes to replicated tables for the other Region."""
        call, tables = exchange.call, self.replication.settings.tables
        if call.operation not in OPERATIONS or not tables:
            return await self._upstream.send(exchange)
        body = await exchange.load_document(_REQUEST_MAX_BYTES)
        writes = writes_of(call.operation, _parsed(body), tables)
        if not writes:
            return await self._upstream.send(exchange)
        async with self._holding(call.region, [write.item for write in writes]):
            answer = await self._upstream.send(exchange, buffered=True)
            if answer.ok:
                undone = left_undone(answer.body, tables) if call.operation == "BatchWriteItem" else set()
                await self._remember(call.region, [write for write in writes if write.item not in undone])
        return answer

    async def _remember(self, region: str, writes: Sequence[Write]) -> None:
        for write in writes:
            image = write.image if write.told else await self._read(region, write)
            self.replication.written(region, write.item, write.key, image, self._clock())
        self.look_again()

    async def _read(self, region: str, write: Write) -> Item | None:
        request = {"TableName": write.item.table, "Key": write.key, "ConsistentRead": True}
        answer = await self._upstream.dynamodb(region, "GetItem", request)
        image: Item | None = json.loads(answer.body).get("Item")
        return image

    # ---- delivery --------------------------------------------------------------------------------------------------

    async def deliver_forever(self) -> None:
        async with asyncio.TaskGroup() as group:
            for name in self.replication.directions:
                group.create_task(self._deliver_forever(name))

    async def _deliver_forever(self, name: str) -> None:
        changed = self._changed[name]
        while True:
            changed.clear()
            changes = self.replication.take(name, self._clock(), _BATCH_ITEMS)
            if changes:
                await self._deliver(name, changes)
                continue
            due_ms = self.replication.due_ms(name)
            timeout = None if due_ms is None else max(due_ms - self._clock(), 0) / 1000
            try:
                async with asyncio.timeout(timeout):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _deliver(self, name: str, changes: Sequence[Change]) -> None:
        target = self.replication.directions[name][1]
        async with self._holding(target, [change.item for change in changes]):
            if name in self.replication.settings.stalled:  # since it was taken
                self.replication.put_back(name, changes, self._clock())
                return
            applied = self.replication.winning(name, changes)
            try:
                await self._apply(target, applied)
            except (aiohttp.ClientError, OSError, DeliveryError) as error:
                _LOG.warning("%s: %d items not delivered, tried again later: %r", name, len(applied), error)
                self.replication.put_back(name, changes, self._clock() + _RETRY_MS)
                return
            self.replication.settle(name, changes, applied)

    async def _apply(self, region: str, changes: Sequence[Change]) -> None:
        requests: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for change in changes:
            if change.image is None:
                requests[change.item.table].append({"DeleteRequest": {"Key": change.key}})
            else:
                requests[change.item.table].append({"PutRequest": {"Item": change.image}})
        if not requests:
            return
        answer = await self._upstream.dynamodb(region, "BatchWriteItem", {"RequestItems": requests})
        if not answer.ok or json.loads(answer.body).get("UnprocessedItems"):
            raise DeliveryError(f"{answer.status} {answer.body[:500]!r}")

    def _holding(self, region: str, items: Sequence[ItemId]) -> AbstractAsyncContextManager[None]:
        return self._locks.holding_all(region, [f"{item.table}/{item.key}" for item in items])


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(body)
    except ValueError:
        return None
