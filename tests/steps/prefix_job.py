"""A prefix job of every kind of object: empty, small, large, unchanged and changed, in two partitions."""

from typing import Any

from chalicelib.core.errors import Retry
from chalicelib.core.jobs import JobKind, JobSpec, JobState
from chalicelib.core.rows import Outcome
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


def submit_until_accepted(world: World, **options: Any) -> JobSpec:
    """Repeat the request with the same key until it is answered, as a client does."""
    for _ in range(20):
        try:
            return world.submit("a/", "b/", **options)
        except Crash as died:
            world.crashes.append(str(died))
        except Retry:
            world.run(1000)
    raise AssertionError("never accepted")


def run(world: World) -> JobSpec:
    """Submit the job, let it end, and let a day go by, so that unused uploads are collected."""
    spec = submit_until_accepted(world)
    world.settle()
    world.calls.paused = True
    world.tidy()
    return spec


def check(world: World, spec: JobSpec, call: str = "") -> None:
    """Assert that the job succeeded, that every object was published exactly once, and that nothing is left over."""
    end = world.terminal(spec)
    assert (end.state, end.reason) == (JobState.SUCCEEDED, ""), call
    assert end.counts == {Outcome.COPIED: len(DELIVERED), Outcome.UNCHANGED: 1}, call
    assert set(world.outcomes(spec)) == {key.replace("out/b/", "in/a/") for key in [*DELIVERED, "out/b/3-same"]}, call
    for key, body in DELIVERED.items():
        assert [version.body for version in world.written(key)] == [body], f"{key}, {call}"
    assert world.written("out/b/3-same") == [], call
    assert world.all_uploads() == [], call
    assert len(world.store.versions(CONTROL[EAST], f"jobs/{spec.job_id}/terminal")) == 1, call
    # Feed jobs don't count: where a storm stops the region heartbeats too, the other Region catches up the feeds.
    settled = [pair for region in world.regions.values() for pair in region.notifier.settled]
    notified = {terminal.job_id for job, terminal in settled if job.kind is JobKind.PREFIX}
    assert notified == {spec.job_id}, call
    assert world.dead_letters == [], call
