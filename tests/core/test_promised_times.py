"""The promise: everything that a dead Region held is taken over within 6 minutes of its death. It follows from the
settings, so a setting that breaks it fails here."""

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.leases import LeasePhase as Phase
from chalicelib.core.leases import Observation, PartLease, Standing, look
from chalicelib.core.policy import Policy
from chalicelib.core.sweep import REPLICATION_MS, START_MS, due_before_next_sweep, worst_takeover_ms
from tests.template import TEMPLATE

PROMISE_MS = 360_000
POLICY = Policy()


def test_the_defaults_keep_the_promise() -> None:
    assert worst_takeover_ms(POLICY) <= PROMISE_MS


@pytest.mark.parametrize("name", ["takeover_after_ms", "sweep_interval_ms"])
def test_a_setting_that_is_too_long_breaks_it(name: str) -> None:
    slack = PROMISE_MS - worst_takeover_ms(POLICY)
    assert worst_takeover_ms(replace(POLICY, **{name: getattr(POLICY, name) + slack})) == PROMISE_MS
    assert worst_takeover_ms(replace(POLICY, **{name: getattr(POLICY, name) + slack + 1})) > PROMISE_MS


def test_nothing_living_is_taken_over_between_two_heartbeats_or_beacons() -> None:
    assert 3 * POLICY.heartbeat_ms + REPLICATION_MS < POLICY.lease_ttl_ms < POLICY.takeover_after_ms
    assert 3 * POLICY.sweep_interval_ms < POLICY.takeover_after_ms


def test_forwarded_events_are_read_before_the_promise_ends() -> None:
    parameters = yaml.load(TEMPLATE.read_text(), Loader=yaml.BaseLoader)["Parameters"]
    assert parameters["PolicyJson"]["Default"] == "{}"
    assert int(parameters["HintDelaySeconds"]["Default"]) * 1000 + START_MS <= PROMISE_MS


@given(
    death_ms=st.integers(0, 180_000),
    replication_ms=st.integers(0, REPLICATION_MS),
    phase_ms=st.integers(0, 59_999),
    takeover_after_ms=st.integers(60_000, 300_000),
)
def test_no_moment_of_death_takes_longer_than_the_worst(
    death_ms: int, replication_ms: int, phase_ms: int, takeover_after_ms: int
) -> None:
    policy = replace(POLICY, takeover_after_ms=takeover_after_ms)
    claimed_ms = _claimed_ms(policy, death_ms, replication_ms, phase_ms)
    last_beat_ms = death_ms - death_ms % policy.heartbeat_ms
    assert claimed_ms - last_beat_ms >= takeover_after_ms, "before its patience had ended"
    assert claimed_ms + START_MS - death_ms <= worst_takeover_ms(policy)


def _claimed_ms(policy: Policy, death_ms: int, replication_ms: int, phase_ms: int) -> int:
    """Plays the survivor's sweeps, and the messages they send, over a lease whose owner beats until its death."""

    def lease_at(now: int) -> PartLease:
        return _lease(max(0, min(now - replication_ms, death_ms)) // policy.heartbeat_ms)

    before: Observation | None = None
    now = phase_ms
    while True:
        found = look(1, lease_at(now), before, now, policy.takeover_after_ms, claiming=False)
        if found.standing is Standing.MOVED:
            before = Observation("job", "r-000001", "east", found.sight, now)
        elif found.standing is Standing.EXPIRED or due_before_next_sweep(found.wait_ms, policy):
            due = now + found.wait_ms
            if look(1, lease_at(due), before, due, policy.takeover_after_ms, claiming=True).may_claim:
                return due
        now += policy.sweep_interval_ms


def _lease(heartbeat: int) -> PartLease:
    return PartLease("job", "r-000001", "west", 1, "worker", heartbeat, Phase.COPYING, 1, 0, 0, 0, {}, {})
