"""Accept jobs and answer questions about them. This is the work behind the REST API, without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.core import ids
from chalicelib.core.errors import ErrorCode, NotYet, Retry
from chalicelib.core.intents import INTENTS_SUBJECT, IntentKind, Intents, intents_noted, why_stopped
from chalicelib.core.leases import LeasePhase, PartLease, Takeover
from chalicelib.core.model import (
    Cancel,
    JobSpec,
    JobState,
    Link,
    Manifest,
    Outcome,
    RowOutcome,
    Terminal,
)
from chalicelib.core.progress import JobFacts, Progress, derive, job_state
from chalicelib.core.sweep import in_line, waiting
from chalicelib.ports import CopyPartition, Env, JobItems, JobPage, PlanRange
from chalicelib.protocol.accepting import accept, prepare
from chalicelib.protocol.intents import intents_note, want
from chalicelib.protocol.jobs import find_job
from chalicelib.protocol.paging import NAMES_PER_RESUME, page_of
from chalicelib.protocol.probing import check_still_yours
from chalicelib.protocol.records import PLAN_MARK, ControlRecords, JobRecords
from chalicelib.protocol.regions import RegionView, storage_reachable, view_regions
from chalicelib.protocol.submitting import Place, Submission


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

    part: str
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
    end = items.terminal or ControlRecords(env, spec.control_region).job(job_id).terminal()
    if end is None:
        raise NotYet(ErrorCode.JOB_NOT_SETTLED, f"{job_id} is not settled yet")
    if all(outcome.good for outcome in end.counts) or _deletions_begun(env, spec):
        return spec, False
    # The job's prefixes were accepted once, so `text_prefix=True` skips the check that they are folders. A retry never
    # deletes.
    source = Place(spec.source.id, spec.source_prefix.removeprefix(spec.source.prefix), text_prefix=True)
    target = Place(spec.target.id, spec.target_prefix.removeprefix(spec.target.prefix), text_prefix=True)
    again = Submission(
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
    return submit(env, again)


def _deletions_begun(env: Env, spec: JobSpec) -> bool:
    """Return whether the job had delivered everything, so that its deletions could begin. If some object was not
    delivered, the first manifest of the deletion log holds an error and no rows. Any other first manifest means that
    everything was delivered."""
    if spec.deletion is None:
        return False
    first = ControlRecords(env, spec.control_region).job(spec.job_id).link(ids.part_id(ids.DELETE_RANGE, 1))
    return isinstance(first, Manifest) and not (first.error and not first.rows)


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
        env.ledger.put_observation(intents_note(env, job_id, Intents(cancelled=True)))
        env.log("job-cancelled", job=job_id, tenant=tenant)
    return get_job(env, tenant, job_id)


def pause(env: Env, tenant: str, job_id: str) -> JobView:
    """Ask that no new work of a job begin. A copy under way may still arrive, and everything that has arrived stays."""
    return _intend(env, tenant, job_id, IntentKind.PAUSE)


def resume(env: Env, tenant: str, job_id: str) -> JobView:
    """Ask that a paused job continue where it stopped."""
    return _intend(env, tenant, job_id, IntentKind.RESUME)


def _intend(env: Env, tenant: str, job_id: str, kind: IntentKind) -> JobView:
    spec, items = find_job(env, tenant, job_id)
    records = ControlRecords(env, spec.control_region).job(job_id)
    end = items.terminal or records.terminal()
    if end is not None:
        return _view(env, spec, replace(items, terminal=end))
    if kind is IntentKind.RESUME and records.intents().paused:
        # The service itself pauses a job whose bucket no longer admits its tenant. The job must not resume while that
        # is so.
        check_still_yours(env, spec.source, spec.target)
    intents = want(env, records, kind)
    # Crash here after a pause: workers and sweeps see it by themselves. Crash here after a resume: the next sweep of
    # either Region sees it, and starts the whole job.
    if intents.highest and kind is IntentKind.RESUME:
        # Send the messages even if the job had been resumed before. Perhaps this very request did that, and the client
        # never got the answer.
        survey = records.survey(limit=NAMES_PER_RESUME, planned_first=spec.planned_first)
        waits = waiting(survey, deletes=spec.deletion is not None)
        env.queue.send([PlanRange.of(spec, range_id) for range_id in sorted(waits.split)])
        copies = [] if survey.intents.unapproved else sorted(in_line(waits, spec.priority, env.policy))
        env.queue.send([CopyPartition.of(spec, part) for part in copies])
    # Crash here: the request is recorded and obeyed, but the API shows it only after a sweep of either Region has noted
    # it.
    env.ledger.put_observation(intents_note(env, job_id, intents))
    env.log("job-intent", job=job_id, tenant=tenant, wanted=kind, number=intents.highest)
    return get_job(env, tenant, job_id)


def get_job(env: Env, tenant: str, job_id: str) -> JobView:
    return _view(env, *find_job(env, tenant, job_id))


def _view(env: Env, spec: JobSpec, items: JobItems) -> JobView:
    end, intents = items.terminal, intents_noted(items.observations)
    hold = _hold(env, spec, end, intents)
    progress = derive(
        items.plans,
        items.leases,
        end,
        env.clock.now_ms(),
        intents,
        deletes=spec.deletion is not None,
        unapproved=hold.unapproved,
        summed_up=hold.summed_up,
        storage_down=bool(hold.down),
    )
    if end is not None:
        return JobView(spec, progress, end.reason, end.settled_ms, end.chain_sha256, end.filtered)
    return JobView(spec, progress, _why_it_waits(items, intents, progress.state, hold), None, None)


@dataclass(frozen=True, slots=True)
class _Hold:
    """What keeps an open job from being copied, besides a pause."""

    unapproved: bool = False
    summed_up: bool = False
    """For a plan that is not approved: it is complete."""
    down: tuple[str, ...] = ()
    """Regions whose storage it needs and that can't be reached."""


def _hold(env: Env, spec: JobSpec, end: Terminal | None, intents: Intents) -> _Hold:
    """Look for what holds a job. Nothing is read that doesn't show in its state."""
    if end is not None:
        return _Hold()
    if spec.planned_first:
        records = ControlRecords(env, spec.control_region).job(spec.job_id)
        if records.approval() is None:
            return _Hold(unapproved=True, summed_up=records.summary() is not None)
    if intents.paused:
        return _Hold()
    needed = sorted(_needed(env, spec))
    return _Hold(down=tuple(region for region in needed if not storage_reachable(env, region)))


def _why_it_waits(items: JobItems, intents: Intents, state: JobState, hold: _Hold) -> str:
    if hold.unapproved:
        return "it is carried out when the plan is approved" if hold.summed_up else ""
    if state is JobState.PAUSED:
        return why_stopped(items.observations, intents) or "paused by request: it goes on when it is resumed"
    if hold.down:
        return f"the storage of {', '.join(hold.down)} can't be reached; the job goes on when it can"
    return ""


def _needed(env: Env, spec: JobSpec) -> set[str]:
    """Return the Regions of this deployment whose storage the job needs in order to go on."""
    lists = {spec.listed.bucket.region} if spec.listed else set()
    return ({spec.source.bucket.region, spec.control_region} | lists) & env.control_buckets.keys()


def health(env: Env) -> None:
    """Check this Region's own hard dependencies with one cheap read each, and never the other Region's. Raises the
    EftError of the first dependency that fails."""
    env.ledger.region_heartbeats()
    env.store.list(env.control_buckets[env.region], "open/", limit=1)


def list_jobs(env: Env, tenant: str, cursor: str | None, limit: int) -> JobPage:
    return env.ledger.list_jobs(tenant, cursor, limit)


def glances(env: Env, page: JobPage) -> list[JobGlance]:
    """Return each job of a page with its state. The page itself holds the state of a settled job. Every other job costs
    three small reads, however large the job is; the jobs are read in parallel."""
    opened = any(end is None for _, end in page.jobs)
    down = {region for region in env.control_buckets if opened and not storage_reachable(env, region)}
    return env.pool.map(lambda job: _glance(env, *job, down), page.jobs)


def _glance(env: Env, spec: JobSpec, end: Terminal | None, down: set[str]) -> JobGlance:
    if end is not None:
        return JobGlance(spec, end.state, end.settled_ms)
    # The job's first item is the terminal record, if one was written since the page was read; else a lease, if there is
    # one.
    first = env.ledger.job_items(spec.job_id, limit=1)
    if first.terminal is not None:
        return JobGlance(spec, first.terminal.state, first.terminal.settled_ms)
    notes = (env.ledger.get_observation(spec.job_id, INTENTS_SUBJECT, region) for region in sorted(env.control_buckets))
    # A plan is in no list before it is approved.
    facts = JobFacts(
        paused=intents_noted(note for note in notes if note is not None).paused,
        storage_down=bool(_needed(env, spec) & down),
        claimed=bool(first.leases),
    )
    return JobGlance(spec, job_state(facts), None)


def list_objects(
    env: Env, tenant: str, job_id: str, outcome: Outcome | None, cursor: str | None, limit: int
) -> ObjectPage:
    """Return at most `limit` rows after `cursor`, in the order of partitions and keys. Rows without a receipt have no
    outcome, and a filter by outcome leaves them out."""
    spec, _ = find_job(env, tenant, job_id)
    records = ControlRecords(env, spec.control_region).job(job_id)

    def wanted(view: ObjectView) -> bool:
        if view.outcome is not None and not view.outcome.outcome.is_end:
            return False  # Another partition shows the row's final outcome.
        return outcome is None or (view.outcome is not None and view.outcome.outcome is outcome)

    found, following = page_of(records, cursor, limit, lambda link: _views(records, link), wanted)
    return ObjectPage(tuple(view for _, view in found), following)


def _views(records: JobRecords, link: Link) -> list[ObjectView]:
    if not isinstance(link, Manifest) or not link.rows:
        return []
    receipt = records.receipt(link.part)
    outcomes = receipt.rows if receipt else tuple(row.decided for row in link.rows)
    if link.aside and receipt is None and records.receipt(ids.parent_of(link.part)) is None:
        # Both partitions hold these rows, and neither has their final outcome yet. List them only once, with the
        # parent.
        outcomes = tuple(RowOutcome(row.key, Outcome.SET_ASIDE) for row in link.rows)
    return [
        ObjectView(link.part, row.key, row.target, row.size, row.etag, outcome)
        for row, outcome in zip(link.rows, outcomes, strict=True)
    ]


# --- for operators --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeaseView:
    """The lease of a partition of an open job, with the job's tenant."""

    tenant: str
    lease: PartLease


LEASE_JOBS_MAX = 100


def regions(env: Env) -> list[RegionView]:
    return view_regions(env)


def leases(env: Env) -> list[LeaseView]:
    """Return the leases of unfinished partitions, as this Region's table has them, for at most `LEASE_JOBS_MAX` open
    jobs in each control bucket. A Region whose storage doesn't answer contributes none. The own Region is asked first,
    since no time may be left after waiting for another one."""
    found: list[LeaseView] = []
    for region in sorted(env.control_buckets, key=lambda region: (region != env.region, region)):
        try:
            open_jobs = ControlRecords(env, region).open_jobs(limit=LEASE_JOBS_MAX)
        except Retry:
            continue
        for job_id in (name for name in open_jobs if not name.endswith(PLAN_MARK)):
            items = env.ledger.job_items(job_id)
            newest: dict[str, PartLease] = {}
            for lease in items.leases:
                if lease.part not in newest or lease.epoch > newest[lease.part].epoch:
                    newest[lease.part] = lease
            done = {lease.part for lease in items.leases if lease.phase is LeasePhase.DONE}
            tenant = items.spec.tenant if items.spec else ""
            found += [LeaseView(tenant, lease) for part, lease in sorted(newest.items()) if part not in done]
    return found


def takeovers(env: Env, limit: int) -> Sequence[Takeover]:
    return env.ledger.takeovers(limit)
