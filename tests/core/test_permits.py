"""Which permit of a semaphore a job may take, and when it leaves one for others."""

from collections.abc import Iterable
from random import Random

import pytest

from chalicelib.core.permits import Permit, PermitRequest, SemaphoreState, choose

NOW = 1_000_000
LATER = NOW + 90_000


def permit(number: int, job: str, weight: int = 4, until_ms: int = LATER, holder: str | None = None) -> Permit:
    return Permit("us-gov-west-1", "p", number, f"{job}-{number}" if holder is None else holder, job, weight, until_ms)


def permit_request(job: str, weight: int = 4, until_ms: int = LATER) -> PermitRequest:
    return PermitRequest("us-gov-west-1", "p", job, weight, until_ms)


def chosen(
    permits: Iterable[Permit],
    size: int,
    job: str = "a",
    weight: int = 4,
    requests: Iterable[PermitRequest] = (),
    uniform: float = 0,
) -> tuple[int, str] | None:
    return choose(SemaphoreState(tuple(permits), tuple(requests)), size, job, weight, NOW, uniform)


def test_an_empty_pool() -> None:
    assert chosen([], 1) == (1, "")
    assert {chosen([], 3, uniform=at / 10) for at in range(10)} == {(1, ""), (2, ""), (3, "")}


def test_a_full_pool() -> None:
    assert chosen([permit(1, "a"), permit(2, "b")], 2) is None


@pytest.mark.parametrize("unused", [permit(1, "b", until_ms=NOW), permit(1, "b", until_ms=0, holder="")])
def test_what_is_expired_or_free_is_taken_from_whom_it_says(unused: Permit) -> None:
    """The permit is taken from the holder that was seen there. If anybody took it meanwhile, this fails."""
    assert chosen([unused, permit(2, "b")], 2) == (1, unused.holder)


def test_a_pool_that_was_made_smaller_takes_nobody_until_it_is_below() -> None:
    permits = [permit(number, "b") for number in (3, 7, 9)]
    assert chosen(permits, 3) is None
    assert chosen(permits, 2) is None
    assert chosen(permits, 4) == (1, "")


def test_a_huge_pool_is_no_work() -> None:
    assert chosen([permit(number, "b") for number in range(1, 50)], 10**9) == (50, "")


def test_alone_a_job_takes_all() -> None:
    permits: list[Permit] = []
    for number in range(1, 25):
        assert chosen(permits, 24) == (number, "")
        permits.append(permit(number, "a"))
    assert chosen(permits, 24) is None


def test_who_has_his_share_leaves_the_free_permit_to_the_one_who_waits() -> None:
    permits = [permit(number, "a") for number in range(1, 24)]
    assert chosen(permits, 24, requests=[permit_request("b")]) is None
    assert chosen(permits, 24, job="b", requests=[permit_request("b")]) == (24, "")
    # Nobody else waits, so no permit is left free.
    assert chosen(permits, 24, requests=[permit_request("a"), permit_request("b", until_ms=NOW)]) == (24, "")
    # One free permit is left for each job that waits. The others are taken.
    assert chosen(permits[:-1], 24, requests=[permit_request("b")]) == (23, "")
    assert chosen(permits[:-1], 24, requests=[permit_request("b"), permit_request("c")]) is None


def test_everybody_may_have_one() -> None:
    """This holds however little the job weighs."""
    assert chosen([permit(1, "b", 16)], 2, weight=1, requests=[permit_request("b", 16)]) == (2, "")


@pytest.mark.parametrize(
    ("weights", "shares"),
    [((4, 4), (12, 12)), ((16, 4), (19, 5)), ((16, 1), (23, 1)), ((4, 1), (19, 5)), ((16, 4, 4), (16, 4, 4))],
)
def test_jobs_that_all_want_more_share_by_weight(weights: tuple[int, ...], shares: tuple[int, ...]) -> None:
    """The first job has all permits when the others come. Then permits are freed at random, and jobs ask in random
    order."""
    random = Random(1)
    names = [chr(ord("a") + index) for index in range(len(weights))]
    permits = {number: permit(number, "a", weights[0]) for number in range(1, 25)}
    waiting = [permit_request(name, weight) for name, weight in zip(names, weights, strict=True)]
    permits_held = dict.fromkeys(names, 0)
    rounds = 4000
    for turn in range(rounds):
        del permits[random.choice(sorted(permits))]
        for name, weight in random.sample(list(zip(names, weights, strict=True)), len(names)):
            choice = chosen(permits.values(), 24, name, weight, waiting, random.random())
            if choice is not None:
                permits[choice[0]] = permit(choice[0], name, weight)
        if turn >= rounds // 2:
            for name in names:
                permits_held[name] += sum(held_permit.job_id == name for held_permit in permits.values())
    for name, share in zip(names, shares, strict=True):
        assert abs(permits_held[name] / (rounds // 2) - share) < 1.2, permits_held
