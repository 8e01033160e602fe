"""Make task messages for a queue, and carry them out without one."""

from chalicelib.ports import (
    CopyPartition,
    CopyUploadParts,
    Env,
    MakeReport,
    PlanRange,
    QueueName,
    Task,
    VerifyPartition,
)
from chalicelib.steps import copy, report, split, verify


def task_on(queue: QueueName, job_id: str, control_region: str, name: str, tenant: str = "") -> Task:
    """Return the plain task of a queue. `name` is a range for split, else a partition."""
    match queue:
        case QueueName.SPLIT:
            return PlanRange(job_id, control_region, name, tenant)
        case QueueName.COPY:
            return CopyPartition(job_id, control_region, name, tenant)
        case QueueName.VERIFY:
            return VerifyPartition(job_id, control_region, name, tenant)


def carry_out(env: Env, task: Task, deadline_ms: int) -> None:
    match task:
        case PlanRange():
            split.run(env, task, deadline_ms)
        case MakeReport():
            report.run(env, task, deadline_ms)
        case CopyPartition():
            copy.run(env, task, deadline_ms)
        case CopyUploadParts():
            copy.help_with_parts(env, task, deadline_ms)
        case VerifyPartition():
            verify.run(env, task)
