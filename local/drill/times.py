"""Divide the product's times by SCALE, and say what is promised at that scale. This module is pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.policy import MIB, Policy
from chalicelib.core.sweep import worst_takeover_ms
from chalicelib.core.tries import REST_MAX_MS, REST_MIN_MS
from local.gateway.routing import HEALTH_TIMEOUT_MIN_MS, RoutingTimes

SCALED = (
    "heartbeat_ms",
    "lease_ttl_ms",
    "takeover_after_ms",
    "redrive_after_ms",
    "sweep_interval_ms",
    "feed_catch_up_ms",
    "silence_rest_ms",
    "hint_again_ms",
    "keys_refresh_ms",
    "schedule_interval_min_ms",
)
SIZES = {
    # Sizes, not times. With them objects of some MiB are copied by multipart, and a few hundred make several
    # partitions.
    "multipart_threshold_bytes": 8 * MIB,
    "part_size_bytes": 5 * MIB,
    "partition_rows": 100,
    "rows_in_flight": 8,
    "parts_in_flight": 4,
    # The drill's customers are many, belong to one tenant, and repeat requests often.
    "requests_per_minute_per_tenant": 100_000,
}
HINT_DELAY_S = 240
PAUSE_S = 20 * 60
"""How long, in seconds, the workers of case "return" are asleep."""
DNS_S = 100
"""Three health checks of 10 s, about 6 s until their result is known, and a TTL of 60 s."""
TAKEOVER_S = 6 * 60
RTO_S = 15 * 60
MACHINE_S = 15
"""Seconds that SCALE does not shorten, beyond the product's own allowance: a dozen cold starts at once on two cores. A
slower machine gets as long as it takes for them (`Stage.warm_up`)."""
_COPYING_S = 15
SWEEP_TIMEOUT_S = 55
"""Time, in seconds, after which Lambda ends a sweep, and so does the emulator (.chalice/config.json)."""
CLIENT_TIMEOUT_S = 10.0
"""Time, in seconds, after which a customer that got no answer sends its request again."""
ANSWER_S = Policy().api_answer_ms / 1000
"""Time, in seconds, within which the API answers, whatever hangs. It is not scaled: time budgets of calls are none of
the scaled times."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Promised times in seconds from the Region's death. At scale 1 these are the product's own promises."""

    dns: float
    takeover: float
    recovery: float


@dataclass(frozen=True, slots=True)
class Times:
    scale: float
    machine_s: float = MACHINE_S

    @property
    def policy(self) -> Policy:
        """The product's policy in this drill."""
        return replace(Policy(), **self.overrides)

    @property
    def overrides(self) -> dict[str, Any]:
        """The contents of PolicyJson. At scale 1 it holds no times: the real defaults apply."""
        if self.scale == 1:
            return dict(SIZES)
        return SIZES | {name: round(getattr(Policy(), name) / self.scale) for name in SCALED}

    @property
    def hint_delay_s(self) -> int:
        return max(1, round(HINT_DELAY_S / self.scale))

    @property
    def sweep_s(self) -> float:
        return self.policy.sweep_interval_ms / 1000

    @property
    def takeover_s(self) -> float:
        return self.policy.takeover_after_ms / 1000

    @property
    def pause_s(self) -> float:
        return PAUSE_S / self.scale

    @property
    def promise(self) -> Promise:
        if self.scale == 1:
            return Promise(DNS_S, TAKEOVER_S, RTO_S)
        takeover = worst_takeover_ms(self.policy) / 1000 + self.machine_s
        recovery = takeover + (RTO_S - TAKEOVER_S) / self.scale + _COPYING_S
        # Each check of a Region that is asleep takes so long here, at any scale.
        checks_s = RoutingTimes().threshold * HEALTH_TIMEOUT_MIN_MS / 1000
        return Promise(DNS_S / self.scale + checks_s, takeover, recovery)


def rest_s(silent_s: float) -> float:
    """Return how long, in seconds, work may still rest that has tried in vain for `silent_s` seconds.

    Rests double, so the last one is no longer than all before it together plus the first one. They are not scaled.
    """
    return min(REST_MAX_MS / 1000, silent_s + REST_MIN_MS / 1000)


def moments(seed: int, case: str) -> random.Random:
    """Return the generator from which a case draws its moments. The same seed gives the same moments, whichever cases
    run beside it."""
    return random.Random(f"{seed}/{case}")
