"""Defines schedules, decides which of their occurrences are due, and defines the record that is kept of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.core.cron import Cron
from chalicelib.core.errors import BadRequest, ErrorCode
from chalicelib.core.policy import Policy

LATE_MS = 300_000
"""An occurrence that begins this much later than its time is marked as late."""
LOOK_BACK_MS = 24 * 3_600_000
"""An occurrence that no sweep could look at for this long is not run any more."""
KEY_OF_LAST_MS = 10**15
"""Later than every occurrence (the year 33658)."""


class Overlap(StrEnum):
    """How to treat an occurrence while the job of the previous one has not ended."""

    SKIP = "skip"
    ALLOW = "allow"


class RunState(StrEnum):
    """The decision about an occurrence. It is made once."""

    RUN = "RUN"
    SKIPPED = "SKIPPED"
    """The job of the previous occurrence had not ended."""
    MISSED = "MISSED"
    """No sweep could look at it in time, and by then a later one was due."""
    REFUSED = "REFUSED"
    """Its job can't be submitted as things are; the detail says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job to be submitted again and again: the body of an entry in the registry."""

    id: str
    """Unique among all schedules that ever existed: one that is removed and made again gets another id."""
    cron: str
    timezone: str
    job: dict[str, Any]
    """The job to submit, as `protocol.schedules` reads it."""
    control_region: str
    """The Region of the job's target; it never changes. Occurrences are decided in this Region's control bucket."""
    since_ms: int
    """Only occurrences later than this count: since then the schedule has existed, been enabled, and had these
    times."""
    enabled: bool = True
    overlap: Overlap = Overlap.SKIP

    @property
    def times(self) -> Cron:
        return Cron(self.cron, self.timezone)


@dataclass(frozen=True, slots=True)
class Run:
    """The record of the decision about an occurrence. It is create-only, so that both Regions do the same."""

    schedule_id: str
    occurrence_ms: int
    state: RunState
    job_id: str
    """Its job. If it has none, the last job before it, or "" if there has been none."""
    detail: str
    region: str
    decided_ms: int
    nonce: str


def due(schedule: Schedule, handled_ms: int, now_ms: int) -> list[int]:
    """Return the occurrences to look at, in order. Everything up to `handled_ms` is done, as far as is known. If that
    value is lost, some occurrences are looked at again, which changes nothing."""
    if not schedule.enabled:
        return []
    return schedule.times.between(max(schedule.since_ms, handled_ms, now_ms - LOOK_BACK_MS), now_ms)


def missed(occurrences: Sequence[int], decided: Collection[int]) -> list[int]:
    """Return the occurrences to record as missed: all that are due and undecided but the last one, which is run."""
    return [at for at in occurrences if at not in decided][:-1]


def run_name(occurrence_ms: int) -> str:
    """Return the name of an occurrence's record. In the order of LIST, the latest occurrence comes first."""
    return f"{KEY_OF_LAST_MS - occurrence_ms:015d}"


def occurrence_of(name: str) -> int:
    return KEY_OF_LAST_MS - int(name)


def check_times(cron: str, timezone: str, policy: Policy) -> Cron:
    """Return the times. Raises BadRequest if cron or timezone can't be used, or the times are too close together."""
    times = Cron.of(cron, timezone)
    if times.interval_min_ms < policy.schedule_interval_min_ms:
        raise BadRequest(
            ErrorCode.TOO_OFTEN,
            f"cron {cron!r}: it would run every {times.interval_min_ms // 60_000} minutes at times; at least "
            f"{policy.schedule_interval_min_ms // 60_000} must lie between: for objects as they appear, use a feed",
        )
    return times
