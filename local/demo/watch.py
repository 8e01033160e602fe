"""Wait for jobs and deliveries, show their progress, and give up when nothing moves any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local.demo.api import Api, Json
from local.demo.model import DemoError, Route
from local.demo.screen import Bar, count, eta, size
from local.demo.store import Store

POLL_S = 0.5
STALLED_S = 180.0
"""Time, in seconds, without progress that counts as failure: the sweep repairs a lost message within two minutes."""
TOTAL_S = 3600.0
_FEED = Route.FEED.value
_FINAL = frozenset({"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"})


@dataclass
class Deadline:
    """The time limits of one wait."""

    subject: str
    logs: Path
    now: Callable[[], float] = time.monotonic
    _begun: float = field(init=False)
    _moved: float = field(init=False)
    _last: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._begun = self._moved = self.now()

    def see(self, state: str) -> None:
        """Record the current state. Raises DemoError once nothing has moved for too long, or the whole wait takes too
        long."""
        now_s = self.now()
        if state != self._last:
            self._last, self._moved = state, now_s
        stalled_s, total_s = now_s - self._moved, now_s - self._begun
        if stalled_s > STALLED_S:
            raise self._over(f"nothing has moved for {stalled_s:.0f} s")
        if total_s > TOTAL_S:
            raise self._over(f"not done after {total_s:.0f} s")

    def _over(self, reason: str) -> DemoError:
        return DemoError(
            f"{self.subject}: {reason}. Its last state: {self._last}.\n"
            f"The functions' logs, {self.logs}/<Region>/<function>.log, say what they did."
        )


class Watch(Protocol):
    """Something to wait for."""

    def done(self) -> bool:
        """Look once, show the state, and return whether the wait is over."""


def wait_for(watches: Iterable[Watch]) -> None:
    pending = list(watches)
    while pending := [watch for watch in pending if not watch.done()]:
        time.sleep(POLL_S)


@dataclass
class JobWatch:
    """Waits for a job, as GET /jobs/{id} shows it, until it is settled."""

    api: Api
    bar: Bar
    deadline: Deadline
    job: Json
    """The newest answer."""

    def done(self) -> bool:
        self.job = self.api.job(self.job["id"])
        text = told_of_job(self.job)
        progress = self.job["progress"]
        # Until planning is finished the total is unknown: then the bar only shows that something happens.
        is_total_known = progress["planning_finished"] and progress["objects_planned"]
        self.bar.show(progress["objects_done"], progress["objects_planned"] if is_total_known else None, text)
        self.deadline.see(f"{self.job['state']}, {text}")
        return self.job["state"] in _FINAL


def told_of_job(job: Json) -> str:
    progress = job["progress"]
    if job["state"] in _FINAL:
        return f"{job['state']:<11}{count(progress['objects_done'])} objects  {size(progress['bytes_done'])}"
    objects = f"{count(progress['objects_done'])}/{count(progress['objects_planned'])} objects"
    volume = f"{size(progress['bytes_done'])}/{size(progress['bytes_planned'])}"
    return f"{job['phase']:<11}{objects}  {volume}{eta(progress['eta_seconds'])}"


@dataclass
class FeedWatch:
    """Waits for the feed's deliveries, as seen at the target. A feed that stalls ends the wait, not the demo: the
    comparison then shows what is missing."""

    store: Store
    bar: Bar
    deadline: Deadline
    objects: int
    given_up: str = ""

    def done(self) -> bool:
        delivered = self.store.count(_FEED.target_side, _FEED.target_prefix)
        arrived = delivered >= self.objects
        text = (
            f"{'delivered' if arrived else 'deliver':<11}{count(delivered)}/{count(self.objects)} objects at the target"
        )
        self.bar.show(delivered, self.objects, text)
        try:
            self.deadline.see(text)
        except DemoError as error:
            self.given_up = str(error)
        return arrived or bool(self.given_up)
