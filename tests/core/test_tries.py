"""Rounds in vain: how the next record counts a row's rounds."""

from chalicelib.core.errors import Denied, EftError, Retry
from chalicelib.core.policy import Policy
from chalicelib.core.tries import TriedRow, is_given_up, tried_again


def after(before: TriedRow | None, error: EftError, now_ms: int, *, counts: bool = True) -> TriedRow:
    rows_before = {} if before is None else {before.index: before}
    (row,) = tried_again(rows_before, {3: "k"}, {3: error}, counted={3} if counts else (), now_ms=now_ms)
    return row


def test_rounds_add_up_and_what_was_seen_is_kept() -> None:
    first = after(None, Retry("SlowDown", "one"), 10)
    second = after(first, Denied("AccessDenied", "two"), 20)
    third = after(second, Retry("SlowDown", "three"), 30, counts=False)
    assert [row.rounds for row in (first, second, third)] == [1, 2, 2]
    assert (third.index, third.key, third.since_ms) == (3, "k", 10)
    assert third.codes == {"SlowDown": 2, "AccessDenied": 1}
    assert ("one" in third.first, "three" in third.last) == (True, True)


def test_a_row_is_given_up_when_its_rounds_are_used_up() -> None:
    row = None
    for rounds in range(1, Policy().row_rounds_max + 1):
        row = after(row, Retry("SlowDown"), rounds)
        assert is_given_up(row, Policy()) == (rounds == Policy().row_rounds_max)
