"""Send an answer to the client: whole, little by little, or broken off in its middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from local.gateway.exchange import BUFFERED_MAX_BYTES, Answer

_PIECES = 20
"""The least number of pieces in which a body is sent little by little."""


async def respond(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    response: web.StreamResponse
    if answer.stream is None:
        response = web.Response(status=answer.status, headers=answer.headers, body=answer.body)
        await _settle_unread_body(request, response)
        return response
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    async with answer.stream as source:
        await response.prepare(request)
        async for chunk in source.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


async def respond_slowly(request: web.BaseRequest, answer: Answer, seconds: float) -> web.StreamResponse:
    """Send the headers at once, and the body spread over `seconds`."""
    length = _length(answer)
    if not length:
        return await respond(request, answer)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    try:
        await response.prepare(request)
        async for chunk in _pieces(answer, length):
            await asyncio.sleep(seconds * len(chunk) / length)
            await response.write(chunk)
        await response.write_eof()
    finally:
        answer.close()
    return response


async def respond_half(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    """Send the headers and half of the body; of an answer without a body, half of its headers. Then close the
    connection."""
    length = _length(answer)
    if not length:
        answer.close()
        if request.transport is not None:
            lines = [f"{name}: {value}\r\n" for name, value in answer.headers.items()]
            head = f"HTTP/1.1 {answer.status} Cut\r\n{''.join(lines)}"
            request.transport.write(head.encode(errors="surrogateescape")[: len(head) // 2])
            request.transport.close()
        return web.Response()
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    try:
        await response.prepare(request)
        remaining_bytes = length // 2
        async for chunk in _pieces(answer, length):
            await response.write(chunk[:remaining_bytes])
            remaining_bytes -= len(chunk)
            if remaining_bytes <= 0:
                break
    finally:
        answer.close()
    if request.transport is not None:
        request.transport.close()  # what has been written is sent first
    return response


def hang_up(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _length(answer: Answer) -> int:
    """Return the length in bytes of the body that is still to be sent; 0 if there is none, or if it is unknown."""
    if answer.stream is None:
        return len(answer.body)
    return answer.stream.content_length or 0


async def _pieces(answer: Answer, length: int) -> AsyncIterator[bytes]:
    """Yield the body in small pieces of one size, and shorter ones where the emulator's answer ends a piece."""
    size = -(-length // _PIECES)
    if answer.stream is None:
        for start in range(0, length, size):
            yield answer.body[start : start + size]
        return
    async for chunk in answer.stream.content.iter_chunked(size):
        yield chunk


async def _settle_unread_body(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Handle the body of a request that was answered without reading it: the connection can't carry another request
    until that body is read.

    A client that asked for 100 Continue won't send the body now, and its next request would be taken for it. So its
    connection is closed, as is that of a long body.
    """
    if request.content.is_eof():
        return
    length = request.content_length
    if length is None or length > BUFFERED_MAX_BYTES or "Expect" in request.headers:
        response.force_close()
    else:
        await request.content.read()
