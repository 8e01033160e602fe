"""Implement the ports to the machine itself: clock, randomness, ids, threads and the log."""

import json
import random
import secrets
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
TICK_S = 1.0


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def sleep_ms(self, duration_ms: int) -> None:
        time.sleep(duration_ms / 1000)


class SystemRng:
    def uniform(self) -> float:
        return random.random()


class UuidIds:
    def nonce(self) -> str:
        return uuid.uuid4().hex

    def secret(self) -> bytes:
        return secrets.token_bytes(32)


class ThreadPool:
    """`ports.Pool` over threads. S3 calls wait on the network, so threads are enough.

    A map inside a map needs another pool: its items would wait for threads that wait for them.
    """

    def __init__(self, size: int, name: str, tick_s: float = TICK_S) -> None:
        self._size = size
        self._tick_s = tick_s
        self._executor = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    def map(self, work: Callable[[T], R], items: Iterable[T], tick: Callable[[], None] | None = None) -> list[R]:
        run = _Run(work, list(items))
        if len(run.items) <= 1 and tick is None:
            run.work_off()
        else:
            self._work_off(run, tick)
        if run.failure is not None:
            raise run.failure
        return [run.results[index] for index in range(len(run.items))]

    def _work_off(self, run: "_Run[T, R]", tick: Callable[[], None] | None) -> None:
        # One future a thread rather than an item: waiting for ten thousand futures costs more than small items do.
        threads = [self._executor.submit(run.work_off) for _ in range(min(self._size, len(run.items)))]
        try:
            waiting = set(threads)
            while waiting:
                _, waiting = wait(waiting, timeout=self._tick_s)
                if waiting and tick is not None and run.failure is None:
                    tick()
        except BaseException as error:  # noqa: BLE001 - tick's, or Ctrl-C: raised by map once what runs has ended
            run.fail(error)
            wait([thread for thread in threads if not thread.cancel()])


class _Run(Generic[T, R]):
    """The items of one map, shared by the threads that work them off."""

    def __init__(self, work: Callable[[T], R], items: list[T]) -> None:
        self.items = items
        self.results: dict[int, R] = {}
        self.failure: BaseException | None = None
        """The first exception. Once it is set, no further item is started."""
        self._work = work
        self._upcoming = iter(enumerate(items))
        self._lock = Lock()

    def work_off(self) -> None:
        """Process items until there are none left."""
        while (numbered_item := self._take()) is not None:
            index, item = numbered_item
            try:
                self.results[index] = self._work(item)
            except BaseException as error:  # noqa: BLE001 - whatever it is, map's caller gets it
                self.fail(error)

    def fail(self, error: BaseException) -> None:
        with self._lock:
            if self.failure is None:
                self.failure = error

    def _take(self) -> tuple[int, T] | None:
        with self._lock:
            return None if self.failure is not None else next(self._upcoming, None)


def log(event: str, **fields: object) -> None:
    """Write one JSON line to stderr, which Lambda keeps. `trace=True` adds the current exception's traceback.

    Half a surrogate pair in a key is shown escaped: it must not break the work that the line is about.
    """
    if fields.pop("trace", False):
        fields["traceback"] = traceback.format_exc()
    line = json.dumps({"event": event, **fields}, default=str, ensure_ascii=False)
    # Write a line at once: print makes two writes, and another thread's line can get between them.
    sys.stderr.write(line.encode(errors="backslashreplace").decode() + "\n")
    sys.stderr.flush()
