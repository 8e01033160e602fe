"""Define the bodies of answers, one model each. They are made from the views of the steps here, and `openapi` derives
the schemas for clients from them."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.core import jobs
from chalicelib.core.deletions import Consent, Deletion
from chalicelib.core.inputs import NO_FILTERS, Filters, ListFormat
from chalicelib.core.jobs import CancelMode, JobKind, JobState, Priority
from chalicelib.core.leases import Awaited
from chalicelib.core.objects import ChecksumType
from chalicelib.core.progress import Phase
from chalicelib.core.rows import OverwriteMode, Verification
from chalicelib.entry.rest.ends import RowEnd
from chalicelib.protocol.submitting import ListLocation
from chalicelib.steps.control import JobGlance, JobView, ObjectPage, ObjectView

Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC, with milliseconds."""
Count = Annotated[int, Field(ge=0)]


def timestamp(ms: int) -> Timestamp:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timestamp_or_none(ms: int | None) -> Timestamp | None:
    return None if ms is None else timestamp(ms)


class Response(BaseModel):
    # Models are built when they are first needed: a cold start needs none of them, and neither does a function that
    # only copies.
    model_config = ConfigDict(frozen=True, defer_build=True)

    def body(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class Location(Response):
    """An endpoint, and a prefix below the endpoint's own prefix."""

    endpoint: str
    prefix: str


class Filter(Response):
    """Which objects under the source's prefix belong to the job."""

    include: list[str]
    exclude: list[str]
    min_size: Count | None
    max_size: Count | None
    modified_since: Timestamp | None
    modified_before: Timestamp | None
    storage_classes: list[str]

    @classmethod
    def of(cls, filters: Filters) -> Self:
        return cls(
            include=list(filters.include),
            exclude=list(filters.exclude),
            min_size=filters.size_min_bytes,
            max_size=filters.size_max_bytes,
            modified_since=timestamp_or_none(filters.modified_since_ms),
            modified_before=timestamp_or_none(filters.modified_before_ms),
            storage_classes=list(filters.storage_classes),
        )


class ManifestLocation(Response):
    """The location of the job's manifest: an endpoint, and a key below the endpoint's prefix."""

    endpoint: str
    key: str
    format: ListFormat

    @classmethod
    def of(cls, listed: jobs.ObjectList) -> Self:
        return cls(endpoint=listed.endpoint, key=listed.name, format=listed.format)

    @classmethod
    def of_location(cls, location: ListLocation) -> Self:
        return cls(endpoint=location.endpoint, key=location.key, format=location.format)


class Delete(Response):
    """The consent to remove objects at the target."""

    consent: Consent
    max_objects: Count

    @classmethod
    def of(cls, deletion: Deletion) -> Self:
        return cls(consent=deletion.consent, max_objects=deletion.max_objects)


class Occurrence(Response):
    """An occurrence of a schedule."""

    id: str
    """Id of the schedule."""
    occurrence_at: Timestamp


class JobBase(Response):
    id: str
    kind: JobKind
    """Where its objects come from: everything under a PREFIX (except what the `filter` excludes), the KEYS in the
    request, a MANIFEST, the objects that another job didn't deliver (RETRY), or the events of a FEED."""
    source: Location
    target: Location
    filter: Filter | None
    """Null if the job has no filter."""
    manifest: ManifestLocation | None
    """The object that lists the objects to copy, for a job of the kind MANIFEST."""
    delete: Delete | None
    """The owner's consent to remove objects at the target that the source doesn't have. Null if the job removes
    nothing."""
    mode: OverwriteMode
    cancel: CancelMode
    """The effect of a cancel: `fast` or `strict`."""
    labels: dict[str, str]
    priority: Priority
    retry_of: str | None
    """The job whose undelivered objects it retries."""
    schedule: Occurrence | None
    """The schedule that submitted it, and the time of the occurrence."""
    home_region: str
    """The Region that accepted it. Either Region can finish it."""
    created_at: Timestamp


def base_of(spec: jobs.JobSpec) -> dict[str, Any]:
    listed, due = spec.listed, spec.scheduled
    return {
        "id": spec.job_id,
        "kind": spec.kind,
        "source": Location(endpoint=spec.source.id, prefix=spec.source_prefix.removeprefix(spec.source.prefix)),
        "target": Location(endpoint=spec.target.id, prefix=spec.target_prefix.removeprefix(spec.target.prefix)),
        "filter": None if spec.filters == NO_FILTERS else Filter.of(spec.filters),
        "manifest": ManifestLocation.of(listed) if listed and listed.endpoint else None,
        "delete": Delete.of(spec.deletion) if spec.deletion else None,
        "mode": spec.mode,
        "cancel": spec.cancel_mode,
        "labels": spec.labels,
        "priority": spec.priority,
        "retry_of": spec.retry_of,
        "schedule": Occurrence(id=due.name, occurrence_at=timestamp(due.occurrence_ms)) if due else None,
        "home_region": spec.home,
        "created_at": timestamp(spec.created_ms),
    }


class Progress(Response):
    """Progress in the objects planned so far; `planning_finished` says whether these are all. It may lag behind a
    little."""

    planning_finished: bool
    objects_planned: Count
    objects_done: Count
    """Number of objects that are decided, with any outcome."""
    bytes_planned: Count
    bytes_done: Count
    partitions: Count
    partitions_done: Count
    eta_seconds: float | None
    """Estimated seconds to go at the rate so far; null while unknown."""


class AwaitedObject(Response):
    """An object that is still undecided after several tries. It is retried at growing intervals, and given up in the
    end."""

    key: str
    since: Timestamp
    rounds: Count
    """Number of rounds without success so far, with several tries each. Rounds in which the bucket doesn't answer at
    all are not counted."""
    last_error: str

    @classmethod
    def of(cls, awaited: Awaited) -> Self:
        return cls(key=awaited.key, since=timestamp(awaited.since_ms), rounds=awaited.rounds, last_error=awaited.seen)


class Job(JobBase):
    """A job as of now."""

    state: JobState
    """PLANNED is a plan that waits for approval. The last four are final: SUCCEEDED (everything that was planned is at
    the target), PARTIAL (some objects are not there: list the objects by outcome), FAILED and CANCELLED."""
    phase: Phase
    reason: str
    """Why it waits, or why it ended so; an empty string if there is nothing to say."""
    progress: Progress
    waiting_for: list[AwaitedObject]
    """Objects that keep the job from ending, at most 10: those that it has waited for longest."""
    outcomes: dict[RowEnd, Count]
    """Number of objects by outcome, in the partitions that are verified."""
    filtered_out: Count | None
    """Number of objects under the prefix that were looked at and that the job's filter excludes; null until the job has
    settled."""
    settled_at: Timestamp | None
    receipt_chain_sha256: str | None
    """Head of the hash chain over the receipts of a settled job. No receipt can be changed without changing it."""

    @classmethod
    def of(cls, view: JobView) -> Self:
        progress = view.progress
        return cls(
            **base_of(view.spec),
            state=progress.state,
            phase=progress.phase,
            reason=view.reason,
            progress=Progress(
                planning_finished=progress.planned,
                objects_planned=progress.objects_planned,
                objects_done=progress.objects_decided,
                bytes_planned=progress.bytes_planned,
                bytes_done=progress.bytes_decided,
                partitions=progress.partitions,
                partitions_done=progress.partitions_done,
                eta_seconds=None if progress.eta_ms is None else round(progress.eta_ms / 1000, 1),
            ),
            waiting_for=[AwaitedObject.of(row) for row in progress.awaited],
            outcomes=progress.counts,
            filtered_out=view.filtered,
            settled_at=timestamp_or_none(view.settled_ms),
            receipt_chain_sha256=view.chain_sha256,
        )


class JobSummary(JobBase):
    """A job in a list, in the same state that `GET /jobs/{id}` shows."""

    state: JobState
    settled_at: Timestamp | None

    @classmethod
    def of(cls, job: JobGlance) -> Self:
        return cls(**base_of(job.spec), state=job.state, settled_at=timestamp_or_none(job.settled_ms))


class JobList(Response):
    """Jobs, newest first. A page may hold fewer than `limit`; only `next_cursor` says whether it is the last one."""

    jobs: list[JobSummary]
    next_cursor: str | None
    """Null on the last page."""

    @classmethod
    def of(cls, jobs: Iterable[JobGlance], cursor: str | None) -> Self:
        return cls(jobs=[JobSummary.of(job) for job in jobs], next_cursor=cursor)


class Checksum(Response):
    """The checksum that S3 keeps with the object."""

    algorithm: str
    type: ChecksumType
    value: str
    """Base64."""


class ObjectStatus(Response):
    """One object of a job and its outcome, with the evidence."""

    key: str
    target_key: str
    size: Count
    source_etag: str
    """ETag of the version that the job pinned when it planned the object. It is empty for an object to be deleted,
    which has no source."""
    partition: str
    outcome: RowEnd | None
    """Null while it is undecided."""
    detail: str
    target_etag: str | None
    target_version_id: str | None
    checksum: Checksum | None
    verification: Verification | None
    """How the target object was recognised as a copy of the source."""

    @classmethod
    def of(cls, view: ObjectView) -> Self:
        outcome = view.outcome
        checksum = outcome.checksum if outcome else None
        return cls(
            key=view.key,
            target_key=view.target,
            size=view.size,
            source_etag=view.etag,
            partition=view.partition_id,
            outcome=outcome.outcome if outcome else None,
            detail=outcome.detail if outcome else "",
            target_etag=outcome.etag if outcome else None,
            target_version_id=outcome.version_id if outcome else None,
            checksum=Checksum(**asdict(checksum)) if checksum else None,
            verification=outcome.verification if outcome else None,
        )


class ObjectList(Response):
    """Objects in the order of partitions and keys. A page may hold fewer than `limit`, even none; only `next_cursor`
    says whether it is the last one."""

    objects: list[ObjectStatus]
    next_cursor: str | None
    """Null on the last page."""

    @classmethod
    def of(cls, page: ObjectPage) -> Self:
        return cls(objects=[ObjectStatus.of(row) for row in page.objects], next_cursor=page.cursor)


class Health(Response):
    """This Region can serve requests."""

    status: Literal["ok"]
    region: str


class ProblemDetails(Response):
    """The error, its object, and what to do (RFC 9457)."""

    type: str
    """Kind of the problem: `urn:eft:problem:` and a name that programs can rely on."""
    title: str
    status: int
    detail: str
    """Text for people. It may change."""
    instance: str
    """The path of the request, or the id of the request."""
