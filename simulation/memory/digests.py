"""Make ETags and checksums as S3 makes them.

CRC64NVME, CRC32C and CRC32 come from awscrt, which is a development requirement like everything in here. There is no
fallback, so that a run doesn't depend on what happens to be installed.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence

from awscrt import checksums

from chalicelib.core.objects import Checksum, ChecksumType

DEFAULT_ALGORITHM = "CRC64NVME"
"""S3 attaches it to every upload that names no algorithm (since 2024-12)."""


def _crc(function: Callable[[bytes], int], width: int) -> Callable[[bytes], bytes]:
    return lambda body: int(function(body)).to_bytes(width, "big")


_DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "CRC64NVME": _crc(checksums.crc64nvme, 8),
    "CRC32C": _crc(checksums.crc32c, 4),
    "CRC32": _crc(checksums.crc32, 4),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "SHA1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
}


def full(algorithm: str, body: bytes) -> Checksum:
    return Checksum(algorithm, ChecksumType.FULL_OBJECT, _text(_DIGESTS[algorithm](body)))


def composite(algorithm: str, parts: Sequence[bytes]) -> Checksum:
    """Return the checksum of the parts' checksums, "-N"."""
    digest = _DIGESTS[algorithm]
    value = _text(digest(b"".join(digest(part) for part in parts)))
    return Checksum(algorithm, ChecksumType.COMPOSITE, f"{value}-{len(parts)}")


def etag(body: bytes) -> str:
    return _md5(body).hex()


def multipart_etag(parts: Sequence[bytes]) -> str:
    return f"{_md5(b''.join(_md5(part) for part in parts)).hex()}-{len(parts)}"


def opaque_etag(sequence: int, parts: int = 0) -> str:
    """Return an ETag as SSE-KMS shows it: it looks like an MD5, and says nothing about the content."""
    seemingly = _md5(f"opaque {sequence}".encode()).hex()
    return f"{seemingly}-{parts}" if parts else seemingly


def cut(body: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield body[start : start + size]
        start += size


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
