"""copy: carries out a partition's manifest under a claim."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from chalicelib.core import ids
from chalicelib.core.errors import EftError, JobCancelled, JobPaused, NoAnswer, NotAsked, OutOfTime, Retry, Superseded
from chalicelib.core.intents import Intents
from chalicelib.core.leases import LeasePhase
from chalicelib.core.model import CopyRecord, JobSpec, Manifest, Method, Outcome, Row, RowOutcome
from chalicelib.core.parts import PartShare
from chalicelib.core.tries import TriedRow, given_up
from chalicelib.ports import Env, QueueName, Wake
from chalicelib.protocol.admission import Line
from chalicelib.protocol.deletions import Deleter, Finality, may_be_carried_out
from chalicelib.protocol.delivered import job_deliveries
from chalicelib.protocol.intents import Lookout
from chalicelib.protocol.lease import RESERVE_MS, Holding, acquire
from chalicelib.protocol.multipart import MultipartPublisher, upload_name
from chalicelib.protocol.publish import Publisher, Route, cancelled_row
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.slots import Slots, take_slots
from chalicelib.protocol.trial import Trial


def run(env: Env, wake: Wake, deadline_ms: int) -> None:
    """Work on a partition if nobody else does and a slot is free, for as long as this invocation lasts."""
    job_id, part = wake.job_id, wake.part
    records = ControlRecords(env, wake.control_region).job(job_id)
    spec = records.spec()
    if spec is None:
        env.log("copy-nothing-to-do", job=job_id, part=part)
        return
    intents = records.intents(planned_first=spec.planned_first)
    if not intents.may_copy:
        # The message is dropped: whoever resumes or approves the job, or the sweep that sees it, wakes all that waits.
        env.log("copy-plan-unapproved" if intents.unapproved else "copy-paused", job=job_id, part=part)
        return
    if ids.is_delete_part(part) and not intents.cancelled and not may_be_carried_out(records):
        # The message is dropped: who ends the chain wakes all of it, or receipts it as kept; else the sweep.
        env.log("copy-not-yet", job=job_id, part=part)
        return
    # Before anything is claimed: what has to wait is nobody's.
    slots = take_slots(env, spec, wake)
    if slots is not None:
        slots.during(lambda: _claim_and_work(env, records, spec, wake, intents, slots, deadline_ms))


def _source_silence(env: Env, spec: JobSpec) -> NoAnswer | None:
    """Ask a source in another Region once, before anything is copied: a copy from a Region that hangs would hold this
    worker for the minutes that a copy may take."""
    if spec.source.bucket.region == env.region:
        return None
    try:
        env.store.list(spec.source.bucket, spec.source_prefix, limit=1)
    except NoAnswer as error:
        return error
    except EftError as error:
        # It answers. What it says is each row's to learn.
        env.log("source-refuses", job=spec.job_id, bucket=spec.source.bucket.name, error=str(error))
    return None


def _claim_and_work(
    env: Env, records: JobRecords, spec: JobSpec, wake: Wake, intents: Intents, slots: Slots, deadline_ms: int
) -> None:
    manifest = records.link(wake.part)
    if not isinstance(manifest, Manifest):
        env.log("copy-nothing-to-do", job=wake.job_id, part=wake.part)
        return
    line = Line(env, records, spec)
    epoch = acquire(env, records, wake.part, fresh=wake.fresh, rested=wake.rested, intents=intents)
    if epoch is None:
        if records.done(wake.part):
            line.pass_on(manifest)  # Its line may have stopped here.
        return
    before = 0 if epoch == 1 else None
    holding = Holding(env, records, manifest, epoch, deadline_ms, env.clock.now_ms(), slots, before)
    trial = Trial.begin(env, spec, holding, intents)
    holding.beat(LeasePhase.COPYING)
    holding.cancelled = intents.cancelled
    # Asked anew for each claim: the owner may have suspended the bucket's versioning since deletions were planned.
    route = replace(Route.of(spec), for_ever=Finality(env, spec).why)
    deliveries = job_deliveries(records.control, spec, manifest.rows)
    publisher = Publisher(env, records.control, route, holding.check, deliveries=deliveries)
    _work(env, trial, publisher, line)


def help_with_parts(env: Env, wake: Wake, deadline_ms: int) -> None:
    """Copy a share of one large row's parts for the worker that holds the partition, while this invocation lasts."""
    job_id, control_region, part, share = wake.job_id, wake.control_region, wake.part, PartShare.parse(wake.share)
    control = ControlRecords(env, control_region)
    records = control.job(job_id)
    spec, manifest = records.spec(), records.link(part)
    if spec is None or not isinstance(manifest, Manifest) or share.row >= len(manifest.rows):
        env.log("help-nothing-to-do", job=job_id, part=part)
        return
    row = manifest.rows[share.row]
    if row.method is not Method.MULTIPART or records.done(part):
        return
    lookout = Lookout.begin(env, records, planned_first=spec.planned_first)
    if lookout.intents.cancelled or not lookout.intents.may_copy:
        return
    if _source_silence(env, spec) is not None:
        return  # Nobody waits for it, as below.
    slots = take_slots(env, spec, wake)
    if slots is None:
        return  # Nobody waits for it: the owner copies what doesn't arrive.

    def check() -> None:
        if lookout.intents.paused:
            raise JobPaused("JobPaused", f"helping with {row.key}")
        if env.clock.now_ms() >= deadline_ms - RESERVE_MS:
            raise OutOfTime("OutOfTime", f"helping with {row.key}")

    def tick() -> None:
        lookout.look()
        slots.renew()
        check()

    publisher = Publisher(env, control, Route.of(spec), check)
    helper = MultipartPublisher(publisher, row, upload_name(manifest, share.row), f"{part}/{share.row}")
    try:
        slots.during(lambda: helper.help(share, tick))
    except JobPaused:
        # The next worker that holds the partition wakes helpers for what is missing then.
        env.log("help-paused", job=job_id, part=part)
    except OutOfTime:
        # Crash before this: the owner sees no more parts arrive, and copies them itself.
        env.queue.send([replace(wake, waited=0)])


def _work(env: Env, trial: Trial, publisher: Publisher, line: Line) -> None:
    holding, wake = trial.holding, line.wake(trial.holding.manifest.part)
    copies = not (holding.cancelled or ids.is_delete_part(wake.part))
    if copies and (silence := _source_silence(env, trial.spec)) is not None:
        trial.nobody_answers(silence)
        trial.give_back(wake)
        return
    try:
        _carry_out_rows(env, trial, publisher)
    except Superseded as error:
        env.log("superseded", job=wake.job_id, part=wake.part, epoch=holding.epoch, why=str(error))
        return  # Another worker goes on; what this one published is found by its HEADs.
    except JobPaused:
        if holding.undecided:
            _give_back_paused(env, holding, wake)
            return
    except OutOfTime:
        trial.give_back(wake)
        return
    if holding.undecided:
        # S3 throttled or failed throughout. No row's outcome is made up, until so many rounds were in vain.
        trial.conclude(partial(_give_up, publisher))
    if holding.undecided:
        trial.give_back(wake)
        return
    # Crash before this: what was delivered since the last heartbeat is recorded by the next epoch, which finds it at
    # the destination; unless the receiver has taken it away by then (docs/failover.md, what is not proven).
    publisher.deliveries.note(holding.outcomes)
    _record(env, holding, line)


def _give_back_paused(env: Env, holding: Holding, wake: Wake) -> None:
    """Without a message: whoever resumes the job sends one, and finds a partition that may be claimed at once."""
    env.log("paused", job=wake.job_id, part=wake.part, undecided=len(holding.undecided))
    # Crash here: the lease stands still. Nobody takes it over while the job is paused; afterwards it expires as any.
    holding.beat(LeasePhase.RELEASED)
    if not holding.records.intents().paused:
        # Resumed (or cancelled) since that look: its message may have found this worker still at it, and is gone.
        env.queue.send([wake])


def _carry_out_rows(env: Env, trial: Trial, publisher: Publisher) -> None:
    """Decide every row: by copying, or, from the moment that the job is known to be cancelled, without."""
    holding, wake = trial.holding, Wake.of(trial.spec, QueueName.COPY, trial.holding.manifest.part)

    def copying(index: int) -> None:
        holding.check()
        _carry_out(trial, publisher, index, cancel=False)

    def cancelling(index: int) -> None:
        holding.check_holding()
        _carry_out(trial, publisher, index, cancel=True)

    def in_time(tick: Callable[[], None]) -> None:
        try:
            tick()
        except OutOfTime:
            # At once: a call that hangs may outlast this invocation, which then dies before its rows' threads end.
            trial.give_back(wake)
            raise

    def beating() -> None:
        holding.tick()
        publisher.deliveries.tick(holding.outcomes)

    try:
        trial.heed_aside()
        first, stuck = trial.in_order()
        env.pool.map(copying, first, partial(in_time, beating))
        if not trial.set_aside(wake):
            env.pool.map(copying, stuck, partial(in_time, beating))
    except JobCancelled:
        trial.forget()
        publisher = replace(publisher, check=holding.check_holding)
        env.pool.map(cancelling, holding.undecided, partial(in_time, holding.tick_holding))
    except (OutOfTime, JobPaused, Superseded):
        publisher.deliveries.note_if_possible(holding.outcomes)
        raise
    publisher.deliveries.note_if_possible(holding.outcomes)


def _carry_out(trial: Trial, publisher: Publisher, index: int, *, cancel: bool) -> None:
    holding = trial.holding
    row = holding.manifest.rows[index]
    if row.decided is not None:
        holding.decide(index, row.decided)
        return
    publisher = replace(publisher, notes=trial.notes(index))
    try:
        decide = _cancel if cancel else _publish
        tried = None if cancel else trial.spent(index)
        holding.decide(index, _give_up(publisher, row, tried) if tried else decide(holding, publisher, index, row))
    except (OutOfTime, Superseded, JobCancelled, JobPaused):
        raise
    except NotAsked as error:
        # That says nothing about the row.
        trial.silent = True
        publisher.env.log("row-not-tried", job=holding.records.job_id, key=row.key, error=str(error))
    except Retry as error:
        trial.undecided(index, error)
    except EftError as error:
        holding.decide(index, RowOutcome(row.key, Outcome.FAILED, str(error)))
    except Exception as error:  # noqa: BLE001 - a poison object fails its row, never the partition
        publisher.env.log("row-crashed", job=holding.records.job_id, key=row.key, error=repr(error), trace=True)
        holding.decide(index, RowOutcome(row.key, Outcome.FAILED, f"internal error: {error!r}"))


def _give_up(publisher: Publisher, row: Row, tried: TriedRow) -> RowOutcome:
    """The last try's answer may have been lost: look once more. What is under way even now may still arrive, as after a
    fast cancel; uploads are aborted when the row is receipted."""
    try:
        found = Deleter(publisher, row).look() if row.method is Method.DELETE else publisher.look(row)
    except EftError as error:
        publisher.env.log("last-look-failed", job=publisher.route.job_id, key=row.key, error=str(error))
        found = None
    return found or given_up(row, tried)


def _publish(holding: Holding, publisher: Publisher, index: int, row: Row) -> RowOutcome:
    look_first = holding.epoch > 1 or bool(holding.manifest.aside)
    if row.method is Method.DELETE:
        return Deleter(publisher, row).delete(look_first=look_first)
    if row.method is Method.MULTIPART:
        return _multipart(holding, publisher, index, row).large(look_first=look_first)
    return publisher.small(row, look_first=look_first)


def _cancel(holding: Holding, publisher: Publisher, index: int, row: Row) -> RowOutcome:
    """Nothing more is copied or deleted. What was done before, perhaps without our having heard of it, is done."""
    if row.method is Method.DELETE:
        return Deleter(publisher, row).look() or cancelled_row(row)
    if row.method is Method.MULTIPART:
        return _multipart(holding, publisher, index, row).cancel()
    return publisher.look(row) or cancelled_row(row)


def _multipart(holding: Holding, publisher: Publisher, index: int, row: Row) -> MultipartPublisher:
    manifest = holding.manifest
    return MultipartPublisher(publisher, row, upload_name(manifest, index), f"{manifest.part}/{index}")


def _record(env: Env, holding: Holding, line: Line) -> None:
    """Every row is decided: say so, have it verified, and wake who is next."""
    records, manifest = holding.records, holding.manifest
    records.create_copied(
        CopyRecord(
            job_id=manifest.job_id,
            part=manifest.part,
            epoch=holding.epoch,
            region=env.region,
            rows=tuple(holding.outcomes[index] for index in range(len(manifest.rows))),
            started_ms=holding.started_ms,
            finished_ms=env.clock.now_ms(),
        )
    )
    # Crash here: copied and recorded, nobody woken to verify. The sweep sees a copy record without a receipt.
    holding.beat(LeasePhase.COPIED)
    env.queue.send([replace(line.wake(manifest.part), queue=QueueName.VERIFY)])
    # Crash here: the line stops. The sweep wakes it when nothing else of the job moves.
    line.pass_on(manifest)
