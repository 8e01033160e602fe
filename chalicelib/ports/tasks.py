"""Define the task messages, one type a task, and the queue that each type goes to.

A task message starts one step. It carries no fact that the step could not read for itself, so a message that comes
twice, late or never does no harm. Two fields are in all types that belong to a job: `control_region` is the Region
whose control bucket has the job's records. `tenant` is the job's tenant: queues serve tenants in turn by it, and
nothing else relies on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.jobs import JobSpec
from chalicelib.core.parts import PartShare
from chalicelib.core.report import ReportFormat


class QueueName(StrEnum):
    SPLIT = "split"
    COPY = "copy"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class PlanRange:
    """A task for split: extend the manifest log of a range of keys."""

    job_id: str
    control_region: str
    range_id: str
    tenant: str = ""
    rested_after_round: int = 0
    """The number of the fruitless round (`core.tries.Waited`) whose rest ends with this message; 0 if none does."""

    @classmethod
    def of(cls, spec: JobSpec, range_id: str) -> "PlanRange":
        """Make a job's task, in its tenant's name."""
        return cls(spec.job_id, spec.control_region, range_id, spec.tenant)


@dataclass(frozen=True, slots=True)
class MakeReport:
    """A task for split: make a report of a settled job, or continue one."""

    job_id: str
    control_region: str
    format: ReportFormat
    tenant: str = ""

    @classmethod
    def of(cls, spec: JobSpec, report: ReportFormat) -> "MakeReport":
        """Make a job's task, in its tenant's name."""
        return cls(spec.job_id, spec.control_region, report, spec.tenant)


@dataclass(frozen=True, slots=True)
class CopyPartition:
    """A task for copy: claim a partition and carry out its rows."""

    job_id: str
    control_region: str
    partition_id: str
    tenant: str = ""
    fresh: bool = False
    """A hint that no worker has claimed the partition yet."""
    permit_waits: int = 0
    """How often the message was sent again because no permit was free."""
    rested_after_epoch: int = 0
    """The epoch whose round was fruitless and whose rest ends with this message; 0 if none does."""
    takeover: bool = False
    """A lease has expired. The work that was begun goes on, with a permit or without."""

    @classmethod
    def of(cls, spec: JobSpec, partition_id: str, *, fresh: bool = False, takeover: bool = False) -> "CopyPartition":
        """Make a job's task, in its tenant's name."""
        return cls(spec.job_id, spec.control_region, partition_id, spec.tenant, fresh=fresh, takeover=takeover)


@dataclass(frozen=True, slots=True)
class CopyUploadParts:
    """A task for copy: help the worker that holds a partition, with a share of one large row's upload parts."""

    job_id: str
    control_region: str
    partition_id: str
    share: PartShare
    tenant: str = ""
    permit_waits: int = 0
    """How often the message was sent again because no permit was free."""


@dataclass(frozen=True, slots=True)
class VerifyPartition:
    """A task for verify: look at what a partition's copy record says, and write the receipt."""

    job_id: str
    control_region: str
    partition_id: str
    tenant: str = ""
    rested_after_round: int = 0
    """The number of the fruitless round (`core.tries.Waited`) whose rest ends with this message; 0 if none does."""

    @classmethod
    def of(cls, spec: JobSpec, partition_id: str) -> "VerifyPartition":
        """Make a job's task, in its tenant's name."""
        return cls(spec.job_id, spec.control_region, partition_id, spec.tenant)


CopyTask = CopyPartition | CopyUploadParts
"""The tasks that need permits."""
RestingTask = PlanRange | VerifyPartition
"""The tasks whose fruitless rounds are counted by number."""
Task = PlanRange | MakeReport | CopyPartition | CopyUploadParts | VerifyPartition

QUEUES: Mapping[type[Task], QueueName] = {
    PlanRange: QueueName.SPLIT,
    MakeReport: QueueName.SPLIT,
    CopyPartition: QueueName.COPY,
    CopyUploadParts: QueueName.COPY,
    VerifyPartition: QueueName.VERIFY,
}


def queue_of(task: Task) -> QueueName:
    return QUEUES[type(task)]


@dataclass(frozen=True, slots=True)
class VerifyDelivery:
    """A task for verify: look at one object that intake delivered itself. It belongs to a feed and to no job."""

    feed_id: str
    key: str
    pin: str
    tenant: str = ""
