"""Many requests at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

THREADS = 8
"""What one client needs to keep the emulator busy."""

T = TypeVar("T")
R = TypeVar("R")


def each(work: Callable[[T], R], things: Iterable[T]) -> Iterator[R]:
    """The results as they come. An error, or a caller who stops listening, stops the rest."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="demo")
    try:
        for done in as_completed([pool.submit(work, thing) for thing in things]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
