"""Prepare and accept jobs. Accepting turns a submission into a create-only `spec` record, which survives every
crash."""

from chalicelib.core import ids
from chalicelib.core.errors import ErrorCode, KeyReused
from chalicelib.core.jobs import JobSpec
from chalicelib.ports import Env, PlanRange
from chalicelib.protocol.listing import pinned
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.submitting import Submission, spec_of


def prepare(env: Env, submission: Submission) -> JobSpec:
    """Return the job as it would be accepted now, but don't accept it yet. Raises BadRequest or Unusable if the
    submission can't be accepted."""
    spec = spec_of(env, submission)
    return pinned(env, ControlRecords(env, spec.control_region).job(spec.job_id), spec, submission)


def accept(env: Env, spec: JobSpec) -> tuple[JobSpec, bool]:
    """Accept a prepared job. Return the accepted job, and whether it is a new one.

    The same submission under the same token is the same job, in either Region, at any time. Raises KeyReused if the
    token was used for another request.
    """
    records = ControlRecords(env, spec.control_region).job(spec.job_id)
    accepted = records.create_spec(spec)
    if accepted.request_sha256 != spec.request_sha256:
        raise KeyReused(
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            f"this Idempotency-Key was used for another request (job {accepted.job_id}): use a new one",
        )
    # Crash here: the job is accepted, but not on the list of open jobs. The client got no answer, so it retries with
    # the same key and gets here again. A schedule's occurrence gets here again at the next sweep.
    if records.terminal() is None:
        _list_as_open(records, accepted)
    # From here on the job is safe: the sweep of either Region finds it on the list of open jobs and starts split. Every
    # writer writes the same item, so a second writer does no harm. A plan gets its item only when it is approved: no
    # list of jobs shows it before that.
    if not accepted.planned_first:
        env.ledger.put_job(accepted)
    env.queue.send([PlanRange.of(spec, ids.ROOT_RANGE)])
    env.log("job-accepted", job=spec.job_id, tenant=spec.tenant, source=spec.source.id, target=spec.target.id)
    return accepted, accepted is spec


def _list_as_open(records: JobRecords, spec: JobSpec) -> None:
    if not spec.planned_first:
        records.control.open_job(spec.job_id)
    elif records.summary() is None:
        records.control.open_plan(spec.job_id)
