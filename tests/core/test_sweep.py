"""What the sweep does about a job, by what is on record and for how long it has looked the same."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.intents import Approved, Intents
from chalicelib.core.leases import Observation, RegionFingerprint
from chalicelib.core.policy import Policy
from chalicelib.core.sweep import JOB_SUBJECT, SETTLED, Records, Repairs, decide, job_fingerprint

HOME, OTHER = "us-gov-west-1", "us-gov-east-1"
POLICY = Policy()
EMPTY = Records()
PLANNED = Records(links=frozenset({"r-000001", "r-000002"}))
CLAIMED = replace(PLANNED, claims={"r-000001": 2, "r-000002": 1})
COPIED = replace(CLAIMED, copied={"r-000001": 2})
DONE = replace(COPIED, done=frozenset({"r-000001", "r-000002"}))
FORKED = Records(links=frozenset({"r-000001", "r-000002", "r0-000001"}), done=frozenset({"r-000001"}))
DIVIDED = Records(links=frozenset({"r-000001", "r0-000001", "r1-000001"}))


def repairs(
    records: Records,
    before: Observation | None,
    now_ms: int,
    *,
    region: str = HOME,
    policy: Policy = POLICY,
    home_etag: str = "",
) -> Repairs:
    home_region = RegionFingerprint({HOME: home_etag})
    return decide(
        "job", records, before, region=region, home=HOME, home_region=home_region, now_ms=now_ms, policy=policy
    )


def seen(records: Records, times: int = 0, since_ms: int = 0, region: str = HOME, home_etag: str = "") -> Observation:
    looks = job_fingerprint(records, None if region == HOME else RegionFingerprint({HOME: home_etag}))
    return Observation.of("job", JOB_SUBJECT, region, replace(looks, redriven=times), since_ms)


ALL = [EMPTY, PLANNED, CLAIMED, COPIED, DONE, FORKED, DIVIDED]


def test_a_settled_job_is_closed_after_a_round_and_nothing_else() -> None:
    """Who has just settled it is telling the world: done here too, the world would hear it twice."""
    noted = Observation.of("job", JOB_SUBJECT, HOME, SETTLED, 5)
    for records in ALL:
        settled = replace(records, terminal=True)
        for before in (None, seen(records)):
            assert repairs(settled, before, 5) == Repairs(observation=noted)
        assert repairs(settled, noted, 6) == Repairs(close=True)


@pytest.mark.parametrize("records", ALL)
def test_a_job_that_moved_is_noted_and_let_be(records: Records) -> None:
    for before in (None, seen(replace(records, links=records.links | {"r-000009"}), 3)):
        found = repairs(records, before, 10**9)
        assert found.observation == seen(records, 0, 10**9)
        assert (found.split, found.copy, found.verify) == ((), (), ())


@pytest.mark.parametrize(
    ("records", "split", "copy", "verify", "watch"),
    [
        # Nothing planned yet: the split message is lost.
        (EMPTY, ("r",), (), (), ()),
        # Planned, not claimed: copy messages; perhaps the range goes on or was forked: split messages.
        (PLANNED, ("r", "r0", "r1"), ("r-000001", "r-000002"), (), ()),
        # Claimed: the leases are watched, no task is sent for what is claimed.
        (CLAIMED, ("r",), (), (), (("r-000001", 2), ("r-000002", 1))),
        (COPIED, ("r",), (), ("r-000001",), (("r-000002", 1),)),
        (DONE, ("r",), (), (), ()),
        # One half has begun: the other may have lost its message. The fork itself can't be told from a manifest.
        (FORKED, ("r", "r0", "r00", "r01", "r1"), ("r-000002", "r0-000001"), (), ()),
        # Both have begun: the range above is ended by its fork.
        (DIVIDED, ("r0", "r00", "r01", "r1", "r10", "r11"), ("r0-000001", "r1-000001"), (), ()),
    ],
)
def test_messages_are_sent_anew_when_nothing_has_moved(
    records: Records, split: tuple[str, ...], copy: tuple[str, ...], verify: tuple[str, ...], watch: tuple[object, ...]
) -> None:
    found = repairs(records, seen(records), POLICY.redrive_after_ms)
    assert (found.split, found.copy, found.verify, found.watch) == (split, copy, verify, watch)
    assert found.delay_ms == 0
    assert found.observation == seen(records, 1, POLICY.redrive_after_ms)


@pytest.mark.parametrize(
    ("records", "settle"),
    [(EMPTY, False), (PLANNED, False), (CLAIMED, False), (COPIED, False), (DONE, True), (FORKED, False)],
)
def test_settling_is_tried_at_every_sweep_once_all_receipts_are_there(records: Records, settle: bool) -> None:
    for before in (None, seen(records), seen(records, 5)):
        assert repairs(records, before, 1).settle is settle


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


@pytest.mark.parametrize("records", ALL)
def test_a_paused_job_is_not_started_however_long_it_stands_still(records: Records) -> None:
    """But what was copied is verified, and if that was all, it settles."""
    paused = replace(records, intents=Intents(1))
    unverified = tuple(sorted(records.copied.keys() - records.done))
    for before in (None, seen(records), seen(paused), seen(paused, 9)):
        for region in (HOME, OTHER):
            found = repairs(paused, before, 10**12, region=region)
            assert (found.split, found.copy, found.watch) == ((), (), ())
            assert found.settle is repairs(records, None, 0).settle
    assert repairs(paused, seen(paused), 10**12).verify == unverified


@pytest.mark.parametrize("region", [HOME, OTHER])
@pytest.mark.parametrize("highest", [2, 4])
@pytest.mark.parametrize("records", [EMPTY, PLANNED, CLAIMED, COPIED, FORKED, DIVIDED])
def test_a_job_found_resumed_is_started_at_once_and_all_of_it(records: Records, highest: int, region: str) -> None:
    resumed = replace(records, intents=Intents(highest))
    anyway = repairs(records, seen(records), 10**12)
    # It was paused when last seen; or was not seen between the pause and the resume; or was never seen.
    for last in (seen(replace(records, intents=Intents(highest - 1)), 6, 0, region), seen(records, 0, 0, region), None):
        found = repairs(resumed, last, 7, region=region, policy=replace(POLICY, redrives_per_job=1))
        assert set(found.split) == set(anyway.split)
        assert set(found.copy) == set(anyway.copy) | {part for part, _ in anyway.watch}
        assert found.delay_ms == 0
        assert found.observation == seen(resumed, 0, 7, region)
    calm = repairs(resumed, seen(resumed, 0, 0, region), 7, region=region, policy=replace(POLICY, sweep_interval_ms=0))
    assert (calm.split, calm.copy) == ((), ()), "once"


@pytest.mark.parametrize("highest", [0, 1])
def test_a_job_found_cancelled_is_started_at_once(highest: int) -> None:
    """Paused or not. Split goes down from the root; copy is started for some, in case there is nothing to split."""
    cancelled = replace(CLAIMED, intents=Intents(highest, cancelled=True))
    before = replace(CLAIMED, intents=Intents(highest))
    found = repairs(cancelled, seen(before, 6), 7)
    assert (found.split, found.copy) == (("r",), ("r-000001", "r-000002"))
    assert found.watch == (("r-000001", 2), ("r-000002", 1))
    assert repairs(cancelled, seen(before, 6), 7, policy=replace(POLICY, redrives_per_job=1)).copy == ("r-000001",)


@given(st.integers(1, 60), st.integers(1, 20))
def test_every_name_gets_its_turn(count: int, limit: int) -> None:
    """However many there are, and however few may be started at once."""
    records = Records(links=frozenset(f"r-{number:06d}" for number in range(1, count + 1)))
    policy = replace(POLICY, redrives_per_job=limit)
    started: set[str] = set()
    for times in range(count // limit + 2):
        found = repairs(records, seen(records, times), 10**12, policy=policy)
        assert len(found.copy) <= limit
        assert len(set(found.copy)) == len(found.copy)
        started.update(found.copy)
    assert started == records.links


def test_the_defaults_keep_the_promise_of_ten_minutes() -> None:
    assert POLICY.lease_ttl_ms > 4 * POLICY.heartbeat_ms
    assert POLICY.takeover_after_ms > 2 * POLICY.sweep_interval_ms


# --- plans --------------------------------------------------------------------------------------------------------

AWAITED, GIVEN = Intents(approved=Approved.AWAITED), Intents(approved=Approved.GIVEN)


@pytest.mark.parametrize("region", [HOME, OTHER])
def test_a_plan_goes_on_being_planned_and_nothing_of_it_is_copied(region: str) -> None:
    records = replace(FORKED, intents=AWAITED)
    for before in (None, seen(records, 0, 0, region), seen(records, 3, 0, region)):
        found = repairs(records, before, 10**9, region=region)
        assert (found.copy, found.watch, found.verify) == ((), (), ())
        assert found.settle, "perhaps it can be summed up"
        assert bool(found.split) is (before is not None)


def test_a_paused_plan_is_not_even_planned() -> None:
    records = replace(FORKED, intents=replace(AWAITED, highest=1))
    found = repairs(records, seen(records), 10**9)
    assert (found.split, found.copy) == ((), ())


@pytest.mark.parametrize("before", [None, seen(replace(PLANNED, intents=AWAITED), 5)], ids=["unseen", "seen"])
def test_when_it_is_found_approved_all_its_lines_are_started(before: Observation | None) -> None:
    """The first of each: those start the others."""
    many = replace(PLANNED, links=frozenset(f"r-{number:06d}" for number in range(1, 1001)), intents=GIVEN)
    found = repairs(many, before, 5)
    assert set(found.copy) == {f"r-{number:06d}" for number in range(1, POLICY.partitions_ahead + 1)}


def test_an_approved_plan_that_nobody_works_on_is_started_again() -> None:
    approved = replace(PLANNED, intents=GIVEN)
    assert repairs(approved, seen(approved), POLICY.redrive_after_ms).copy == ("r-000001", "r-000002")
