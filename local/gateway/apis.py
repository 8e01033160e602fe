"""Forward requests to the APIs, by each Region's own name or by the one name that fails over, and run the health checks
that decide where that name points."""

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
_HANGING_SECONDS = 2.0
"""Time, in seconds, before a health check of a hanging Region fails. It is scaled, and not raised to the time of a cold
start, because a cut that hangs is no cold start."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def at_stage(path: str, target: str) -> str:
    """Return the path of `target` at the emulator, where a stage is at `path`.

    On AWS, a path by a Region's own name begins with the stage. So the service puts the stage into the paths that it
    returns (Location, the description's server). Such paths work here too.
    """
    stage = path.rstrip("/")
    name = f"/{stage.rpartition('/')[2]}/"
    return stage + (target.removeprefix(name[:-1]) if target.startswith(name) else target)


class Apis:
    """The APIs of both Regions. `paths` maps a Region to the path prefix of its stage at the emulator. It is empty
    until a deployer says where the APIs are."""

    def __init__(self, upstream: Upstream, router: Router, cuts: Cuts, faults: Faults) -> None:
        self.router = router
        self.paths: Mapping[str, str] = {}
        self._upstream = upstream
        self._cuts = cuts
        self._faults = faults

    def region_of(self, caller: str) -> str:
        """Return the Region that answers a request to this listener."""
        return self.router.resolve(now_ms()) if caller == API_CALLER else caller.removeprefix(REGION_API_PREFIX)

    async def forward(self, exchange: Exchange, region: str) -> Answer:
        """Forward a request. Only the path's prefix and the host change."""
        exchange.headers["X-Forwarded-Host"] = exchange.headers.get("Host", "")
        exchange.headers["Host"] = self._upstream.authority  # the emulator would read a bucket name out of another host
        exchange.target = at_stage(self.paths[region], exchange.target)
        return await self._upstream.send(exchange)

    async def check_forever(self) -> None:
        """Check every Region at the interval, concurrently, with at most one check in progress per Region.

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
            async with asyncio.timeout(self.router.times.health_timeout_ms / 1000):
                ok, detail = await self._probe(region)
        except TimeoutError:
            ok, detail = False, "no answer in time"
        except (aiohttp.ClientError, OSError) as error:
            ok, detail = False, f"no answer: {type(error).__name__}"
        if region in self.paths:  # not removed in the meantime
            self.router.observe(region, ok, detail, now_ms())

    def _scaled(self, seconds: float) -> float:
        return seconds * self.router.times.interval_ms / RoutingTimes().interval_ms

    async def _probe(self, region: str) -> tuple[bool, str]:
        """Probe a Region's health. Faults and cuts affect the probe like a client's request, but it isn't counted."""
        call = Call(REGION_API_PREFIX + region, "execute-api", "GET", region, "", _HEALTH_PATH, "", {})
        fate = self._cuts.fate(call, region)
        if fate is Fate.CLOSES:
            return False, "the Region is cut off"
        injection = self._faults.decide(call, now_ms())
        if fate is Fate.HANGS or isinstance(injection.action, Hang):
            await asyncio.sleep(self._scaled(_HANGING_SECONDS))
            raise TimeoutError
        if injection.delay_ms:
            await asyncio.sleep(injection.delay_ms / 1000)
        if isinstance(injection.action, Error):
            return False, f"status {injection.action.status}"
        path = self.paths.get(region, "")
        answer = await self._upstream.get(path.rstrip("/") + _HEALTH_PATH, call)
        if injection.action is not None and not isinstance(injection.action, Dribble):
            return False, "dropped" if isinstance(injection.action, DropRequest) else "answer dropped"
        # Route 53 counts any status from 200 to 399 as healthy.
        return 200 <= answer.status < 400, f"status {answer.status}"
