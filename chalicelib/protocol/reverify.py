"""Verify deliveries whose verify message may never have been sent: the worker that made them may have died.

The index of each feed's deliveries is gone through once, when they are some minutes old. Deliveries that are still only
copied are sent to verify now. A delivery that is still only copied after that was removed or replaced before it could
be verified: verify has checked it, and noted that.
"""

from collections.abc import Collection
from dataclasses import dataclass

from chalicelib.core.endpoints import Feed
from chalicelib.core.errors import EftError
from chalicelib.core.leases import Observation, note_of
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.ports import Env, VerifyDelivery
from chalicelib.protocol.catalog import EndpointCatalog
from chalicelib.protocol.catchup import is_mine
from chalicelib.protocol.deliveries import furthest

VERIFY_AGAIN = "verify-again"
OVERDUE_MS = 600_000
EVERY_MS = 600_000
"""How often a feed's deliveries are gone through, in ms."""
FIRST_MS = 24 * 3_600_000
"""How far back the first round looks, in ms."""
PAGES_PER_RUN = 100
_PAGE = 50


@dataclass(frozen=True, slots=True)
class _Window:
    """The deliveries of one round, by the time when they were noted, and how far the round is."""

    since_ms: int
    until_ms: int
    cursor: str
    """"" when the round has ended."""


def verify_again(env: Env, catalog: EndpointCatalog, dead: Collection[str], deadline_ms: int) -> None:
    """Send overdue deliveries to verify, for the feeds whose listing is this Region's work."""
    for feed in catalog.feeds.values():
        if is_mine(env, catalog.source(feed), catalog.target(feed).bucket.region, dead):
            try:
                was_due = _go_through(env, feed, deadline_ms)
            except EftError as error:
                # One feed's failure must not hold up the others.
                env.log("deliveries-not-looked-at", feed=feed.id, error=str(error))
                was_due = True
            if was_due and env.clock.now_ms() >= deadline_ms:
                return  # The next sweeps go through the other feeds: this feed is not due again then.


def _go_through(env: Env, feed: Feed, deadline_ms: int) -> bool:
    """Go through one feed's deliveries. Return False if it is too early for that."""
    now_ms = env.clock.now_ms()
    observation = env.ledger.get_observation(VERIFY_AGAIN, feed.id, env.region)
    window = _next_window(observation, now_ms)
    if window is None:
        return False
    cursor: str | None = window.cursor or None
    for _ in range(PAGES_PER_RUN):
        page = env.ledger.list_deliveries(feed.id, window.since_ms, window.until_ms, cursor, _PAGE)
        known = [furthest(notes.now or (notes.delivery,)) for notes in page.said]
        overdue = [VerifyDelivery(d.feed_id, d.key, d.pin) for d in known if d.status is DeliveryStatus.COPIED]
        env.queue.send_verify_deliveries(list(dict.fromkeys(overdue)))
        cursor = page.cursor
        if cursor is None or env.clock.now_ms() >= deadline_ms:
            break
    # Crash before this: the next sweep sends the same messages again, which change nothing.
    at = _Window(window.since_ms, window.until_ms, cursor or "")
    env.ledger.put_observation(Observation.of(VERIFY_AGAIN, feed.id, env.region, at, now_ms))
    return True


def _next_window(observation: Observation | None, now_ms: int) -> _Window | None:
    """Return the window to continue with; None if it is too early."""
    before = note_of(observation, _Window)
    if observation is None or before is None:
        return _Window(now_ms - FIRST_MS, now_ms - OVERDUE_MS, "")
    if before.cursor:
        return before
    if now_ms - observation.since_ms < EVERY_MS:
        return None
    # The other Region's clock, and its notes in the table, may be late. So the end of the last window is read once
    # more.
    return _Window(max(0, before.until_ms - EVERY_MS), max(before.until_ms, now_ms - OVERDUE_MS), "")
