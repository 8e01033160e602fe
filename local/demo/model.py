"""Define the demo's data: objects as they are sent, and as they are found at the other end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

MIB = 1024 * 1024


class DemoError(RuntimeError):
    """The demo can't go on. The message says why, and what to do or where to look."""


@dataclass(frozen=True)
class Lane:
    """A way from West's source bucket to a target bucket."""

    source_prefix: str
    target_side: str
    target_prefix: str

    def source_key(self, name: str) -> str:
        return self.source_prefix + name

    def target_key(self, name: str) -> str:
        return self.target_prefix + name


class Route(Enum):
    """How an object travels."""

    JOB = Lane("outbox/", "east", "from-west/")
    FEED = Lane("inbox/", "west", "inbox/")
    """The lane of the feed west-inbox, whose endpoints contain both prefixes."""


KEY_MAX_BYTES = 1024
NAME_MAX_BYTES = KEY_MAX_BYTES - max(
    len(prefix) for route in Route for prefix in (route.value.source_prefix, route.value.target_prefix)
)
"""The longest name, in bytes, that is a valid key on every lane, at both ends."""


@dataclass(frozen=True)
class Properties:
    """Everything an object carries beside its bytes. Metadata names are in lower case, as S3 keeps them."""

    content_type: str = "application/octet-stream"
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    expires: str | None = None
    """An HTTP date."""
    storage_class: str = "STANDARD"
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Upload:
    """How the partner's tool uploads an object. The ETag, and the checksums that S3 keeps, depend on it."""

    part_bytes: int | None = None
    """Size of the upload parts; None for an upload in one request."""
    checksum: str | None = "CRC32"
    """CRC32 is boto3's default, CRC64NVME that of newer command lines, None that of older tools."""


@dataclass(frozen=True)
class Item:
    """One object to send. `body` is a file, or the bytes themselves if no file can have the object's name."""

    name: str
    route: Route
    body: Path | bytes
    size: int
    properties: Properties = field(default_factory=Properties)
    upload: Upload = field(default_factory=Upload)

    @property
    def source_key(self) -> str:
        return self.route.value.source_key(self.name)

    @property
    def target(self) -> tuple[str, str]:
        """The side ("west" or "east") and the key where it has to arrive."""
        return self.route.value.target_side, self.route.value.target_key(self.name)


@dataclass(frozen=True)
class Facts:
    """An object as it was sent, or as it was found."""

    size: int
    sha256: str
    properties: Properties


@dataclass(frozen=True)
class Found:
    """An object downloaded from a target."""

    facts: Facts
    etag: str
