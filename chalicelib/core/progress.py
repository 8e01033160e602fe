"""Derives a job's progress from what each Region wrote, merged so that nothing is counted twice."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chalicelib.core.decisions import Rule, decide_by, gives, otherwise
from chalicelib.core.desired_state import AS_SUBMITTED, DesiredState
from chalicelib.core.ids import DELETE_RANGE, is_aside
from chalicelib.core.jobs import JobState, Terminal
from chalicelib.core.leases import AWAITED_MAX, Awaited, LeasePhase, PartitionLease
from chalicelib.core.lifecycles import JOB, JOB_ENDS, JobEvent
from chalicelib.core.policy import MIB
from chalicelib.core.rows import Outcome

Phase = Literal["split", "copy", "verify", "delete", "settled"]
OBJECT_WEIGHT = 8 * MIB
"""The weight of one object in bytes: about what S3 copies in the time that a request takes.

Two separate rates, of objects and of bytes, would mislead where small objects come first. With 1 % of the bytes moved
and 90 % of the work done, the rate of bytes predicts hours.
"""


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """How far one Region saw a range of keys planned. Totals grow along the manifest log, so the largest is the
    newest."""

    job_id: str
    range_id: str
    region: str
    entries: int
    rows: int
    bytes: int
    closed: bool
    """The manifest log has ended, by its last manifest or by a range split."""
    is_split: bool = False

    @property
    def rank(self) -> int:
        """The order of two items of one Region: the greater rank wins, whenever it was written."""
        return 2 * self.entries + self.closed


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a job. Objects and bytes are of the rows planned so far; `planned` says whether those are all
    rows."""

    state: JobState
    phase: Phase
    planned: bool
    objects_planned: int
    bytes_planned: int
    objects_decided: int
    bytes_decided: int
    partitions: int
    partitions_done: int
    counts: dict[Outcome, int]
    started_ms: int | None
    eta_ms: int | None
    """Milliseconds to go at the rate so far. None while unknown, and after any pause: the time for which a job was
    paused says nothing about its rate."""
    awaited: tuple[Awaited, ...] = ()
    """Rows that stay undecided and keep the job waiting. Only some of them: those that have waited longest."""


def planning_complete(plans: Iterable[PlanProgress], *, deletes: bool = False) -> bool:
    """Tell whether every range that the table knows is closed, and both halves of each range split are known. If the
    job `deletes`, the manifest log of deletions must be known too."""
    newest = _newest(plans)
    if "r" not in newest or (deletes and DELETE_RANGE not in newest):
        return False
    return all(
        plan.closed and (not plan.is_split or {f"{name}0", f"{name}1"} <= newest.keys())
        for name, plan in newest.items()
    )


@dataclass(frozen=True, slots=True)
class JobFacts:
    """The facts that decide a job's state. A reader that doesn't ask for one of them leaves it at its default."""

    ended: JobState | None = None
    """The state in its terminal record."""
    paused: bool = False
    """Its pause log ends in a pause, and it is not cancelled."""
    unapproved: bool = False
    """It was planned first, and its plan is not approved."""
    summed_up: bool = False
    """The summary of its plan is written."""
    storage_down: bool = False
    """Storage that it needs can't be reached."""
    claimed: bool = False
    """The table has a lease of one of its partitions."""


def _end(job: JobFacts) -> JobEvent:
    assert job.ended is not None, "only for a rule that has asked"
    return JOB_ENDS[job.ended]


JOB_RULES: tuple[Rule[JobFacts, JobEvent], ...] = (
    Rule("it has ended", lambda job: job.ended is not None, _end),
    Rule("it is paused", lambda job: job.paused, gives(JobEvent.PAUSED)),
    Rule("its plan waits for approval", lambda job: job.unapproved and job.summed_up, gives(JobEvent.SUMMED_UP)),
    # Partitions with nothing to copy have their receipts, and so their leases, before the approval.
    Rule("its plan is being made", lambda job: job.unapproved, gives(JobEvent.UNCLAIMED)),
    Rule("storage that it needs is away", lambda job: job.storage_down, gives(JobEvent.REGION_LOST)),
    Rule("a partition is claimed", lambda job: job.claimed, gives(JobEvent.CLAIMED)),
    Rule("no partition is claimed", otherwise, gives(JobEvent.UNCLAIMED)),
)
"""The one event that is observed of a job: the first rule that applies."""


def job_state(facts: JobFacts) -> JobState:
    """Return a job's state: the one to which the observed event leads (`core.lifecycles`: `JOB`)."""
    return JOB.reached((JobEvent.ACCEPTED, decide_by(JOB_RULES, facts)))


def derive(
    plans: Iterable[PlanProgress],
    leases: Iterable[PartitionLease],
    terminal: Terminal | None,
    now_ms: int,
    desired_state: DesiredState = AS_SUBMITTED,
    *,
    deletes: bool = False,
    unapproved: bool = False,
    summed_up: bool = False,
    storage_down: bool = False,
) -> Progress:
    """Merge all Regions' items into one picture. `deletes`: once everything is delivered, the job goes on to delete.
    For the other flags see `JobFacts`."""
    newest = _newest(plans)
    by_partition: dict[str, list[PartitionLease]] = {}
    for lease in leases:
        by_partition.setdefault(lease.partition_id, []).append(lease)
    merged = [_merge(items) for items in by_partition.values()]
    facts = JobFacts(
        ended=terminal.state if terminal else None,
        paused=desired_state.paused,
        unapproved=unapproved,
        summed_up=summed_up,
        storage_down=storage_down,
        claimed=bool(merged),
    )
    stage = _Stage(facts, newest, merged, planning_complete(newest.values(), deletes=deletes))
    if terminal is not None:
        return _settled(stage, terminal)
    objects_planned = max(sum(plan.rows for plan in newest.values()), stage.rows_in_leases)
    # A slow worker may record rows that were set aside meanwhile: until the receipt is there, they are in both items.
    objects_decided = min(objects_planned, sum(item.decided.bit_count() for item in merged))
    bytes_decided = sum(item.bytes_decided for item in merged)
    bytes_planned = max(sum(plan.bytes for plan in newest.values()), bytes_decided)
    eta_ms = _eta_ms(objects_planned, objects_decided, bytes_planned, bytes_decided, stage.started_ms, now_ms)
    return Progress(
        state=job_state(facts),
        phase=decide_by(PHASES, stage),
        planned=stage.planned,
        objects_planned=objects_planned,
        bytes_planned=bytes_planned,
        objects_decided=objects_decided,
        bytes_decided=bytes_decided,
        partitions=stage.partitions,
        partitions_done=len(stage.done),
        counts=stage.counts,
        started_ms=stage.started_ms,
        awaited=_awaited(merged),
        eta_ms=None if unapproved or desired_state.highest else eta_ms,
    )


def _settled(stage: "_Stage", terminal: Terminal) -> Progress:
    """Return the progress of a job that has ended: its terminal record has the last word."""
    return Progress(
        state=job_state(stage.facts),
        phase=decide_by(PHASES, stage),
        planned=True,
        objects_planned=terminal.planned,
        bytes_planned=terminal.bytes_planned,
        objects_decided=terminal.planned,
        bytes_decided=terminal.bytes_planned,
        partitions=terminal.partitions,
        partitions_done=terminal.partitions,
        counts=dict(terminal.counts),
        started_ms=stage.started_ms,
        eta_ms=0,
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """How far a job is: the case that `PHASES` decides about."""

    facts: JobFacts
    newest: Mapping[str, PlanProgress]
    """Range -> its newest progress of planning, by any Region."""
    merged: Sequence[PartitionLease]
    """One item for each partition, merged from those of all Regions."""
    planned: bool
    """Every range is planned to its end."""

    @property
    def done(self) -> list[PartitionLease]:
        return [item for item in self.merged if item.phase is LeasePhase.DONE]

    @property
    def copying(self) -> bool:
        return any(item.phase in (LeasePhase.COPYING, LeasePhase.RELEASED) for item in self.merged)

    @property
    def rows_in_leases(self) -> int:
        """Rows of the known partitions. Rows set aside belong to their parents."""
        return sum(item.rows for item in self.merged if not is_aside(item.partition_id))

    @property
    def partitions(self) -> int:
        asides = sum(is_aside(item.partition_id) for item in self.merged)
        return max(sum(plan.entries - plan.is_split for plan in self.newest.values()) + asides, len(self.merged))

    @property
    def counts(self) -> dict[Outcome, int]:
        counts: Counter[Outcome] = Counter()
        for item in self.done:
            counts.update(item.counts)
        return dict(counts)

    @property
    def started_ms(self) -> int | None:
        return min((item.started_ms for item in self.merged), default=None)


PHASES: tuple[Rule[_Stage, Phase], ...] = (
    Rule("it has ended", lambda job: job.facts.ended is not None, gives("settled")),
    Rule("its plan is not approved", lambda job: job.facts.unapproved, gives("split")),
    Rule("its deletions are planned", lambda job: DELETE_RANGE in job.newest, gives("delete")),
    Rule("no partition is claimed", lambda job: not job.merged, gives("split")),
    Rule("a partition is not copied", lambda job: job.copying, gives("copy")),
    Rule("more partitions may follow", lambda job: not job.planned, gives("copy")),
    Rule("no partition has its receipt", lambda job: not job.done, gives("copy")),
    Rule("all partitions are copied", otherwise, gives("verify")),
)
"""The phase that a job is in: the first rule that applies."""


def _awaited(merged: Iterable[PartitionLease]) -> tuple[Awaited, ...]:
    rows = sorted((row for item in merged for row in item.awaited), key=lambda row: (row.since_ms, row.key))
    return tuple(rows[:AWAITED_MAX])


def _newest(plans: Iterable[PlanProgress]) -> dict[str, PlanProgress]:
    newest: dict[str, PlanProgress] = {}
    for plan in plans:
        newest_so_far = newest.get(plan.range_id)
        if newest_so_far is None or plan.rank > newest_so_far.rank:
            newest[plan.range_id] = plan
    return newest


def _merge(items: list[PartitionLease]) -> PartitionLease:
    """Merge one partition's items of all Regions: the rows decided in any of them, the most advanced phase, the first
    start."""
    order = {LeasePhase.RELEASED: 0, LeasePhase.COPYING: 1, LeasePhase.COPIED: 2, LeasePhase.DONE: 3}
    furthest = max(items, key=lambda item: (order[item.phase], item.epoch))
    # The receipt is authoritative: rows that were set aside are not among its own, no matter which worker decided them.
    receipted = furthest.phase is LeasePhase.DONE
    decided = furthest.decided if receipted else 0
    for item in () if receipted else items:
        decided |= item.decided
    return PartitionLease(
        job_id=furthest.job_id,
        partition_id=furthest.partition_id,
        region=furthest.region,
        epoch=furthest.epoch,
        worker=furthest.worker,
        heartbeat=furthest.heartbeat,
        phase=furthest.phase,
        rows=furthest.rows,
        decided=decided,
        bytes_decided=furthest.bytes_decided if receipted else max(item.bytes_decided for item in items),
        started_ms=min(item.started_ms for item in items),
        counts=furthest.counts,
        verification=furthest.verification,
        awaited=furthest.awaited,
    )


def _eta_ms(
    objects_planned: int,
    objects_decided: int,
    bytes_planned: int,
    bytes_decided: int,
    started_ms: int | None,
    now_ms: int,
) -> int | None:
    """Extrapolate the rate so far. An object weighs as much as OBJECT_WEIGHT bytes beside its own. None if there is no
    rate."""
    if started_ms is None or objects_decided == 0 or now_ms <= started_ms:
        return None
    planned = objects_planned * OBJECT_WEIGHT + bytes_planned
    decided = objects_decided * OBJECT_WEIGHT + bytes_decided
    return max(0, round((now_ms - started_ms) * (planned - decided) / decided))
