"""Events are hints: they come twice, late, in any order, and for objects that are long gone. The newest version arrives
once, and an object that the receiver has taken away does not come back."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import permutations

import pytest

from chalicelib.core.errors import Permanent
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.rows import Outcome
from chalicelib.ports import Delivery
from chalicelib.protocol.deliveries import furthest
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.calls import crash, lose_answer, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.world import HOUR, MINUTE, World

FEW, MANY = 2, 6
"""Delivered on the spot, or as a feed job."""


def key(number: int) -> str:
    return f"in/inbox/{number} +%ü"


def target(number: int) -> str:
    return f"out/inbox/{number} +%ü"


def drop(world: World, count: int, body: bytes = b"body") -> None:
    """Put new objects, and post one event about all of them."""
    for number in range(count):
        world.put(key(number), body)
    world.announce(*(key(number) for number in range(count)))


def deliveries(world: World, number: int) -> list[Delivery]:
    return list(world.ledger.get_deliveries("west-to-east", key(number)))


def delivered(world: World, count: int, body: bytes = b"body") -> list[int]:
    return [number for number in range(count) if world.body(target(number)) == body]


@pytest.mark.parametrize("count", [FEW, MANY])
def test_duplicate_events_are_delivered_once(count: int) -> None:
    world = World()
    drop(world, count)
    for number in range(count):
        world.announce(key(number))
    world.settle()
    world.announce(*(key(number) for number in range(count)))
    world.settle()
    assert [len(world.written(target(number))) for number in range(count)] == [1] * count


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_what_the_receiver_took_away_does_not_come_back(count: int, versioned: bool) -> None:
    world = World(versioned_sources=versioned)
    drop(world, count)
    world.settle()
    for number in range(count):
        world.store.remove(TARGET[EAST], target(number))
    for numbers in ([0], range(count), reversed(range(count))):
        world.announce(*(key(number) for number in numbers))
        world.settle()
        world.run(HOUR)
    assert delivered(world, count) == []
    assert [len(world.written(target(number))) for number in range(count)] == [1] * count


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_receiver_that_takes_everything_away_at_once_gets_everything_once(count: int) -> None:
    """It takes the object away even before it is verified. The object was delivered, and is not sent a second time."""
    world = World()

    def take(*_: object) -> None:
        for number in range(count):
            if world.body(target(number)) is not None:
                world.store.remove(TARGET[EAST], target(number))

    drop(world, count)
    world.store.before_call = take  # The object is gone before the next request is made.
    world.settle()
    world.announce(*(key(number) for number in range(count)))
    world.settle()
    assert [len(world.written(target(number))) for number in range(count)] == [1] * count
    assert all("gone when verified" in d.detail or "taken away" in d.detail for d in deliveries(world, 0))
    assert {d.status for number in range(count) for d in deliveries(world, number)} <= {
        DeliveryStatus.COPIED,
        DeliveryStatus.VERIFIED,
    }


@pytest.mark.parametrize("count", [FEW, MANY])
def test_the_same_bytes_dropped_again_are_a_new_delivery(count: int) -> None:
    world = World()
    drop(world, count)
    world.settle()
    for number in range(count):
        world.store.remove(TARGET[EAST], target(number))
    world.clock.advance(MINUTE)
    drop(world, count)
    world.settle()
    assert delivered(world, count) == list(range(count))


@pytest.mark.parametrize("count", [FEW, MANY])
def test_events_for_deleted_keys_do_nothing(count: int) -> None:
    world = World()
    drop(world, count)
    for number in range(count):
        world.store.remove(SOURCE[WEST], key(number))
    world.settle()
    assert world.store.keys(TARGET[EAST]) == ()
    assert world.dead_letters == []
    assert not any(region.notifier.failed for region in world.regions.values())


def test_what_its_owner_deletes_while_its_job_waits_is_no_failure() -> None:
    """Intake drops such an object without a word. A job once reported "Delivery Failed"."""
    world = World()
    for number in range(4):
        world.put(key(number), b"body")
    world.announce(*(key(number) for number in range(4)))
    world.calls.plan(
        1, after=lambda _: world.store.remove(SOURCE[WEST], key(0)), is_counted=lambda c: c == "queue.send"
    )
    world.settle()
    assert world.calls.fired
    assert sorted(world.store.keys(TARGET[EAST])) == [target(number) for number in range(1, 4)]
    delivery = furthest(deliveries(world, 0))
    assert (delivery.status, delivery.outcome) == (DeliveryStatus.GONE, Outcome.SOURCE_GONE)
    assert not any(region.notifier.failed for region in world.regions.values())


def test_events_outside_every_feed_do_nothing() -> None:
    world = World()
    world.put("elsewhere/1", b"x")
    world.put("in/1", b"x", SOURCE[EAST])
    world.announce("elsewhere/1", "in")
    world.announce("in/1", bucket=SOURCE[EAST])
    world.announce("out/1", bucket=TARGET[EAST])
    world.settle()
    assert world.store.keys(TARGET[EAST]) == ()
    assert world.dead_letters == []


def test_the_folder_marker_of_the_source_prefix_is_no_object_of_the_feed() -> None:
    world = World()
    world.put("in/", b"")
    world.put("in/folder/", b"")
    world.announce("in/", "in/folder/")
    world.settle()
    assert "out/folder/" in world.store.keys(TARGET[EAST])
    assert world.dead_letters == []


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_events_out_of_order_deliver_the_newest_version(order: tuple[int, ...], versioned: bool) -> None:
    """The events come after all versions are there, or in between. The last version wins."""
    world = World(versioned_sources=versioned)
    for _ in order:
        world.announce(key(0))
    for version in range(3):
        world.put(key(0), f"version {version}".encode())
        if version in order[:2]:
            world.settle()
        world.announce(key(0))
    world.settle()
    assert world.body(target(0)) == b"version 2"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_versions_of_one_key_racing_in_different_batches(seed: int, versioned: bool) -> None:
    """Feed jobs and deliveries on the spot work on several versions at once, with their messages in any order."""
    chance = random.Random(seed)
    world = World(versioned_sources=versioned, shuffle=chance, deliver_times=chance.choice([1, 2]))
    for version in range(4):
        body = f"version {version}".encode()
        drop(world, chance.choice([1, MANY]), body)
        for _ in range(chance.randrange(6)):  # Some messages are handled, others wait.
            world.collect()
            if world.mail:
                world.handle(world.mail.pop(chance.randrange(len(world.mail))))
        world.clock.advance(chance.choice([0, 1000]))
    world.settle()
    assert world.body(target(0)) == b"version 3"
    newest = world.written(target(0))
    assert len({version.etag for version in newest}) == len(newest), "no version was delivered twice"


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
def test_a_newer_version_arrives_at_any_moment(count: int, versioned: bool) -> None:
    """It arrives just before any call of the whole run. In the end the newest version is there."""

    def make() -> World:
        return World(versioned_sources=versioned)

    def run(world: World) -> None:
        drop(world, count)
        world.settle()

    def overwrite(world: World) -> Callable[[str], object]:
        def act(_: str) -> None:
            world.put(key(1), b"newer")
            world.announce(key(1))

        return act

    for world, _, call in at_every_call(make, run, overwrite, least=10):
        assert world.body(target(1)) == b"newer", call
        assert delivered(world, count) == [number for number in range(count) if number != 1], call
        assert [len(world.written(target(n))) for n in range(count) if n != 1] == [1] * (count - 1), call
        assert world.dead_letters == [], call


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("act", [crash, refuse], ids=["crash", "refuse"])
def test_trouble_at_any_call_before_it_happens(count: int, act: Callable[[str], object]) -> None:
    check_everywhere(count, act, after=False)


@pytest.mark.parametrize("count", [FEW, MANY])
def test_the_answer_to_any_call_is_lost(count: int) -> None:
    check_everywhere(count, lose_answer, after=True)


def check_everywhere(count: int, act: Callable[[str], object], *, after: bool) -> None:
    def run(world: World) -> None:
        drop(world, count)
        world.settle()

    for world, _, call in at_every_call(World, run, lambda _: act, after=after, least=10):
        assert delivered(world, count) == list(range(count)), call
        assert [len(world.written(target(number))) for number in range(count)] == [1] * count, call
        assert world.dead_letters == [], call
        # In any case, the event may come again, and the receiver may have taken the objects away.
        world.calls.paused = True
        for number in range(count):
            world.store.remove(TARGET[EAST], target(number))
        world.announce(*(key(number) for number in range(count)))
        world.settle()
        assert delivered(world, count) == [], call


def test_a_newer_version_is_not_forgotten_when_the_one_who_met_it_dies() -> None:
    """The row found its source changed. The worker that recorded this dies, and its message is lost. The sweep lets the
    key be looked at again, though no event ever tells of the newer version."""

    def make() -> World:
        world = World(redeliver=False)
        newer: list[object] = []

        def overwrite() -> None:
            newer.append(world.put(key(1), b"newer"))

        world.faults.rule(Rule(operation=Operation.COPY, key=target(1), act=overwrite, error=None))
        return world

    def run(world: World) -> None:
        drop(world, MANY)
        world.settle()

    for world, _, call in at_every_call(make, run, lambda _: crash, least=40):
        assert world.body(target(1)) == b"newer", call
        assert delivered(world, MANY) == [0, 2, 3, 4, 5], call
        assert [len(world.written(target(number))) for number in range(MANY)] == [1] * MANY, call


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_failed_delivery_is_told_and_can_be_asked_for_again(count: int) -> None:
    """After somebody has put right what was wrong, the very same batch gets a new job, not the ended one."""
    world = World()
    broken = world.faults.rule(
        Rule(operation=Operation.COPY, times=None, error=lambda: Permanent("KMS.Disabled", "the key is disabled"))
    )
    drop(world, count)
    world.settle()
    assert delivered(world, count) == []
    failed = [delivery for region in world.regions.values() for delivery in region.notifier.failed]
    assert {delivery.key for delivery in failed} == {key(number) for number in range(count)}
    assert {delivery.outcome for delivery in failed} == {Outcome.FAILED}
    world.faults.rules.remove(broken)
    world.announce(*(key(number) for number in range(count)))
    world.settle()
    assert delivered(world, count) == list(range(count))


@pytest.mark.parametrize("fails", [False, True], ids=["delivered", "failed"])
def test_a_note_older_than_the_jobs_end_says_nothing_about_it(fails: bool) -> None:
    """A slow intake, or another Region's item, still says QUEUED when the job has long ended. The job's record
    counts."""
    world = World()
    if fails:
        world.faults.rule(Rule(operation=Operation.COPY, times=MANY, error=lambda: Permanent("KMS.Disabled")))
    drop(world, MANY)
    world.settle()
    for number in range(MANY):
        jobs = [delivery for delivery in deliveries(world, number) if delivery.job_id is not None]
        late = [replace(delivery, status=DeliveryStatus.QUEUED, outcome=None) for delivery in jobs]
        world.ledger.put_deliveries(late)
        world.store.remove(TARGET[EAST], target(number))
    world.announce(*(key(number) for number in range(MANY)))
    world.settle()
    assert delivered(world, MANY) == (list(range(MANY)) if fails else [])


def test_a_destination_that_goes_back_and_forth_is_delivered_to_in_the_end() -> None:
    """The rows are planned against nothing, against somebody else's object, and against nothing again: the same pins
    twice."""
    world = World()
    flips = iter([b"theirs", None, b"theirs", None])

    def flip() -> None:
        body = next(flips, b"no more")
        if body is None:
            world.store.remove(TARGET[EAST], target(0))
        elif body != b"no more":
            world.put(target(0), body, TARGET[EAST])

    world.faults.rule(Rule(operation=Operation.COPY, key=target(0), times=None, act=flip, error=None))
    drop(world, MANY)
    world.settle()
    assert delivered(world, MANY) == list(range(MANY))


@pytest.mark.parametrize("count", [FEW, MANY])
def test_one_poisonous_object_holds_no_other_up(count: int) -> None:
    for operation in (Operation.HEAD, Operation.COPY):
        for bucket, name in ((SOURCE[WEST], key(1)), (TARGET[EAST], target(1))):
            for error in (Permanent, RuntimeError):
                world = World()
                broken = Rule(operation=operation, bucket=bucket.name, key=name, times=None, error=partial(error, "no"))
                world.faults.rule(broken)
                drop(world, count)
                world.settle()
                assert set(delivered(world, count)) >= set(range(count)) - {1}
                assert world.dead_letters == []


def test_a_key_that_would_be_too_long_at_the_target_fails_alone() -> None:
    world = World()
    long = "in/" + "x" * 1021
    world.put(long, b"x")
    world.put(key(0), b"body")
    world.announce(long, key(0))
    world.settle()
    assert delivered(world, 1) == [0]
    assert [d.outcome for region in world.regions.values() for d in region.notifier.failed] == [Outcome.FAILED]
