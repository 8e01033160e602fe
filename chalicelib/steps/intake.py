"""The intake step delivers objects that appear under a feed's source to the feed's target.

An event is a hint. Intake looks at the object that is there *now*, pins it and delivers it. So duplicate and reordered
events are harmless, and the newest version wins. A few small objects are delivered inline, since their preconditions
alone make that safe. More objects become a feed job of one manifest (`protocol.feedjobs`), which is processed like any
other job.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from chalicelib.core.errors import EftError, NoSuchBucket, Permanent, Retry
from chalicelib.core.model import Endpoint, Feed, Method, ObjectFacts, ObjectHead, Outcome, Row, RowOutcome
from chalicelib.core.plan import Sight, target_key
from chalicelib.core.verdict import pin_of
from chalicelib.ports import Arrival, Delivery, DeliveryStatus, Env, VerifyDelivery
from chalicelib.protocol.delivered import TAKEN_AWAY, DeliveryRecords, digest
from chalicelib.protocol.deliveries import DELIVERED, delivery_of, is_queued
from chalicelib.protocol.feedjobs import feed_job, open_feed_job
from chalicelib.protocol.feedlog import FeedLog
from chalicelib.protocol.hints import put_off_while_it_lives
from chalicelib.protocol.locks import BUSY_MS, DeliveryLocks
from chalicelib.protocol.patience import GIVEN_UP, answered
from chalicelib.protocol.places import places_reading
from chalicelib.protocol.planning import Planner, unplannable
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
            again |= _deliver(env, _Batch(env, feed, source, target, wanted, records, locks), list(wanted.values()))
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
        steering = FeedLog.of(env, batch.feed, batch.target).steering()
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


def _is_there(row: Row) -> bool:
    """Return whether planning found that the destination already has the object."""
    return row.decided is not None and row.decided.outcome.good


@dataclass(frozen=True, slots=True)
class _Done:
    """A row that was handled inline, as it was last planned, and its outcome."""

    row: Row
    outcome: RowOutcome


@dataclass(frozen=True, slots=True)
class _Batch:
    """The object events of one feed that are handled together."""

    env: Env
    feed: Feed
    source: Endpoint
    target: Endpoint
    arrivals: Mapping[str, Arrival]
    """The events by key."""
    records: DeliveryRecords
    locks: DeliveryLocks
    """Locks for objects that are delivered inline. The worker of a feed job takes locks of its own, row by row."""

    def deliver(self, arrivals: Sequence[Arrival]) -> set[Arrival]:
        planned = self.env.pool.map(self._plan_safely, arrivals)
        again = {arrival for arrival in planned if isinstance(arrival, Arrival)}
        try:
            rows = self._to_be_done([row for row in planned if isinstance(row, Row)])
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
            again |= {self._arrival(row) for row in work}
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
            head = self.env.store.head(self.source.bucket, arrival.key)
        except Retry as error:
            return error
        except EftError:
            return 0
        return head.facts.last_modified_ms if head else None

    def _arrival(self, row: Row) -> Arrival:
        return self.arrivals[row.key]

    def _is_small(self, row: Row) -> bool:
        return row.method is Method.COPY and row.size <= self.env.policy.multipart_threshold_bytes

    # --- planning ---------------------------------------------------------------------------------------------

    def _try_again(self, key: str, error: Retry) -> Arrival | Permanent:
        """Return the event so that it is retried. The try counts only if the feed's buckets answer. If that uses up the
        retry budget, return an error instead."""
        arrival = self.arrivals[key]
        self.env.log("arrival-again", feed=self.feed.id, key=key, tries=arrival.tries, error=str(error))
        if not answered(self.env, (self.source, self.target)):
            return arrival
        if arrival.tries + 1 >= self.env.policy.row_rounds_max:
            return Permanent(GIVEN_UP, f"no answer after {arrival.tries + 1} tries: {error}")
        return replace(arrival, tries=arrival.tries + 1)

    def _plan_safely(self, arrival: Arrival) -> Row | Arrival | None:
        try:
            planned = safely(self.env, arrival.key, lambda: self._plan(arrival.key))
        except Retry as error:
            again = self._try_again(arrival.key, error)
            if isinstance(again, Arrival):
                return again
            planned = again
        except NoSuchBucket as error:
            planned = error
        return self._unreadable(arrival.key, planned) if isinstance(planned, EftError) else planned

    def _plan(self, key: str) -> Row | None:
        """Pin the object as it is now, and return its row. Return None if nothing is to be done about it."""
        source, target = self.source, self.target
        wanted = target_key(key, source.prefix, target.prefix)
        if not wanted:
            return None  # The folder marker of the source prefix itself.
        # Look at the destination first. Then the pinned source is never older than the object that the precondition
        # lets it replace. In the other order, this row could replace a newer version that another worker delivers in
        # between.
        there = self.env.store.head(target.bucket, wanted)
        head = self.env.store.head(source.bucket, key)
        if head is None:
            self.env.log("arrival-gone", feed=self.feed.id, key=key)
            return None
        sight = Sight(head.facts, there.facts if there else None, self._with_parts(head))
        row = Planner(self.env, source, target, self.feed.mode).row(sight, wanted)
        if row is not None and there is not None and _is_there(row):
            self._look_again(wanted, there.facts.etag)
        return row

    def _look_again(self, wanted: str, etag: str) -> None:
        """Raise Retry unless the destination is still what it was before the source was looked at. A row whose object
        is there already publishes nothing, so no condition ties the two looks together. Another version may have
        arrived and been verified between them, and then the note of this one would be wrong (protocol model:
        STALE_LOOK). An object that arrives after this look is compared with the source when it is verified."""
        there = self.env.store.head(self.target.bucket, wanted)
        if there is None or there.facts.etag != etag:
            raise Retry("TargetChanged", f"{wanted} changed while it was looked at")

    @staticmethod
    def _with_parts(head: ObjectHead) -> ObjectHead | None:
        """Return the HEAD of a plain small object, which needs no second look. Return None for any other object, so
        that the planner looks again and gets the part sizes."""
        return head if not head.parts_count and "-" not in head.facts.etag else None

    def _to_be_done(self, planned: Sequence[Row]) -> list[Row]:
        """Return the rows that are not delivered yet and that this Region has to deliver. Raises Retry if the delivery
        record can't be read."""
        told = self.env.pool.map(self._is_told, planned)
        rows = [row for row, is_told in zip(planned, told, strict=True) if not is_told]
        delivered = self.records.delivered([row for row in rows if self._is_asked_for(row)])
        for row in rows:
            if digest(row) in delivered and self._is_asked_for(row):
                self._index(row)
        rows = [row for row in rows if digest(row) not in delivered or not self._is_asked_for(row)]
        hints = [self.arrivals[row.key] for row in rows if self.arrivals[row.key].hint and not _is_there(row)]
        put_off = put_off_while_it_lives(self.env, self.source, hints)
        return [row for row in rows if self.arrivals[row.key] not in put_off]

    def _is_asked_for(self, row: Row) -> bool:
        """Return whether the delivery record decides about this row. It doesn't for a row that planning found
        undeliverable. It doesn't either if an older version of ours lies at the target because its copy was late: in
        that case the receiver has not removed anything."""
        older = row.expect is not None and row.expect in self.arrivals[row.key].older and row.expect != row.etag
        return not older and (row.decided is None or row.decided.outcome.good)

    def _index(self, row: Row) -> None:
        """Add a recorded delivery to the table, which doesn't know of it. The worker that made it died since, or the
        other Region's notes are late."""
        done = RowOutcome(row.key, Outcome.COPIED, TAKEN_AWAY if row.decided is None else "")
        self.env.ledger.put_deliveries([self._delivery(row, done)])

    def _is_told(self, row: Row) -> bool:
        """Return whether the table says that this very version is delivered, or is in the manifest of an open job. A
        repeated event must not bring an object back after the receiver has removed it. The table is written after the
        fact, so skipping a row because of it loses nothing. A delivery that the table doesn't know may still be in the
        delivery record."""
        if row.expect is not None and not self._is_asked_for(row) and row.decided is None:
            return False
        pin = pin_of(row)
        known = [d for d in self.env.ledger.get_deliveries(self.feed.id, row.key) if d.pin == pin]
        statuses = {d.status for d in known}
        if DeliveryStatus.COPIED in statuses and DeliveryStatus.VERIFIED not in statuses:
            self.env.queue.send_verify_deliveries([VerifyDelivery(self.feed.id, row.key, pin, self.feed.tenant)])
        if statuses & set(DELIVERED):
            return True
        if self.arrivals[row.key].hint and DeliveryStatus.FAILED in statuses:
            return True  # The event's own Region has handled it, and has noted the failure.
        region = self.target.bucket.region
        return any(is_queued(self.env, region, d) for d in known if d.status is DeliveryStatus.QUEUED)

    @staticmethod
    def _unreadable(key: str, error: EftError) -> Row:
        return unplannable(ObjectFacts(key, 0, ""), "", error)

    def _note_decided(self, rows: Iterable[Row]) -> None:
        """Note the rows that need no copying. Unchanged rows are recorded as delivered. The others have failed, and the
        tenant is notified of them."""
        rows = list(rows)
        self.records.note([row for row in rows if _is_there(row)])
        noted: list[Delivery] = []
        for row in rows:
            assert row.decided is not None, "only decided rows come here"
            noted.append(delivery_of(self.env, self.feed.id, row, row.decided, job_id=None, verified=True))
        self.env.ledger.put_deliveries(noted)
        for delivery in noted:
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
        self.env.queue.send_arrivals([self._arrival(row) for row in busy], delay_ms=BUSY_MS)
        # Read the delivery record again. With the lock held, no other worker of this Region can be between its own look
        # and its record.
        found = self.records.delivered(mine)
        delivered = [row for row in mine if digest(row) in found]
        for row in delivered:
            self._index(row)
        dropped = {row.key for row in (*busy, *delivered)}
        return [row for row in rows if row.key not in dropped]

    def _deliver_inline(self, rows: Sequence[Row]) -> set[Arrival]:
        try:
            mine = self._locked(rows)
        except Retry as error:
            self.env.log("arrivals-again", feed=self.feed.id, arrivals=len(rows), error=str(error))
            again = {self._arrival(row) for row in rows}
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
            self.records.note([found.row for found in ended if found.outcome.outcome.good])
        except Retry as error:
            self.env.log("deliveries-not-noted", feed=self.feed.id, error=str(error))
            return {self._arrival(row) for row in rows}
        self.locks.give_back({found.row.key for found in ended if not found.outcome.outcome.good})
        delivered = [self._delivery(found.row, found.outcome) for found in ended]
        self.env.ledger.put_deliveries(delivered)
        # Crash before or after this line: the event comes again, finds the object delivered, and starts verify again.
        self.env.queue.send_verify_deliveries(
            [
                VerifyDelivery(d.feed_id, d.key, d.pin, self.feed.tenant)
                for d in delivered
                if d.status is DeliveryStatus.COPIED
            ]
        )
        for delivery in delivered:
            if delivery.status is DeliveryStatus.FAILED:
                self.env.notifier.delivery_failed(self.feed.tenant, self.feed.name, delivery)
        return {done_or_again for done_or_again in done if isinstance(done_or_again, Arrival)}

    def _deliver_one(self, row: Row) -> "_Done | Arrival | None":
        try:
            done = safely(self.env, row.key, lambda: self._publish(row))
        except Retry as error:
            again = self._try_again(row.key, error)
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
            planned = self._plan(row.key)
            if planned is not None and self._is_asked_for(planned):
                if planned.decided is None and planned.expect is None and not self.locks.take(planned):
                    break  # Another worker is delivering it.
                if self.records.has(planned):
                    return None  # Another worker has delivered it in the meantime.
        return self._arrival(row)

    def _delivery(self, row: Row, outcome: RowOutcome) -> Delivery:
        return delivery_of(self.env, self.feed.id, row, outcome, job_id=None, verified=False)

    def _publisher(self) -> Publisher:
        control = ControlRecords(self.env, self.target.bucket.region)
        route = Route(f"feed/{self.feed.id}", self.source, self.target, newest=True)
        return Publisher(self.env, control, route, check=lambda: None)

    # --- as a job ---------------------------------------------------------------------------------------------

    def _cut_job(self, rows: Sequence[Row]) -> None:
        """Turn all rows into one feed job with one manifest. The job's id follows from the versions that it pins, so
        the same batch is the same job, unless that job has ended without delivering some of its rows."""
        for attempt in count():
            spec = feed_job(self.env, self.feed, self.source, self.target, rows, attempt)
            records = ControlRecords(self.env, spec.control_region).job(spec.job_id)
            if records.terminal() is None:
                open_feed_job(self.env, spec, records, rows)
                return
            rows = self._to_be_done(rows)
            if not rows:
                return
