"""The newest version wins, even if a worker was asleep meanwhile."""

import json
from dataclasses import replace

import pytest

from chalicelib.core.objects import Bucket
from chalicelib.ports import ObjectEvent, Placement, SourceRef, Written
from chalicelib.protocol import messages
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from tests.steps.calls import Act, crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import FOREVER_MS, World

KEY, TARGET_KEY = "in/inbox/report", "out/inbox/report"


@pytest.mark.parametrize("newer", [b"v2", b"v2" * 30], ids=["small", "large"])
@pytest.mark.parametrize("older", [b"old", b"old" * 20], ids=["small", "large"])
@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_a_worker_that_was_asleep_does_not_bring_an_older_version_back(
    encryption: str, older: bytes, newer: bytes
) -> None:
    """Found by simulation: a worker slept between its looks at source and destination. It pinned the older version, and
    permitted itself to replace the newer one that others had delivered meanwhile."""

    def others_deliver_the_newer_one(world: World) -> Act:
        def act(_: str) -> None:
            world.drop(KEY, newer)
            world.settle()

        return act

    def make() -> World:
        return World(versioned_sources=True, encryption=encryption, runtime_ms=FOREVER_MS)

    def run(world: World) -> None:
        world.drop(KEY, older)
        world.settle()

    for world, _, call in at_every_call(make, run, others_deliver_the_newer_one, least=8):
        assert world.body(TARGET_KEY) == newer, call
        bodies = [version.body for version in world.written(TARGET_KEY)]
        assert bodies in ([newer], [older, newer]), call
        assert world.store.current(TARGET[EAST], TARGET_KEY) is not None


# --- contents that repeat: A, then B, then A again ----------------------------------------------------------------

A, B = b"contents A", b"contents B"
LARGE_B = b"contents B, in parts " * 4
MANY = 4
"""So many are delivered by a feed job, and not on the spot."""


def keys(count: int) -> list[str]:
    return [KEY, *(f"in/inbox/other-{number}" for number in range(1, count))]


def drop_batch(world: World, body: bytes, count: int) -> None:
    for key in keys(count):
        world.put(key, body)
    world.announce(*keys(count))


def writes_or_looks(label: str) -> bool:
    """Return whether it matters what happens at this call: one to S3 that is no look of a sweep at the other Region."""
    return label.startswith("store.") and label not in ("store.get", "store.create", "store.overwrite")


def a_again(world: World) -> Act:
    """Return an act for the calls that deliver B: A is dropped again, and everything but its copy messages is
    handled."""

    def act(_: str) -> None:
        world.clock.advance(1000)
        world.put(KEY, A)
        world.announce(KEY)
        copies = [mail for mail in world.mail if mail.queue == "copy"]
        world.mail = [mail for mail in world.mail if mail.queue != "copy"]
        world.pump()
        world.mail += copies

    return act


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
@pytest.mark.parametrize("middle", [B, LARGE_B], ids=["small", "multipart"])
@pytest.mark.parametrize("count", [1, MANY], ids=["on the spot", "feed job"])
def test_the_newest_wins_where_contents_repeat_whenever_that_happens(
    count: int, middle: bytes, versioned: bool
) -> None:
    """The newest A finds A at the destination, and has nothing to do. B is under way all the while."""

    def make() -> World:
        world = World(versioned_sources=versioned, runtime_ms=FOREVER_MS)
        world.drop(KEY, A)
        world.settle()
        world.clock.advance(1000)
        return world

    def run(world: World) -> None:
        drop_batch(world, middle, count)
        world.settle()

    for world, _, call in at_every_call(make, run, a_again, is_counted=writes_or_looks, least=4):
        assert world.body(TARGET_KEY) == A, call
        for key in keys(count)[1:]:
            assert world.body(key.replace("in/", "out/")) == middle, call


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
@pytest.mark.parametrize("count", [1, MANY], ids=["on the spot", "feed job"])
def test_a_copy_whose_source_was_looked_at_long_before_it_appears(count: int, versioned: bool) -> None:
    """S3 checks the source when a copy begins, and the copy appears when it ends: minutes later, for 5 GB. A is dropped
    again in between. The verification of B sees that B isn't the newest any more."""
    world = World(versioned_sources=versioned, runtime_ms=FOREVER_MS)
    world.drop(KEY, A)
    world.settle()
    world.clock.advance(1000)
    began = slow_copy(world, a_again(world), B)
    drop_batch(world, B, count)
    world.settle()
    assert began, "the copy was overtaken"
    assert world.body(TARGET_KEY) == A
    assert [version.body for version in world.written(TARGET_KEY)] == [A, B, A]


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_such_a_copy_whose_worker_dies_is_found_when_its_event_comes_again(versioned: bool) -> None:
    world = World(versioned_sources=versioned, runtime_ms=FOREVER_MS)
    world.drop(KEY, A)
    world.settle()
    world.clock.advance(1000)
    slow_copy(world, a_again(world), B)
    world.calls.plan(1, after=crash, is_counted=lambda label: label == "store.copy")
    world.drop(KEY, B)
    world.pump()
    assert world.crashes
    assert world.body(TARGET_KEY) == B
    world.settle()  # Its event comes again, and speaks of B.
    assert world.body(TARGET_KEY) == A


def slow_copy(world: World, meanwhile: Act, body: bytes) -> list[str]:
    """Make the first copy of this body to the key slow: it reads the source as it was, then `meanwhile` runs, and then
    the copy appears. Return the keys of the copies that began."""
    began: list[str] = []
    real = world.store.copy

    def copy(
        source: SourceRef, bucket: Bucket, key: str, expected_target_etag: str | None, placement: Placement
    ) -> Written:
        current = world.store.current(source.bucket, source.key)
        if key != TARGET_KEY or began or current is None or current.body != body or current.etag != source.etag:
            return real(source, bucket, key, expected_target_etag, placement)
        began.append(key)
        paused, world.calls.paused = world.calls.paused, True
        world.store.put(source.bucket, "aside", body)
        meanwhile("store.copy")
        world.calls.paused = paused
        return real(replace(source, key="aside", version_id=None), bucket, key, expected_target_etag, placement)

    world.store.copy = copy  # type: ignore[method-assign]
    return began


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
@pytest.mark.parametrize("middle", [B, LARGE_B], ids=["small", "multipart"])
@pytest.mark.parametrize("count", [1, MANY], ids=["on the spot", "feed job"])
def test_a_receiver_that_takes_files_away_gets_no_older_version_after_a_newer_one(
    count: int, middle: bytes, versioned: bool
) -> None:
    """There is nothing at the destination, so nothing there stops an older version that is late."""

    def make() -> World:
        return World(versioned_sources=versioned, runtime_ms=FOREVER_MS)

    def newer_delivered_and_taken(world: World) -> Act:
        def act(label: str) -> None:
            world.clock.advance(1000)
            world.put(KEY, A)
            world.announce(KEY)
            copies = [mail for mail in world.mail if mail.queue == "copy"]
            world.mail = [mail for mail in world.mail if mail.queue != "copy"]
            world.pump()
            world.mail += copies
            if world.store.current(TARGET[EAST], TARGET_KEY) is not None:
                world.store.remove(TARGET[EAST], TARGET_KEY)

        return act

    def run(world: World) -> None:
        drop_batch(world, middle, count)
        world.settle()

    for world, _, call in at_every_call(make, run, newer_delivered_and_taken, is_counted=writes_or_looks, least=4):
        bodies = [version.body for version in world.written(TARGET_KEY)]
        if call.endswith("store.complete"):
            # The worker sleeps between its last look and CompleteMultipartUpload, which has no precondition on the
            # source. S3 dates an upload by its beginning: where versions are kept, its object lies below the newer
            # one's.
            assert bodies in ([A], [middle, A], [A, middle]), call
            assert world.body(TARGET_KEY) is None or bodies[-1] == A, call
        else:
            assert bodies in ([A], [middle, A]), call


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
def test_both_regions_at_once(versioned: bool) -> None:
    """East has the hint of B, and sleeps just before it copies. West delivers B and the newer A."""
    world = World(versioned_sources=versioned, runtime_ms=FOREVER_MS)
    world.drop(KEY, A)
    world.settle()
    world.clock.advance(1000)
    world.put(KEY, B)

    def west_does_all(_: str) -> None:
        world.announce(KEY)
        world.settle()
        world.clock.advance(1000)
        world.drop(KEY, A)
        world.settle()

    world.calls.plan(1, before=west_does_all, is_counted=lambda label: label == "store.copy")
    world.post(EAST, "intake", messages.dumps(ObjectEvent(SOURCE[WEST].name, KEY)))
    world.settle()
    assert world.calls.fired
    assert [version.body for version in world.written(TARGET_KEY)] == [A, B, A]


def test_such_a_copy_is_seen_by_the_destinations_own_event() -> None:
    """The worker is dead, and its successor found the source changed. Nothing else looks at the destination any
    more."""
    world = World(versioned_sources=True)
    for body in (A, B, A):
        world.drop(KEY, body)
        world.settle()
        world.clock.advance(1000)
    world.put(TARGET_KEY, B, TARGET[EAST])  # Only now does the copy appear.
    created = {"bucket": {"name": TARGET[EAST].name}, "object": {"key": TARGET_KEY}}
    world.post(EAST, "verify", json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": created}))
    world.settle()
    assert world.body(TARGET_KEY) == A


def test_unchanged_is_true_when_it_is_noted() -> None:
    """Found by the protocol model (STALE_LOOK): B is delivered and verified between a worker's looks at the target and
    at the source, and only then is the source A again. Noted as UNCHANGED, that A would never come."""

    def make() -> World:
        world = World(versioned_sources=True)
        world.drop(KEY, A)
        world.settle()
        return world

    def b_and_then_a(world: World) -> Act:
        def act(_: str) -> None:
            world.clock.advance(1000)
            world.drop(KEY, B)
            world.settle()
            world.put(KEY, A)

        return act

    def run(world: World) -> None:
        world.announce(KEY)
        world.settle()

    for world, _, call in at_every_call(make, run, b_and_then_a, is_counted=writes_or_looks, least=2):
        world.announce(KEY)
        world.settle()
        assert world.body(TARGET_KEY) == A, call
