"""A process dies at any call: afterwards sweeps finish everything, and nothing is written twice.

Each test counts the calls of an undisturbed run and then runs once for each of them, dying just before it. (Dying just
after a call is dying before the next one.)
"""

from collections.abc import Callable

import pytest

from chalicelib.core.model import JobSpec, JobState, Outcome
from simulation.memory.env import CONTROL, EAST, TARGET
from tests.steps.calls import Crash, crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import World

SMALL_BODY, LARGE_BODY, SAME_BODY, OLD_BODY = b"small", bytes(range(90)), b"same", b"old one"
PREFIX_KEYS = {
    "out/b/0-empty": b"",
    "out/b/1-small": SMALL_BODY,
    "out/b/2-large": LARGE_BODY,
    "out/b/4-changed": SMALL_BODY,
    "out/b/5-more": b"more",
}


def prefix_world(world: World) -> World:
    """Small, large, unchanged and changed objects, in two partitions."""
    for key, body in {**PREFIX_KEYS, "out/b/3-same": SAME_BODY}.items():
        world.put(key.replace("out/b/", "in/a/"), body)
    world.put("out/b/3-same", SAME_BODY, TARGET[EAST])
    world.put("out/b/4-changed", OLD_BODY, TARGET[EAST])
    return world


def submit_until_accepted(world: World) -> JobSpec:
    """A client repeats its request, with the same key, until it gets an answer."""
    try:
        return world.submit("a/", "b/")
    except Crash as died:
        world.crashes.append(str(died))
        return world.submit("a/", "b/")


def run_prefix(world: World) -> JobSpec:
    spec = submit_until_accepted(world)
    world.settle()
    world.calls.paused = True
    world.tidy()
    return spec


def check_prefix(world: World, spec: JobSpec) -> None:
    end = world.terminal(spec)
    assert (end.state, end.reason) == (JobState.SUCCEEDED, "")
    assert end.counts == {Outcome.COPIED: 5, Outcome.UNCHANGED: 1}
    assert set(world.outcomes(spec)) == {key.replace("out/b/", "in/a/") for key in [*PREFIX_KEYS, "out/b/3-same"]}
    for key, body in PREFIX_KEYS.items():
        assert [version.body for version in world.written(key)] == [body], key
    assert world.written("out/b/3-same") == []
    assert world.all_uploads() == []
    assert len(world.store.versions(CONTROL[EAST], f"jobs/{spec.job_id}/terminal")) == 1
    assert {told.job_id for region in world.regions.values() for _, told in region.notifier.settled} == {spec.job_id}
    assert world.dead_letters == []


MAKERS: dict[str, Callable[[], World]] = {
    "message-comes-again": World,
    "message-is-lost": lambda: World(redeliver=False),
    "versioned-source": lambda: World(versioned_sources=True),
    "kms-target": lambda: World(encryption="aws:kms"),
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_job_survives_a_crash_at_any_call(maker: Callable[[], World]) -> None:
    everywhere = at_every_call(lambda: prefix_world(maker()), run_prefix, lambda _: crash, least=80)
    for world, spec, _ in everywhere:
        check_prefix(world, spec)
