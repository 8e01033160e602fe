"""Decides which worker works on a partition, and when another one may take over.

A lease in the table is a hint. It decides when a worker attempts a *claim*. The claim is a create-only object, and it
alone decides who holds the partition. Even two holders can't both publish (`core.verdict`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from chalicelib.core import fingerprints
from chalicelib.core.rows import Outcome, Verification

N = TypeVar("N")


class LeasePhase(StrEnum):
    """How far a partition's worker has got."""

    COPYING = "COPYING"
    RELEASED = "RELEASED"
    """Released before the end (out of time, or S3 throttles): the next epoch may begin at once."""
    COPIED = "COPIED"
    DONE = "DONE"


AWAITED_MAX = 10
"""How many of the rows that keep a partition waiting its table item names."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A row that stays undecided: since when, after how many rounds, and the last thing that was seen of it. It is for
    people."""

    key: str
    since_ms: int
    rounds: int
    seen: str


@dataclass(frozen=True, slots=True)
class PartitionLease:
    """The state of a partition as the last worker of one Region reported it. Only that Region writes it."""

    job_id: str
    partition_id: str
    region: str
    epoch: int
    worker: str
    heartbeat: int
    """A counter, not a time: an observer measures with its own clock for how long the counter has stood still."""
    phase: LeasePhase
    rows: int
    decided: int
    """Bitmap of the manifest's decided rows. The Regions' bitmaps are merged by OR, so that no row is counted twice."""
    bytes_decided: int
    started_ms: int
    counts: dict[Outcome, int]
    verification: dict[Verification, int]
    awaited: tuple[Awaited, ...] = ()

    @property
    def rank(self) -> int:
        """The order of two items of one Region: the greater rank wins, whenever it was written. A worker that was
        asleep must not replace its successor's item, nor the receipt's. DONE beats any epoch, and an epoch beats every
        heartbeat of earlier epochs (an epoch has fewer than 10^7 heartbeats: that many take years)."""
        return 10**14 if self.phase is LeasePhase.DONE else self.epoch * 10**7 + self.heartbeat


@dataclass(frozen=True, slots=True)
class Observation:
    """The fingerprint that this Region noted of a subject (a partition's lease, or a whole job), and since when it has
    been the same by this Region's own clock. This is the record-version technique: no other machine's clock is
    compared. Work that a Region does piece by piece is noted in the same way: how far it has got, and since when."""

    job_id: str
    subject: str
    region: str
    fingerprint: str
    """The text that `core.fingerprints` made of the note: each kind of subject has a dataclass of its own."""
    since_ms: int

    @classmethod
    def of(cls, job_id: str, subject: str, region: str, note: object, since_ms: int) -> "Observation":
        return cls(job_id, subject, region, fingerprints.fingerprint(note), since_ms)

    def note(self, kind: type[N]) -> N | None:
        """Return the note of this kind; None if it isn't one (`fingerprints.parse`)."""
        return fingerprints.parse(self.fingerprint, kind)


def note_of(observation: Observation | None, kind: type[N]) -> N | None:
    """Return the note of an observation; None if there is no observation, or it holds no note of this kind."""
    return None if observation is None else observation.note(kind)


@dataclass(frozen=True, slots=True)
class RegionHeartbeat:
    """A Region's heartbeat: a counter that each of its sweeps increases and, for people, the time."""

    region: str
    counter: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Takeover:
    """A partition passed from one Region to the other. It is for operators and drills; nothing depends on it."""

    job_id: str
    partition_id: str
    epoch: int
    from_region: str
    to_region: str
    worker: str
    waited_ms: int
    """For how long the new owner's Region had seen the old owner's fingerprint unchanged."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class RegionFingerprint:
    """The fingerprint of a Region's heartbeats: any change is a sign of life."""

    etags: Mapping[str, str]
    """Region of a control bucket -> the beginning of the heartbeat's ETag there, or a mark that there is none or that
    it can't be read."""


RegionFingerprints = Mapping[str, RegionFingerprint]
"""Region -> the fingerprint of its heartbeats."""


@dataclass(frozen=True, slots=True)
class LeaseFingerprint:
    """The fingerprint of a claim's lease: as long as it doesn't change, the lease stands still."""

    epoch: int
    heartbeat: int
    """The counter in the table's item, or 0 if that item is of another epoch."""
    owner_region: RegionFingerprint | None = None
    """For an owner in another Region: if this changes while the counter stands still, only the table's replication is
    stuck, and the Region is alive."""


class LeaseStatus(StrEnum):
    MOVED = "MOVED"
    """The fingerprint has changed, or was never noted before: note it and wait."""
    WAITING = "WAITING"
    EXPIRED = "EXPIRED"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class LeaseJudgement:
    """An observer's judgement of a claim. `wait_ms`: how much of the timeout is left, if the fingerprint doesn't
    change."""

    status: LeaseStatus
    fingerprint: LeaseFingerprint | None
    """None if nothing was compared."""
    wait_ms: int = 0

    @property
    def may_claim(self) -> bool:
        return self.status in (LeaseStatus.EXPIRED, LeaseStatus.RELEASED)


def lease_fingerprint(
    epoch: int, lease: PartitionLease | None, owner_region: RegionFingerprint | None = None
) -> LeaseFingerprint:
    """Return the fingerprint that an observer compares, of the claim at `epoch`. `owner_region` is that of the owner's
    Region if the owner is in another Region."""
    heartbeat = lease.heartbeat if lease is not None and lease.epoch == epoch else 0
    return LeaseFingerprint(epoch, heartbeat, owner_region)


def judge_lease(
    epoch: int,
    lease: PartitionLease | None,
    before: Observation | None,
    now_ms: int,
    timeout_ms: int,
    *,
    claiming: bool,
    owner_region: RegionFingerprint | None = None,
    resting: bool = False,
) -> LeaseJudgement:
    """Judge whether the claim at `epoch` may be superseded. `lease` is the table's item for the partition, perhaps
    stale or missing.

    `claiming`: the caller is a worker with a task message, which may take a released partition at once. The sweep waits
    for the timeout there too: the worker that released the partition has sent a task message, and another one at every
    sweep would leave a throttled partition no rest.

    `resting`: that message is still on its way, and the worker has another one. If it claimed now, it would double the
    partition's rounds for good.
    """
    current = lease_fingerprint(epoch, lease, owner_region)
    released = lease is not None and lease.epoch == epoch and lease.phase is LeasePhase.RELEASED
    if claiming and released and not resting:
        return LeaseJudgement(LeaseStatus.RELEASED, current)
    if lease is not None and lease.epoch == epoch and lease.phase is LeasePhase.COPIED:
        # Its copy record was written before this item: verification comes next, not a claim.
        return LeaseJudgement(LeaseStatus.WAITING, current, timeout_ms)
    if before is None or before.note(LeaseFingerprint) != current:
        return LeaseJudgement(LeaseStatus.MOVED, current, timeout_ms)
    left_ms = timeout_ms - (now_ms - before.since_ms)
    if left_ms <= 0:
        return LeaseJudgement(LeaseStatus.EXPIRED, current)
    return LeaseJudgement(LeaseStatus.WAITING, current, left_ms)
