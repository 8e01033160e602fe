"""Keep one lock for each S3 key. Every request that writes to the key holds it.

The emulator checks and writes in one step, but the gateway's own checks are two requests (HEAD, then the write). These
locks make the two atomic for every client, since nobody reaches the emulator but through the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class KeyLocks:
    """Locks that exist only while a request holds or awaits them, so memory stays flat over millions of keys."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @asynccontextmanager
    async def holding(self, bucket: str, key: str) -> AsyncIterator[None]:
        entry = self._entries.setdefault((bucket, key), _Entry())
        entry.users += 1
        try:
            async with entry.lock:
                yield
        finally:
            entry.users -= 1
            if not entry.users:
                del self._entries[(bucket, key)]

    @asynccontextmanager
    async def holding_all(self, bucket: str, keys: Iterable[str]) -> AsyncIterator[None]:
        """Hold the locks of all keys. They are taken in sorted order, so that two callers can't wait for each other."""
        async with AsyncExitStack() as stack:
            for key in sorted(set(keys)):
                await stack.enter_async_context(self.holding(bucket, key))
            yield
