"""Accept jobs and answer questions about them. This is the work behind the REST API, without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.core import ids
from chalicelib.core.desired_state import (
    DESIRED_STATE_SUBJECT,
    DesiredState,
    PauseLogKind,
    desired_state_noted,
    why_stopped,
)
from chalicelib.core.errors import ErrorCode, NotYet, Retry
from chalicelib.core.jobs import Cancel, JobSpec, JobState, Terminal
from chalicelib.core.leases import LeasePhase, PartitionLease, Takeover
from chalicelib.core.manifests import LogEntry, Manifest
from chalicelib.core.progress import JobFacts, Progress, derive, job_state
from chalicelib.core.rows import Outcome, RowOutcome
from chalicelib.core.sweep import to_start, waiting
from chalicelib.ports import CopyPartition, Env, JobItems, JobPage, PlanRange
from chalicelib.protocol.accepting import accept, prepare
from chalicelib.protocol.desired_state import desired_state_note, set_desired_state
from chalicelib.protocol.jobs import find_job
from chalicelib.protocol.paging import NAMES_PER_RESUME, page_of
from chalicelib.protocol.probing import check_still_yours
from chalicelib.protocol.records import PLAN_MARK, ControlRecords, JobRecords
from chalicelib.protocol.regions import RegionView, storage_reachable, view_regions
from chalicelib.protocol.submitting import Location, Submission


@dataclass(frozen=True, slots=True)
class JobView:
    spec: JobSpec
    progress: Progress
    reason: str
    settled_ms: int | None
    chain_sha256: str | None
    filtered: int | None = None
    """Number of objects that were looked at and filtered out; None until the job has settled."""


@dataclass(frozen=True, slots=True)
class JobGlance:
    """A job in a list, in the same state that `get_job` shows."""

    spec: JobSpec
    state: JobState
    settled_ms: int | None


@dataclass(frozen=True, slots=True)
class ObjectView:
    """One row and its outcome. `outcome` is None while the row is undecided."""

    partition_id: str
    key: str
    target: str
    size: int
    etag: str
    outcome: RowOutcome | None


@dataclass(frozen=True, slots=True)
class ObjectPage:
    objects: tuple[ObjectView, ...]
    cursor: str | None


def submit(env: Env, submission: Submission) -> tuple[JobSpec, bool]:
    """Accept a job, and return it together with True if it is new. The same submission with the same token is the same
    job, in either Region and at any time."""
    return accept(env, prepare(env, submission))


def retry(env: Env, tenant: str, job_id: str, token: str) -> tuple[JobSpec, bool]:
    """Accept a job for the objects that a settled job didn't deliver, and return it together with True if it is new.

    If the settled job delivered everything that it planned, nothing is left to do, and that job itself is returned with
    False. Objects that it didn't delete are not retried. Raises NotYet if the job is not settled.
    """
    spec, items = find_job(env, tenant, job_id)
    terminal = items.terminal or ControlRecords(env, spec.control_region).job(job_id).terminal()
    if terminal is None:
        raise NotYet(ErrorCode.JOB_NOT_SETTLED, f"{job_id} is not settled yet")
    if all(outcome.good for outcome in terminal.counts) or _deletions_begun(env, spec):
        return spec, False
    # The job's prefixes were accepted once, so `text_prefix=True` skips the check that they are folders. A retry never
    # deletes.
    source = Location(spec.source.id, spec.source_prefix.removeprefix(spec.source.prefix), text_prefix=True)
    target = Location(spec.target.id, spec.target_prefix.removeprefix(spec.target.prefix), text_prefix=True)
    submission = Submission(
        tenant,
        token,
        source,
        target,
        spec.mode,
        spec.labels,
        retry_of=spec,
        cancel_mode=spec.cancel_mode,
        priority=spec.priority,
    )
    return submit(env, submission)


def _deletions_begun(env: Env, spec: JobSpec) -> bool:
    """Return whether the job had delivered everything, so that its deletions could begin. If some object was not
    delivered, the first manifest of the deletion log holds an error and no rows. Any other first manifest means that
    everything was delivered."""
    if spec.deletion is None:
        return False
    first_entry = (
        ControlRecords(env, spec.control_region).job(spec.job_id).entry(ids.partition_id_of(ids.DELETE_RANGE, 1))
    )
    return isinstance(first_entry, Manifest) and not (first_entry.error and not first_entry.rows)


def cancel(env: Env, tenant: str, job_id: str) -> JobView:
    """Ask that nothing more of a job be copied. A copy under way may still arrive, and everything that has arrived
    stays."""
    spec, items = find_job(env, tenant, job_id)
    if items.terminal is None:
        records = ControlRecords(env, spec.control_region).job(job_id)
        records.create_cancel(Cancel(job_id, env.region, env.clock.now_ms(), env.ids.nonce()))
        # Crash here: workers see the cancel by themselves, and the sweep starts the partitions that nobody works on. A
        # finished plan is not in the index of open jobs, and stays out of it until the client, which got no answer,
        # repeats the request. Nothing of the plan will be copied, and nobody can approve it any more.
        if spec.planned_first and records.terminal() is None:
            records.control.open_job(job_id)
        env.queue.send([PlanRange.of(spec, ids.ROOT_RANGE)])
        # Crash here: the API shows a paused job as paused until a sweep of either Region notes the cancel.
        env.ledger.put_observation(desired_state_note(env, job_id, DesiredState(cancelled=True)))
        env.log("job-cancelled", job=job_id, tenant=tenant)
    return get_job(env, tenant, job_id)


def pause(env: Env, tenant: str, job_id: str) -> JobView:
    """Ask that no new work of a job begin. A copy under way may still arrive, and everything that has arrived stays."""
    return _set_desired_state(env, tenant, job_id, PauseLogKind.PAUSE)


def resume(env: Env, tenant: str, job_id: str) -> JobView:
    """Ask that a paused job continue where it stopped."""
    return _set_desired_state(env, tenant, job_id, PauseLogKind.RESUME)


def _set_desired_state(env: Env, tenant: str, job_id: str, kind: PauseLogKind) -> JobView:
    spec, items = find_job(env, tenant, job_id)
    records = ControlRecords(env, spec.control_region).job(job_id)
    terminal = items.terminal or records.terminal()
    if terminal is not None:
        return _view(env, spec, replace(items, terminal=terminal))
    if kind is PauseLogKind.RESUME and records.desired_state().paused:
        # The service itself pauses a job whose bucket no longer admits its tenant. The job must not resume while that
        # is so.
        check_still_yours(env, spec.source, spec.target)
    desired_state = set_desired_state(env, records, kind)
    # Crash here after a pause: workers and sweeps see it by themselves. Crash here after a resume: the next sweep of
    # either Region sees it, and starts the whole job.
    if desired_state.highest and kind is PauseLogKind.RESUME:
        # Send the messages even if the job had been resumed before. Perhaps this very request did that, and the client
        # never got the answer.
        snapshot = records.snapshot(limit=NAMES_PER_RESUME, planned_first=spec.planned_first)
        waits = waiting(snapshot, deletes=spec.deletion is not None)
        env.queue.send([PlanRange.of(spec, range_id) for range_id in sorted(waits.split)])
        partition_ids = [] if snapshot.desired_state.unapproved else sorted(to_start(waits, spec.priority, env.policy))
        env.queue.send([CopyPartition.of(spec, partition_id) for partition_id in partition_ids])
    # Crash here: the request is recorded and obeyed, but the API shows it only after a sweep of either Region has noted
    # it.
    env.ledger.put_observation(desired_state_note(env, job_id, desired_state))
    env.log("job-desired-state", job=job_id, tenant=tenant, wanted=kind, number=desired_state.highest)
    return get_job(env, tenant, job_id)


def get_job(env: Env, tenant: str, job_id: str) -> JobView:
    return _view(env, *find_job(env, tenant, job_id))


def _view(env: Env, spec: JobSpec, items: JobItems) -> JobView:
    terminal, desired_state = items.terminal, desired_state_noted(items.observations)
    hold = _hold(env, spec, terminal, desired_state)
    progress = derive(
        items.plans,
        items.leases,
        terminal,
        env.clock.now_ms(),
        desired_state,
        deletes=spec.deletion is not None,
        unapproved=hold.unapproved,
        summed_up=hold.summed_up,
        storage_down=bool(hold.unreachable),
    )
    if terminal is not None:
        return JobView(spec, progress, terminal.reason, terminal.settled_ms, terminal.chain_sha256, terminal.filtered)
    return JobView(spec, progress, _reason_to_wait(items, desired_state, progress.state, hold), None, None)


@dataclass(frozen=True, slots=True)
class _Hold:
    """The reasons why nothing of an open job is copied, besides a pause."""

    unapproved: bool = False
    summed_up: bool = False
    """The job is a plan that is complete and not approved."""
    unreachable: tuple[str, ...] = ()
    """Regions whose storage the job needs and that can't be reached."""


def _hold(env: Env, spec: JobSpec, terminal: Terminal | None, desired_state: DesiredState) -> _Hold:
    """Return the reasons why nothing of a job is copied. Read nothing that doesn't show in the job's state."""
    if terminal is not None:
        return _Hold()
    if spec.planned_first:
        records = ControlRecords(env, spec.control_region).job(spec.job_id)
        if records.approval() is None:
            return _Hold(unapproved=True, summed_up=records.summary() is not None)
    if desired_state.paused:
        return _Hold()
    needed_regions = sorted(_needed_regions(env, spec))
    return _Hold(unreachable=tuple(region for region in needed_regions if not storage_reachable(env, region)))


def _reason_to_wait(items: JobItems, desired_state: DesiredState, state: JobState, hold: _Hold) -> str:
    if hold.unapproved:
        return "it is carried out when the plan is approved" if hold.summed_up else ""
    if state is JobState.PAUSED:
        return why_stopped(items.observations, desired_state) or "paused by request: it goes on when it is resumed"
    if hold.unreachable:
        return f"the storage of {', '.join(hold.unreachable)} can't be reached; the job goes on when it can"
    return ""


def _needed_regions(env: Env, spec: JobSpec) -> set[str]:
    """Return the Regions of this deployment whose storage the job needs in order to go on."""
    list_regions = {spec.listed.bucket.region} if spec.listed else set()
    return ({spec.source.bucket.region, spec.control_region} | list_regions) & env.control_buckets.keys()


def health(env: Env) -> None:
    """Check this Region's own hard dependencies with one cheap read each, and never the other Region's. Raises the
    EftError of the first dependency that fails."""
    env.ledger.region_heartbeats()
    env.store.list(env.control_buckets[env.region], "open/", limit=1)


def list_jobs(env: Env, tenant: str, cursor: str | None, limit: int) -> JobPage:
    return env.ledger.list_jobs(tenant, cursor, limit)


def glances(env: Env, page: JobPage) -> list[JobGlance]:
    """Return each job of a page with its state. The page itself holds the state of a settled job. Every other job costs
    three small reads, however large the job is. The jobs are read in parallel."""
    any_open = any(terminal is None for _, terminal in page.jobs)
    unreachable = {region for region in env.control_buckets if any_open and not storage_reachable(env, region)}
    return env.pool.map(lambda job: _glance(env, *job, unreachable), page.jobs)


def _glance(env: Env, spec: JobSpec, terminal: Terminal | None, unreachable: set[str]) -> JobGlance:
    if terminal is not None:
        return JobGlance(spec, terminal.state, terminal.settled_ms)
    # The job's first item is the terminal record, if one was written since the page was read; else a lease, if there is
    # one.
    items = env.ledger.job_items(spec.job_id, limit=1)
    if items.terminal is not None:
        return JobGlance(spec, items.terminal.state, items.terminal.settled_ms)
    notes = (
        env.ledger.get_observation(spec.job_id, DESIRED_STATE_SUBJECT, region) for region in sorted(env.control_buckets)
    )
    # A plan is in no list before it is approved.
    facts = JobFacts(
        paused=desired_state_noted(note for note in notes if note is not None).paused,
        storage_down=bool(_needed_regions(env, spec) & unreachable),
        claimed=bool(items.leases),
    )
    return JobGlance(spec, job_state(facts), None)


def list_objects(
    env: Env, tenant: str, job_id: str, outcome: Outcome | None, cursor: str | None, limit: int
) -> ObjectPage:
    """Return at most `limit` rows after `cursor`, in the order of partitions and keys. Rows without a receipt have no
    outcome, and a filter by outcome leaves them out."""
    spec, _ = find_job(env, tenant, job_id)
    records = ControlRecords(env, spec.control_region).job(job_id)

    def matches(view: ObjectView) -> bool:
        if view.outcome is not None and not view.outcome.outcome.is_end:
            return False  # Another partition shows the row's final outcome.
        return outcome is None or (view.outcome is not None and view.outcome.outcome is outcome)

    page, next_cursor = page_of(records, cursor, limit, lambda entry: _views(records, entry), matches)
    return ObjectPage(tuple(view for _, view in page), next_cursor)


def _views(records: JobRecords, entry: LogEntry) -> list[ObjectView]:
    if not isinstance(entry, Manifest) or not entry.rows:
        return []
    receipt = records.receipt(entry.partition_id)
    outcomes = receipt.rows if receipt else tuple(row.decided for row in entry.rows)
    if entry.aside and receipt is None and records.receipt(ids.parent_of(entry.partition_id)) is None:
        # Both partitions hold these rows, and neither has their final outcome yet. List them only once, with the
        # parent.
        outcomes = tuple(RowOutcome(row.key, Outcome.SET_ASIDE) for row in entry.rows)
    return [
        ObjectView(entry.partition_id, row.key, row.target, row.size, row.source_etag, outcome)
        for row, outcome in zip(entry.rows, outcomes, strict=True)
    ]


# --- for operators --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeaseView:
    """The lease of a partition of an open job, with the job's tenant."""

    tenant: str
    lease: PartitionLease


LEASE_JOBS_MAX = 100


def regions(env: Env) -> list[RegionView]:
    return view_regions(env)


def leases(env: Env) -> list[LeaseView]:
    """Return the leases of unfinished partitions, as this Region's table has them, for at most `LEASE_JOBS_MAX` open
    jobs in each control bucket. A Region whose storage doesn't answer contributes none. This Region is asked first,
    since no time may be left after waiting for another one."""
    views: list[LeaseView] = []
    for region in sorted(env.control_buckets, key=lambda region: (region != env.region, region)):
        try:
            open_jobs = ControlRecords(env, region).open_jobs(limit=LEASE_JOBS_MAX)
        except Retry:
            continue
        for job_id in (name for name in open_jobs if not name.endswith(PLAN_MARK)):
            items = env.ledger.job_items(job_id)
            newest_leases: dict[str, PartitionLease] = {}
            for lease in items.leases:
                if lease.partition_id not in newest_leases or lease.epoch > newest_leases[lease.partition_id].epoch:
                    newest_leases[lease.partition_id] = lease
            done_ids = {lease.partition_id for lease in items.leases if lease.phase is LeasePhase.DONE}
            tenant = items.spec.tenant if items.spec else ""
            views += [
                LeaseView(tenant, lease)
                for partition_id, lease in sorted(newest_leases.items())
                if partition_id not in done_ids
            ]
    return views


def takeovers(env: Env, limit: int) -> Sequence[Takeover]:
    return env.ledger.takeovers(limit)
