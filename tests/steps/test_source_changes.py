"""Somebody changes the source while we work: no mixed object is published, and the row says what happened."""

from collections.abc import Callable

import pytest

from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.rows import Outcome
from simulation.memory.env import SOURCE, WEST
from tests.steps.everywhere import at_every_call
from tests.steps.world import World

OLD, NEW = bytes(range(100)), bytes(range(100, 200))
OLD_PARTS = (60, 40)
KEY, TARGET_KEY = "in/a/object", "out/b/object"


def from_two_parts(world: World) -> None:
    """Put a multipart-born source without a checksum. It is copied with its own boundaries."""
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
    """Return every body that was published at the target. Assert that each one is a whole version of the source."""
    sources = [version.body for version in world.store.versions(SOURCE[WEST], KEY)]
    written = [version.body for version in world.written(TARGET_KEY)]
    assert all(body in sources for body in written), "a mixed object"
    return written


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
@pytest.mark.parametrize("fill", SOURCES.values(), ids=SOURCES)
def test_an_overwritten_source_is_never_torn_and_is_reported(fill: Callable[[World], object], versioned: bool) -> None:
    """It is overwritten just before any request of the whole run. One whole version arrives, or the row is
    SOURCE_CHANGED."""

    def overwrite(world: World) -> Callable[[str], object]:
        size = len(body_of(fill))
        return lambda _: world.put(KEY, NEW[:size])

    # A large row's version is pinned by a HEAD, so the overwritten version can still be copied.
    pinned = versioned and fill is not SOURCES["small"]
    outcomes: set[Outcome] = set()
    for world, spec, call in at_every_call(lambda: world_of(fill, versioned=versioned), run, overwrite, least=40):
        outcome = world.outcomes(spec)[KEY]
        outcomes.add(outcome)
        written = whole(world)
        assert outcome in (Outcome.COPIED, Outcome.SOURCE_CHANGED), (call, world.rows(spec)[KEY])
        assert len(written) == (outcome is Outcome.COPIED), call
        expected = JobState.SUCCEEDED if outcome is Outcome.COPIED else JobState.PARTIAL
        assert world.terminal(spec).state is expected
        assert world.outcomes(spec)["in/a/other"] is Outcome.COPIED
        assert world.all_uploads() == [], call
    assert outcomes == ({Outcome.COPIED} if pinned else {Outcome.COPIED, Outcome.SOURCE_CHANGED})


@pytest.mark.parametrize("fill", SOURCES.values(), ids=SOURCES)
def test_a_vanishing_source_is_reported_and_holds_nothing_up(fill: Callable[[World], object]) -> None:
    def remove(world: World) -> Callable[[str], object]:
        return lambda _: world.store.remove(SOURCE[WEST], KEY)

    outcomes: set[Outcome | None] = set()
    for world, spec, call in at_every_call(lambda: world_of(fill, versioned=False), run, remove, least=40):
        outcome = world.outcomes(spec).get(KEY)
        outcomes.add(outcome)
        assert outcome in (Outcome.COPIED, Outcome.SOURCE_GONE, None), (call, world.rows(spec)[KEY])
        assert len(world.written(TARGET_KEY)) == (outcome is Outcome.COPIED), call
        assert world.outcomes(spec)["in/a/other"] is Outcome.COPIED
        assert world.all_uploads() == [], call
    assert outcomes == {Outcome.COPIED, Outcome.SOURCE_GONE, None}  # None: it was gone before it was listed.


def body_of(fill: Callable[[World], object]) -> bytes:
    world = World()
    fill(world)
    return world.body(KEY, SOURCE[WEST]) or b""
