"""Who works on a partition, and when somebody else may: by the observer's own clock alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.leases import LeasePhase, Observation, PartLease, Standing, lease_sight, look

EAST = "us-gov-east-1"
PATIENCE = 90_000


def lease(epoch: int = 1, heartbeat: int = 3, phase: LeasePhase = LeasePhase.COPYING) -> PartLease:
    return PartLease("job", "r-000001", EAST, epoch, "worker", heartbeat, phase, 4, 0, 0, 0, {}, {})


def seen(sight: str, since_ms: int = 0) -> Observation:
    return Observation("job", "r-000001", EAST, sight, since_ms)


@pytest.mark.parametrize("claiming", [False, True])
@pytest.mark.parametrize(
    ("item", "before", "now_ms", "standing", "wait_ms"),
    [
        # Never looked at, or it looks different from last time: note it and wait.
        (lease(), None, 0, Standing.MOVED, PATIENCE),
        (None, None, 0, Standing.MOVED, PATIENCE),
        (lease(heartbeat=4), seen("1:3:"), 10**9, Standing.MOVED, PATIENCE),
        (lease(), seen("1:0:"), 10**9, Standing.MOVED, PATIENCE),
        (lease(epoch=1), seen("2:3:"), 10**9, Standing.MOVED, PATIENCE),
        # It stands still.
        (lease(), seen("1:3:"), 0, Standing.WAITING, PATIENCE),
        (lease(), seen("1:3:"), PATIENCE - 1, Standing.WAITING, 1),
        (lease(), seen("1:3:"), PATIENCE, Standing.EXPIRED, 0),
        (lease(), seen("1:3:"), 10 * PATIENCE, Standing.EXPIRED, 0),
        # A claim of which the table knows nothing, or only an earlier epoch, expires too.
        (None, seen("1:0:"), PATIENCE, Standing.EXPIRED, 0),
        (lease(epoch=7), seen("1:0:"), PATIENCE, Standing.EXPIRED, 0),
        # Copied: verification comes next, not another claim.
        (lease(phase=LeasePhase.COPIED), seen("1:3:"), 10**9, Standing.WAITING, PATIENCE),
        # Verified, with an older look at it: nobody asks, but if, it is waited for.
        (lease(phase=LeasePhase.DONE), seen("1:3:"), 1, Standing.WAITING, PATIENCE - 1),
    ],
)
def test_standing(
    item: PartLease | None, before: Observation | None, now_ms: int, standing: Standing, wait_ms: int, claiming: bool
) -> None:
    found = look(1, item, before, now_ms, PATIENCE, claiming=claiming)
    assert (found.standing, found.wait_ms) == (standing, wait_ms)
    assert found.may_claim == (standing is Standing.EXPIRED)


def test_a_released_partition_is_taken_at_once_by_a_worker_and_after_a_while_by_the_sweep() -> None:
    released = lease(phase=LeasePhase.RELEASED)
    taken = look(1, released, None, 0, PATIENCE, claiming=True)
    assert (taken.standing, taken.may_claim) == (Standing.RELEASED, True)
    assert look(1, released, None, 0, PATIENCE, claiming=False).standing is Standing.MOVED
    assert look(1, released, seen("1:3:"), PATIENCE, PATIENCE, claiming=False).standing is Standing.EXPIRED


def test_a_release_of_an_earlier_epoch_says_nothing_about_this_one() -> None:
    released = lease(epoch=1, phase=LeasePhase.RELEASED)
    assert look(2, released, None, 0, PATIENCE, claiming=True).standing is Standing.MOVED


def test_a_region_whose_beacons_move_is_alive_though_its_heartbeats_stand_still() -> None:
    """The table's replication stalls: beacons in S3 tell."""
    before = seen(lease_sight(1, lease(), "etag-1"))
    moved = look(1, lease(), before, 10**9, PATIENCE, claiming=True, owner_region="etag-2")
    assert moved.standing is Standing.MOVED
    still = look(1, lease(), before, PATIENCE, PATIENCE, claiming=True, owner_region="etag-1")
    assert still.standing is Standing.EXPIRED


@given(st.lists(st.tuples(st.integers(0, 30_000), st.booleans()), max_size=60))
def test_a_worker_that_beats_is_never_superseded(steps: list[tuple[int, bool]]) -> None:
    """Looks at any moments; between any two of them at most 30 s pass, and within each 60 s there is a beat."""
    beat, since_beat, now, before = 0, 0, 0, None
    for passed, beats in steps:
        now += passed
        since_beat += passed
        if beats or since_beat > 60_000:
            beat, since_beat = beat + 1, 0
        found = look(1, lease(heartbeat=beat), before, now, PATIENCE, claiming=True)
        assert not found.may_claim
        if found.standing is Standing.MOVED:
            before = seen(found.sight, now)


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=30))
def test_a_dead_worker_is_superseded_when_the_patience_is_over_and_not_before(steps: list[int]) -> None:
    now, before, first = 0, None, None
    for passed in steps:
        now += passed
        found = look(1, lease(), before, now, PATIENCE, claiming=True)
        if found.standing is Standing.MOVED:
            before, first = seen(found.sight, now), now
        assert first is not None
        assert found.may_claim == (now - first >= PATIENCE)
        if not found.may_claim:
            assert now + found.wait_ms - first == PATIENCE, "a delayed message arrives exactly then"
