"""Defines S3's terms as data: buckets, objects, and what HEAD and LIST say about them."""

from dataclasses import dataclass, field
from enum import StrEnum


class ChecksumType(StrEnum):
    """Whether a checksum is of the whole object, or of its upload parts' checksums."""

    FULL_OBJECT = "FULL_OBJECT"
    COMPOSITE = "COMPOSITE"


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum that S3 keeps beside an object. `value` is base64, or "" where only its existence is known (LIST)."""

    algorithm: str
    type: ChecksumType
    value: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, its Region, and the account that must own it (`ExpectedBucketOwner`), if known."""

    name: str
    region: str
    owner: str | None = None
    requester_pays: bool = False
    """The requester pays, and must say so in every request, HEAD and LIST included, or S3 answers 403."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """The facts that S3 gave about one object, by LIST or by HEAD. LIST leaves the later fields unknown (None)."""

    key: str
    size: int
    etag: str
    storage_class: str = "STANDARD"
    last_modified_ms: int = 0
    checksum: Checksum | None = None
    version_id: str | None = None
    encryption: str | None = None
    """`AES256`, `aws:kms`, `aws:kms:dsse`, or "" when HEAD showed none; None: not looked at."""
    restored: bool = False
    """An archived object of which a restored copy is readable now."""


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties that a multipart copy loses unless they are restated."""

    content_type: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    expires: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    redirect: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """The answer to a HEAD: the facts, the properties, and the number of upload parts (0 where S3 didn't say)."""

    facts: ObjectFacts
    properties: Properties
    parts_count: int = 0
    tags_count: int = 0
    age_ms: int = field(default=0, compare=False)
    """Age since the last modification by the store's own clock: its answer's Date header less Last-Modified, in
    milliseconds."""
