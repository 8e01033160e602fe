"""A paused job: nothing new is begun, what was under way may arrive, nothing is lost; and a resumed one goes on."""

from dataclasses import replace

import pytest

from chalicelib.core.intents import IntentKind, Intents
from chalicelib.core.model import JobSpec, JobState, Outcome
from chalicelib.ports import DeliveryStatus
from chalicelib.steps import control
from simulation.memory.env import CONTROL, EAST, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.calls import crash
from tests.steps.pausing import (
    LOOK_MS,
    begun,
    calls_of,
    log_of,
    pause,
    pausing,
    resume,
    slow_world,
    state,
)
from tests.steps.world import HOUR, MINUTE, SMALL, Mail, World

DAY = 24 * HOUR
NEVER_MS = 1000 * DAY
KEYS = [f"in/a/{number:02d}" for number in range(14)]
LARGE = bytes(range(100))
PARTS = 7


def many(world: World) -> World:
    for key in KEYS:
        world.put(key, key.encode())
    return world


def paused_at(world: World, operation: Operation, nth: int) -> JobSpec:
    """Submitted to West and worked on there; paused when this request is about to be sent."""
    world.faults.rule(Rule(operation=operation, first=nth, act=lambda: pausing(world)(""), error=None))
    spec = world.submit("a/", "b/")
    world.pump()
    assert log_of(world, spec)
    return spec


def all_arrived_once(world: World, spec: JobSpec) -> None:
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.outcomes(spec) == dict.fromkeys(KEYS, Outcome.COPIED)
    assert [len(world.written(key.replace("in/a", "out/b"))) for key in KEYS] == [1] * len(KEYS)


# --- a worker that finds its job paused ---------------------------------------------------------------------------


def test_a_worker_stops_at_its_next_look_and_the_next_one_goes_on() -> None:
    world = many(slow_world(replace(SMALL, partition_rows=30)))
    spec = paused_at(world, Operation.COPY, 3)
    copied = calls_of(world, Operation.COPY)
    assert 3 <= copied <= 3 + LOOK_MS // 20_000
    assert state(world, spec, EAST) is JobState.PAUSED
    assert control.get_job(world.west, TENANT, spec.job_id).progress.objects_decided == copied
    assert world.mail == [], "given back without a message"
    world.run(HOUR)
    assert calls_of(world, Operation.COPY) == copied
    resume(world, spec)
    world.pump()  # No sweep is needed.
    assert world.records(spec).survey().claims == {"r-000001": 2}
    all_arrived_once(world, spec)


def test_resumed_while_its_worker_gives_the_partition_back() -> None:
    """Between the look that found the pause and the beat that gives the partition back: the message of the resumption
    finds the partition held, and is gone."""
    world = many(slow_world(replace(SMALL, partition_rows=30)))
    spec = world.submit("a/", "b/")
    resumed = []

    def released(label: str) -> None:
        resumed.append(label)
        resume(world, spec, EAST)
        world.collect()
        for mail in [mail for mail in world.mail if mail.region == EAST]:
            world.mail.remove(mail)
            world.handle(mail)

    world.faults.rule(Rule(operation=Operation.COPY, first=3, act=lambda: pausing(world)(""), error=None))
    # The first lease that is written after the look that found the intent.
    found = Rule(operation=Operation.LIST, key=f"jobs/{spec.job_id}/intent/", error=None)
    found.act = lambda: world.calls.plan(1, before=released, wanted=lambda label: label == "ledger.put_lease")
    world.faults.rule(found)
    world.pump()
    assert resumed
    assert world.records(spec).survey().claims == {"r-000001": 2}
    all_arrived_once(world, spec)


def test_a_job_whose_rows_were_all_decided_at_that_look_settles() -> None:
    world = slow_world()
    for key in KEYS[:3]:
        world.put(key, b"x")
    spec = paused_at(world, Operation.COPY, 3)  # The worker's fourth beat, with which it looks, follows the third row.
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.records(spec).survey().intents.paused


def test_split_stops_between_links_and_goes_on_there() -> None:
    world = many(slow_world(replace(SMALL, partition_rows=2)))
    spec = world.submit("a/", "b/")
    third = Rule(operation=Operation.LIST, bucket="source-west", first=3, error=None, act=lambda: pause(world, spec))
    world.faults.rule(third)
    slow = Rule(operation=Operation.LIST, bucket="source-west", times=None, error=None)
    slow.act = lambda: world.clock.advance(40_000)
    world.faults.rule(slow)
    world.pump()
    links = len(world.records(spec).survey().links)
    assert 3 <= links <= 5, "of seven"
    assert begun(world) == 0, "what it had planned was not begun"
    world.run(HOUR)
    assert len(world.records(spec).survey().links) == links
    resume(world, spec)
    world.pump()
    all_arrived_once(world, spec)


def test_a_helper_stops_too_and_nothing_it_copied_is_copied_again() -> None:
    world = slow_world(replace(SMALL, parts_per_worker=2, workers_per_object=3, part_size_bytes=5))
    world.put(KEYS[0], LARGE)
    spec = world.submit("a/", "b/")

    def helpers_first() -> None:
        """The owner has sent their messages and is about to copy its own share."""
        world.collect()
        for mail in [mail for mail in world.mail if '"share":"0/' in mail.body]:
            world.mail.remove(mail)
            world.handle(mail)

    world.faults.rule(Rule(operation=Operation.UPLOAD_PART_COPY, act=helpers_first, error=None))
    world.faults.rule(Rule(operation=Operation.UPLOAD_PART_COPY, first=3, act=lambda: pause(world, spec), error=None))
    world.pump()
    assert world.events("help-paused")
    sent = calls_of(world, Operation.UPLOAD_PART_COPY)
    assert sent < 20, "of twenty"
    world.run(HOUR)
    resume(world, spec)
    world.settle()
    assert world.outcomes(spec) == {KEYS[0]: Outcome.COPIED}
    assert calls_of(world, Operation.UPLOAD_PART_COPY) == 20
    assert calls_of(world, Operation.CREATE_UPLOAD) == 1


def test_a_multipart_copy_goes_on_after_three_days_with_the_parts_it_has() -> None:
    world = slow_world()
    world.put(KEYS[0], LARGE)
    spec = paused_at(world, Operation.UPLOAD_PART_COPY, 1)
    kept = calls_of(world, Operation.UPLOAD_PART_COPY)
    assert 0 < kept < PARTS
    world.clock.advance(3 * DAY)
    world.run(10 * MINUTE)
    assert world.all_uploads() == ["out/b/00"], "old, and still in use"
    assert calls_of(world, Operation.ABORT) == 0
    resume(world, spec, EAST)
    world.pump()
    assert world.outcomes(spec) == {KEYS[0]: Outcome.COPIED}
    assert calls_of(world, Operation.UPLOAD_PART_COPY) == PARTS
    assert calls_of(world, Operation.CREATE_UPLOAD) == 1
    world.tidy()
    assert world.all_uploads() == []


# --- sweeps -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("died", [False, True], ids=["given-back", "its-worker-died"])
def test_sweeps_wake_nothing_in_a_paused_job(died: bool) -> None:
    world = many(slow_world(replace(SMALL, partition_rows=4)))
    sent: list[Mail] = []
    if died:
        world.faults.rule(Rule(operation=Operation.COPY, first=2, act=lambda: crash("worker"), error=None))
        world.redeliver = False
    spec = paused_at(world, Operation.COPY, 1)
    assert bool(world.crashes) is died
    world.run(LOOK_MS)
    before = begun(world), world.records(spec).survey()
    world.watch = lambda: sent.extend(world.mail)
    beats = {beacon.region: beacon.counter for beacon in world.ledger.beacons()}
    world.run(HOUR)
    assert sent == []
    assert (begun(world), world.records(spec).survey()) == before
    assert all(beacon.counter >= beats[beacon.region] + 59 for beacon in world.ledger.beacons())
    world.watch = None
    resume(world, spec, EAST)
    world.settle()
    all_arrived_once(world, spec)


def test_resumed_by_sweeps_alone_within_minutes() -> None:
    """Every message is lost but theirs, and they have not looked between the pause and the resumption."""
    world = many(slow_world(lose=True))
    spec = world.submit("a/", "b/")
    pause(world, spec)
    world.run(3 * HOUR)
    assert begun(world) == 0
    resume(world, spec)
    resumed_ms = world.clock.now_ms()
    world.run(MINUTE)
    assert world.records(spec).survey().links, "split was woken at once"
    world.settle()
    all_arrived_once(world, spec)
    assert world.terminal(spec).settled_ms - resumed_ms <= 30 * MINUTE


def test_what_was_copied_is_verified_and_a_job_that_was_all_copied_settles_though_paused() -> None:
    world = World(lose=True)
    world.put(KEYS[0], b"x")
    spec = world.submit("a/", "b/")
    while not world.records(spec).survey().copied:
        world.step()
    assert not world.records(spec).survey().done, "the message to verify is lost"
    assert pause(world, spec) is JobState.PAUSED
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert state(world, spec) is JobState.SUCCEEDED


def test_a_job_of_very_many_partitions_is_woken_whole_within_a_minute() -> None:
    """One LIST shows the request but a part of them; the sweep, which wakes a hundred at a time otherwise, the rest."""
    world = World(policy=replace(SMALL, partition_rows=1, split_links_per_run=2000))
    keys = [f"in/a/{number:04d}" for number in range(1100)]
    for key in keys:
        world.put(key, b"x")
    spec = world.submit("a/", "b/")
    world.collect()
    split = next(mail for mail in world.mail if mail.queue == "split")
    world.mail.remove(split)
    world.handle(split)
    pause(world, spec)
    world.pump()
    assert begun(world) == 0
    world.run(HOUR)
    resume(world, spec)
    world.collect()
    assert 900 <= sum(mail.queue == "copy" for mail in world.mail) < 1100
    world.run(2 * MINUTE)
    assert world.terminal(spec).counts == {Outcome.COPIED: 1100}


# --- Regions ------------------------------------------------------------------------------------------------------


def west_dies(world: World) -> None:
    world.mail[:] = [mail for mail in world.mail if mail.region != WEST]
    world.regions[WEST].next_sweep_ms += NEVER_MS


def test_paused_in_west_and_west_dies_and_it_is_resumed_through_east() -> None:
    world = many(slow_world(replace(SMALL, partition_rows=30)))
    spec = paused_at(world, Operation.COPY, 3)
    west_dies(world)
    copied = begun(world)
    world.run(3 * HOUR)
    assert begun(world) == copied
    assert world.records(spec).survey().claims == {"r-000001": 1}, "nobody took it over"
    assert state(world, spec, EAST) is JobState.PAUSED
    assert resume(world, spec, EAST) is JobState.RUNNING
    world.pump()
    claim = world.records(spec).claim("r-000001", 2)
    assert claim is not None
    assert claim.region == EAST
    all_arrived_once(world, spec)


def test_west_dies_with_a_worker_that_never_saw_the_pause() -> None:
    world = many(slow_world(replace(SMALL, partition_rows=30)))
    spec = world.submit("a/", "b/")

    def paused_and_dead() -> None:
        pause(world, spec)
        crash("West")

    world.faults.rule(Rule(operation=Operation.COPY, first=3, act=paused_and_dead, error=None))
    world.pump()
    assert world.crashes
    world.collect(lost=True)
    west_dies(world)
    world.run(3 * HOUR)
    assert world.records(spec).survey().claims == {"r-000001": 1}, "nobody took it over"
    resume(world, spec, EAST)
    resumed_ms = world.clock.now_ms()
    world.settle()
    all_arrived_once(world, spec)
    copying_ms = 20_000 * len(KEYS)
    assert world.terminal(spec).settled_ms - resumed_ms <= 10 * MINUTE + copying_ms


def test_the_other_region_shows_the_pause_though_the_table_has_not_told_it() -> None:
    """Whoever took it died before noting it in the table, or the table's replication stands still: sweeps see it."""
    world = many(slow_world(lose=True))
    spec = world.submit("a/", "b/")
    pause(world, spec)
    world.ledger.observations.clear()
    assert state(world, spec, EAST) is JobState.PLANNING
    world.run(2 * MINUTE)
    assert {state(world, spec, region) for region in (WEST, EAST)} == {JobState.PAUSED}
    view = control.get_job(world.east, TENANT, spec.job_id)
    assert (view.reason, view.settled_ms) == ("paused by request: it goes on when it is resumed", None)


def test_a_note_that_comes_late_is_put_right() -> None:
    world = many(slow_world(lose=True))
    spec = world.submit("a/", "b/")
    pause(world, spec)
    late = world.ledger.observations[spec.job_id, "intents", WEST]
    resume(world, spec)
    world.run(2 * MINUTE)
    world.ledger.put_observation(late)
    world.ledger.put_observation(replace(late, region=EAST))
    world.run(2 * MINUTE)
    assert state(world, spec, EAST) is not JobState.PAUSED


def test_the_storage_of_a_paused_jobs_region_is_dead() -> None:
    """It waits for its owner first. To resume it, that storage is needed."""
    world = many(slow_world())
    spec = world.submit("a/", "b/")
    pause(world, spec)
    world.pump()
    dead = Rule(region=EAST, times=None)
    world.faults.rule(dead)
    world.run(5 * MINUTE)
    assert state(world, spec) is JobState.PAUSED
    world.faults.rules.remove(dead)
    resume(world, spec)
    world.settle()
    all_arrived_once(world, spec)


# --- with cancel, after the end, of a feed ------------------------------------------------------------------------


@pytest.mark.parametrize("lose", [False, True], ids=["messages", "no-messages"])
def test_a_paused_job_is_cancelled_at_once(lose: bool) -> None:
    world = slow_world()
    world.put(KEYS[0], LARGE)
    world.put(KEYS[1], b"small")
    spec = paused_at(world, Operation.UPLOAD_PART_COPY, 1)
    world.run(3 * HOUR)
    world.lose = lose
    view = control.cancel(world.west, TENANT, spec.job_id)
    assert view.progress.state is JobState.RUNNING, "not paused any more: it ends"
    cancelled_ms = world.clock.now_ms()
    if lose:
        world.settle()
    else:
        world.pump()  # No sweep is needed.
    assert world.terminal(spec).state is JobState.CANCELLED
    assert world.terminal(spec).settled_ms - cancelled_ms <= 5 * MINUTE
    assert set(world.outcomes(spec).values()) == {Outcome.CANCELLED}
    assert world.all_uploads() == []
    assert world.written("out/b/00") == []


def test_a_cancelled_job_can_neither_be_paused_nor_resumed() -> None:
    world = many(slow_world())
    spec = world.submit("a/", "b/")
    control.cancel(world.west, TENANT, spec.job_id)
    assert pause(world, spec, EAST) is not JobState.PAUSED
    assert resume(world, spec, EAST) is not JobState.PAUSED
    assert log_of(world, spec) == []
    world.settle()
    assert world.terminal(spec).state is JobState.CANCELLED


@pytest.mark.parametrize("known", [True, False], ids=["the-table-knows", "the-table-lags"])
def test_a_settled_job_is_shown_as_it_is(known: bool) -> None:
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")
    world.settle()
    end = control.get_job(world.west, TENANT, spec.job_id)
    if not known:
        world.ledger.terminals.clear()
    for region in world.regions.values():
        for ask in (control.pause, control.resume):
            view = ask(region.env, TENANT, spec.job_id)
            assert (view.progress.state, view.settled_ms) == (JobState.SUCCEEDED, end.settled_ms)
            assert view.chain_sha256 == end.chain_sha256
    assert log_of(world, spec) == []
    assert region.queue.wakes == []


def test_repeating_changes_nothing() -> None:
    world = many(slow_world())
    spec = world.submit("a/", "b/")
    assert resume(world, spec) is JobState.PLANNING, "it was not paused"
    assert log_of(world, spec) == []
    for kind, ask, shown in (
        (IntentKind.PAUSE, pause, JobState.PAUSED),
        (IntentKind.RESUME, resume, JobState.PLANNING),
        (IntentKind.PAUSE, pause, JobState.PAUSED),
        (IntentKind.RESUME, resume, JobState.PLANNING),
    ):
        number = len(log_of(world, spec)) + 1
        assert {ask(world, spec, region) for region in (WEST, EAST, WEST, EAST)} == {shown}
        last = log_of(world, spec)[-1]
        assert (last.number, last.kind, last.region) == (number, kind, WEST)
    world.settle()
    all_arrived_once(world, spec)


def test_the_job_of_a_feed() -> None:
    world = World()
    keys = [f"in/inbox/{number}" for number in range(4)]
    for key in keys:
        world.put(key, b"x")
    world.announce(*keys)
    world.handle(world.mail.pop())
    (spec,) = world.ledger.jobs.values()
    pause(world, spec)
    world.run(HOUR)
    assert begun(world) == 0
    assert {delivery.status for delivery in world.ledger.deliveries.values()} == {DeliveryStatus.QUEUED}
    resume(world, spec)
    world.pump()
    assert {delivery.status for delivery in world.ledger.deliveries.values()} == {DeliveryStatus.VERIFIED}
    assert [len(world.written(key.replace("in/", "out/"))) for key in keys] == [1] * 4


def test_a_job_that_nobody_pauses_costs_one_head_more_where_a_cancel_is_looked_for() -> None:
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")
    world.settle()
    looks = [key for operation, bucket, key in world.faults.calls if bucket == CONTROL[EAST].name]
    cancel, first = f"jobs/{spec.job_id}/cancel", f"jobs/{spec.job_id}/intent/000001"
    assert looks.count(first) == looks.count(cancel) == 3, "one split, two copies"
    assert f"jobs/{spec.job_id}/intent/" not in looks
    assert world.records(spec).survey().intents == Intents()
    assert not any(subject == "intents" for _, subject, _ in world.ledger.observations)
