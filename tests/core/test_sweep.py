"""How the sweep repairs a job, by its records and by how long they have looked the same."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.desired_state import Approved, DesiredState
from chalicelib.core.leases import Observation, RegionFingerprint
from chalicelib.core.policy import Policy
from chalicelib.core.sweep import JOB_SUBJECT, SETTLED, JobSnapshot, Repairs, decide, job_fingerprint

HOME, OTHER = "us-gov-west-1", "us-gov-east-1"
POLICY = Policy()
EMPTY = JobSnapshot()
PLANNED = JobSnapshot(entries=frozenset({"r-000001", "r-000002"}))
CLAIMED = replace(PLANNED, claims={"r-000001": 2, "r-000002": 1})
COPIED = replace(CLAIMED, copied={"r-000001": 2})
DONE = replace(COPIED, done=frozenset({"r-000001", "r-000002"}))
SPLIT = JobSnapshot(entries=frozenset({"r-000001", "r-000002", "r0-000001"}), done=frozenset({"r-000001"}))
DIVIDED = JobSnapshot(entries=frozenset({"r-000001", "r0-000001", "r1-000001"}))


def repairs(
    snapshot: JobSnapshot,
    before: Observation | None,
    now_ms: int,
    *,
    region: str = HOME,
    policy: Policy = POLICY,
    home_etag: str = "",
) -> Repairs:
    home_region = RegionFingerprint({HOME: home_etag})
    return decide(
        "job", snapshot, before, region=region, home=HOME, home_region=home_region, now_ms=now_ms, policy=policy
    )


def seen(
    snapshot: JobSnapshot, times: int = 0, since_ms: int = 0, region: str = HOME, home_etag: str = ""
) -> Observation:
    looks = job_fingerprint(snapshot, None if region == HOME else RegionFingerprint({HOME: home_etag}))
    return Observation.of("job", JOB_SUBJECT, region, replace(looks, redriven=times), since_ms)


ALL = [EMPTY, PLANNED, CLAIMED, COPIED, DONE, SPLIT, DIVIDED]


def test_a_settled_job_is_closed_after_a_round_and_nothing_else() -> None:
    """The process that has just settled it sends the notices. If the sweep sent them too, they would go out twice."""
    noted = Observation.of("job", JOB_SUBJECT, HOME, SETTLED, 5)
    for snapshot in ALL:
        settled = replace(snapshot, terminal=True)
        for before in (None, seen(snapshot)):
            assert repairs(settled, before, 5) == Repairs(observation=noted)
        assert repairs(settled, noted, 6) == Repairs(close=True)


@pytest.mark.parametrize("snapshot", ALL)
def test_a_job_that_moved_is_noted_and_let_be(snapshot: JobSnapshot) -> None:
    for before in (None, seen(replace(snapshot, entries=snapshot.entries | {"r-000009"}), 3)):
        repair = repairs(snapshot, before, 10**9)
        assert repair.observation == seen(snapshot, 0, 10**9)
        assert (repair.split, repair.copy, repair.verify) == ((), (), ())


@pytest.mark.parametrize(
    ("snapshot", "split", "copy", "verify", "watch"),
    [
        # Nothing is planned yet: the split message is lost.
        (EMPTY, ("r",), (), (), ()),
        # It is planned, but not claimed: copy messages are sent, and split messages, because the range may go on or be
        # split.
        (PLANNED, ("r", "r0", "r1"), ("r-000001", "r-000002"), (), ()),
        # It is claimed: the leases are watched, and no task is sent for what is claimed.
        (CLAIMED, ("r",), (), (), (("r-000001", 2), ("r-000002", 1))),
        (COPIED, ("r",), (), ("r-000001",), (("r-000002", 1),)),
        (DONE, ("r",), (), (), ()),
        # One half has begun, and the other may have lost its message. A range split can't be told from a manifest.
        (SPLIT, ("r", "r0", "r00", "r01", "r1"), ("r-000002", "r0-000001"), (), ()),
        # Both have begun, so the range above is ended by its range split.
        (DIVIDED, ("r0", "r00", "r01", "r1", "r10", "r11"), ("r0-000001", "r1-000001"), (), ()),
    ],
)
def test_messages_are_sent_anew_when_nothing_has_moved(
    snapshot: JobSnapshot,
    split: tuple[str, ...],
    copy: tuple[str, ...],
    verify: tuple[str, ...],
    watch: tuple[object, ...],
) -> None:
    repair = repairs(snapshot, seen(snapshot), POLICY.redrive_after_ms)
    assert (repair.split, repair.copy, repair.verify, repair.watch) == (split, copy, verify, watch)
    assert repair.delay_ms == 0
    assert repair.observation == seen(snapshot, 1, POLICY.redrive_after_ms)


@pytest.mark.parametrize(
    ("snapshot", "settle"),
    [(EMPTY, False), (PLANNED, False), (CLAIMED, False), (COPIED, False), (DONE, True), (SPLIT, False)],
)
def test_settling_is_tried_at_every_sweep_once_all_receipts_are_there(snapshot: JobSnapshot, settle: bool) -> None:
    for before in (None, seen(snapshot), seen(snapshot, 5)):
        assert repairs(snapshot, before, 1).settle is settle


def test_a_message_that_falls_due_before_the_next_sweep_is_sent_now_with_a_delay() -> None:
    early = repairs(PLANNED, seen(PLANNED), 25_000)
    assert early.copy
    assert early.delay_ms == POLICY.redrive_after_ms - 25_000
    assert early.observation == seen(PLANNED, 1, POLICY.redrive_after_ms), "counted from when it falls due"


def test_intervals_double_and_stop_doubling() -> None:
    policy = replace(POLICY, sweep_interval_ms=0)
    waits = []
    for times in range(10):
        before = seen(PLANNED, times)
        wait = next(ms for ms in range(0, 10**8, 60_000) if repairs(PLANNED, before, ms, policy=policy).copy)
        waits.append(wait // 60_000)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]


def test_the_other_region_waits_longer_and_only_while_the_home_region_shows_no_sign_of_life() -> None:
    before = seen(PLANNED, 0, 0, OTHER, "etag-1")
    early = POLICY.takeover_after_ms - POLICY.sweep_interval_ms - 1
    assert not repairs(PLANNED, before, early, region=OTHER, home_etag="etag-1").copy
    assert repairs(PLANNED, before, POLICY.takeover_after_ms, region=OTHER, home_etag="etag-1").copy
    alive = repairs(PLANNED, before, POLICY.takeover_after_ms, region=OTHER, home_etag="etag-2")
    assert not alive.copy
    assert alive.observation == seen(PLANNED, 0, POLICY.takeover_after_ms, OTHER, "etag-2")


# --- paused, resumed, cancelled -----------------------------------------------------------------------------------


@pytest.mark.parametrize("snapshot", ALL)
def test_a_paused_job_is_not_started_however_long_it_stands_still(snapshot: JobSnapshot) -> None:
    """Rows that were copied are verified, and if those were all, the job settles."""
    paused = replace(snapshot, desired_state=DesiredState(1))
    unverified = tuple(sorted(snapshot.copied.keys() - snapshot.done))
    for before in (None, seen(snapshot), seen(paused), seen(paused, 9)):
        for region in (HOME, OTHER):
            repair = repairs(paused, before, 10**12, region=region)
            assert (repair.split, repair.copy, repair.watch) == ((), (), ())
            assert repair.settle is repairs(snapshot, None, 0).settle
    assert repairs(paused, seen(paused), 10**12).verify == unverified


@pytest.mark.parametrize("region", [HOME, OTHER])
@pytest.mark.parametrize("highest", [2, 4])
@pytest.mark.parametrize("snapshot", [EMPTY, PLANNED, CLAIMED, COPIED, SPLIT, DIVIDED])
def test_a_job_found_resumed_is_started_at_once_and_all_of_it(snapshot: JobSnapshot, highest: int, region: str) -> None:
    resumed = replace(snapshot, desired_state=DesiredState(highest))
    anyway = repairs(snapshot, seen(snapshot), 10**12)
    # It was paused when last seen, or not seen between the pause and the resume, or never seen.
    for observation in (
        seen(replace(snapshot, desired_state=DesiredState(highest - 1)), 6, 0, region),
        seen(snapshot, 0, 0, region),
        None,
    ):
        repair = repairs(resumed, observation, 7, region=region, policy=replace(POLICY, redrives_per_job=1))
        assert set(repair.split) == set(anyway.split)
        assert set(repair.copy) == set(anyway.copy) | {partition_id for partition_id, _ in anyway.watch}
        assert repair.delay_ms == 0
        assert repair.observation == seen(resumed, 0, 7, region)
    calm = repairs(resumed, seen(resumed, 0, 0, region), 7, region=region, policy=replace(POLICY, sweep_interval_ms=0))
    assert (calm.split, calm.copy) == ((), ()), "once"


@pytest.mark.parametrize("highest", [0, 1])
def test_a_job_found_cancelled_is_started_at_once(highest: int) -> None:
    """It is started whether it is paused or not. Split goes down from the root, and some copies are started, in case
    there is nothing to split."""
    cancelled = replace(CLAIMED, desired_state=DesiredState(highest, cancelled=True))
    before = replace(CLAIMED, desired_state=DesiredState(highest))
    repair = repairs(cancelled, seen(before, 6), 7)
    assert (repair.split, repair.copy) == (("r",), ("r-000001", "r-000002"))
    assert repair.watch == (("r-000001", 2), ("r-000002", 1))
    assert repairs(cancelled, seen(before, 6), 7, policy=replace(POLICY, redrives_per_job=1)).copy == ("r-000001",)


@given(st.integers(1, 60), st.integers(1, 20))
def test_every_name_gets_its_turn(count: int, limit: int) -> None:
    """This holds however many there are, and however few may be started at once."""
    snapshot = JobSnapshot(entries=frozenset(f"r-{number:06d}" for number in range(1, count + 1)))
    policy = replace(POLICY, redrives_per_job=limit)
    started: set[str] = set()
    for times in range(count // limit + 2):
        repair = repairs(snapshot, seen(snapshot, times), 10**12, policy=policy)
        assert len(repair.copy) <= limit
        assert len(set(repair.copy)) == len(repair.copy)
        started.update(repair.copy)
    assert started == snapshot.entries


def test_the_defaults_keep_the_promise_of_ten_minutes() -> None:
    assert POLICY.lease_ttl_ms > 4 * POLICY.heartbeat_ms
    assert POLICY.takeover_after_ms > 2 * POLICY.sweep_interval_ms


# --- plans --------------------------------------------------------------------------------------------------------

AWAITED, GIVEN = DesiredState(approved=Approved.AWAITED), DesiredState(approved=Approved.GIVEN)


@pytest.mark.parametrize("region", [HOME, OTHER])
def test_a_plan_goes_on_being_planned_and_nothing_of_it_is_copied(region: str) -> None:
    snapshot = replace(SPLIT, desired_state=AWAITED)
    for before in (None, seen(snapshot, 0, 0, region), seen(snapshot, 3, 0, region)):
        repair = repairs(snapshot, before, 10**9, region=region)
        assert (repair.copy, repair.watch, repair.verify) == ((), (), ())
        assert repair.settle, "perhaps it can be summed up"
        assert bool(repair.split) is (before is not None)


def test_a_paused_plan_is_not_even_planned() -> None:
    snapshot = replace(SPLIT, desired_state=replace(AWAITED, highest=1))
    repair = repairs(snapshot, seen(snapshot), 10**9)
    assert (repair.split, repair.copy) == ((), ())


@pytest.mark.parametrize("before", [None, seen(replace(PLANNED, desired_state=AWAITED), 5)], ids=["unseen", "seen"])
def test_when_it_is_found_approved_all_its_lines_are_started(before: Observation | None) -> None:
    """The first partition of each lane is started. Those start the others."""
    many = replace(PLANNED, entries=frozenset(f"r-{number:06d}" for number in range(1, 1001)), desired_state=GIVEN)
    repair = repairs(many, before, 5)
    assert set(repair.copy) == {f"r-{number:06d}" for number in range(1, POLICY.partitions_ahead + 1)}


def test_an_approved_plan_that_nobody_works_on_is_started_again() -> None:
    approved = replace(PLANNED, desired_state=GIVEN)
    assert repairs(approved, seen(approved), POLICY.redrive_after_ms).copy == ("r-000001", "r-000002")
