"""One virtual clock drives many processes, one at a time."""

from collections.abc import Callable

import pytest

from simulation.run.calls import PoolOfThreads
from simulation.run.scheduler import Scheduler


def test_who_is_due_first_goes_on_first() -> None:
    scheduler, steps = Scheduler(), []

    def walker(name: str, pace_ms: int) -> Callable[[], None]:
        def walk() -> None:
            for _ in range(3):
                scheduler.wait(pace_ms)
                steps.append((scheduler.now_ms, name))

        return walk

    scheduler.start("slow", "", walker("slow", 30))
    scheduler.start("fast", "", walker("fast", 10))
    scheduler.run(1000)
    assert steps == [(10, "fast"), (20, "fast"), (30, "slow"), (30, "fast"), (60, "slow"), (90, "slow")]
    assert scheduler.now_ms == 1000


def test_whoever_is_killed_never_goes_on_and_cannot_survive_it() -> None:
    scheduler, steps = Scheduler(), []
    ends: list[bool] = []

    def stubborn() -> None:
        try:
            scheduler.wait(10)
            steps.append("before")
            scheduler.wait(100)
            steps.append("after")
        except Exception:  # noqa: BLE001 - as the product does
            steps.append("survived")

    process = scheduler.start("stubborn", "", stubborn, ends.append)
    scheduler.at(50, lambda: scheduler.kill(process))
    scheduler.run(1000)
    assert (steps, ends) == (["before"], [False])


def test_a_process_that_dies_takes_all_its_threads_along() -> None:
    scheduler, steps = Scheduler(), []
    ends: list[bool] = []

    def work(item: int) -> None:
        scheduler.wait(10 * item)
        if item == 2:
            scheduler.die()
        steps.append(item)

    scheduler.start("process", "", lambda: PoolOfThreads(scheduler, 3).map(work, [1, 2, 3]), ends.append)
    scheduler.run(1000)
    assert (steps, ends) == ([1], [False])


def test_whoever_is_frozen_goes_on_as_if_no_time_had_passed() -> None:
    scheduler, steps_ms = Scheduler(), []

    def work() -> None:
        scheduler.wait(10)
        steps_ms.append(scheduler.now_ms)

    process = scheduler.start("sleeper", "", work)
    scheduler.at(5, lambda: scheduler.freeze(process))
    scheduler.at(500, lambda: scheduler.thaw(process))
    scheduler.run(1000)
    assert steps_ms == [500]


def test_a_pool_works_side_by_side_and_ticks_meanwhile() -> None:
    scheduler, results, ticks = Scheduler(), [], []

    def work(item: int) -> int:
        scheduler.wait(1000 * item)
        return item * item

    def run() -> None:
        results.extend(PoolOfThreads(scheduler, 2).map(work, [3, 1, 1], lambda: ticks.append(scheduler.now_ms)))

    scheduler.start("pool", "", run)
    scheduler.run(60_000)
    assert results == [9, 1, 1]
    assert ticks[:2] == [1000, 2000]


@pytest.mark.parametrize("width", [1, 2])
def test_a_pools_first_error_is_raised_and_what_has_not_begun_is_not_begun(width: int) -> None:
    scheduler, begun, errors = Scheduler(), [], []

    def work(item: int) -> None:
        begun.append(item)
        scheduler.wait(10 * item)
        if item == 1:
            raise ValueError(item)

    def run() -> None:
        try:
            PoolOfThreads(scheduler, width).map(work, [1, 2, 3, 4], lambda: None)
        except ValueError as error:
            errors.append((str(error), scheduler.now_ms))

    scheduler.start("pool", "", run)
    scheduler.run(60_000)
    assert begun == [1, 2][:width]
    assert errors == [("1", 10 * width)], "raised when what ran has ended"
