"""Limit how often a tenant may call one Region's API. Requests are counted in the Region's table, in fixed windows of a
minute."""

from dataclasses import dataclass, replace

from chalicelib.core.errors import EftError, ErrorCode
from chalicelib.entry.rest.problems import PROBLEM_TYPES, Problem
from chalicelib.ports import Env

WINDOW_MS = 60_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """The requests of a tenant in this window, with the present one counted."""

    limit: int
    used: int
    reset_s: int
    """Seconds until the next window, rounded up: at least 1."""

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def headers(self) -> dict[str, str]:
        """Headers as in draft-ietf-httpapi-ratelimit-headers-06, section 5, the form that most clients understand."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(self.limit - self.used, 0)),
            "RateLimit-Reset": str(self.reset_s),
        }


def count(env: Env, tenant: str) -> Allowance | None:
    """Count one request of a tenant, and return what is left. Return None if it can't be counted, which is no reason to
    refuse the request."""
    now_ms = env.clock.now_ms()
    start_ms = now_ms - now_ms % WINDOW_MS
    try:
        used = env.ledger.count_request(tenant, env.region, start_ms)
    except EftError as error:
        env.log("request-not-counted", tenant=tenant, error=str(error))
        return None
    reset_s = -((now_ms - start_ms - WINDOW_MS) // 1000)
    return Allowance(env.policy.requests_per_minute_per_tenant, used, reset_s)


def refusal(env: Env, allowance: Allowance) -> Problem:
    problem_type = replace(PROBLEM_TYPES[ErrorCode.RATE_LIMITED], retry_after_s=allowance.reset_s)
    detail = (
        f"your tenant has sent more than {allowance.limit} requests to {env.region} in this minute: "
        f"ask again in {allowance.reset_s} s"
    )
    return Problem(problem_type, detail)
