"""A paused job: nothing new is begun, what was under way may arrive, nothing is lost, and a resumed job goes on."""

from dataclasses import replace

import pytest

from chalicelib.core.desired_state import DesiredState, PauseLogKind
from chalicelib.core.jobs import JobState
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.rows import Outcome
from chalicelib.steps import control
from simulation.memory.env import CONTROL, EAST, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.pausing import (
    KEYS,
    LARGE,
    LOOK_MS,
    all_arrived_once,
    begun,
    calls_of,
    log_of,
    many,
    pause,
    paused_at,
    pausing,
    resume,
    slow_world,
    state,
)
from tests.steps.world import HOUR, MINUTE, SMALL, World

DAY = 24 * HOUR
PARTS = 7


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
    assert world.records(spec).snapshot().claims == {"r-000001": 2}
    all_arrived_once(world, spec)


def test_resumed_while_its_worker_gives_the_partition_back() -> None:
    """The resume comes between the look that found the pause and the beat that gives the partition back. Its message
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
    # This is the first lease that is written after the look that found the entry.
    look = Rule(operation=Operation.LIST, key=f"jobs/{spec.job_id}/desired/", error=None)
    look.act = lambda: world.calls.plan(1, before=released, is_counted=lambda label: label == "ledger.put_lease")
    world.faults.rule(look)
    world.pump()
    assert resumed
    assert world.records(spec).snapshot().claims == {"r-000001": 2}
    all_arrived_once(world, spec)


def test_a_job_whose_rows_were_all_decided_at_that_look_settles() -> None:
    world = slow_world()
    for key in KEYS[:3]:
        world.put(key, b"x")
    spec = paused_at(world, Operation.COPY, 3)  # The fourth beat, which looks, follows the third row.
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.records(spec).snapshot().desired_state.paused


def test_split_stops_between_entries_and_goes_on_there() -> None:
    world = many(slow_world(replace(SMALL, partition_rows=2)))
    spec = world.submit("a/", "b/")
    third = Rule(operation=Operation.LIST, bucket="source-west", first=3, error=None, act=lambda: pause(world, spec))
    world.faults.rule(third)
    slow = Rule(operation=Operation.LIST, bucket="source-west", times=None, error=None)
    slow.act = lambda: world.clock.advance(40_000)
    world.faults.rule(slow)
    world.pump()
    entries = len(world.records(spec).snapshot().entries)
    assert 3 <= entries <= 5, "of seven"
    assert begun(world) == 0, "what it had planned was not begun"
    world.run(HOUR)
    assert len(world.records(spec).snapshot().entries) == entries
    resume(world, spec)
    world.pump()
    all_arrived_once(world, spec)


def test_a_helper_stops_too_and_nothing_it_copied_is_copied_again() -> None:
    world = slow_world(replace(SMALL, parts_per_worker=2, workers_per_object=3, part_size_bytes=5))
    world.put(KEYS[0], LARGE)
    spec = world.submit("a/", "b/")

    def helpers_first() -> None:
        """Handle the helpers' messages while the owner is about to copy its own share."""
        world.collect()
        for mail in [mail for mail in world.mail if '"type":"copy_upload_parts"' in mail.body]:
            world.mail.remove(mail)
            world.handle(mail)

    world.faults.rule(Rule(operation=Operation.UPLOAD_PART_COPY, act=helpers_first, error=None))
    world.faults.rule(Rule(operation=Operation.UPLOAD_PART_COPY, first=3, act=lambda: pause(world, spec), error=None))
    world.pump()
    assert world.events("help-paused")
    copies = calls_of(world, Operation.UPLOAD_PART_COPY)
    assert copies < 20, "of twenty"
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
    parts_copied = calls_of(world, Operation.UPLOAD_PART_COPY)
    assert 0 < parts_copied < PARTS
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


@pytest.mark.parametrize("is_in_table", [True, False], ids=["the-table-knows", "the-table-lags"])
def test_a_settled_job_is_shown_as_it_is(is_in_table: bool) -> None:
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")
    world.settle()
    end = control.get_job(world.west, TENANT, spec.job_id)
    if not is_in_table:
        world.ledger.terminals.clear()
    for region in world.regions.values():
        for ask in (control.pause, control.resume):
            view = ask(region.env, TENANT, spec.job_id)
            assert (view.progress.state, view.settled_ms) == (JobState.SUCCEEDED, end.settled_ms)
            assert view.chain_sha256 == end.chain_sha256
    assert log_of(world, spec) == []
    assert region.queue.tasks == []


def test_repeating_changes_nothing() -> None:
    world = many(slow_world())
    spec = world.submit("a/", "b/")
    assert resume(world, spec) is JobState.PLANNING, "it was not paused"
    assert log_of(world, spec) == []
    for kind, ask, job_state in (
        (PauseLogKind.PAUSE, pause, JobState.PAUSED),
        (PauseLogKind.RESUME, resume, JobState.PLANNING),
        (PauseLogKind.PAUSE, pause, JobState.PAUSED),
        (PauseLogKind.RESUME, resume, JobState.PLANNING),
    ):
        number = len(log_of(world, spec)) + 1
        assert {ask(world, spec, region) for region in (WEST, EAST, WEST, EAST)} == {job_state}
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
    cancel, first = f"jobs/{spec.job_id}/cancel", f"jobs/{spec.job_id}/desired/000001"
    assert looks.count(first) == looks.count(cancel) == 3, "one split, two copies"
    assert f"jobs/{spec.job_id}/desired/" not in looks
    assert world.records(spec).snapshot().desired_state == DesiredState()
    assert not any(subject == "desired-state" for _, subject, _ in world.ledger.observations)
