"""Defines a job as data: what was accepted, what is wanted of it, and its end."""

from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.core.deletions import Deletion
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.inputs import NO_FILTERS, Filters, ListFormat
from chalicelib.core.objects import Bucket
from chalicelib.core.rows import Outcome, OverwriteMode, Verification


class JobState(StrEnum):
    """The state of a job. The last four are terminal: exactly one of them is written, once."""

    PLANNING = "PLANNING"
    RUNNING = "RUNNING"
    WAITING_FOR_REGION = "WAITING_FOR_REGION"
    """A Region whose storage the job needs can't be reached. The job continues by itself when it can be."""
    PAUSED = "PAUSED"
    """By request: nothing new is begun until the job is resumed. Copies that are under way may still arrive."""
    PLANNED = "PLANNED"
    """A plan that is complete: nothing is copied until it is approved."""
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def terminal(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED)


class CancelMode(StrEnum):
    """The meaning of a cancel of the job, chosen when the job is submitted."""

    FAST = "fast"
    """Nothing more is begun. A CopyObject that is under way can't be recalled, and may still arrive."""
    STRICT = "strict"
    """Everything is copied by multipart uploads, whose abort is a real revocation: rows that the receipts call
    CANCELLED never arrive."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """A request to copy no more of this job. It is final: a job is never un-cancelled."""

    job_id: str
    region: str
    requested_ms: int
    nonce: str


class Priority(StrEnum):
    """A job's share beside other jobs that are copied at the same time. It is no order: the lowest gets its share
    too."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def weight(self) -> int:
        """The weight by which competing jobs share the capacity: 1, 4 or 16."""
        return {Priority.LOW: 1, Priority.NORMAL: 4, Priority.HIGH: 16}[self]


class JobKind(StrEnum):
    """The kind of a job's input."""

    PREFIX = "PREFIX"
    """Everything under a prefix: split lists it."""
    FEED = "FEED"
    """A batch of events of one feed: intake cuts its only manifest."""
    RETRY = "RETRY"
    """The objects that another job didn't deliver: split reads that job's receipts."""
    KEYS = "KEYS"
    MANIFEST = "MANIFEST"
    """The objects that a list names: it came with the request (KEYS) or is an object itself (MANIFEST). Split reads
    it."""


@dataclass(frozen=True, slots=True)
class ObjectList:
    """A list of objects (`core.keylist`, `core.inventory`), pinned at acceptance. `endpoint` and `name` say where it
    is, in the client's words."""

    bucket: Bucket
    key: str
    etag: str
    size: int
    version_id: str | None = None
    endpoint: str = ""
    name: str = ""
    format: ListFormat = ListFormat.CSV


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The schedule, and its occurrence, that a job was submitted for."""

    schedule_id: str
    name: str
    """The tenant's own name for the schedule."""
    occurrence_ms: int


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One accepted request to copy; immutable. Endpoints are resolved at acceptance: later edits of them don't affect
    the job."""

    job_id: str
    tenant: str
    kind: JobKind
    source: Endpoint
    target: Endpoint
    source_prefix: str
    """The full key prefix in the source bucket (endpoint prefix included)."""
    target_prefix: str
    mode: OverwriteMode
    home: str
    """The Region that accepted it: a scheduling preference, never a lock."""
    created_ms: int
    request_sha256: str
    """Digest of the request. It tells a retried submission from a different one under the same Idempotency-Key."""
    feed_id: str | None = None
    feed_name: str = ""
    """The tenant's own name for that feed."""
    labels: dict[str, str] = field(default_factory=dict)
    filters: Filters = NO_FILTERS
    retry_of: str | None = None
    listed: ObjectList | None = None
    cancel_mode: CancelMode = CancelMode.FAST
    scheduled: Scheduled | None = None
    planned_first: bool = False
    """A plan: nothing of it is copied before it is approved."""
    every_object: bool = False
    """Every source that is to be copied gets a HEAD, not only those where LIST is not enough."""
    deletion: Deletion | None = None
    """Once everything is delivered, delete the objects at the target that have no counterpart at the source."""
    priority: Priority = Priority.NORMAL

    @property
    def control_region(self) -> str:
        """The Region that decides, the destination's: it is reachable exactly when publishing is possible."""
        return self.target.bucket.region


@dataclass(frozen=True, slots=True)
class Terminal:
    """The end of a job: its state, its totals, and the head of the hash chain over its receipts."""

    job_id: str
    state: JobState
    reason: str
    planned: int
    counts: dict[Outcome, int]
    bytes_planned: int
    bytes_copied: int
    verification: dict[Verification, int]
    partitions: int
    chain_sha256: str
    region: str
    created_ms: int
    settled_ms: int
    nonce: str
    filtered: int = 0
    """Objects that were looked at and did not pass the job's filters. They are not planned, and in no other total."""


@dataclass(frozen=True, slots=True)
class ReportMade:
    """A report that is complete and can be fetched. It doesn't say when and by whom it was made, since every worker
    that makes it makes the same."""

    job_id: str
    format: str
    rows: int
    """Without CSV's header."""
    bytes: int
    sha256: str
    """Empty for a report that is too large to be read again by one invocation."""
