"""Test the composition root, and the two adapters that only it knows: tracing and the machine."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aws_xray_sdk.core import xray_recorder

import app
from chalicelib import runtime, settings
from chalicelib.adapters import tracing
from chalicelib.adapters.system import SystemClock, SystemRng, UuidIds
from chalicelib.core.budgets import Caller
from chalicelib.core.policy import Policy
from chalicelib.ports import Env
from simulation.memory.env import make_env
from tests.entry.api import Api
from tests.entry.environ import EAST, OWN_ROLES, WEST, environ
from tests.entry.gateway import answer, event


def test_the_real_thing_is_made_without_asking_anybody() -> None:
    """There are no credentials and no network: clients can be made without them."""
    eft_settings = settings.read(environ(EFT_POLICY='{"attempts": 3}'))
    env = runtime.compose(eft_settings, {"AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/12/[$LATEST]abc"}, Caller.SWEEP)
    assert (env.region, set(env.control_buckets), env.own_roles) == (WEST, {EAST, WEST}, tuple(OWN_ROLES))
    assert env.policy == Policy(attempts=3)
    assert env.worker == "2026/11/12/[$LATEST]abc"
    assert env.pool is not env.part_pool
    assert runtime.compose(eft_settings, {}, Caller.API).worker == f"pid-{os.getpid()}"


def test_a_stand_in_stands_in_until_its_end(api: Api) -> None:
    stand_in = make_env(EAST)
    assert runtime.env(Caller.API) is api.env
    with api.over(stand_in):
        assert runtime.env(Caller.API) is stand_in
        with pytest.raises(ZeroDivisionError), api.over(replace(stand_in, worker="inner")):
            _fail_as("inner")
        assert runtime.env(Caller.API) is stand_in
    assert runtime.env(Caller.API) is api.env


def _fail_as(worker: str) -> None:
    assert runtime.env(Caller.API).worker == worker
    raise ZeroDivisionError


def test_an_invocation_has_the_time_that_lambda_leaves_it_by_our_own_clock(api: Api) -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> float:
            return 5000.9

    class Invocation:
        def __init__(self, context: Context | None) -> None:
            self.context = context

        def to_dict(self) -> dict[str, int]:
            return {"Records": 1}

    def handler(env: Env, event: Mapping[str, Any], deadline_ms: int) -> tuple[Env, Mapping[str, Any], int]:
        return env, event, deadline_ms

    now_ms = api.env.clock.now_ms()
    assert runtime.handle(handler, Invocation(Context())) == (api.env, {"Records": 1}, now_ms + 5000)
    assert runtime.handle(handler, Invocation(None))[2] == now_ms + runtime.DEFAULT_BUDGET_MS


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove our variables from the environment. Tests normally run without them."""
    for name in [name for name in os.environ if name.startswith("EFT_") or name == "AWS_REGION"]:
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("unconfigured")
def test_a_function_that_is_not_configured_does_not_start() -> None:
    with pytest.raises(settings.SettingsError):
        runtime.env(Caller.API)
    with pytest.raises(settings.SettingsError):
        app.bearer({"type": "TOKEN", "authorizationToken": "Bearer x", "methodArn": "a:b:c:d:e:f/g/h"}, {})


@pytest.mark.usefixtures("unconfigured")
def test_but_answers_in_order() -> None:
    """Route 53 sees that the Region is not healthy, and a client learns nothing of the inside."""
    detail = answer(event("GET", "/health", None)).problem(500, "Internal")
    assert "AWS_REGION" not in detail


def test_the_machine() -> None:
    clock, rng, ids = SystemClock(), SystemRng(), UuidIds()
    assert 1_700_000_000_000 < clock.now_ms() < 10_000_000_000_000
    clock.sleep_ms(0)
    assert 0 <= rng.uniform() < 1
    assert len({ids.nonce() for _ in range(1000)}) == 1000


# --- tracing ------------------------------------------------------------------------------------------------------

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def test_nothing_is_traced_outside_lambda() -> None:
    with tracing.step("copy"):
        assert xray_recorder.current_subsegment() is None


def test_errors_pass_through_a_traced_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), tracing.step("copy"):
            raise ZeroDivisionError
        monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)


def test_a_step_is_a_subsegment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
    xray_recorder.begin_segment("test", sampling=True)
    try:
        with tracing.step("copy"):
            inner = xray_recorder.current_subsegment()
            assert inner is not None
            assert inner.name == "copy"
    finally:
        xray_recorder.clear_trace_entities()
