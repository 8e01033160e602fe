"""Lines of partitions: who starts whom, and that nobody is left out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.admission import before_in_line, heads, next_in_line, partitions_ahead
from chalicelib.core.ids import part_id
from chalicelib.core.model import Priority
from chalicelib.core.policy import Policy
from tests import template

POLICY = Policy()


@pytest.mark.parametrize(
    ("priority", "range_id", "ahead"),
    [
        (Priority.NORMAL, "r", 24),
        (Priority.HIGH, "r", 96),
        (Priority.LOW, "r", 6),
        (Priority.NORMAL, "r0", 12),
        (Priority.NORMAL, "r01", 6),
        (Priority.NORMAL, "r01101", 1),
        (Priority.HIGH, "r01101", 3),
        (Priority.LOW, f"r{'1' * 20}", 1),
    ],
)
def test_a_ranges_share(priority: Priority, range_id: str, ahead: int) -> None:
    assert partitions_ahead(POLICY, priority, range_id) == ahead


def test_ranges_that_lie_side_by_side_are_no_more_ahead_than_the_one_that_was_forked() -> None:
    for depth in range(5):
        assert 2**depth * partitions_ahead(POLICY, Priority.NORMAL, "r" + "0" * depth) <= POLICY.partitions_ahead


def test_a_job_that_is_alone_never_waits_for_a_slot() -> None:
    assert POLICY.partitions_ahead <= POLICY.tenant_partitions_max


def test_no_tenant_takes_all_workers() -> None:
    workers = template.load()["Parameters"]["CopyConcurrency"]["Default"]
    assert POLICY.tenant_partitions_max < workers


def test_there_is_always_one_ahead() -> None:
    least = replace(POLICY, partitions_ahead=1)
    assert {partitions_ahead(least, priority, "r0") for priority in Priority} == {1, 2}
    assert partitions_ahead(least, Priority.LOW, "r") == 1


@given(st.integers(1, 10_000), st.integers(1, 200))
def test_who_starts_whom(ordinal: int, ahead: int) -> None:
    part = part_id("r01", ordinal)
    assert before_in_line(next_in_line(part, ahead), ahead) == part
    before = before_in_line(part, ahead)
    assert (before is None) is (ordinal <= ahead), "the first ones are started when they are planned"
    assert before is None or next_in_line(before, ahead) == part


@given(st.sets(st.tuples(st.sampled_from(["r", "r0", "r1"]), st.integers(1, 100)), min_size=1), st.integers(1, 40))
def test_starting_the_heads_starts_all(unfinished: set[tuple[str, int]], ahead: int) -> None:
    """One of each line is started; the others are reached from it, over those that are finished."""
    parts = {part_id(*one) for one in unfinished}
    started = heads(parts, lambda _: ahead)
    assert len({(part.partition("-")[0], int(part[-6:]) % ahead) for part in parts}) == len(started)
    reached = set(started)
    for part in started:
        following = part
        for _ in range(100 // ahead + 1):
            following = next_in_line(following, ahead)
            reached.add(following)
    assert parts <= reached
