"""Which worker holds a partition, and when another one may take it, by the observer's own clock alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.leases import (
    LeaseFingerprint,
    LeasePhase,
    LeaseStatus,
    Observation,
    PartitionLease,
    RegionFingerprint,
    judge_lease,
    lease_fingerprint,
)

EAST = "us-gov-east-1"
TIMEOUT_MS = 90_000


def lease(epoch: int = 1, heartbeat: int = 3, phase: LeasePhase = LeasePhase.COPYING) -> PartitionLease:
    return PartitionLease("job", "r-000001", EAST, epoch, "worker", heartbeat, phase, 4, 0, 0, 0, {}, {})


def noted(fingerprint: LeaseFingerprint | None, since_ms: int = 0) -> Observation:
    return Observation.of("job", "r-000001", EAST, fingerprint, since_ms)


@pytest.mark.parametrize("claiming", [False, True])
@pytest.mark.parametrize(
    ("item", "noted_before", "now_ms", "status", "wait_ms"),
    [
        # It was never looked at, or it looks different from last time: note it and wait.
        (lease(), None, 0, LeaseStatus.MOVED, TIMEOUT_MS),
        (None, None, 0, LeaseStatus.MOVED, TIMEOUT_MS),
        (lease(heartbeat=4), noted(LeaseFingerprint(1, 3)), 10**9, LeaseStatus.MOVED, TIMEOUT_MS),
        (lease(), noted(LeaseFingerprint(1, 0)), 10**9, LeaseStatus.MOVED, TIMEOUT_MS),
        (lease(epoch=1), noted(LeaseFingerprint(2, 3)), 10**9, LeaseStatus.MOVED, TIMEOUT_MS),
        # It stands still.
        (lease(), noted(LeaseFingerprint(1, 3)), 0, LeaseStatus.WAITING, TIMEOUT_MS),
        (lease(), noted(LeaseFingerprint(1, 3)), TIMEOUT_MS - 1, LeaseStatus.WAITING, 1),
        (lease(), noted(LeaseFingerprint(1, 3)), TIMEOUT_MS, LeaseStatus.EXPIRED, 0),
        (lease(), noted(LeaseFingerprint(1, 3)), 10 * TIMEOUT_MS, LeaseStatus.EXPIRED, 0),
        # A claim of which the table knows nothing, or only an earlier epoch, expires too.
        (None, noted(LeaseFingerprint(1, 0)), TIMEOUT_MS, LeaseStatus.EXPIRED, 0),
        (lease(epoch=7), noted(LeaseFingerprint(1, 0)), TIMEOUT_MS, LeaseStatus.EXPIRED, 0),
        # It is copied: verification comes next, not another claim.
        (lease(phase=LeasePhase.COPIED), noted(LeaseFingerprint(1, 3)), 10**9, LeaseStatus.WAITING, TIMEOUT_MS),
        # It is verified, but the last look is older: if somebody judges it, it is waited for.
        (lease(phase=LeasePhase.DONE), noted(LeaseFingerprint(1, 3)), 1, LeaseStatus.WAITING, TIMEOUT_MS - 1),
    ],
)
def test_status(
    item: PartitionLease | None,
    noted_before: Observation | None,
    now_ms: int,
    status: LeaseStatus,
    wait_ms: int,
    claiming: bool,
) -> None:
    judgement = judge_lease(1, item, noted_before, now_ms, TIMEOUT_MS, claiming=claiming)
    assert (judgement.status, judgement.wait_ms) == (status, wait_ms)
    assert judgement.may_claim == (status is LeaseStatus.EXPIRED)


def test_a_released_partition_is_taken_at_once_by_a_worker_and_after_a_while_by_the_sweep() -> None:
    released = lease(phase=LeasePhase.RELEASED)
    judgement = judge_lease(1, released, None, 0, TIMEOUT_MS, claiming=True)
    assert (judgement.status, judgement.may_claim) == (LeaseStatus.RELEASED, True)
    assert judge_lease(1, released, None, 0, TIMEOUT_MS, claiming=False).status is LeaseStatus.MOVED
    assert (
        judge_lease(1, released, noted(LeaseFingerprint(1, 3)), TIMEOUT_MS, TIMEOUT_MS, claiming=False).status
        is LeaseStatus.EXPIRED
    )


def test_a_release_of_an_earlier_epoch_says_nothing_about_this_one() -> None:
    released = lease(epoch=1, phase=LeasePhase.RELEASED)
    assert judge_lease(2, released, None, 0, TIMEOUT_MS, claiming=True).status is LeaseStatus.MOVED


def test_a_region_whose_heartbeats_move_is_alive_though_its_leases_stand_still() -> None:
    """The table's replication stalls, but the region heartbeats in S3 move."""
    before = noted(lease_fingerprint(1, lease(), RegionFingerprint({EAST: "etag-1"})))
    moved = judge_lease(
        1, lease(), before, 10**9, TIMEOUT_MS, claiming=True, owner_region=RegionFingerprint({EAST: "etag-2"})
    )
    assert moved.status is LeaseStatus.MOVED
    still = judge_lease(
        1, lease(), before, TIMEOUT_MS, TIMEOUT_MS, claiming=True, owner_region=RegionFingerprint({EAST: "etag-1"})
    )
    assert still.status is LeaseStatus.EXPIRED


@given(st.lists(st.tuples(st.integers(0, 30_000), st.booleans()), max_size=60))
def test_a_worker_that_beats_is_never_superseded(steps: list[tuple[int, bool]]) -> None:
    """Looks come at any moments. At most 30 s pass between two of them, and within each 60 s there is a beat."""
    heartbeat, since_beat_ms, now_ms, observation = 0, 0, 0, None
    for passed_ms, is_beat in steps:
        now_ms += passed_ms
        since_beat_ms += passed_ms
        if is_beat or since_beat_ms > 60_000:
            heartbeat, since_beat_ms = heartbeat + 1, 0
        judgement = judge_lease(1, lease(heartbeat=heartbeat), observation, now_ms, TIMEOUT_MS, claiming=True)
        assert not judgement.may_claim
        if judgement.status is LeaseStatus.MOVED:
            observation = noted(judgement.fingerprint, now_ms)


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=30))
def test_a_dead_worker_is_superseded_when_the_timeout_is_over_and_not_before(steps: list[int]) -> None:
    now_ms, observation, noted_ms = 0, None, None
    for passed_ms in steps:
        now_ms += passed_ms
        judgement = judge_lease(1, lease(), observation, now_ms, TIMEOUT_MS, claiming=True)
        if judgement.status is LeaseStatus.MOVED:
            observation, noted_ms = noted(judgement.fingerprint, now_ms), now_ms
        assert noted_ms is not None
        assert judgement.may_claim == (now_ms - noted_ms >= TIMEOUT_MS)
        if not judgement.may_claim:
            assert now_ms + judgement.wait_ms - noted_ms == TIMEOUT_MS, "a delayed message arrives exactly then"
