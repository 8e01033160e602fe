"""Test seed and scale: the times of a drill's steps, and the times that the product has to keep."""

import json

import pytest

from chalicelib.core.policy import Policy
from chalicelib.core.sweep import worst_takeover_ms
from chalicelib.core.tries import rest_ms
from local.drill.times import MACHINE_S, SCALED, SIZES, SWEEP_TIMEOUT_S, Times, moments, rest_s
from local.gateway.routing import Router, RoutingTimes
from local.package import REPOSITORY


def draw(seed: int, case: str) -> list[int]:
    rng = moments(seed, case)
    return [rng.randrange(1000) for _ in range(5)]


def test_the_same_seed_draws_the_same_moments() -> None:
    assert draw(7, "b") == draw(7, "b")


def test_another_seed_and_another_case_draw_others() -> None:
    assert len({tuple(draw(seed, case)) for seed in (1, 2) for case in ("a", "b")}) == 4


def test_scale_one_runs_the_real_times() -> None:
    times = Times(1)
    assert times.overrides == SIZES
    assert [getattr(times.policy, name) for name in SCALED] == [getattr(Policy(), name) for name in SCALED]
    assert times.hint_delay_s == 240
    assert times.pause_s == 1200


def test_a_scale_divides_every_time() -> None:
    times = Times(20)
    assert times.overrides["takeover_after_ms"] == 12_000
    assert times.sweep_s == 3
    assert times.hint_delay_s == 12


def test_at_scale_one_the_products_own_promises_are_kept_to() -> None:
    promise = Times(1).promise
    assert (promise.dns, promise.takeover, promise.recovery) == (100, 360, 900)


@pytest.mark.parametrize("scale", [2, 20, 60])
def test_a_promise_in_scaled_time_comes_from_the_scaled_settings(scale: float) -> None:
    times = Times(scale)
    assert times.promise.takeover == worst_takeover_ms(times.policy) / 1000 + MACHINE_S
    assert times.promise.dns < times.promise.takeover < times.promise.recovery


def test_a_slow_machine_is_allowed_what_its_cold_starts_take_but_no_promise_of_the_product_is() -> None:
    promise, slow = Times(20).promise, Times(20, machine_s=MACHINE_S + 10).promise
    assert slow.takeover - promise.takeover == slow.recovery - promise.recovery == 10
    assert slow.dns == promise.dns
    assert Times(1, machine_s=MACHINE_S + 10).promise == Times(1).promise


@pytest.mark.parametrize("scale", [2, 20, 60])
def test_the_name_is_promised_in_time_for_checks_that_get_no_answer(scale: float) -> None:
    """A Region falls asleep just after a check, and just after a resolver has asked. A check begins at the next tick
    after the last one ended."""
    times = RoutingTimes.scaled(scale)
    router = Router("west", "east", times)
    ticks = [times.interval_ms * (number + 1) for number in range(1000)]
    ended_ms = 0.0
    for _ in range(times.threshold):
        ended_ms = next(tick for tick in ticks if tick >= ended_ms) + times.health_timeout_ms
        router.resolve(int(ended_ms) - 1)
        router.observe("west", False, "no answer in time", int(ended_ms))
    led_ms = next(ms for ms in range(int(ended_ms), 10**6) if router.resolve(ms) == "east")
    assert led_ms / 1000 <= Times(scale).promise.dns


def test_a_sweep_is_held_to_its_functions_timeout() -> None:
    stages = json.loads((REPOSITORY / ".chalice" / "config.json").read_text())["stages"]
    assert stages["prod"]["lambda_functions"]["sweep"]["lambda_timeout"] == SWEEP_TIMEOUT_S


@pytest.mark.parametrize("silent_s", [0, 14, 16, 100, 400, 1500, 20_000])
def test_no_rest_is_longer_than_promised(silent_s: int) -> None:
    """The work is tried in vain for `silent_s` seconds, each round right after its rest. The last rest is not longer
    than promised."""
    rounds, tried_s = 1, 0.0
    while tried_s + rest_ms(rounds) / 1000 < silent_s:
        tried_s += rest_ms(rounds) / 1000
        rounds += 1
    assert rest_ms(rounds) / 1000 <= rest_s(silent_s)


def test_time_limits_of_calls_are_not_scaled_and_count_in_what_is_promised() -> None:
    fast, quick = Times(20), Policy()
    assert fast.policy.peer_read_ms == quick.peer_read_ms
    hung_s = (quick.peer_connect_ms + quick.peer_read_ms + quick.own_connect_ms + quick.own_read_ms) / 1000
    assert fast.promise.takeover >= fast.takeover_s + fast.sweep_s + hung_s + MACHINE_S
