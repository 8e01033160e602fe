"""Enforce S3's documented limits that the emulator does not enforce. This module is pure.

Source: S3 user guide, "Multipart upload limits", "Naming Amazon S3 objects", "Working with object metadata"; API
reference, CopyObject and UploadPartCopy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from local.gateway.errors import S3Error, invalid_request

MIB = 1024 * 1024
KEY_MAX_BYTES = 1024
METADATA_MAX_BYTES = 2048
PAGE_MAX = 1000
PARTS_MAX = 10_000
TAGS_MAX = 10

_METADATA_PREFIX = "x-amz-meta-"
_PAGE_PARAMETERS = {
    "ListObjects": "max-keys",
    "ListObjectsV2": "max-keys",
    "ListObjectVersions": "max-keys",
    "ListParts": "max-parts",
    "ListMultipartUploads": "max-uploads",
}


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Limits in bytes, by default AWS's. A demo on a small machine may lower them to show large-object paths
    cheaply."""

    part_min: int = 5 * MIB
    copy_max: int = 5 * 1024 * MIB
    range_source_min: int = 5 * MIB
    """A range may be copied only from a source larger than 5 MB."""


def key_too_long(key: str) -> S3Error | None:
    size = len(key.encode("utf-8", "surrogateescape"))
    if size <= KEY_MAX_BYTES:
        return None
    return S3Error(
        400, "KeyTooLongError", "Your key is too long", {"Size": str(size), "MaxSizeAllowed": str(KEY_MAX_BYTES)}
    )


def metadata_too_large(headers: Iterable[tuple[str, str]]) -> S3Error | None:
    """Return an error if the user metadata is too large. It counts as the UTF-8 bytes of every name (without
    x-amz-meta-) and value."""
    size = 0
    for name, value in headers:
        if name.lower().startswith(_METADATA_PREFIX):
            size += len(name) - len(_METADATA_PREFIX) + len(value.encode("utf-8", "surrogateescape"))
    if size <= METADATA_MAX_BYTES:
        return None
    return S3Error(
        400,
        "MetadataTooLarge",
        "Your metadata headers exceed the maximum allowed metadata size",
        {"Size": str(size), "MaxSizeAllowed": str(METADATA_MAX_BYTES)},
    )


def bad_part_number(text: str) -> S3Error | None:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= PARTS_MAX:
        return None
    message = f"Part number must be an integer between 1 and {PARTS_MAX}, inclusive"
    return S3Error(400, "InvalidArgument", message, {"ArgumentName": "partNumber", "ArgumentValue": text})


def copy_too_large(size: int, limits: SizeLimits) -> S3Error | None:
    if size <= limits.copy_max:
        return None
    return invalid_request(
        f"The specified copy source is larger than the maximum allowable size for a copy source: {limits.copy_max}"
    )


def range_source_too_small(size: int, limits: SizeLimits) -> S3Error | None:
    if size > limits.range_source_min:
        return None
    return invalid_request("The specified copy source is not supported as a byte-range copy source")


def capped_page(operation: str, target: str) -> str:
    """Return the request target with its page size cut to S3's maximum. S3 caps it without an error."""
    parameter = _PAGE_PARAMETERS.get(operation)
    if parameter is None:
        return target
    return re.sub(rf"(?<=[?&]{parameter}=)(\d+)", _capped, target)


def _capped(match: re.Match[str]) -> str:
    return str(min(int(match.group(1)), PAGE_MAX))
