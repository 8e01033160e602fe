"""Two workers run side by side, one at a time, and hand over at chosen calls. Each interleaving can be repeated."""

from collections.abc import Callable, Sequence
from threading import Semaphore, Thread
from typing import Any

JOIN_S = 30


class Turns:
    """`lengths` says how many calls each turn lasts. Turns alternate. After the last one, the worker whose turn it is
    runs to its end. A worker that has ended leaves the rest to the other one."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._lengths = list(lengths)
        self._batons = (Semaphore(0), Semaphore(0))
        self._ended = [False, False]
        self._left = self._next_length()
        self._errors: list[BaseException] = []

    def _next_length(self) -> int:
        return self._lengths.pop(0) if self._lengths else 1_000_000

    def tap(self, worker: int, port: object, is_counted: Callable[[str], bool]) -> Any:
        """Return the port as this worker calls it. A turn can end at each call that `is_counted` picks."""
        return _Tap(self, worker, port, is_counted)

    def call(self, worker: int) -> None:
        if self._left > 0 or self._ended[1 - worker]:
            self._left -= 1
            return
        self._left = self._next_length()
        self._batons[1 - worker].release()
        self._batons[worker].acquire()
        self._left -= 1

    def run(self, works: tuple[Callable[[], object], Callable[[], object]]) -> None:
        threads = [Thread(target=self._work, args=(worker, work), daemon=True) for worker, work in enumerate(works)]
        for thread in threads:
            thread.start()
        self._batons[0].release()
        for thread in threads:
            thread.join(JOIN_S)
            assert not thread.is_alive(), "a worker hangs"
        if self._errors:
            raise self._errors[0]

    def _work(self, worker: int, work: Callable[[], object]) -> None:
        self._batons[worker].acquire()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            self._errors.append(error)
        self._ended[worker] = True
        self._batons[1 - worker].release()


class _Tap:
    def __init__(self, turns: Turns, worker: int, port: object, is_counted: Callable[[str], bool]) -> None:
        self._turns, self._worker, self._port, self._is_counted = turns, worker, port, is_counted

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._is_counted(method):
                self._turns.call(self._worker)
            return real(*args, **kwargs)

        return call
