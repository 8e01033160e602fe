"""A bucket's owner takes it back: jobs and feeds that read or write it stop within a round, say why, and go on when the
owner gives it again."""

from dataclasses import replace

import pytest

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.entries import ANY, EntryKind
from chalicelib.core.errors import Retry, Unusable
from chalicelib.core.jobs import JobState
from chalicelib.core.objects import Bucket
from chalicelib.core.rows import OverwriteMode
from chalicelib.protocol.catalog import catalog_reading
from chalicelib.protocol.probing import TENANTS_TAG
from chalicelib.protocol.submitting import Location, Submission
from chalicelib.steps import control, endpoints, feeds, plan
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.feeding import OWNER, arrived, to_backfill
from tests.steps.world import HOUR, MINUTE, SMALL, World

NAME = "inbox"
ROUND_MS = SMALL.endpoint_recheck_ms + 2 * MINUTE
TAGS = {TENANTS_TAG: TENANT}


def make(feed: bool = True) -> World:
    """Return a world in which both endpoints are the tenant's own, and so is the feed between them."""
    world = World(feeds={}, endpoints={})
    for bucket, name, write in ((SOURCE[WEST], "drops", False), (TARGET[EAST], "shelf", True)):
        give(world, bucket)
        end = Endpoint(name, TENANT, bucket, "in/" if not write else "out/", readable=not write, writable=write)
        endpoints.put_endpoint(world.west, OWNER, end, ANY)
    if feed:
        feed_entry = feeds.WantedFeed(Location("drops"), Location("shelf"), OverwriteMode.IF_CHANGED, {})
        feeds.put_feed(world.west, OWNER, NAME, feed_entry, ANY)
        world.run(3 * MINUTE)
    return world


def give(world: World, bucket: Bucket) -> None:
    world.store.tag_bucket(bucket, TAGS)


def take(world: World, bucket: Bucket) -> None:
    world.store.tag_bucket(bucket, {TENANTS_TAG: "somebody-else"})


@pytest.mark.parametrize("bucket", [SOURCE[WEST], TARGET[EAST]])
def test_a_feed_stops_and_says_why(bucket: Bucket) -> None:
    """Defect B5: the feed went on reading and writing for ever."""
    world = make()
    take(world, bucket)
    world.run(ROUND_MS)
    view = feeds.get_feed(world.east, TENANT, NAME)
    assert view.paused
    assert bucket.name in view.stopped
    assert TENANTS_TAG in view.stopped
    assert "resume it" in view.stopped
    notices = {news for region in world.regions.values() for news in region.notifier.stopped}
    assert notices == {(TENANT, NAME, view.stopped)}
    world.drop("in/a", b"x")
    world.run(5 * MINUTE)
    assert arrived(world) == {}


def test_it_is_resumed_when_the_bucket_says_so_again_and_delivers_what_it_has_missed() -> None:
    world = make()
    take(world, SOURCE[WEST])
    world.run(ROUND_MS)
    world.drop("in/a", b"x")
    world.run(MINUTE)
    for region in (WEST, EAST):
        with pytest.raises(Unusable, match=TENANTS_TAG):
            feeds.resume_feed(world.regions[region].env, OWNER, NAME)
    give(world, SOURCE[WEST])
    assert feeds.resume_feed(world.east, OWNER, NAME).stopped == ""
    world.run(3 * MINUTE)
    assert arrived(world) == {"out/a": 1}
    assert to_backfill(world) == []
    world.run(2 * ROUND_MS)
    assert not feeds.get_feed(world.west, TENANT, NAME).paused


def test_a_feed_that_its_owner_has_paused_is_not_resumed_either() -> None:
    world = make()
    feeds.pause_feed(world.west, OWNER, NAME)
    take(world, TARGET[EAST])
    with pytest.raises(Unusable):
        feeds.resume_feed(world.west, OWNER, NAME)
    assert feeds.get_feed(world.west, TENANT, NAME).stopped == "", "its owner paused it"


def test_that_nobody_answers_is_no_verdict() -> None:
    world = make()
    take(world, TARGET[EAST])
    world.faults.rule(Rule(Operation.HEAD_BUCKET, times=None))
    world.run(ROUND_MS)
    assert not feeds.get_feed(world.west, TENANT, NAME).paused
    world.faults.rules.clear()
    world.run(ROUND_MS)
    assert feeds.get_feed(world.west, TENANT, NAME).paused
    world.faults.rule(Rule(Operation.HEAD_BUCKET, times=None))
    with pytest.raises(Retry):
        feeds.resume_feed(world.west, OWNER, NAME)


def test_what_is_registered_late_in_the_alphabet_has_its_turn() -> None:
    """Each sweep checks some feeds, so a round takes several sweeps, however many feeds there are."""
    world = make()
    entry = world.registry.entries[EntryKind.FEED, TENANT, NAME]
    for number in range(250):
        name = f"a{number:03d}"
        world.registry.entries[EntryKind.FEED, "another", name] = replace(
            entry, tenant="another", name=name, found_by=()
        )
    take(world, SOURCE[WEST])
    world.run(2 * ROUND_MS)
    assert feeds.get_feed(world.west, TENANT, NAME).stopped


def test_a_feed_that_is_not_found_any_more_is_found_again() -> None:
    """Its pointer was lost where two Regions' changes met. What was dropped meanwhile is delivered."""
    world = make()
    key = (EntryKind.FEED, TENANT, NAME)
    entry = world.registry.entries[key]
    world.registry.hidden.add(key)
    world.drop("in/a", b"x")
    world.run(MINUTE)
    assert catalog_reading(world.west, [(SOURCE[WEST].name, "in/a")]).feeds == {}
    world.run(ROUND_MS)
    assert arrived(world) == {"out/a": 1}
    assert world.registry.entries[key] == entry
    assert to_backfill(world) == []


# --- jobs ---------------------------------------------------------------------------------------------------------


def submit(world: World) -> str:
    for number in range(10):
        world.put(f"in/{number}", b"x")
    submission = Submission(TENANT, "token", Location("drops"), Location("shelf"))
    return control.submit(world.west, submission)[0].job_id


def test_a_job_that_runs_for_long_stops() -> None:
    world = make(feed=False)
    job_id = submit(world)
    world.mail.clear()
    take(world, SOURCE[WEST])
    control.pause(world.west, TENANT, job_id)
    world.clock.advance(HOUR)
    with pytest.raises(Unusable, match=TENANTS_TAG):
        control.resume(world.west, TENANT, job_id)
    give(world, SOURCE[WEST])
    control.resume(world.west, TENANT, job_id)
    world.mail.clear()
    world.regions[WEST].queue.tasks.clear()
    take(world, SOURCE[WEST])
    world.sweep(EAST)
    view = control.get_job(world.west, TENANT, job_id)
    assert (view.progress.state, TENANTS_TAG in view.reason) == (JobState.PAUSED, True)
    with pytest.raises(Unusable):
        control.resume(world.west, TENANT, job_id)
    give(world, SOURCE[WEST])
    control.resume(world.west, TENANT, job_id)
    world.settle()
    assert control.get_job(world.west, TENANT, job_id).progress.state is JobState.SUCCEEDED


def test_a_plan_is_approved_only_where_its_buckets_still_say_so() -> None:
    world = make(feed=False)
    for number in range(3):
        world.put(f"in/{number}", b"x")
    submission = Submission(TENANT, "token", Location("drops"), Location("shelf"), planned_first=True)
    plan_id = control.submit(world.west, submission)[0].job_id
    world.run(5 * MINUTE)
    take(world, TARGET[EAST])
    with pytest.raises(Unusable, match=TENANTS_TAG):
        plan.approve(world.west, TENANT, plan_id)
    give(world, TARGET[EAST])
    plan.approve(world.west, TENANT, plan_id)


def test_where_the_records_can_not_be_written_it_is_tried_again() -> None:
    world = make()
    take(world, SOURCE[WEST])
    world.faults.rule(Rule(Operation.PUT, CONTROL[EAST].name, times=3))
    world.run(2 * ROUND_MS)
    assert feeds.get_feed(world.west, TENANT, NAME).stopped
