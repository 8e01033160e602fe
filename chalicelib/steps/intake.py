"""The intake step delivers objects that appear under a feed's source to the feed's target.

An event is a hint. Intake looks at the object that is there *now*, pins it and delivers it. So duplicate and reordered
events are harmless, and the newest version wins. A few small objects are delivered inline, since their preconditions
alone make that safe. More objects become a feed job of one manifest (`protocol.feedjobs`), which is processed like any
other job.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from chalicelib.core.errors import EftError, NoSuchBucket, Retry
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.model import Endpoint, Feed, Method, Outcome, Row, RowOutcome
from chalicelib.ports import Arrival, Delivery, Env, VerifyDelivery
from chalicelib.protocol.delivered import DeliveryRecords, digest
from chalicelib.protocol.deliveries import delivery_of
from chalicelib.protocol.feedjobs import feed_job, open_feed_job
from chalicelib.protocol.feedlog import FeedLog
from chalicelib.protocol.locks import BUSY_MS, DeliveryLocks
from chalicelib.protocol.object_events import ObjectEvents, is_there
from chalicelib.protocol.places import places_reading
from chalicelib.protocol.poison import outcome_of, safely
from chalicelib.protocol.publish import Publisher, Route
from chalicelib.protocol.records import ControlRecords

KEPT_MS = 900_000
"""How long to delay an object event that must not be lost while its feed is paused, in milliseconds. It is the longest
delay that SQS allows."""
REPLANS = 4
"""How often to replan a key that keeps changing before its event goes back to the queue."""


def run(env: Env, arrivals: Sequence[Arrival]) -> set[Arrival]:
    """Deliver the objects that the events point to. Return the events that must be retried, because S3 throttled or
    didn't answer."""
    again: set[Arrival] = set()
    places = places_reading(env, [(arrival.bucket, arrival.key) for arrival in arrivals])
    for feed in places.feeds.values():
        source = places.source(feed)
        wanted = _by_key(a for a in arrivals if _matches(source, a))
        if wanted:
            target = places.target(feed)
            records = DeliveryRecords(ControlRecords(env, target.bucket.region), feed.id)
            locks = DeliveryLocks(env, feed.id, env.ids.nonce(), env.policy.inline_lock_ms)
            events = ObjectEvents(env, feed, source, target, wanted, records)
            again |= _deliver(env, _Batch(env, feed, events, locks), list(wanted.values()))
    return again


def _by_key(arrivals: Iterable[Arrival]) -> dict[str, Arrival]:
    """Merge the events of each key into one. Return them by key, in the order of keys."""
    found: dict[str, Arrival] = {}
    for arrival in sorted(arrivals, key=lambda a: (a.key, a.older)):
        said = found.get(arrival.key, arrival)
        older = tuple(dict.fromkeys(said.older + arrival.older))
        hint, waited = said.hint and arrival.hint, max(said.waited, arrival.waited)
        tries = min(said.tries, arrival.tries)  # A new event for the key starts with a new retry budget.
        found[arrival.key] = Arrival(arrival.bucket, arrival.key, older, tries, hint, waited)
    return found


def _deliver(env: Env, batch: "_Batch", wanted: Sequence[Arrival]) -> set[Arrival]:
    """Deliver the events of one feed, unless it is paused. The pause log is in S3, so both Regions see the same at the
    same time. Return the events that must be retried."""
    try:
        steering = FeedLog.of(env, batch.feed, batch.events.target).steering()
    except Retry as error:
        env.log("arrivals-again", feed=batch.feed.id, arrivals=len(wanted), error=str(error))
        return set(wanted)
    if steering.paused:
        return batch.put_off(wanted, steering.since_ms)
    again: set[Arrival] = set()
    for start in range(0, len(wanted), env.policy.partition_rows):
        again |= batch.deliver(wanted[start : start + env.policy.partition_rows])
    return again


def _matches(source: Endpoint, arrival: Arrival) -> bool:
    return source.bucket.name == arrival.bucket and arrival.key.startswith(source.prefix)


@dataclass(frozen=True, slots=True)
class _Done:
    """A row that was handled inline, as it was last planned, and its outcome."""

    row: Row
    outcome: RowOutcome


@dataclass(frozen=True, slots=True)
class _Batch:
    """Delivers the object events of one feed that are handled together."""

    env: Env
    feed: Feed
    events: ObjectEvents
    locks: DeliveryLocks
    """Locks for objects that are delivered inline. The worker of a feed job takes locks of its own, row by row."""

    def deliver(self, arrivals: Sequence[Arrival]) -> set[Arrival]:
        planned = self.env.pool.map(self.events.plan_safely, arrivals)
        again = {arrival for arrival in planned if isinstance(arrival, Arrival)}
        try:
            rows = self.events.to_be_done([row for row in planned if isinstance(row, Row)])
            self._note_decided([row for row in rows if row.decided is not None])
        except Retry as error:
            # The delivery record can't be read or written. Nothing is published without it.
            self.env.log("arrivals-again", feed=self.feed.id, arrivals=len(arrivals), error=str(error))
            return set(arrivals)
        work = [row for row in rows if row.decided is None]
        if len(work) <= self.env.policy.inline_objects and all(self._is_small(row) for row in work):
            return again | self._deliver_inline(work)
        try:
            self._cut_job(work)
        except Retry as error:
            self.env.log("feed-job-again", feed=self.feed.id, error=str(error))
            again |= {self.events.of(row) for row in work}
        return again

    def put_off(self, arrivals: Sequence[Arrival], since_ms: int) -> set[Arrival]:
        """Handle the events of a paused feed, and return those that must be retried.

        When the feed is resumed, its source is listed for objects written at `since_ms` or later. The listing uses the
        same S3 timestamps that are compared here, so events of those objects may be dropped. These objects were there
        before this step read the pause log, so before the resume, and so before that listing.

        The listing will not find older objects: their event was very late, or their multipart upload took long, since
        S3 dates an upload by its beginning. Events of older objects are kept, and come again until the pause is over.
        """
        looks = self.env.pool.map(self._modified_ms, arrivals)
        kept = [arrival for arrival, ms in zip(arrivals, looks, strict=True) if isinstance(ms, int) and ms < since_ms]
        # Crash before or after this: the messages come again by themselves.
        self.env.queue.send_arrivals(kept, delay_ms=KEPT_MS)
        self.env.log("feed-paused", feed=self.feed.id, arrivals=len(arrivals), kept=len(kept))
        return {arrival for arrival, ms in zip(arrivals, looks, strict=True) if isinstance(ms, Retry)}

    def _modified_ms(self, arrival: Arrival) -> int | Retry | None:
        """Return when the object was last modified, by S3's clock, in milliseconds. Return None if the object is gone.
        Return 0 if S3 refuses to show it, so that the event is kept and the failure shows after the pause. Return the
        error if S3 can't answer now."""
        try:
            head = self.env.store.head(self.events.source.bucket, arrival.key)
        except Retry as error:
            return error
        except EftError:
            return 0
        return head.facts.last_modified_ms if head else None

    def _is_small(self, row: Row) -> bool:
        return row.method is Method.COPY and row.size <= self.env.policy.multipart_threshold_bytes

    def _note_decided(self, rows: Iterable[Row]) -> None:
        """Note the rows that need no copying. Unchanged rows are recorded as delivered. The others have failed, and the
        tenant is notified of them."""
        rows = list(rows)
        self.events.records.note([row for row in rows if is_there(row)])
        noted: list[Delivery] = []
        for row in rows:
            assert row.decided is not None, "only decided rows come here"
            noted.append(delivery_of(self.env, self.feed.id, row, row.decided, job_id=None, verified=True))
        self.env.ledger.put_deliveries(noted)
        self._tell_of_failures(noted)

    def _tell_of_failures(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.status is DeliveryStatus.FAILED:
                self.env.notifier.delivery_failed(self.feed.tenant, self.feed.name, delivery)

    # --- inline -----------------------------------------------------------------------------------------------

    def _locked(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that this worker may deliver. A row that another worker of this Region is delivering is
        delayed: when its event comes again, the delivery is recorded or that worker has died. Raises Retry if the table
        or the delivery record can't be read."""
        # If an object is at the destination, S3's If-Match lets only one worker replace it, so no lock is needed.
        free = [row for row in rows if row.expect is None]
        taken = self.env.pool.map(self.locks.take, free)
        busy = [row for row, mine in zip(free, taken, strict=True) if not mine]
        mine = [row for row, mine in zip(free, taken, strict=True) if mine]
        # Crash before or after this: the messages come again by themselves.
        self.env.queue.send_arrivals([self.events.of(row) for row in busy], delay_ms=BUSY_MS)
        # Read the delivery record again. With the lock held, no other worker of this Region can be between its own look
        # and its record.
        found = self.events.records.delivered(mine)
        delivered = [row for row in mine if digest(row) in found]
        for row in delivered:
            self.events.index(row)
        dropped = {row.key for row in (*busy, *delivered)}
        return [row for row in rows if row.key not in dropped]

    def _deliver_inline(self, rows: Sequence[Row]) -> set[Arrival]:
        try:
            mine = self._locked(rows)
        except Retry as error:
            self.env.log("arrivals-again", feed=self.feed.id, arrivals=len(rows), error=str(error))
            again = {self.events.of(row) for row in rows}
        else:
            again = self._publish_and_record(mine)
        self.locks.give_back({arrival.key for arrival in again})
        return again

    def _publish_and_record(self, rows: Sequence[Row]) -> set[Arrival]:
        done = self.env.pool.map(self._deliver_one, rows)
        ended = [found for found in done if isinstance(found, _Done)]
        # Crash before this line: the event comes again, finds the destination as wanted, and records the delivery. If
        # the receiver has removed the object by then, it gets it a second time (docs/failover.md, what is not proven).
        try:
            self.events.records.note([found.row for found in ended if found.outcome.outcome.good])
        except Retry as error:
            self.env.log("deliveries-not-noted", feed=self.feed.id, error=str(error))
            return {self.events.of(row) for row in rows}
        self.locks.give_back({found.row.key for found in ended if not found.outcome.outcome.good})
        delivered = [self.events.delivery(found.row, found.outcome) for found in ended]
        self.env.ledger.put_deliveries(delivered)
        # Crash before or after this line: the event comes again, finds the object delivered, and starts verify again.
        self.env.queue.send_verify_deliveries(
            [
                VerifyDelivery(d.feed_id, d.key, d.pin, self.feed.tenant)
                for d in delivered
                if d.status is DeliveryStatus.COPIED
            ]
        )
        self._tell_of_failures(delivered)
        return {done_or_again for done_or_again in done if isinstance(done_or_again, Arrival)}

    def _deliver_one(self, row: Row) -> "_Done | Arrival | None":
        try:
            done = safely(self.env, row.key, lambda: self._publish(row))
        except Retry as error:
            again = self.events.try_again(row.key, error)
            if isinstance(again, Arrival):
                return again
            done = again
        except NoSuchBucket as error:
            done = error
        if isinstance(done, EftError):
            return _Done(row, RowOutcome(row.key, outcome_of(done), str(done)))
        return done

    def _publish(self, row: Row) -> "_Done | Arrival | None":
        """Publish one row. If the source or the destination changed in the meantime, plan again from what is there now:
        a new row with pins of its own, never an old row with a fresh precondition. Return None if nothing is left to
        deliver, or the event if it must be retried."""
        planned: Row | None = row
        for _ in range(REPLANS):
            if planned is None:
                return None
            if planned.decided is not None:
                return _Done(planned, planned.decided)
            if not self._is_small(planned):
                break
            outcome = self._publisher().small(planned, look_first=False, planned_now=True)
            if outcome.outcome is Outcome.SOURCE_GONE:
                return None
            if outcome.outcome not in (Outcome.SOURCE_CHANGED, Outcome.DESTINATION_CONFLICT):
                return _Done(planned, outcome)
            planned = self.events.plan(row.key)
            if planned is not None and self.events.is_asked_for(planned):
                if planned.decided is None and planned.expect is None and not self.locks.take(planned):
                    break  # Another worker is delivering it.
                if self.events.records.has(planned):
                    return None  # Another worker has delivered it in the meantime.
        return self.events.of(row)

    def _publisher(self) -> Publisher:
        control = ControlRecords(self.env, self.events.target.bucket.region)
        route = Route(f"feed/{self.feed.id}", self.events.source, self.events.target, newest=True)
        return Publisher(self.env, control, route, check=lambda: None)

    # --- as a job ---------------------------------------------------------------------------------------------

    def _cut_job(self, rows: Sequence[Row]) -> None:
        """Turn all rows into one feed job with one manifest. The job's id follows from the versions that it pins, so
        the same batch is the same job, unless that job has ended without delivering some of its rows."""
        for attempt in count():
            spec = feed_job(self.env, self.feed, self.events.source, self.events.target, rows, attempt)
            records = ControlRecords(self.env, spec.control_region).job(spec.job_id)
            if records.terminal() is None:
                open_feed_job(self.env, spec, records, rows)
                return
            rows = self.events.to_be_done(rows)
            if not rows:
                return
