"""A prefix job of everything that makes a difference: empty, small, large, unchanged, changed; in two partitions."""

from typing import Any

from chalicelib.core.errors import Retry
from chalicelib.core.model import JobKind, JobSpec, JobState, Outcome
from simulation.memory.env import CONTROL, EAST, TARGET
from tests.steps.calls import Crash
from tests.steps.world import World

SAME_BODY = b"same"
DELIVERED = {
    "out/b/0-empty": b"",
    "out/b/1-small": b"small",
    "out/b/2-large": bytes(range(90)),
    "out/b/4-changed": b"new one",
    "out/b/5-more": b"more",
}


def filled(world: World) -> World:
    for key, body in {**DELIVERED, "out/b/3-same": SAME_BODY}.items():
        world.put(key.replace("out/b/", "in/a/"), body)
    world.put("out/b/3-same", SAME_BODY, TARGET[EAST])
    world.put("out/b/4-changed", b"old one", TARGET[EAST])
    return world


def submit_until_accepted(world: World, **more: Any) -> JobSpec:
    """A client repeats its request, with the same key, until it gets an answer."""
    for _ in range(20):
        try:
            return world.submit("a/", "b/", **more)
        except Crash as died:
            world.crashes.append(str(died))
        except Retry:
            world.run(1000)
    raise AssertionError("never accepted")


def run(world: World) -> JobSpec:
    """Submit it, let it end, and let a day go by for the uploads that nobody uses."""
    spec = submit_until_accepted(world)
    world.settle()
    world.calls.paused = True
    world.tidy()
    return spec


def check(world: World, spec: JobSpec, call: str = "") -> None:
    """It succeeded; every object was published exactly once; nothing is left over."""
    end = world.terminal(spec)
    assert (end.state, end.reason) == (JobState.SUCCEEDED, ""), call
    assert end.counts == {Outcome.COPIED: len(DELIVERED), Outcome.UNCHANGED: 1}, call
    assert set(world.outcomes(spec)) == {key.replace("out/b/", "in/a/") for key in [*DELIVERED, "out/b/3-same"]}, call
    for key, body in DELIVERED.items():
        assert [version.body for version in world.written(key)] == [body], f"{key}, {call}"
    assert world.written("out/b/3-same") == [], call
    assert world.all_uploads() == [], call
    assert len(world.store.versions(CONTROL[EAST], f"jobs/{spec.job_id}/terminal")) == 1, call
    # Feed jobs aside: where a storm stops the region heartbeats too, the other Region catches up the feeds.
    settled = [pair for region in world.regions.values() for pair in region.notifier.settled]
    told = {told.job_id for job, told in settled if job.kind is JobKind.PREFIX}
    assert told == {spec.job_id}, call
    assert world.dead_letters == [], call
