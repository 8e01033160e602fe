"""A very large object: its parts are divided among several workers, and the holder of the partition completes it."""

import json
from dataclasses import replace

from chalicelib.core.errors import NoAnswer, NoSuchUpload
from chalicelib.core.jobs import JobSpec
from chalicelib.core.rows import Outcome
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.calls import crash
from tests.steps.world import SMALL, World

KEY, TARGET_KEY, BODY = "in/a/large", "out/b/large", bytes(range(100))
PARTS = 7
TOGETHER = replace(SMALL, parts_per_worker=2, workers_per_object=3)


def world_of() -> World:
    world = World(policy=TOGETHER)
    world.put(KEY, BODY)
    return world


def submitted(world: World) -> JobSpec:
    return world.submit("a/", "b/")


def helpers_work(world: World) -> None:
    """Handle the helpers' messages while the owner is at work."""
    world.collect()
    for mail in [mail for mail in world.mail if json.loads(mail.body).get("type") == "copy_upload_parts"]:
        world.mail.remove(mail)
        world.handle(mail)


def part_copies(world: World) -> int:
    return sum(operation is Operation.UPLOAD_PART_COPY for operation, _, _ in world.faults.calls)


def check(world: World, spec: JobSpec) -> None:
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert [version.body for version in world.written(TARGET_KEY)] == [BODY]
    assert world.all_uploads() == []
    assert world.dead_letters == []


def test_each_part_is_copied_once_by_whoever_has_it_in_his_share() -> None:
    world = world_of()
    world.faults.rule(
        Rule(operation=Operation.LIST_PARTS, key=TARGET_KEY, first=1, act=lambda: helpers_work(world), error=None)
    )
    spec = submitted(world)
    world.settle()
    check(world, spec)
    assert part_copies(world) == PARTS
    assert len(world.events("parts-helped")) == 2
    assert world.records(spec).snapshot().claims == {"r-000001": 1}


def test_the_owner_copies_what_helpers_do_not() -> None:
    """The helpers' messages wait in the queue until the object is complete. Then there is nothing to help with."""
    world = world_of()
    spec = submitted(world)
    world.settle()
    check(world, spec)
    assert part_copies(world) == PARTS
    assert world.events("parts-helped") == []


def test_a_queue_that_does_not_answer_costs_the_row_no_round() -> None:
    """The owner can't call helpers, and copies alone. One round in vain would end the row."""
    world = World(policy=replace(TOGETHER, row_rounds_max=1))
    world.put(KEY, BODY)

    def nobody_answers(_label: str) -> None:
        raise NoAnswer("ReadTimeoutError", "the queues hang")

    def hang() -> None:
        world.calls.plan(1, before=nobody_answers, is_counted=lambda label: label == "queue.send")

    world.faults.rule(Rule(operation=Operation.CREATE_UPLOAD, key=TARGET_KEY, act=hang, error=None))
    spec = submitted(world)
    world.settle()
    assert world.events("help-tasks-not-sent")
    check(world, spec)
    assert part_copies(world) == PARTS
    assert world.records(spec).snapshot().claims == {"r-000001": 1}


def test_a_helper_that_dies_is_not_waited_for() -> None:
    world = world_of()

    def one_helper_dies() -> None:
        dies = Rule(
            operation=Operation.UPLOAD_PART_COPY, key=TARGET_KEY, first=1, act=lambda: crash("helper"), error=None
        )
        world.faults.rule(dies)
        helpers_work(world)

    world.faults.rule(Rule(operation=Operation.LIST_PARTS, key=TARGET_KEY, first=1, act=one_helper_dies, error=None))
    spec = submitted(world)
    world.settle()
    check(world, spec)
    assert world.crashes


def test_a_helper_whose_upload_is_gone_leaves_quietly() -> None:
    world = world_of()

    def gone() -> None:
        gone_away = Rule(
            operation=Operation.UPLOAD_PART_COPY, key=TARGET_KEY, first=1, error=lambda: NoSuchUpload("gone")
        )
        world.faults.rule(gone_away)
        helpers_work(world)

    world.faults.rule(Rule(operation=Operation.LIST_PARTS, key=TARGET_KEY, first=1, act=gone, error=None))
    spec = submitted(world)
    world.settle()
    check(world, spec)
    assert world.events("help-not-needed")


def test_the_source_changes_meanwhile() -> None:
    world = world_of()

    def overwritten() -> None:
        world.put(KEY, b"another")
        helpers_work(world)

    world.faults.rule(Rule(operation=Operation.LIST_PARTS, key=TARGET_KEY, first=1, act=overwritten, error=None))
    spec = submitted(world)
    world.settle()
    world.tidy()
    assert world.outcomes(spec) == {KEY: Outcome.SOURCE_CHANGED}
    assert world.written(TARGET_KEY) == []
    assert world.all_uploads() == []
