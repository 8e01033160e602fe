"""Decides what the sweep does about a job: a pure decision based on the records in the control bucket and the table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

from chalicelib.core.admission import first_of_each_lane, partitions_ahead
from chalicelib.core.budgets import silence_ms
from chalicelib.core.decisions import Rule, decide_by, otherwise
from chalicelib.core.desired_state import AS_SUBMITTED, DesiredState
from chalicelib.core.ids import DELETE_RANGE, ROOT_RANGE, partition_id_of
from chalicelib.core.jobs import Priority
from chalicelib.core.leases import Observation, RegionFingerprint, note_of
from chalicelib.core.lifecycles import PARTITION, PartitionEvent, PartitionState
from chalicelib.core.policy import Policy
from chalicelib.core.settle import may_be_complete, ranges_of

JOB_SUBJECT = "job"
"""The subject of the observation of a whole job; partitions are observed under their ids."""
MAX_DOUBLINGS = 6
REPLICATION_MS = 5_000
"""Allowance for the table's replication: typically about a second, without promise (DynamoDB developer guide)."""
START_MS = 15_000
"""Allowance for the sweep's own run, a message's delivery and a function's cold start."""


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """A job snapshot: the names of a job's create-only records (one LIST)."""

    entries: frozenset[str] = frozenset()
    claims: Mapping[str, int] = field(default_factory=dict)
    """Partition -> its highest claimed epoch."""
    copied: Mapping[str, int] = field(default_factory=dict)
    """Partition -> the highest epoch that has a copy record."""
    done: frozenset[str] = frozenset()
    desired_state: DesiredState = AS_SUBMITTED
    terminal: bool = False
    planned: bool = False
    """For a plan: its summary is recorded."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Partition whose highest claim's round ended with undecided rows -> how many such rounds there were."""


@dataclass(frozen=True, slots=True)
class Repairs:
    """The repairs to make. Each is safe to do twice, and by both Regions at once."""

    close: bool = False
    """The worker that settled the job died before it published that. Publish it, and remove the job from the list of
    open jobs."""
    settle: bool = False
    """Settle the job if it is complete; for a plan, sum it up."""
    watch: tuple[tuple[str, int], ...] = ()
    """Claimed partitions without a copy record, with their epoch: their leases are to be looked at."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Partitions that rest (`core.tries`), with the number of their rounds."""
    split: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()
    again: bool = False
    """The task messages were sent before and are assumed lost. Those for copy are not sent again if the job is known to
    wait for a permit."""
    delay_ms: int = 0
    """The delay of the messages for split, copy and verify."""
    observation: Observation | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The steps that may be next, judged by names alone. It lists too many rather than too few: a task message for work
    that doesn't exist, or that a worker is doing, changes nothing."""

    split: frozenset[str]
    copy: frozenset[str]
    """Planned, and neither claimed nor receipted."""
    working: frozenset[str]
    """Claimed, and without a copy record."""
    verify: frozenset[str]


def waiting(snapshot: JobSnapshot, *, deletes: bool = False) -> Waiting:
    """Return the steps that may be next. If the job `deletes`, planning the deletions begins when everything is
    delivered; copy finds out whether they are planned to the end."""
    ranges = ranges_of(snapshot.entries) or {ROOT_RANGE: 0}
    # A range whose two halves both have entries has ended in its range split: nothing in it is left to do.
    split_ranges = {name for name in ranges if {f"{name}0", f"{name}1"} <= ranges.keys()}
    range_splits = {partition_id_of(name, ranges[name]) for name in split_ranges}
    partition_ids: dict[PartitionState, set[str]] = {state: set() for state in PartitionState}
    for partition_id in snapshot.entries.union(snapshot.claims, snapshot.copied):
        partition_ids[_state(snapshot, partition_id)].add(partition_id)
    unclaimed = partition_ids[PartitionState.PLANNED] - range_splits
    splittable = {name: last for name, last in ranges.items() if name != DELETE_RANGE}
    # The last entry of a range, if it is unclaimed, may be a range split whose messages were lost. Only reading it
    # would show that. A message for a range that doesn't exist changes nothing.
    halves = {
        f"{name}{half}"
        for name, last in splittable.items()
        if partition_id_of(name, last) in unclaimed
        for half in "01"
    }
    delivered = may_be_complete(snapshot.entries, snapshot.done)
    deletion_range = {DELETE_RANGE} if deletes and delivered and DELETE_RANGE not in ranges else set()
    return Waiting(
        split=frozenset((ranges.keys() | halves | deletion_range) - split_ranges),
        copy=frozenset(unclaimed),
        working=frozenset(partition_ids[PartitionState.COPYING] | partition_ids[PartitionState.RESTING]),
        verify=frozenset(partition_ids[PartitionState.COPIED]),
    )


def _state(snapshot: JobSnapshot, partition_id: str) -> PartitionState:
    """Return the state of a partition, or of a range split, by the names of its records."""
    copied = partition_id in snapshot.copied
    # A LIST of several pages may show a copy record and not the claim, which is older: its page was read before.
    return _reached(
        copied or partition_id in snapshot.claims,
        partition_id in snapshot.resting,
        copied,
        partition_id in snapshot.done,
    )


@cache
def _reached(claimed: bool, resting: bool, copied: bool, done: bool) -> PartitionState:
    """Replay the records of a partition (`core.lifecycles`: `PARTITION`). A large job has many partitions and few
    combinations of records, so each combination is replayed only once."""
    recorded = {
        PartitionEvent.CUT: True,
        PartitionEvent.CLAIMED: claimed,
        PartitionEvent.TRIED: resting,
        PartitionEvent.COPIED: copied,
        PartitionEvent.RECEIPTED: done,
    }
    return PARTITION.reached(event for event, is_recorded in recorded.items() if is_recorded)


def to_start(waits: Waiting, priority: Priority, policy: Policy) -> frozenset[str]:
    """Return the partitions of a resumed job that need a task message now, so that all of them get theirs in turn."""
    lanes = first_of_each_lane(
        waits.copy | waits.working, lambda range_id: partitions_ahead(policy, priority, range_id)
    )
    return waits.working | frozenset(lanes)


@dataclass(frozen=True, slots=True)
class JobFingerprint:
    """The fingerprint of a job. A job with equal fingerprints at two times has not moved in between. Heartbeats are not
    part of it: a partition at work shows in its lease, and its job needs no other task message."""

    entries: int = 0
    claims: int = 0
    """The sum of the partitions' highest claimed epochs; `copied` likewise."""
    copied: int = 0
    done: int = 0
    desired_state: DesiredState = AS_SUBMITTED
    home_region: RegionFingerprint | None = None
    """For an observer in another Region than the job's home."""
    settled: bool = False
    """It is settled, and still listed as open; nothing else is noted then."""
    redriven: int = field(default=0, compare=False)
    """How often its messages were sent again since it has looked like this."""


SETTLED = JobFingerprint(settled=True)


def job_fingerprint(snapshot: JobSnapshot, home_region: RegionFingerprint | None = None) -> JobFingerprint:
    """Return the fingerprint of a job that is not settled."""
    return JobFingerprint(
        entries=len(snapshot.entries),
        claims=sum(snapshot.claims.values()),
        copied=sum(snapshot.copied.values()),
        done=len(snapshot.done),
        desired_state=snapshot.desired_state,
        home_region=home_region,
    )


@dataclass(frozen=True)  # Without slots: what is derived is kept.
class OpenJob:
    """One open job as a sweep finds it: the case that `RULES` decide about."""

    job_id: str
    snapshot: JobSnapshot
    before: Observation | None
    """The last observation of the job by this Region."""
    region: str
    home: str
    home_region: RegionFingerprint | None
    """The fingerprint of the heartbeat of the job's home Region."""
    now_ms: int
    policy: Policy
    deletes: bool
    priority: Priority

    @cached_property
    def waits(self) -> Waiting:
        return waiting(self.snapshot, deletes=self.deletes)

    @cached_property
    def noted(self) -> JobFingerprint | None:
        """The fingerprint in the last observation."""
        return note_of(self.before, JobFingerprint)

    @cached_property
    def fingerprint(self) -> JobFingerprint:
        """The job's fingerprint now. Outside its home Region, it also shows whether the home Region is alive."""
        return job_fingerprint(self.snapshot, None if self.region == self.home else self.home_region)

    @property
    def redrives(self) -> int:
        """How often the messages were sent again since the job moved last."""
        return self.noted.redriven if self.noted else 0

    @property
    def moved(self) -> bool:
        return self.noted != self.fingerprint

    @property
    def unblocked(self) -> bool:
        """Whether copy may work on the job, and the last sweep didn't know that. So the job was resumed, approved or
        cancelled in between, or it is seen for the first time after that."""
        desired_state = self.snapshot.desired_state
        known = self.noted is not None and self.noted.desired_state == desired_state
        return desired_state.may_copy and desired_state != AS_SUBMITTED and not known

    @property
    def wait_ms(self) -> int:
        """The time until a job that stands still gets its messages again; 0 or less if that time has come."""
        timeout_ms = self.policy.redrive_after_ms if self.region == self.home else self.policy.takeover_after_ms
        since_ms = self.before.since_ms if self.before else self.now_ms
        factor: int = 2 ** min(self.redrives, MAX_DOUBLINGS)
        return timeout_ms * factor - (self.now_ms - since_ms)


def _close(_: OpenJob) -> Repairs:
    return Repairs(close=True)


def _note_settled(job: OpenJob) -> Repairs:
    return Repairs(observation=Observation.of(job.job_id, JOB_SUBJECT, job.region, SETTLED, job.now_ms))


def _watch(job: OpenJob) -> Repairs:
    """Make the repairs that every unsettled job gets: its leases are watched, and it is settled if it is complete."""
    snapshot = job.snapshot
    entries, done = snapshot.entries, snapshot.done
    working = sorted(job.waits.working) if snapshot.desired_state.may_copy else ()
    return Repairs(
        settle=bool(entries)
        if snapshot.desired_state.unapproved
        else may_be_complete(entries, done, deletes=job.deletes),
        watch=tuple((partition_id, snapshot.claims[partition_id]) for partition_id in working),
        resting=snapshot.resting,
    )


def _note(job: OpenJob) -> Repairs:
    observation = Observation.of(job.job_id, JOB_SUBJECT, job.region, job.fingerprint, job.now_ms)
    return replace(_watch(job), observation=observation)


def _send_to_cancel(job: OpenJob) -> Repairs:
    """Send the message by which split sends those for copy of all partitions, from the job's root down. Copy gets some
    here as well, in case there is nothing to split."""
    unfinished = job.waits.copy | job.waits.working
    return replace(_note(job), split=(ROOT_RANGE,), copy=_window(unfinished, job.policy.redrives_per_job, 0))


def _send_to_all_lanes(job: OpenJob) -> Repairs:
    """Send the messages of all lanes at once, because workers dropped them during the pause."""
    lanes = to_start(job.waits, job.priority, job.policy)
    return replace(_note(job), split=tuple(sorted(job.waits.split)), copy=tuple(sorted(lanes)))


def _send_again(job: OpenJob, *, split: bool = True, copy: bool = True) -> Repairs:
    """Send the messages of a job that stands still. Those for verify are always sent: what is copied is verified, in a
    paused job too."""
    limit, delay_ms = job.policy.redrives_per_job, max(0, job.wait_ms)
    fingerprint = replace(job.fingerprint, redriven=job.redrives + 1)
    return replace(
        _watch(job),
        split=_window(job.waits.split, limit, job.redrives) if split else (),
        copy=_window(job.waits.copy, limit, job.redrives) if copy else (),
        verify=_window(job.waits.verify, limit, job.redrives),
        again=True,
        delay_ms=delay_ms,
        observation=Observation.of(job.job_id, JOB_SUBJECT, job.region, fingerprint, job.now_ms + delay_ms),
    )


RULES: tuple[Rule[OpenJob, Repairs], ...] = (
    # The worker that settled the job may be publishing that at this very moment. A whole sweep interval later it no
    # longer is.
    Rule("settled, and was so a sweep ago", lambda job: job.snapshot.terminal and job.noted == SETTLED, _close),
    Rule("settled", lambda job: job.snapshot.terminal, _note_settled),
    Rule(
        "cancelled since the last sweep",
        lambda job: job.moved and job.unblocked and job.snapshot.desired_state.cancelled,
        _send_to_cancel,
    ),
    Rule("resumed or approved since the last sweep", lambda job: job.moved and job.unblocked, _send_to_all_lanes),
    Rule("moved since the last sweep", lambda job: job.moved, _note),
    Rule(
        "stands still, but not long enough",
        lambda job: job.wait_ms > 0 and not due_before_next_sweep(job.wait_ms, job.policy),
        _watch,
    ),
    Rule(
        "stands still because it is paused",
        lambda job: job.snapshot.desired_state.paused,
        lambda job: _send_again(job, split=False, copy=False),
    ),
    Rule(
        "stands still, and is a plan without approval",
        lambda job: job.snapshot.desired_state.unapproved,
        lambda job: _send_again(job, copy=False),
    ),
    Rule("stands still: its messages are assumed lost", otherwise, _send_again),
)
"""The decision table of the sweep. The first rule that applies to a job gives its repairs."""


def decide(
    job_id: str,
    snapshot: JobSnapshot,
    before: Observation | None,
    *,
    region: str,
    home: str,
    home_region: RegionFingerprint | None,
    now_ms: int,
    policy: Policy,
    deletes: bool = False,
    priority: Priority = Priority.NORMAL,
) -> Repairs:
    """Decide the repairs of one open job, by `RULES`.

    Leases are watched at every sweep. Messages are assumed lost only when nothing in the job has moved for a timeout.
    In the job's home Region the timeout is `redrive_after_ms`. Elsewhere it is `takeover_after_ms`, and the fingerprint
    of the home Region's heartbeat, `home_region`, must not have changed either. After that, messages are sent again at
    doubling intervals: perhaps they only wait in a long queue.

    A paused job gets no task messages and is not taken over. Its copies are still verified, and if that was all, it
    settles. When the sweep finds it resumed (or cancelled), all its lanes get their messages at once, since workers
    dropped them during the pause. The same applies to a plan until it is found approved, except that its planning
    continues.

    A partition that waits for its turn (`core.admission`) looks as if its message were lost. In a job that moves, this
    has no effect. In a job that stands still, it gets a message with the others, before its turn.
    """
    job = OpenJob(job_id, snapshot, before, region, home, home_region, now_ms, policy, deletes, priority)
    return decide_by(RULES, job)


def due_before_next_sweep(wait_ms: int, policy: Policy) -> bool:
    """Tell whether a timeout ends before the next sweep would see it. Then a delayed message is sent now, so that the
    wait ends on time and not up to a sweep later. The worker that gets the message looks again itself."""
    return wait_ms <= policy.sweep_interval_ms


def worst_takeover_ms(policy: Policy) -> int:
    """Return the longest time from a Region's death until the other Region claims its partitions, with a task message
    in hand, in milliseconds.

    The dying Region's last heartbeat takes `REPLICATION_MS` to arrive, and the next sweep notices it. From then on the
    timeout runs, and it ends with a delayed message. The sweep may first have to wait for one call to another Region,
    and then for one to the table, if neither answers.
    """
    silent_ms = silence_ms(policy, peer=True) + silence_ms(policy, peer=False)
    return REPLICATION_MS + policy.sweep_interval_ms + silent_ms + policy.takeover_after_ms + START_MS


def _window(names: Iterable[str], limit: int, turn: int) -> tuple[str, ...]:
    """Return at most `limit` names, others at each `turn` (from 0): names that need no message must not keep the rest
    from theirs for ever."""
    ordered = sorted(names)
    start = turn * limit % len(ordered) if len(ordered) > limit else 0
    return tuple((ordered[start:] + ordered[:start])[:limit])
