"""Find a job by its id, for the tenant that owns it."""

from collections.abc import Iterator

from chalicelib.core import ids
from chalicelib.core.errors import Retry, Unknown
from chalicelib.core.model import JobSpec
from chalicelib.ports import Env, JobItems
from chalicelib.protocol.records import ControlRecords


def find_job(env: Env, tenant: str, job_id: str) -> tuple[JobSpec, JobItems]:
    """Return the tenant's job and its items in this Region's table. Raises Unknown if the tenant has no such job.

    A job that the other Region has just accepted may not have been replicated yet; then the control buckets are asked.
    Another tenant's job costs the same calls as a job that doesn't exist: the time of the answer must not tell them
    apart.
    """
    if not ids.is_job_id(job_id):
        raise _unknown(job_id)
    items = env.ledger.job_items(job_id)
    spec = next((found for found in _specs(env, items, job_id) if found and found.tenant == tenant), None)
    if spec is None:
        raise _unknown(job_id)
    return spec, items


def _specs(env: Env, items: JobItems, job_id: str) -> Iterator[JobSpec | None]:
    """Yield the job's spec as each store has it, the cheapest first. The next store is asked only when it is needed."""
    yield items.spec
    for region in env.control_buckets:
        yield _spec_at(env, region, job_id)


def _spec_at(env: Env, region: str, job_id: str) -> JobSpec | None:
    try:
        return ControlRecords(env, region).job(job_id).spec()
    except Retry:
        return None


def _unknown(job_id: str) -> Unknown:
    return Unknown("UnknownJob", f"you have no job {job_id!r}")
