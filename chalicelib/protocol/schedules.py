"""Read schedules from the registry, and record the decisions about their occurrences.

The records are create-only. They lie in the control bucket of the Region of the schedule's target, which never changes:
`schedules/<schedule>/<name of the occurrence>`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from chalicelib.core import codec
from chalicelib.core.entries import Entry, EntryKind
from chalicelib.core.errors import Corrupt
from chalicelib.core.jobs import Scheduled
from chalicelib.core.schedules import Run, Schedule, occurrence_of, run_name
from chalicelib.ports import Env
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.submitting import Submission

NOT_THE_JOBS = {"tenant", "token", "retry_of", "scheduled"}
"""Fields of a submission that a schedule does not store: each occurrence has its own."""

_PAGE = 1000


@cache
def _submissions() -> TypeAdapter[Submission]:
    return TypeAdapter(Submission)


def job_of(submission: Submission) -> dict[str, Any]:
    """Return the part of a submission that a schedule stores."""
    job: dict[str, Any] = _submissions().dump_python(
        submission, mode="json", exclude=NOT_THE_JOBS, exclude_defaults=True
    )
    return job


def submission_of(tenant: str, job: dict[str, Any], token: str) -> Submission:
    return _submissions().validate_python({**job, "tenant": tenant, "token": token})


@dataclass(frozen=True, slots=True)
class Registered:
    """A schedule and the entry that holds it."""

    entry: Entry
    schedule: Schedule

    @classmethod
    def of(cls, entry: Entry) -> "Registered":
        return cls(entry, codec.loads(entry.body.encode(), Schedule))

    def submission(self, occurrence_ms: int) -> Submission:
        """Return the submission of an occurrence. Its token, and so its job's id, is always the same: it contains the
        occurrence's own time, and no clock's."""
        submission = submission_of(self.entry.tenant, self.schedule.job, f"schedule:{self.schedule.id}:{occurrence_ms}")
        return replace(submission, scheduled=Scheduled(self.schedule.id, self.entry.name, occurrence_ms))


def live_schedules(env: Env) -> list[Registered]:
    """Return the schedules of all tenants, read page by page."""
    schedules: list[Registered] = []
    cursor: str | None = None
    while True:
        page = env.registry.page(EntryKind.SCHEDULE, cursor, _PAGE)
        for entry in page.entries:
            try:
                schedules.append(Registered.of(entry))
            except Corrupt as error:  # A schedule that can't be read must not hold up the others.
                env.log("schedule-unreadable", tenant=entry.tenant, name=entry.name, error=str(error))
        cursor = page.cursor
        if cursor is None:
            break
    return schedules


def schedules_of(env: Env, tenant: str) -> list[Registered]:
    """Return the tenant's schedules, by name."""
    return [Registered.of(entry) for entry in env.registry.of_tenant(EntryKind.SCHEDULE, tenant)]


def names_endpoint(schedule: Schedule, name: str) -> bool:
    locations = (schedule.job.get(role) for role in ("source", "target", "manifest"))
    return any(location is not None and location["endpoint"] == name for location in locations)


@dataclass(frozen=True, slots=True)
class RunRecords:
    """The decisions about the occurrences of a schedule."""

    control: ControlRecords
    schedule_id: str

    @classmethod
    def of(cls, env: Env, schedule: Schedule) -> "RunRecords":
        return cls(ControlRecords(env, schedule.control_region), schedule.id)

    @property
    def _prefix(self) -> str:
        return f"schedules/{self.schedule_id}/"

    def decide(self, run: Run) -> Run:
        """Write the decision about an occurrence. Return the one that counts: the first one written."""
        created = self.control.create(self._prefix + run_name(run.occurrence_ms), codec.dumps(run))
        return run if created.won else codec.loads(created.body, Run)

    def get(self, occurrence_ms: int) -> Run:
        body = self.control.get(self._prefix + run_name(occurrence_ms))
        if body is None:
            raise Corrupt("RecordVanished", self._prefix + run_name(occurrence_ms))
        return codec.loads(body, Run)

    def decided(self, upto_ms: int | None, limit: int) -> Iterator[int]:
        """Yield the occurrences up to `upto_ms` (None: all) that were decided about, the latest first; at least `limit`
        of them if there are so many."""
        after = "" if upto_ms is None else self._prefix + run_name(upto_ms + 1)
        for facts in self.control.list_all(self._prefix, after, limit):
            yield occurrence_of(facts.key.removeprefix(self._prefix))
