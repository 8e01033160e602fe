"""Catch feeds up by listing their sources. Each object that was written at or after a given time goes to intake as an
object event. Intake checks each object itself, and skips those that were delivered already.

There are three causes: a back-fill, the end of a pause (both are back-fills, in the feed's log), and the death of a
Region, whose events no other Region handles meanwhile. All times that are compared are S3's own: the LastModified of
the objects, of the region heartbeat and of the pause record.

A feed also begins with a back-fill, named `created`. It is for objects that appear in a Region whose replica of the
registry doesn't know the feed yet: intake in that Region drops their events. No object is lost by that. The bucket's
events go to the queue of the Region where the source lies, and that same Region lists the source, once
`catalog_of_feed` finds the feed. `catalog_of_feed` reads the same items as intake, and both reads are strongly
consistent. So an intake that finds no feed has read before this sweep did. The intake had its event before it read, and
the object was there before the event. So the object was there before the listing began, and S3's LIST shows it, or the
version that replaced it.

The `created` back-fill takes every object that is the feed's: those that are dated no earlier than the record with
which the making of the feed begins. (An object that was uploaded in parts has the date of the upload's beginning: see
docs/feeds.md.) When another Region lists the source because the home Region seems dead, this argument doesn't hold: the
home Region may be alive, and not know the feed yet. So the other Region doesn't end this back-fill.

A back-fill is worked on by the sweep of the Region where the source lies, or by the other Region while that one is
dead. Each Region notes its own progress in the table. A Region sends events to its own queue, so another Region has to
begin at the start. If both work on a back-fill, intake gets two events for an object, and delivers it once.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.errors import Denied, EftError, NoSuchBucket, Retry
from chalicelib.core.feeds import CREATED, MARGIN_MS, Backfill, BackfillDone, resume_number
from chalicelib.core.identity import etag_parts
from chalicelib.core.leases import Observation, note_of
from chalicelib.core.objects import ObjectFacts
from chalicelib.ports import Env, ObjectEvent
from chalicelib.protocol.catalog import EndpointCatalog, catalog_of_feed
from chalicelib.protocol.feedlog import FeedLog, feeds_to_backfill
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.regions import last_seen_by_store_ms
from chalicelib.protocol.stages import in_turn

CATCH_UP = "catch-up"
PAGES_PER_RUN = 50
"""How many pages of one feed's source are listed in one sweep."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How far a source is listed.

    `cursor` is the last key that was listed; it is "" before the first key, and after the last. `started_ms` is by the
    clock of the Region that lists.
    """

    objects_seen: int = 0
    events_sent: int = 0
    started_ms: int = 0
    cursor: str = ""


def catch_up(env: Env, catalog: EndpointCatalog, dead_region: str, deadline_ms: int) -> None:
    """Continue to list each feed whose source lies in the dead Region. A listing that has ended begins again when
    `feed_catch_up_ms` has passed."""
    last_seen_ms = last_seen_by_store_ms(env, dead_region)
    if last_seen_ms == 0:
        return  # It has never been alive, so it has left nothing behind. It may not even be deployed yet.
    for feed in catalog.feeds.values():
        if catalog.source(feed).bucket.region == dead_region:
            try:
                listed = _catch_up_feed(env, catalog, feed, last_seen_ms - MARGIN_MS, deadline_ms)
            except (Denied, NoSuchBucket, Retry) as error:
                env.log("catch-up-failed", feed=feed.id, error=str(error))
                continue
            if listed and env.clock.now_ms() >= deadline_ms:
                return


def _catch_up_feed(env: Env, catalog: EndpointCatalog, feed: Feed, since_ms: int, deadline_ms: int) -> bool:
    """List some pages of one feed's source. Return False if it was too early for that, or the feed is paused."""
    observation = env.ledger.get_observation(CATCH_UP, feed.id, env.region)
    previous = note_of(observation, Listing)
    if (
        observation
        and previous
        and not previous.cursor
        and env.clock.now_ms() - observation.since_ms < env.policy.feed_catch_up_ms
    ):
        return False
    if FeedLog.of(env, feed, catalog.target(feed)).desired().paused:
        # Intake would postpone all of it. The listing continues when the feed is resumed, if the Region is still dead
        # then.
        return False
    begin = previous if previous and previous.cursor else Listing(started_ms=env.clock.now_ms())
    listing, _ = _list(env, catalog.source(feed), _since(env, since_ms), begin, deadline_ms)
    # Crash before this: the next sweep lists the same pages again. Intake recognises their objects as delivered.
    env.ledger.put_observation(Observation.of(CATCH_UP, feed.id, env.region, listing, env.clock.now_ms()))
    return True


@dataclass(frozen=True, slots=True)
class _Since:
    """The time since which an object must have been written to be sent to intake, by S3's own clock."""

    at_ms: int
    of_parts_ms: int
    """The same for objects that were uploaded in parts."""

    def takes(self, facts: ObjectFacts) -> bool:
        return facts.last_modified_ms >= (self.of_parts_ms if etag_parts(facts.etag) else self.at_ms)


def _since(env: Env, at_ms: int) -> _Since:
    """Return the filter for objects that appeared at `at_ms` or later.

    An object that was uploaded in parts has the date of the upload's beginning, so it may look much older. Those that
    were delivered before are recorded as delivered, and are not delivered again.
    """
    return _Since(at_ms, at_ms - env.policy.feed_upload_age_ms)


def _list(env: Env, source: Endpoint, since: _Since, previous: Listing, deadline_ms: int) -> tuple[Listing, bool]:
    """List some pages of a source, and send their objects to intake. Return how far it got, and whether that is the
    end.

    It lists at least one page: otherwise a sweep that is always late would never end the listing.
    """
    listing = previous
    for _ in range(PAGES_PER_RUN):
        page = env.store.list(source.bucket, source.prefix, start_after=listing.cursor)
        events = [ObjectEvent(source.bucket.name, f.key) for f in page.objects if since.takes(f)]
        env.queue.send_object_events(events)
        listing = replace(
            listing,
            objects_seen=listing.objects_seen + len(page.objects),
            events_sent=listing.events_sent + len(events),
            cursor=page.objects[-1].key if page.truncated else "",
        )
        if not page.truncated:
            return listing, True
        if env.clock.now_ms() >= deadline_ms:
            break
    return listing, False


# --- back-fills ----------------------------------------------------------------------------------------------------


def backfill_feeds(env: Env, dead: Collection[str], deadline_ms: int) -> None:
    """Continue with the oldest back-fill of each feed that is not paused. `dead` names the Regions whose work this
    Region does."""
    for region in sorted(env.control_buckets):
        control = ControlRecords(env, region)
        try:
            feeds = list(feeds_to_backfill(control))
        except (Retry, Denied, NoSuchBucket) as error:
            env.log("backfills-not-listed", region=region, error=str(error))
            continue
        for feed_id, names in in_turn(env, feeds):
            log = FeedLog(control, feed_id)
            try:
                _backfill_feed(env, log, names, dead, deadline_ms)
            except EftError as error:
                # One feed's failure must not hold up the others.
                env.log("backfill-failed", feed=feed_id, backfills=names, error=str(error))
            if env.clock.now_ms() >= deadline_ms:
                break


def _backfill_feed(env: Env, log: FeedLog, names: list[str], dead: Collection[str], deadline_ms: int) -> None:
    catalog = catalog_of_feed(env, log.feed_id)
    feed = catalog.feeds.get(log.feed_id)
    if feed is None:
        # Otherwise this Region doesn't know the feed yet. Or it never will, if the name was given to another feed
        # since.
        for name in names:
            if log.feed_id in catalog.removed or log.waits_for_nobody(name):
                log.forget(name)
        return
    source = catalog.source(feed)
    if not is_mine(env, source, log.control.region, dead):
        return
    if log.desired().paused:
        return  # Intake would postpone all of it.
    for name in names:
        if log.backfill_done(name) is not None:
            log.forget(name)
            continue
        backfill = log.backfill(name)
        may_end = name != CREATED or home_of(env, source, log.control.region) == env.region
        if backfill is not None and not _run_backfill(env, log, feed, source, backfill, deadline_ms, may_end=may_end):
            return


def _run_backfill(
    env: Env, log: FeedLog, feed: Feed, source: Endpoint, backfill: Backfill, deadline_ms: int, *, may_end: bool
) -> bool:
    """Continue with one back-fill. Return True when all of the source is listed. With `may_end` the back-fill is then
    done, for all Regions."""
    subject = backfill_subject(feed.id, backfill.name)
    observation = env.ledger.get_observation(CATCH_UP, subject, env.region)
    previous = note_of(observation, Listing)
    if previous and not previous.cursor:
        return True  # This Region has listed all of it for the home Region, which must list it, too.
    begin = previous or Listing(started_ms=env.clock.now_ms())
    # A back-fill takes objects by LastModified alone, since the time that its requester gave. A resume takes objects
    # that have appeared since, so it looks further back for those that were uploaded in parts.
    resumed = resume_number(backfill.name) is not None
    since = _since(env, backfill.since_ms) if resumed else _Since(backfill.since_ms, backfill.since_ms)
    listing, ended = _list(env, source, since, begin, deadline_ms)
    if not ended or not may_end:
        # Crash before this: the next sweep lists the same pages again.
        env.ledger.put_observation(Observation.of(CATCH_UP, subject, env.region, listing, env.clock.now_ms()))
        return ended
    # Crash before this: the next sweep lists the last pages again.
    now_ms, nonce = env.clock.now_ms(), env.ids.nonce()
    log.finish(
        BackfillDone(
            feed.id,
            backfill.name,
            listing.objects_seen,
            listing.events_sent,
            listing.started_ms,
            now_ms,
            env.region,
            nonce,
        )
    )
    env.log(
        "feed-backfilled",
        feed=feed.id,
        backfill=backfill.name,
        objects=listing.objects_seen,
        events=listing.events_sent,
    )
    return True


def listings(env: Env, feed_id: str, name: str) -> Iterator[Listing]:
    """Yield, for each Region that has begun a back-fill, how far it has listed the source. Meant for a back-fill that
    isn't done."""
    for region in sorted(env.control_buckets):
        observation = env.ledger.get_observation(CATCH_UP, backfill_subject(feed_id, name), region)
        if (listing := note_of(observation, Listing)) is not None:
            yield listing


def backfill_subject(feed_id: str, name: str) -> str:
    return f"{feed_id}/{name}"


def is_mine(env: Env, source: Endpoint, control_region: str, dead: Collection[str]) -> bool:
    """Tell whether listing for a feed is the work of this Region: its own work, or that of a dead Region."""
    home = home_of(env, source, control_region)
    return home == env.region or home in dead


def home_of(env: Env, source: Endpoint, control_region: str) -> str:
    """Return the Region that lists for a feed: the Region of its source, or, if the service doesn't run there, that of
    its target."""
    return source.bucket.region if source.bucket.region in env.control_buckets else control_region
