"""What a schedule says, which of its occurrences are due, and what is kept of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.core.cron import Cron
from chalicelib.core.errors import BadRequest
from chalicelib.core.policy import Policy

LATE_MS = 300_000
"""An occurrence that is begun so long after its time says so."""
LOOK_BACK_MS = 24 * 3_600_000
"""An occurrence that nobody could look at for so long is not run any more."""
KEY_OF_LAST_MS = 10**15
"""Later than every occurrence (the year 33658)."""


class Overlap(StrEnum):
    """What becomes of an occurrence while the job of the one before has not ended."""

    SKIP = "skip"
    ALLOW = "allow"


class RunState(StrEnum):
    """What was decided about an occurrence. It is decided once."""

    RUN = "RUN"
    SKIPPED = "SKIPPED"
    """The job of the one before had not ended."""
    MISSED = "MISSED"
    """Nobody could look at it in time, and a later one was due by then."""
    REFUSED = "REFUSED"
    """Its job can't be submitted as things are; the detail says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job to be submitted again and again: the body of an entry of the registry."""

    id: str
    """Unique among all schedules of all times: one that is removed and made again has another."""
    cron: str
    timezone: str
    job: dict[str, Any]
    """What is to be submitted, as `protocol.schedules` reads it."""
    control_region: str
    """Of the job's target, for ever: what is to become of an occurrence is decided in that Region's control bucket."""
    since_ms: int
    """Occurrences later than this count: since when it has been there, enabled, and meant these times."""
    enabled: bool = True
    overlap: Overlap = Overlap.SKIP

    @property
    def times(self) -> Cron:
        return Cron(self.cron, self.timezone)


@dataclass(frozen=True, slots=True)
class Run:
    """What was decided about an occurrence: create-only, so that both Regions do the same."""

    schedule_id: str
    occurrence_ms: int
    state: RunState
    job_id: str
    """Its job; where there is none, the last one before; "" if there has been none."""
    detail: str
    region: str
    decided_ms: int
    nonce: str


def due(schedule: Schedule, handled_ms: int, now_ms: int) -> list[int]:
    """Occurrences to be looked at, in order. `handled_ms`: up to when all is done, as far as known. If that is lost,
    some are looked at again, which changes nothing."""
    if not schedule.enabled:
        return []
    return schedule.times.between(max(schedule.since_ms, handled_ms, now_ms - LOOK_BACK_MS), now_ms)


def missed(occurrences: Sequence[int], decided: Collection[int]) -> list[int]:
    """Of what is due and nobody has decided about, only the last is run."""
    return [at for at in occurrences if at not in decided][:-1]


def run_name(occurrence_ms: int) -> str:
    """Of a record: in the order that LIST has, the latest comes first."""
    return f"{KEY_OF_LAST_MS - occurrence_ms:015d}"


def occurrence_of(name: str) -> int:
    return KEY_OF_LAST_MS - int(name)


def check_times(cron: str, timezone: str, policy: Policy) -> Cron:
    """Raises BadRequest if they are none, or too often."""
    times = Cron.of(cron, timezone)
    if times.interval_min_ms < policy.schedule_interval_min_ms:
        raise BadRequest(
            "TooOften",
            f"cron {cron!r}: it would run every {times.interval_min_ms // 60_000} minutes at times; at least "
            f"{policy.schedule_interval_min_ms // 60_000} must lie between: for objects as they appear, use a feed",
        )
    return times
