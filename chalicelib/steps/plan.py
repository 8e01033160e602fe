"""Show plans and their rows, and approve plans. A plan is the planned half of a job, under the job's id. Split makes
its manifests like those of any job, and copy refuses to carry them out until the plan is approved."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.core import ids
from chalicelib.core.errors import ErrorCode, NotYet, Unknown
from chalicelib.core.jobs import JobSpec
from chalicelib.core.lifecycles import PlanState
from chalicelib.core.manifests import LogEntry, Manifest
from chalicelib.core.planned import Approval, PlanFacts, PlanSummary, plan_state, predicted
from chalicelib.core.progress import Progress, derive
from chalicelib.core.rows import Outcome, Row
from chalicelib.core.sweep import to_start, waiting
from chalicelib.ports import CopyPartition, Env, JobItems, PlanRange, Task
from chalicelib.protocol.jobs import find_job
from chalicelib.protocol.paging import NAMES_PER_RESUME, page_of
from chalicelib.protocol.probing import check_still_yours
from chalicelib.protocol.records import ControlRecords, JobRecords


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan. Once it is approved, its job shows how it goes on."""

    spec: JobSpec
    state: PlanState
    progress: Progress
    """Progress of the planning."""
    summary: PlanSummary | None
    """The totals; None while planning goes on."""
    approval: Approval | None
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a plan and its predicted outcome."""

    partition_id: str
    row: Row
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RowPage:
    rows: tuple[PlannedRow, ...]
    cursor: str | None


def find_plan(env: Env, tenant: str, plan_id: str) -> tuple[JobSpec, JobItems]:
    """Return a plan's spec and its items, as `find_job` does for jobs. Raises Unknown if the tenant has no plan of this
    id."""
    try:
        spec, items = find_job(env, tenant, plan_id)
    except Unknown:
        raise _unknown_plan(plan_id) from None
    if not spec.planned_first:
        raise _unknown_plan(plan_id)
    return spec, items


def _unknown_plan(plan_id: str) -> Unknown:
    return Unknown(ErrorCode.UNKNOWN_PLAN, f"you have no plan {plan_id!r}")


def get_plan(env: Env, tenant: str, plan_id: str) -> PlanView:
    spec, items = find_plan(env, tenant, plan_id)
    records = ControlRecords(env, spec.control_region).job(plan_id)
    summary, approval = records.summary(), records.approval()
    # Nobody asks whether an approved plan is cancelled: its job shows that.
    cancelled = approval is None and (items.terminal is not None or records.desired_state().cancelled)
    state = _state(env, summary, cancelled=cancelled, approved=approval is not None)
    progress = derive(items.plans, (), None, env.clock.now_ms())
    return PlanView(spec, state, progress, summary, approval, _expires_ms(env, summary) if summary else None)


def _state(env: Env, summary: PlanSummary | None, *, cancelled: bool, approved: bool) -> PlanState:
    expired = summary is not None and _expires_ms(env, summary) <= env.clock.now_ms()
    return plan_state(PlanFacts(summary is not None, expired, cancelled, approved))


def list_planned(
    env: Env, tenant: str, plan_id: str, outcome: Outcome | None, cursor: str | None, limit: int
) -> RowPage:
    """Return a page of a plan's rows, in the order of partitions and keys, as they were planned. With `outcome`, return
    only rows that are predicted to end so. While planning goes on, return the rows planned so far."""
    spec, _ = find_plan(env, tenant, plan_id)
    records = ControlRecords(env, spec.control_region).job(plan_id)

    def rows_of(entry: LogEntry) -> Sequence[tuple[Row, Outcome]]:
        return [(row, predicted(row)) for row in entry.rows] if isinstance(entry, Manifest) and not entry.aside else []

    page, next_cursor = page_of(records, cursor, limit, rows_of, lambda row: outcome in (None, row[1]))
    return RowPage(tuple(PlannedRow(partition_id, row, outcome) for partition_id, (row, outcome) in page), next_cursor)


def approve(env: Env, tenant: str, plan_id: str) -> None:
    """Have a plan carried out: exactly the rows that are pinned, whatever has changed since. Raises NotYet if the plan
    is unfinished, cancelled or expired."""
    spec, items = find_plan(env, tenant, plan_id)
    records = ControlRecords(env, spec.control_region).job(plan_id)
    terminal = items.terminal or records.terminal()
    if terminal is not None and records.approval() is not None:
        return
    if records.approval() is None:
        _check_approvable(env, records)
        check_still_yours(env, spec.source, spec.target)
        records.create_approval(Approval(plan_id, env.region, env.clock.now_ms(), env.ids.nonce()))
    # Crash here: the plan is approved, but the job is not in the index of open jobs. The client got no answer, and its
    # repeated request gets here again.
    records.control.open_job(plan_id)
    # From here on the job is safe: the first sweep that finds it there starts all of it.
    env.ledger.put_job(spec)
    # Start split too: it settles the job if there is nothing to copy.
    tasks: list[Task] = [PlanRange.of(spec, ids.ROOT_RANGE)]
    snapshot = records.snapshot(limit=NAMES_PER_RESUME, planned_first=True)
    # Send the messages even if the plan had been approved before. Perhaps this very request did that, and the client
    # never got the answer.
    partition_ids = to_start(waiting(snapshot), spec.priority, env.policy)
    tasks += [CopyPartition.of(spec, partition_id) for partition_id in sorted(partition_ids)]
    env.queue.send(tasks)
    env.log("plan-approved", job=plan_id, tenant=tenant)


def _check_approvable(env: Env, records: JobRecords) -> None:
    """Raise NotYet unless a plan that has no approval can get one."""
    plan_id, summary = records.job_id, records.summary()
    state = _state(env, summary, cancelled=records.desired_state().cancelled, approved=False)
    if state is not PlanState.PLANNED:
        code, reason = _NOT_APPROVABLE[state]
        raise NotYet(code, f"{plan_id} {reason}")


_NOT_APPROVABLE = {
    PlanState.PLANNING: (ErrorCode.PLAN_NOT_MADE, "is still being made"),
    PlanState.EXPIRED: (ErrorCode.PLAN_EXPIRED, "is too old to be carried out"),
    PlanState.CANCELLED: (ErrorCode.PLAN_CANCELLED, "was cancelled"),
}


def _expires_ms(env: Env, summary: PlanSummary) -> int:
    """Return when the plan expires. A later approval would be safe too, but objects that have changed since would
    fail."""
    return summary.planned_ms + env.policy.plan_kept_ms
