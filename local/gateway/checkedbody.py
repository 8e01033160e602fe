"""Checksum a request body as it passes, and never pass all of it on if its checksum is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator

from local.gateway.awschunked import AwsChunkedDecoder
from local.gateway.checksums import Digest, bad_digest, value_header
from local.gateway.errors import S3Error
from local.gateway.exchange import Body


class CheckedBody:
    """A body that is checked. `expected` is the checksum that a header named, or empty; a trailer may still name it.

    The last piece is held back until the checksum is known. On a mismatch the emulator never gets a complete body, so
    it stores nothing. Then `error` tells the sender of this body why it broke off.
    """

    def __init__(self, body: Body, algorithm: str, expected: str, *, chunked: bool) -> None:
        self._body = body
        self._algorithm = algorithm
        self._expected = expected
        self._decoder = AwsChunkedDecoder() if chunked else None
        self._digest = Digest(algorithm)
        self.size = 0
        self.error: S3Error | None = None

    def value(self) -> str:
        return self._digest.value()

    def forwarded(self) -> Body:
        """Return the payload, without any chunk encoding. Raises S3Error at once if the body is in memory and wrong."""
        if isinstance(self._body, bytes):
            payload = self._decoded(self._body)
            self._finish()
            return payload
        return self._stream(self._body)

    async def _stream(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        held_back = b""
        try:
            async for chunk in body:
                payload = self._decoded(chunk)
                if payload:
                    if held_back:
                        yield held_back
                    held_back = payload
            self._finish()
        except S3Error as error:
            self.error = error
            raise
        if held_back:
            yield held_back

    def _decoded(self, chunk: bytes) -> bytes:
        payload = self._decoder.feed(chunk) if self._decoder else chunk
        self._digest.update(payload)
        self.size += len(payload)
        return payload

    def _finish(self) -> None:
        expected = self._expected
        if self._decoder is not None:
            self._decoder.finish()
            expected = expected or self._decoder.trailers.get(value_header(self._algorithm), "")
        if expected and expected != self.value():
            raise bad_digest(self._algorithm)
