"""Make many requests at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

THREADS = 8
"""Number of threads with which one client keeps the emulator busy."""

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def each(work: Callable[[T], R], items: Iterable[T]) -> Iterator[Iterator[R]]:
    """Call `work` on every thing, and give the results in order of completion. If the block is left early, by an error
    or Ctrl-C, calls that have not begun are cancelled."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="demo")
    try:
        futures = [pool.submit(work, item) for item in items]
        yield (future.result() for future in as_completed(futures))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
