"""Clock, randomness, ids, threads and the log: the machine itself."""

import json
import random
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

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


class ThreadPool:
    """`ports.Pool` over threads. S3 calls wait on the network, so threads are enough."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._executor = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)

    def map(self, work: Callable[[T], R], items: Iterable[T], tick: Callable[[], None] | None = None) -> list[R]:
        todo = list(items)
        if len(todo) <= 1 and tick is None:
            return [work(item) for item in todo]
        futures = [self._executor.submit(work, item) for item in todo]
        try:
            pending = set(futures)
            while pending:
                done, pending = wait(pending, timeout=TICK_S, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if tick is not None:
                    tick()
        except BaseException:
            for future in futures:
                future.cancel()
            wait(futures)
            raise
        return [future.result() for future in futures]


def log(event: str, **fields: object) -> None:
    """One JSON line on stderr, which Lambda keeps. `trace=True` adds the current exception's traceback."""
    if fields.pop("trace", False):
        fields["traceback"] = traceback.format_exc()
    print(json.dumps({"event": event, **fields}, default=str, ensure_ascii=False), file=sys.stderr, flush=True)  # noqa: T201
