"""Defines the life cycles as tables: which event leads from which state to which. What is not listed raises.

An event is a record that was written, or a fact that was observed. Its value says in plain words which. Only a job's
end and the notes of deliveries store a state. For everything else, the events that the records show are replayed
(`core.transitions`). The state None means that the thing doesn't exist yet.

docs/states.md shows these tables as diagrams (`make states`), and the simulation checks every transition that it sees.
"""

from enum import StrEnum
from typing import Any

from chalicelib.core.jobs import JobState
from chalicelib.core.transitions import LifeCycle

# --- jobs ---------------------------------------------------------------------------------------------------------


class JobEvent(StrEnum):
    """An event that is observed of a job (`core.progress`: `JOB_RULES`)."""

    ACCEPTED = "accepted"
    UNCLAIMED = "goes on, no partition claimed"
    CLAIMED = "goes on, a partition claimed"
    SUMMED_UP = "plan complete, not approved"
    REGION_LOST = "storage can't be reached"
    PAUSED = "paused"
    SUCCEEDED = "end written, SUCCEEDED"
    PARTIAL = "end written, PARTIAL"
    FAILED = "end written, FAILED"
    CANCELLED = "end written, CANCELLED"


JOB_ENDS = {state: JobEvent[state.name] for state in JobState if state.terminal}
_OPEN = tuple(state for state in JobState if not state.terminal)

JOB: LifeCycle[JobState, JobEvent] = LifeCycle(
    "job",
    "A job is whatever was observed of it last: it has no state record but its end, which is written once. A pause and"
    " an outage hide how far it is, so it goes on as PLANNING, PLANNED or RUNNING. PLANNED occurs only in a job that"
    " was planned first.",
    {
        (None, JobEvent.ACCEPTED): JobState.PLANNING,
        (JobState.PLANNING, JobEvent.CLAIMED): JobState.RUNNING,
        (JobState.PLANNING, JobEvent.SUMMED_UP): JobState.PLANNED,
        # It was approved. Partitions with nothing to copy had their receipts before.
        (JobState.PLANNED, JobEvent.UNCLAIMED): JobState.PLANNING,
        (JobState.PLANNED, JobEvent.CLAIMED): JobState.RUNNING,
        (JobState.WAITING_FOR_REGION, JobEvent.UNCLAIMED): JobState.PLANNING,
        (JobState.WAITING_FOR_REGION, JobEvent.CLAIMED): JobState.RUNNING,
        (JobState.PAUSED, JobEvent.UNCLAIMED): JobState.PLANNING,
        (JobState.PAUSED, JobEvent.CLAIMED): JobState.RUNNING,
        (JobState.PAUSED, JobEvent.SUMMED_UP): JobState.PLANNED,
        **{
            (state, JobEvent.REGION_LOST): JobState.WAITING_FOR_REGION
            for state in _OPEN
            if state is not JobState.WAITING_FOR_REGION
        },
        **{(state, JobEvent.PAUSED): JobState.PAUSED for state in _OPEN if state is not JobState.PAUSED},
        **{(state, event): end for state in _OPEN for end, event in JOB_ENDS.items()},
    },
    late={(JobState.PLANNING, JobEvent.UNCLAIMED): JobState.PLANNING},
)


# --- plans --------------------------------------------------------------------------------------------------------


class PlanState(StrEnum):
    """The state of a plan. After the approval, its job shows how it goes on."""

    PLANNING = "PLANNING"
    PLANNED = "PLANNED"
    """It waits for approval."""
    EXPIRED = "EXPIRED"
    """It is so old that it can't be approved any more."""
    APPROVED = "APPROVED"
    CANCELLED = "CANCELLED"


class PlanEvent(StrEnum):
    REQUESTED = "requested"
    SUMMED_UP = "totals written"
    EXPIRED = "too old"
    CANCELLED = "cancel written"
    APPROVED = "approval written"


PLAN: LifeCycle[PlanState, PlanEvent] = LifeCycle(
    "plan",
    "A plan is the planned half of a job. An approval that was under way while the plan expired or was cancelled may"
    " still be written, and counts: the job that the plan becomes is then the one that is cancelled.",
    {
        (None, PlanEvent.REQUESTED): PlanState.PLANNING,
        (PlanState.PLANNING, PlanEvent.SUMMED_UP): PlanState.PLANNED,
        (PlanState.PLANNING, PlanEvent.CANCELLED): PlanState.CANCELLED,
        (PlanState.PLANNED, PlanEvent.EXPIRED): PlanState.EXPIRED,
        (PlanState.PLANNED, PlanEvent.CANCELLED): PlanState.CANCELLED,
        (PlanState.PLANNED, PlanEvent.APPROVED): PlanState.APPROVED,
        (PlanState.EXPIRED, PlanEvent.CANCELLED): PlanState.CANCELLED,
    },
    late={
        (PlanState.EXPIRED, PlanEvent.APPROVED): PlanState.APPROVED,
        (PlanState.CANCELLED, PlanEvent.SUMMED_UP): PlanState.CANCELLED,
        (PlanState.CANCELLED, PlanEvent.APPROVED): PlanState.APPROVED,
        (PlanState.APPROVED, PlanEvent.CANCELLED): PlanState.APPROVED,
    },
)


# --- partitions ---------------------------------------------------------------------------------------------------


class PartitionState(StrEnum):
    """How far a partition is, by its records. A worker's own report of it (`core.leases`: `LeasePhase`) is only a
    hint."""

    PLANNED = "PLANNED"
    COPYING = "COPYING"
    RESTING = "RESTING"
    """The round of its highest claim is recorded as fruitless: the next claim waits for a while."""
    COPIED = "COPIED"
    """A copy record is there. It is true for every row, whichever worker wrote it."""
    DONE = "DONE"


class PartitionEvent(StrEnum):
    CUT = "manifest written"
    CLAIMED = "claim written"
    TRIED = "fruitless round recorded"
    COPIED = "copy record written"
    RECEIPTED = "receipt written"


PARTITION: LifeCycle[PartitionState, PartitionEvent] = LifeCycle(
    "partition",
    "A partition is what its records say. A claim of a higher epoch takes it over from a worker that died or sleeps;"
    " records of a superseded worker may come late. Split writes the receipt of a partition of which nothing is to be"
    " copied, or nothing may be deleted.",
    {
        (None, PartitionEvent.CUT): PartitionState.PLANNED,
        (PartitionState.PLANNED, PartitionEvent.CLAIMED): PartitionState.COPYING,
        (PartitionState.PLANNED, PartitionEvent.RECEIPTED): PartitionState.DONE,
        (PartitionState.COPYING, PartitionEvent.CLAIMED): PartitionState.COPYING,
        (PartitionState.COPYING, PartitionEvent.TRIED): PartitionState.RESTING,
        (PartitionState.COPYING, PartitionEvent.COPIED): PartitionState.COPIED,
        (PartitionState.RESTING, PartitionEvent.CLAIMED): PartitionState.COPYING,
        (PartitionState.COPIED, PartitionEvent.RECEIPTED): PartitionState.DONE,
    },
    late={
        (PartitionState.RESTING, PartitionEvent.TRIED): PartitionState.RESTING,
        (PartitionState.RESTING, PartitionEvent.COPIED): PartitionState.COPIED,
        # Split planned it, slept, and has now written its receipt. Meanwhile copy got a task message for it.
        (PartitionState.COPYING, PartitionEvent.RECEIPTED): PartitionState.DONE,
        (PartitionState.RESTING, PartitionEvent.RECEIPTED): PartitionState.DONE,
        **{
            (state, event): state
            for state in (PartitionState.COPIED, PartitionState.DONE)
            for event in (PartitionEvent.CLAIMED, PartitionEvent.TRIED, PartitionEvent.COPIED)
        },
    },
)


# --- multipart uploads --------------------------------------------------------------------------------------------


class UploadState(StrEnum):
    """The state of a multipart upload, by the register of its object and by S3's answers."""

    BEGUN = "BEGUN"
    """No record names it."""
    FENCED = "FENCED"
    """A TOMBSTONE names it: it can't be registered any more."""
    REGISTERED = "REGISTERED"
    """It may be adopted and completed."""
    CLOSED = "CLOSED"
    """Its job is cancelled: it is to be aborted, and no further upload of the job can be registered."""
    DEAD = "DEAD"
    """S3 refused to complete it with 409: no worker goes on with it."""
    COMPLETED = "COMPLETED"
    ABORTED = "ABORTED"


class UploadEvent(StrEnum):
    CREATED = "created"
    FENCED = "fenced by a TOMBSTONE"
    REGISTERED = "registered"
    CLOSED = "register closed by a cancel"
    DEAD = "marked as dead"
    COMPLETED = "completed"
    ABORTED = "aborted"


UPLOAD: LifeCycle[UploadState, UploadEvent] = LifeCycle(
    "upload",
    "A worker registers an upload before it copies the first part. So an upload that no record names is used by nobody"
    " else, and one that is fenced can't come into use. Once it is completed or aborted, S3 knows it no longer, and"
    " doesn't say which of the two happened.",
    {
        (None, UploadEvent.CREATED): UploadState.BEGUN,
        (UploadState.BEGUN, UploadEvent.FENCED): UploadState.FENCED,
        (UploadState.BEGUN, UploadEvent.REGISTERED): UploadState.REGISTERED,
        # Another worker has registered an upload in its generation.
        (UploadState.BEGUN, UploadEvent.ABORTED): UploadState.ABORTED,
        (UploadState.FENCED, UploadEvent.ABORTED): UploadState.ABORTED,
        (UploadState.REGISTERED, UploadEvent.CLOSED): UploadState.CLOSED,
        (UploadState.REGISTERED, UploadEvent.DEAD): UploadState.DEAD,
        (UploadState.REGISTERED, UploadEvent.COMPLETED): UploadState.COMPLETED,
        (UploadState.REGISTERED, UploadEvent.ABORTED): UploadState.ABORTED,
        # A worker that doesn't know of the cancel yet.
        (UploadState.CLOSED, UploadEvent.DEAD): UploadState.DEAD,
        (UploadState.CLOSED, UploadEvent.COMPLETED): UploadState.COMPLETED,
        (UploadState.CLOSED, UploadEvent.ABORTED): UploadState.ABORTED,
        (UploadState.DEAD, UploadEvent.ABORTED): UploadState.ABORTED,
    },
    late={
        (UploadState.DEAD, UploadEvent.CLOSED): UploadState.DEAD,
        # A sweep has found it unregistered, and its own worker has aborted it since, because the generation was taken.
        (UploadState.ABORTED, UploadEvent.FENCED): UploadState.ABORTED,
        **{
            (state, event): state
            for state in (UploadState.COMPLETED, UploadState.ABORTED)
            for event in (UploadEvent.CLOSED, UploadEvent.DEAD, UploadEvent.ABORTED)
        },
    },
)


# --- feeds --------------------------------------------------------------------------------------------------------


class FeedState(StrEnum):
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    """By its owner."""
    STOPPED = "STOPPED"
    """By the service: it may not use one of its buckets any more. A resume is refused while that is so."""
    REMOVED = "REMOVED"


class FeedEvent(StrEnum):
    REGISTERED = "registered, or deployed"
    PAUSED = "pause written"
    STOPPED = "pause written by the service"
    RESUMED = "resume written"
    REMOVED = "entry removed"


FEED: LifeCycle[FeedState, FeedEvent] = LifeCycle(
    "feed",
    "Pauses and resumes alternate in the pause log: a request for what is desired already is not written. A feed that"
    " is registered again under the same name is another feed. If one Region changes a feed in the moment in which the"
    " other one removes it, the later change counts, as if the earlier one had not been made.",
    {
        (None, FeedEvent.REGISTERED): FeedState.RUNNING,
        (FeedState.RUNNING, FeedEvent.PAUSED): FeedState.PAUSED,
        (FeedState.RUNNING, FeedEvent.STOPPED): FeedState.STOPPED,
        (FeedState.PAUSED, FeedEvent.RESUMED): FeedState.RUNNING,
        (FeedState.STOPPED, FeedEvent.RESUMED): FeedState.RUNNING,
        (FeedState.RUNNING, FeedEvent.REMOVED): FeedState.REMOVED,
        (FeedState.PAUSED, FeedEvent.REMOVED): FeedState.REMOVED,
        (FeedState.STOPPED, FeedEvent.REMOVED): FeedState.REMOVED,
    },
    late={
        **{
            (FeedState.REMOVED, event): FeedState.REMOVED
            for event in (FeedEvent.PAUSED, FeedEvent.STOPPED, FeedEvent.RESUMED, FeedEvent.REMOVED)
        },
    },
)


# --- deliveries ---------------------------------------------------------------------------------------------------


class DeliveryStatus(StrEnum):
    """How far one version of an object has got on its way through a feed."""

    QUEUED = "QUEUED"
    """It is in the manifest of a feed job, and that job is in the index of open jobs. It will be carried out."""
    COPIED = "COPIED"
    VERIFIED = "VERIFIED"
    FAILED = "FAILED"
    GONE = "GONE"
    """It was deleted at the source before its turn came. There is nothing to deliver."""


class DeliveryEvent(StrEnum):
    """An event that a Region notes in the table about one version of an object."""

    QUEUED = "put into a feed job"
    COPIED = "published, or found recorded"
    VERIFIED = "proven at the target"
    FAILED = "can't be delivered"
    GONE = "gone at the source"


DELIVERY_EVENTS = {status: DeliveryEvent[status.name] for status in DeliveryStatus}
"""The event that a note with this status reports."""
_USUAL_DELIVERIES: dict[tuple[DeliveryStatus | None, DeliveryEvent], DeliveryStatus] = {
    **{(None, event): status for status, event in DELIVERY_EVENTS.items()},
    (DeliveryStatus.QUEUED, DeliveryEvent.COPIED): DeliveryStatus.COPIED,
    (DeliveryStatus.QUEUED, DeliveryEvent.VERIFIED): DeliveryStatus.VERIFIED,
    (DeliveryStatus.QUEUED, DeliveryEvent.FAILED): DeliveryStatus.FAILED,
    (DeliveryStatus.QUEUED, DeliveryEvent.GONE): DeliveryStatus.GONE,
    (DeliveryStatus.COPIED, DeliveryEvent.VERIFIED): DeliveryStatus.VERIFIED,
    # The event came again, or a back-fill found the object.
    (DeliveryStatus.FAILED, DeliveryEvent.QUEUED): DeliveryStatus.QUEUED,
    (DeliveryStatus.FAILED, DeliveryEvent.COPIED): DeliveryStatus.COPIED,
    (DeliveryStatus.FAILED, DeliveryEvent.VERIFIED): DeliveryStatus.VERIFIED,
}

DELIVERY: LifeCycle[DeliveryStatus, DeliveryEvent] = LifeCycle(
    "delivery",
    "This is what one Region's item of the table says about one version of an object. Any note may follow any other: a"
    " writer may have slept, and a version is delivered again if an older one was put in its place meanwhile. So the"
    " item is a hint. The delivery record in S3 decides whether a version was delivered.",
    _USUAL_DELIVERIES,
    late={
        (before, event): status
        for before in DeliveryStatus
        for status, event in DELIVERY_EVENTS.items()
        if (before, event) not in _USUAL_DELIVERIES
    },
)


# --- webhooks -----------------------------------------------------------------------------------------------------


class WebhookState(StrEnum):
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    """Its receiver is gone. Nothing is posted until the webhook is registered anew."""
    REMOVED = "REMOVED"


class WebhookEvent(StrEnum):
    REGISTERED = "registered or changed"
    GONE = "receiver answers 410"
    REMOVED = "entry removed"


WEBHOOK: LifeCycle[WebhookState, WebhookEvent] = LifeCycle(
    "webhook",
    "Failed posts don't change a webhook's state; its owner sees how many there were. Only a receiver that says itself"
    " that it is gone disables it.",
    {
        (None, WebhookEvent.REGISTERED): WebhookState.ACTIVE,
        (WebhookState.ACTIVE, WebhookEvent.REGISTERED): WebhookState.ACTIVE,
        (WebhookState.ACTIVE, WebhookEvent.GONE): WebhookState.DISABLED,
        (WebhookState.ACTIVE, WebhookEvent.REMOVED): WebhookState.REMOVED,
        (WebhookState.DISABLED, WebhookEvent.REGISTERED): WebhookState.ACTIVE,
        (WebhookState.DISABLED, WebhookEvent.GONE): WebhookState.DISABLED,
        (WebhookState.DISABLED, WebhookEvent.REMOVED): WebhookState.REMOVED,
    },
)


class NotificationState(StrEnum):
    """The state of one notice for one webhook. It is in the queue's message alone."""

    WAITING = "WAITING"
    ACCEPTED = "ACCEPTED"
    DROPPED = "DROPPED"
    """Its webhook wants it no longer."""
    GIVEN_UP = "GIVEN_UP"
    """It is a dead letter."""


class NotificationEvent(StrEnum):
    SENT = "sent"
    ACCEPTED = "receiver answers 2xx"
    GONE = "receiver answers 410"
    FAILED = "post failed"
    FAILED_LAST = "last post failed"
    UNWANTED = "webhook wants it no longer"
    REDRIVEN = "moved back by an operator"


NOTIFICATION: LifeCycle[NotificationState, NotificationEvent] = LifeCycle(
    "notification",
    "A notification is posted until its receiver accepts it, at growing intervals. The queue delivers at least once, so"
    " a receiver may get it again after it has accepted it, under the same id.",
    {
        (None, NotificationEvent.SENT): NotificationState.WAITING,
        (NotificationState.WAITING, NotificationEvent.ACCEPTED): NotificationState.ACCEPTED,
        (NotificationState.WAITING, NotificationEvent.GONE): NotificationState.DROPPED,
        (NotificationState.WAITING, NotificationEvent.FAILED): NotificationState.WAITING,
        (NotificationState.WAITING, NotificationEvent.FAILED_LAST): NotificationState.GIVEN_UP,
        (NotificationState.WAITING, NotificationEvent.UNWANTED): NotificationState.DROPPED,
        (NotificationState.GIVEN_UP, NotificationEvent.REDRIVEN): NotificationState.WAITING,
    },
)

LIFE_CYCLES: tuple[LifeCycle[Any, Any], ...] = (JOB, PLAN, PARTITION, UPLOAD, FEED, DELIVERY, WEBHOOK, NOTIFICATION)
