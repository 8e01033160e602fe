"""Sum up a plan: write its summary when every range is planned to its end."""

from dataclasses import dataclass

from chalicelib.core.errors import NotFound, Retry
from chalicelib.core.ids import partition_id_of
from chalicelib.core.jobs import JobSpec
from chalicelib.core.manifests import RangeSplit
from chalicelib.core.planned import PlanSummary, totals_with
from chalicelib.core.progress import planning_complete
from chalicelib.core.settle import complete, ranges_of
from chalicelib.core.totals import Totals, add_up
from chalicelib.ports import Env
from chalicelib.protocol.records import JobRecords
from chalicelib.protocol.settling import HINT_ITEMS


@dataclass(frozen=True, slots=True)
class _End:
    """The last entry of a range's manifest log, as far as the log has been built."""

    partition_id: str
    is_split: bool
    closed: bool
    totals: Totals


def sum_up_if_due(env: Env, records: JobRecords, spec: JobSpec) -> None:
    """Sum a plan up as soon as the table suggests that all of it is planned. As with settling, the control bucket
    decides, and the sweep checks the plan anyway."""
    try:
        items = env.ledger.job_items(records.job_id, limit=HINT_ITEMS)
    except Retry as error:
        env.log("table-not-read", job=records.job_id, error=str(error))
        return
    if planning_complete(items.plans):
        sum_up(env, records, spec)


def sum_up(env: Env, records: JobRecords, spec: JobSpec) -> bool:
    """Write the plan's summary if the plan is complete. Return whether the plan is summed up (or settled). Any worker
    may call it at any time, also twice."""
    snapshot = records.snapshot(planned_first=True)
    if snapshot.planned or snapshot.terminal:
        records.control.close_plan(records.job_id)
        return True
    if snapshot.desired_state.cancelled or not snapshot.entries:
        return False
    ranges = ranges_of(snapshot.entries)
    # Only the last entries are read: each has the totals of those before it.
    ends = env.pool.map(lambda name: _end(env, records, spec, partition_id_of(name, ranges[name])), sorted(ranges))
    range_splits = {end.partition_id for end in ends if end.is_split}
    if not complete(
        set(snapshot.entries), range_splits, {end.partition_id.rpartition("-")[0] for end in ends if end.closed}
    ):
        return False
    summary = PlanSummary(
        job_id=records.job_id,
        totals=add_up((end.totals for end in ends), Totals()),
        ranges=len(ranges),
        region=env.region,
        planned_ms=env.clock.now_ms(),
        nonce=env.ids.nonce(),
    )
    # Two workers sum the same entries up to the same totals. The first to write also decides the time.
    records.create_summary(summary)
    # Crash here: the summary is written, and the plan is still on the list. The sweep finds the summary and removes the
    # plan from the list.
    records.control.close_plan(records.job_id)
    env.log("plan-made", job=records.job_id, objects=summary.totals.objects, ranges=summary.ranges)
    return True


def _end(env: Env, records: JobRecords, spec: JobSpec, partition_id: str) -> _End:
    entry = records.entry(partition_id)
    if entry is None:
        raise NotFound("RecordVanished", partition_id)
    totals = totals_with(entry, spec, env.policy)
    if isinstance(entry, RangeSplit):
        return _End(partition_id, is_split=True, closed=False, totals=totals)
    return _End(partition_id, is_split=False, closed=entry.last, totals=totals)
