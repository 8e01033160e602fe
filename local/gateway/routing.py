"""Simulate where the one API name points: Route 53's health checks, failover record and TTL as a state machine. This
module is pure.

Source: Route 53 developer guide, "How Route 53 determines whether a health check is healthy" (a new health check counts
as healthy until there is data; the same number of observations in a row turns it either way) and "How Route 53 chooses
records when health checking is configured" (failover: primary if healthy, else secondary if healthy, else primary).

All times are epoch milliseconds and come from the caller.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_HISTORY_MAX = 1000
HEALTH_TIMEOUT_MS = 6_000
"""Route 53 waits 4 seconds for a connection, then 2 for the answer (developer guide, "How Route 53 determines whether a
health check is healthy")."""
HEALTH_TIMEOUT_MIN_MS = 3_000
"""However times are scaled, a health check waits for as long as a cold start takes on a busy small machine."""


@dataclass(frozen=True, slots=True)
class RoutingTimes:
    """Route 53's fast interval, its default threshold, and the TTL of the design. Times are in milliseconds."""

    interval_ms: int = 10_000
    threshold: int = 3
    ttl_ms: int = 60_000

    @property
    def health_timeout_ms(self) -> float:
        """Return how long a health check waits for its answer. It is scaled like the interval."""
        return max(HEALTH_TIMEOUT_MIN_MS, HEALTH_TIMEOUT_MS * self.interval_ms / RoutingTimes().interval_ms)

    @staticmethod
    def scaled(scale: float) -> RoutingTimes:
        """Return the times divided by `scale`."""
        real = RoutingTimes()
        return RoutingTimes(max(1, round(real.interval_ms / scale)), real.threshold, round(real.ttl_ms / scale))


@dataclass
class _Health:
    healthy: bool = True
    against: int = 0
    """Observations in a row that disagree with `healthy`."""
    checked_at_ms: int | None = None
    detail: str = "not checked yet"


@dataclass(frozen=True, slots=True)
class Change:
    """A change in routing. `kind` "health": a Region turned healthy or unhealthy. "resolver": clients now get another
    Region."""

    at_ms: int
    kind: str
    region: str
    detail: str


class Router:
    def __init__(self, primary: str, secondary: str, times: RoutingTimes) -> None:
        self.times = times
        self._primary = primary
        self._secondary = secondary
        self._health = {primary: _Health(), secondary: _Health()}
        self._resolved: str | None = None
        self._expires_at_ms = 0
        self._changes: deque[Change] = deque(maxlen=_HISTORY_MAX)

    def observe(self, region: str, ok: bool, detail: str, now_ms: int) -> None:
        """Record one health check's outcome."""
        health = self._health[region]
        health.checked_at_ms, health.detail = now_ms, detail
        if ok == health.healthy:
            health.against = 0
            return
        health.against += 1
        if health.against >= self.times.threshold:
            health.healthy, health.against = ok, 0
            self._changes.append(Change(now_ms, "health", region, "healthy" if ok else f"unhealthy: {detail}"))

    def resolve(self, now_ms: int) -> str:
        """Return the Region that a client reaches now. An answer stays in the client's cache until its TTL is over,
        whatever happens."""
        if self._resolved is None or now_ms >= self._expires_at_ms:
            answer = self.authoritative()
            if answer != self._resolved:
                previous = self._resolved or "nothing"
                self._changes.append(Change(now_ms, "resolver", answer, f"was {previous}"))
            self._resolved = answer
            self._expires_at_ms = now_ms + self.times.ttl_ms
        return self._resolved

    def authoritative(self) -> str:
        """Return Route 53's answer to a resolver that asks now."""
        if self._health[self._primary].healthy or not self._health[self._secondary].healthy:
            return self._primary
        return self._secondary

    def report(self, now_ms: int) -> dict[str, object]:
        cached = self._resolved if now_ms < self._expires_at_ms else None
        return {
            "now_ms": now_ms,
            "primary": self._primary,
            "secondary": self._secondary,
            "times": {
                "interval_ms": self.times.interval_ms,
                "threshold": self.times.threshold,
                "ttl_ms": self.times.ttl_ms,
            },
            "authoritative": self.authoritative(),
            "resolver": {"region": cached, "expires_at_ms": self._expires_at_ms if cached else None},
            "health": {
                region: {
                    "healthy": health.healthy,
                    "observations_against": health.against,
                    "checked_at_ms": health.checked_at_ms,
                    "detail": health.detail,
                }
                for region, health in self._health.items()
            },
            "changes": [
                {"at_ms": change.at_ms, "kind": change.kind, "region": change.region, "detail": change.detail}
                for change in self._changes
            ],
        }
