"""Claim a partition, and keep other workers informed that its worker is alive."""

from dataclasses import dataclass, field
from functools import partial, reduce
from operator import or_

from chalicelib.core.desired_state import AS_SUBMITTED, DesiredState
from chalicelib.core.errors import JobCancelled, JobPaused, OutOfTime, Retry, Superseded
from chalicelib.core.leases import (
    Awaited,
    LeaseJudgement,
    LeasePhase,
    LeaseStatus,
    Observation,
    PartitionLease,
    RegionFingerprints,
    Takeover,
    judge_lease,
)
from chalicelib.core.manifests import Claim, Manifest
from chalicelib.core.rows import RowOutcome
from chalicelib.core.tries import rest_ms
from chalicelib.ports import Env
from chalicelib.protocol.permits import HeldPermits
from chalicelib.protocol.records import JobRecords
from chalicelib.protocol.regions import region_fingerprint
from chalicelib.protocol.table import put_best_effort

CHECK_EVERY_BEATS = 4
"""How many heartbeats there are between two checks for a higher claim, a receipt, a cancel or a pause; every 60 s by
default. Only efficiency depends on it: a superseded worker can't publish an object that another worker has
published."""
RESERVE_MS = 20_000
"""How long before the end of the invocation work stops, to leave time for recording the results."""


def observe(
    env: Env, records: JobRecords, partition_id: str, epoch: int, regions: RegionFingerprints, *, rounds: int = 0
) -> LeaseJudgement:
    """Check the lease of a claim, and note its fingerprint by this Region's own clock.

    The table may be stale or empty: that costs time, never safety. `regions` holds the fingerprints of other Regions'
    heartbeats. If the owner's is missing, the answer is to wait. `rounds` is the number of fruitless rounds after which
    the partition rests now; 0 if it doesn't rest.
    """
    claim = records.claim(partition_id, epoch)
    owner = claim.region if claim else env.region
    return _judge(env, records, partition_id, epoch, owner, regions, claiming=False, rounds=rounds)


def _judge(
    env: Env,
    records: JobRecords,
    partition_id: str,
    epoch: int,
    owner: str,
    regions: RegionFingerprints,
    *,
    claiming: bool,
    rounds: int,
) -> LeaseJudgement:
    if owner != env.region and owner not in regions:
        return LeaseJudgement(LeaseStatus.WAITING, None, env.policy.takeover_after_ms)
    leases = env.ledger.get_leases(records.job_id, partition_id)
    lease = next((item for item in leases if item.epoch == epoch), None)
    before = env.ledger.get_observation(records.job_id, partition_id, env.region)
    # Another Region's message is lost only if the Region is. So while that Region's heartbeat moves, the timeout starts
    # again.
    own_timeout_ms = env.policy.lease_ttl_ms + (rest_ms(rounds) if rounds else 0)
    timeout_ms = own_timeout_ms if owner == env.region else env.policy.takeover_after_ms
    now_ms = env.clock.now_ms()
    judgement = judge_lease(
        epoch, lease, before, now_ms, timeout_ms, claiming=claiming, owner_region=regions.get(owner), resting=rounds > 0
    )
    if judgement.status is LeaseStatus.MOVED:
        observation = Observation.of(records.job_id, partition_id, env.region, judgement.fingerprint, now_ms)
        put_best_effort(env, env.ledger.put_observation, observation)
    return judgement


def acquire(
    env: Env,
    records: JobRecords,
    partition_id: str,
    *,
    fresh: bool,
    rested_after_epoch: int = 0,
    desired_state: DesiredState = AS_SUBMITTED,
) -> int | None:
    """Claim the partition. Return the held epoch, or None if the partition is done, has a live worker, or rests.

    `fresh` hints that there is no claim yet: then one create-only PUT decides. A wrong hint merely loses the race.
    `rested_after_epoch` says that the message was sent for the end of the rest after this epoch. Any other message
    doesn't claim a resting partition, unless its lease has expired, or the desired state of the job has changed.
    """
    if fresh and records.create_claim(_claim(env, records.job_id, partition_id, 1)):
        return 1
    if records.done(partition_id):
        return None
    epoch = records.highest_claim(partition_id)
    held = records.claim(partition_id, epoch) if epoch else None
    if held is not None and not _may_supersede(env, records, held, rested_after_epoch, desired_state):
        return None
    if not records.create_claim(_claim(env, records.job_id, partition_id, epoch + 1)):
        return None
    # Crash after this: there is a claim without heartbeats. An observer sees its fingerprint stand still, and
    # supersedes it by the next epoch.
    if held is not None and held.region != env.region:
        put_best_effort(env, partial(_note_takeover, env), held)
    return epoch + 1


def _may_supersede(
    env: Env, records: JobRecords, held: Claim, rested_after_epoch: int, desired_state: DesiredState
) -> bool:
    """Return whether the highest claim's worker has given its partition back, or its lease has expired. For
    `rested_after_epoch` and `desired_state` see `acquire`."""
    regions = {held.region: region_fingerprint(env, held.region)} if held.region != env.region else {}
    rounds, tried = 0, records.tried(held.partition_id)
    if tried is not None and tried.epoch == held.epoch:
        if rested_after_epoch == held.epoch or tried.desired_state != desired_state:
            return True  # Its worker has given it back, whatever the table says.
        rounds = tried.rounds
    return _judge(
        env, records, held.partition_id, held.epoch, held.region, regions, claiming=True, rounds=rounds
    ).may_claim


def _note_takeover(env: Env, held: Claim) -> None:
    observation = env.ledger.get_observation(held.job_id, held.partition_id, env.region)
    now_ms = env.clock.now_ms()
    waited_ms = now_ms - observation.since_ms if observation else 0
    takeover = Takeover(
        held.job_id, held.partition_id, held.epoch + 1, held.region, env.region, env.worker, waited_ms, now_ms
    )
    env.log(
        "taken-over",
        job=takeover.job_id,
        partition_id=takeover.partition_id,
        epoch=takeover.epoch,
        from_region=takeover.from_region,
    )
    env.ledger.put_takeover(takeover)


def _claim(env: Env, job_id: str, partition_id: str, epoch: int) -> Claim:
    return Claim(job_id, partition_id, epoch, env.region, env.worker, env.ids.nonce(), env.clock.now_ms())


@dataclass(slots=True)
class HeldLease:
    """A held lease: a partition at an epoch, its heartbeat, and which of its rows are decided."""

    env: Env
    records: JobRecords
    manifest: Manifest
    epoch: int
    deadline_ms: int
    """When this invocation ends, by our own clock; in ms since the epoch."""
    started_ms: int
    permits: HeldPermits
    """The permits of this worker. They are released when the partition is given back or finished, before the tasks
    of workers that may need them are sent."""
    decided_before: int | None = None
    """Bitmap of the rows that earlier epochs, in any Region, had decided; None until it is read. Those rows are checked
    again, but the reported progress doesn't go back."""
    outcomes: dict[int, RowOutcome] = field(default_factory=dict)
    awaited: tuple[Awaited, ...] = ()
    """The rows that earlier rounds, or this one, left undecided; every heartbeat shows them."""
    heartbeat: int = 0
    renewed_ms: int = 0
    superseded: bool = False
    cancelled: bool = False
    paused: bool = False

    def decide(self, index: int, outcome: RowOutcome) -> None:
        self.outcomes[index] = outcome

    @property
    def undecided(self) -> list[int]:
        return [index for index in range(len(self.manifest.rows)) if index not in self.outcomes]

    def check(self) -> None:
        """Raise Superseded, JobCancelled, JobPaused or OutOfTime if the work must stop. Called between the requests of
        every row."""
        if self.cancelled:
            raise JobCancelled("JobCancelled", self.records.job_id)
        if self.paused:
            raise JobPaused("JobPaused", self.records.job_id)
        self.check_while_cancelling()

    def check_while_cancelling(self) -> None:
        """Raise Superseded or OutOfTime if the work must stop. It is for rows that are decided without copying: a
        cancel or a pause doesn't stop that."""
        if self.superseded:
            raise Superseded("Superseded", f"partition {self.manifest.partition_id} at epoch {self.epoch}")
        if self.env.clock.now_ms() >= self.deadline_ms - RESERVE_MS:
            raise OutOfTime("OutOfTime", f"{len(self.outcomes)} of {len(self.manifest.rows)} rows are decided")

    def tick(self) -> None:
        """Send heartbeats, look for a successor, and stop in time. Called about every second while rows are worked on.
        Raises as `check` does."""
        self.check()
        self.tick_while_cancelling()
        self.check()

    def tick_while_cancelling(self) -> None:
        """Do the same as `tick` for rows that are decided without copying. Raises as `check_while_cancelling` does."""
        self.check_while_cancelling()
        self.permits.renew()
        if self.env.clock.now_ms() - self.renewed_ms < self.env.policy.heartbeat_ms:
            return
        self.renew()
        if self.heartbeat % CHECK_EVERY_BEATS == 0:
            self._check_records()
            self.check_while_cancelling()

    def _check_records(self) -> None:
        partition_id = self.manifest.partition_id
        try:
            desired_state = self.records.desired_state()
            self.cancelled, self.paused = desired_state.cancelled, desired_state.paused
            self.superseded = self.records.claim(partition_id, self.epoch + 1) is not None or self.records.done(
                partition_id
            )
        except Retry as error:
            # Only efficiency depends on this check, so it is better to continue than to lose the partition's work.
            self.env.log(
                "successor-not-looked-for", job=self.records.job_id, partition_id=partition_id, error=str(error)
            )

    def renew(self) -> None:
        """Put the lease into the table: this worker is alive, and how far it is."""
        self._beat(LeasePhase.COPYING)

    def release(self, phase: LeasePhase = LeasePhase.RELEASED) -> None:
        """End the lease, and free this worker's permits. `phase` says how far it has got: given back before the end
        (RELEASED), or COPIED."""
        self._beat(phase)
        self.permits.free()

    def _beat(self, phase: LeasePhase) -> None:
        self.heartbeat += 1
        self.renewed_ms = self.env.clock.now_ms()
        put_best_effort(self.env, self._put_lease, phase)

    def _put_lease(self, phase: LeasePhase) -> None:
        """Write the lease item, but not before the table has said which rows earlier epochs had decided: without that,
        the progress would go back. If the table can't be read, nothing is written. Other workers may then take over,
        which is safe as always."""
        if self.decided_before is None:
            leases = self.env.ledger.get_leases(self.records.job_id, self.manifest.partition_id)
            self.decided_before = reduce(or_, (lease.decided for lease in leases), 0)
        self.env.ledger.put_lease(self._lease(phase, self.decided_before))

    def _lease(self, phase: LeasePhase, decided: int) -> PartitionLease:
        for index, outcome in dict(self.outcomes).items():
            decided = decided | 1 << index if outcome.outcome.is_end else decided & ~(1 << index)
        rows = self.manifest.rows
        return PartitionLease(
            job_id=self.records.job_id,
            partition_id=self.manifest.partition_id,
            region=self.env.region,
            epoch=self.epoch,
            worker=self.env.worker,
            heartbeat=self.heartbeat,
            phase=phase,
            rows=len(rows),
            decided=decided,
            bytes_decided=sum(row.bytes_to_copy for index, row in enumerate(rows) if decided >> index & 1),
            started_ms=self.started_ms,
            counts={},
            verification={},
            awaited=self.awaited if phase in (LeasePhase.COPYING, LeasePhase.RELEASED) else (),
        )
