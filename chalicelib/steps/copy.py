"""copy: carries out a partition's manifest under a claim."""

from dataclasses import replace

from chalicelib.core.errors import EftError, JobCancelled, JobPaused, OutOfTime, Retry, Superseded
from chalicelib.core.leases import LeasePhase
from chalicelib.core.model import CopyRecord, Manifest, Method, Outcome, Row, RowOutcome
from chalicelib.core.parts import PartShare
from chalicelib.ports import Env, QueueName, Wake
from chalicelib.protocol.intents import Lookout
from chalicelib.protocol.lease import RESERVE_MS, Holding, acquire
from chalicelib.protocol.multipart import MultipartPublisher
from chalicelib.protocol.publish import Publisher, Route, cancelled_row
from chalicelib.protocol.records import ControlRecords, JobRecords

RELEASE_DELAY_MS = 15_000
"""How long a partition rests after S3 throttled it."""


def run(env: Env, job_id: str, control_region: str, part: str, deadline_ms: int, *, fresh: bool) -> None:
    """Work on a partition if nobody else does, for as long as this invocation lasts."""
    control = ControlRecords(env, control_region)
    records = control.job(job_id)
    spec, manifest = records.spec(), records.link(part)
    if spec is None or not isinstance(manifest, Manifest):
        env.log("copy-nothing-to-do", job=job_id, part=part)
        return
    intents = records.intents(planned_first=spec.planned_first)
    if not intents.may_copy:
        # The message is dropped: whoever resumes or approves the job, or the sweep that sees it, wakes all that waits.
        env.log("copy-plan-unapproved" if intents.unapproved else "copy-paused", job=job_id, part=part)
        return
    epoch = acquire(env, records, part, fresh=fresh)
    if epoch is None:
        return
    before = 0 if epoch == 1 else None
    holding = Holding(env, records, manifest, epoch, deadline_ms, env.clock.now_ms(), before)
    holding.beat(LeasePhase.COPYING)
    holding.cancelled = intents.cancelled
    publisher = Publisher(env, control, Route(job_id, spec.source, spec.target), holding.check)
    _work(env, holding, publisher, control_region)


def help_with_parts(env: Env, job_id: str, control_region: str, part: str, share: PartShare, deadline_ms: int) -> None:
    """Copy a share of one large row's parts for the worker that holds the partition, while this invocation lasts."""
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

    def check() -> None:
        if lookout.intents.paused:
            raise JobPaused("JobPaused", f"helping with {row.key}")
        if env.clock.now_ms() >= deadline_ms - RESERVE_MS:
            raise OutOfTime("OutOfTime", f"helping with {row.key}")

    def tick() -> None:
        lookout.look()
        check()

    publisher = Publisher(env, control, Route(job_id, spec.source, spec.target), check)
    try:
        MultipartPublisher(publisher, row, f"{part}/{share.row}").help(share, tick)
    except JobPaused:
        # The next worker that holds the partition wakes helpers for what is missing then.
        env.log("help-paused", job=job_id, part=part)
    except OutOfTime:
        # Crash before this: the owner sees no more parts arrive, and copies them itself.
        env.queue.send([Wake(QueueName.COPY, job_id, control_region, part, share=str(share))])


def _work(env: Env, holding: Holding, publisher: Publisher, control_region: str) -> None:
    wake = Wake(QueueName.COPY, holding.records.job_id, control_region, holding.manifest.part)
    unsettled: list[str] = []
    try:
        _carry_out_rows(env, holding, publisher, unsettled)
    except Superseded as error:
        env.log("superseded", job=wake.job_id, part=wake.part, epoch=holding.epoch, why=str(error))
        return  # Another worker goes on; what this one published is found by its HEADs.
    except JobPaused:
        if holding.undecided:
            _give_back_paused(env, holding, wake)
            return
    except OutOfTime:
        # Give the partition back, so that nobody waits for the lease to expire. Crash before the message: the sweep.
        holding.beat(LeasePhase.RELEASED)
        env.queue.send([wake])
        return
    if unsettled:
        # S3 throttled or failed throughout. No row's outcome is made up: rest, then another epoch looks again.
        env.log("unsettled", job=wake.job_id, part=wake.part, rows=len(unsettled), first=unsettled[0])
        holding.beat(LeasePhase.RELEASED)
        env.queue.send([wake], delay_ms=RELEASE_DELAY_MS)
        return
    _record(env, holding, wake)


def _give_back_paused(env: Env, holding: Holding, wake: Wake) -> None:
    """Without a message: whoever resumes the job sends one, and finds a partition that may be claimed at once."""
    env.log("paused", job=wake.job_id, part=wake.part, undecided=len(holding.undecided))
    # Crash here: the lease stands still. Nobody takes it over while the job is paused; afterwards it expires as any.
    holding.beat(LeasePhase.RELEASED)
    if not holding.records.intents().paused:
        # Resumed (or cancelled) since that look: its message may have found this worker still at it, and is gone.
        env.queue.send([wake])


def _carry_out_rows(env: Env, holding: Holding, publisher: Publisher, unsettled: list[str]) -> None:
    """Decide every row: by copying, or, from the moment that the job is known to be cancelled, without."""

    def copying(index: int) -> None:
        holding.check()
        _carry_out(holding, publisher, index, unsettled, cancel=False)

    def cancelling(index: int) -> None:
        holding.check_holding()
        _carry_out(holding, publisher, index, unsettled, cancel=True)

    try:
        env.pool.map(copying, holding.undecided, holding.tick)
    except JobCancelled:
        unsettled.clear()
        publisher = replace(publisher, check=holding.check_holding)
        env.pool.map(cancelling, holding.undecided, holding.tick_holding)


def _carry_out(holding: Holding, publisher: Publisher, index: int, unsettled: list[str], *, cancel: bool) -> None:
    row = holding.manifest.rows[index]
    if row.decided is not None:
        holding.decide(index, row.decided)
        return
    try:
        decide = _cancel if cancel else _publish
        holding.decide(index, decide(holding, publisher, index, row))
    except (OutOfTime, Superseded, JobCancelled, JobPaused):
        raise
    except Retry as error:
        unsettled.append(f"{row.key}: {error}")
    except EftError as error:
        holding.decide(index, RowOutcome(row.key, Outcome.FAILED, str(error)))
    except Exception as error:  # noqa: BLE001 - a poison object fails its row, never the partition
        publisher.env.log("row-crashed", job=holding.records.job_id, key=row.key, error=repr(error), trace=True)
        holding.decide(index, RowOutcome(row.key, Outcome.FAILED, f"internal error: {error!r}"))


def _publish(holding: Holding, publisher: Publisher, index: int, row: Row) -> RowOutcome:
    look_first = holding.epoch > 1
    if row.method is Method.MULTIPART:
        return _multipart(holding, publisher, index, row).large(look_first=look_first)
    return publisher.small(row, look_first=look_first)


def _cancel(holding: Holding, publisher: Publisher, index: int, row: Row) -> RowOutcome:
    """Nothing more is copied. What was published before, perhaps without our having heard of it, stays COPIED."""
    if row.method is Method.MULTIPART:
        return _multipart(holding, publisher, index, row).cancel()
    return publisher.look(row) or cancelled_row(row)


def _multipart(holding: Holding, publisher: Publisher, index: int, row: Row) -> MultipartPublisher:
    return MultipartPublisher(publisher, row, f"{holding.manifest.part}/{index}")


def _record(env: Env, holding: Holding, wake: Wake) -> None:
    """Every row is decided: say so, and have it verified."""
    records: JobRecords = holding.records
    records.create_copied(
        CopyRecord(
            job_id=wake.job_id,
            part=wake.part,
            epoch=holding.epoch,
            region=env.region,
            rows=tuple(holding.outcomes[index] for index in range(len(holding.manifest.rows))),
            started_ms=holding.started_ms,
            finished_ms=env.clock.now_ms(),
        )
    )
    # Crash here: copied and recorded, nobody woken to verify. The sweep sees a copy record without a receipt.
    holding.beat(LeasePhase.COPIED)
    env.queue.send([Wake(QueueName.VERIFY, wake.job_id, wake.control_region, wake.part)])
