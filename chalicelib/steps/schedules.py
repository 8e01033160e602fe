"""The schedules step submits the jobs that are due, at every sweep of each Region. This module also holds the work
behind the REST API for schedules.

Each occurrence is decided once, by a create-only record, and every worker that finds the record follows it. So both
Regions may do the same at once or twice, and one may continue what the other began. Each occurrence has one job, or one
record that says why it has none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from chalicelib.core import codec, ids
from chalicelib.core.entries import Condition, Entry, EntryKind
from chalicelib.core.errors import BadRequest, ErrorCode, KeyReused, Retry, Unusable
from chalicelib.core.jobs import JobSpec, Terminal
from chalicelib.core.leases import Observation
from chalicelib.core.schedules import LATE_MS, Overlap, Run, RunState, Schedule, check_times, due, missed
from chalicelib.ports import Env
from chalicelib.protocol.accepting import accept, prepare
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.regions import storage_reachable
from chalicelib.protocol.registering import Author, live, register, unregister
from chalicelib.protocol.schedules import Registered, RunRecords, job_of, live_schedules, schedules_of, submission_of
from chalicelib.protocol.submitting import Submission, spec_of
from chalicelib.protocol.table import put_best_effort

SCHEDULES = "schedules"
"""The "job" under which a Region notes, for each schedule, up to which occurrence all work is done."""
SCHEDULE_MAX_BYTES = 64 * 1024
"""Maximum size of a schedule, in bytes. It is stored as an item of the table, and twice in an audit item; an item may
have 400 KB."""
UPCOMING_SHOWN = 5
RUNS_SHOWN = 20


# --- at every sweep -------------------------------------------------------------------------------------------


def run(env: Env, until_ms: int) -> None:
    """Decide and submit all occurrences that are due. Start none after `until_ms`.

    This costs two queries, and a few requests to S3 for each schedule that has something due. An occurrence for which
    there was no time, or whose Region can't be reached, is due again at the next sweep.
    """
    schedules = live_schedules(env)
    if not schedules:
        return
    now_ms, handled = env.clock.now_ms(), _handled(env)
    reachable = {region for region in env.control_buckets if storage_reachable(env, region)}
    due_schedules = [
        (registered, occurrences)
        for registered in schedules
        if registered.schedule.control_region in reachable
        and (occurrences := due(registered.schedule, handled.get(registered.schedule.id, 0), now_ms))
    ]
    # The longest overdue schedules come first, so that each gets its turn.
    due_schedules.sort(key=lambda pair: pair[1][0])
    env.part_pool.map(lambda pair: _in_time(env, *pair, until_ms), due_schedules)


@dataclass(frozen=True, slots=True)
class Handled:
    """All work on a schedule is done up to this occurrence."""

    occurrence_ms: int


def _handled(env: Env) -> dict[str, int]:
    """Return, for each schedule id, up to which occurrence all work is done, as either Region has noted it. This is a
    hint that saves reading the records."""
    latest_ms: dict[str, int] = {}
    for observation in env.ledger.job_items(SCHEDULES).observations:
        if (handled := observation.note(Handled)) is not None:
            latest_ms[observation.subject] = max(latest_ms.get(observation.subject, 0), handled.occurrence_ms)
    return latest_ms


def _in_time(env: Env, registered: Registered, occurrences: Sequence[int], until_ms: int) -> None:
    if env.clock.now_ms() >= until_ms:
        return
    try:
        _carry_out(env, registered, occurrences)
    except Exception as error:  # noqa: BLE001 - one schedule's trouble must not hold up the others
        expected = isinstance(error, Retry | BadRequest | Unusable)
        env.log("schedule-waits", schedule=registered.schedule.id, error=repr(error), trace=not expected)
        return
    note = Observation.of(SCHEDULES, registered.schedule.id, env.region, Handled(occurrences[-1]), env.clock.now_ms())
    # Crash before this: the next sweep finds everything decided and done.
    put_best_effort(env, env.ledger.put_observation, note)


def _carry_out(env: Env, registered: Registered, occurrences: Sequence[int]) -> None:
    records = RunRecords.of(env, registered.schedule)
    decided_ms = list(records.decided(occurrences[-1], len(occurrences) + 1))
    too_late = missed(occurrences, decided_ms)
    previous_ms = max((occurrence_ms for occurrence_ms in decided_ms if occurrence_ms < occurrences[0]), default=None)
    all_decided = set(occurrences) <= set(decided_ms)
    previous_run = None if all_decided or previous_ms is None else records.get(previous_ms)
    for occurrence_ms in occurrences:
        if occurrence_ms in decided_ms:
            occurrence_run = records.get(occurrence_ms)
        else:
            occurrence_run = _decide(
                env, registered, records, occurrence_ms, previous_run, too_late=occurrence_ms in too_late
            )
        # Crash here: decided and not submitted. The next sweep of either Region finds the record, and submits.
        if occurrence_run.state is RunState.RUN:
            _submit(env, registered, records.control, occurrence_run)
        previous_run = occurrence_run


def _decide(
    env: Env,
    registered: Registered,
    records: RunRecords,
    occurrence_ms: int,
    previous_run: Run | None,
    *,
    too_late: bool,
) -> Run:
    last_job_id = previous_run.job_id if previous_run else ""
    proposed = Run(
        schedule_id=registered.schedule.id,
        occurrence_ms=occurrence_ms,
        state=RunState.MISSED,
        job_id=last_job_id,
        detail="no Region could look at it before a later one was due",
        region=env.region,
        decided_ms=env.clock.now_ms(),
        nonce=env.ids.nonce(),
    )
    if not too_late:
        proposed = _judge(env, registered, records.control, proposed)
    decided = records.decide(proposed)
    env.log(
        "schedule-decided",
        schedule=registered.schedule.id,
        at_ms=occurrence_ms,
        state=decided.state,
        mine=decided is proposed,
    )
    return decided


def _judge(env: Env, registered: Registered, control: ControlRecords, proposed: Run) -> Run:
    """Return `proposed` with the decision that this occurrence gets now."""
    try:
        spec = prepare(env, registered.submission(proposed.occurrence_ms))
        if spec.control_region != control.region:
            raise _elsewhere(control.region, spec)
    except (BadRequest, Unusable) as error:
        return replace(proposed, state=RunState.REFUSED, detail=error.message)
    if registered.schedule.overlap is Overlap.SKIP and _at_work(control, proposed.job_id):
        return replace(proposed, state=RunState.SKIPPED, detail=f"{proposed.job_id} had not ended")
    late_ms = proposed.decided_ms - proposed.occurrence_ms
    detail = f"{late_ms // 60_000} minutes late: no Region could earlier" if late_ms >= LATE_MS else ""
    return replace(proposed, state=RunState.RUN, job_id=spec.job_id, detail=detail)


def _at_work(control: ControlRecords, job_id: str) -> bool:
    records = control.job(job_id)
    return bool(job_id) and records.terminal() is None and records.spec() is not None


def _submit(env: Env, registered: Registered, control: ControlRecords, run: Run) -> None:
    """Submit the job of an occurrence, however much of that was done before."""
    records = control.job(run.job_id)
    if records.terminal() is not None:
        return
    # An accepted job counts, even if the schedule has changed since, or its endpoints were removed.
    spec = records.spec() or prepare(env, registered.submission(run.occurrence_ms))
    if spec.control_region != control.region:
        raise _elsewhere(control.region, spec)
    try:
        accept(env, spec)
    except KeyReused:
        # The other Region was faster by a moment. It knows another version of the schedule, older or newer than this
        # one.
        accepted_spec = records.spec()
        assert accepted_spec is not None, "it was there just now, and is never removed"
        env.log("schedule-changed-meanwhile", schedule=registered.schedule.id, job=accepted_spec.job_id)
        accept(env, accepted_spec)


# --- for the API ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """The schedule that a client asks for."""

    cron: str
    timezone: str
    job: Submission
    enabled: bool
    overlap: Overlap


@dataclass(frozen=True, slots=True)
class RunView:
    """The decision about an occurrence, whether its job was accepted, and how the job ended, if it has."""

    run: Run
    accepted: bool
    end: Terminal | None


@dataclass(frozen=True, slots=True)
class ScheduleView:
    entry: Entry
    schedule: Schedule
    job: Submission
    upcoming: tuple[int, ...]
    runs: tuple[RunView, ...] | None = None
    """The latest occurrences, newest first; None if they were not asked for, or can't be read now."""


def list_schedules(env: Env, tenant: str) -> list[ScheduleView]:
    """Return all schedules of a tenant, ordered by name."""
    return [_view(env, registered, 1) for registered in schedules_of(env, tenant)]


def get_schedule(env: Env, tenant: str, name: str) -> ScheduleView:
    registered = Registered.of(live(env, EntryKind.SCHEDULE, tenant, name))
    try:
        runs = tuple(_runs(env, registered.schedule))
    except Retry as error:
        env.log("runs-not-read", schedule=registered.schedule.id, error=str(error))
        return _view(env, registered, UPCOMING_SHOWN)
    return replace(_view(env, registered, UPCOMING_SHOWN), runs=runs)


def _view(env: Env, registered: Registered, upcoming_max: int) -> ScheduleView:
    schedule = registered.schedule
    upcoming_ms = schedule.times.upcoming(max(env.clock.now_ms(), schedule.since_ms)) if schedule.enabled else ()
    job = submission_of(registered.entry.tenant, schedule.job, token="")
    return ScheduleView(registered.entry, schedule, job, tuple(islice(upcoming_ms, upcoming_max)))


def _runs(env: Env, schedule: Schedule) -> Iterable[RunView]:
    records = RunRecords.of(env, schedule)

    def view_of(occurrence_ms: int) -> RunView:
        occurrence_run = records.get(occurrence_ms)
        if occurrence_run.state is not RunState.RUN:
            return RunView(occurrence_run, accepted=False, end=None)
        job = records.control.job(occurrence_run.job_id)
        terminal = job.terminal()
        return RunView(occurrence_run, accepted=terminal is not None or job.spec() is not None, end=terminal)

    return env.part_pool.map(view_of, list(islice(records.decided(None, RUNS_SHOWN), RUNS_SHOWN)))


def put_schedule(
    env: Env, author: Author, name: str, wanted_schedule: Wanted, condition: Condition
) -> tuple[ScheduleView, bool]:
    """Create a schedule or change one, and return it together with True if it is new. Raises BadRequest if its times
    are not valid, if it is too large, or if its target is in another Region than before. The job must be one that could
    be submitted now."""

    def body_after(current: Entry | None) -> str:
        check_times(wanted_schedule.cron, wanted_schedule.timezone, env.policy)
        spec = spec_of(env, wanted_schedule.job)
        old_schedule = codec.loads(current.body.encode(), Schedule) if current else None
        if old_schedule is not None and old_schedule.control_region != spec.control_region:
            raise _elsewhere(old_schedule.control_region, spec)
        body = codec.dumps(_schedule(env, author, name, wanted_schedule, spec, old_schedule))
        if len(body) > SCHEDULE_MAX_BYTES:
            detail = f"with its job it has {len(body)} bytes, and may have {SCHEDULE_MAX_BYTES}: use a manifest"
            raise BadRequest(ErrorCode.SCHEDULE_TOO_LARGE, detail)
        return body.decode()

    entry, new = register(env, author, EntryKind.SCHEDULE, name, condition, body_after)
    return _view(env, Registered.of(entry), UPCOMING_SHOWN), new


def _schedule(
    env: Env, author: Author, name: str, wanted_schedule: Wanted, spec: JobSpec, old_schedule: Schedule | None
) -> Schedule:
    """Return the schedule to store. Occurrences that were due before its times changed, or while it was disabled, don't
    count as missed."""
    same_times = old_schedule is not None and (old_schedule.cron, old_schedule.timezone) == (
        wanted_schedule.cron,
        wanted_schedule.timezone,
    )
    goes_on = same_times and old_schedule is not None and (old_schedule.enabled or not wanted_schedule.enabled)
    return Schedule(
        id=old_schedule.id if old_schedule else ids.schedule_id(author.tenant, name, env.ids.nonce()),
        cron=wanted_schedule.cron,
        timezone=wanted_schedule.timezone,
        job=job_of(wanted_schedule.job),
        control_region=spec.control_region,
        since_ms=old_schedule.since_ms if goes_on and old_schedule else env.clock.now_ms(),
        enabled=wanted_schedule.enabled,
        overlap=wanted_schedule.overlap,
    )


def remove_schedule(env: Env, author: Author, name: str, condition: Condition) -> None:
    """Remove a schedule. Jobs that it has submitted go on."""
    unregister(env, author, EntryKind.SCHEDULE, name, condition)


def _elsewhere(region: str, spec: JobSpec) -> BadRequest:
    """Return the error for a target in another Region. If a schedule's records were in two Regions, an occurrence could
    be decided twice."""
    return BadRequest(
        ErrorCode.TARGET_REGION_CHANGED,
        f"target {spec.target.id!r} is in {spec.control_region}, and this schedule's has been in {region}, where its "
        "runs are recorded: make another schedule",
    )
