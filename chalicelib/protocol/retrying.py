"""Plan a retry: the rows that another job didn't deliver, partition by partition. They come from its manifests and
receipts, which never change."""

from chalicelib.core.ids import is_delete_part
from chalicelib.core.inputs import Named
from chalicelib.core.model import JobSpec, Link, Manifest, Row
from chalicelib.ports import Env
from chalicelib.protocol.planning import Cut, plan_named
from chalicelib.protocol.records import ControlRecords, JobRecords

LINKS_PER_CUT = 50
"""How many entries of the other job's manifest log are read for one manifest. The next manifest continues after
them."""


def cut_retry(env: Env, spec: JobSpec, after: str) -> Cut:
    """Return the rows that the other job's entries after `after` didn't deliver, as many as make one partition."""
    assert spec.retry_of is not None, "only of a job that retries another"
    control = ControlRecords(env, spec.control_region)
    other = control.job(spec.retry_of)
    rows: dict[str, Row] = {}
    upto, last, error = after, True, ""
    for links_read, link in enumerate(other.links_after(after)):
        failed = _not_delivered(other, link)
        if links_read == LINKS_PER_CUT or (rows and not _fit(env, rows, failed)):
            last = False
            break
        rows |= failed
        upto = link.part
        if isinstance(link, Manifest) and link.error and not is_delete_part(link.part):
            error = error or f"the job that this one retries was not planned to its end ({link.error}): submit it again"
    named = [Named(row.key, row.version_id if row.version_named else None) for row in rows.values()]
    return Cut(plan_named(env, spec, named, control.job(spec.job_id).accepted_ms()), upto, last, error=error)


def _not_delivered(other: JobRecords, link: Link) -> dict[str, Row]:
    if not isinstance(link, Manifest) or not link.rows or is_delete_part(link.part):
        return {}  # Deletions are not retried: a job with consent of its own plans them anew.
    receipt = other.receipt(link.part)
    assert receipt is not None, "a settled job has all its receipts"
    ends = ((row, found.outcome) for row, found in zip(link.rows, receipt.rows, strict=True) if found.outcome.is_end)
    return {row.key: row for row, outcome in ends if not outcome.good}


def _fit(env: Env, rows: dict[str, Row], more: dict[str, Row]) -> bool:
    """Tell whether the rows fit into one partition, in which no key may be twice."""
    size = sum(row.size for row in (*rows.values(), *more.values()))
    few = len(rows) + len(more) <= env.policy.partition_rows and size <= env.policy.partition_bytes
    return few and not rows.keys() & more.keys()
