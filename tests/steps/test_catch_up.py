"""Feeds whose source lies in a dead Region: a listing finds what was dropped there meanwhile, and nothing else."""

from dataclasses import replace

import pytest

from chalicelib.steps import control
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from tests.steps.feeding import pause, resume
from tests.steps.world import HOUR, MINUTE, SMALL, World


def dead_west(world: World) -> World:
    """Let West sweep once, and then never again."""
    world.sweep(WEST)
    world.regions[WEST].next_sweep_ms += 10**12
    return world


def arrived(world: World) -> set[str]:
    return set(world.store.keys(TARGET[EAST]))


def test_objects_whose_events_nobody_took_are_delivered_within_the_promise() -> None:
    world = dead_west(World())
    for number in range(7):
        world.put(f"in/{number}", b"x")
    world.run(10 * MINUTE)
    assert arrived(world) == {f"out/{number}" for number in range(7)}


def test_objects_that_are_dropped_later_are_delivered_too() -> None:
    world = dead_west(World())
    world.run(20 * MINUTE)
    world.put("in/late", b"x")
    world.run(10 * MINUTE)
    assert arrived(world) == {"out/late"}


def test_what_lay_there_long_before_is_not_delivered() -> None:
    world = World()
    world.put("in/old", b"from before the feed was set up")
    world.run(3 * HOUR)
    dead_west(world)
    world.put("in/new", b"x")
    world.run(20 * MINUTE)
    assert arrived(world) == {"out/new"}


def test_a_region_that_has_never_been_alive_has_left_nothing_behind() -> None:
    """The Region may not be deployed yet. Its source buckets may be full of objects that are of no concern to the
    feed."""
    world = World()
    world.regions[WEST].next_sweep_ms += 10**12
    world.put("in/old", b"from before the feed was set up")
    world.run(HOUR)
    assert arrived(world) == set()


def test_what_was_delivered_before_and_taken_away_does_not_come_back() -> None:
    world = World()
    world.drop("in/1", b"x")
    world.settle()
    dead_west(world)
    world.store.remove(TARGET[EAST], "out/1")
    world.run(HOUR)
    assert arrived(world) == set()
    assert len(world.written("out/1")) == 1


def test_a_region_that_lives_is_not_caught_up() -> None:
    world = World()
    world.put("in/1", b"x")  # Its event is lost, which only its own Region could know.
    world.run(3 * HOUR)
    assert arrived(world) == set()


def test_the_feeds_of_both_directions() -> None:
    feeds = {
        "west-to-east": replace(next(iter(World().west.declared_feeds.values()))),
        "east-to-west": replace(
            next(iter(World().west.declared_feeds.values())),
            id="east-to-west",
            source="source-east",
            target="target-west",
        ),
    }
    world = dead_west(World(feeds=feeds))
    world.put("in/1", b"x")
    world.put("in/2", b"y", SOURCE[EAST])
    world.announce("in/2", bucket=SOURCE[EAST])
    world.run(20 * MINUTE)
    assert arrived(world) == {"out/1"}
    assert world.body("out/2", TARGET[WEST]) == b"y", "West's storage lives; only its functions are dead"


@pytest.mark.parametrize("count", [30])
def test_a_long_source_is_listed_over_several_sweeps(count: int) -> None:
    world = dead_west(World(policy=replace(SMALL, partition_rows=1000)))
    for number in range(count):
        world.put(f"in/{number:02d}", b"x")
    world.run(15 * MINUTE)
    assert len(arrived(world)) == count


def test_operators_see_which_region_is_alive() -> None:
    world = dead_west(World())
    world.run(2 * MINUTE)
    assert {view.region: view.alive for view in control.regions(world.east)} == {EAST: True, WEST: True}
    world.run(10 * MINUTE)
    assert {view.region: view.alive for view in control.regions(world.east)} == {EAST: True, WEST: False}


# --- uploads that took long: S3 dates an object by its upload's beginning -----------------------------------------


def upload_that_takes(world: World, took_ms: int) -> None:
    """Put an object by an upload in parts that takes so long. S3 dates it by the upload's beginning, so nothing says
    when it appeared."""
    world.put("in/big", b"0123456789" * 5, part_sizes=(25, 25))
    world.run(took_ms)


def test_an_upload_that_took_a_day_is_delivered_though_its_event_is_lost() -> None:
    world = World()
    world.put("in/small-and-old", b"from before the feed was set up")
    upload_that_takes(world, 24 * HOUR)
    dead_west(world)
    world.run(20 * MINUTE)
    assert arrived(world) == {"out/big"}


def test_such_an_upload_is_delivered_once() -> None:
    world = World()
    upload_that_takes(world, 24 * HOUR)
    world.announce("in/big")
    world.settle()
    assert arrived(world) == {"out/big"}
    world.store.remove(TARGET[EAST], "out/big")
    dead_west(world)
    world.run(HOUR)
    assert arrived(world) == set()


def test_an_upload_that_took_longer_than_is_looked_for_is_left_to_a_back_fill() -> None:
    world = World(policy=replace(SMALL, feed_upload_age_ms=HOUR))
    upload_that_takes(world, 24 * HOUR)
    dead_west(world)
    world.run(20 * MINUTE)
    assert arrived(world) == set()


def test_a_resumed_feed_looks_for_such_uploads_too() -> None:
    """The upload ended during the pause, and its event was lost."""
    world = World()
    world.put("in/small-and-old", b"from before the feed was set up")
    upload_that_takes(world, 24 * HOUR)
    pause(world)
    world.run(10 * MINUTE)
    resume(world)
    world.run(10 * MINUTE)
    assert arrived(world) == {"out/big"}
