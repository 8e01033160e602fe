"""Defines the product's terms as data: what is planned, claimed, copied and receipted.

Everything here is frozen. Times are whole milliseconds since the Unix epoch and informational only: no decision about
safety ever compares two of them. ETags are kept without their quotes.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from chalicelib.core.deletions import Deletion
from chalicelib.core.inputs import NO_FILTERS, Filters, ListFormat
from chalicelib.core.totals import Totals


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


class OverwriteMode(StrEnum):
    """How to treat an object that is at the destination already. It is applied when the row is planned."""

    IF_CHANGED = "if-changed"
    NEVER = "never"
    ALWAYS = "always"
    FAIL = "fail"


class CancelMode(StrEnum):
    """The meaning of a cancel of the job, chosen when the job is submitted."""

    FAST = "fast"
    """Nothing more is begun. A CopyObject that is under way can't be recalled, and may still arrive."""
    STRICT = "strict"
    """Everything is copied by multipart uploads, whose abort is a real revocation: rows that the receipts call
    CANCELLED never arrive."""


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
class Endpoint:
    """A registered location: the only way in which a job can name a bucket. `prefix` is a folder or, where its owner
    has said so, a text (`core.prefixes`)."""

    id: str
    tenant: str
    bucket: Bucket
    prefix: str
    readable: bool
    writable: bool
    kms_key: str | None = None
    """The key to encrypt with at a destination. None leaves it to the bucket's default encryption."""
    website: bool = False
    """Objects here may carry a website redirect, which CopyObject loses. So each source needs a HEAD."""
    max_concurrency: int | None = None
    """How many partitions a Region's workers copy from or to this endpoint at once. None: no limit."""

    def below(self, prefix: str) -> "Endpoint":
        """Return the same endpoint, narrowed to a prefix below its own."""
        return replace(self, prefix=self.prefix + prefix) if prefix else self


@dataclass(frozen=True, slots=True)
class Feed:
    """A standing rule: new objects under `source` are copied to `target`. Both are ids of the tenant's endpoints, with
    prefixes below theirs."""

    id: str
    """Unique among all feeds that any tenant ever had: delivery records are kept under it."""
    tenant: str
    source: str
    target: str
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    name: str = ""
    """The name that the tenant gave it."""
    labels: dict[str, str] = field(default_factory=dict)
    source_prefix: str = ""
    target_prefix: str = ""


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

    `expect` is the expected target ETag: the destination's ETag when the row was planned, None for "nothing there". It
    is never refreshed. This makes a second publish by a late worker fail at S3.

    In a row to DELETE, `key` is the key that a counterpart at the source would have, `size` is the target object's, and
    `etag` is "", since there is no source. The object with the ETag `expect` is to be deleted, and nothing else.
    """

    key: str
    target: str
    size: int
    etag: str
    expect: str | None
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


@dataclass(frozen=True, slots=True)
class Manifest:
    """The pinned plan of one partition: entry `part` of its range's manifest log. It covers the source keys in (after,
    upto].

    `rows_before` and `bytes_before` are the totals of the entries before it, so that the last entry alone shows the
    progress. `last` closes the range. `error` says why the range could not be listed to its end. `filtered` counts the
    objects of (after, upto] that did not pass the job's filters: they are no rows.
    """

    job_id: str
    part: str
    after: str
    upto: str
    last: bool
    rows: tuple[Row, ...]
    rows_before: int
    bytes_before: int
    region: str
    nonce: str
    error: str = ""
    filtered: int = 0
    totals_before: Totals | None = None
    """The totals of the entries before it, in a job that was planned first."""
    aside: tuple[int, ...] = ()
    """For rows that were set aside (`core.ids.aside_of`): their indexes in the parent's manifest. Such a manifest is no
    entry of any range's log."""

    @property
    def bytes_total(self) -> int:
        return sum(row.bytes_to_copy for row in self.rows)


@dataclass(frozen=True, slots=True)
class Fork:
    """A range split: the entry that ends a range's manifest log by dividing the rest in two, (after, middle] and
    (middle, upto]."""

    job_id: str
    part: str
    after: str
    middle: str
    upto: str
    rows_before: int
    bytes_before: int
    region: str
    nonce: str
    totals_before: Totals | None = None


Link = Manifest | Fork


@dataclass(frozen=True, slots=True)
class Claim:
    """The fencing token: it gives a partition to one worker at an epoch."""

    job_id: str
    part: str
    epoch: int
    region: str
    worker: str
    nonce: str
    claimed_ms: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """A request to copy no more of this job. It is final: a job is never un-cancelled."""

    job_id: str
    region: str
    requested_ms: int
    nonce: str


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """The outcomes that the copy step of one epoch found, in the manifest's order. Verification checks it against the
    bucket."""

    job_id: str
    part: str
    epoch: int
    region: str
    rows: tuple[RowOutcome, ...]
    started_ms: int
    finished_ms: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of every row of a partition, in the manifest's order. It is written once, after verification."""

    job_id: str
    part: str
    region: str
    manifest_sha256: str
    rows: tuple[RowOutcome, ...]
    bytes_planned: int
    bytes_copied: int
    last: bool
    """The manifest closed its range."""
    error: str
    """Why the range could not be listed to its end; "" if it was."""
    started_ms: int
    finished_ms: int
    nonce: str
    filtered: int = 0


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
    parts: int
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
