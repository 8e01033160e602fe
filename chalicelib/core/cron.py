"""Cron expressions: when, in the world's time, a schedule's clock shows what it asks for.

Five fields (minute, hour, day of month, month, day of week) as crontab(5) of Debian has them, with `L` and `#` for
days. `cronsim` reads them and knows which days they mean; times of day, and what becomes of them when clocks change,
are here:

- An expression that names its hours and minutes (neither field begins with `*`) runs once for each time that it names.
  Where clocks are put forward past that time, it runs when they have been; where they are put back and show it twice,
  at the first.
- One that repeats (`*/15 * * * *`) goes by time that passes: nothing is made up for an hour that there isn't, and in
  one that comes twice it runs in both.

That is what Debian's cron does (cron(8), "Notes"). Occurrences are a pure function of the expression and the zone: from
wherever they are counted, by whichever Region, they are the same instants. The zones' rules come with the package
`tzdata`, at its pinned version, never from the machine; reading them is loading a module's data.
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

from chalicelib.core.errors import BadRequest

EXPRESSION_MAX_CHARACTERS = 100
_FIELDS = 5
_YEARS_AHEAD = 40
"""29 February on a given weekday comes at least once in so many years (28, or 40 across a year like 2100)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)
_MARGIN = timedelta(hours=3)
"""More than clocks are put forward or back."""


@cache
def zone_names() -> frozenset[str]:
    """Of the time zone database (IANA)."""
    return frozenset(files("tzdata").joinpath("zones").read_text().split())


@cache
def _zone(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


@dataclass(frozen=True)
class Cron:
    """An expression in a time zone."""

    expression: str
    timezone: str

    @classmethod
    def of(cls, expression: str, timezone: str) -> "Cron":
        """Raises BadRequest that says what is wrong."""
        if timezone not in zone_names():
            detail = (
                f"timezone {timezone[:80]!r}: send a name of the time zone database, such as America/New_York or UTC"
            )
            raise BadRequest("UnknownTimezone", detail)
        found = cls(expression, timezone)
        fields = len(expression.split())
        if len(expression) > EXPRESSION_MAX_CHARACTERS or fields != _FIELDS:
            detail = f"it has {fields} fields" if fields != _FIELDS else "it is too long"
            raise _invalid(expression, f"{detail}; send minute, hour, day of month, month and day of week")
        try:
            _ = found._sim
        except (CronSimError, ValueError, RecursionError) as error:
            raise _invalid(expression, f"{error}") from None
        if not any(found._matches(datetime(2001, 1, 1), datetime(2001 + _YEARS_AHEAD, 1, 1))):
            raise _invalid(expression, "there is no such day")
        return found

    @cached_property
    def _sim(self) -> CronSim:
        return CronSim(self.expression, datetime(2001, 1, 1))  # The time that it starts from is not used.

    @cached_property
    def _names_times(self) -> bool:
        minute, hour, *_ = self.expression.split()
        return not minute.startswith("*") and not hour.startswith("*")

    @cached_property
    def _times(self) -> tuple[time, ...]:
        return tuple(time(hour, minute) for hour in sorted(self._sim.hours) for minute in sorted(self._sim.minutes))

    @property
    def interval_min_ms(self) -> int:
        """The least time between two occurrences on the clock's face, over midnight too."""
        minutes = [at.hour * 60 + at.minute for at in self._times]
        return min(right - left for left, right in pairwise([*minutes, minutes[0] + 24 * 60])) * 60_000

    def upcoming(self, after_ms: int) -> Iterator[int]:
        """The occurrences later than `after_ms`, in order; they end some decades ahead."""
        return self._instants(after_ms, after_ms + _YEARS_AHEAD * 366 * 24 * 3_600_000)

    def between(self, after_ms: int, upto_ms: int) -> list[int]:
        """The occurrences in (after, upto], in order. Takes time for each day in between, and for each occurrence."""
        return list(self._instants(after_ms, upto_ms))

    def _instants(self, after_ms: int, upto_ms: int) -> Iterator[int]:
        said = after_ms
        for at in self._in_order(self._face(after_ms) - _MARGIN, self._face(upto_ms) + _MARGIN):
            if at > upto_ms:
                return
            if at > said:  # Two times that were moved are one.
                said = at
                yield at

    def _in_order(self, first: datetime, last: datetime) -> Iterator[int]:
        waiting: list[int] = []
        for local in self._matches(first, last):
            found = self._real(local)
            # Of a time that comes twice, the second lies behind the first of later ones.
            while found and waiting and waiting[0] <= found[0]:
                yield heappop(waiting)
            for at in found:
                heappush(waiting, at)
        yield from sorted(waiting)

    def _face(self, at_ms: int) -> datetime:
        """What the zone's clocks show."""
        return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(_zone(self.timezone)).replace(tzinfo=None)

    def _matches(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """The times on the clock's face that the expression means, in [first, last]."""
        sim, day = self._sim, first.date()
        while day <= last.date():
            if day.month in sim.months and sim.match_day(day):
                times = (datetime.combine(day, at) for at in self._times)
                yield from (local for local in times if first <= local <= last)
            day += _DAY

    def _real(self, local: datetime) -> list[int]:
        """The instants at which the clock shows this: mostly one, two where it is put back, none where it is put
        forward; but a time that is named is then moved to the first that there is."""
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
    return BadRequest("InvalidCron", f"cron {expression[:EXPRESSION_MAX_CHARACTERS]!r}: {why}")
