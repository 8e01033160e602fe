"""The product's words as data: what is planned, claimed, copied and receipted.

Everything here is frozen. Times are whole milliseconds since the Unix epoch and informational only: no decision about
safety ever compares two of them. ETags are kept without their quotes.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from chalicelib.core.deletions import Deletion
from chalicelib.core.inputs import NO_FILTERS, Filters, ListFormat
from chalicelib.core.totals import Totals


class Outcome(StrEnum):
    """What became of one row. Every row of a settled job has exactly one."""

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
    """It is not at the destination any more, as was asked for."""
    KEPT = "KEPT"
    """It was to be deleted, and was left where it is: the detail says why."""
    SET_ASIDE = "SET_ASIDE"
    """Never a row's end: that is in the receipt of the partition to which it was set aside, or from which it came."""

    @property
    def is_end(self) -> bool:
        return self is not Outcome.SET_ASIDE

    @property
    def good(self) -> bool:
        """The destination holds what was asked for, or no longer holds what was to go."""
        return self in (Outcome.COPIED, Outcome.UNCHANGED, Outcome.DELETED)


class JobState(StrEnum):
    """Where a job is. The last four are terminal: exactly one of them is written, once."""

    PLANNING = "PLANNING"
    RUNNING = "RUNNING"
    WAITING_FOR_REGION = "WAITING_FOR_REGION"
    """A Region whose storage the job needs can't be reached: it goes on by itself when it can."""
    PAUSED = "PAUSED"
    """By request: nothing new is begun until it is resumed. What was under way may still arrive."""
    PLANNED = "PLANNED"
    """A plan that is made: nothing is copied until it is approved."""
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def terminal(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED)


class OverwriteMode(StrEnum):
    """What to do about an object that is at the destination already. Decided when the row is planned."""

    IF_CHANGED = "if-changed"
    NEVER = "never"
    ALWAYS = "always"
    FAIL = "fail"


class CancelMode(StrEnum):
    """What a cancel of a job means, chosen when it is submitted."""

    FAST = "fast"
    """Nothing more is begun. A CopyObject that is under way can't be recalled, and may still arrive."""
    STRICT = "strict"
    """All is copied by multipart uploads, whose abort is a real revocation: what the receipts call CANCELLED never
    arrives."""


class Priority(StrEnum):
    """A job's share beside others that are to be copied at the same time. No order: the lowest gets its share too."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def weight(self) -> int:
        """Of two jobs that compete, each gets so much of what there is: 1 to 4 to 16."""
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
    """By what the destination object was recognised as the pinned source."""

    ETAG = "etag"
    CHECKSUM = "checksum"
    SIZE = "size"
    """Only the size agrees: neither side offers anything stronger. Never called verified."""
    NONE = "none"


class ChecksumType(StrEnum):
    """Of the whole object, or of its parts' checksums."""

    FULL_OBJECT = "FULL_OBJECT"
    COMPOSITE = "COMPOSITE"


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum S3 keeps beside an object. `value` is base64, "" where only its existence is known (LIST)."""

    algorithm: str
    type: ChecksumType
    value: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, the Region it lives in, and the account that must own it (`ExpectedBucketOwner`), if known."""

    name: str
    region: str
    owner: str | None = None
    requester_pays: bool = False
    """Whoever asks pays, and must say so in every request, HEAD and LIST included, or S3 answers 403."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A registered place: the only way a job can name a bucket. `prefix` is a folder, or, where its owner has
    said so, a text (`core.prefixes`)."""

    id: str
    tenant: str
    bucket: Bucket
    prefix: str
    readable: bool
    writable: bool
    kms_key: str | None = None
    """The key to encrypt with at a destination; None leaves it to the bucket's default encryption."""
    website: bool = False
    """Objects here may carry a website redirect, which CopyObject drops: look at each (one HEAD an object)."""
    max_concurrency: int | None = None
    """How many partitions at once a Region's workers read from or write to here; None: as many as there are."""

    def below(self, prefix: str) -> "Endpoint":
        """The same, of what lies under a prefix below its own."""
        return replace(self, prefix=self.prefix + prefix) if prefix else self


@dataclass(frozen=True, slots=True)
class Feed:
    """A standing rule: what appears under `source` goes to `target`, both ids of the tenant's endpoints, and prefixes
    below theirs."""

    id: str
    """Unique among all tenants' feeds of all times: delivery records are kept under it."""
    tenant: str
    source: str
    target: str
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    name: str = ""
    """The tenant's own for it."""
    labels: dict[str, str] = field(default_factory=dict)
    source_prefix: str = ""
    target_prefix: str = ""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What S3 said about one object, by LIST or by HEAD. LIST leaves the later fields unknown (None)."""

    key: str
    size: int
    etag: str
    storage_class: str = "STANDARD"
    last_modified_ms: int = 0
    checksum: Checksum | None = None
    version_id: str | None = None
    encryption: str | None = None
    """`AES256`, `aws:kms`, `aws:kms:dsse`, or "" when HEAD showed none; None = not looked at."""
    restored: bool = False
    """An archived object of which a restored copy is readable now."""


@dataclass(frozen=True, slots=True)
class Properties:
    """What a multipart copy loses unless restated."""

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
    """HEAD: the facts, the properties, and how many parts it was made of (0 where S3 didn't say)."""

    facts: ObjectFacts
    properties: Properties
    parts_count: int = 0
    tags_count: int = 0
    age_ms: int = field(default=0, compare=False)
    """How long ago it was last modified, by the store's own clock: its answer's Date header less Last-Modified."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """The sizes of a multipart copy's parts as runs of (bytes, how many), in order. Deterministic for a row: every
    worker, in either Region, cuts the same parts, so that one can go on with what another began."""

    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of a row, with the evidence. `key` is the source key."""

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
    """One object to deliver: exactly which source bytes, where to, and under which precondition.

    `expect` is the destination's ETag when the row was planned, None for "nothing there". It is never refreshed:
    that is what makes a second publish by a late worker fail at S3.

    Of a row to DELETE, `key` is what its counterpart at the source would be called, `size` is the target object's, and
    `etag` is "": there is no source. `expect` is what is to be deleted, and nothing else.
    """

    key: str
    target: str
    size: int
    etag: str
    expect: str | None
    method: Method
    version_id: str | None = None
    modified_ms: int = 0
    """The source's LastModified: with the ETag it tells versions apart where a bucket keeps none."""
    storage_class: str = "STANDARD"
    checksum: Checksum | None = None
    parts: PartPlan | None = None
    redirect: str | None = None
    decided: RowOutcome | None = None
    version_named: bool = False
    """`version_id` was asked for: a retry delivers that one again, and not what is there then."""

    @property
    def bytes_to_copy(self) -> int:
        return 0 if self.method is Method.DELETE else self.size


@dataclass(frozen=True, slots=True)
class Manifest:
    """The pinned plan of one partition. Link `part` of its range's chain: it covers the source keys in (after, upto].

    `rows_before` and `bytes_before` are the totals of the links before it, so that progress can be read off the last
    link alone. `last` closes the range. `error` says why the range could not be listed to its end. `filtered` objects
    of (after, upto] did not pass the job's filters: they are no rows.
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
    """Of the links before it, in a job that was planned first."""
    aside: tuple[int, ...] = ()
    """Of rows set aside (`core.ids.aside_of`): which of the parent's rows they are. Such a link belongs to no chain."""

    @property
    def bytes_total(self) -> int:
        return sum(row.bytes_to_copy for row in self.rows)


@dataclass(frozen=True, slots=True)
class Fork:
    """The link that ends a range's chain by dividing the rest of it in two: (after, middle] and (middle, upto]."""

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
    """Gives a partition to one worker at an epoch: the fencing token."""

    job_id: str
    part: str
    epoch: int
    region: str
    worker: str
    nonce: str
    claimed_ms: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody wants no more of this job copied. Final: a job is never un-cancelled."""

    job_id: str
    region: str
    requested_ms: int
    nonce: str


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """What the copy step of one epoch found, in the manifest's order. Verification checks it against the bucket."""

    job_id: str
    part: str
    epoch: int
    region: str
    rows: tuple[RowOutcome, ...]
    started_ms: int
    finished_ms: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of every row of a partition, in the manifest's order. Written once, after verification."""

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
    """What a job goes by."""

    PREFIX = "PREFIX"
    """Everything under a prefix: split lists it."""
    FEED = "FEED"
    """A batch of events of one feed: intake cut its one manifest."""
    RETRY = "RETRY"
    """What another job didn't deliver: split reads that one's receipts."""
    KEYS = "KEYS"
    MANIFEST = "MANIFEST"
    """What a list names that the request brought along, or that is an object: split reads it."""


@dataclass(frozen=True, slots=True)
class ObjectList:
    """A list of objects (`core.keylist`, `core.inventory`), pinned at acceptance; `endpoint` and `name`: where its
    client said it is."""

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
    """Which occurrence of which schedule a job is for."""

    schedule_id: str
    name: str
    """The tenant's own for the schedule."""
    occurrence_ms: int


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One request to copy; immutable. Endpoints are resolved when it is accepted: later edits don't reach into it."""

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
    """Digest of what was asked, to tell a retried submission from a different one under the same Idempotency-Key."""
    feed_id: str | None = None
    feed_name: str = ""
    """The tenant's own for that feed."""
    labels: dict[str, str] = field(default_factory=dict)
    filters: Filters = NO_FILTERS
    retry_of: str | None = None
    listed: ObjectList | None = None
    cancel_mode: CancelMode = CancelMode.FAST
    scheduled: Scheduled | None = None
    planned_first: bool = False
    """A plan: nothing of it is copied before it is approved."""
    every_object: bool = False
    """Look at each source that is to be copied (one HEAD an object), and not only where LIST can't tell."""
    deletion: Deletion | None = None
    """What is at the target and has no counterpart at the source is to be deleted, when all is delivered."""
    priority: Priority = Priority.NORMAL

    @property
    def control_region(self) -> str:
        """The arbiter: the destination's Region, reachable exactly when publishing is possible."""
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
    """Objects that were looked at and did not pass the job's filters: not planned, in no other total."""


@dataclass(frozen=True, slots=True)
class ReportMade:
    """A report is there to be fetched, whole. It says nothing of when and by whom, since all who make it make the
    same."""

    job_id: str
    format: str
    rows: int
    """Without CSV's header."""
    bytes: int
    sha256: str
    """"" for one that is too large to be read again in one go."""
