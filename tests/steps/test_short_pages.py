"""LIST may give fewer keys than were requested, and say that there are more. A reader goes by what S3 says, not by how
full a page is, so no key is left out or comes twice."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.rows import Outcome, OverwriteMode
from chalicelib.ports import Delivery
from chalicelib.protocol import paging, reverify
from chalicelib.protocol.catalog import read_catalog
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.steps import control
from simulation.memory.env import EAST, SOURCE, TARGET, TENANT, WEST
from tests.contract.items import delivery
from tests.steps.feeding import FEED, arrived, pause, request_backfill, resume
from tests.steps.test_catch_up import dead_west
from tests.steps.test_feed_backfill import ShortPages, in_pages
from tests.steps.world import HOUR, MINUTE, SECOND, SMALL, World

ONE_ROW = replace(SMALL, partition_rows=1)


def settled(count: int, **options: Any) -> tuple[World, JobSpec, JobRecords]:
    """Return a settled job that has one partition for each object."""
    world = World(policy=ONE_ROW, **options)
    for number in range(count):
        world.put(f"in/a/{number:03d}", b"x")
    spec = world.submit("a/", "b/")
    world.settle()
    records = ControlRecords(replace(world.observer, store=ShortPages(world.store)), spec.control_region)
    return world, spec, records.job(spec.job_id)


def test_records_over_many_pages_are_all_there_once() -> None:
    _, spec, records = settled(7)
    prefix = f"jobs/{spec.job_id}/done/"
    names = [facts.key for facts in records.control.list_all(prefix)]
    assert len(names) == len(set(names)) == 7
    assert [f.key for f in records.control.list_all(prefix, start_after=names[2])] == names[3:]
    assert len(records.control.list_all(prefix, limit=3)) == 4, "whole pages, until there are as many"
    assert records.control.list_all("nothing/") == []


def test_links_over_many_pages_are_all_there_once() -> None:
    _, _, records = settled(7)
    parts = [entry.partition_id for entry in records.entries_from("")]
    assert parts == sorted(set(parts))
    assert len(parts) >= 7
    assert [entry.partition_id for entry in records.entries_from(parts[2])] == parts[2:]
    for start in range(len(parts)):
        assert [entry.partition_id for entry in records.entries_after(parts[start])] == parts[start + 1 :]
    assert [entry.partition_id for entry in records.entries_after("")] == parts


def test_receipts_over_many_pages_are_all_there_once() -> None:
    _, _, records = settled(7)
    parts = list(records.receipts_after(""))
    assert parts == sorted(set(parts))
    assert len(parts) == 7
    for start in range(len(parts)):
        assert list(records.receipts_after(parts[start])) == parts[start + 1 :]


def test_open_jobs_go_on_behind_the_one_that_was_named() -> None:
    world = World()
    names = sorted(f"job-{n}" for n in range(7))
    records = ControlRecords(world.west, EAST)
    for name in names:
        records.open_job(name)
    assert records.open_jobs() == names
    assert records.open_jobs(names[2], 3) == names[3:6]
    assert records.open_jobs(names[-1]) == []


def objects(world: World, spec: JobSpec, outcome: Outcome | None, limit: int) -> tuple[list[str], int]:
    """Return the keys that the pages show, and the number of pages."""
    env = replace(world.west, store=ShortPages(world.west.store))
    keys: list[str] = []
    cursor, pages = None, 0
    while True:
        page = control.list_objects(env, TENANT, spec.job_id, outcome, cursor, limit)
        keys += [view.key for view in page.objects]
        pages += 1
        cursor = page.cursor
        if cursor is None:
            return keys, pages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_a_jobs_objects_over_many_pages_are_all_there_once(limit: int) -> None:
    world = World(policy=replace(SMALL, partition_rows=3))
    for number in range(8):
        world.put(f"in/a/{number:03d}", b"x")
    spec = world.submit("a/", "b/")
    world.settle()
    keys, pages = objects(world, spec, None, limit)
    assert keys == [f"in/a/{number:03d}" for number in range(8)]
    assert pages == -(-8 // limit), "no page is empty, and none of them is asked for in vain"


def test_an_outcome_that_few_objects_have_is_found_behind_a_page_that_is_not_full() -> None:
    """A request looks at a limited number of partitions, so that it answers in time. Its cursor goes on with the first
    partition that it has not looked at."""
    world = World(policy=ONE_ROW)
    count = 2 * paging.ENTRIES_PER_PAGE + 2
    rare = {0, paging.ENTRIES_PER_PAGE - 1, paging.ENTRIES_PER_PAGE, count - 1}
    for number in range(count):
        world.put(f"in/a/{number:03d}", b"x")
        if number in rare:
            world.put(f"out/b/{number:03d}", b"x", TARGET[EAST])
    spec = world.submit("a/", "b/")
    world.settle()
    keys, pages = objects(world, spec, Outcome.UNCHANGED, 100)
    assert keys == [f"in/a/{number:03d}" for number in sorted(rare)]
    assert pages == 3


# --- sources ------------------------------------------------------------------------------------------------------


def test_a_long_source_of_a_dead_region_is_listed_to_its_end() -> None:
    """The listing takes several sweeps. Each one goes on where the last one stopped."""
    world = dead_west(in_pages(World(policy=replace(SMALL, partition_rows=1000))))
    for number in range(230):
        world.put(f"in/{number:03d}", b"x")
    world.run(20 * MINUTE)
    assert len(arrived(world)) == 230


@pytest.mark.parametrize("before_ms", [0, 30 * MINUTE, 59 * MINUTE])
def test_an_event_that_the_dead_region_had_not_taken_yet_is_not_lost(before_ms: int) -> None:
    """The object is older than the Region's last sign of life, because its event waited in the dead Region's queue."""
    world = World()
    world.put("in/1", b"x")
    world.clock.advance(before_ms)
    dead_west(world)
    world.run(20 * MINUTE)
    assert arrived(world) == {"out/1": 1}


def test_what_was_written_in_the_very_moment_that_a_back_fill_begins_with_is_in_it() -> None:
    world = World()
    world.put("in/before", b"x")
    world.clock.advance(SECOND)
    since_ms = world.put("in/then", b"x").at_ms
    world.clock.advance(2 * HOUR)
    request_backfill(world, since_ms)
    world.run(5 * MINUTE)
    assert set(arrived(world)) == {"out/then"}


def test_what_arrived_early_in_a_long_pause_is_looked_for_when_it_ends() -> None:
    """The listing goes back to the beginning of the pause, not to its end."""
    world = World()
    pause(world)
    world.clock.advance(SECOND)
    world.put("in/early", b"x")
    world.clock.advance(10 * HOUR)
    resume(world)
    world.run(10 * MINUTE)
    assert arrived(world) == {"out/early": 1}


def test_an_old_object_that_can_not_be_looked_at_during_a_pause_is_kept() -> None:
    """Its event is late, and the back-fill at the end of the pause will not find it. Nothing else knows of it."""
    world = World()
    world.put("in/1", b"x")
    world.clock.advance(9 * HOUR)
    pause(world)
    world.store.deny(SOURCE[WEST])
    world.announce("in/1")
    world.run(MINUTE)
    world.store.allow(SOURCE[WEST])
    resume(world)
    world.run(30 * MINUTE)
    assert arrived(world) == {"out/1": 1}


def test_a_resume_whose_writer_dies_in_the_middle_is_no_lost_fill() -> None:
    """Whichever records the writer has written: when the feed goes on, what arrived meanwhile is looked for."""
    from tests.steps.calls import crash

    for at in range(1, 8):
        world = World()
        pause(world)
        world.put("in/1", b"x")
        world.clock.advance(2 * HOUR)
        world.calls.plan(at, after=crash, is_counted=lambda label: label == "store.create")
        resume(world)
        world.run(10 * MINUTE)
        assert arrived(world) == {"out/1": 1}, at


# --- deliveries ---------------------------------------------------------------------------------------------------


def copied(key: str, at_ms: int, region: str = WEST) -> Delivery:
    return replace(
        delivery(key), feed_id=FEED, status=DeliveryStatus.COPIED, outcome=Outcome.COPIED, at_ms=at_ms, region=region
    )


def take_keys_to_verify(world: World) -> list[str]:
    """Return the keys that a sweep in West wants to be verified, and clear them."""
    queue = world.regions[WEST].queue
    keys = [task.key for task in queue.verify_deliveries]
    queue.verify_deliveries.clear()
    return keys


def test_deliveries_are_gone_through_to_the_end_however_little_time_there_is() -> None:
    world = World()
    now_ms = world.clock.now_ms()
    keys = [f"in/{number:03d}" for number in range(120)]
    world.ledger.put_deliveries([copied(key, now_ms - HOUR + n) for n, key in enumerate(keys)])
    catalog, keys_to_verify = read_catalog(world.west), list[str]()
    for _ in range(3):
        reverify.verify_again(world.west, catalog, (), deadline_ms=0)
        keys_to_verify += take_keys_to_verify(world)
        world.clock.advance(MINUTE)
    assert sorted(keys_to_verify) == keys


def test_a_delivery_that_is_noted_late_is_looked_at_all_the_same() -> None:
    """The other Region noted it. Its clock may be behind, and its notes take a while, so the delivery belongs into a
    window that was gone through already."""
    world = World()
    catalog = read_catalog(world.west)
    reverify.verify_again(world.west, catalog, (), deadline_ms=world.clock.now_ms() + MINUTE)
    noted_ms = world.clock.now_ms() - reverify.OVERDUE_MS - 5 * MINUTE
    world.ledger.put_deliveries([copied("in/late", noted_ms, EAST)])
    world.clock.advance(reverify.EVERY_MS)
    reverify.verify_again(world.west, catalog, (), deadline_ms=world.clock.now_ms() + MINUTE)
    assert take_keys_to_verify(world) == ["in/late"]


def test_deliveries_of_the_last_minutes_are_left_to_whoever_made_them() -> None:
    world = World()
    catalog = read_catalog(world.west)
    world.ledger.put_deliveries([copied("in/new", world.clock.now_ms() - reverify.OVERDUE_MS + SECOND)])
    reverify.verify_again(world.west, catalog, (), deadline_ms=world.clock.now_ms() + MINUTE)
    assert take_keys_to_verify(world) == []


# --- the order of looks -------------------------------------------------------------------------------------------


class Overtaken:
    """A store in which the source is overwritten when we copy, and in which another worker publishes the pinned version
    right after our look at the target. Implements `ports.ObjectStore`."""

    def __init__(self, world: World, store: Any, body: bytes) -> None:
        self._world, self._store, self._body = world, store, body
        self._copied = self._published = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        if not self._copied:
            self._copied = True
            self._world.put("in/a/1", b"newer")
        return self._store.copy(*args, **kwargs)

    def head(self, bucket: Any, key: str, **kwargs: Any) -> Any:
        head = self._store.head(bucket, key, **kwargs)
        if bucket == TARGET[EAST] and self._copied and not self._published:
            self._published = True
            self._world.put("out/b/1", self._body, TARGET[EAST])
        return head


def test_what_another_worker_delivered_between_two_looks_is_delivered() -> None:
    """The source has changed, but the pinned version is at the target. SOURCE_CHANGED would be untrue."""
    world = World()
    world.put("in/a/1", b"older")
    for region in world.regions.values():
        region.env = replace(region.env, store=Overtaken(world, region.env.store, b"older"))
    spec = world.submit("a/", "b/", mode=OverwriteMode.ALWAYS)
    world.settle()
    assert world.outcomes(spec) == {"in/a/1": Outcome.COPIED}
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.body("out/b/1") == b"older"
