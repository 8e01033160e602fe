"""A paused feed delivers nothing. A resumed one delivers what arrived meanwhile, even if events are late or a process
dies."""

from collections.abc import Callable

import pytest

from chalicelib.core.errors import Retry
from chalicelib.core.feeds import MARGIN_MS
from chalicelib.protocol.feedlog import FeedLog
from chalicelib.steps import feeds
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, TENANT, WEST
from simulation.memory.faults import Rule
from tests.steps.calls import crash, lose_answer, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.feeding import FEED, arrived, backfills, later, pause, resume
from tests.steps.world import HOUR, MINUTE, SECOND, World


def test_what_arrives_during_a_pause_is_delivered_after_it() -> None:
    world = World()
    world.drop("in/before", b"x")
    world.pump()
    pause(world)
    for number in range(5):
        world.drop(f"in/{number}", b"x")
        world.run(MINUTE)
    world.run(HOUR)
    assert arrived(world) == {"out/before": 1}
    assert world.mail == [], "nothing circulates"
    resume(world)
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/before": 1} | {f"out/{n}": 1 for n in range(5)}
    world.drop("in/after", b"x")
    world.pump()
    assert "out/after" in arrived(world)


def test_either_region_pauses_and_resumes() -> None:
    """The pause is in S3. The table, which replicates late, has no part in it."""
    world = World()
    pause(world, EAST)
    world.drop("in/1", b"x")
    world.pump()
    assert arrived(world) == {}
    resume(world, EAST)
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/1": 1}


def test_what_lay_there_long_before_the_pause_is_not_delivered() -> None:
    world = World()
    world.put("in/old", b"from before the feed was set up")
    world.clock.advance(3 * HOUR)
    pause(world)
    world.drop("in/new", b"x")
    world.run(MINUTE)
    resume(world)
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/new": 1}


def test_what_the_receiver_has_taken_away_does_not_come_back() -> None:
    world = World()
    world.drop("in/1", b"x")
    world.run(MINUTE)
    world.store.remove(TARGET[EAST], "out/1")
    pause(world)
    resume(world)
    world.run(10 * MINUTE)
    assert arrived(world) == {}


@pytest.mark.parametrize("late_ms", [0, MARGIN_MS - SECOND, MARGIN_MS + MINUTE, 9 * HOUR])
def test_an_event_of_before_the_pause_that_comes_during_it(late_ms: int) -> None:
    """An event is kept, however old its object is, if the listing at the end of the pause would not find the object."""
    world = World()
    world.put("in/late", b"x")
    world.clock.advance(late_ms)
    pause(world)
    world.announce("in/late")
    world.run(HOUR)
    assert arrived(world) == {}
    resume(world)
    world.run(20 * MINUTE)
    assert arrived(world) == {"out/late": 1}
    assert world.mail == []


def test_an_event_of_the_pause_that_comes_after_it() -> None:
    world = World()
    pause(world)
    world.put("in/late", b"x")
    world.run(MINUTE)
    resume(world)
    world.run(HOUR)
    world.announce("in/late")
    world.run(MINUTE)
    assert arrived(world) == {"out/late": 1}


def test_a_pause_that_begins_while_the_last_one_is_made_up_for() -> None:
    """The last pause's events are on their way already. They are put off once more."""
    world = World()
    pause(world)
    for number in range(5):
        world.drop(f"in/{number}", b"x")
    world.clock.advance(2 * HOUR)
    world.run(2 * MINUTE)
    resume(world)
    world.sweep(WEST)
    pause(world)
    world.clock.advance(2 * HOUR)
    world.run(2 * MINUTE)
    assert arrived(world) == {}
    assert backfills(world)[0].state == "DONE", "it was listed"
    resume(world)
    world.run(20 * MINUTE)
    assert arrived(world) == {f"out/{n}": 1 for n in range(5)}


def test_gone_meanwhile() -> None:
    world = World()
    pause(world)
    world.drop("in/gone", b"x")
    world.store.remove(SOURCE[WEST], "in/gone")
    world.run(MINUTE)
    resume(world)
    world.run(3 * MINUTE)
    assert arrived(world) == {}
    assert world.mail == []
    assert world.dead_letters == []


def test_while_nobody_can_be_asked_nothing_is_forgotten() -> None:
    """The control bucket doesn't answer. Nothing is delivered, and nothing is put off for good."""
    world = World()
    rule = Rule(bucket=CONTROL[EAST].name, times=None, error=lambda: Retry("Timeout"))
    world.faults.rule(rule)
    world.drop("in/1", b"x")
    world.run(MINUTE)
    assert arrived(world) == {}
    world.faults.rules.clear()
    world.run(MINUTE)
    assert arrived(world) == {"out/1": 1}


def test_a_source_that_may_not_be_looked_at_is_looked_at_later() -> None:
    world = World()
    pause(world)
    world.put("in/1", b"x")
    world.store.deny(SOURCE[WEST])
    world.announce("in/1")
    world.run(HOUR)
    world.store.allow(SOURCE[WEST])
    resume(world)
    world.run(20 * MINUTE)
    assert arrived(world) == {"out/1": 1}


def test_the_dead_regions_feeds_are_not_caught_up_while_they_are_paused() -> None:
    world = World()
    world.sweep(WEST)
    world.regions[WEST].next_sweep_ms += 10**12
    pause(world, EAST)
    world.put("in/1", b"x")
    world.run(HOUR)
    assert arrived(world) == {}
    assert world.mail == []
    resume(world, EAST)
    world.run(20 * MINUTE)
    assert arrived(world) == {"out/1": 1}


def test_nothing_is_asked_of_a_feed_without_object_events() -> None:
    world = World()
    world.put("elsewhere/1", b"x")
    before = sum(world.store.requests.values())
    world.announce("elsewhere/1")
    world.pump()
    assert sum(world.store.requests.values()) == before


# --- trouble at every call ----------------------------------------------------------------------------------------


def life(world: World) -> None:
    """Drop objects before and during a pause, with an event that is late, and resume the feed."""
    world.put("in/old", b"x")
    world.clock.advance(2 * HOUR)
    world.drop("in/before", b"x")
    world.pump()
    pause(world, EAST)
    world.announce("in/old")
    for number in range(4):
        world.put(f"in/{number}", b"x")
    world.announce(*(f"in/{number}" for number in range(4)))
    world.pump()
    resume(world)
    world.sweep(WEST)
    world.pump()
    later(world)


@pytest.mark.parametrize(
    ("act", "after"),
    [(crash, False), (crash, True), (refuse, False), (lose_answer, True)],
    ids=["crash before", "crash after", "refused", "answer lost"],
)
def test_trouble_at_any_call(act: Callable[[str], object], after: bool) -> None:
    for world, _, call in at_every_call(World, life, lambda _: act, after=after, least=50):
        expected = {"out/old": 1, "out/before": 1} | {f"out/{n}": 1 for n in range(4)}
        assert arrived(world) == expected, call
        assert world.dead_letters == [], call


def test_a_resume_comes_at_any_moment_of_what_intake_does() -> None:
    """Intake puts an event off because the feed was paused when it looked. The listing finds the object all the
    same."""

    def make() -> World:
        world = World()
        pause(world)
        world.calls.labels.clear()
        return world

    def run(world: World) -> None:
        for number in range(4):
            world.put(f"in/{number}", b"x")
        world.announce(*(f"in/{number}" for number in range(4)))
        world.pump()

    def resume_now(world: World) -> Callable[[str], object]:
        def act(_: str) -> None:
            resume(world, EAST)
            world.sweep(WEST)

        return act

    for world, _, call in at_every_call(make, run, resume_now, least=8):
        later(world)
        assert arrived(world) == {f"out/{n}": 1 for n in range(4)}, call


def feeds_paused(world: World) -> bool:
    return bool(feeds.get_feed(world.observer, TENANT, FEED).paused)


def test_two_who_pause_and_resume_at_once_agree() -> None:
    def run(world: World) -> None:
        pause(world, EAST)
        world.drop("in/1", b"x")
        world.pump()
        resume(world, EAST)

    def the_other(world: World) -> Callable[[str], object]:
        return lambda _: resume(world, WEST)

    for world, _, call in at_every_call(
        World, run, the_other, is_counted=lambda label: label == "store.create", least=3
    ):
        if feeds_paused(world):
            resume(world)
        later(world)
        assert arrived(world) == {"out/1": 1}, call
        log = FeedLog.of(world.observer, world.west.declared_feeds[FEED], world.west.declared_endpoints["target-east"])
        assert not log.desired().paused
