"""Defines which objects of a source a job includes, beyond its prefix."""

from dataclasses import dataclass
from enum import StrEnum


class StorageClass(StrEnum):
    """A storage class, by the name that S3 gives it."""

    STANDARD = "STANDARD"
    REDUCED_REDUNDANCY = "REDUCED_REDUNDANCY"
    STANDARD_IA = "STANDARD_IA"
    ONEZONE_IA = "ONEZONE_IA"
    INTELLIGENT_TIERING = "INTELLIGENT_TIERING"
    GLACIER_IR = "GLACIER_IR"
    GLACIER = "GLACIER"
    DEEP_ARCHIVE = "DEEP_ARCHIVE"


@dataclass(frozen=True, slots=True)
class Filters:
    """A filter on the objects under a prefix (`core.filters`). A field that is not given excludes nothing."""

    include: tuple[str, ...] = ()
    """Globs on the key below the job's prefix; at least one must match."""
    exclude: tuple[str, ...] = ()
    """Globs of which none may match."""
    size_min_bytes: int | None = None
    size_max_bytes: int | None = None
    modified_since_ms: int | None = None
    modified_before_ms: int | None = None
    storage_classes: tuple[str, ...] = ()


NO_FILTERS = Filters()


class ListFormat(StrEnum):
    """The format of an object that lists other objects."""

    CSV = "csv"
    INVENTORY = "inventory"


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a list names: this version of it, or, if none is given, whatever is there under its key."""

    key: str
    version_id: str | None = None
