"""Test the Pool contract over threads and over the serial pool of the simulation."""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from chalicelib.adapters.system import ThreadPool
from chalicelib.core.errors import Retry
from chalicelib.ports import Pool
from simulation.memory.clock import SerialPool

WAIT_S = 20
"""A test waits so long for an event that must happen before it fails. It does not wait for an event that happens at
once."""


@pytest.fixture(params=["threads", "one thread", "serial"])
def pool(request: pytest.FixtureRequest) -> Pool:
    pools: dict[str, Callable[[], Pool]] = {
        "threads": lambda: ThreadPool(8, "test"),
        "one thread": lambda: ThreadPool(1, "test"),
        "serial": SerialPool,
    }
    return pools[request.param]()


def test_results_come_in_the_order_of_the_items(pool: Pool) -> None:
    assert pool.map(lambda n: n * n, range(1000)) == [n * n for n in range(1000)]


@pytest.mark.parametrize("items", [[], ["only"]])
def test_few_items(pool: Pool, items: list[str]) -> None:
    assert pool.map(str.upper, items) == [item.upper() for item in items]
    assert pool.map(str.upper, items, tick=lambda: None) == [item.upper() for item in items]


def test_items_may_be_an_iterator(pool: Pool) -> None:
    assert pool.map(str, iter([1, 2, 3])) == ["1", "2", "3"]


def test_none_is_a_result(pool: Pool) -> None:
    assert pool.map(lambda _: None, range(3)) == [None, None, None]


def test_an_exception_reaches_the_caller(pool: Pool) -> None:
    def work(n: int) -> int:
        if n == 3:
            raise Retry("SlowDown", f"item {n}")
        return n

    with pytest.raises(Retry, match="item 3"):
        pool.map(work, range(10))


def test_a_pool_is_usable_after_a_failure(pool: Pool) -> None:
    def fail(_: int) -> None:
        raise Retry("SlowDown")

    for _ in range(3):
        with pytest.raises(Retry):
            pool.map(fail, range(20))
    assert pool.map(str, range(20)) == [str(n) for n in range(20)]


@pytest.mark.parametrize("ticking", [ThreadPool(2, "test", tick_s=0.001), SerialPool()], ids=["threads", "serial"])
def test_an_exception_of_tick_reaches_the_caller(ticking: Pool) -> None:
    stop = threading.Event()

    def tick() -> None:
        stop.set()
        raise Retry("OutOfTime", "tick")

    with pytest.raises(Retry, match="tick"):
        ticking.map(lambda _: stop.wait(WAIT_S), range(10), tick)


# --- threads alone ------------------------------------------------------------------------------------------------


def test_items_run_side_by_side() -> None:
    together = threading.Barrier(8)
    assert ThreadPool(8, "test").map(lambda _: together.wait(WAIT_S) >= 0, range(8)) == [True] * 8


def test_tick_is_called_again_and_again_while_work_runs() -> None:
    enough, ticks, callers = threading.Event(), [0], set[str]()

    def tick() -> None:
        ticks[0] += 1
        callers.add(threading.current_thread().name)
        if ticks[0] == 3:
            enough.set()

    done = ThreadPool(2, "test", tick_s=0.001).map(lambda _: enough.wait(WAIT_S), range(2), tick)
    assert done == [True, True]
    assert callers == {threading.current_thread().name}


def test_tick_is_called_for_a_single_item_too() -> None:
    ticked = threading.Event()
    assert ThreadPool(2, "test", tick_s=0.001).map(lambda _: ticked.wait(WAIT_S), ["one"], ticked.set) == [True]


def test_ticks_do_not_follow_the_items() -> None:
    """A heartbeat is due by time: ten thousand fast items cause far fewer than ten thousand ticks."""
    ticks: list[int] = []
    ThreadPool(8, "test", tick_s=60).map(lambda n: n, range(10_000), lambda: ticks.append(1))
    assert ticks == []


def test_what_has_not_begun_is_not_begun_after_a_failure() -> None:
    begun: list[int] = []

    def work(n: int) -> None:
        begun.append(n)
        raise Retry("SlowDown", str(n))

    with pytest.raises(Retry):
        ThreadPool(2, "test").map(work, range(1000))
    assert len(begun) <= 2


def test_what_runs_has_ended_when_the_failure_is_raised() -> None:
    running, failed, ended = threading.Event(), threading.Event(), threading.Event()

    def work(n: int) -> None:
        if n == 0:
            running.wait(WAIT_S)
            failed.set()
            raise Retry("SlowDown", "the first")
        running.set()
        failed.wait(WAIT_S)
        ended.set()
        raise Retry("SlowDown", "a later one")

    with pytest.raises(Retry, match="the first"):
        ThreadPool(2, "test").map(work, range(2))
    assert ended.is_set()


def test_what_runs_has_ended_when_ticks_failure_is_raised() -> None:
    stop, ended = threading.Event(), list[int]()

    def work(n: int) -> None:
        stop.wait(WAIT_S)
        ended.append(n)

    def tick() -> None:
        stop.set()
        raise Retry("OutOfTime")

    with pytest.raises(Retry):
        ThreadPool(3, "test", tick_s=0.001).map(work, range(100), tick)
    assert len(ended) <= 3


def test_a_failure_does_not_wait_for_another_maps_items() -> None:
    """Two maps share the pool's only thread. The one that fails while it still queues must not hang."""
    pool = ThreadPool(1, "test", tick_s=0.001)
    occupied, release = threading.Event(), threading.Event()
    first: Future[list[bool]] = Future()

    def occupy(_: int) -> bool:
        occupied.set()
        return release.wait(WAIT_S)

    thread = threading.Thread(target=lambda: first.set_result(pool.map(occupy, range(2))))
    thread.start()
    assert occupied.wait(WAIT_S)

    def tick() -> None:
        raise Retry("OutOfTime")

    with pytest.raises(Retry):
        pool.map(str, range(5), tick)
    assert not first.done()
    release.set()
    assert first.result(WAIT_S) == [True, True]
    thread.join()


def test_two_pools_may_be_nested() -> None:
    """Copy nests two pools: one for rows, the other for the parts of large rows. There are more of both than
    threads."""
    rows, parts = ThreadPool(4, "row"), ThreadPool(2, "part")
    sums = rows.map(lambda row: sum(parts.map(lambda part: row * part, range(10))), range(50))
    assert sums == [row * 45 for row in range(50)]


def test_ten_thousand_items() -> None:
    """This is more than the rows of a partition. The wait for one future per item took 3 s of CPU; the wait for the
    threads takes 0.2 s."""
    assert ThreadPool(32, "test").map(lambda n: n, range(10_000)) == list(range(10_000))
