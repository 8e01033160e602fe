"""The API behind its names: each Region's own, and the one that fails over; and the health checks that decide which."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import aiohttp

from local.gateway.classify import Call
from local.gateway.cuts import Cuts, Fate
from local.gateway.exchange import Answer, Exchange
from local.gateway.faults import Dribble, DropRequest, Error, Faults, Hang
from local.gateway.routing import Router, RoutingTimes
from local.gateway.upstream import Upstream

API_CALLER = "api"
REGION_API_PREFIX = "api-"
_HEALTH_PATH = "/health"
# Route 53 waits 4 seconds for a connection, then 2 for the answer (developer guide, "How Route 53 determines whether a
# health check is healthy"). Scaled like the interval, but never below what a cold start takes on a busy small machine.
_HEALTH_TIMEOUT_SECONDS = 6.0
_HEALTH_TIMEOUT_MIN_SECONDS = 3.0
_HANGING_SECONDS = 2.0
"""What is cut off so that it hangs is no cold start: Route 53 gives up after this, and here after its scaled part."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def at_stage(path: str, target: str) -> str:
    """`target` at the emulator, where a stage is at `path`. By a Region's own name a path begins with the stage on AWS,
    so the service puts it into the paths that it names (Location, the description's server): these work here too."""
    stage = path.rstrip("/")
    name = f"/{stage.rpartition('/')[2]}/"
    return stage + (target.removeprefix(name[:-1]) if target.startswith(name) else target)


class Apis:
    """`paths`: Region -> path prefix of its stage at the emulator. Empty until a deployer says where the APIs are."""

    def __init__(self, upstream: Upstream, router: Router, cuts: Cuts, faults: Faults) -> None:
        self.router = router
        self.paths: Mapping[str, str] = {}
        self._upstream = upstream
        self._cuts = cuts
        self._faults = faults

    def region_of(self, caller: str) -> str:
        """The Region that answers a request that came by this listener."""
        return self.router.resolve(now_ms()) if caller == API_CALLER else caller.removeprefix(REGION_API_PREFIX)

    async def forward(self, exchange: Exchange, region: str) -> Answer:
        """Everything untouched but the path's prefix and the host."""
        exchange.headers["X-Forwarded-Host"] = exchange.headers.get("Host", "")
        exchange.headers["Host"] = self._upstream.authority  # the emulator would read a bucket out of another name
        exchange.target = at_stage(self.paths[region], exchange.target)
        return await self._upstream.send(exchange)

    async def check_forever(self) -> None:
        """Every Region at the interval, side by side, each with one check under way at most.

        Route 53's checkers don't wait for each other. Here a slow answer is often a cold start, and another check would
        start another function process beside it, until the machine is busy with nothing else.
        """
        under_way: dict[str, asyncio.Task[None]] = {}
        while True:
            for region in self.paths:
                if region not in under_way or under_way[region].done():
                    under_way[region] = asyncio.create_task(self._check(region))
            await asyncio.sleep(self.router.times.interval_ms / 1000)

    async def _check(self, region: str) -> None:
        try:
            async with asyncio.timeout(max(self._scaled(_HEALTH_TIMEOUT_SECONDS), _HEALTH_TIMEOUT_MIN_SECONDS)):
                ok, detail = await self._probe(region)
        except TimeoutError:
            ok, detail = False, "no answer in time"
        except (aiohttp.ClientError, OSError) as error:
            ok, detail = False, f"no answer: {type(error).__name__}"
        if region in self.paths:  # not taken back meanwhile
            self.router.observe(region, ok, detail, now_ms())

    def _scaled(self, seconds: float) -> float:
        return seconds * self.router.times.interval_ms / RoutingTimes().interval_ms

    async def _probe(self, region: str) -> tuple[bool, str]:
        """Faults and cuts hit a health check as they hit a client; it isn't counted."""
        call = Call(REGION_API_PREFIX + region, "execute-api", "GET", region, "", _HEALTH_PATH, "", {})
        fate = self._cuts.fate(call, region)
        if fate is Fate.CLOSES:
            return False, "the Region is cut off"
        verdict = self._faults.decide(call, now_ms())
        if fate is Fate.HANGS or isinstance(verdict.action, Hang):
            await asyncio.sleep(self._scaled(_HANGING_SECONDS))
            raise TimeoutError
        if verdict.delay_ms:
            await asyncio.sleep(verdict.delay_ms / 1000)
        if isinstance(verdict.action, Error):
            return False, f"status {verdict.action.status}"
        path = self.paths.get(region, "")
        answer = await self._upstream.get(path.rstrip("/") + _HEALTH_PATH, call)
        if verdict.action is not None and not isinstance(verdict.action, Dribble):
            return False, "dropped" if isinstance(verdict.action, DropRequest) else "answer dropped"
        # Route 53 takes any status from 200 to 399 for healthy.
        return 200 <= answer.status < 400, f"status {answer.status}"
