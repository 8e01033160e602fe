"""Which slot of a pool a job may take, and when it leaves one for others."""

from collections.abc import Iterable
from random import Random

import pytest

from chalicelib.core.slots import Slot, SlotPool, Waiter, choose

NOW = 1_000_000
LATER = NOW + 90_000


def slot(number: int, job: str, weight: int = 4, until_ms: int = LATER, holder: str | None = None) -> Slot:
    return Slot("us-gov-west-1", "p", number, f"{job}-{number}" if holder is None else holder, job, weight, until_ms)


def waiter(job: str, weight: int = 4, until_ms: int = LATER) -> Waiter:
    return Waiter("us-gov-west-1", "p", job, weight, until_ms)


def chosen(
    slots: Iterable[Slot],
    size: int,
    job: str = "a",
    weight: int = 4,
    waiters: Iterable[Waiter] = (),
    uniform: float = 0,
) -> tuple[int, str] | None:
    return choose(SlotPool(tuple(slots), tuple(waiters)), size, job, weight, NOW, uniform)


def test_an_empty_pool() -> None:
    assert chosen([], 1) == (1, "")
    assert {chosen([], 3, uniform=at / 10) for at in range(10)} == {(1, ""), (2, ""), (3, "")}


def test_a_full_pool() -> None:
    assert chosen([slot(1, "a"), slot(2, "b")], 2) is None


@pytest.mark.parametrize("gone", [slot(1, "b", until_ms=NOW), slot(1, "b", until_ms=0, holder="")])
def test_what_is_expired_or_free_is_taken_from_whom_it_says(gone: Slot) -> None:
    """By the holder that was seen there: if anybody took it meanwhile, the taking fails."""
    assert chosen([gone, slot(2, "b")], 2) == (1, gone.holder)


def test_a_pool_that_was_made_smaller_takes_nobody_until_it_is_below() -> None:
    taken = [slot(number, "b") for number in (3, 7, 9)]
    assert chosen(taken, 3) is None
    assert chosen(taken, 2) is None
    assert chosen(taken, 4) == (1, "")


def test_a_huge_pool_is_no_work() -> None:
    assert chosen([slot(number, "b") for number in range(1, 50)], 10**9) == (50, "")


def test_alone_a_job_takes_all() -> None:
    taken: list[Slot] = []
    for number in range(1, 25):
        assert chosen(taken, 24) == (number, "")
        taken.append(slot(number, "a"))
    assert chosen(taken, 24) is None


def test_who_has_his_share_leaves_the_free_slot_to_the_one_who_waits() -> None:
    taken = [slot(number, "a") for number in range(1, 24)]
    assert chosen(taken, 24, waiters=[waiter("b")]) is None
    assert chosen(taken, 24, job="b", waiters=[waiter("b")]) == (24, "")
    # Nobody else waits: it is idle for nobody.
    assert chosen(taken, 24, waiters=[waiter("a"), waiter("b", until_ms=NOW)]) == (24, "")
    # One free slot for each that waits; the others are taken.
    assert chosen(taken[:-1], 24, waiters=[waiter("b")]) == (23, "")
    assert chosen(taken[:-1], 24, waiters=[waiter("b"), waiter("c")]) is None


def test_everybody_may_have_one() -> None:
    """However little it weighs."""
    assert chosen([slot(1, "b", 16)], 2, weight=1, waiters=[waiter("b", 16)]) == (2, "")


@pytest.mark.parametrize(
    ("weights", "shares"),
    [((4, 4), (12, 12)), ((16, 4), (19, 5)), ((16, 1), (23, 1)), ((4, 1), (19, 5)), ((16, 4, 4), (16, 4, 4))],
)
def test_jobs_that_all_want_more_share_by_weight(weights: tuple[int, ...], shares: tuple[int, ...]) -> None:
    """The first has all slots when the others come; slots are freed at random, and whoever comes first asks first."""
    random = Random(1)
    names = [chr(ord("a") + index) for index in range(len(weights))]
    taken = {number: slot(number, "a", weights[0]) for number in range(1, 25)}
    waiting = [waiter(name, weight) for name, weight in zip(names, weights, strict=True)]
    held = dict.fromkeys(names, 0)
    rounds = 4000
    for turn in range(rounds):
        del taken[random.choice(sorted(taken))]
        for name, weight in random.sample(list(zip(names, weights, strict=True)), len(names)):
            found = chosen(taken.values(), 24, name, weight, waiting, random.random())
            if found is not None:
                taken[found[0]] = slot(found[0], name, weight)
        if turn >= rounds // 2:
            for name in names:
                held[name] += sum(there.job_id == name for there in taken.values())
    for name, share in zip(names, shares, strict=True):
        assert abs(held[name] / (rounds // 2) - share) < 1.2, held
