"""Define the port to the DynamoDB table, which holds facts about jobs and deliveries, and tenants' registered entries.

It serves liveness, never safety.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.core.entries import Change, Entry, EntryKind, Found
from chalicelib.core.jobs import JobSpec, Terminal
from chalicelib.core.leases import Observation, PartitionLease, RegionHeartbeat, Takeover
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.objects import Checksum
from chalicelib.core.permits import Permit, PermitRequest, SemaphoreState
from chalicelib.core.progress import PlanProgress
from chalicelib.core.rows import Outcome
from chalicelib.core.webhooks import WebhookHealth


@dataclass(frozen=True, slots=True)
class JobItems:
    """Everything the table knows about one job. It may be stale or incomplete: it serves as hints and progress, never
    safety."""

    spec: JobSpec | None
    leases: tuple[PartitionLease, ...]
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
class ObjectEvent:
    """An object event: an object appeared in a bucket, or should be looked at again. It is a hint: its receiver looks
    for itself."""

    bucket: str
    key: str
    older: tuple[str, ...] = ()
    """ETags of versions that were delivered, or that this event is about. If the destination shows one of these and the
    source has another version by now, then an older version lies at the destination. In that case the newest version is
    delivered, even if it was delivered before."""
    tries: int = 0
    """How often handling it failed although its buckets answer."""
    hint: bool = False
    """The other Region has the same event, and delivers the object as long as that Region lives."""
    waited: int = 0
    """How often a hint was put off because the other Region lives."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One version of one object of a feed. Once it is queued or delivered, a repeated event for it changes nothing,
    even if the receiver has removed the object in the meantime."""

    feed_id: str
    key: str
    pin: str
    """The version: its VersionId, or ETag and LastModified where the bucket keeps no versions."""
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
class DeliveryLock:
    """A worker of a Region is about to deliver a version. No other worker of that Region delivers it until
    `until_ms`."""

    feed_id: str
    key: str
    pin: str
    region: str
    holder: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Said:
    """A Region's statement about one version of an object of a feed."""

    delivery: Delivery
    """The statement as the index has it, perhaps not the latest."""
    now: tuple[Delivery, ...]
    """The current statements of all Regions about that version. Empty if they have been deleted since."""


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of statements about deliveries. `cursor` is None on the last page."""

    said: tuple[Said, ...]
    cursor: str | None


class Ledger(Protocol):
    """The table. Only one Region writes each item, so last-writer-wins between Regions does no harm."""

    def put_job(self, spec: JobSpec) -> None: ...
    def list_jobs(self, tenant: str, cursor: str | None, limit: int) -> JobPage:
        """Return a page of a tenant's jobs. Raises BadRequest (INVALID_CURSOR) for an invalid cursor."""
        ...

    def job_items(self, job_id: str, limit: int | None = None) -> JobItems:
        """Return all items of a job. With `limit`, return at most so many, and set `truncated` if there are more."""
        ...

    def put_lease(self, lease: PartitionLease) -> None:
        """Put a lease. The call has no effect if this Region has already put one of a higher `rank`."""
        ...

    def get_leases(self, job_id: str, partition_id: str) -> Sequence[PartitionLease]: ...
    def put_observation(self, observation: Observation) -> None: ...
    def get_observation(self, job_id: str, subject: str, region: str) -> Observation | None: ...
    def put_plan(self, plan: PlanProgress) -> None:
        """Put progress of planning. The call has no effect if this Region has already put one of a higher `rank`."""
        ...

    def put_terminal(self, spec: JobSpec, terminal: Terminal, region: str) -> None: ...
    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None: ...
    def get_deliveries(self, feed_id: str, key: str) -> Sequence[Delivery]:
        """Return what all Regions' items say about a key's versions."""
        ...

    def lock_delivery(self, lock: DeliveryLock, now_ms: int) -> bool:
        """Put the lock if this Region has none for that version, or if its lock ended by `now_ms` or is the holder's
        own.

        Return False if another worker holds it. The answer is exact within a Region. The same request sent twice gets
        the answer of the first.
        """
        ...

    def list_deliveries(
        self, feed_id: str, since_ms: int, until_ms: int, cursor: str | None, limit: int
    ) -> DeliveryPage:
        """Return what was stated at times in [since, until) about a feed's deliveries, newest first, at most `limit`. A
        page may hold fewer although more follow. The index behind it may lag. Raises BadRequest (INVALID_CURSOR) for an
        invalid cursor."""
        ...

    def put_takeover(self, takeover: Takeover) -> None: ...
    def takeovers(self, limit: int) -> Sequence[Takeover]:
        """Return the latest takeovers of all Regions, newest first."""
        ...

    def get_semaphore(self, region: str, semaphore: str) -> SemaphoreState:
        """Return the permits of a semaphore (held, free and expired), and the requests for them."""
        ...

    def swap_permit(self, permit: Permit, holder: str) -> bool:
        """Replace the permit of the same number if there is none yet, or if `holder` holds it.

        Return False if another worker holds it. The same request sent twice gets the answer of the first.
        """
        ...

    def put_permit_request(self, permit_request: PermitRequest) -> None: ...
    def put_region_heartbeat(self, heartbeat: RegionHeartbeat) -> None: ...
    def region_heartbeats(self) -> Sequence[RegionHeartbeat]: ...
    def put_webhook_health(self, health: WebhookHealth) -> None: ...
    def get_webhook_health(self, tenant: str, webhook: str) -> Sequence[WebhookHealth]:
        """Return one item for each Region that has posted to the webhook."""
        ...

    def count_request(self, tenant: str, region: str, window_start_ms: int) -> int:
        """Count one more request of a tenant to this Region in the window that began at `window_start_ms`, and return
        the new count.

        The call times out soon. A count whose answer was lost may have been made, or made twice.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of a tenant's audit, newest first. `cursor` is None on the last page."""

    changes: tuple[Change, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A page of entries of all tenants. `cursor` is None on the last page."""

    entries: tuple[Entry, ...]
    cursor: str | None


EntryName = tuple[EntryKind, str, str]
"""An entry's kind, tenant and name."""


class Registry(Protocol):
    """The entries that tenants have registered (`core.entries`).

    Reads are strongly consistent within a Region: a later reader sees no less than an earlier one. The other Region
    sees a change about a second later, an entry and each of its pointers independently. If both Regions change an entry
    at once, the later change wins.
    """

    def get(self, kind: EntryKind, tenant: str, name: str) -> Entry | None: ...
    def get_many(self, names: Sequence[EntryName]) -> Mapping[EntryName, Entry]:
        """Return those entries that are there."""
        ...

    def of_tenant(self, kind: EntryKind, tenant: str) -> Sequence[Entry]:
        """Return a tenant's entries by name. `core.policy` limits how many there may be."""
        ...

    def page(self, kind: EntryKind, cursor: str | None, limit: int, *, removed: bool = False) -> EntryPage:
        """Return a page of all tenants' entries: current ones, or removed ones that are still kept. A cursor is one
        that this call returned for the same arguments; it stays valid whatever has changed since."""
        ...

    def count_removed(self, kind: EntryKind, tenant: str) -> int:
        """Return how many removed entries of a tenant are still kept."""
        ...

    def find(self, kind: EntryKind, at: str) -> Sequence[Found]:
        """Return the rows of an index."""
        ...

    def put(self, entry: Entry, change: Change, before: Entry | None) -> bool:
        """Write the entry, its pointers and the change in one transaction, if `before` is what is there (None:
        nothing).

        They replace `before` and its pointers; a removed entry is kept under another key. Return False if something
        else is there. After Retry, look whether it was written.
        """
        ...

    def point(self, entry: Entry) -> bool:
        """Write the pointers of an entry again, if that entry is what is there."""
        ...

    def changes(self, tenant: str, cursor: str | None, limit: int) -> ChangePage:
        """Return a page of a tenant's audit. Raises BadRequest (INVALID_CURSOR) for an invalid cursor."""
        ...
