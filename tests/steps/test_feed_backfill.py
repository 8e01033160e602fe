"""Back-fills: objects at the source are delivered once, page by page, even if a process dies meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.entries import ANY, EntryKind
from chalicelib.core.errors import BadRequest, InUse, KeyReused, Unknown
from chalicelib.core.feeds import BackfillState
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.rows import OverwriteMode
from chalicelib.protocol import catchup
from chalicelib.protocol.submitting import Location
from chalicelib.steps import feeds
from simulation.memory.env import EAST, ENDPOINTS, SOURCE, TARGET, TENANT, WEST
from tests.steps.calls import crash, lose_answer, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.feeding import FEED, OWNER, arrived, backfills, later, pause, request_backfill, resume, to_backfill
from tests.steps.world import HOUR, MINUTE, SMALL, World

FAR_MS = 10**15


class ShortPages:
    """A store whose LIST gives two keys at a time. Implements `ports.ObjectStore`."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def list(self, bucket: Any, prefix: str, *, start_after: str = "", limit: int = 1000) -> Any:
        return self._store.list(bucket, prefix, start_after=start_after, limit=min(limit, 2))


def in_pages(world: World) -> World:
    for region in world.regions.values():
        region.env = replace(region.env, store=ShortPages(region.env.store))
    return world


def filled(count: int, **options: Any) -> World:
    world = World(**options)
    for number in range(count):
        world.put(f"in/{number:03d}", b"x")
    world.clock.advance(2 * HOUR)
    return world


def everything(count: int) -> dict[str, int]:
    return {f"out/{number:03d}": 1 for number in range(count)}


def test_what_is_there_is_delivered() -> None:
    world = filled(7)
    requested = request_backfill(world)
    assert requested.state is BackfillState.WAITING
    world.run(3 * MINUTE)
    assert arrived(world) == everything(7)
    [backfill] = backfills(world)
    assert (backfill.name, backfill.state) == (requested.name, BackfillState.DONE)
    assert (backfill.objects_seen, backfill.events_sent) == (7, 7)
    assert backfill.started_ms is not None
    assert backfill.finished_ms is not None
    assert to_backfill(world) == [], "nor do sweeps look for it any more"


def test_only_what_was_written_lately() -> None:
    world = filled(3)
    since_ms = world.clock.now_ms()
    world.put("in/new", b"x")
    request_backfill(world, since_ms)
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/new": 1}
    [backfill] = backfills(world)
    assert (backfill.objects_seen, backfill.events_sent) == (4, 1)


def test_what_a_receiver_has_taken_away_does_not_come_back() -> None:
    world = filled(3)
    request_backfill(world)
    world.run(3 * MINUTE)
    world.store.remove(TARGET[EAST], "out/001")
    request_backfill(world, token="another")
    world.run(3 * MINUTE)
    assert set(arrived(world)) == {"out/000", "out/002"}
    assert [backfill.state for backfill in backfills(world)] == [BackfillState.DONE, BackfillState.DONE]


def test_an_empty_source() -> None:
    world = World()
    request_backfill(world)
    world.run(3 * MINUTE)
    [backfill] = backfills(world)
    assert (backfill.state, backfill.objects_seen) == (BackfillState.DONE, 0)


def test_a_long_source_takes_several_sweeps_and_shows_how_far_it_is() -> None:
    world = in_pages(filled(130, policy=replace(SMALL, partition_rows=1000)))
    request_backfill(world)
    world.sweep(WEST)
    [running] = backfills(world)
    assert (running.state, running.objects_seen) == (BackfillState.RUNNING, 2 * catchup.PAGES_PER_RUN)
    world.sweep(WEST)
    [backfill] = backfills(world)
    assert (backfill.state, backfill.objects_seen, backfill.events_sent) == (BackfillState.DONE, 130, 130)
    world.run(5 * MINUTE)
    assert arrived(world) == everything(130)


def test_with_hardly_any_time_there_is_a_page_a_sweep() -> None:
    """Found by the simulation, seed 780: where calls take long, the work before the listing took all the time."""
    world = in_pages(filled(5))
    request_backfill(world)
    for objects_seen in (2, 4):
        catchup.backfill_feeds(world.west, [], world.clock.now_ms())
        assert backfills(world)[0].objects_seen == objects_seen
    catchup.backfill_feeds(world.west, [], world.clock.now_ms())
    assert (backfills(world)[0].state, backfills(world)[0].objects_seen) == (BackfillState.DONE, 5)


def test_the_same_token_is_the_same_back_fill_in_either_region() -> None:
    world = filled(3)
    first = request_backfill(world)
    assert request_backfill(world, region=EAST) == first
    with pytest.raises(KeyReused):
        feeds.request_backfill(world.east, OWNER, FEED, 5, "token")
    world.run(3 * MINUTE)
    assert request_backfill(world).state is BackfillState.DONE, "asked for again, it is not done again"
    world.run(3 * MINUTE)
    assert len(backfills(world)) == 1
    assert to_backfill(world) == []


def test_there_are_not_too_many_at_once() -> None:
    world = filled(1)
    for number in range(feeds.BACKFILLS_MAX):
        request_backfill(world, token=str(number))
    with pytest.raises(InUse, match="not finished"):
        feeds.request_backfill(world.west, OWNER, FEED, 0, "one more")
    world.run(10 * MINUTE)
    request_backfill(world, token="one more")


def test_of_a_paused_feed_it_waits() -> None:
    world = filled(3)
    pause(world)
    request_backfill(world)
    world.run(HOUR)
    assert arrived(world) == {}
    assert backfills(world)[0].state is BackfillState.WAITING
    resume(world)
    world.run(5 * MINUTE)
    assert arrived(world) == everything(3)
    assert {backfill.state for backfill in backfills(world)} == {BackfillState.DONE}


def test_a_pause_in_the_middle_of_it() -> None:
    world = in_pages(filled(130, policy=replace(SMALL, partition_rows=1000)))
    request_backfill(world)
    world.sweep(WEST)
    pause(world)
    world.clock.advance(2 * HOUR)
    world.run(2 * MINUTE)
    assert arrived(world) == {}
    assert backfills(world)[0].state is BackfillState.WAITING
    resume(world)
    world.run(30 * MINUTE)
    assert arrived(world) == everything(130)


@pytest.mark.parametrize("mode", [OverwriteMode.NEVER, OverwriteMode.IF_CHANGED])
def test_what_is_at_the_target_already(mode: OverwriteMode) -> None:
    declared = {FEED: Feed(FEED, TENANT, "source-west", "target-east", mode, name=FEED)}
    world = filled(3, feeds=declared)
    world.put("out/001", b"other", TARGET[EAST])
    request_backfill(world)
    world.run(3 * MINUTE)
    assert world.body("out/001") == (b"other" if mode is OverwriteMode.NEVER else b"x")


# --- Regions ------------------------------------------------------------------------------------------------------


def test_while_the_sources_region_lives_the_other_one_leaves_it_alone() -> None:
    world = filled(3)
    request_backfill(world, region=EAST)
    world.sweep(EAST)
    assert backfills(world)[0].state is BackfillState.WAITING
    world.sweep(WEST)
    assert backfills(world)[0].state is BackfillState.DONE


def test_of_a_dead_region_the_other_one_does_it() -> None:
    world = filled(3)
    world.sweep(WEST)
    world.regions[WEST].next_sweep_ms += 10**12
    request_backfill(world, region=EAST)
    world.run(10 * MINUTE)
    assert arrived(world) == everything(3)
    assert backfills(world)[0].state is BackfillState.DONE


def test_a_region_that_dies_in_the_middle_of_it() -> None:
    """The events that it has sent wait in its own queue, so the other Region begins anew."""
    world = in_pages(filled(130, policy=replace(SMALL, partition_rows=1000)))
    request_backfill(world)
    world.sweep(WEST)
    world.regions[WEST].next_sweep_ms += 10**12
    waiting, world.mail = world.mail, []
    world.run(20 * MINUTE)
    assert arrived(world) == everything(130)
    [backfill] = backfills(world)
    assert (backfill.state, backfill.objects_seen) == (BackfillState.DONE, 130)
    world.mail += waiting  # West's functions are back, its sweep isn't.
    world.run(20 * MINUTE)
    assert arrived(world) == everything(130), "nothing twice"


def test_both_regions_at_once() -> None:
    def make() -> World:
        world = filled(5)
        request_backfill(world)
        world.calls.labels.clear()
        return world

    def run(world: World) -> None:
        world.sweep(WEST)
        world.pump()
        later(world)

    def the_other_too(world: World) -> Callable[[str], object]:
        return lambda _: catchup.backfill_feeds(world.east, [WEST], FAR_MS)

    for world, _, call in at_every_call(make, run, the_other_too, least=20):
        assert arrived(world) == everything(5), call
        assert backfills(world)[0].state is BackfillState.DONE, call
        assert to_backfill(world) == [], call


# --- trouble ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("act", "after"), [(crash, False), (crash, True), (refuse, False), (lose_answer, True)])
def test_trouble_at_any_call(act: Callable[[str], object], after: bool) -> None:
    def run(world: World) -> None:
        request_backfill(world)
        world.sweep(WEST)
        world.pump()
        later(world)

    for world, _, call in at_every_call(lambda: filled(5), run, lambda _: act, after=after, least=50):
        assert arrived(world) == everything(5), call
        assert backfills(world)[0].state is BackfillState.DONE, call
        assert to_backfill(world) == [], call
        assert world.dead_letters == [], call


def test_a_source_that_can_not_be_listed_holds_up_no_other_feed() -> None:
    declared = {
        name: Feed(name, TENANT, source, target, name=name)
        for name, source, target in (("a", "source-east", "target-west"), (FEED, "source-west", "target-east"))
    }
    world = filled(3, feeds=declared)
    world.store.deny(SOURCE[EAST])
    feeds.request_backfill(world.west, OWNER, "a", 0, "t")
    request_backfill(world)
    world.run(5 * MINUTE)
    assert arrived(world) == everything(3)
    world.store.allow(SOURCE[EAST])
    world.run(3 * MINUTE)
    assert to_backfill(world) == []


# --- registered feeds ---------------------------------------------------------------------------------------------

WANTED = feeds.WantedFeed(Location("source-west"), Location("target-west"), OverwriteMode.IF_CHANGED, {})


def test_a_registered_feed_is_filled_and_delivers() -> None:
    world = filled(2, feeds={})
    view, new = feeds.put_feed(world.west, OWNER, "mine", WANTED, ANY)
    assert new
    feeds.request_backfill(world.east, OWNER, "mine", 0, "t")
    world.run(3 * MINUTE)
    assert world.body("out/000", TARGET[WEST]) == b"x"
    page = feeds.list_deliveries(
        world.west, TENANT, "mine", feeds.WantedDeliveries(None, None, "", 0, FAR_MS), None, 10
    )
    assert {(d.key, d.status) for d in page.deliveries} == {
        ("in/000", DeliveryStatus.VERIFIED),
        ("in/001", DeliveryStatus.VERIFIED),
    }
    assert view.feed.id != "mine"


def test_what_was_ordered_of_a_removed_feed_is_forgotten() -> None:
    world = filled(2, feeds={})
    feeds.put_feed(world.west, OWNER, "mine", WANTED, ANY)
    feeds.request_backfill(world.west, OWNER, "mine", 0, "t")
    feeds.remove_feed(world.west, OWNER, "mine", ANY)
    world.run(3 * MINUTE)
    assert to_backfill(world) == []
    assert world.store.keys(TARGET[WEST]) == ()
    with pytest.raises(Unknown):
        feeds.request_backfill(world.west, OWNER, "mine", 0, "t")


def test_a_fill_of_a_feed_that_this_region_does_not_know_yet_is_left_alone() -> None:
    world = filled(2, feeds={})
    feeds.put_feed(world.west, OWNER, "mine", WANTED, ANY)
    feeds.request_backfill(world.west, OWNER, "mine", 0, "t")
    replicated = dict(world.registry.entries)
    for key in [key for key in world.registry.entries if key[0] is EntryKind.FEED]:
        del world.registry.entries[key]
    world.run(5 * MINUTE)
    assert len(to_backfill(world)) == 1
    world.registry.entries.update(replicated)
    world.run(3 * MINUTE)
    assert to_backfill(world) == []
    assert world.body("out/000", TARGET[WEST]) == b"x"


def test_a_loop_through_two_feeds_is_refused() -> None:
    there_and_back = {
        "out": Endpoint("out", TENANT, TARGET[EAST], "out/", readable=True, writable=True),
        "in": Endpoint("in", TENANT, SOURCE[WEST], "in/", readable=True, writable=True),
    }
    world = World(endpoints=ENDPOINTS | there_and_back)
    back = feeds.WantedFeed(Location("out"), Location("in"), OverwriteMode.ALWAYS, {})
    with pytest.raises(BadRequest, match="back -> west-to-east -> back"):
        feeds.put_feed(world.west, OWNER, "back", back, ANY)
