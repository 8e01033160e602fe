"""A note comes back from its text unchanged, and any other text counts as no note."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.desired_state import Approved, DesiredState
from chalicelib.core.fingerprints import fingerprint, parse
from chalicelib.core.leases import LeaseFingerprint, Observation, RegionFingerprint, note_of
from chalicelib.core.rounds import Round
from chalicelib.core.sweep import SETTLED, JobFingerprint
from chalicelib.protocol.catchup import Listing

NUMBER = st.integers(0, 10**18)
WORD = st.text(st.characters(exclude_categories=["Cs"]))
REGION = st.builds(RegionFingerprint, st.dictionaries(WORD, WORD, max_size=3))
NOTES = st.one_of(
    st.builds(DesiredState, NUMBER, st.booleans(), st.sampled_from(Approved)),
    st.builds(LeaseFingerprint, NUMBER, NUMBER, st.none() | REGION),
    st.builds(Listing, NUMBER, NUMBER, NUMBER, WORD),
    st.builds(Round, NUMBER, st.none() | WORD, st.booleans()),
    REGION,
)


@given(NOTES)
def test_a_note_comes_back_as_it_was(note: object) -> None:
    assert parse(fingerprint(note), type(note)) == note


@given(NOTES, NOTES)
def test_equal_notes_have_equal_texts_and_others_have_others(first: object, second: object) -> None:
    if type(first) is type(second):
        assert (fingerprint(first) == fingerprint(second)) is (first == second)


def test_the_order_in_which_buckets_were_read_makes_no_difference() -> None:
    first, second = RegionFingerprint({"west": "1", "east": "2"}), RegionFingerprint({"east": "2", "west": "1"})
    assert first == second
    assert fingerprint(first) == fingerprint(second)


def test_how_often_messages_were_sent_again_is_noted_and_not_compared() -> None:
    once, twice = JobFingerprint(entries=3, redriven=1), JobFingerprint(entries=3, redriven=2)
    assert once == twice
    assert fingerprint(once) != fingerprint(twice)
    back = parse(fingerprint(twice), JobFingerprint)
    assert back is not None
    assert back.redriven == 2
    assert JobFingerprint() != SETTLED


@pytest.mark.parametrize("text", ["", "1:7:", "settled", "null", "[]", '"x"', '{"epoch":"x","heartbeat":1}', "{"])
def test_a_text_of_another_release_is_no_note(text: str) -> None:
    observation = Observation("job", "r-000001", "west", text, 5)
    assert observation.note(LeaseFingerprint) is None
    assert note_of(observation, LeaseFingerprint) is None
    assert note_of(None, LeaseFingerprint) is None
