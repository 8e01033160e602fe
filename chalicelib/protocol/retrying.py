"""Plan a retry: the rows that another job didn't deliver, partition by partition. They come from its manifests and
receipts, which never change."""

from chalicelib.core.ids import is_delete_partition
from chalicelib.core.inputs import Named
from chalicelib.core.jobs import JobSpec
from chalicelib.core.manifests import LogEntry, Manifest
from chalicelib.core.rows import Row
from chalicelib.ports import Env
from chalicelib.protocol.planning import Cut, plan_named
from chalicelib.protocol.records import ControlRecords, JobRecords

ENTRIES_PER_CUT = 50
"""How many entries of the other job's manifest log are read for one manifest. The next manifest continues after
them."""


def cut_retry(env: Env, spec: JobSpec, after: str) -> Cut:
    """Return the rows that the other job's entries after `after` didn't deliver, as many as make one partition."""
    assert spec.retry_of is not None, "only of a job that retries another"
    control = ControlRecords(env, spec.control_region)
    other = control.job(spec.retry_of)
    rows: dict[str, Row] = {}
    upto, last, error = after, True, ""
    for entries_read, entry in enumerate(other.entries_after(after)):
        failed = _not_delivered(other, entry)
        if entries_read == ENTRIES_PER_CUT or (rows and not _fit(env, rows, failed)):
            last = False
            break
        rows |= failed
        upto = entry.partition_id
        if isinstance(entry, Manifest) and entry.error and not is_delete_partition(entry.partition_id):
            error = (
                error or f"the job that this one retries was not planned to its end ({entry.error}): submit it again"
            )
    named = [Named(row.key, row.version_id if row.version_named else None) for row in rows.values()]
    return Cut(plan_named(env, spec, named, control.job(spec.job_id).accepted_ms()), upto, last, error=error)


def _not_delivered(other: JobRecords, entry: LogEntry) -> dict[str, Row]:
    if not isinstance(entry, Manifest) or not entry.rows or is_delete_partition(entry.partition_id):
        return {}  # Deletions are not retried: a job with consent of its own plans them anew.
    receipt = other.receipt(entry.partition_id)
    assert receipt is not None, "a settled job has all its receipts"
    outcomes = (
        (row, result.outcome) for row, result in zip(entry.rows, receipt.rows, strict=True) if result.outcome.is_end
    )
    return {row.key: row for row, outcome in outcomes if not outcome.good}


def _fit(env: Env, rows: dict[str, Row], more: dict[str, Row]) -> bool:
    """Tell whether the rows fit into one partition, in which no key may be twice."""
    size = sum(row.size for row in (*rows.values(), *more.values()))
    is_small = len(rows) + len(more) <= env.policy.partition_rows and size <= env.policy.partition_bytes
    return is_small and not rows.keys() & more.keys()
