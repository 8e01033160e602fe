"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

_POLL_SECONDS = 0.05


class WaitError(RuntimeError):
    """What was waited for did not come to be."""


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float) -> None:
    """Return once `condition` holds; after `timeout_s` raise WaitError saying `what` didn't happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise WaitError(f"{what}: not within {timeout_s:g} s")
        time.sleep(_POLL_SECONDS)
