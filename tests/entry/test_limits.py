"""A tenant may send a limited number of requests to a Region. The limit is told beforehand and refused in words, and no
request exceeds it by accident."""

from dataclasses import replace

import pytest

from chalicelib.core.errors import Retry
from chalicelib.core.policy import Policy
from simulation.memory.ledger import MemoryLedger
from tests.entry.api import Api, Reply

LIMIT = 3
MINUTE_MS = 60_000


@pytest.fixture
def strict(api: Api) -> Api:
    """Return an API whose clock stands at the beginning of a minute. Each request takes a second."""
    api.env = replace(api.env, policy=Policy(requests_per_minute_per_tenant=LIMIT))
    _wait_ms(api, -api.env.clock.now_ms() % MINUTE_MS)
    return api


def _wait_ms(api: Api, duration_ms: int) -> None:
    api.env.clock.sleep_ms(duration_ms)


def _told(reply: Reply) -> tuple[int, int, int]:
    limit, remaining, reset = (int(reply.headers[f"ratelimit-{name}"]) for name in ("limit", "remaining", "reset"))
    return limit, remaining, reset


def test_each_answer_says_what_is_left(strict: Api) -> None:
    with strict.over(strict.env):
        assert _told(strict.get("/jobs")) == (3, 2, 60)
        assert _told(strict.get("/jobs/job-x")) == (3, 1, 59), "a 404 counts, too"
        assert _told(strict.call("POST", "/jobs", {})) == (3, 0, 58), "and a 400"


def test_one_more_has_to_wait_for_the_next_minute(strict: Api) -> None:
    with strict.over(strict.env):
        assert [strict.get("/jobs").status for _ in range(LIMIT)] == [200] * LIMIT
        refused = strict.submit("key")
        detail = refused.problem(429, "RateLimited")
        assert "more than 3 requests to us-gov-west-1 in this minute: ask again in 57 s" in detail
        assert (refused.headers["retry-after"], _told(refused)) == ("57", (3, 0, 57))
        _wait_ms(strict, 55_000)
        reply = strict.submit("key")
        assert (reply.status, reply.headers["retry-after"]) == (429, "1")
        assert strict.submit("key").status == 201


def test_seconds_are_rounded_up(strict: Api) -> None:
    with strict.over(strict.env):
        _wait_ms(strict, 59_001)
        assert _told(strict.get("/jobs"))[2] == 1
        assert strict.env.clock.now_ms() % MINUTE_MS == 1


def test_one_tenant_does_not_use_up_anothers(strict: Api) -> None:
    with strict.over(strict.env):
        assert [strict.get("/jobs").status for _ in range(LIMIT + 1)] == [200] * LIMIT + [429]
        strict.tenant = "other"
        assert strict.get("/jobs").status == 200


def test_what_needs_no_token_is_not_limited(strict: Api) -> None:
    with strict.over(strict.env):
        for path in ("/health", "/openapi.json"):
            replies = [strict.plain("GET", path) for _ in range(2 * LIMIT)]
            assert {reply.status for reply in replies} == {200}
            assert not [name for reply in replies for name in reply.headers if name.startswith("ratelimit")]
        assert _told(strict.get("/jobs"))[1] == LIMIT - 1


class Uncounting(MemoryLedger):
    def count_request(self, tenant: str, region: str, window_start_ms: int) -> int:
        raise Retry("Throttled", "the table is slow")


def test_what_can_not_be_counted_is_not_limited(strict: Api) -> None:
    with strict.over(replace(strict.env, ledger=Uncounting())):
        replies = [strict.get("/jobs") for _ in range(2 * LIMIT)]
    assert {reply.status for reply in replies} == {200}
    assert "ratelimit-limit" not in replies[0].headers
    assert len(strict.log.events("request-not-counted")) == 2 * LIMIT
