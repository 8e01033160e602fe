"""A range with keys on both sides of a bound can always be divided, whatever the keys are."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core.keyrange import divide, just_below

ALPHABETS = [
    "ab",
    "0123456789",
    "01/-_.",
    " +%~\x7f",
    "\x01\x02\x1f !",
    "aüñß日本\u3042",
    "\ud7ff\ue000\uffff\U00010000",
    "\U0001f300\U0001f5ff\U0010fffe\U0010ffff",
    "a\x7f\x80\U0010ffff",
]
words = st.sampled_from(ALPHABETS).flatmap(lambda alphabet: st.text(alphabet, max_size=8))
any_text = st.text(st.characters(codec="utf-8"), max_size=6)
key_sets = st.tuples(
    st.sampled_from(["", "in/", "in/2024/01/31/", "\U0010ffff\U0010ffff", "日本語/"]),
    st.sets(st.one_of(words, any_text), min_size=1, max_size=30),
).map(lambda pair: sorted({pair[0] + word for word in pair[1]} - {""}))


def questions(keys: list[str]):
    """Answers as S3 would, in the order of UTF-8 bytes, and counts the questions."""
    encoded = [key.encode() for key in keys]
    bounds: list[str] = []

    def any_above(bound: str) -> bool:
        bounds.append(bound)
        return any(key > bound.encode() for key in encoded)

    return any_above, bounds


@given(key_sets)
@example(["a", "aa", "aaa", "aaaa"])
@example(["a", "b"])
@example(["a\U0010ffff", "b"])
@example(["\ud7ff", "\ue000"])
@example(["\ud7ffx", "\ue000"])
@example(["\U0010ffff", "\U0010ffff\U0010ffff"])
@example(["a", "a\x01"])
@example(["\x7f", "\x80"])
def test_the_bound_has_keys_on_both_sides(keys: list[str]) -> None:
    if not keys:
        return
    any_above, questions_asked = questions(keys)
    bound = divide(keys[0], any_above)
    if len(keys) == 1:
        assert bound is None
        return
    assert bound is not None
    assert keys[0] <= bound < keys[-1]
    assert len(questions_asked) <= 45
    bound.encode()  # There are no surrogates, because S3 would not take them.


@given(key_sets)
def test_dividing_again_and_again_ends_with_every_key_by_itself(keys: list[str]) -> None:
    def leaves(partition_id: list[str]) -> list[str]:
        if not partition_id:
            return []
        bound = divide(partition_id[0], questions(partition_id)[0])
        if bound is None:
            assert len(partition_id) == 1
            return partition_id
        left = [key for key in partition_id if key <= bound]
        right = [key for key in partition_id if key > bound]
        assert left
        assert right
        return leaves(left) + leaves(right)

    assert leaves(keys) == keys


@pytest.mark.parametrize(
    "keys",
    [
        [f"in/{number:06d}" for number in range(4096)],
        [f"in/2024/12/31/23/59/59/part-{number:05d}.csv" for number in range(4096)],
        [f"in/{chr(0x4E00 + number)}" for number in range(4096)],
        [f"in/{chr(0x1F300 + number % 64)}{chr(0x1F600 + number // 64)}" for number in range(4096)],
        [f"{number * 2654435761 % 2**32:08x}" for number in range(4096)],
    ],
    ids=["numbers", "deep", "cjk", "emoji", "hashes"],
)
def test_ordinary_keys_are_divided_well(keys: list[str]) -> None:
    """Neither half holds more than 9 in 10 keys, so the number of range splits is logarithmic."""
    keys = sorted(keys)
    any_above, questions_asked = questions(keys)
    bound = divide(keys[0], any_above)
    assert bound is not None
    lower_half = sum(1 for key in keys if key <= bound)
    assert len(keys) // 10 <= lower_half <= len(keys) * 9 // 10
    assert len(questions_asked) <= 40


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_a_bound_just_below_a_key(key: str) -> None:
    bound = just_below(key)
    assert bound < key or (key, bound) == ("", "")
    if len(key) > 1:
        assert bound >= key[:-1]
    assert just_below_itself_fits(key)


def just_below_itself_fits(key: str) -> bool:
    longest = (key or "x") * 1024
    return len(just_below(longest.encode()[:1024].decode(errors="ignore")).encode()) <= 1024
