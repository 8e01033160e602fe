"""Hold requests that are accepted and never answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import aiohttp
from aiohttp import web

_LOOK_EVERY_SECONDS = 0.2


class Hanging:
    """Holds requests until their client disconnects or the cause of the hanging is removed.

    One task looks after all of them: a held request costs its connection and a little memory, and no processor time of
    its own. So thousands of them don't keep the gateway from answering others.
    """

    def __init__(self) -> None:
        self._held: dict[asyncio.Future[None], tuple[web.BaseRequest, Callable[[], bool]]] = {}

    def __len__(self) -> int:
        return len(self._held)

    async def hold(self, request: web.BaseRequest, is_held: Callable[[], bool]) -> None:
        """Read the request and answer nothing while `is_held()` is true."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held[ended] = (request, is_held)
        # The body is read in a task of its own. Otherwise, while a body is sent slowly, the end of the rule would go
        # unnoticed.
        reading = None if request.content.is_eof() else asyncio.create_task(_read(request))
        try:
            await ended
        finally:
            del self._held[ended]
            if reading is not None:
                reading.cancel()

    async def watch_forever(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            for ended, (request, is_held) in list(self._held.items()):
                disconnected = request.transport is None or request.transport.is_closing()
                if not ended.done() and (disconnected or not is_held()):
                    ended.set_result(None)


async def _read(request: web.BaseRequest) -> None:
    with contextlib.suppress(OSError, aiohttp.ClientError, web.RequestPayloadError):
        async for _ in request.content.iter_any():
            pass
