"""Put time, randomness, names, concurrency and the log under the test's control."""

import hashlib
import json
import random
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from chalicelib.core.jobs import JobSpec, Terminal
from chalicelib.ports import Delivery
from chalicelib.protocol import notices

T = TypeVar("T")
R = TypeVar("R")

START_MS = 1_800_000_000_000


class VirtualClock:
    """Implements `ports.Clock`. It stands still until somebody sleeps or advances it."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def sleep_ms(self, duration_ms: int) -> None:
        self.advance(duration_ms)

    def advance(self, duration_ms: int) -> None:
        if duration_ms < 0:
            raise ValueError("time doesn't run backwards")
        self._now_ms += duration_ms


class SeededRng:
    """Implements `ports.Rng`: the same seed gives the same numbers."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def uniform(self) -> float:
        return self._random.random()


class SequentialIds:
    """Implements `ports.Ids`. Two instances need different prefixes, or their nonces collide."""

    def __init__(self, prefix: str = "nonce") -> None:
        self._prefix = prefix
        self._made = 0

    def nonce(self) -> str:
        self._made += 1
        return f"{self._prefix}-{self._made:06d}"

    def secret(self) -> bytes:
        return hashlib.sha256(self.nonce().encode()).digest()


class SerialPool:
    """Implements `ports.Pool` one by one, in order, with a tick before each item and one at the end."""

    def map(self, work: Callable[[T], R], items: Iterable[T], tick: Callable[[], None] | None = None) -> list[R]:
        results: list[R] = []
        for item in items:
            if tick is not None:
                tick()
            results.append(work(item))
        if tick is not None:
            tick()
        return results


class MemoryNotifier:
    """Implements `ports.Notifier`: keeps all events."""

    def __init__(self) -> None:
        self.settled: list[tuple[JobSpec, Terminal]] = []
        self.failed: list[Delivery] = []
        self.stopped: list[tuple[str, str, str]] = []
        """Tenant and name of each feed, and the reason."""
        self.events: list[str] = []
        """The events that rules put on queues."""
        self.failed_feeds: list[tuple[str, str]] = []
        """Tenant and name of the feed of each failed delivery."""

    def job_settled(self, spec: JobSpec, terminal: Terminal) -> None:
        self.settled.append((spec, terminal))
        self._keep(notices.JOB_SETTLED, notices.job_settled(spec, terminal))

    def delivery_failed(self, tenant: str, feed: str, delivery: Delivery) -> None:
        self.failed.append(delivery)
        self.failed_feeds.append((tenant, feed))
        self._keep(notices.DELIVERY_FAILED, notices.delivery_failed(tenant, feed, delivery))

    def feed_stopped(self, tenant: str, feed: str, pause: str, why: str, at_ms: int) -> None:
        self.stopped.append((tenant, feed, why))
        self._keep(notices.FEED_STOPPED, notices.feed_stopped(tenant, feed, pause, why, at_ms))

    def _keep(self, kind: str, detail: dict[str, Any]) -> None:
        """Keep an event as EventBridge passes it on."""
        self.events.append(json.dumps({"source": notices.SOURCE, "detail-type": kind, "detail": detail}))


class CollectingLog:
    """Implements `ports.Log`: keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))

    def events(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.lines if name == event]
