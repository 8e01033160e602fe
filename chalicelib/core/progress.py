"""Derives a job's progress from what each Region wrote, merged so that nothing is counted twice."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chalicelib.core.ids import DELETE_RANGE, is_aside
from chalicelib.core.intents import NO_INTENTS, Intents
from chalicelib.core.leases import AWAITED_MAX, Awaited, LeasePhase, PartLease
from chalicelib.core.model import JobState, Outcome, Terminal
from chalicelib.core.policy import MIB

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
    links: int
    rows: int
    bytes: int
    closed: bool
    """The manifest log has ended, by its last manifest or by a range split."""
    forked: bool = False

    @property
    def rank(self) -> int:
        """The order of two items of one Region: the greater rank wins, whenever it was written."""
        return 2 * self.links + self.closed


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
        plan.closed and (not plan.forked or {f"{name}0", f"{name}1"} <= newest.keys()) for name, plan in newest.items()
    )


def derive(
    plans: Iterable[PlanProgress],
    leases: Iterable[PartLease],
    terminal: Terminal | None,
    now_ms: int,
    intents: Intents = NO_INTENTS,
    *,
    deletes: bool = False,
) -> Progress:
    """Merge all Regions' items into one picture. `deletes`: once everything is delivered, the job goes on to delete."""
    newest = _newest(plans)
    planned = planning_complete(newest.values(), deletes=deletes)
    by_part: dict[str, list[PartLease]] = {}
    for lease in leases:
        by_part.setdefault(lease.part, []).append(lease)
    merged = [_merge(items) for items in by_part.values()]
    done = [item for item in merged if item.phase is LeasePhase.DONE]
    # Rows set aside belong to their parents.
    asides = sum(is_aside(item.part) for item in merged)
    in_leases = sum(item.rows for item in merged if not is_aside(item.part))
    objects_planned = max(sum(p.rows for p in newest.values()), in_leases)
    # A slow worker may record rows that were set aside meanwhile: until the receipt is there, they are in both items.
    objects_decided = min(objects_planned, sum(item.decided.bit_count() for item in merged))
    bytes_decided = sum(item.bytes_decided for item in merged)
    bytes_planned = max(sum(p.bytes for p in newest.values()), bytes_decided)
    counts: Counter[Outcome] = Counter()
    for item in done:
        counts.update(item.counts)
    started = min((item.started_ms for item in merged), default=None)
    copying = any(item.phase in (LeasePhase.COPYING, LeasePhase.RELEASED) for item in merged)
    state = JobState.PAUSED if intents.paused else JobState.RUNNING if merged else JobState.PLANNING
    eta_ms = _eta_ms(objects_planned, objects_decided, bytes_planned, bytes_decided, started, now_ms)
    phase: Phase = "split" if not merged else "copy" if copying or not planned or len(done) == 0 else "verify"
    if DELETE_RANGE in newest:
        phase = "delete"
    return Progress(
        state=terminal.state if terminal else state,
        phase="settled" if terminal else phase,
        planned=planned or terminal is not None,
        objects_planned=terminal.planned if terminal else objects_planned,
        bytes_planned=terminal.bytes_planned if terminal else bytes_planned,
        objects_decided=terminal.planned if terminal else objects_decided,
        bytes_decided=terminal.bytes_planned if terminal else bytes_decided,
        partitions=terminal.parts
        if terminal
        else max(sum(p.links - p.forked for p in newest.values()) + asides, len(merged)),
        partitions_done=terminal.parts if terminal else len(done),
        counts=dict(terminal.counts) if terminal else dict(counts),
        started_ms=started,
        awaited=() if terminal else _awaited(merged),
        eta_ms=0 if terminal else None if intents.highest else eta_ms,
    )


def _awaited(merged: Iterable[PartLease]) -> tuple[Awaited, ...]:
    found = sorted((row for item in merged for row in item.awaited), key=lambda row: (row.since_ms, row.key))
    return tuple(found[:AWAITED_MAX])


def _newest(plans: Iterable[PlanProgress]) -> dict[str, PlanProgress]:
    newest: dict[str, PlanProgress] = {}
    for plan in plans:
        known = newest.get(plan.range_id)
        if known is None or plan.rank > known.rank:
            newest[plan.range_id] = plan
    return newest


def _merge(items: list[PartLease]) -> PartLease:
    """Merge one partition's items of all Regions: the rows decided in any of them, the most advanced phase, the first
    start."""
    order = {LeasePhase.RELEASED: 0, LeasePhase.COPYING: 1, LeasePhase.COPIED: 2, LeasePhase.DONE: 3}
    lead = max(items, key=lambda item: (order[item.phase], item.epoch))
    # The receipt is authoritative: rows that were set aside are not among its own, no matter which worker decided them.
    receipted = lead.phase is LeasePhase.DONE
    bits = lead.decided if receipted else 0
    for item in () if receipted else items:
        bits |= item.decided
    return PartLease(
        job_id=lead.job_id,
        part=lead.part,
        region=lead.region,
        epoch=lead.epoch,
        worker=lead.worker,
        heartbeat=lead.heartbeat,
        phase=lead.phase,
        rows=lead.rows,
        decided=bits,
        bytes_decided=lead.bytes_decided if receipted else max(item.bytes_decided for item in items),
        started_ms=min(item.started_ms for item in items),
        counts=lead.counts,
        verification=lead.verification,
        awaited=lead.awaited,
    )


def _eta_ms(
    objects_planned: int, objects_decided: int, bytes_planned: int, bytes_decided: int, started: int | None, now_ms: int
) -> int | None:
    """Extrapolate the rate so far. An object weighs as much as OBJECT_WEIGHT bytes beside its own. None if there is no
    rate."""
    if started is None or objects_decided == 0 or now_ms <= started:
        return None
    planned = objects_planned * OBJECT_WEIGHT + bytes_planned
    decided = objects_decided * OBJECT_WEIGHT + bytes_decided
    return max(0, round((now_ms - started) * (planned - decided) / decided))
