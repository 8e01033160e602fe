"""schedules: submits the jobs whose time has come, at every sweep of each Region; and what the API does about them.

Each occurrence is decided about once, by a create-only record, and whoever finds the record follows it. So both Regions
may do the same at once, twice, or the one what the other has begun: there is one job for an occurrence, or one record
that says why there is none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from chalicelib.core import codec, ids
from chalicelib.core.entries import Condition, Entry, EntryKind
from chalicelib.core.errors import BadRequest, KeyReused, Retry, Unusable
from chalicelib.core.leases import Observation
from chalicelib.core.model import JobSpec, Terminal
from chalicelib.core.schedules import LATE_MS, Overlap, Run, RunState, Schedule, check_times, due, missed
from chalicelib.ports import Env
from chalicelib.protocol.accepting import accept, prepare
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.regions import storage_reachable
from chalicelib.protocol.registering import Author, live, register, unregister
from chalicelib.protocol.schedules import Registered, RunRecords, job_of, live_schedules, schedules_of, submission_of
from chalicelib.protocol.submitting import Submission, spec_of
from chalicelib.protocol.table import tell

SCHEDULES = "schedules"
"""The "job" under which a Region notes up to which occurrence it has done all of a schedule's."""
SCHEDULE_MAX_BYTES = 64 * 1024
"""It is an item of the table, and twice in its audit's: those may have 400 KB."""
UPCOMING_SHOWN = 5
RUNS_SHOWN = 20


# --- at every sweep -------------------------------------------------------------------------------------------


def run(env: Env, until_ms: int) -> None:
    """Look at what is due. Two queries, and for each schedule that has something due a few requests to S3. What there
    is no time for, and what can't be reached, is due at the next sweep again. Begins none after `until_ms`."""
    found = live_schedules(env)
    if not found:
        return
    now_ms, handled = env.clock.now_ms(), _handled(env)
    reachable = {region for region in env.control_buckets if storage_reachable(env, region)}
    todo = [
        (one, when)
        for one in found
        if one.schedule.control_region in reachable
        and (when := due(one.schedule, handled.get(one.schedule.id, 0), now_ms))
    ]
    # The longest overdue come first, so that everybody gets a turn.
    todo.sort(key=lambda pair: pair[1][0])
    env.part_pool.map(lambda pair: _in_time(env, *pair, until_ms), todo)


def _handled(env: Env) -> dict[str, int]:
    """Schedule -> up to which occurrence all is done, as either Region has noted: a hint that saves looking."""
    found: dict[str, int] = {}
    for note in env.ledger.job_items(SCHEDULES).observations:
        found[note.subject] = max(found.get(note.subject, 0), int(note.seen))
    return found


def _in_time(env: Env, one: Registered, occurrences: Sequence[int], until_ms: int) -> None:
    if env.clock.now_ms() >= until_ms:
        return
    try:
        _carry_out(env, one, occurrences)
    except Exception as error:  # noqa: BLE001 - one schedule's trouble must not hold up the others
        expected = isinstance(error, Retry | BadRequest | Unusable)
        env.log("schedule-waits", schedule=one.schedule.id, error=repr(error), trace=not expected)
        return
    note = Observation(SCHEDULES, one.schedule.id, env.region, str(occurrences[-1]), env.clock.now_ms())
    # Crash before this: the next sweep finds all of it decided and done.
    tell(env, env.ledger.put_observation, note)


def _carry_out(env: Env, one: Registered, occurrences: Sequence[int]) -> None:
    records = RunRecords.of(env, one.schedule)
    decided = list(records.decided(occurrences[-1], len(occurrences) + 1))
    too_late = missed(occurrences, decided)
    earlier = max((at for at in decided if at < occurrences[0]), default=None)
    all_decided = set(occurrences) <= set(decided)
    before = None if all_decided or earlier is None else records.get(earlier)
    for occurrence_ms in occurrences:
        if occurrence_ms in decided:
            found = records.get(occurrence_ms)
        else:
            found = _decide(env, one, records, occurrence_ms, before, too_late=occurrence_ms in too_late)
        # Crash here: decided and not submitted. The next sweep of either Region finds the record, and submits.
        if found.state is RunState.RUN:
            _submit(env, one, records.control, found)
        before = found


def _decide(
    env: Env, one: Registered, records: RunRecords, occurrence_ms: int, before: Run | None, *, too_late: bool
) -> Run:
    last_job_id = before.job_id if before else ""
    made = Run(
        schedule_id=one.schedule.id,
        occurrence_ms=occurrence_ms,
        state=RunState.MISSED,
        job_id=last_job_id,
        detail="no Region could look at it before a later one was due",
        region=env.region,
        decided_ms=env.clock.now_ms(),
        nonce=env.ids.nonce(),
    )
    if not too_late:
        made = _judge(env, one, records.control, made)
    found = records.decide(made)
    env.log("schedule-decided", schedule=one.schedule.id, at_ms=occurrence_ms, state=found.state, mine=found is made)
    return found


def _judge(env: Env, one: Registered, control: ControlRecords, made: Run) -> Run:
    """`made`, as this occurrence is to be decided now."""
    try:
        spec = prepare(env, one.submission(made.occurrence_ms))
        if spec.control_region != control.region:
            raise _elsewhere(control.region, spec)
    except (BadRequest, Unusable) as error:
        return replace(made, state=RunState.REFUSED, detail=error.message)
    if one.schedule.overlap is Overlap.SKIP and _at_work(control, made.job_id):
        return replace(made, state=RunState.SKIPPED, detail=f"{made.job_id} had not ended")
    late_ms = made.decided_ms - made.occurrence_ms
    detail = f"{late_ms // 60_000} minutes late: no Region could earlier" if late_ms >= LATE_MS else ""
    return replace(made, state=RunState.RUN, job_id=spec.job_id, detail=detail)


def _at_work(control: ControlRecords, job_id: str) -> bool:
    records = control.job(job_id)
    return bool(job_id) and records.terminal() is None and records.spec() is not None


def _submit(env: Env, one: Registered, control: ControlRecords, run: Run) -> None:
    """Submit its job, whoever has done how much of that before."""
    records = control.job(run.job_id)
    if records.terminal() is not None:
        return
    # What was accepted counts, even if the schedule has been changed since, or its endpoints removed.
    spec = records.spec() or prepare(env, one.submission(run.occurrence_ms))
    if spec.control_region != control.region:
        raise _elsewhere(control.region, spec)
    try:
        accept(env, spec)
    except KeyReused:
        # The other Region, which knows the schedule as it was or as it is now, was faster by a moment.
        there = records.spec()
        assert there is not None, "it was there just now, and is never removed"
        env.log("schedule-changed-meanwhile", schedule=one.schedule.id, job=there.job_id)
        accept(env, there)


# --- what the API does ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a schedule is to say."""

    cron: str
    timezone: str
    job: Submission
    enabled: bool
    overlap: Overlap


@dataclass(frozen=True, slots=True)
class RunView:
    """What was decided about an occurrence, whether its job was accepted, and how it ended, if it has."""

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
    """The latest first; None if they were not looked for, or can't be reached now."""


def list_schedules(env: Env, tenant: str) -> list[ScheduleView]:
    """By name."""
    return [_view(env, one, 1) for one in schedules_of(env, tenant)]


def get_schedule(env: Env, tenant: str, name: str) -> ScheduleView:
    one = Registered.of(live(env, EntryKind.SCHEDULE, tenant, name))
    try:
        runs = tuple(_runs(env, one.schedule))
    except Retry as error:
        env.log("runs-not-read", schedule=one.schedule.id, error=str(error))
        return _view(env, one, UPCOMING_SHOWN)
    return replace(_view(env, one, UPCOMING_SHOWN), runs=runs)


def _view(env: Env, one: Registered, shown: int) -> ScheduleView:
    schedule = one.schedule
    times = schedule.times.upcoming(max(env.clock.now_ms(), schedule.since_ms)) if schedule.enabled else ()
    job = submission_of(one.entry.tenant, schedule.job, token="")
    return ScheduleView(one.entry, schedule, job, tuple(islice(times, shown)))


def _runs(env: Env, schedule: Schedule) -> Iterable[RunView]:
    records = RunRecords.of(env, schedule)

    def look(occurrence_ms: int) -> RunView:
        found = records.get(occurrence_ms)
        if found.state is not RunState.RUN:
            return RunView(found, accepted=False, end=None)
        job = records.control.job(found.job_id)
        end = job.terminal()
        return RunView(found, accepted=end is not None or job.spec() is not None, end=end)

    return env.part_pool.map(look, list(islice(records.decided(None, RUNS_SHOWN), RUNS_SHOWN)))


def put_schedule(
    env: Env, author: Author, name: str, wanted: Wanted, condition: Condition
) -> tuple[ScheduleView, bool]:
    """Make a schedule, or change it; also says whether it is a new one. Its job must be one that could be submitted
    now."""

    def body_after(before: Entry | None) -> str:
        check_times(wanted.cron, wanted.timezone, env.policy)
        spec = spec_of(env, wanted.job)
        old = codec.loads(before.body.encode(), Schedule) if before else None
        if old is not None and old.control_region != spec.control_region:
            raise _elsewhere(old.control_region, spec)
        body = codec.dumps(_schedule(env, author, name, wanted, spec, old))
        if len(body) > SCHEDULE_MAX_BYTES:
            detail = f"with its job it has {len(body)} bytes, and may have {SCHEDULE_MAX_BYTES}: use a manifest"
            raise BadRequest("ScheduleTooLarge", detail)
        return body.decode()

    entry, new = register(env, author, EntryKind.SCHEDULE, name, condition, body_after)
    return _view(env, Registered.of(entry), UPCOMING_SHOWN), new


def _schedule(env: Env, author: Author, name: str, wanted: Wanted, spec: JobSpec, old: Schedule | None) -> Schedule:
    """What was due before its times were changed, or while it was disabled, is nothing that it missed."""
    same = old is not None and (old.cron, old.timezone) == (wanted.cron, wanted.timezone)
    goes_on = same and old is not None and (old.enabled or not wanted.enabled)
    return Schedule(
        id=old.id if old else ids.schedule_id(author.tenant, name, env.ids.nonce()),
        cron=wanted.cron,
        timezone=wanted.timezone,
        job=job_of(wanted.job),
        control_region=spec.control_region,
        since_ms=old.since_ms if goes_on and old else env.clock.now_ms(),
        enabled=wanted.enabled,
        overlap=wanted.overlap,
    )


def remove_schedule(env: Env, author: Author, name: str, condition: Condition) -> None:
    """Jobs that it has submitted go on."""
    unregister(env, author, EntryKind.SCHEDULE, name, condition)


def _elsewhere(region: str, spec: JobSpec) -> BadRequest:
    """In two Regions, two could decide."""
    return BadRequest(
        "TargetRegionChanged",
        f"target {spec.target.id!r} is in {spec.control_region}, and this schedule's has been in {region}, where its "
        "runs are recorded: make another schedule",
    )
