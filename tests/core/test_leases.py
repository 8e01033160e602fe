"""Who works on a partition, and when somebody else may: by the observer's own clock alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.leases import (
    LeaseFingerprint,
    LeasePhase,
    LeaseStatus,
    Observation,
    PartLease,
    RegionFingerprint,
    judge_lease,
    lease_fingerprint,
)

EAST = "us-gov-east-1"
TIMEOUT_MS = 90_000


def lease(epoch: int = 1, heartbeat: int = 3, phase: LeasePhase = LeasePhase.COPYING) -> PartLease:
    return PartLease("job", "r-000001", EAST, epoch, "worker", heartbeat, phase, 4, 0, 0, 0, {}, {})


def noted(fingerprint: LeaseFingerprint | None, since_ms: int = 0) -> Observation:
    return Observation.of("job", "r-000001", EAST, fingerprint, since_ms)


@pytest.mark.parametrize("claiming", [False, True])
@pytest.mark.parametrize(
    ("item", "before", "now_ms", "status", "wait_ms"),
    [
        # Never looked at, or it looks different from last time: note it and wait.
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
        # Copied: verification comes next, not another claim.
        (lease(phase=LeasePhase.COPIED), noted(LeaseFingerprint(1, 3)), 10**9, LeaseStatus.WAITING, TIMEOUT_MS),
        # Verified, with an older look at it: nobody asks, but if, it is waited for.
        (lease(phase=LeasePhase.DONE), noted(LeaseFingerprint(1, 3)), 1, LeaseStatus.WAITING, TIMEOUT_MS - 1),
    ],
)
def test_status(
    item: PartLease | None, before: Observation | None, now_ms: int, status: LeaseStatus, wait_ms: int, claiming: bool
) -> None:
    found = judge_lease(1, item, before, now_ms, TIMEOUT_MS, claiming=claiming)
    assert (found.status, found.wait_ms) == (status, wait_ms)
    assert found.may_claim == (status is LeaseStatus.EXPIRED)


def test_a_released_partition_is_taken_at_once_by_a_worker_and_after_a_while_by_the_sweep() -> None:
    released = lease(phase=LeasePhase.RELEASED)
    taken = judge_lease(1, released, None, 0, TIMEOUT_MS, claiming=True)
    assert (taken.status, taken.may_claim) == (LeaseStatus.RELEASED, True)
    assert judge_lease(1, released, None, 0, TIMEOUT_MS, claiming=False).status is LeaseStatus.MOVED
    assert (
        judge_lease(1, released, noted(LeaseFingerprint(1, 3)), TIMEOUT_MS, TIMEOUT_MS, claiming=False).status
        is LeaseStatus.EXPIRED
    )


def test_a_release_of_an_earlier_epoch_says_nothing_about_this_one() -> None:
    released = lease(epoch=1, phase=LeasePhase.RELEASED)
    assert judge_lease(2, released, None, 0, TIMEOUT_MS, claiming=True).status is LeaseStatus.MOVED


def test_a_region_whose_heartbeats_move_is_alive_though_its_leases_stand_still() -> None:
    """The table's replication stalls: the region heartbeats in S3 tell."""
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
    """Looks at any moments; between any two of them at most 30 s pass, and within each 60 s there is a beat."""
    beat, since_beat, now, before = 0, 0, 0, None
    for passed, beats in steps:
        now += passed
        since_beat += passed
        if beats or since_beat > 60_000:
            beat, since_beat = beat + 1, 0
        found = judge_lease(1, lease(heartbeat=beat), before, now, TIMEOUT_MS, claiming=True)
        assert not found.may_claim
        if found.status is LeaseStatus.MOVED:
            before = noted(found.fingerprint, now)


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=30))
def test_a_dead_worker_is_superseded_when_the_timeout_is_over_and_not_before(steps: list[int]) -> None:
    now, before, first = 0, None, None
    for passed in steps:
        now += passed
        found = judge_lease(1, lease(), before, now, TIMEOUT_MS, claiming=True)
        if found.status is LeaseStatus.MOVED:
            before, first = noted(found.fingerprint, now), now
        assert first is not None
        assert found.may_claim == (now - first >= TIMEOUT_MS)
        if not found.may_claim:
            assert now + found.wait_ms - first == TIMEOUT_MS, "a delayed message arrives exactly then"
