"""Lanes of partitions: which partition starts which, and that none is left out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.admission import first_of_each_lane, next_in_lane, partitions_ahead, previous_in_lane
from chalicelib.core.ids import partition_id_of
from chalicelib.core.jobs import Priority
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


def test_ranges_that_lie_side_by_side_are_no_more_ahead_than_the_one_that_was_split() -> None:
    for depth in range(5):
        assert 2**depth * partitions_ahead(POLICY, Priority.NORMAL, "r" + "0" * depth) <= POLICY.partitions_ahead


def test_a_job_that_is_alone_never_waits_for_a_permit() -> None:
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
    partition_id = partition_id_of("r01", ordinal)
    assert previous_in_lane(next_in_lane(partition_id, ahead), ahead) == partition_id
    before = previous_in_lane(partition_id, ahead)
    assert (before is None) is (ordinal <= ahead), "the first ones are started when they are planned"
    assert before is None or next_in_lane(before, ahead) == partition_id


@given(st.sets(st.tuples(st.sampled_from(["r", "r0", "r1"]), st.integers(1, 100)), min_size=1), st.integers(1, 40))
def test_starting_the_first_of_each_lane_starts_all(unfinished: set[tuple[str, int]], ahead: int) -> None:
    """One partition of each lane is started. The others are reached from it, across those that are finished."""
    partition_ids = {partition_id_of(*place) for place in unfinished}
    started = first_of_each_lane(partition_ids, lambda _: ahead)
    assert len(
        {(partition_id.partition("-")[0], int(partition_id[-6:]) % ahead) for partition_id in partition_ids}
    ) == len(started)
    reached = set(started)
    for partition_id in started:
        following = partition_id
        for _ in range(100 // ahead + 1):
            following = next_in_lane(following, ahead)
            reached.add(following)
    assert partition_ids <= reached
