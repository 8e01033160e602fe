"""A numbered log of pauses and resumes, whose names alone say whether the job is paused."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.desired_state import (
    AS_SUBMITTED,
    DESIRED_STATE_SUBJECT,
    STOPPED_SUBJECT,
    Approved,
    DesiredState,
    PauseLogKind,
    Stopped,
    approval_of,
    desired_state_noted,
    why_stopped,
)
from chalicelib.core.leases import Observation

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
PAUSE, RESUME = PauseLogKind.PAUSE, PauseLogKind.RESUME


@pytest.mark.parametrize(
    ("desired_state", "paused", "to_pause", "to_resume"),
    [
        (AS_SUBMITTED, False, 1, None),
        (DesiredState(1), True, None, 2),
        (DesiredState(2), False, 3, None),
        (DesiredState(7), True, None, 8),
        (DesiredState(0, cancelled=True), False, None, None),
        (DesiredState(1, cancelled=True), False, None, None),
    ],
)
def test_what_is_wanted_and_what_would_be_written(
    desired_state: DesiredState, paused: bool, to_pause: int | None, to_resume: int | None
) -> None:
    assert desired_state.paused is paused
    assert (desired_state.number_for(PAUSE), desired_state.number_for(RESUME)) == (to_pause, to_resume)


@given(st.lists(st.sampled_from(PauseLogKind)))
def test_the_last_wish_holds_whatever_came_before(wishes: list[PauseLogKind]) -> None:
    state, entries = AS_SUBMITTED, []
    for wish in wishes:
        number = state.number_for(wish)
        if number is not None:
            entries.append((number, wish))
            state = DesiredState(number)
        assert state.paused is (wish is PAUSE)
    assert entries == list(zip(count(1), [kind for _, kind in entries], strict=False)), "numbered without a gap"
    assert all(kind is (PAUSE if number % 2 else RESUME) for number, kind in entries)


@given(st.integers(0, 10**6), st.booleans())
def test_a_note_comes_back_as_it_was(highest: int, cancelled: bool) -> None:
    desired_state = DesiredState(highest, cancelled)
    assert note(desired_state, WEST).note(DesiredState) == desired_state


def note(desired_state: DesiredState, region: str, subject: str = DESIRED_STATE_SUBJECT) -> Observation:
    return Observation.of("job", subject, region, desired_state, 5)


@pytest.mark.parametrize(
    ("notes", "newest"),
    [
        ([], AS_SUBMITTED),
        ([note(DesiredState(1), WEST)], DesiredState(1)),
        # The other Region has seen less, or more.
        ([note(DesiredState(2), WEST), note(DesiredState(1), EAST)], DesiredState(2)),
        ([note(DesiredState(2), WEST), note(DesiredState(3), EAST)], DesiredState(3)),
        ([note(DesiredState(3), WEST), note(DesiredState(0, cancelled=True), EAST)], DesiredState(3, cancelled=True)),
        # Other observations don't count.
        (
            [
                note(DesiredState(3), WEST, "r-000001"),
                note(DesiredState(1), WEST, "job"),
                note(DesiredState(1), WEST, STOPPED_SUBJECT),
            ],
            AS_SUBMITTED,
        ),
    ],
)
def test_what_is_furthest_is_the_newest(notes: list[Observation], newest: DesiredState) -> None:
    assert desired_state_noted(notes) == newest
    assert desired_state_noted(notes[::-1]) == newest


# --- approval -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("desired_state", "may_copy", "unapproved"),
    [
        (AS_SUBMITTED, True, False),
        (DesiredState(1), False, False),
        (DesiredState(approved=Approved.AWAITED), False, True),
        (DesiredState(approved=Approved.GIVEN), True, False),
        (DesiredState(1, approved=Approved.GIVEN), False, False),
        (DesiredState(2, approved=Approved.AWAITED), False, True),
        (DesiredState(1, cancelled=True, approved=Approved.AWAITED), True, False),
    ],
)
def test_what_may_be_copied(desired_state: DesiredState, may_copy: bool, unapproved: bool) -> None:
    assert (desired_state.may_copy, desired_state.unapproved) == (may_copy, unapproved)


@given(st.builds(DesiredState, st.integers(0, 99), st.booleans(), st.sampled_from(Approved)))
def test_a_note_says_all_of_it(desired_state: DesiredState) -> None:
    assert note(desired_state, WEST).note(DesiredState) == desired_state


def test_an_approval_is_final() -> None:
    notes = [DesiredState(approved=Approved.GIVEN), DesiredState(1, approved=Approved.AWAITED)]
    observations = [
        Observation.of("job", DESIRED_STATE_SUBJECT, region, note, 0)
        for region, note in zip((WEST, EAST), notes, strict=True)
    ]
    assert (
        desired_state_noted(observations)
        == desired_state_noted(reversed(observations))
        == DesiredState(1, approved=Approved.GIVEN)
    )


def test_why_the_service_has_paused_a_job() -> None:
    notes = [
        Observation.of("job", STOPPED_SUBJECT, WEST, Stopped(1, "the bucket is not yours"), 0),
        Observation.of("job", STOPPED_SUBJECT, EAST, Stopped(3, "the bucket has gone"), 0),
        note(DesiredState(3), WEST),
    ]
    assert why_stopped(notes, DesiredState(1)) == "the bucket is not yours"
    assert why_stopped(notes, DesiredState(3)) == "the bucket has gone"
    assert why_stopped(notes, DesiredState(5)) == "", "paused by somebody else"


def test_only_a_plan_needs_one() -> None:
    assert approval_of(planned_first=False, given=False) is Approved.FROM_THE_START
    assert approval_of(planned_first=True, given=False) is Approved.AWAITED
    assert approval_of(planned_first=True, given=True) is Approved.GIVEN
