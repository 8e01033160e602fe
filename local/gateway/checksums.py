"""Find S3's checksums in headers, compute them, and combine parts' CRCs into the whole object's. This module is pure.

Source: S3 user guide, "Checking object integrity": CRCs of parts can be combined into the CRC of the whole object
(FULL_OBJECT). SHA digests can't; they give a digest of digests with "-<parts>" (COMPOSITE). CRC64NVME is FULL_OBJECT
only.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from awscrt import checksums as crt

from local.gateway.errors import S3Error, invalid_request

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"
CHECKSUM_HEADER = "x-amz-checksum-"
TYPE_HEADER = "x-amz-checksum-type"
ALGORITHM_HEADER = "x-amz-checksum-algorithm"
SDK_ALGORITHM_HEADER = "x-amz-sdk-checksum-algorithm"
MODE_HEADER = "x-amz-checksum-mode"

_ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum. `value` is base64 of the big-endian number, empty where only the algorithm is known."""

    algorithm: str
    kind: str
    value: str = ""

    @property
    def header(self) -> str:
        return value_header(self.algorithm)

    @property
    def element(self) -> str:
        return f"Checksum{self.algorithm}"


@dataclass(frozen=True, slots=True)
class _Crc:
    update: Callable[[bytes, int], int]
    combine: Callable[[int, int, int], int]
    width: int


_CRCS: Mapping[str, _Crc] = {
    "CRC32": _Crc(crt.crc32, crt.combine_crc32, 4),
    "CRC32C": _Crc(crt.crc32c, crt.combine_crc32c, 4),
    "CRC64NVME": _Crc(crt.crc64nvme, crt.combine_crc64nvme, 8),
}


class Digest:
    """A running checksum over the bytes that are fed to it."""

    def __init__(self, algorithm: str) -> None:
        self._crc = _CRCS.get(algorithm)
        self._sha = None if self._crc else hashlib.new(algorithm.lower())
        self._number = 0

    def update(self, data: bytes) -> None:
        if self._crc is not None:
            self._number = self._crc.update(data, self._number)
        elif self._sha is not None:
            self._sha.update(data)

    def value(self) -> str:
        if self._crc is not None:
            raw = self._number.to_bytes(self._crc.width, "big")
        else:
            assert self._sha is not None
            raw = self._sha.digest()
        return base64.b64encode(raw).decode()


def combined(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """Return the whole object's CRC, given each part's (value, bytes) in order."""
    crc = _CRCS[algorithm]
    number = 0
    for value, size in parts:
        number = crc.combine(number, int.from_bytes(base64.b64decode(value), "big"), size)
    return base64.b64encode(number.to_bytes(crc.width, "big")).decode()


def value_header(algorithm: str) -> str:
    return CHECKSUM_HEADER + algorithm.lower()


def declared(headers: Mapping[str, str]) -> Checksum | None:
    """Return the checksum in an upload's headers for its own bytes; without a value if it comes as a trailer."""
    trailers = headers.get("x-amz-trailer", "").lower()
    for algorithm in _ALGORITHMS:
        header = value_header(algorithm)
        if header in headers:
            return Checksum(algorithm, FULL_OBJECT, headers[header])
        if header in trailers:
            return Checksum(algorithm, FULL_OBJECT)
    return None


def shown(headers: Mapping[str, str]) -> Checksum | None:
    """Return the checksum that an answer to HEAD or GET shows."""
    checksum = declared(headers)
    return checksum and Checksum(checksum.algorithm, headers.get(TYPE_HEADER, FULL_OBJECT), checksum.value)


def full_object_algorithm(headers: Mapping[str, str]) -> str | None:
    """Return the CRC algorithm of a CreateMultipartUpload that asks for a FULL_OBJECT checksum. None if it asks for no
    checksum, or for a COMPOSITE one.

    S3's default kind is FULL_OBJECT for CRC64NVME and COMPOSITE for the others.
    """
    algorithm = headers.get(ALGORITHM_HEADER, headers.get(SDK_ALGORITHM_HEADER, "")).upper()
    kind = headers.get(TYPE_HEADER, "").upper()
    if kind and not algorithm:
        raise invalid_request(
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        )
    if (algorithm == "CRC64NVME" and kind == COMPOSITE) or (algorithm.startswith("SHA") and kind == FULL_OBJECT):
        raise invalid_request(
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    if algorithm in _CRCS and (kind == FULL_OBJECT or algorithm == "CRC64NVME"):
        return algorithm
    return None


def bad_digest(algorithm: str) -> S3Error:
    return S3Error(400, "BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def wrong_algorithm(expected: str, actual: str) -> S3Error:
    return invalid_request(
        f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()}, "
        f"actual checksum Type: {actual.lower()}"
    )


def checksum_headers(names: Iterable[str]) -> list[str]:
    """Return those header names that concern checksums."""
    prefixes = (CHECKSUM_HEADER, SDK_ALGORITHM_HEADER)
    return [name for name in names if name.lower().startswith(prefixes)]
