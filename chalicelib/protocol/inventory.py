"""Read an S3 Inventory: its manifest.json, which is pinned when the job is accepted, and the lines of its data files.

Compressed data can't be read from the middle. So each entry of the manifest log reads its data file from the beginning,
by ranges, and drops the lines before its own position. Memory use is flat, and time grows with the square of a file's
length.
"""

import hashlib
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from chalicelib.core.inputs import Named
from chalicelib.core.inventory import LINE_MAX_BYTES, MANIFEST_MAX_BYTES, Inventory, InventoryFile, read_manifest
from chalicelib.core.jobs import JobSpec, ObjectList
from chalicelib.core.keylist import Cursor, Lines, NoList
from chalicelib.core.policy import MIB
from chalicelib.ports import Env

READ_BYTES = 8 * MIB
CHUNK_BYTES = MIB
"""How many bytes are decompressed at once."""
_GZIP_WINDOW = 31
"""zlib's `wbits` for gzip."""
_Chunks = Generator[bytes, None, "zlib._Decompress"]


def inventory_of(env: Env, listed: ObjectList) -> Inventory:
    """Return the inventory that an object holds.

    Raises NoList if the object is no inventory, or if the list's endpoint doesn't cover its data files. A tenant could
    have written the inventory, and the service may read more than that tenant may.
    """
    if listed.size > MANIFEST_MAX_BYTES:
        raise NoList(f"it has {listed.size} bytes; a manifest.json has at most {MANIFEST_MAX_BYTES}")
    raw = _read(env, listed, 0, listed.size) if listed.size else b""
    inventory = read_manifest(raw)
    if inventory.destination_bucket != listed.bucket.name:
        elsewhere = f"{inventory.destination_bucket[:64]!r}, not in its own, {listed.bucket.name!r}"
        raise NoList(f"its files are in bucket {elsewhere}")
    covered_prefix = listed.key.removesuffix(listed.name)
    for file in inventory.files:
        if not file.key.startswith(covered_prefix):
            raise NoList(f"its file {file.key[-64:]!r} is not under the prefix of endpoint {listed.endpoint!r}")
    return inventory


def _read(env: Env, listed: ObjectList, first: int, upto: int) -> bytes:
    """Return the bytes from `first` to `upto` (exclusive), read by ranges."""
    pieces = (
        env.store.read(
            listed.bucket, listed.key, listed.etag, at, min(at + READ_BYTES, upto) - 1, version_id=listed.version_id
        )
        for at in range(first, upto, READ_BYTES)
    )
    return b"".join(pieces)


@dataclass(frozen=True, slots=True)
class InventoryLines:
    """Iterates over the lines of all data files of an inventory, and parses them."""

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
        """Yield the lines from `cursor` on, each with the cursor after it. After a file's last line, that cursor is the
        beginning of the next file: so no reader reads a file only to find that nothing is left in it."""
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
        """Return the ETag of a data file. Every later cursor into the file holds it, so all reads are of the same
        version. Raises NoList if the file is missing, or has another size than manifest.json says."""
        head = self.env.store.head(self.listed.bucket, file.key)
        if head is None:
            raise NoList(f"its file {file.key!r} is not there")
        if head.facts.size != file.size:
            raise NoList(f"its file {file.key!r} has {head.facts.size} bytes; manifest.json says {file.size}")
        return head.facts.etag

    def _decompressed(self, file: InventoryFile, etag: str) -> Iterator[bytes]:
        """Yield all of a data file, decompressed. At the end it is checked against its MD5, since under SSE-KMS an ETag
        is no MD5. Raises NoList if the file doesn't match."""
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
    """Yield the decompressed content of one more piece, in chunks. Return the decompressor: a gzip file may consist of
    several members, one after the other."""
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
