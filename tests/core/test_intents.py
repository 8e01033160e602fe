"""A numbered log of pauses and resumes, of which names alone tell how it stands."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.intents import (
    INTENTS_SUBJECT,
    NO_INTENTS,
    STOPPED_SUBJECT,
    Approved,
    IntentKind,
    Intents,
    Stopped,
    approval_of,
    intents_noted,
    why_stopped,
)
from chalicelib.core.leases import Observation

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
PAUSE, RESUME = IntentKind.PAUSE, IntentKind.RESUME


@pytest.mark.parametrize(
    ("intents", "paused", "to_pause", "to_resume"),
    [
        (NO_INTENTS, False, 1, None),
        (Intents(1), True, None, 2),
        (Intents(2), False, 3, None),
        (Intents(7), True, None, 8),
        (Intents(0, cancelled=True), False, None, None),
        (Intents(1, cancelled=True), False, None, None),
    ],
)
def test_what_is_wanted_and_what_would_be_written(
    intents: Intents, paused: bool, to_pause: int | None, to_resume: int | None
) -> None:
    assert intents.paused is paused
    assert (intents.number_for(PAUSE), intents.number_for(RESUME)) == (to_pause, to_resume)


@given(st.lists(st.sampled_from(IntentKind)))
def test_the_last_wish_holds_whatever_came_before(wishes: list[IntentKind]) -> None:
    seen, written = NO_INTENTS, []
    for wish in wishes:
        number = seen.number_for(wish)
        if number is not None:
            written.append((number, wish))
            seen = Intents(number)
        assert seen.paused is (wish is PAUSE)
    assert written == list(zip(count(1), [kind for _, kind in written], strict=False)), "numbered without a gap"
    assert all(kind is (PAUSE if number % 2 else RESUME) for number, kind in written)


@given(st.integers(0, 10**6), st.booleans())
def test_a_note_comes_back_as_it_was(highest: int, cancelled: bool) -> None:
    intents = Intents(highest, cancelled)
    assert note(intents, WEST).note(Intents) == intents


def note(intents: Intents, region: str, subject: str = INTENTS_SUBJECT) -> Observation:
    return Observation.of("job", subject, region, intents, 5)


@pytest.mark.parametrize(
    ("notes", "seen"),
    [
        ([], NO_INTENTS),
        ([note(Intents(1), WEST)], Intents(1)),
        # The other Region has seen less, or more.
        ([note(Intents(2), WEST), note(Intents(1), EAST)], Intents(2)),
        ([note(Intents(2), WEST), note(Intents(3), EAST)], Intents(3)),
        ([note(Intents(3), WEST), note(Intents(0, cancelled=True), EAST)], Intents(3, cancelled=True)),
        # Other observations are none of its business.
        (
            [
                note(Intents(3), WEST, "r-000001"),
                note(Intents(1), WEST, "job"),
                note(Intents(1), WEST, STOPPED_SUBJECT),
            ],
            NO_INTENTS,
        ),
    ],
)
def test_what_is_furthest_is_the_newest(notes: list[Observation], seen: Intents) -> None:
    assert intents_noted(notes) == seen
    assert intents_noted(notes[::-1]) == seen


# --- approval -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intents", "may_copy", "unapproved"),
    [
        (NO_INTENTS, True, False),
        (Intents(1), False, False),
        (Intents(approved=Approved.AWAITED), False, True),
        (Intents(approved=Approved.GIVEN), True, False),
        (Intents(1, approved=Approved.GIVEN), False, False),
        (Intents(2, approved=Approved.AWAITED), False, True),
        (Intents(1, cancelled=True, approved=Approved.AWAITED), True, False),
    ],
)
def test_what_may_be_copied(intents: Intents, may_copy: bool, unapproved: bool) -> None:
    assert (intents.may_copy, intents.unapproved) == (may_copy, unapproved)


@given(st.builds(Intents, st.integers(0, 99), st.booleans(), st.sampled_from(Approved)))
def test_a_note_says_all_of_it(intents: Intents) -> None:
    assert note(intents, WEST).note(Intents) == intents


def test_an_approval_is_final() -> None:
    notes = [Intents(approved=Approved.GIVEN), Intents(1, approved=Approved.AWAITED)]
    seen = [
        Observation.of("job", INTENTS_SUBJECT, region, note, 0)
        for region, note in zip((WEST, EAST), notes, strict=True)
    ]
    assert intents_noted(seen) == intents_noted(reversed(seen)) == Intents(1, approved=Approved.GIVEN)


def test_why_the_service_has_paused_a_job() -> None:
    notes = [
        Observation.of("job", STOPPED_SUBJECT, WEST, Stopped(1, "the bucket is not yours"), 0),
        Observation.of("job", STOPPED_SUBJECT, EAST, Stopped(3, "the bucket has gone"), 0),
        note(Intents(3), WEST),
    ]
    assert why_stopped(notes, Intents(1)) == "the bucket is not yours"
    assert why_stopped(notes, Intents(3)) == "the bucket has gone"
    assert why_stopped(notes, Intents(5)) == "", "paused by somebody else"


def test_only_a_plan_needs_one() -> None:
    assert approval_of(planned_first=False, given=False) is Approved.FROM_THE_START
    assert approval_of(planned_first=True, given=False) is Approved.AWAITED
    assert approval_of(planned_first=True, given=True) is Approved.GIVEN
