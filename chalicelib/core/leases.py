"""Who works on a partition, and when somebody else may.

The table's word on a lease is a hint. It decides when a *claim* is attempted; the claim itself, a create-only object,
decides who holds the partition, and even two holders can't both publish (`core.verdict`).
"""

from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.model import Outcome, Verification


class LeasePhase(StrEnum):
    """How far a partition's worker is."""

    COPYING = "COPYING"
    RELEASED = "RELEASED"
    """Given back before the end (out of time, or S3 throttles): the next epoch may begin at once."""
    COPIED = "COPIED"
    DONE = "DONE"


AWAITED_MAX = 10
"""How many rows a partition's item names that keep it waiting."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A row that stays undecided: since when, after how many rounds, and what was last seen. For people."""

    key: str
    since_ms: int
    rounds: int
    seen: str


@dataclass(frozen=True, slots=True)
class PartLease:
    """What one Region's last worker said about a partition. Written by that Region only."""

    job_id: str
    part: str
    region: str
    epoch: int
    worker: str
    heartbeat: int
    """A counter, not a time: an observer measures with its own clock how long it stands still."""
    phase: LeasePhase
    rows: int
    decided: int
    """Bitmap over the manifest's rows: merged over Regions by OR, so that nothing is counted twice."""
    bytes_decided: int
    started_ms: int
    counts: dict[Outcome, int]
    verification: dict[Verification, int]
    awaited: tuple[Awaited, ...] = ()

    @property
    def rank(self) -> int:
        """Of two items of one Region the greater counts, whenever it was written: a worker that was asleep must not
        replace its successor's word, nor the receipt's. Receipted beats any epoch, an epoch any heartbeat of those
        before it (of which there are fewer than 10^7: years)."""
        return 10**14 if self.phase is LeasePhase.DONE else self.epoch * 10**7 + self.heartbeat


@dataclass(frozen=True, slots=True)
class Observation:
    """What this Region saw of a subject (a partition's lease, or a whole job), and since when it has looked the same
    by this Region's own clock. Record-version technique: no other machine's clock is compared."""

    job_id: str
    subject: str
    region: str
    seen: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Beacon:
    """A Region's sweep was alive: a counter and, for people, when."""

    region: str
    counter: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Takeover:
    """A partition changed hands from one Region to the other. For operators and drills; nothing depends on it."""

    job_id: str
    part: str
    epoch: int
    from_region: str
    to_region: str
    worker: str
    waited_ms: int
    """How long the new owner's Region had seen the old one's sign of life stand still."""
    at_ms: int


class Standing(StrEnum):
    MOVED = "MOVED"
    """It looks different from last time (or was never looked at): note it and wait."""
    WAITING = "WAITING"
    EXPIRED = "EXPIRED"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class Look:
    """What an observer makes of a claim. `wait_ms`: how much longer its patience lasts, if nothing moves meanwhile."""

    standing: Standing
    sight: str
    wait_ms: int = 0

    @property
    def may_claim(self) -> bool:
        return self.standing in (Standing.EXPIRED, Standing.RELEASED)


def lease_sight(epoch: int, lease: PartLease | None, owner_region: str = "") -> str:
    """What an observer compares: the claimed epoch; where the table knows that epoch, its heartbeat counter; and, for
    an owner in another Region, what that Region's beacons in S3 look like (`owner_region`): if they move while the
    heartbeat stands still, it is the table's replication that stands still, and the Region is alive."""
    beat = lease.heartbeat if lease is not None and lease.epoch == epoch else 0
    return f"{epoch}:{beat}:{owner_region}"


def look(
    epoch: int,
    lease: PartLease | None,
    before: Observation | None,
    now_ms: int,
    patience_ms: int,
    *,
    claiming: bool,
    owner_region: str = "",
    resting: bool = False,
) -> Look:
    """May the claim at `epoch` be superseded? `lease` is the table's item for it, perhaps stale or missing.

    `claiming`: asked by a worker with a message in hand, who may take a released partition at once. The sweep waits
    its time there too: whoever released it has sent a message, and one more at every sweep would leave a throttled
    partition no rest. `resting`: such a message is on its way, and the worker's is another one, which would double the
    partition's rounds for good.
    """
    sight = lease_sight(epoch, lease, owner_region)
    given_back = lease is not None and lease.epoch == epoch and lease.phase is LeasePhase.RELEASED
    if claiming and given_back and not resting:
        return Look(Standing.RELEASED, sight)
    if lease is not None and lease.epoch == epoch and lease.phase is LeasePhase.COPIED:
        # Its copy record was written before this item: verification comes next, not a claim.
        return Look(Standing.WAITING, sight, patience_ms)
    if before is None or before.seen != sight:
        return Look(Standing.MOVED, sight, patience_ms)
    left = patience_ms - (now_ms - before.since_ms)
    return Look(Standing.EXPIRED, sight) if left <= 0 else Look(Standing.WAITING, sight, left)
