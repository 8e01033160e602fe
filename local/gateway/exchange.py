"""Hold a request on its way to the emulator, and the answer on its way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from local.gateway.classify import Call
from local.gateway.errors import S3Error, s3_error_body

BUFFERED_MAX_BYTES = 1024 * 1024
"""Bodies up to this size are held in memory; longer ones stream through."""
DOCUMENT_MAX_BYTES = 8 * 1024 * 1024
"""The longest request body that is ever parsed: a Complete of 10,000 parts with checksums is about 3 MB."""
_CHUNK_BYTES = 256 * 1024

Body = bytes | AsyncIterator[bytes]

# Hop-by-hop headers (RFC 9110 7.6.1): they describe one connection. The gateway itself answers Expect.
_NOT_FORWARDED = (
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Expect",
)


@dataclass(slots=True)
class Answer:
    """The answer for the client: a whole body, or a response of the emulator that is still to be streamed."""

    status: int
    headers: CIMultiDict[str]
    body: bytes = b""
    stream: aiohttp.ClientResponse | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def version(self) -> str:
        """The version id that it names; empty in a bucket without versions."""
        return self.headers.get("x-amz-version-id", "")

    def replace_body(self, body: bytes) -> None:
        self.body = body
        self.headers["Content-Length"] = str(len(body))

    def close(self) -> None:
        """Close a stream that nobody will read, so that its connection does not stay checked out of the pool."""
        if self.stream is not None:
            self.stream.close()


def s3_error(error: S3Error, call: Call) -> Answer:
    # An answer to HEAD has no body, as on S3: SDKs read only the status.
    body = b"" if call.operation.startswith("Head") else s3_error_body(error, f"/{call.bucket}/{call.key}")
    return Answer(error.status, CIMultiDict({"Content-Type": "application/xml"}), body)


class Exchange:
    """One client request. Rules change `target`, `headers` and `body` before it is sent on."""

    __slots__ = ("_read", "_request", "body", "call", "headers", "method", "rewritten", "target")

    def __init__(self, call: Call, request: web.BaseRequest) -> None:
        self.call = call
        self.method = request.method
        self.target = request.raw_path
        self.headers = _forwarded_headers(request)
        self.body: Body | None = None
        self.rewritten = False
        """True if something that the client signed was changed, so that its signature is no longer right."""
        self._request = request
        self._read = False

    @property
    def content_length(self) -> int | None:
        """The length of the body in bytes; None if it is unknown (chunked)."""
        return self._request.content_length

    async def load_body(self, limit: int = BUFFERED_MAX_BYTES) -> None:
        """Make `body` ready to be sent: read whole if it is known to be at most `limit` bytes, else a stream.

        Call it as late as possible: until then a client that waits for 100 Continue has not sent anything.
        """
        if self._read:
            return
        self._read = True
        if not self._request.body_exists:
            self.body = b"" if self.headers.get("Content-Length") == "0" else None
            return
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._request.writer.output_size = 0
        if self.content_length is not None and self.content_length <= limit:
            self.body = await self._request.content.read()
        else:
            self.body = self._request.content.iter_chunked(_CHUNK_BYTES)

    async def load_document(self, limit: int = DOCUMENT_MAX_BYTES) -> bytes:
        """Return the whole body, for requests whose body is a document. Raises S3Error if it is longer than `limit`
        bytes."""
        await self.load_body(limit)
        if isinstance(self.body, bytes) or self.body is None:
            return self.body or b""
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.body:
            size += len(chunk)
            if size > limit:
                raise S3Error(400, "MaxMessageLengthExceeded", "Your request was too big.")
            chunks.append(chunk)
        self.body = b"".join(chunks)
        return self.body

    def replace_body(self, body: bytes) -> None:
        self.body = body
        self.headers["Content-Length"] = str(len(body))
        self.rewritten = True

    def drop_headers(self, *names: str) -> None:
        for name in names:
            if self.headers.popall(name, None):
                self.rewritten = True

    def retarget(self, target: str) -> None:
        if target != self.target:
            self.target = target
            self.rewritten = True


def _forwarded_headers(request: web.BaseRequest) -> CIMultiDict[str]:
    headers = CIMultiDict(request.headers)
    for name in _NOT_FORWARDED:
        headers.popall(name, None)
    for name, value in request.headers.items():
        if not value.isascii():
            headers[name] = _utf8(value)
    return headers


def _utf8(value: str) -> str:
    """Return a header value that can be sent on, which only UTF-8 can. Bytes that are no UTF-8 are read as Latin-1; the
    emulator does the same."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value
