"""The intake step delivers objects that appear under a feed's source to the feed's target.

An event is a hint. Intake looks at the object that is there *now*, pins it and delivers it. So duplicate and reordered
events are harmless, and the newest version wins. A few small objects are delivered inline, since their preconditions
alone make that safe. More objects become a feed job of one manifest (`protocol.feedjobs`), which is processed like any
other job.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.errors import EftError, NoSuchBucket, Retry
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome
from chalicelib.ports import Delivery, Env, ObjectEvent, VerifyDelivery
from chalicelib.protocol.catalog import catalog_reading
from chalicelib.protocol.delivered import DeliveryRecords, digest
from chalicelib.protocol.deliveries import delivery_of
from chalicelib.protocol.feedjobs import feed_job, open_feed_job
from chalicelib.protocol.feedlog import FeedLog
from chalicelib.protocol.locks import BUSY_MS, DeliveryLocks
from chalicelib.protocol.object_events import ObjectEvents, is_there
from chalicelib.protocol.poison import outcome_of, safely
from chalicelib.protocol.publish import Publisher, Route
from chalicelib.protocol.records import ControlRecords

KEPT_MS = 900_000
"""How long to delay an object event that must not be lost while its feed is paused, in milliseconds. It is the longest
delay that SQS allows."""
REPLANS = 4
"""How often to replan a key that keeps changing before its event goes back to the queue."""


def run(env: Env, events: Sequence[ObjectEvent]) -> set[ObjectEvent]:
    """Deliver the objects that the events point to. Return the events that must be retried, because S3 throttled or
    didn't answer."""
    to_retry: set[ObjectEvent] = set()
    catalog = catalog_reading(env, [(event.bucket, event.key) for event in events])
    for feed in catalog.feeds.values():
        source = catalog.source(feed)
        events_by_key = _by_key(event for event in events if _matches(source, event))
        if events_by_key:
            target = catalog.target(feed)
            records = DeliveryRecords(ControlRecords(env, target.bucket.region), feed.id)
            locks = DeliveryLocks(env, feed.id, env.ids.nonce(), env.policy.inline_lock_ms)
            feed_events = ObjectEvents(env, feed, source, target, events_by_key, records)
            to_retry |= _deliver(env, _Batch(env, feed, feed_events, locks), list(events_by_key.values()))
    return to_retry


def _by_key(events: Iterable[ObjectEvent]) -> dict[str, ObjectEvent]:
    """Merge the events of each key into one. Return them by key, in the order of keys."""
    merged: dict[str, ObjectEvent] = {}
    for event in sorted(events, key=lambda event: (event.key, event.older)):
        earlier = merged.get(event.key, event)
        older = tuple(dict.fromkeys(earlier.older + event.older))
        hint, waited = earlier.hint and event.hint, max(earlier.waited, event.waited)
        tries = min(earlier.tries, event.tries)  # A new event for the key starts with a new retry budget.
        merged[event.key] = ObjectEvent(event.bucket, event.key, older, tries, hint, waited)
    return merged


def _deliver(env: Env, batch: "_Batch", events: Sequence[ObjectEvent]) -> set[ObjectEvent]:
    """Deliver the events of one feed, unless it is paused. The pause log is in S3, so both Regions see the same at the
    same time. Return the events that must be retried."""
    try:
        desired_state = FeedLog.of(env, batch.feed, batch.events.target).desired()
    except Retry as error:
        env.log("object-events-again", feed=batch.feed.id, events=len(events), error=str(error))
        return set(events)
    if desired_state.paused:
        return batch.put_off(events, desired_state.since_ms)
    to_retry: set[ObjectEvent] = set()
    for start in range(0, len(events), env.policy.partition_rows):
        to_retry |= batch.deliver(events[start : start + env.policy.partition_rows])
    return to_retry


def _matches(source: Endpoint, event: ObjectEvent) -> bool:
    return source.bucket.name == event.bucket and event.key.startswith(source.prefix)


@dataclass(frozen=True, slots=True)
class _DecidedRow:
    """A row that was handled inline, as it was last planned, and its outcome."""

    row: Row
    outcome: RowOutcome


@dataclass(frozen=True, slots=True)
class _Batch:
    """The object events of one feed that are handled together, and the methods that deliver them."""

    env: Env
    feed: Feed
    events: ObjectEvents
    locks: DeliveryLocks
    """Locks for objects that are delivered inline. The worker of a feed job takes locks of its own, row by row."""

    def deliver(self, events: Sequence[ObjectEvent]) -> set[ObjectEvent]:
        planned = self.env.pool.map(self.events.plan_safely, events)
        to_retry = {event for event in planned if isinstance(event, ObjectEvent)}
        try:
            rows = self.events.to_be_done([row for row in planned if isinstance(row, Row)])
            self._note_decided([row for row in rows if row.decided is not None])
        except Retry as error:
            # The delivery record can't be read or written. Nothing is published without it.
            self.env.log("object-events-again", feed=self.feed.id, events=len(events), error=str(error))
            return set(events)
        undecided = [row for row in rows if row.decided is None]
        if len(undecided) <= self.env.policy.inline_objects and all(self._is_small(row) for row in undecided):
            return to_retry | self._deliver_inline(undecided)
        try:
            self._cut_job(undecided)
        except Retry as error:
            self.env.log("feed-job-again", feed=self.feed.id, error=str(error))
            to_retry |= {self.events.of(row) for row in undecided}
        return to_retry

    def put_off(self, events: Sequence[ObjectEvent], since_ms: int) -> set[ObjectEvent]:
        """Handle the events of a paused feed, and return those that must be retried.

        When the feed is resumed, its source is listed for objects written at `since_ms` or later. The listing uses the
        same S3 timestamps that are compared here, so events of those objects may be dropped. These objects were there
        before this step read the pause log, so before the resume, and so before that listing.

        The listing will not find older objects: their event was very late, or their multipart upload took long, since
        S3 dates an upload by its beginning. Events of older objects are kept, and come again until the pause is over.
        """
        times_ms = self.env.pool.map(self._modified_ms, events)
        older_events = [
            event
            for event, modified_ms in zip(events, times_ms, strict=True)
            if isinstance(modified_ms, int) and modified_ms < since_ms
        ]
        # Crash before or after this: the messages come again by themselves.
        self.env.queue.send_object_events(older_events, delay_ms=KEPT_MS)
        self.env.log("feed-paused", feed=self.feed.id, events=len(events), kept=len(older_events))
        return {event for event, modified_ms in zip(events, times_ms, strict=True) if isinstance(modified_ms, Retry)}

    def _modified_ms(self, event: ObjectEvent) -> int | Retry | None:
        """Return when the object was last modified, by S3's clock, in milliseconds. Return None if the object is gone.
        Return 0 if S3 refuses to show it, so that the event is kept and the failure shows after the pause. Return the
        error if S3 can't answer now."""
        try:
            head = self.env.store.head(self.events.source.bucket, event.key)
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
        deliveries: list[Delivery] = []
        for row in rows:
            assert row.decided is not None, "only decided rows come here"
            deliveries.append(delivery_of(self.env, self.feed.id, row, row.decided, job_id=None, verified=True))
        self.env.ledger.put_deliveries(deliveries)
        self._notify_of_failures(deliveries)

    def _notify_of_failures(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.status is DeliveryStatus.FAILED:
                self.env.notifier.delivery_failed(self.feed.tenant, self.feed.name, delivery)

    # --- inline -----------------------------------------------------------------------------------------------

    def _locked(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that this worker may deliver. A row that another worker of this Region is delivering is
        delayed: when its event comes again, the delivery is recorded or that worker has died. Raises Retry if the table
        or the delivery record can't be read."""
        # If an object is at the destination, S3's If-Match lets only one worker replace it, so no lock is needed.
        rows_to_lock = [row for row in rows if row.expected_target_etag is None]
        lock_taken = self.env.pool.map(self.locks.take, rows_to_lock)
        busy = [row for row, locked in zip(rows_to_lock, lock_taken, strict=True) if not locked]
        locked_rows = [row for row, locked in zip(rows_to_lock, lock_taken, strict=True) if locked]
        # Crash before or after this: the messages come again by themselves.
        self.env.queue.send_object_events([self.events.of(row) for row in busy], delay_ms=BUSY_MS)
        # Read the delivery record again. With the lock held, no other worker of this Region can be between its own look
        # and its record.
        delivered_digests = self.events.records.delivered(locked_rows)
        delivered = [row for row in locked_rows if digest(row) in delivered_digests]
        for row in delivered:
            self.events.index(row)
        dropped = {row.key for row in (*busy, *delivered)}
        return [row for row in rows if row.key not in dropped]

    def _deliver_inline(self, rows: Sequence[Row]) -> set[ObjectEvent]:
        try:
            locked_rows = self._locked(rows)
        except Retry as error:
            self.env.log("object-events-again", feed=self.feed.id, events=len(rows), error=str(error))
            to_retry = {self.events.of(row) for row in rows}
        else:
            to_retry = self._publish_and_record(locked_rows)
        self.locks.give_back({event.key for event in to_retry})
        return to_retry

    def _publish_and_record(self, rows: Sequence[Row]) -> set[ObjectEvent]:
        results = self.env.pool.map(self._deliver_one, rows)
        decided = [result for result in results if isinstance(result, _DecidedRow)]
        # Crash before this line: the event comes again, finds the object at the destination, and records the delivery.
        # If the receiver has removed the object by then, it gets it a second time (docs/failover.md, what is not
        # proven).
        try:
            self.events.records.note([result.row for result in decided if result.outcome.outcome.good])
        except Retry as error:
            self.env.log("deliveries-not-noted", feed=self.feed.id, error=str(error))
            return {self.events.of(row) for row in rows}
        self.locks.give_back({result.row.key for result in decided if not result.outcome.outcome.good})
        delivered = [self.events.delivery(result.row, result.outcome) for result in decided]
        self.env.ledger.put_deliveries(delivered)
        # Crash before or after this line: the event comes again, finds the object delivered, and starts verify again.
        self.env.queue.send_verify_deliveries(
            [
                VerifyDelivery(delivery.feed_id, delivery.key, delivery.pin, self.feed.tenant)
                for delivery in delivered
                if delivery.status is DeliveryStatus.COPIED
            ]
        )
        self._notify_of_failures(delivered)
        return {result for result in results if isinstance(result, ObjectEvent)}

    def _deliver_one(self, row: Row) -> "_DecidedRow | ObjectEvent | None":
        try:
            result = safely(self.env, row.key, lambda: self._publish(row))
        except Retry as error:
            retry = self.events.try_again(row.key, error)
            if isinstance(retry, ObjectEvent):
                return retry
            result = retry
        except NoSuchBucket as error:
            result = error
        if isinstance(result, EftError):
            return _DecidedRow(row, RowOutcome(row.key, outcome_of(result), str(result)))
        return result

    def _publish(self, row: Row) -> "_DecidedRow | ObjectEvent | None":
        """Publish one row. If the source or the destination changed in the meantime, plan again from what is there now:
        a new row with pins of its own, never an old row with a fresh precondition. Return None if nothing is left to
        deliver, or the event if it must be retried."""
        planned: Row | None = row
        for _ in range(REPLANS):
            if planned is None:
                return None
            if planned.decided is not None:
                return _DecidedRow(planned, planned.decided)
            if not self._is_small(planned):
                break
            outcome = self._publisher().small(planned, look_first=False, planned_now=True)
            if outcome.outcome is Outcome.SOURCE_GONE:
                return None
            if outcome.outcome not in (Outcome.SOURCE_CHANGED, Outcome.DESTINATION_CONFLICT):
                return _DecidedRow(planned, outcome)
            planned = self.events.plan(row.key)
            if planned is not None and self.events.is_asked_for(planned):
                if planned.decided is None and planned.expected_target_etag is None and not self.locks.take(planned):
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
