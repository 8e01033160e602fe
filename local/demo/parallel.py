"""Many requests at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

THREADS = 8
"""What one client needs to keep the emulator busy."""

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def each(work: Callable[[T], R], things: Iterable[T]) -> Iterator[Iterator[R]]:
    """The results as they come. Leaving early, by an error or Ctrl-C, gives up what has not begun."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="demo")
    try:
        futures = [pool.submit(work, thing) for thing in things]
        yield (done.result() for done in as_completed(futures))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
