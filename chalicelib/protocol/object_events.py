"""Decide what an object event asks for: the row of the object as it is now, and whether it is still to be delivered.

An event is only a hint. The table and the delivery record say which versions have been delivered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.errors import EftError, NoSuchBucket, Permanent, Retry
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.objects import ObjectFacts, ObjectHead
from chalicelib.core.plan import ObjectPair, target_key
from chalicelib.core.rows import Outcome, Row, RowOutcome
from chalicelib.core.verdict import pin_of
from chalicelib.ports import Delivery, Env, ObjectEvent, VerifyDelivery
from chalicelib.protocol.delivered import TAKEN_AWAY, DeliveryRecords, digest
from chalicelib.protocol.deliveries import DELIVERED, delivery_of, is_queued
from chalicelib.protocol.hints import put_off_while_it_lives
from chalicelib.protocol.planning import Planner, unplannable
from chalicelib.protocol.poison import safely
from chalicelib.protocol.retry_budget import GIVEN_UP, answered


def is_there(row: Row) -> bool:
    """Return whether planning found that the destination already has the object."""
    return row.decided is not None and row.decided.outcome.good


@dataclass(frozen=True, slots=True)
class ObjectEvents:
    """The object events of one feed that are handled together."""

    env: Env
    feed: Feed
    source: Endpoint
    target: Endpoint
    events: Mapping[str, ObjectEvent]
    """The events by key."""
    records: DeliveryRecords

    def of(self, row: Row) -> ObjectEvent:
        """Return the event from which the row was planned."""
        return self.events[row.key]

    def try_again(self, key: str, error: Retry) -> ObjectEvent | Permanent:
        """Return the event so that it is retried. The try counts only if the feed's buckets answer. If that uses up the
        retry budget, return an error instead."""
        event = self.events[key]
        self.env.log("object-event-again", feed=self.feed.id, key=key, tries=event.tries, error=str(error))
        if not answered(self.env, (self.source, self.target)):
            return event
        if event.tries + 1 >= self.env.policy.row_rounds_max:
            return Permanent(GIVEN_UP, f"no answer after {event.tries + 1} tries: {error}")
        return replace(event, tries=event.tries + 1)

    def plan_safely(self, event: ObjectEvent) -> Row | ObjectEvent | None:
        try:
            planned = safely(self.env, event.key, lambda: self.plan(event.key))
        except Retry as error:
            again = self.try_again(event.key, error)
            if isinstance(again, ObjectEvent):
                return again
            planned = again
        except NoSuchBucket as error:
            planned = error
        return self._unreadable(event.key, planned) if isinstance(planned, EftError) else planned

    def plan(self, key: str) -> Row | None:
        """Pin the object as it is now, and return its row. Return None if nothing is to be done about it."""
        source, target = self.source, self.target
        key_at_target = target_key(key, source.prefix, target.prefix)
        if not key_at_target:
            return None  # The folder marker of the source prefix itself.
        # Look at the destination first. Then the pinned source is never older than the object that the precondition
        # lets it replace. In the other order, this row could replace a newer version that another worker delivers in
        # between.
        target_head = self.env.store.head(target.bucket, key_at_target)
        source_head = self.env.store.head(source.bucket, key)
        if source_head is None:
            self.env.log("object-event-gone", feed=self.feed.id, key=key)
            return None
        pair = ObjectPair(source_head.facts, target_head.facts if target_head else None, self._with_parts(source_head))
        row = Planner(self.env, source, target, self.feed.mode).row(pair, key_at_target)
        if row is not None and target_head is not None and is_there(row):
            self._look_again(key_at_target, target_head.facts.etag)
        return row

    def _look_again(self, key_at_target: str, etag: str) -> None:
        """Raise Retry unless the destination is still what it was before the source was looked at. A row whose object
        is there already publishes nothing, so no condition ties the two looks together. Another version may have been
        written and verified between them, and then the note of this one would be wrong (protocol model: STALE_LOOK). An
        object that is written after this look is compared with the source when it is verified."""
        target_head = self.env.store.head(self.target.bucket, key_at_target)
        if target_head is None or target_head.facts.etag != etag:
            raise Retry("TargetChanged", f"{key_at_target} changed while it was looked at")

    @staticmethod
    def _with_parts(head: ObjectHead) -> ObjectHead | None:
        """Return the HEAD of a plain small object, which needs no second look. Return None for any other object, so
        that the planner looks again and gets the part sizes."""
        return head if not head.parts_count and "-" not in head.facts.etag else None

    def to_be_done(self, planned: Sequence[Row]) -> list[Row]:
        """Return the rows that are not delivered yet and that this Region has to deliver. Raises Retry if the delivery
        record can't be read."""
        in_table = self.env.pool.map(self._is_in_table, planned)
        rows = self._unrecorded([row for row, is_in_table in zip(planned, in_table, strict=True) if not is_in_table])
        hints = [self.of(row) for row in rows if self.of(row).hint and not is_there(row)]
        postponed = put_off_while_it_lives(self.env, self.source, hints)
        return [row for row in rows if self.of(row) not in postponed]

    def _unrecorded(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows without a delivery record. Rows that have one are added to the table, which doesn't know of
        it. Raises Retry if the delivery record can't be read."""
        rows_to_check = [row for row in rows if self.is_asked_for(row)]
        delivered = self.records.delivered(rows_to_check)
        recorded = [row for row in rows_to_check if digest(row) in delivered]
        for row in recorded:
            self.index(row)
        recorded_keys = {row.key for row in recorded}
        return [row for row in rows if row.key not in recorded_keys]

    def is_asked_for(self, row: Row) -> bool:
        """Return whether the delivery record decides about this row. It doesn't for a row that planning found
        undeliverable. It doesn't either if an older version of ours lies at the target because its copy was late: in
        that case the receiver has not removed anything."""
        older = (
            row.expected_target_etag is not None
            and row.expected_target_etag in self.of(row).older
            and row.expected_target_etag != row.source_etag
        )
        return not older and (row.decided is None or row.decided.outcome.good)

    def index(self, row: Row) -> None:
        """Add a recorded delivery to the table, which doesn't know of it. The worker that made it has died since, or
        the other Region's notes are late."""
        outcome = RowOutcome(row.key, Outcome.COPIED, TAKEN_AWAY if row.decided is None else "")
        self.env.ledger.put_deliveries([self.delivery(row, outcome)])

    def _is_in_table(self, row: Row) -> bool:
        """Return whether the table says that this very version is delivered, or is in the manifest of an open job. A
        repeated event must not bring an object back after the receiver has removed it. The table is written after the
        fact, so skipping a row because of it loses nothing. A delivery that the table doesn't know may still be in the
        delivery record."""
        if row.expected_target_etag is not None and not self.is_asked_for(row) and row.decided is None:
            return False
        pin = pin_of(row)
        known = [d for d in self.env.ledger.get_deliveries(self.feed.id, row.key) if d.pin == pin]
        statuses = {d.status for d in known}
        if DeliveryStatus.COPIED in statuses and DeliveryStatus.VERIFIED not in statuses:
            self.env.queue.send_verify_deliveries([VerifyDelivery(self.feed.id, row.key, pin, self.feed.tenant)])
        if statuses & set(DELIVERED):
            return True
        if self.of(row).hint and DeliveryStatus.FAILED in statuses:
            return True  # The event's own Region has handled it, and has noted the failure.
        region = self.target.bucket.region
        return any(is_queued(self.env, region, d) for d in known if d.status is DeliveryStatus.QUEUED)

    @staticmethod
    def _unreadable(key: str, error: EftError) -> Row:
        return unplannable(ObjectFacts(key, 0, ""), "", error)

    def delivery(self, row: Row, outcome: RowOutcome) -> Delivery:
        return delivery_of(self.env, self.feed.id, row, outcome, job_id=None, verified=False)
