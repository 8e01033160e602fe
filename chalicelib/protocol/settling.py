"""Settle a job when every range is planned to its end and every partition has its receipt."""

from chalicelib.core import codec, ids
from chalicelib.core.errors import Retry
from chalicelib.core.jobs import JobKind, JobSpec, Terminal
from chalicelib.core.manifests import RangeSplit, Receipt
from chalicelib.core.progress import derive
from chalicelib.core.settle import ReceiptFold, complete, may_be_complete, terminal
from chalicelib.ports import Env, PlanRange
from chalicelib.protocol.deliveries import note_feed_job
from chalicelib.protocol.records import JobRecords

HINT_ITEMS = 200
"""Jobs with more items in the table than this are settled by the sweep alone: reading them after every partition would
cost more than the partitions."""
RECEIPTS_IN_MEMORY = 16


def settle_if_due(env: Env, records: JobRecords, spec: JobSpec) -> None:
    """Settle a small job as soon as the table suggests that it is complete. The table may be wrong either way: the
    control bucket decides, and the sweep checks the job anyway."""
    try:
        items = env.ledger.job_items(records.job_id, limit=HINT_ITEMS)
    except Retry as error:
        env.log("table-not-read", job=records.job_id, error=str(error))
        return
    if items.truncated or items.terminal:
        return
    progress = derive(items.plans, items.leases, None, env.clock.now_ms())
    if progress.planned and progress.partitions_done >= progress.partitions:
        begun = any(plan.range_id == ids.DELETE_RANGE for plan in items.plans)
        if not settle(env, records, spec) and spec.deletion is not None and not begun:
            # All is delivered: now the deletions are planned. Crash before this: the sweep sees that they are not, and
            # starts split.
            env.queue.send([PlanRange.of(spec, ids.DELETE_RANGE)])


def settle(env: Env, records: JobRecords, spec: JobSpec) -> bool:
    """Write the job's terminal record if the job is complete. Return whether the job is settled. Any worker may call it
    at any time, also twice."""
    snapshot = records.snapshot(planned_first=spec.planned_first)
    if snapshot.terminal:
        return True
    if snapshot.desired_state.unapproved:
        return False
    deletes = spec.deletion is not None
    if not may_be_complete(snapshot.entries, snapshot.done, deletes=deletes):
        return False
    range_splits = range_splits_of(records, set(snapshot.entries - snapshot.done))
    if range_splits is None:
        return False
    receipt_fold = fold_receipts(env, records, sorted(snapshot.done))
    if not complete(set(snapshot.entries), range_splits, receipt_fold.closed, deletes=deletes):
        return False
    end = terminal(
        spec,
        receipt_fold,
        desired_state=snapshot.desired_state,
        region=env.region,
        now_ms=env.clock.now_ms(),
        nonce=env.ids.nonce(),
    )
    # Two settlers fold the same receipts into the same totals. The first to write also decides the time and the Region,
    # and finishes the job; the other one leaves that to it.
    won, end = records.create_terminal(end)
    # Crash here: the job is settled, but no event was sent, and the job is still on the list of open jobs. The sweep
    # finds the terminal record and finishes the job.
    if won:
        finish(env, records, spec, end)
    return True


def finish(env: Env, records: JobRecords, spec: JobSpec, end: Terminal) -> None:
    """Finish a settled job: note a feed's deliveries, send the event, update the table, and last of all remove the job
    from the list of open jobs. It is repeated until that last step has happened, so the event is delivered at least
    once."""
    if spec.kind is JobKind.FEED:
        note_feed_job(env, records, spec)
    env.notifier.job_settled(spec, end)
    env.ledger.put_terminal(spec, end, env.region)
    records.control.close_job(records.job_id)
    env.log("job-settled", job=records.job_id, state=end.state, planned=end.planned, reason=end.reason)


def range_splits_of(records: JobRecords, partition_ids: set[str]) -> set[str] | None:
    """Return the entries without a receipt if all of them are range splits, otherwise None."""
    return (
        partition_ids
        if all(isinstance(records.entry(partition_id), RangeSplit) for partition_id in partition_ids)
        else None
    )


def fold_receipts(env: Env, records: JobRecords, partition_ids: list[str]) -> ReceiptFold:
    """Fold the receipts in the order of their names, a few in memory at a time."""
    receipt_fold = ReceiptFold()
    for start in range(0, len(partition_ids), RECEIPTS_IN_MEMORY):
        for body in env.pool.map(records.receipt_bytes, partition_ids[start : start + RECEIPTS_IN_MEMORY]):
            assert body is not None, "a receipt is never removed while its job is open"
            receipt_fold.add(codec.loads(body, Receipt), body)
    return receipt_fold
