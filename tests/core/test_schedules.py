"""Schedules: which occurrences are due, and which of them are run."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import codec
from chalicelib.core.errors import BadRequest
from chalicelib.core.policy import Policy
from chalicelib.core.schedules import (
    LOOK_BACK_MS,
    Overlap,
    Schedule,
    check_times,
    due,
    missed,
    occurrence_of,
    run_name,
)

MINUTE, HOUR = 60_000, 3_600_000
NOON = 1_800_014_400_000
"""2027-01-15T12:00:00Z."""
SCHEDULE = Schedule("schedule-a", "0 * * * *", "UTC", {"source": {"endpoint": "a"}}, "us-gov-east-1", NOON - 5 * HOUR)


def test_what_is_due() -> None:
    assert due(SCHEDULE, 0, NOON - 1) == [NOON - hours * HOUR for hours in (4, 3, 2, 1)]
    assert due(SCHEDULE, NOON - HOUR, NOON - 1) == []
    assert due(SCHEDULE, NOON - HOUR, NOON) == [NOON]


def test_what_was_due_before_it_was_there_is_not() -> None:
    assert due(replace(SCHEDULE, since_ms=NOON), 0, NOON + MINUTE) == []
    assert due(replace(SCHEDULE, since_ms=NOON - 1), 0, NOON + MINUTE) == [NOON]


def test_disabled_nothing_is_due() -> None:
    assert due(replace(SCHEDULE, enabled=False), 0, NOON) == []


def test_one_does_not_look_back_for_ever() -> None:
    """Even if the notes are lost, the occurrences of at most one day are looked at again."""
    occurrences_ms = due(replace(SCHEDULE, since_ms=0), 0, NOON)
    assert (len(occurrences_ms), occurrences_ms[0]) == (24, NOON - LOOK_BACK_MS + HOUR)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 40), st.integers(0, 3))
def test_each_is_due_to_a_region_once_whenever_it_looks(waits: list[int], late: int, skew: int) -> None:
    """A Region looks at any times. It handles all occurrences, in order."""
    schedule = replace(SCHEDULE, cron="*/5 * * * *", since_ms=NOON)
    now_ms, handled_ms = NOON + skew * MINUTE, 0
    seen_ms: list[int] = []
    for wait in [*waits, late]:
        now_ms += wait * MINUTE
        due_ms = due(schedule, handled_ms, now_ms)
        seen_ms += due_ms
        handled_ms = due_ms[-1] if due_ms else handled_ms
    assert seen_ms == list(range(NOON + 5 * MINUTE, now_ms + 1, 5 * MINUTE))


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_of_what_nobody_decided_the_last_is_run(occurrences: set[int], decided: set[int]) -> None:
    missed_occurrences = missed(sorted(occurrences), decided)
    assert set(missed_occurrences) <= occurrences - decided
    run = occurrences - decided - set(missed_occurrences)
    assert len(run) == bool(occurrences - decided)
    assert all(occurrence > max(missed_occurrences, default=-1) for occurrence in run)


@given(st.integers(1, 10**14), st.integers(1, 10**14))
def test_names_of_records_list_the_latest_first(left: int, right: int) -> None:
    assert (run_name(left) < run_name(right)) is (left > right)
    assert occurrence_of(run_name(left)) == left


def test_a_schedule_comes_back_as_it_was() -> None:
    job: dict[str, Any] = {"keys": ["a", "é"], "source": {"endpoint": "a", "prefix": "p/"}, "labels": {"n": "1"}}
    for schedule in (SCHEDULE, replace(SCHEDULE, enabled=False, overlap=Overlap.ALLOW, job=job)):
        assert codec.loads(codec.dumps(schedule), Schedule) == schedule


def test_too_often_is_refused_and_says_what_to_do() -> None:
    assert check_times("*/5 * * * *", "UTC", Policy()).interval_min_ms == 5 * MINUTE
    with pytest.raises(BadRequest, match=r"TooOften.*every 4 minutes.*at least 5.*use a feed"):
        check_times("*/7 * * * *", "UTC", Policy())
    assert check_times("* * * * *", "UTC", Policy(schedule_interval_min_ms=MINUTE)).interval_min_ms == MINUTE
