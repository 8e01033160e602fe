"""Somebody changes the source while we work: never a mixed object, and the row says what happened."""

from collections.abc import Callable

import pytest

from chalicelib.core.model import JobSpec, JobState, Outcome
from simulation.memory.env import SOURCE, WEST
from tests.steps.everywhere import at_every_call
from tests.steps.world import World

OLD, NEW = bytes(range(100)), bytes(range(100, 200))
OLD_PARTS = (60, 40)
KEY, TARGET_KEY = "in/a/object", "out/b/object"


def from_two_parts(world: World) -> None:
    """A multipart-born source without checksum: copied with its own boundaries."""
    world.put(KEY, OLD, part_sizes=OLD_PARTS, algorithm=None)


SOURCES: dict[str, Callable[[World], object]] = {
    "small": lambda world: world.put(KEY, OLD[:30]),
    "large": lambda world: world.put(KEY, OLD),
    "large-without-checksum": from_two_parts,
}


def world_of(fill: Callable[[World], object], *, versioned: bool) -> World:
    world = World(versioned_sources=versioned)
    fill(world)
    world.put("in/a/other", b"another object of the same partition")
    return world


def run(world: World) -> JobSpec:
    spec = world.submit("a/", "b/")
    world.settle()
    return spec


def whole(world: World) -> list[bytes]:
    """Everything ever published at the target, each of which must be one whole version of the source."""
    sources = [version.body for version in world.store.versions(SOURCE[WEST], KEY)]
    written = [version.body for version in world.written(TARGET_KEY)]
    assert all(body in sources for body in written), "a mixed object"
    return written


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
@pytest.mark.parametrize("fill", SOURCES.values(), ids=SOURCES)
def test_an_overwritten_source_is_never_torn_and_is_reported(fill: Callable[[World], object], versioned: bool) -> None:
    """Overwritten just before each request of the whole run: one whole version arrives, or SOURCE_CHANGED."""

    def overwrite(world: World) -> Callable[[str], object]:
        size = len(fill_body(fill))
        return lambda _: world.put(KEY, NEW[:size])

    # A large row was looked at by HEAD and has its version pinned: the overwritten version is still there to be copied.
    pinned = versioned and fill is not SOURCES["small"]
    seen: set[Outcome] = set()
    for world, spec, call in at_every_call(lambda: world_of(fill, versioned=versioned), run, overwrite, least=40):
        outcome = world.outcomes(spec)[KEY]
        seen.add(outcome)
        written = whole(world)
        assert outcome in (Outcome.COPIED, Outcome.SOURCE_CHANGED), (call, world.rows(spec)[KEY])
        assert len(written) == (outcome is Outcome.COPIED), call
        expected = JobState.SUCCEEDED if outcome is Outcome.COPIED else JobState.PARTIAL
        assert world.terminal(spec).state is expected
        assert world.outcomes(spec)["in/a/other"] is Outcome.COPIED
        assert world.all_uploads() == [], call
    assert seen == ({Outcome.COPIED} if pinned else {Outcome.COPIED, Outcome.SOURCE_CHANGED})


@pytest.mark.parametrize("fill", SOURCES.values(), ids=SOURCES)
def test_a_vanishing_source_is_reported_and_holds_nothing_up(fill: Callable[[World], object]) -> None:
    def remove(world: World) -> Callable[[str], object]:
        return lambda _: world.store.remove(SOURCE[WEST], KEY)

    seen: set[Outcome | None] = set()
    for world, spec, call in at_every_call(lambda: world_of(fill, versioned=False), run, remove, least=40):
        outcome = world.outcomes(spec).get(KEY)
        seen.add(outcome)
        assert outcome in (Outcome.COPIED, Outcome.SOURCE_GONE, None), (call, world.rows(spec)[KEY])
        assert len(world.written(TARGET_KEY)) == (outcome is Outcome.COPIED), call
        assert world.outcomes(spec)["in/a/other"] is Outcome.COPIED
        assert world.all_uploads() == [], call
    assert seen == {Outcome.COPIED, Outcome.SOURCE_GONE, None}  # None: gone before it was listed.


def fill_body(fill: Callable[[World], object]) -> bytes:
    world = World()
    fill(world)
    return world.body(KEY, SOURCE[WEST]) or b""
