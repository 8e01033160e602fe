"""Defines one object of a job as data: the row that is planned, and its outcome."""

from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.objects import Checksum


class Outcome(StrEnum):
    """The outcome of one row. Every row of a settled job has exactly one."""

    COPIED = "COPIED"
    UNCHANGED = "UNCHANGED"
    SOURCE_CHANGED = "SOURCE_CHANGED"
    SOURCE_GONE = "SOURCE_GONE"
    DESTINATION_CONFLICT = "DESTINATION_CONFLICT"
    DENIED = "DENIED"
    ARCHIVED = "ARCHIVED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    DELETED = "DELETED"
    """It is no longer at the destination, as was asked for."""
    KEPT = "KEPT"
    """It was to be deleted, and was left where it is: the detail says why."""
    SET_ASIDE = "SET_ASIDE"
    """Never a row's end. The end is in the receipt of the partition to which the row was set aside, or from which it
    came."""

    @property
    def is_end(self) -> bool:
        return self is not Outcome.SET_ASIDE

    @property
    def good(self) -> bool:
        """True if the destination holds what was asked for, or no longer holds what was to be deleted."""
        return self in (Outcome.COPIED, Outcome.UNCHANGED, Outcome.DELETED)


class OverwriteMode(StrEnum):
    """How to treat an object that is at the destination already. It is applied when the row is planned."""

    IF_CHANGED = "if-changed"
    NEVER = "never"
    ALWAYS = "always"
    FAIL = "fail"


class Method(StrEnum):
    """How a row is carried out."""

    NONE = "NONE"
    """Nothing to do: the row was decided when it was planned."""
    COPY = "COPY"
    """One CopyObject."""
    MULTIPART = "MULTIPART"
    """CreateMultipartUpload, UploadPartCopy for each part, CompleteMultipartUpload."""
    DELETE = "DELETE"
    """One DeleteObject of what has no counterpart at the source."""


class Verification(StrEnum):
    """How the destination object was recognised as the pinned source."""

    ETAG = "etag"
    CHECKSUM = "checksum"
    SIZE = "size"
    """Only the size agrees: neither side offers anything stronger. It is never called verified."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PartPlan:
    """The sizes of a multipart copy's upload parts, as runs of (bytes, how many), in order. It is deterministic for a
    row: every worker, in either Region, cuts the same parts, so any worker can continue what another began."""

    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The outcome of a row, with the evidence. `key` is the source key."""

    key: str
    outcome: Outcome
    detail: str = ""
    etag: str | None = None
    """The destination object's ETag when it was last seen."""
    version_id: str | None = None
    checksum: Checksum | None = None
    verification: Verification = Verification.NONE


@dataclass(frozen=True, slots=True)
class Row:
    """One object to deliver: exactly which source bytes, to which key, and under which precondition.

    `expected_target_etag` is the destination's ETag when the row was planned, None for "nothing there". It is never
    refreshed. This makes a second publish by a late worker fail at S3.

    In a row to DELETE, `key` is the key that a counterpart at the source would have, `size` is the target object's, and
    `source_etag` is "", since there is no source. The object with the ETag `expected_target_etag` is to be deleted, and
    nothing else.
    """

    key: str
    target: str
    size: int
    source_etag: str
    expected_target_etag: str | None
    method: Method
    version_id: str | None = None
    modified_ms: int = 0
    """The source's LastModified. With the ETag it tells versions apart where a bucket keeps none."""
    storage_class: str = "STANDARD"
    checksum: Checksum | None = None
    parts: PartPlan | None = None
    redirect: str | None = None
    decided: RowOutcome | None = None
    version_named: bool = False
    """`version_id` was requested: a retry delivers that version again, and not the one that is current then."""

    @property
    def bytes_to_copy(self) -> int:
        return 0 if self.method is Method.DELETE else self.size
