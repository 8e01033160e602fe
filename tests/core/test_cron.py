"""Cron: when an expression means to run, also across changes of clocks. The result doesn't depend on where one
begins."""

from datetime import UTC, datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.cron import EXPRESSION_MAX_CHARACTERS, Cron, zone_names
from chalicelib.core.errors import BadRequest

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NEW_YORK = "America/New_York"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def utc(expression: str, timezone: str, after: str, count: int) -> list[str]:
    """Return the next occurrences, as clocks in UTC show them."""
    occurrences_ms = islice(Cron.of(expression, timezone).upcoming(ms(after)), count)
    return [datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%m-%d %H:%M") for at_ms in occurrences_ms]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 2 * * *", ["01-15 02:00", "01-16 02:00", "01-17 02:00"]),
        ("*/20 9-10 * * mon-fri", ["01-15 09:00", "01-15 09:20", "01-15 09:40"]),
        ("0 0 1 * *", ["02-01 00:00", "03-01 00:00", "04-01 00:00"]),
        ("30 4 L * *", ["01-31 04:30", "02-28 04:30", "03-31 04:30"]),
        ("0 6 * * MON#1", ["02-01 06:00", "03-01 06:00", "04-05 06:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00", "02-29 00:00"]),
        # Debian's rule: if both are named, it runs on the day of the month, and on the weekday.
        ("0 0 20 * FRI", ["01-20 00:00", "01-22 00:00", "01-29 00:00"]),
    ],
)
def test_what_expressions_mean(expression: str, expected: list[str]) -> None:
    assert utc(expression, "UTC", "2027-01-15T00:00:00Z", 3) == expected


def test_summer_time_moves_it_with_the_clocks_of_its_zone() -> None:
    assert utc("0 2 * * *", NEW_YORK, "2027-01-15T00:00:00Z", 1) == ["01-15 07:00"]
    assert utc("0 2 * * *", NEW_YORK, "2027-07-15T00:00:00Z", 1) == ["07-15 06:00"]


def test_a_time_that_the_clocks_skip_runs_when_they_have() -> None:
    """New York, 14 March 2027: 02:00 becomes 03:00 (07:00 UTC)."""
    assert utc("30 2 * * *", NEW_YORK, "2027-03-13T12:00:00Z", 2) == ["03-14 07:00", "03-15 06:30"]
    # Three times become one on that day.
    assert utc("0,30 2,3 * * *", NEW_YORK, "2027-03-14T06:00:00Z", 3) == ["03-14 07:00", "03-14 07:30", "03-15 06:00"]


def test_a_time_that_comes_twice_runs_at_the_first() -> None:
    """New York, 7 November 2027: 02:00 (06:00 UTC) becomes 01:00."""
    assert utc("30 1 * * *", NEW_YORK, "2027-11-06T12:00:00Z", 2) == ["11-07 05:30", "11-08 06:30"]
    assert utc("30 1 * * *", NEW_YORK, "2027-11-07T05:45:00Z", 1) == ["11-08 06:30"]


def test_what_repeats_goes_by_time_that_passes() -> None:
    spring = utc("*/30 * * * *", NEW_YORK, "2027-03-14T06:00:00Z", 4)
    assert spring == ["03-14 06:30", "03-14 07:00", "03-14 07:30", "03-14 08:00"]
    autumn = utc("*/30 * * * *", NEW_YORK, "2027-11-07T04:45:00Z", 6)
    assert autumn == ["11-07 05:00", "11-07 05:30", "11-07 06:00", "11-07 06:30", "11-07 07:00", "11-07 07:30"]
    # An hourly time in that hour comes twice. In spring it doesn't come at all.
    assert utc("15 * * * *", NEW_YORK, "2027-11-07T05:00:00Z", 2) == ["11-07 05:15", "11-07 06:15"]
    assert utc("*/30 2 * * *", NEW_YORK, "2027-03-14T00:00:00Z", 1) == ["03-15 06:00"]


EXPRESSIONS = st.builds(
    lambda minute, hour, day, weekday: f"{minute} {hour} {day} * {weekday}",
    st.sampled_from(["*/15", "0", "59", "0,30", "5-10", "*"]),
    st.sampled_from(["*", "0", "1", "2", "1-3", "*/6", "2,3,23"]),
    st.sampled_from(["*", "1", "15", "L"]),
    st.sampled_from(["*", "SUN", "MON-FRI", "FRI#2"]),
)
ZONES = st.sampled_from([NEW_YORK, "Europe/London", "UTC", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Cairo"])
STARTS = st.integers(ms("2026-01-01T00:00:00Z"), ms("2028-12-31T00:00:00Z"))


@given(EXPRESSIONS, ZONES, STARTS, st.integers(0, 3 * DAY), st.integers(0, 3 * DAY))
def test_it_is_the_same_from_wherever_one_counts(
    expression: str, zone: str, start: int, first_ms: int, second_ms: int
) -> None:
    """Regions that begin to count at different times find the very same instants."""
    cron = Cron.of(expression, zone)
    middle, end = start + first_ms, start + first_ms + second_ms
    occurrences_ms = cron.between(start, end)
    assert cron.between(start, middle) + cron.between(middle, end) == occurrences_ms
    assert occurrences_ms == list(takewhile_upto(cron, start, end))
    assert all(left < right for left, right in pairwise(occurrences_ms))
    assert all(start < at_ms <= end and at_ms % MINUTE == 0 for at_ms in occurrences_ms)


def takewhile_upto(cron: Cron, start: int, end: int) -> list[int]:
    occurrences_ms = []
    for at_ms in cron.upcoming(start):
        if at_ms > end:
            break
        occurrences_ms.append(at_ms)
    return occurrences_ms


@given(EXPRESSIONS, ZONES.filter(lambda zone: zone != "Africa/Cairo"), STARTS)
def test_it_is_what_debians_cron_does(expression: str, zone: str, start: int) -> None:
    """`cronsim`, which goes through time step by step, is the reference. (At a midnight that clocks skip, as in Cairo,
    its result depends on where it begins.)"""
    begin = datetime.fromtimestamp(start // 1000 - 2 * 86_400, ZoneInfo(zone))
    expected: list[int] = []
    for at in CronSim(expression, begin):
        at_ms = int(at.timestamp() * 1000)
        if at_ms > start + 8 * DAY:
            break
        if at_ms > start and at_ms not in expected:
            expected.append(at_ms)
    assert Cron.of(expression, zone).between(start, start + 8 * DAY) == expected


@given(EXPRESSIONS, ZONES, STARTS)
def test_occurrences_lie_as_far_apart_as_it_says(expression: str, zone: str, start: int) -> None:
    """Zones that change their clocks are left out: a time that is moved may come close to the next one."""
    cron = Cron.of(expression, zone)
    if zone == "UTC":
        occurrences_ms = list(islice(cron.upcoming(start), 50))
        assert all(later - earlier >= cron.interval_min_ms for earlier, later in pairwise(occurrences_ms))


@pytest.mark.parametrize(
    ("expression", "minutes"), [("*/5 * * * *", 5), ("*/7 * * * *", 4), ("58 23,0 * * *", 60), ("0 2 * * *", 1440)]
)
def test_the_least_interval(expression: str, minutes: int) -> None:
    assert Cron.of(expression, "UTC").interval_min_ms == minutes * MINUTE


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "@reboot",
        "@daily",
        "0 2 * *",
        "0 0 2 * * *",
        "60 2 * * *",
        "0 24 * * *",
        "0 2 30 2 *",
        "0 2 31 4,6 *",
        "*/0 * * * *",
        "a b c d e",
        "0 2 * * MON#6",
        "0 2 ? * *",
        "1-0 * * * *",
        "² * * * *",
        "0 " * EXPRESSION_MAX_CHARACTERS,
    ],
)
def test_what_is_no_expression_is_refused_in_words(expression: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Cron.of(expression, "UTC")
    assert refused.value.code == "InvalidCron"
    assert len(refused.value.message) < 300


@given(st.text(st.characters(codec="utf-8"), max_size=30) | st.from_regex(r"([0-9*/,#L-]{1,4} ){4}[0-7A-Z#L,]{1,6}"))
def test_no_text_does_worse(expression: str) -> None:
    try:
        cron = Cron.of(expression, NEW_YORK)
    except BadRequest:
        return
    assert next(cron.upcoming(ms("2027-01-15T00:00:00Z")), None) is not None


@pytest.mark.parametrize("zone", ["", "EST5", "../etc/passwd", "America/Nowhere", "/etc/localtime", "utc", "Factory\0"])
def test_zones_that_there_are_not(zone: str) -> None:
    with pytest.raises(BadRequest, match="UnknownTimezone"):
        Cron.of("0 2 * * *", zone)


def test_every_zone_of_the_database_can_be_used() -> None:
    assert len(zone_names()) > 500
    for name in zone_names():
        assert Cron.of("0 2 * * *", name).between(ms("2027-01-01T00:00:00Z"), ms("2027-01-08T00:00:00Z"))
