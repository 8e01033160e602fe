"""The API answers in time, whatever hangs. It answers with the data that it can reach, or with 503 and advice."""

from dataclasses import replace

import pytest

from chalicelib import settings
from chalicelib.core.budgets import Caller, authorizer_ms, call_budget, count_budget, request_ms, worst_answer_ms
from chalicelib.core.policy import Policy
from chalicelib.entry.rest.contract import Contract
from chalicelib.entry.rest.contracts import CONTRACTS
from chalicelib.ports import Env
from simulation.memory.clock import VirtualClock
from simulation.memory.faults import Rule
from tests.entry.api import Api, Reply
from tests.entry.environ import EAST, WEST, environ
from tests.entry.paths import body_of
from tests.steps.hanging import Hang, without_messages, without_table

POLICY = Policy()
COSTS_MS = call_budget(POLICY, Caller.API, peer=True).whole_ms
HANGS = ["S3 of the peer", "S3 of this Region", "S3 everywhere", "the table", "the queues", "all"]


@pytest.fixture
def busy(api: Api) -> tuple[Api, dict[str, str]]:
    """Return the API with a tenant that has one of everything. The targets of its job and its feed are in the other
    Region."""
    api.scope = "read write administer operate"
    job = api.submit("job").json["id"]
    location = {"source": {"endpoint": "source-west", "prefix": "a/"}, "target": {"endpoint": "target-east"}}
    plan = api.call("POST", "/plans", location).json["id"]
    bodies = {
        "/schedules/nightly": {"cron": "0 5 * * *", "timezone": "UTC", "job": location},
        "/feeds/mine": {
            "source": {"endpoint": "source-east", "prefix": "f/"},
            "target": {"endpoint": "target-east", "prefix": "f/"},
        },
        "/webhooks/hook": {"url": "https://example.com/hook", "events": ["job.settled"]},
    }
    for path, body in bodies.items():
        reply = api.call("PUT", path, body)
        assert reply.status in (200, 201), reply.body
    names = {
        "job_id": job,
        "plan_id": plan,
        "schedule_id": "nightly",
        "feed_id": "mine",
        "webhook_id": "hook",
        "endpoint_id": "target-east",
    }
    return api, names


def hanging(api: Api, hung: str, hang: Hang) -> Env:
    """Return the API's Env, in which `what` hangs from now on."""
    regions = {
        "S3 of the peer": [EAST],
        "S3 of this Region": [WEST],
        "S3 everywhere": [EAST, WEST],
        "all": [EAST, WEST],
    }
    for region in regions.get(hung, []):
        api.store.rule(hang.s3_of(region))
    env = api.env
    if hung in ("the table", "all"):
        env = without_table(env, hang)
    if hung in ("the queues", "all"):
        env = without_messages(env, hang)
    return env


def ask(api: Api, contract: Contract, names: dict[str, str]) -> tuple[Reply, int]:
    """Return the answer, and the time in milliseconds that it took."""
    began_ms = api.env.clock.now_ms()
    reply = api.call(contract.method, contract.path.format(**names), body_of(contract))
    return reply, api.env.clock.now_ms() - began_ms - 1_000  # The client waits for a second.


@pytest.mark.parametrize("hung", HANGS)
def test_every_operation_answers_in_time(busy: tuple[Api, dict[str, str]], hung: str) -> None:
    api, names = busy
    clock = api.env.clock
    assert isinstance(clock, VirtualClock)
    hang = Hang(clock, COSTS_MS, {"count_request": count_budget(POLICY).whole_ms})
    env = hanging(api, hung, hang)
    statuses = {}
    for contract in CONTRACTS:
        with api.over(env):
            reply, took_ms = ask(api, contract, names)
        assert took_ms <= request_ms(POLICY), f"{contract.name}: {took_ms} ms"
        assert took_ms + authorizer_ms(POLICY) <= POLICY.api_answer_ms == 5_000
        statuses[contract.name] = reply.status
        if reply.status >= 500:
            detail = reply.problem(503, reply.json["type"].rsplit(":", 1)[1])
            assert contract.name == "getHealth" or ("Idempotency-Key" in detail and "retry-after" in reply.headers)
    assert hang.calls > 0
    assert {status for status in statuses.values() if status >= 500} == {503}, statuses


def test_what_can_be_reached_is_answered(busy: tuple[Api, dict[str, str]]) -> None:
    """A read does not need the peer's S3: the table knows the job, and the registry knows the feed."""
    api, names = busy
    clock = api.env.clock
    assert isinstance(clock, VirtualClock)
    with api.over(hanging(api, "S3 of the peer", Hang(clock, COSTS_MS))):
        for path in (
            "/jobs",
            f"/jobs/{names['job_id']}",
            "/feeds",
            "/feeds/mine",
            "/schedules/nightly",
            "/regions",
            "/leases",
            "/health",
        ):
            reply = api.get(path)
            assert reply.status == 200, (path, reply.body)
        assert api.get(f"/jobs/{names['job_id']}").json["id"] == names["job_id"]


@pytest.mark.parametrize("hung", ["S3 of the peer", "S3 of this Region"])
def test_a_job_that_may_be_there_is_not_denied(busy: tuple[Api, dict[str, str]], hung: str) -> None:
    """The table does not know the job yet, and the bucket that may know it doesn't answer."""
    api, _ = busy
    clock = api.env.clock
    assert isinstance(clock, VirtualClock)
    job_id = f"job-{'a' * 26}"
    with api.over(api.env):
        api.get(f"/jobs/{job_id}").problem(404, "UnknownJob")
    with api.over(hanging(api, hung, Hang(clock, COSTS_MS))):
        api.get(f"/jobs/{job_id}").problem(503, "TryAgain")


def test_a_table_that_is_too_slow_for_the_count_is_asked_all_the_same(busy: tuple[Api, dict[str, str]]) -> None:
    """The count of requests has less time than other calls, and the API can work without it. If only the count gets no
    answer, the table still counts as answering."""
    api, names = busy
    clock = api.env.clock
    assert isinstance(clock, VirtualClock)
    slow = Hang(clock, 0, {"count_request": count_budget(POLICY).whole_ms})
    with api.over(replace(api.env, ledger=slow.port(api.env.ledger, only={"count_request"}))):
        for path in ("/jobs", f"/jobs/{names['job_id']}", "/feeds", "/schedules/nightly", "/regions"):
            reply = api.get(path)
            assert reply.status == 200, (path, reply.body)
        assert api.submit("while-slow").status == 201
    assert slow.calls == 6


def test_the_same_request_again_is_the_same_job_when_it_answers_again(busy: tuple[Api, dict[str, str]]) -> None:
    api, _ = busy
    clock = api.env.clock
    assert isinstance(clock, VirtualClock)
    hang = Hang(clock, COSTS_MS)
    rule = api.store.rule(hang.s3_of(EAST, first=2))
    assert api.submit("again").status == 503
    api.store.rules.remove(rule)
    assert api.submit("again").status in (200, 201)


def test_slow_answers_end_long_before_api_gateway_gives_up(busy: tuple[Api, dict[str, str]]) -> None:
    """Every call is answered just within its budget."""
    api, names = busy
    clock = api.env.clock
    assert isinstance(clock, VirtualClock)
    api.store.rule(Rule(times=None, error=None, act=lambda: clock.advance(COSTS_MS - 1)))
    for contract in CONTRACTS:
        reply, took_ms = ask(api, contract, names)
        assert took_ms < POLICY.api_slow_ms + COSTS_MS < 29_000 - authorizer_ms(POLICY)
        assert reply.status < 500 or reply.status == 503, (contract.name, reply.body)


def test_the_worst_answer_follows_from_the_settings() -> None:
    assert worst_answer_ms(POLICY) <= POLICY.api_answer_ms == 5_000
    room_ms = request_ms(POLICY) - COSTS_MS
    slower = replace(POLICY, peer_read_ms=POLICY.peer_read_ms + room_ms + 1)
    assert worst_answer_ms(slower) > slower.api_answer_ms


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ('{"peer_read_ms": 9000}', "api_answer_ms"),
        ('{"own_connect_ms": 9000}', "api_answer_ms"),
        ('{"count_read_ms": 600}', "count_read_ms"),
        ('{"api_slow_ms": 27000}', "api_slow_ms"),
        ('{"sweep_run_ms": 53000}', "sweep_run_ms"),
        ('{"sweep_run_ms": 20000}', "sweep_run_ms"),
    ],
)
def test_settings_that_break_it_are_refused(policy: str, why: str) -> None:
    with pytest.raises(settings.SettingsError, match=why):
        settings.read(environ(EFT_POLICY=policy))
