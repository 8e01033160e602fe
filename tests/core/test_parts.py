"""Part plans: the ranges tile the object exactly, within S3's limits, up to the largest object there can be."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import parts
from chalicelib.core.policy import GIB, MIB, PART_MAX_BYTES, PART_MIN_BYTES, PARTS_MAX

TIB = 1024 * GIB
LARGEST = int(48.8 * TIB)
sizes = st.integers(1, LARGEST) | st.integers(1, 64 * MIB) | st.sampled_from([PART_MIN_BYTES, 5 * GIB, 5 * GIB + 1])
part_sizes = st.integers(PART_MIN_BYTES, PART_MAX_BYTES) | st.sampled_from([5 * MIB, 8 * MIB, 64 * MIB, GIB])


@given(sizes, part_sizes)
def test_an_even_plan_tiles_the_object_within_the_limits(size: int, part_size: int) -> None:
    plan = parts.even_plan(size, part_size)
    assert sum(run_size * count for run_size, count in plan.runs) == size
    assert 1 <= parts.parts_total(plan) <= PARTS_MAX
    *whole, last = plan.runs
    assert all(PART_MIN_BYTES <= run_size <= PART_MAX_BYTES for run_size, _ in whole)
    assert 1 <= last[0] <= PART_MAX_BYTES
    assert last[1] == 1 or last[0] >= PART_MIN_BYTES, "only the last part may be small"


@given(st.integers(1, 500), st.integers(1, 40))
def test_the_ranges_follow_on_each_other(size: int, part_size: int) -> None:
    ranges = list(parts.part_ranges(parts.even_plan(size, part_size)))
    assert [part.number for part in ranges] == list(range(1, len(ranges) + 1))
    assert ranges[0].first_byte == 0
    assert ranges[-1].last_byte == size - 1
    assert all(after.first_byte == before.last_byte + 1 for before, after in pairwise(ranges))
    assert sum(part.size for part in ranges) == size


@given(st.integers(1, LARGEST), part_sizes)
def test_the_plan_depends_on_nothing_else(size: int, part_size: int) -> None:
    assert parts.even_plan(size, part_size) == parts.even_plan(size, part_size)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=50))
def test_the_sources_own_boundaries_are_repeated(own: list[int]) -> None:
    plan = parts.plan_of_sizes(own)
    assert [part.size for part in parts.part_ranges(plan)] == own
    assert len(plan.runs) <= len(own)


@pytest.mark.parametrize(
    ("size", "part_size", "runs"),
    [
        (1, 5 * MIB, ((1, 1),)),
        (5 * MIB, 5 * MIB, ((5 * MIB, 1),)),
        (5 * MIB + 1, 5 * MIB, ((5 * MIB, 1), (1, 1))),
        (12 * MIB, 5 * MIB, ((5 * MIB, 2), (2 * MIB, 1))),
        (PARTS_MAX * 5 * MIB, 5 * MIB, ((5 * MIB, PARTS_MAX),)),
        # This is one byte too many for 10,000 parts of 5 MiB, so the part size is the next whole MiB.
        (PARTS_MAX * 5 * MIB + 1, 5 * MIB, ((6 * MIB, 8333), (2 * MIB + 1, 1))),
        (LARGEST, 64 * MIB, ((5118 * MIB, 9998), (LARGEST - 9998 * 5118 * MIB, 1))),
    ],
)
def test_cuts(size: int, part_size: int, runs: tuple[tuple[int, int], ...]) -> None:
    assert parts.even_plan(size, part_size).runs == runs


def test_more_than_s3_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="don't fit"):
        parts.even_plan(PARTS_MAX * PART_MAX_BYTES + 1, 5 * MIB)
