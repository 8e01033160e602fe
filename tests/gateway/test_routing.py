"""Test the failover of the single API name, on a clock that the test sets."""

from __future__ import annotations

from typing import Any

import pytest

from local.gateway.apis import at_stage
from local.gateway.routing import Router, RoutingTimes

WEST, EAST = "west", "east"
TIMES = RoutingTimes()


class Clock:
    """A clock that steps through health checks of both Regions at the interval."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.router = Router(WEST, EAST, TIMES)
        self.up = {WEST: True, EAST: True}

    def checks(self, rounds: int) -> None:
        for _ in range(rounds):
            self.now_ms += TIMES.interval_ms
            for region, ok in self.up.items():
                self.router.observe(region, ok, "status 200" if ok else "status 404", self.now_ms)

    def resolve(self) -> str:
        return self.router.resolve(self.now_ms)

    def report(self) -> Any:
        return self.router.report(self.now_ms)


def test_both_healthy_is_the_primary() -> None:
    clock = Clock()
    assert clock.resolve() == WEST
    clock.checks(20)
    assert clock.resolve() == WEST
    assert [change["kind"] for change in clock.report()["changes"]] == ["resolver"]


def test_three_failures_in_a_row_and_then_the_ttl() -> None:
    clock = Clock()
    assert clock.resolve() == WEST
    resolved_at = clock.now_ms
    clock.up[WEST] = False
    clock.checks(2)
    assert clock.router.authoritative() == WEST
    clock.checks(1)
    assert clock.router.authoritative() == EAST
    assert clock.resolve() == WEST  # The answer is cached until the TTL is over.
    clock.now_ms = resolved_at + TIMES.ttl_ms - 1
    assert clock.resolve() == WEST
    clock.now_ms += 1
    assert clock.resolve() == EAST
    health, resolver = clock.report()["changes"][-2:]
    assert (health["kind"], health["region"], health["at_ms"]) == ("health", WEST, resolved_at + 30_000)
    assert (resolver["kind"], resolver["region"], resolver["at_ms"]) == ("resolver", EAST, resolved_at + 60_000)


def test_a_success_between_failures_starts_the_count_again() -> None:
    clock = Clock()
    for up in (False, False, True, False, False):
        clock.up[WEST] = up
        clock.checks(1)
    assert clock.router.authoritative() == WEST
    clock.checks(1)
    assert clock.router.authoritative() == EAST


def test_the_primary_comes_back_after_three_successes() -> None:
    clock = Clock()
    clock.up[WEST] = False
    clock.checks(3)
    assert clock.resolve() == EAST
    clock.up[WEST] = True
    clock.checks(2)
    assert clock.router.authoritative() == EAST
    clock.checks(1)
    assert clock.router.authoritative() == WEST
    clock.now_ms += TIMES.ttl_ms
    assert clock.resolve() == WEST


def test_both_unhealthy_is_the_primary() -> None:
    clock = Clock()
    clock.up = {WEST: False, EAST: False}
    clock.checks(3)
    assert clock.resolve() == WEST
    assert not clock.report()["health"][EAST]["healthy"]


def test_a_name_nobody_asked_for_resolves_freshly() -> None:
    clock = Clock()
    clock.resolve()
    clock.up[WEST] = False
    clock.checks(100)
    assert clock.report()["resolver"] == {"region": None, "expires_at_ms": None}
    assert clock.resolve() == EAST
    assert clock.report()["resolver"] == {"region": EAST, "expires_at_ms": clock.now_ms + TIMES.ttl_ms}


def test_a_scale_makes_everything_faster() -> None:
    assert RoutingTimes.scaled(10.0) == RoutingTimes(interval_ms=1000, threshold=3, ttl_ms=6000)
    assert RoutingTimes.scaled(1.0) == RoutingTimes()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/jobs?limit=2", "/jobs?limit=2"),
        # Location and the description show this to a client that came by a Region's own name.
        ("/api/jobs/job-x", "/jobs/job-x"),
        ("/api", "/api"),
        ("/apis", "/apis"),
        ("/", "/"),
    ],
)
def test_a_path_with_or_without_the_stage(target: str, path: str) -> None:
    assert at_stage("/_aws/execute-api/abc123/api", target) == f"/_aws/execute-api/abc123/api{path}"
