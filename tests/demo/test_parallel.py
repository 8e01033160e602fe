import threading

import pytest

from local.demo import parallel


def test_every_result():
    with parallel.each(lambda number: number * 2, range(100)) as results:
        assert sorted(results) == list(range(0, 200, 2))


def test_an_error_gives_up_what_has_not_begun():
    begun: list[int] = []
    failed = threading.Event()

    def work(number):
        begun.append(number)
        if number == 0:
            raise ValueError("broken")
        failed.wait(10)

    def use():
        with parallel.each(work, range(1000)) as results:
            for _ in results:
                pass

    with pytest.raises(ValueError, match="broken"):
        use()
    failed.set()
    assert len(begun) <= parallel.THREADS + 1


def test_leaving_early_gives_up_what_has_not_begun():
    begun: list[int] = []
    left = threading.Event()

    def work(number):
        begun.append(number)
        if number > 0:
            left.wait(10)

    with parallel.each(work, range(1000)) as results:
        next(results)
    left.set()
    assert len(begun) <= parallel.THREADS + 1
