"""Feeds of a dead Region: objects that were dropped while nobody there took its events are found by listing.

Whatever was written to a feed's source since shortly before the Region's last sign of life goes to this Region's
intake as an arrival. Both times are S3's own: the objects' LastModified and the beacon's. Intake looks at each for
itself: what was delivered already, by the dead Region or from a forwarded event, is left alone.
"""

from chalicelib.core.errors import Denied, NoSuchBucket, Retry
from chalicelib.core.leases import Observation
from chalicelib.core.model import Endpoint, Feed
from chalicelib.ports import Arrival, Env
from chalicelib.protocol.places import Places
from chalicelib.protocol.regions import last_seen_by_store_ms

CATCH_UP = "catch-up"
MARGIN_MS = 3_600_000
"""S3 may send an event minutes late, and the Region may have left messages unread for a while before it died."""
PAGES_PER_RUN = 50


def catch_up(env: Env, places: Places, dead_region: str) -> None:
    """Go on with each feed whose source lies in the dead Region; begin anew when `feed_catch_up_ms` has passed."""
    last_seen_ms = last_seen_by_store_ms(env, dead_region)
    if last_seen_ms == 0:
        return  # It has never been alive, so it has left nothing behind: it may not even be deployed yet.
    since_ms = last_seen_ms - MARGIN_MS
    for feed in places.feeds.values():
        source = places.source(feed)
        if source.bucket.region == dead_region:
            try:
                _catch_up_feed(env, feed, source, since_ms)
            except (Denied, NoSuchBucket, Retry) as error:
                env.log("catch-up-failed", feed=feed.id, error=str(error))


def _catch_up_feed(env: Env, feed: Feed, source: Endpoint, since_ms: int) -> None:
    before = env.ledger.get_observation(CATCH_UP, feed.id, env.region)
    now = env.clock.now_ms()
    cursor = before.seen if before else ""
    if before and not cursor and now - before.since_ms < env.policy.feed_catch_up_ms:
        return
    for _ in range(PAGES_PER_RUN):
        page = env.store.list(source.bucket, source.prefix, start_after=cursor)
        fresh = [facts.key for facts in page.objects if facts.last_modified_ms >= since_ms]
        env.queue.send_arrivals([Arrival(source.bucket.name, key) for key in fresh])
        cursor = page.objects[-1].key if page.truncated else ""
        if not cursor:
            break
    # Crash before this: the same pages again, whose arrivals intake recognises as delivered.
    env.ledger.put_observation(Observation(CATCH_UP, feed.id, env.region, cursor, now))
