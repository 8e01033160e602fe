"""Reading an S3 Inventory: its manifest.json, pinned when the job is accepted, and the lines of its data files.

Compressed data can't be read from the middle: every link of the chain reads its data file from the beginning, by
ranges, and drops what comes before its place. So memory is flat, and time grows with the square of a file's length.
"""

import hashlib
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from chalicelib.core.inputs import Named
from chalicelib.core.inventory import LINE_MAX_BYTES, MANIFEST_MAX_BYTES, Inventory, InventoryFile, read_manifest
from chalicelib.core.keylist import Cursor, Lines, NoList
from chalicelib.core.model import JobSpec, ObjectList
from chalicelib.core.policy import MIB
from chalicelib.ports import Env

READ_BYTES = 8 * MIB
CHUNK_BYTES = MIB
"""How much is decompressed at once."""
_GZIP_WINDOW = 31
"""zlib's `wbits` for gzip."""
_Chunks = Generator[bytes, None, "zlib._Decompress"]


def inventory_of(env: Env, listed: ObjectList) -> Inventory:
    """Raises NoList if it is none, or one whose data files the list's endpoint doesn't cover: an inventory is
    somebody's text, and the service may read more than he may."""
    if listed.size > MANIFEST_MAX_BYTES:
        raise NoList(f"it has {listed.size} bytes; a manifest.json has at most {MANIFEST_MAX_BYTES}")
    raw = _read(env, listed, 0, listed.size) if listed.size else b""
    found = read_manifest(raw)
    if found.destination_bucket != listed.bucket.name:
        where = f"{found.destination_bucket[:64]!r}, not in its own, {listed.bucket.name!r}"
        raise NoList(f"its files are in bucket {where}")
    covered = listed.key.removesuffix(listed.name)
    for file in found.files:
        if not file.key.startswith(covered):
            raise NoList(f"its file {file.key[-64:]!r} is not under the prefix of endpoint {listed.endpoint!r}")
    return found


def _read(env: Env, listed: ObjectList, first: int, upto: int) -> bytes:
    """Bytes first..upto (exclusive), by ranges."""
    pieces = (
        env.store.read(
            listed.bucket, listed.key, listed.etag, at, min(at + READ_BYTES, upto) - 1, version_id=listed.version_id
        )
        for at in range(first, upto, READ_BYTES)
    )
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class InventoryLines:
    """The lines of all of an inventory's data files, and what they name."""

    env: Env
    spec: JobSpec
    listed: ObjectList
    inventory: Inventory

    @classmethod
    def open(cls, env: Env, spec: JobSpec) -> "InventoryLines":
        assert spec.listed is not None, "only of a job by list"
        return cls(env, spec, spec.listed, inventory_of(env, spec.listed))

    def named(self, raw: bytes) -> Named | None:
        return self.inventory.named(raw, self.spec.source_prefix)

    def where(self, at: Cursor) -> str:
        return f"line {at.lines + 1} of file {at.file + 1} of the inventory"

    def lines(self, cursor: Cursor) -> Iterator[tuple[bytes, Cursor]]:
        """From `cursor` on, each with the cursor after it. After a file's last line that is the next file's beginning,
        so that nobody reads a file only to find that nothing is left of it."""
        for index in range(cursor.file, len(self.inventory.files)):
            before: bytes | None = None
            after = Cursor(file=index)
            for raw, following in self._lines_of(index, cursor if index == cursor.file else after):
                if before is not None:
                    yield before, after
                before, after = raw, following
            if before is not None:
                yield before, Cursor(file=index + 1)

    def _lines_of(self, index: int, cursor: Cursor) -> Iterator[tuple[bytes, Cursor]]:
        file = self.inventory.files[index]
        at = cursor if cursor.etag else replace(cursor, etag=self._pinned(file))
        lines, before = Lines(at, line_max_bytes=LINE_MAX_BYTES), at.offset
        for chunk in self._decompressed(file, at.etag):
            if before < len(chunk):
                yield from lines.feed(chunk[before:], end=False)
            before = max(before - len(chunk), 0)
        yield from lines.feed(b"", end=True)

    def _pinned(self, file: InventoryFile) -> str:
        """The file's ETag, which every later cursor into it holds: so all of it is read from one and the same."""
        head = self.env.store.head(self.listed.bucket, file.key)
        if head is None:
            raise NoList(f"its file {file.key!r} is not there")
        if head.facts.size != file.size:
            raise NoList(f"its file {file.key!r} has {head.facts.size} bytes; manifest.json says {file.size}")
        return head.facts.etag

    def _decompressed(self, file: InventoryFile, etag: str) -> Iterator[bytes]:
        """All of a data file. At its end it is held against its MD5: an ETag is none under SSE-KMS."""
        digest = hashlib.md5(usedforsecurity=False)
        member = zlib.decompressobj(_GZIP_WINDOW)
        for start in range(0, file.size, READ_BYTES):
            end = min(start + READ_BYTES, file.size)
            piece = self.env.store.read(self.listed.bucket, file.key, etag, start, end - 1)
            digest.update(piece)
            member = yield from _inflated(member, piece, file)
        if file.size and not member.eof:
            raise NoList(f"its file {file.key!r} ends in the middle")
        if digest.hexdigest() != file.md5:
            raise NoList(f"its file {file.key!r} is not the one that manifest.json names: its MD5 differs")


def _inflated(member: "zlib._Decompress", piece: bytes, file: InventoryFile) -> _Chunks:
    """What one more piece holds, in chunks. Returns the state: a gzip file may be several, one after the other."""
    chunk = b""
    try:
        while piece or len(chunk) == CHUNK_BYTES:
            if member.eof:
                member = zlib.decompressobj(_GZIP_WINDOW)
            chunk = member.decompress(piece, CHUNK_BYTES)
            if chunk:
                yield chunk
            piece = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof and not piece:
                break
    except zlib.error as error:
        raise NoList(f"its file {file.key!r} is not gzip: {error}") from None
    return member
