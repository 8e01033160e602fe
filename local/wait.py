"""Wait for a condition, never for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable

_POLL_SECONDS = 0.05


class WaitError(RuntimeError):
    """The condition did not come true in time."""


def wait_until(condition: Callable[[], bool], expectation: str, timeout_s: float) -> None:
    """Return once `condition` holds. Raises WaitError, which says that `expectation` didn't happen, after `timeout_s`
    seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise WaitError(f"{expectation}: not within {timeout_s:g} s")
        time.sleep(_POLL_SECONDS)
