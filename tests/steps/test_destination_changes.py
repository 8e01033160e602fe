"""Somebody else writes or deletes at the destination while we work: their object stays, and the row says so."""

from collections.abc import Callable

import pytest

from chalicelib.core.jobs import JobSpec
from chalicelib.core.manifests import Manifest
from chalicelib.core.rows import Outcome
from simulation.memory.env import EAST, TARGET
from simulation.memory.operations import Operation
from tests.steps.everywhere import at_every_call
from tests.steps.world import World

OLD, THEIRS = b"what was there before", b"theirs: the same size as ours"
BODIES = {"small": b"ours: the very same size, eh?", "large": bytes(range(100))}
KEY, TARGET_KEY = "in/a/object", "out/b/object"


def world_of(body: bytes, before: bytes | None) -> World:
    world = World()
    world.put(KEY, body)
    world.put("in/a/other", b"another object of the same partition")
    if before is not None:
        world.put(TARGET_KEY, before, TARGET[EAST])
    return world


def run(world: World) -> JobSpec:
    spec = world.submit("a/", "b/")
    world.settle()
    return spec


def planned_target_etag(world: World, spec: JobSpec) -> str | None:
    entry = world.records(spec).entry("r-000001")
    assert isinstance(entry, Manifest)
    return next(row.expected_target_etag for row in entry.rows if row.key == KEY)


@pytest.mark.parametrize("before", [None, OLD], ids=["nothing-there", "old-object-there"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_object_that_somebody_else_puts_there_survives(body: bytes, before: bytes | None) -> None:
    ends: set[tuple[Outcome, bool]] = set()
    theirs_etag = World().put("x", THEIRS).etag

    def intrude(world: World) -> Callable[[str], object]:
        return lambda _: world.put(TARGET_KEY, THEIRS, TARGET[EAST])

    for world, spec, call in at_every_call(lambda: world_of(body, before), run, intrude, least=40):
        outcome = world.outcomes(spec)[KEY]
        ours = len(world.written(TARGET_KEY))
        if planned_target_etag(world, spec) == theirs_etag:
            assert (outcome, ours) == (Outcome.COPIED, 1), call  # Ours replaced the one that was planned.
            continue
        assert world.body(TARGET_KEY) == THEIRS, call
        # Ours was recorded as verified before theirs replaced it, or it lies below theirs, or it was never published.
        assert outcome is Outcome.DESTINATION_CONFLICT or (outcome is Outcome.COPIED and ours == 1), call
        assert ours <= 1, call
        ends.add((outcome, ours == 1))
        assert world.outcomes(spec)["in/a/other"] is Outcome.COPIED
        assert world.all_uploads() == [], call
    assert ends == {
        (Outcome.DESTINATION_CONFLICT, False),
        (Outcome.DESTINATION_CONFLICT, True),
        (Outcome.COPIED, True),
    }


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_object_that_somebody_else_deletes_is_not_called_copied(body: bytes) -> None:
    """The row is a conflict, whether it is deleted before we replace it, or after our copy and before the
    verification."""

    def remove(world: World) -> Callable[[str], object]:
        def act(_: str) -> None:
            world.store.remove(TARGET[EAST], TARGET_KEY)
            deleted_at.append(len(world.faults.calls))

        return act

    deleted_at: list[int] = []
    ends: set[tuple[Outcome, bool]] = set()
    for world, spec, call in at_every_call(lambda: world_of(body, OLD), run, remove, least=40):
        outcome = world.outcomes(spec)[KEY]
        is_there = world.body(TARGET_KEY) == body
        assert len(world.written(TARGET_KEY)) <= 1, call
        if planned_target_etag(world, spec) is None:
            assert (outcome, is_there) == (Outcome.COPIED, True), call
            continue
        assert outcome in (Outcome.COPIED, Outcome.DESTINATION_CONFLICT), call
        if outcome is Outcome.COPIED:
            assert is_there or looked_at_after_publishing(world, deleted_at[-1]), call
        ends.add((outcome, is_there))
        assert world.all_uploads() == [], call
    assert (Outcome.DESTINATION_CONFLICT, False) in ends


def looked_at_after_publishing(world: World, before: int) -> bool:
    """Return whether verification looked at our object before the request of this number."""
    calls = [operation for operation, _, key in world.faults.calls[:before] if key == TARGET_KEY]
    published = next((at for at, op in enumerate(calls) if op in (Operation.COPY, Operation.COMPLETE)), len(calls))
    return Operation.HEAD in calls[published:]
