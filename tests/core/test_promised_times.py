"""The promise: everything that a dead Region held is taken over within 6 minutes of its death. It follows from the
settings, so a setting that breaks it fails here."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.budgets import SWEEP_TIMEOUT_MS, quick_ms, silence_ms, worst_sweep_ms
from chalicelib.core.leases import LeasePhase as Phase
from chalicelib.core.leases import LeaseStatus, Observation, PartitionLease, judge_lease
from chalicelib.core.policy import Policy
from chalicelib.core.shares import Stage, stage_ends
from chalicelib.core.sweep import REPLICATION_MS, START_MS, due_before_next_sweep, worst_takeover_ms
from tests.template import TEMPLATE

CONFIG = TEMPLATE.parent / ".chalice" / "config.json"
PROMISE_MS = 360_000
POLICY = Policy()


def test_the_defaults_keep_the_promise() -> None:
    assert worst_takeover_ms(POLICY) <= PROMISE_MS


@pytest.mark.parametrize("name", ["takeover_after_ms", "sweep_interval_ms"])
def test_a_setting_that_is_too_long_breaks_it(name: str) -> None:
    slack = PROMISE_MS - worst_takeover_ms(POLICY)
    assert worst_takeover_ms(replace(POLICY, **{name: getattr(POLICY, name) + slack})) == PROMISE_MS
    assert worst_takeover_ms(replace(POLICY, **{name: getattr(POLICY, name) + slack + 1})) > PROMISE_MS


def test_it_is_kept_though_the_other_regions_s3_and_the_table_hang() -> None:
    """Each of them costs a sweep one call before it looks at what a dead Region held."""
    hang = silence_ms(POLICY, peer=True) + silence_ms(POLICY, peer=False)
    slower = replace(POLICY, peer_read_ms=POLICY.peer_read_ms + 1)
    assert hang == 6_000
    assert worst_takeover_ms(slower) == worst_takeover_ms(POLICY) + 1
    assert worst_takeover_ms(POLICY) == 326_000


def test_the_worst_sweep_ends_before_lambda_kills_it_and_before_the_next_one() -> None:
    timeout_ms = 1000 * json.loads(CONFIG.read_text())["stages"]["prod"]["lambda_functions"]["sweep"]["lambda_timeout"]
    assert timeout_ms == SWEEP_TIMEOUT_MS
    assert worst_sweep_ms(POLICY) < timeout_ms < POLICY.sweep_interval_ms
    # The last call of all may begin when the shares end, and hang.
    assert worst_sweep_ms(POLICY) >= POLICY.sweep_run_ms + silence_ms(POLICY, peer=True)


@pytest.mark.parametrize(("function", "name"), [("intake", "inline_lock_ms"), ("copy", "copy_lock_ms")])
def test_a_delivery_s_lock_outlasts_whoever_took_it(function: str, name: str) -> None:
    """It does so by two heartbeats, because a feed job's worker may know a delivery record that is so old."""
    stage = json.loads(CONFIG.read_text())["stages"]["prod"]["lambda_functions"][function]
    assert getattr(POLICY, name) >= 1000 * stage["lambda_timeout"] + 2 * POLICY.heartbeat_ms


def test_what_matters_most_is_begun_though_all_before_it_hangs() -> None:
    """A stage may begin one call late, and then it still has time for one."""
    ends = stage_ends(0, POLICY.sweep_run_ms)
    assert list(ends) == list(Stage)
    assert max(ends.values()) == POLICY.sweep_run_ms
    for earlier, later in pairwise(ends.values()):
        assert later - earlier > quick_ms(POLICY)


@given(begin_ms=st.integers(0, 10**12), whole_ms=st.integers(-1000, 10**6))
def test_shares_are_in_order_and_end_with_the_whole(begin_ms: int, whole_ms: int) -> None:
    ends = list(stage_ends(begin_ms, begin_ms + whole_ms).values())
    assert ends == sorted(ends)
    assert ends[-1] == begin_ms + whole_ms
    assert whole_ms < 0 or ends[0] >= begin_ms


def test_nothing_living_is_taken_over_between_two_heartbeats_of_a_lease_or_a_region() -> None:
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
    assert claimed_ms - last_beat_ms >= takeover_after_ms, "before its timeout had ended"
    assert claimed_ms + START_MS - death_ms <= worst_takeover_ms(policy)


def _claimed_ms(policy: Policy, death_ms: int, replication_ms: int, phase_ms: int) -> int:
    """Play the survivor's sweeps and messages over a lease whose owner beats until its death. Return when it is
    claimed, in ms."""

    def lease_at(now_ms: int) -> PartitionLease:
        return _lease(max(0, min(now_ms - replication_ms, death_ms)) // policy.heartbeat_ms)

    observation: Observation | None = None
    now_ms = phase_ms
    while True:
        judgement = judge_lease(1, lease_at(now_ms), observation, now_ms, policy.takeover_after_ms, claiming=False)
        if judgement.status is LeaseStatus.MOVED:
            observation = Observation.of("job", "r-000001", "east", judgement.fingerprint, now_ms)
        elif judgement.status is LeaseStatus.EXPIRED or due_before_next_sweep(judgement.wait_ms, policy):
            due_ms = now_ms + judgement.wait_ms
            if judge_lease(1, lease_at(due_ms), observation, due_ms, policy.takeover_after_ms, claiming=True).may_claim:
                return due_ms
        now_ms += policy.sweep_interval_ms


def _lease(heartbeat: int) -> PartitionLease:
    return PartitionLease("job", "r-000001", "west", 1, "worker", heartbeat, Phase.COPYING, 1, 0, 0, 0, {}, {})
