"""Somebody else writes or deletes at the destination while we work: theirs stays, and the row says so."""

from collections.abc import Callable

import pytest

from chalicelib.core.model import JobSpec, Manifest, Outcome
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


def planned_expect(world: World, spec: JobSpec) -> str | None:
    link = world.records(spec).link("r-000001")
    assert isinstance(link, Manifest)
    return next(row.expect for row in link.rows if row.key == KEY)


@pytest.mark.parametrize("before", [None, OLD], ids=["nothing-there", "old-object-there"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_object_that_somebody_else_puts_there_survives(body: bytes, before: bytes | None) -> None:
    seen: set[tuple[Outcome, bool]] = set()
    theirs_etag = World().put("x", THEIRS).etag

    def intrude(world: World) -> Callable[[str], object]:
        return lambda _: world.put(TARGET_KEY, THEIRS, TARGET[EAST])

    for world, spec, call in at_every_call(lambda: world_of(body, before), run, intrude, least=40):
        outcome = world.outcomes(spec)[KEY]
        ours = len(world.written(TARGET_KEY))
        if planned_expect(world, spec) == theirs_etag:
            assert (outcome, ours) == (Outcome.COPIED, 1), call  # It was there before we planned: as asked, replaced.
            continue
        assert world.body(TARGET_KEY) == THEIRS, call
        # Ours came first and was recorded as verified before theirs replaced it; or it lies below theirs; or nowhere.
        assert outcome is Outcome.DESTINATION_CONFLICT or (outcome is Outcome.COPIED and ours == 1), call
        assert ours <= 1, call
        seen.add((outcome, ours == 1))
        assert world.outcomes(spec)["in/a/other"] is Outcome.COPIED
        assert world.all_uploads() == [], call
    assert seen == {
        (Outcome.DESTINATION_CONFLICT, False),
        (Outcome.DESTINATION_CONFLICT, True),
        (Outcome.COPIED, True),
    }


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_object_that_somebody_else_deletes_is_not_called_copied(body: bytes) -> None:
    """Before it is replaced: the row is a conflict. After it was copied and before it was verified: too."""

    def remove(world: World) -> Callable[[str], object]:
        def act(_: str) -> None:
            world.store.remove(TARGET[EAST], TARGET_KEY)
            deleted_at.append(len(world.faults.calls))

        return act

    deleted_at: list[int] = []
    seen: set[tuple[Outcome, bool]] = set()
    for world, spec, call in at_every_call(lambda: world_of(body, OLD), run, remove, least=40):
        outcome = world.outcomes(spec)[KEY]
        there = world.body(TARGET_KEY) == body
        assert len(world.written(TARGET_KEY)) <= 1, call
        if planned_expect(world, spec) is None:
            assert (outcome, there) == (Outcome.COPIED, True), call
            continue
        assert outcome in (Outcome.COPIED, Outcome.DESTINATION_CONFLICT), call
        if outcome is Outcome.COPIED:
            assert there or looked_at_after_publishing(world, deleted_at[-1]), call
        seen.add((outcome, there))
        assert world.all_uploads() == [], call
    assert (Outcome.DESTINATION_CONFLICT, False) in seen


def looked_at_after_publishing(world: World, before: int) -> bool:
    """Did verification see our object, before the given request?"""
    calls = [operation for operation, _, key in world.faults.calls[:before] if key == TARGET_KEY]
    published = next((at for at, op in enumerate(calls) if op in (Operation.COPY, Operation.COMPLETE)), len(calls))
    return Operation.HEAD in calls[published:]
