"""Names that both Regions derive alike, and that never collide by accident."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import ids

words = st.text(st.characters(codec="utf-8"), max_size=6)
pins = st.lists(st.tuples(words, words, words), max_size=4)


submissions = st.tuples(words, words, st.sampled_from(["us-gov-west-1", "us-gov-east-1"]))


@given(submissions, submissions)
def test_job_ids_follow_from_tenant_token_and_the_targets_region(
    left: tuple[str, str, str], right: tuple[str, str, str]
) -> None:
    assert ids.is_job_id(ids.job_id(*left))
    assert (ids.job_id(*left) == ids.job_id(*right)) == (left == right)


@given(words, pins, st.integers(0, 3), st.randoms())
def test_a_batch_in_another_order_is_the_same_job(
    feed: str, batch: list[tuple[str, str, str]], attempt: int, chance
) -> None:
    shuffled = list(batch)
    chance.shuffle(shuffled)
    assert ids.feed_job_id(feed, batch, attempt) == ids.feed_job_id(feed, shuffled, attempt)
    assert ids.is_job_id(ids.feed_job_id(feed, batch, attempt))
    assert ids.feed_job_id(feed, batch, attempt) != ids.feed_job_id(feed, batch, attempt + 1)


@given(words, words, pins, pins)
def test_other_batches_are_other_jobs(
    feed: str, other: str, left: list[tuple[str, str, str]], right: list[tuple[str, str, str]]
) -> None:
    same = feed == other and sorted(left) == sorted(right)
    assert (ids.feed_job_id(feed, left, 0) == ids.feed_job_id(other, right, 0)) == same


def test_words_that_run_into_each_other_are_told_apart() -> None:
    assert ids.job_id("ab", "c", "") != ids.job_id("a", "bc", "")
    assert ids.job_id("a\x00", "b", "") != ids.job_id("a", "\x00b", "")
    assert ids.object_id("a", "b/c") != ids.object_id("a/b", "c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job-",
        "job-" + "a" * 25,
        "job-" + "a" * 27,
        "job-" + "A" * 26,
        "job-" + "1" * 26,
        "x" * 30,
        "job-" + "a" * 26 + "\n",
    ],
)
def test_what_is_no_job_id(text: str) -> None:
    assert not ids.is_job_id(text)


@given(st.from_regex(r"r[01]{0,20}", fullmatch=True), st.integers(1, 999_999))
def test_partition_ids_there_and_back(range_id: str, ordinal: int) -> None:
    assert ids.split_partition_id(ids.partition_id_of(range_id, ordinal)) == (range_id, ordinal)


@given(st.integers(1, 999_998))
def test_partition_ids_sort_like_their_ordinals(ordinal: int) -> None:
    assert ids.partition_id_of("r", ordinal) < ids.partition_id_of("r", ordinal + 1)


@pytest.mark.parametrize(
    "text", ["", "r", "r-1", "r-0000001", "r2-000001", "x-000001", "r-00000a", "r-000001\n", "-000001"]
)
def test_what_is_no_partition_id(text: str) -> None:
    with pytest.raises(ValueError, match="not a partition id"):
        ids.split_partition_id(text)


@given(words, words)
def test_object_ids_are_short_and_safe_in_keys(bucket: str, key: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", ids.object_id(bucket, key))
