"""A feed is created while its objects arrive. If they arrive in a Region that doesn't know it yet, they are delivered,
once. Nothing that was there before is delivered."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.core.entries import ANY, Entry, EntryKind
from chalicelib.core.errors import Retry
from chalicelib.core.feeds import CREATED, BackfillState
from chalicelib.core.rows import OverwriteMode
from chalicelib.protocol.catalog import catalog_of_feed
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.submitting import Location
from chalicelib.steps import feeds
from simulation.memory.env import CONTROL, EAST, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.registry import MemoryRegistry
from tests.steps.calls import crash, lose_answer, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.feeding import OWNER, arrived, ask, to_backfill
from tests.steps.world import HOUR, MINUTE, SECOND, World

NAME = "inbox"
WANTED = feeds.WantedFeed(Location("source-west"), Location("target-east"), OverwriteMode.IF_CHANGED, {})


def make(world: World, region: str = EAST) -> feeds.FeedView:
    return ask(world, lambda env: feeds.put_feed(env, OWNER, NAME, WANTED, ANY)[0], region)


def apart() -> tuple[World, MemoryRegistry]:
    """Return a world in which West has a table of its own, which learns nothing of East's changes."""
    world = World(feeds={})
    west_registry = MemoryRegistry()
    world.regions[WEST].env = replace(world.west, registry=west_registry)
    return world, west_registry


def entry_of(world: World) -> Entry:
    entry = world.registry.get(EntryKind.FEED, TENANT, NAME)
    assert entry is not None
    return entry


def backfill_of(world: World) -> feeds.BackfillView:
    [backfill] = feeds.get_feed(world.east, TENANT, NAME).backfills
    return backfill


def test_what_arrives_before_a_region_knows_the_feed_is_delivered() -> None:
    """Defect B3: the event was acknowledged, and so the object was lost."""
    world, west = apart()
    world.put("in/before", b"x")
    world.clock.advance(HOUR)
    make(world)
    world.drop("in/early", b"x")
    world.run(5 * MINUTE)
    assert arrived(world) == {}
    assert (backfill_of(world).name, backfill_of(world).state) == (CREATED, BackfillState.WAITING)
    west.apply(entry_of(world))
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/early": 1}, "and what was there before it is not delivered"
    assert (backfill_of(world).state, backfill_of(world).events_sent) == (BackfillState.DONE, 1)
    assert to_backfill(world) == []


def test_the_entry_may_come_before_its_pointer() -> None:
    """Items are replicated one by one. The sweep knows the feed when intake finds it, and no sooner."""
    world, west = apart()
    world.run(3 * MINUTE)  # The round of re-checks, which would write the pointer itself, is over.
    view = make(world)
    west.hidden.add((EntryKind.FEED, TENANT, NAME))
    west.apply(entry_of(world))
    world.run(3 * MINUTE)
    assert catalog_of_feed(world.west, view.feed.id).feeds == {}
    assert backfill_of(world).state is BackfillState.WAITING
    world.drop("in/a", b"x")
    world.pump()
    assert arrived(world) == {}, "dropped"
    west.hidden.clear()
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/a": 1}


def test_the_other_region_does_not_end_it_in_its_place() -> None:
    """West seems dead, but its intake lives. An object that it drops after East's listing must still be found."""
    world, west = apart()
    make(world)
    world.drop("in/a", b"x")
    world.pump()
    for _ in range(8):  # West's sweeps don't run.
        world.clock.advance(MINUTE)
        world.sweep(EAST)
        world.pump()
    assert arrived(world) == {"out/a": 1}, "East delivers for West"
    assert backfill_of(world).state is BackfillState.RUNNING
    world.drop("in/b", b"x")
    world.pump()
    assert arrived(world) == {"out/a": 1}, "West has dropped it"
    west.apply(entry_of(world))
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/a": 1, "out/b": 1}
    assert backfill_of(world).state is BackfillState.DONE


def test_the_same_again_begins_nothing_anew() -> None:
    world = World(feeds={})
    first = make(world)
    world.run(3 * MINUTE)
    repeated = make(world)
    assert repeated.feed.id == first.feed.id
    assert to_backfill(world) == []
    assert [backfill.name for backfill in feeds.get_feed(world.west, TENANT, NAME).backfills] == [CREATED]


def test_while_it_is_paused_it_waits() -> None:
    world, west = apart()
    make(world)
    world.drop("in/a", b"x")
    world.pump()
    feeds.pause_feed(world.east, OWNER, NAME)
    west.apply(entry_of(world))
    world.run(10 * MINUTE)
    assert arrived(world) == {}
    feeds.resume_feed(world.west, OWNER, NAME)
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/a": 1}
    assert to_backfill(world) == []


def test_removed_meanwhile_it_is_forgotten() -> None:
    world, west = apart()
    view = make(world)
    world.drop("in/a", b"x")
    world.pump()
    feeds.remove_feed(world.east, OWNER, NAME, ANY)
    [removed] = world.registry.removed.values()
    west.apply(removed)
    world.run(3 * MINUTE)
    assert arrived(world) == {}
    assert to_backfill(world) == []
    assert view.feed.id in catalog_of_feed(world.west, view.feed.id).removed


def test_a_region_whose_storage_is_out_of_reach_begins_nothing() -> None:
    world = World(feeds={})
    world.faults.rule(Rule(bucket=CONTROL[EAST].name, times=None))
    with pytest.raises(Retry):
        feeds.put_feed(world.west, OWNER, NAME, WANTED, ANY)
    assert world.registry.get(EntryKind.FEED, TENANT, NAME) is None


@pytest.mark.parametrize(("act", "after"), [(crash, False), (crash, True), (refuse, False), (lose_answer, True)])
def test_trouble_at_any_call(act: Callable[[str], object], after: bool) -> None:
    """The client repeats its request when it gets no answer. What is dropped after that arrives."""

    def run(world: World) -> None:
        make(world, WEST)
        world.calls.paused = True
        world.clock.advance(5 * SECOND)
        world.drop("in/a", b"x")
        world.run(20 * MINUTE)

    for world, _, call in at_every_call(lambda: World(feeds={}), run, lambda _: act, after=after, least=3):
        assert arrived(world) == {"out/a": 1}, call
        assert to_backfill(world) == [], call
        assert backfill_of(world).state is BackfillState.DONE, call


def test_a_fill_whose_feed_nobody_will_ever_know_is_forgotten_one_day() -> None:
    """Found by simulation: a feed was removed in one Region and created again in the other one, where no entry of the
    first is left. Every sweep looked at its back-fill, for ever."""
    world, _ = apart()
    ControlRecords(world.observer, EAST).create("backfills/f-gone/created", b"")
    world.run(10 * MINUTE)
    assert to_backfill(world) == [("f-gone", [CREATED])], "a Region may not know it yet"
    world.clock.advance(world.east.policy.removed_kept_ms)
    world.run(2 * MINUTE)
    assert to_backfill(world) == []
