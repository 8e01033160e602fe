"""The table: what is known of jobs, deliveries and what tenants have registered. It serves liveness, never safety."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.core.entries import Change, Entry, EntryKind, Found
from chalicelib.core.leases import Beacon, Observation, PartLease, Takeover
from chalicelib.core.model import (
    Checksum,
    JobSpec,
    Outcome,
    Terminal,
)
from chalicelib.core.progress import PlanProgress
from chalicelib.core.slots import Slot, SlotPool, Waiter
from chalicelib.core.webhooks import WebhookHealth


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
    older: tuple[str, ...] = ()
    """ETags of versions that were delivered, or are spoken of here. Where the destination shows one of these, and the
    source has another version by now, an older version lies there: the newest is delivered, even if it was before."""
    tries: int = 0
    """How often it came to nothing though its buckets answer."""
    hint: bool = False
    """The other Region has it too, and delivers it as long as it lives."""
    waited: int = 0
    """How often a hint was put off because that Region lives."""


class DeliveryStatus(StrEnum):
    """How far one version of an object is on its way through a feed."""

    QUEUED = "QUEUED"
    """In the manifest of a feed job that is on the list of open jobs: it will be carried out."""
    COPIED = "COPIED"
    VERIFIED = "VERIFIED"
    FAILED = "FAILED"
    GONE = "GONE"
    """Deleted at the source before its turn came: there is nothing to deliver."""


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
class DeliveryLock:
    """A worker of a Region is about to deliver a version. No other one of that Region does so until `until_ms`."""

    feed_id: str
    key: str
    pin: str
    region: str
    holder: str
    until_ms: int


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

    def lock_delivery(self, lock: DeliveryLock, now_ms: int) -> bool:
        """Put the lock, if this Region has none of that version, or one that has ended by `now_ms`, or the holder's.
        False: another holds it. Exact within a Region. The same request twice has the answer of the first."""
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


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A page of entries of all tenants. `cursor` is None on the last page."""

    entries: tuple[Entry, ...]
    cursor: str | None


EntryName = tuple[EntryKind, str, str]
"""Kind, tenant and name."""


class Registry(Protocol):
    """What tenants have registered (`core.entries`). Strongly consistent in a Region: whoever reads after another one
    sees no less. The other Region sees a change about a second later, an entry and its pointers each by itself, and of
    two changes at once the later one counts."""

    def get(self, kind: EntryKind, tenant: str, name: str) -> Entry | None: ...
    def get_many(self, names: Sequence[EntryName]) -> Mapping[EntryName, Entry]:
        """Those that are there."""
        ...

    def of_tenant(self, kind: EntryKind, tenant: str) -> Sequence[Entry]:
        """By name. How many there may be is limited (`core.policy`)."""
        ...

    def page(self, kind: EntryKind, cursor: str | None, limit: int, *, removed: bool = False) -> EntryPage:
        """Of all tenants: those that are there, or those that were removed and are kept. A cursor is one that this
        call gave for the same question, whatever has changed since."""
        ...

    def count_removed(self, kind: EntryKind, tenant: str) -> int:
        """Of those that are kept."""
        ...

    def find(self, kind: EntryKind, at: str) -> Sequence[Found]:
        """The rows of an index."""
        ...

    def put(self, entry: Entry, change: Change, before: Entry | None) -> bool:
        """Write the entry and its pointers in the place of `before` and its (a removed one: apart), and the change
        beside them, all or nothing, if `before` is what is there (None: nothing). False: something else is. Retry:
        look."""
        ...

    def point(self, entry: Entry) -> bool:
        """Write the pointers of an entry again, if it is what is there."""
        ...

    def changes(self, tenant: str, cursor: str | None, limit: int) -> ChangePage:
        """Invalid cursors raise Permanent("InvalidCursor")."""
        ...
