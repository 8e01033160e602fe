"""Reads cron expressions and computes the instants at which a schedule is due.

An expression has five fields (minute, hour, day of month, month, day of week), as in Debian's crontab(5), with `L` and
`#` for days. `cronsim` parses them and tells which days match. This module handles times of day and clock changes:

- An expression that names its hours and minutes (neither field begins with `*`) runs once for each time that it names.
  If clocks are put forward past that time, it runs right after the change. If clocks are put back and show that time
  twice, it runs at the first.
- An expression that repeats (`*/15 * * * *`) follows elapsed time. Nothing is made up for an hour that is skipped. In
  an hour that comes twice, it runs in both.

Debian's cron does the same (cron(8), "Notes"). Occurrences are a pure function of the expression and the zone. Either
Region computes the same instants, from wherever it starts. The rules of the time zones come with the package `tzdata`,
at its pinned version, never from the machine. Reading them is loading a module's data.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache, cached_property
from heapq import heappop, heappush
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from chalicelib.core.errors import BadRequest, ErrorCode

EXPRESSION_MAX_CHARACTERS = 100
_FIELDS = 5
_YEARS_AHEAD = 40
"""29 February on a given weekday comes at least once in this many years (28, or 40 across a year like 2100)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_MARGIN = timedelta(hours=3)
"""More than any clock change."""


@cache
def zone_names() -> frozenset[str]:
    """Return the names in the time zone database (IANA)."""
    return frozenset(files("tzdata").joinpath("zones").read_text().split())


@cache
def _zone(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


@dataclass(frozen=True)
class Cron:
    """A cron expression in a time zone."""

    expression: str
    timezone: str

    @classmethod
    def of(cls, expression: str, timezone: str) -> "Cron":
        """Check the expression and the time zone. Raises BadRequest, with what is wrong, if either can't be used."""
        if timezone not in zone_names():
            detail = (
                f"timezone {timezone[:80]!r}: send a name of the time zone database, such as America/New_York or UTC"
            )
            raise BadRequest(ErrorCode.UNKNOWN_TIMEZONE, detail)
        cron = cls(expression, timezone)
        field_count = len(expression.split())
        if len(expression) > EXPRESSION_MAX_CHARACTERS or field_count != _FIELDS:
            detail = f"it has {field_count} fields" if field_count != _FIELDS else "it is too long"
            raise _invalid(expression, f"{detail}; send minute, hour, day of month, month and day of week")
        try:
            _ = cron._sim
        except (CronSimError, ValueError, RecursionError) as error:
            raise _invalid(expression, f"{error}") from None
        if not any(cron._matches(datetime(2001, 1, 1), datetime(2001 + _YEARS_AHEAD, 1, 1))):
            raise _invalid(expression, "there is no such day")
        return cron

    @cached_property
    def _sim(self) -> CronSim:
        return CronSim(self.expression, datetime(2001, 1, 1))  # The start time is not used.

    @cached_property
    def _names_times(self) -> bool:
        minute, hour, *_ = self.expression.split()
        return not minute.startswith("*") and not hour.startswith("*")

    @cached_property
    def _times(self) -> tuple[time, ...]:
        return tuple(time(hour, minute) for hour in sorted(self._sim.hours) for minute in sorted(self._sim.minutes))

    @property
    def interval_min_ms(self) -> int:
        """The shortest time between two occurrences by the clock, across midnight too, in milliseconds."""
        minutes = [at.hour * 60 + at.minute for at in self._times]
        return min(right - left for left, right in pairwise([*minutes, minutes[0] + 24 * 60])) * 60_000

    def upcoming(self, after_ms: int) -> Iterator[int]:
        """Return the occurrences later than `after_ms`, in order. They end some decades ahead."""
        return self._instants(after_ms, after_ms + _YEARS_AHEAD * 366 * 24 * 3_600_000)

    def between(self, after_ms: int, upto_ms: int) -> list[int]:
        """Return the occurrences in (after, upto], in order. The running time grows with the days in between and the
        occurrences."""
        return list(self._instants(after_ms, upto_ms))

    def _instants(self, after_ms: int, upto_ms: int) -> Iterator[int]:
        last_ms = after_ms
        for at_ms in self._in_order(self._clock_time(after_ms) - _MARGIN, self._clock_time(upto_ms) + _MARGIN):
            if at_ms > upto_ms:
                return
            if at_ms > last_ms:  # Two times that were moved to the same instant are one occurrence.
                last_ms = at_ms
                yield at_ms

    def _in_order(self, first: datetime, last: datetime) -> Iterator[int]:
        pending: list[int] = []
        for local in self._matches(first, last):
            instants_ms = self._instants_of(local)
            # A time that comes twice: its second instant is later than the first instants of the times after it.
            while instants_ms and pending and pending[0] <= instants_ms[0]:
                yield heappop(pending)
            for at_ms in instants_ms:
                heappush(pending, at_ms)
        yield from sorted(pending)

    def _clock_time(self, at_ms: int) -> datetime:
        """Return the time that the zone's clocks show."""
        return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(_zone(self.timezone)).replace(tzinfo=None)

    def _matches(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Return the clock times in [first, last] that the expression matches."""
        sim, day = self._sim, first.date()
        while day <= last.date():
            if day.month in sim.months and sim.match_day(day):
                times = (datetime.combine(day, at) for at in self._times)
                yield from (local for local in times if first <= local <= last)
            day += _DAY

    def _instants_of(self, local: datetime) -> list[int]:
        """Return the instants, in milliseconds, at which the clock shows this time: usually one, and two where clocks
        are put back. Where clocks are put forward there is none, but a time that the expression names is then moved to
        the first time that exists."""
        zone = _zone(self.timezone)
        if self._names_times:
            while not _shows(local, zone):
                local += _MINUTE
            return [_ms(local.replace(tzinfo=zone))]
        return sorted({_ms(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)}) if _shows(local, zone) else []


def _shows(local: datetime, zone: ZoneInfo) -> bool:
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _invalid(expression: str, why: str) -> BadRequest:
    return BadRequest(ErrorCode.INVALID_CRON, f"cron {expression[:EXPRESSION_MAX_CHARACTERS]!r}: {why}")
