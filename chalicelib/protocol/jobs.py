"""Find a job by its id, for the tenant that owns it."""

from collections.abc import Iterator

from chalicelib.core import ids
from chalicelib.core.errors import ErrorCode, Retry, Unknown
from chalicelib.core.jobs import JobSpec
from chalicelib.ports import Env, JobItems
from chalicelib.protocol.records import ControlRecords


def find_job(env: Env, tenant: str, job_id: str) -> tuple[JobSpec, JobItems]:
    """Return the tenant's job and its items in this Region's table. Raises Unknown if the tenant has no such job, and
    Retry if it may have one in a control bucket that doesn't answer.

    A job that the other Region has just accepted may not have been replicated yet; then the control buckets are asked.
    Another tenant's job costs the same calls as a job that doesn't exist: the time of the answer must not tell them
    apart.
    """
    if not ids.is_job_id(job_id):
        raise _unknown(job_id)
    items = env.ledger.job_items(job_id)
    errors: list[Retry] = []
    specs = _specs(env, items, job_id, errors)
    spec = next((candidate for candidate in specs if candidate and candidate.tenant == tenant), None)
    if spec is not None:
        return spec, items
    raise errors[0] if errors else _unknown(job_id)


def _specs(env: Env, items: JobItems, job_id: str, errors: list[Retry]) -> Iterator[JobSpec | None]:
    """Yield the job's spec as each store has it, the cheapest first. The next store is asked only when it is needed.
    The errors of the stores that don't answer are appended to `errors`."""
    yield items.spec
    for region in env.control_buckets:
        try:
            yield ControlRecords(env, region).job(job_id).spec()
        except Retry as error:
            errors.append(error)


def _unknown(job_id: str) -> Unknown:
    return Unknown(ErrorCode.UNKNOWN_JOB, f"you have no job {job_id!r}")
