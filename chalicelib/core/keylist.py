"""Reads lists of objects as S3 Batch Operations does: CSV without a header, one object a line, with bucket, key and
perhaps a version. Keys are URL-encoded, so a line break always ends a line; fields may be in double quotes.

A list may have any length, so it is read in pieces, and a position in it is a `Cursor`.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_to_bytes

from chalicelib.core.inputs import Named
from chalicelib.core.policy import KEY_MAX_BYTES

LINE_MAX_BYTES = 8192
"""A bucket, a key of which every byte is encoded, and a version have 4,165 bytes at most."""
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class BadLine(Exception):
    """A line that names no object of the job's source. The message says why."""


class NoList(Exception):
    """The input can't be a list at all: nothing from this point on can be read."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a list: the first byte of a line, and the number of lines before it. Its text is a manifest's
    `after`.

    In an inventory it also holds which file it is in (the offset counts decompressed bytes), and the ETag that this
    file had when its first line was read.
    """

    offset: int = 0
    lines: int = 0
    file: int = 0
    etag: str = ""

    def __str__(self) -> str:
        position = f"{self.offset}:{self.lines}"
        return f"{position}:{self.file}:{self.etag}" if self.file or self.etag else position

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        offset, lines, file, etag = (*text.split(":", 3), *[""] * 4)[:4]
        return cls(int(offset or "0"), int(lines or "0"), int(file or "0"), etag)

    @property
    def position(self) -> tuple[int, int]:
        """A pair that grows along the list."""
        return self.file, self.offset


def write_line(bucket: str, name: Named) -> str:
    """Return the line that `read_line` reads as `name`."""
    fields = [bucket, quote(name.key, safe="/"), *([] if name.version_id is None else [name.version_id])]
    return ",".join(fields) + "\n"


def read_line(raw: bytes, bucket: str, prefix: str) -> Named | None:
    """Return the object that a line names, or None for an empty line. Raises BadLine if the line is not about an object
    in `bucket` under `prefix`."""
    fields = fields_of(raw)
    if not fields:
        return None
    if len(fields) not in (2, 3):
        raise BadLine(f"it has {len(fields)} fields: send bucket,key or bucket,key,version")
    if fields[0] != bucket:
        raise BadLine(f"bucket {fields[0][:64]!r} is not the source's, {bucket!r}")
    key = key_of(fields[1])
    if not key.startswith(prefix):
        raise BadLine(f"its key is not under the source's prefix, {prefix[:64]!r}")
    if key == prefix:
        raise BadLine("its key is the source's prefix itself: it names nothing below it")
    return Named(key, fields[2] if len(fields) == 3 and fields[2] else None)


def fields_of(raw: bytes) -> list[str]:
    """Return a line's fields: an empty list for an empty line. Raises BadLine if the line is not CSV in UTF-8."""
    try:
        text = raw.decode().strip("\r\n")
        [fields] = list(csv.reader([text], strict=True)) or [[]]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise BadLine(f"it is no line of CSV in UTF-8: {error}") from None
    return fields


def key_of(encoded: str) -> str:
    """Decode a URL-encoded S3 key. Raises BadLine if it is none."""
    if _BAD_ESCAPE.search(encoded):
        raise BadLine("its key has a '%' that encodes nothing: keys must be URL-encoded")
    try:
        key = unquote_to_bytes(encoded.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise BadLine("its key is not UTF-8") from None
    if not 1 <= len(key.encode()) <= KEY_MAX_BYTES:
        raise BadLine(f"its key has {len(key.encode())} bytes; S3 keys have 1 to {KEY_MAX_BYTES}")
    return key


@dataclass(slots=True)
class Lines:
    """A reader that cuts a list into lines. It is fed piece by piece, from `cursor` on."""

    cursor: Cursor
    rest: bytes = b""
    line_max_bytes: int = LINE_MAX_BYTES

    def feed(self, piece: bytes, *, end: bool) -> Iterator[tuple[bytes, Cursor]]:
        """Yield the lines that are complete now, each with the cursor after it. `end`: the list ends with this piece.
        Raises NoList if the data can't be a list."""
        data = self.rest + piece
        if self.cursor.offset == 0 and data.startswith(_GZIP):
            raise NoList("it is compressed with gzip, which can't be read in pieces: store it uncompressed")
        start = 0
        while start < len(data):
            end_of_line = data.find(b"\n", start) + 1
            if not end_of_line and not end:
                break
            line = data[start : end_of_line or len(data)]
            if len(line) > self.line_max_bytes:
                break
            start += len(line)
            next_cursor = replace(self.cursor, offset=self.cursor.offset + len(line), lines=self.cursor.lines + 1)
            content = line.removeprefix(_BYTE_ORDER_MARK) if self.cursor.offset == 0 else line
            self.cursor = next_cursor
            yield content, next_cursor
        self.rest = data[start:]
        if len(self.rest) > self.line_max_bytes and b"\n" not in self.rest[: self.line_max_bytes]:
            raise NoList(f"line {self.cursor.lines + 1} has more than {self.line_max_bytes} bytes: is it CSV?")
