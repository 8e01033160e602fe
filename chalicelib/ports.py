"""What the product needs of the world, as protocols. Adapters, the simulation and the tests implement them.

Every call may fail with an error of `core.errors`. `Retry` always means "perhaps it happened": a caller that wrote
looks before it writes again. No implementation retries a write by itself: a hidden retry turns your own success into
a 412.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from chalicelib.core.entries import Change, Entry, EntryKind
from chalicelib.core.keys import Issuer
from chalicelib.core.leases import Beacon, Observation, PartLease, Takeover
from chalicelib.core.model import (
    Bucket,
    Checksum,
    Endpoint,
    Feed,
    JobSpec,
    ObjectFacts,
    ObjectHead,
    Outcome,
    Properties,
    Terminal,
)
from chalicelib.core.policy import Policy
from chalicelib.core.prices import Prices
from chalicelib.core.progress import PlanProgress
from chalicelib.core.slots import Slot, SlotPool, Waiter
from chalicelib.core.webhooks import Network, Notice, Notification, WebhookHealth

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page:
    """One LIST page in UTF-8 byte order of keys. `truncated`: more keys follow the last one."""

    objects: tuple[ObjectFacts, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class SourceRef:
    """The pinned source of a copy. `etag` becomes CopySourceIfMatch, always."""

    bucket: Bucket
    key: str
    etag: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What S3 said about an object it has just published."""

    etag: str
    version_id: str | None = None
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """How a destination object is to be stored: what neither CopyObject nor a multipart copy takes from the source."""

    storage_class: str = "STANDARD"
    kms_key: str | None = None
    redirect: str | None = None


@dataclass(frozen=True, slots=True)
class UploadRef:
    """A multipart upload."""

    bucket: Bucket
    key: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """An open multipart upload as ListMultipartUploads shows it. `age_ms` is by the store's own clock: its answer's
    Date header less the upload's Initiated."""

    upload: UploadRef
    initiator: str
    age_ms: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """Where a bucket really is, and its tags."""

    region: str
    tags: Mapping[str, str]


class ObjectStore(Protocol):
    """S3. `expect` on a publishing call is the destination precondition: None = nothing may be there
    (If-None-Match: *), an ETag = exactly this must be there (If-Match)."""

    def head(
        self,
        bucket: Bucket,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        part_number: int | None = None,
    ) -> ObjectHead | None:
        """None if there is no such key (or version). With `if_match`, another ETag raises PreconditionFailed. With
        `part_number`, the size in the facts is that part's and `parts_count` is set. Checksums are always asked for."""
        ...

    def list(self, bucket: Bucket, prefix: str, *, start_after: str = "", limit: int = 1000) -> Page:
        """The keys under `prefix` greater than `start_after`, at most `limit` (never more than 1,000). Strongly
        consistent."""
        ...

    def get(self, bucket: Bucket, key: str) -> bytes | None:
        """A small object of ours, whole. None if there is no such key."""
        ...

    def presign(self, bucket: Bucket, key: str, *, expires_s: int, file_name: str, content_type: str) -> str:
        """A link by which anybody who has it may GET the object for so long, as a file of that name and type. Made
        without asking S3: nothing says that the object is there."""

    def read(
        self, bucket: Bucket, key: str, etag: str, first_byte: int, last_byte: int, *, version_id: str | None = None
    ) -> bytes:
        """Bytes first..last (inclusive) of an object that is as pinned; fewer where it ends before. Another ETag raises
        PreconditionFailed, a missing key (or version) NotFound, a first byte beyond the end Permanent."""
        ...

    def create(self, bucket: Bucket, key: str, body: bytes) -> None:
        """Publish a small object if nothing is there. PreconditionFailed: something is. Retry: look."""
        ...

    def overwrite(self, bucket: Bucket, key: str, body: bytes) -> None:
        """Publish a small object whatever is there. For beacons, which nothing rests on, and for what is kept of
        issuers' keys, which only one writer changes."""
        ...

    def delete(self, bucket: Bucket, key: str) -> None:
        """Remove a key of ours, whatever is there; no error if it is gone."""
        ...

    def delete_pinned(self, bucket: Bucket, key: str, expect: str) -> str | None:
        """DeleteObject of exactly what is pinned: the current version, if it has this ETag. PreconditionFailed: another
        one is there. NotFound: nothing is. In a bucket that keeps versions, that version stays, under a delete marker,
        whose VersionId is returned."""
        ...

    def tags(self, bucket: Bucket, key: str, version_id: str | None = None) -> dict[str, str]: ...

    def part_sizes(self, bucket: Bucket, key: str, version_id: str | None = None) -> Sequence[int]:
        """The sizes of the parts the object was made of; empty where S3 doesn't know them."""
        ...

    def copy(self, source: SourceRef, bucket: Bucket, key: str, expect: str | None, placement: Placement) -> Written:
        """CopyObject with both sides pinned. PreconditionFailed doesn't say which side failed."""
        ...

    def create_upload(
        self,
        bucket: Bucket,
        key: str,
        properties: Properties,
        tags: dict[str, str],
        placement: Placement,
        checksum_algorithm: str | None,
    ) -> UploadRef:
        """CreateMultipartUpload. With an algorithm: FULL_OBJECT checksums of it."""
        ...

    def upload_part_copy(
        self, upload: UploadRef, number: int, source: SourceRef, first_byte: int, last_byte: int, *, whole: bool
    ) -> Part:
        """Copy bytes first..last (inclusive) as part `number`. `whole`: the part is the whole object, so no range is
        sent (S3 takes ranges only on sources over 5 MB)."""
        ...

    def list_parts(self, upload: UploadRef) -> Sequence[Part]: ...

    def complete(
        self, upload: UploadRef, parts: Sequence[Part], expect: str | None, size: int, checksum: Checksum | None
    ) -> Written:
        """CompleteMultipartUpload with the destination pinned, the size stated and, where given, the whole object's
        checksum: a wrong copy can't appear (Permanent BadDigest)."""
        ...

    def abort(self, upload: UploadRef) -> None:
        """AbortMultipartUpload; no error if it is gone."""
        ...

    def list_uploads(self, bucket: Bucket, prefix: str) -> Sequence[UploadInfo]: ...

    def describe(self, bucket: Bucket) -> BucketFacts:
        """What the bucket says of itself. NoSuchBucket, or Denied: not under this name, owner and Region, or not for
        us."""
        ...


@dataclass(frozen=True, slots=True)
class JobItems:
    """Everything the table knows about one job. Perhaps stale, perhaps partial: hints and progress, never safety."""

    spec: JobSpec | None
    leases: tuple[PartLease, ...]
    observations: tuple[Observation, ...]
    plans: tuple[PlanProgress, ...]
    terminal: Terminal | None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of a tenant's jobs, newest first. `cursor` is None on the last page."""

    jobs: tuple[tuple[JobSpec, Terminal | None], ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object appeared (or should be looked at again) in a bucket. A hint: whoever gets it looks for himself."""

    bucket: str
    key: str


class DeliveryStatus(StrEnum):
    """How far one version of an object is on its way through a feed."""

    QUEUED = "QUEUED"
    """In the manifest of a feed job that is on the list of open jobs: it will be carried out."""
    COPIED = "COPIED"
    VERIFIED = "VERIFIED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One version of one object of a feed. Once it is queued or delivered, a repeated event for it changes nothing,
    even if the receiver has taken the object away meanwhile."""

    feed_id: str
    key: str
    pin: str
    """Which version: its VersionId, or ETag and LastModified where the bucket keeps no versions."""
    target: str
    size: int
    etag: str
    checksum: Checksum | None
    status: DeliveryStatus
    outcome: Outcome | None
    detail: str
    destination_etag: str | None
    job_id: str | None
    region: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a Region has said about one version of an object of a feed."""

    delivery: Delivery
    """As the index has it: perhaps not the latest."""
    now: tuple[Delivery, ...]
    """What each Region says about that version by now. Empty if it is gone meanwhile."""


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """`cursor` is None on the last page."""

    said: tuple[Said, ...]
    cursor: str | None


class Ledger(Protocol):
    """The table. Each item is written by one Region only, so last-writer-wins never bites."""

    def put_job(self, spec: JobSpec) -> None: ...
    def list_jobs(self, tenant: str, cursor: str | None, limit: int) -> JobPage:
        """Invalid cursors raise Permanent("InvalidCursor")."""
        ...

    def job_items(self, job_id: str, limit: int | None = None) -> JobItems:
        """All items of a job; with `limit`, at most so many, and `truncated` if there are more."""
        ...

    def put_lease(self, lease: PartLease) -> None:
        """Without effect if this Region has said something of a higher `rank`."""
        ...

    def get_leases(self, job_id: str, part: str) -> Sequence[PartLease]: ...
    def put_observation(self, observation: Observation) -> None: ...
    def get_observation(self, job_id: str, subject: str, region: str) -> Observation | None: ...
    def put_plan(self, plan: PlanProgress) -> None:
        """Without effect if this Region has said something of a higher `rank`."""
        ...

    def put_terminal(self, spec: JobSpec, terminal: Terminal, region: str) -> None: ...
    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None: ...
    def get_deliveries(self, feed_id: str, key: str) -> Sequence[Delivery]:
        """What is known of a key's versions, from all Regions' items."""
        ...

    def list_deliveries(
        self, feed_id: str, since_ms: int, until_ms: int, cursor: str | None, limit: int
    ) -> DeliveryPage:
        """What was said at times in [since, until) about a feed's deliveries, newest first, at most `limit`; perhaps
        fewer, though more follow. From an index, which may lag. Invalid cursors raise Permanent("InvalidCursor")."""
        ...

    def put_takeover(self, takeover: Takeover) -> None: ...
    def takeovers(self, limit: int) -> Sequence[Takeover]:
        """The latest ones of all Regions, newest first."""
        ...

    def get_slots(self, region: str, pool: str) -> SlotPool:
        """What is known of a pool's slots, taken, free and expired."""
        ...

    def swap_slot(self, slot: Slot, holder: str) -> bool:
        """Put a slot in the place of what is there under its number, if that is nothing or held by `holder`. False:
        it is held by another. The same request twice has the answer of the first."""
        ...

    def put_waiter(self, waiter: Waiter) -> None: ...
    def put_beacon(self, beacon: Beacon) -> None: ...
    def beacons(self) -> Sequence[Beacon]: ...
    def put_webhook_health(self, health: WebhookHealth) -> None: ...
    def get_webhook_health(self, tenant: str, webhook: str) -> Sequence[WebhookHealth]:
        """One a Region that has posted to it."""
        ...

    def count_request(self, tenant: str, region: str, window_start_ms: int) -> int:
        """Count one more request of a tenant to this Region in the window that began then, and say how many that makes.
        Gives up soon; a count whose answer was lost may have been taken, or taken twice."""
        ...


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of a tenant's audit, newest first. `cursor` is None on the last page."""

    changes: tuple[Change, ...]
    cursor: str | None


class Registry(Protocol):
    """What tenants have registered (`core.entries`). Strongly consistent in a Region; the other one sees a change about
    a second later, and of two changes at once the later one counts."""

    def get(self, kind: EntryKind, tenant: str, name: str) -> Entry | None:
        """Also one that was removed."""
        ...

    def of_tenant(self, kind: EntryKind, tenant: str) -> Sequence[Entry]:
        """By name, removed ones too."""
        ...

    def all(self, kind: EntryKind) -> Sequence[Entry]:
        """Of all tenants, removed ones too."""
        ...

    def put(self, entry: Entry, change: Change) -> bool:
        """Write the entry, and its change beside it, both or neither, if the version before `entry.version` is there
        (0: there has never been one). False: another one is. Retry: look."""
        ...

    def changes(self, tenant: str, cursor: str | None, limit: int) -> ChangePage:
        """Invalid cursors raise Permanent("InvalidCursor")."""
        ...


class QueueName(StrEnum):
    SPLIT = "split"
    COPY = "copy"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Wake:
    """A message. It wakes a step; it never carries a fact that the step could not read for itself.

    `part` is a partition, or for split a range of keys. `fresh` hints that nobody has claimed the partition yet.
    """

    queue: QueueName
    job_id: str
    control_region: str
    part: str = ""
    fresh: bool = False
    share: str = ""
    """For copy: not the partition, but a share of one large row's parts is to be copied (`PartShare`)."""
    report: str = ""
    """For split: not a range, but this report (`ReportFormat`) of a settled job is to be made."""
    tenant: str = ""
    """Whose message it is: queues deal with tenants in turn. It is believed for nothing else."""
    waited: int = 0
    """For copy: how often it was sent anew because no slot was free."""
    takeover: bool = False
    """For copy: a lease has expired. What was begun goes on, with a slot or without."""


@dataclass(frozen=True, slots=True)
class VerifyDelivery:
    """Wakes verify for one object that intake delivered itself."""

    feed_id: str
    key: str
    pin: str
    tenant: str = ""
    """As in `Wake`."""


class Queue(Protocol):
    """SQS. A sent message may arrive twice, late, out of order or never."""

    def send(self, wakes: Sequence[Wake], delay_ms: int = 0) -> None: ...
    def send_verify_deliveries(self, deliveries: Sequence[VerifyDelivery], delay_ms: int = 0) -> None: ...
    def send_arrivals(self, arrivals: Sequence[Arrival], delay_ms: int = 0) -> None:
        """Have intake look at keys again."""
        ...

    def send_notices(self, notices: Sequence[Notice | Notification], delay_ms: int = 0) -> None: ...
    def give_up(self, notification: Notification) -> None:
        """Put it where people are called, and from where they can send it again."""
        ...


class Notifier(Protocol):
    """EventBridge: what other systems are told."""

    def job_settled(self, spec: JobSpec, terminal: Terminal) -> None: ...
    def delivery_failed(self, tenant: str, feed: str, delivery: Delivery) -> None:
        """`feed`: the tenant's own name for it."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered. `retry_after_ms` is how long it asks to be left alone."""

    status: int
    retry_after_ms: int | None = None


class Courier(Protocol):
    """Takes notifications to tenants' servers."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request, in bounded time, over a connection that proves whose it is, to an address that may be called
        (`core.webhooks.may_be_called`) when it is connected to. A redirection is an answer, and so is every status.
        Retry if there is none."""
        ...


class KeySource(Protocol):
    """Where issuers publish their public keys."""

    def fetch(self, url: str) -> bytes:
        """What is published there, as it is: whoever asked judges it. Only over a connection that proves whose it is,
        in bounded time and size, and nowhere else: a redirection is no answer. Retry or Permanent if there is none."""
        ...


class Clock(Protocol):
    def now_ms(self) -> int: ...
    def sleep_ms(self, duration_ms: int) -> None: ...


class Rng(Protocol):
    def uniform(self) -> float:
        """In [0, 1)."""
        ...


class Ids(Protocol):
    def nonce(self) -> str:
        """Unique for ever: tells a worker its own record from another's."""
        ...

    def secret(self) -> bytes:
        """32 bytes that nobody can guess."""
        ...


class Pool(Protocol):
    """Runs things side by side."""

    def map(self, work: Callable[[T], R], items: Iterable[T], tick: Callable[[], None] | None = None) -> list[R]:
        """`work` of every item, results in the items' order. `tick` is called from the calling thread about every
        second while it waits. The first exception (of work or tick) is raised after what runs has ended; what has not
        begun by then is not begun."""
        ...


class Log(Protocol):
    def __call__(self, event: str, **fields: object) -> None:
        """One structured line: what happened, to which job, partition, key."""
        ...


@dataclass(frozen=True, slots=True)
class Env:
    """All that a step may touch, and the settings it goes by. Made once by the composition root."""

    region: str
    control_buckets: dict[str, Bucket]
    """Region -> control bucket."""
    declared_endpoints: dict[str, Endpoint]
    declared_feeds: dict[str, Feed]
    """By id: what came with the deployment. What tenants have registered since is in the registry: `protocol.places`
    knows both."""
    issuers: tuple[Issuer, ...]
    policy: Policy
    webhook_networks: tuple[Network, ...]
    """Which addresses besides the public internet's webhooks may have."""
    store: ObjectStore
    ledger: Ledger
    registry: Registry
    queue: Queue
    notifier: Notifier
    key_source: KeySource
    courier: Courier
    clock: Clock
    rng: Rng
    ids: Ids
    pool: Pool
    part_pool: Pool
    """For the parts of large objects, whose rows already run in `pool`."""
    log: Log
    worker: str
    """Who this process is: shown to operators, never compared."""
    prices: dict[str, Prices]
    """Region -> what AWS asks for there."""
    own_roles: tuple[str, ...]
    """What the names of the IAM roles begin with whose multipart uploads are ours: of copy, and of the API, which tries
    endpoints by them."""
