"""What of a source a job is about, beside its prefix."""

from dataclasses import dataclass
from enum import StrEnum


class StorageClass(StrEnum):
    """As S3 names them."""

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
    """Which objects under a prefix are meant (`core.filters`). What is not given lets everything pass."""

    include: tuple[str, ...] = ()
    """Globs on the key below the job's prefix, of which any must match."""
    exclude: tuple[str, ...] = ()
    """Globs of which none may match."""
    size_min_bytes: int | None = None
    size_max_bytes: int | None = None
    modified_since_ms: int | None = None
    modified_before_ms: int | None = None
    storage_classes: tuple[str, ...] = ()


NO_FILTERS = Filters()


class ListFormat(StrEnum):
    """How an object lists others."""

    CSV = "csv"
    INVENTORY = "inventory"


@dataclass(frozen=True, slots=True)
class Named:
    """An object that somebody has named: whatever is there under its key, or just this version of it."""

    key: str
    version_id: str | None = None
