"""The copy step carries out a partition's manifest under a claim."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from chalicelib.core import ids
from chalicelib.core.desired_state import DesiredState
from chalicelib.core.errors import EftError, JobCancelled, JobPaused, NoAnswer, NotAsked, OutOfTime, Retry, Superseded
from chalicelib.core.jobs import JobSpec
from chalicelib.core.leases import LeasePhase
from chalicelib.core.manifests import CopyRecord, Manifest
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome
from chalicelib.core.tries import TriedRow, given_up
from chalicelib.ports import CopyPartition, CopyUploadParts, Env, VerifyPartition
from chalicelib.protocol.admission import Lanes
from chalicelib.protocol.deletions import Deleter, Finality, may_be_carried_out
from chalicelib.protocol.delivered import job_deliveries
from chalicelib.protocol.desired_state import Lookout
from chalicelib.protocol.lease import RESERVE_MS, HeldLease, acquire
from chalicelib.protocol.multipart import MultipartPublisher, upload_name
from chalicelib.protocol.permits import HeldPermits, take_permits
from chalicelib.protocol.publish import Publisher, Route, cancelled_row
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.trial import Trial


def run(env: Env, task: CopyPartition, deadline_ms: int) -> None:
    """Work on a partition until it is done or this invocation's time is up. Do nothing if another worker holds the
    partition. If no permit is free, the task is sent again, later."""
    job_id, partition_id = task.job_id, task.partition_id
    records = ControlRecords(env, task.control_region).job(job_id)
    spec = records.spec()
    if spec is None:
        env.log("copy-nothing-to-do", job=job_id, partition_id=partition_id)
        return
    desired_state = records.desired_state(planned_first=spec.planned_first)
    if not desired_state.may_copy:
        # The message is dropped. The request that resumes or approves the job starts everything that waits, or the
        # sweep that sees it does.
        env.log(
            "copy-plan-unapproved" if desired_state.unapproved else "copy-paused", job=job_id, partition_id=partition_id
        )
        return
    if ids.is_delete_partition(partition_id) and not desired_state.cancelled and not may_be_carried_out(records):
        # Drop the message. The worker that completes the deletion log starts all its partitions, or writes their
        # receipts as KEPT. If that worker dies, the sweep does it.
        env.log("copy-not-yet", job=job_id, partition_id=partition_id)
        return
    # Take the permits before anything is claimed, so that nobody holds a partition that has to wait for one.
    permits = take_permits(env, spec, task)
    if permits is not None:
        permits.during(lambda: _claim_and_work(env, records, spec, task, desired_state, permits, deadline_ms))


def _source_silence(env: Env, spec: JobSpec) -> NoAnswer | None:
    """Ask a source in another Region once before anything is copied, and return its NoAnswer if it doesn't answer. A
    copy from a Region that hangs would block this worker for minutes, as long as a copy may take."""
    if spec.source.bucket.region == env.region:
        return None
    try:
        env.store.list(spec.source.bucket, spec.source_prefix, limit=1)
    except NoAnswer as error:
        return error
    except EftError as error:
        # It answers. Each row finds out for itself what this error means for it.
        env.log("source-refuses", job=spec.job_id, bucket=spec.source.bucket.name, error=str(error))
    return None


def _claim_and_work(
    env: Env,
    records: JobRecords,
    spec: JobSpec,
    task: CopyPartition,
    desired_state: DesiredState,
    permits: HeldPermits,
    deadline_ms: int,
) -> None:
    partition_id = task.partition_id
    manifest = records.entry(partition_id)
    if not isinstance(manifest, Manifest):
        env.log("copy-nothing-to-do", job=task.job_id, partition_id=partition_id)
        return
    lanes = Lanes(env, records, spec)
    epoch = acquire(
        env,
        records,
        partition_id,
        fresh=task.fresh,
        rested_after_epoch=task.rested_after_epoch,
        desired_state=desired_state,
    )
    if epoch is None:
        if records.done(partition_id):
            lanes.pass_on(manifest)  # Its lane may have stopped here.
        return
    decided_before = 0 if epoch == 1 else None
    lease = HeldLease(env, records, manifest, epoch, deadline_ms, env.clock.now_ms(), permits, decided_before)
    trial = Trial.begin(env, spec, lease, desired_state)
    lease.renew()
    lease.cancelled = desired_state.cancelled
    # Ask again for each claim, since the owner may have suspended the bucket's versioning after the deletions were
    # planned.
    route = replace(Route.of(spec), for_ever=Finality(env, spec).why)
    deliveries = job_deliveries(records.control, spec, manifest.rows)
    publisher = Publisher(env, records.control, route, lease.check, deliveries=deliveries)
    _work(env, trial, publisher, lanes)


def help_with_parts(env: Env, task: CopyUploadParts, deadline_ms: int) -> None:
    """Copy a share of one large row's upload parts while this invocation lasts, for the worker that holds the
    partition."""
    job_id, partition_id, share = task.job_id, task.partition_id, task.share
    control = ControlRecords(env, task.control_region)
    records = control.job(job_id)
    spec, manifest = records.spec(), records.entry(partition_id)
    if spec is None or not isinstance(manifest, Manifest) or share.row >= len(manifest.rows):
        env.log("help-nothing-to-do", job=job_id, partition_id=partition_id)
        return
    row = manifest.rows[share.row]
    if row.method is not Method.MULTIPART or records.done(partition_id):
        return
    lookout = Lookout.begin(env, records, planned_first=spec.planned_first)
    if lookout.desired_state.cancelled or not lookout.desired_state.may_copy:
        return
    if _source_silence(env, spec) is not None:
        return  # The owner copies the missing upload parts, as below.
    permits = take_permits(env, spec, task)
    if permits is None:
        return  # Nobody waits for a helper: the owner copies the missing upload parts itself.

    def check() -> None:
        if lookout.desired_state.paused:
            raise JobPaused("JobPaused", f"helping with {row.key}")
        if env.clock.now_ms() >= deadline_ms - RESERVE_MS:
            raise OutOfTime("OutOfTime", f"helping with {row.key}")

    def tick() -> None:
        lookout.look()
        permits.renew()
        check()

    publisher = Publisher(env, control, Route.of(spec), check)
    helper = MultipartPublisher(publisher, row, upload_name(manifest, share.row), f"{partition_id}/{share.row}")
    try:
        permits.during(lambda: helper.help(share, tick))
    except JobPaused:
        # The next worker that holds the partition asks for helpers for the upload parts that are missing then.
        env.log("help-paused", job=job_id, partition_id=partition_id)
    except OutOfTime:
        # Crash before this: the owner notices that no more upload parts arrive, and copies them itself.
        env.queue.send([replace(task, permit_waits=0)])


def _work(env: Env, trial: Trial, publisher: Publisher, lanes: Lanes) -> None:
    lease, partition_id = trial.lease, trial.lease.manifest.partition_id
    copies_rows = not (lease.cancelled or ids.is_delete_partition(partition_id))
    if copies_rows and (no_answer := _source_silence(env, trial.spec)) is not None:
        trial.nobody_answers(no_answer)
        trial.give_back()
        return
    try:
        _carry_out_rows(env, trial, publisher)
    except Superseded as error:
        env.log("superseded", job=trial.spec.job_id, partition_id=partition_id, epoch=lease.epoch, why=str(error))
        return  # Another worker goes on. Its HEADs find the objects that this worker published.
    except JobPaused:
        if lease.undecided:
            _give_back_paused(env, trial)
            return
    except OutOfTime:
        trial.give_back()
        return
    if lease.undecided:
        # S3 throttled or failed all the time. A row gets no outcome for that until its retry budget is used up.
        trial.conclude(partial(_give_up, lease, publisher))
    if lease.undecided:
        trial.give_back()
        return
    # Crash before this: the next epoch finds the rows that were delivered since the last heartbeat at the destination,
    # and records them. It can't if the receiver has removed an object by then (docs/failover.md, what is not proven).
    publisher.deliveries.note(lease.outcomes)
    _record(env, lease, lanes)


def _give_back_paused(env: Env, trial: Trial) -> None:
    """Release the partition without sending a message. The request that resumes the job sends one, and the partition
    may then be claimed at once."""
    lease, spec = trial.lease, trial.spec
    env.log("paused", job=spec.job_id, partition_id=lease.manifest.partition_id, undecided=len(lease.undecided))
    # Crash here: the lease stands still. Nobody takes it over while the job is paused. Afterwards it expires like any
    # other lease.
    lease.release()
    if not lease.records.desired_state().paused:
        # The job was resumed or cancelled after this worker saw the pause. The message for that may have found this
        # worker still holding the partition, and is gone. So send another.
        env.queue.send([CopyPartition.of(spec, lease.manifest.partition_id)])


def _carry_out_rows(env: Env, trial: Trial, publisher: Publisher) -> None:
    """Decide every row: copy it, or decide it without copying once the job is known to be cancelled."""
    lease = trial.lease

    def copy_row(index: int) -> None:
        lease.check()
        _carry_out(trial, publisher, index, cancel=False)

    def cancel_row(index: int) -> None:
        lease.check_while_cancelling()
        _carry_out(trial, publisher, index, cancel=True)

    def tick_in_time(tick: Callable[[], None]) -> None:
        try:
            tick()
        except OutOfTime:
            # Give the partition back at once. A call that hangs may outlast this invocation, which then dies before the
            # threads of its rows end.
            trial.give_back()
            raise

    def beat() -> None:
        lease.tick()
        publisher.deliveries.tick(lease.outcomes)

    try:
        trial.heed_aside()
        untried, tried = trial.in_order()
        env.pool.map(copy_row, untried, partial(tick_in_time, beat))
        if not trial.set_aside():
            env.pool.map(copy_row, tried, partial(tick_in_time, beat))
    except JobCancelled:
        trial.forget()
        publisher = replace(publisher, check=lease.check_while_cancelling)
        env.pool.map(cancel_row, lease.undecided, partial(tick_in_time, lease.tick_while_cancelling))
    except (OutOfTime, JobPaused, Superseded):
        publisher.deliveries.note_if_possible(lease.outcomes)
        raise
    publisher.deliveries.note_if_possible(lease.outcomes)


def _carry_out(trial: Trial, publisher: Publisher, index: int, *, cancel: bool) -> None:
    lease = trial.lease
    row = lease.manifest.rows[index]
    if row.decided is not None:
        lease.decide(index, row.decided)
        return
    publisher = replace(publisher, notes=trial.notes(index))
    try:
        decide = _cancel if cancel else _publish
        tried_row = None if cancel else trial.spent(index)
        if tried_row:
            lease.decide(index, _give_up(lease, publisher, row, tried_row))
        else:
            lease.decide(index, decide(lease, publisher, index, row))
    except (OutOfTime, Superseded, JobCancelled, JobPaused):
        raise
    except NotAsked as error:
        # The request was never sent, so this says nothing about the row.
        trial.silent = True
        publisher.env.log("row-not-tried", job=lease.records.job_id, key=row.key, error=str(error))
    except Retry as error:
        trial.undecided(index, error)
    except EftError as error:
        lease.decide(index, RowOutcome(row.key, Outcome.FAILED, str(error)))
    except Exception as error:  # noqa: BLE001 - a poison object fails its row, never the partition
        publisher.env.log("row-crashed", job=lease.records.job_id, key=row.key, error=repr(error), trace=True)
        lease.decide(index, RowOutcome(row.key, Outcome.FAILED, f"internal error: {error!r}"))


def _give_up(lease: HeldLease, publisher: Publisher, row: Row, tried_row: TriedRow) -> RowOutcome:
    """Return the outcome of a row whose retry budget is used up. Look at the destination once more, since the answer to
    the last try may have been lost. A request still under way may arrive even later, as after a fast cancel."""
    try:
        outcome = Deleter(publisher, row).look() if row.method is Method.DELETE else publisher.look(row)
    except EftError as error:
        publisher.env.log("last-look-failed", job=publisher.route.job_id, key=row.key, error=str(error))
        outcome = None
    if outcome and outcome.outcome is Outcome.COPIED and row.method is Method.MULTIPART:
        _multipart(lease, publisher, tried_row.index, row).abandon()
    return outcome or given_up(row, tried_row)


def _publish(lease: HeldLease, publisher: Publisher, index: int, row: Row) -> RowOutcome:
    look_first = lease.epoch > 1 or bool(lease.manifest.aside)
    if row.method is Method.DELETE:
        return Deleter(publisher, row).delete(look_first=look_first)
    if row.method is Method.MULTIPART:
        return _multipart(lease, publisher, index, row).large(look_first=look_first)
    return publisher.small(row, look_first=look_first)


def _cancel(lease: HeldLease, publisher: Publisher, index: int, row: Row) -> RowOutcome:
    """Decide a row without copying or deleting anything more. If an earlier request took effect without our hearing of
    it, its result counts."""
    if row.method is Method.DELETE:
        return Deleter(publisher, row).look() or cancelled_row(row)
    if row.method is Method.MULTIPART:
        return _multipart(lease, publisher, index, row).cancel()
    return publisher.look(row) or cancelled_row(row)


def _multipart(lease: HeldLease, publisher: Publisher, index: int, row: Row) -> MultipartPublisher:
    manifest = lease.manifest
    return MultipartPublisher(publisher, row, upload_name(manifest, index), f"{manifest.partition_id}/{index}")


def _record(env: Env, lease: HeldLease, lanes: Lanes) -> None:
    """Record the outcomes of a partition whose rows are all decided, send it to verify, and start the next partition of
    its lane."""
    records, manifest = lease.records, lease.manifest
    records.create_copied(
        CopyRecord(
            job_id=manifest.job_id,
            partition_id=manifest.partition_id,
            epoch=lease.epoch,
            region=env.region,
            rows=tuple(lease.outcomes[index] for index in range(len(manifest.rows))),
            started_ms=lease.started_ms,
            finished_ms=env.clock.now_ms(),
        )
    )
    # Crash here: copied and recorded, but verify was not started. The sweep sees a copy record without a receipt.
    lease.release(LeasePhase.COPIED)
    env.queue.send([VerifyPartition.of(lanes.spec, manifest.partition_id)])
    # Crash here: the lane stops. The sweep starts it when nothing else of the job moves.
    lanes.pass_on(manifest)
