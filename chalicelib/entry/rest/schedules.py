"""Define the requests and answers about schedules over HTTP."""

from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import StringConstraints

from chalicelib.core.cron import EXPRESSION_MAX_CHARACTERS
from chalicelib.core.inputs import NO_FILTERS
from chalicelib.core.jobs import CancelMode, JobState, Priority
from chalicelib.core.rows import OverwriteMode
from chalicelib.core.schedules import Overlap, RunState
from chalicelib.entry.rest.requests import JobRequest, RequestBody
from chalicelib.entry.rest.responses import Delete, Filter, Location, ManifestLocation, Response, Timestamp, timestamp
from chalicelib.protocol.submitting import Submission
from chalicelib.steps.schedules import RunView, ScheduleView, Wanted


class ScheduleRequest(RequestBody):
    """A job that is submitted again and again, once for each time that the cron expression matches."""

    cron: Annotated[str, StringConstraints(min_length=1, max_length=EXPRESSION_MAX_CHARACTERS)]
    """Minute, hour, day of month, month and day of week, in the syntax of Debian's crontab(5), such as `0 2 * * *`."""
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "UTC"
    """A name of the time zone database, such as `America/New_York`. Times are local times of this zone, including
    daylight saving time."""
    job: JobRequest
    """As in `POST /jobs`. The target's Region can't be changed later."""
    enabled: bool = True
    """While it is false, nothing is submitted, and nothing counts as missed."""
    overlap: Overlap = Overlap.SKIP
    """How to handle an occurrence if the previous job has not ended: `skip` the occurrence, or `allow` both jobs to
    run."""

    def wanted_schedule(self, tenant: str) -> Wanted:
        job = self.job.submission(tenant, token="")
        return Wanted(" ".join(self.cron.split()), self.timezone, job, self.enabled, self.overlap)


class ScheduledJob(Response):
    """The job that is submitted."""

    source: Location
    target: Location
    filter: Filter | None
    keys: list[str]
    manifest: ManifestLocation | None
    mode: OverwriteMode
    delete: Delete | None
    cancel: CancelMode
    priority: Priority
    labels: dict[str, str]

    @classmethod
    def of(cls, job: Submission) -> Self:
        return cls(
            source=Location(endpoint=job.source.endpoint, prefix=job.source.prefix),
            target=Location(endpoint=job.target.endpoint, prefix=job.target.prefix),
            filter=None if job.filters == NO_FILTERS else Filter.of(job.filters),
            keys=list(job.keys),
            manifest=ManifestLocation.of_location(job.manifest) if job.manifest else None,
            mode=job.mode,
            delete=Delete.of(job.deletion) if job.deletion else None,
            cancel=job.cancel_mode,
            priority=job.priority,
            labels=dict(job.labels),
        )


class ScheduleRun(Response):
    """An occurrence and the decision about it."""

    occurrence_at: Timestamp
    state: RunState
    """RUN: it has a job. SKIPPED: the previous job had not ended. MISSED: no Region could decide before a later
    occurrence was due. REFUSED: its job could not be submitted, for the reason in `detail`."""
    detail: str
    """The reason; an empty string if there is nothing to say."""
    job: str | None
    """Id of its job; null if it has none, or until the job is submitted."""
    job_state: JobState | None
    """State of its job. A job that has not settled is shown as RUNNING; `GET /jobs/{id}` says more."""
    decided_at: Timestamp
    region: str
    """The Region that decided."""

    @classmethod
    def of(cls, view: RunView) -> Self:
        state = (view.end.state if view.end else JobState.RUNNING) if view.accepted else None
        return cls(
            occurrence_at=timestamp(view.run.occurrence_ms),
            state=view.run.state,
            detail=view.run.detail,
            job=view.run.job_id if view.accepted else None,
            job_state=state,
            decided_at=timestamp(view.run.decided_ms),
            region=view.run.region,
        )


class _ScheduleBase(Response):
    id: str
    cron: str
    timezone: str
    enabled: bool
    overlap: Overlap
    changed_at: Timestamp


def _base(view: ScheduleView) -> dict[str, Any]:
    return {
        "id": view.entry.name,
        "cron": view.schedule.cron,
        "timezone": view.schedule.timezone,
        "enabled": view.schedule.enabled,
        "overlap": view.schedule.overlap,
        "changed_at": timestamp(view.entry.changed_ms),
    }


class Schedule(_ScheduleBase):
    """A schedule as of now."""

    job: ScheduledJob
    upcoming: list[Timestamp]
    """The next occurrences; none if it is not enabled."""
    runs: list[ScheduleRun] | None
    """The latest occurrences, newest first. Null if the storage that holds them can't be reached, and in the answer to
    a change."""

    @classmethod
    def of(cls, view: ScheduleView) -> Self:
        return cls(
            **_base(view),
            job=ScheduledJob.of(view.job),
            upcoming=[timestamp(occurrence_ms) for occurrence_ms in view.upcoming],
            runs=None if view.runs is None else [ScheduleRun.of(run) for run in view.runs],
        )


class ScheduleSummary(_ScheduleBase):
    """A schedule in a list."""

    next_at: Timestamp | None
    """Null if it is not enabled."""

    @classmethod
    def of(cls, view: ScheduleView) -> Self:
        return cls(**_base(view), next_at=timestamp(view.upcoming[0]) if view.upcoming else None)


class ScheduleList(Response):
    """All schedules of your tenant, ordered by id."""

    schedules: list[ScheduleSummary]

    @classmethod
    def of(cls, views: Iterable[ScheduleView]) -> Self:
        return cls(schedules=[ScheduleSummary.of(view) for view in views])
