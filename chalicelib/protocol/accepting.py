"""Accepting a job: from what is asked for to a record that survives everything."""

from chalicelib.core import ids
from chalicelib.core.errors import KeyReused
from chalicelib.core.model import JobSpec
from chalicelib.ports import Env, QueueName, Wake
from chalicelib.protocol.listing import pinned
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.submitting import Submission, spec_of


def prepare(env: Env, submission: Submission) -> JobSpec:
    """The job as it would be accepted now. Raises what stands against it. It is not accepted yet."""
    spec = spec_of(env, submission)
    return pinned(env, ControlRecords(env, spec.control_region).job(spec.job_id), spec, submission)


def accept(env: Env, spec: JobSpec) -> tuple[JobSpec, bool]:
    """Accept a job that was prepared; also says whether it is a new one. The same submission under the same token is
    the same job, in either Region, at any time."""
    records = ControlRecords(env, spec.control_region).job(spec.job_id)
    accepted = records.create_spec(spec)
    if accepted.request_sha256 != spec.request_sha256:
        raise KeyReused(
            "IdempotencyKeyReused",
            f"this Idempotency-Key was used for another request (job {accepted.job_id}): use a new one",
        )
    # Crash here: accepted, but on no list. The client got no answer; its retry with the same key gets here again. A
    # schedule's occurrence gets here again at the next sweep.
    if records.terminal() is None:
        _list_as_open(records, accepted)
    # From here on the job is safe: the sweep of either Region finds it on the list of open jobs and wakes split.
    # The item is the same whoever writes it, so a second writer does no harm. Until a plan is approved, no list of jobs
    # shows it.
    if not accepted.planned_first:
        env.ledger.put_job(accepted)
    env.queue.send([Wake.of(spec, QueueName.SPLIT, ids.ROOT_RANGE)])
    env.log("job-accepted", job=spec.job_id, tenant=spec.tenant, source=spec.source.id, target=spec.target.id)
    return accepted, accepted is spec


def _list_as_open(records: JobRecords, spec: JobSpec) -> None:
    if not spec.planned_first:
        records.control.open_job(spec.job_id)
    elif records.summary() is None:
        records.control.open_plan(spec.job_id)
