"""Decode the aws-chunked encoding of request bodies as they stream by. This module is pure.

Source: S3 API reference, "Signature calculations: transferring payload in multiple chunks": frames of
`<hex size>[;chunk-signature=...]\r\n<bytes>\r\n`, ended by a frame of size 0, trailing headers and an empty line.
"""

from __future__ import annotations

from collections.abc import Mapping

from local.gateway.errors import S3Error

_LINE_MAX_BYTES = 8192


def is_aws_chunked(headers: Mapping[str, str]) -> bool:
    return "aws-chunked" in headers.get("Content-Encoding", "") or headers.get("x-amz-content-sha256", "").startswith(
        "STREAMING-"
    )


class AwsChunkedDecoder:
    """Decodes one body. `feed` takes the body piece by piece and returns the payload. The trailers are available after
    `finish`."""

    def __init__(self) -> None:
        self.trailers: dict[str, str] = {}
        self._buffer = bytearray()
        self._left = 0
        """Payload bytes of the current frame still to come."""
        self._after_frame = False
        self._ended = False

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        payload: list[bytes] = []
        while not self._ended and self._step(payload):
            pass
        return b"".join(payload)

    def finish(self) -> None:
        """Parse the trailers, after the body's last byte. Raises S3Error if the body is incomplete."""
        if not self._ended:
            raise _incomplete()
        for line in bytes(self._buffer).split(b"\r\n"):
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                self.trailers[name.strip().lower()] = value.strip()

    def _step(self, payload: list[bytes]) -> bool:
        """Process one more piece of the buffer. Return False if more data is needed."""
        if self._left:
            piece = bytes(self._buffer[: self._left])
            del self._buffer[: len(piece)]
            self._left -= len(piece)
            self._after_frame = not self._left
            payload.append(piece)
            return bool(piece)
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _LINE_MAX_BYTES:
                raise _incomplete()
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._after_frame:  # the line break that closes a frame
            self._after_frame = False
            if line:
                raise _incomplete()
            return True
        self._left = _frame_size(line)
        self._ended = not self._left
        return True


def _frame_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise _incomplete() from None


def _incomplete() -> S3Error:
    message = "The request body terminated unexpectedly"
    return S3Error(400, "IncompleteBody", message)
