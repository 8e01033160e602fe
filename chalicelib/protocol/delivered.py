"""Keep the delivery record: which versions a feed has delivered. It lies in the control bucket of the target's Region.
A version is recorded once its publish is known, and before the table is updated: the table is an index of the record,
and may be late.

    delivered/<feed>/<minute>/one/<digest>   a version, delivered by itself
    delivered/<feed>/<minute>/many           there are records of several versions in this minute
    delivered/<feed>/<minute>/many/<id>      one of those: their digests

The minute is the one in which the source's version was last modified, by S3's own time. A reader of a version has read
its source object, and so knows the minute. A digest stands for key and version. So a single version costs one PUT to
record and two HEADs to look up. A batch whose versions are of one or two minutes costs one to four PUTs, whatever its
size.

Reading is bounded by the number of objects that the source received in one minute. For 100,000 objects that are
recorded in batches of 100, there are 1,000 records: one LIST and 1,000 small GETs an invocation. For a quiet feed it
costs next to nothing. The bucket deletes records after 90 days (template.yaml), as the table does.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from chalicelib.core import codec
from chalicelib.core.errors import NotAsked, Retry
from chalicelib.core.feeds import Delivered
from chalicelib.core.ids import digest_of
from chalicelib.core.jobs import JobSpec
from chalicelib.core.rows import Row, RowOutcome
from chalicelib.core.verdict import pin_of
from chalicelib.ports import Env
from chalicelib.protocol.locks import DeliveryLocks
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.scan import KEYS_A_LIST_IS_WORTH

MINUTE_MS = 60_000
TAKEN_AWAY = "delivered before, and taken away or replaced since"


def minute_of(row: Row) -> str:
    return f"{row.modified_ms // MINUTE_MS:010d}"


def digest(row: Row) -> str:
    return digest_of("delivered", row.key, pin_of(row))


@dataclass(slots=True)
class DeliveryRecords:
    """The delivery record of one feed."""

    control: ControlRecords
    feed_id: str
    read: dict[str, frozenset[str]] = field(default_factory=dict)
    """A cache of the records of several versions, by name. Such records never change."""

    def _key(self, minute: str, rest: str) -> str:
        return f"delivered/{quote(self.feed_id, safe='')}/{minute}/{rest}"

    def note(self, rows: Iterable[Row]) -> None:
        """Record that these versions are delivered. Raises Retry if the bucket can't be written to."""
        for minute, members in _by_minute(rows).items():
            digests = sorted({digest(row) for row in members})
            if len(digests) == 1:
                # If it is there already, it says the same.
                self.control.create(self._key(minute, f"one/{digests[0]}"), b"")
                continue
            marker, env = self._key(minute, "many"), self.control.env
            if not self._exists(marker):
                self.control.create(marker, b"")
            # Crash here: the marker is there, but no record. Readers look for records and find none, so no reader
            # concludes anything wrong.
            record = Delivered(self.feed_id, tuple(digests), env.region, env.ids.nonce())
            self.control.create(self._key(minute, f"many/{record.nonce}"), codec.dumps(record))

    def delivered(self, rows: Sequence[Row]) -> set[str]:
        """Return the digests of the rows that are recorded. Raises Retry if the bucket can't be read: then it is
        unknown."""
        minutes = _by_minute(rows)
        per_minute = self.control.env.part_pool.map(lambda minute: self._recorded_in(minute, minutes[minute]), minutes)
        return {recorded for digests in per_minute for recorded in digests}

    def has(self, row: Row) -> bool:
        return digest(row) in self._recorded_in(minute_of(row), [row])

    def _recorded_in(self, minute: str, rows: Sequence[Row]) -> set[str]:
        digests = {digest(row) for row in rows}
        names = self._names_of_minute(minute, digests)
        single = {name.rpartition("/one/")[2] for name in names if "/one/" in name}
        batches = [name for name in names if "/many/" in name]
        return (digests & single) | {recorded for name in batches for recorded in self._read(name) & digests}

    def _names_of_minute(self, minute: str, digests: set[str]) -> list[str]:
        """Return the names of the records that may hold one of these digests, by HEADs if they are few."""
        if len(digests) >= KEYS_A_LIST_IS_WORTH:
            return [facts.key for facts in self.control.list_all(self._key(minute, ""))]
        names = [
            key for key in (self._key(minute, f"one/{digest_wanted}") for digest_wanted in digests) if self._exists(key)
        ]
        if len(names) < len(digests) and self._exists(self._key(minute, "many")):
            names += [facts.key for facts in self.control.list_all(self._key(minute, "many/"))]
        return names

    def _read(self, name: str) -> frozenset[str]:
        if name not in self.read:
            body = self.control.get(name)
            self.read[name] = frozenset(codec.loads(body, Delivered).digests) if body else frozenset()
        return self.read[name]

    def _exists(self, key: str) -> bool:
        return self.control.env.store.head(self.control.bucket, key) is not None


def _by_minute(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    minutes: dict[str, list[Row]] = {}
    for row in rows:
        minutes.setdefault(minute_of(row), []).append(row)
    return minutes


class JobDeliveries(Protocol):
    """A job worker's view of the delivery record: it asks which rows are delivered, and adds rows while it works."""

    def has(self, row: Row, /) -> bool:
        """Tell whether a row is delivered already. If it returns False, no other worker of this Region delivers it now.
        Raises Retry if it can't find out."""
        ...

    def tick(self, outcomes: Mapping[int, RowOutcome]) -> None:
        """Keep the record up to date; called while rows are worked on."""
        ...

    def note(self, outcomes: Mapping[int, RowOutcome]) -> None:
        """Record the delivered rows; `outcomes` is by row index. Raises Retry if the bucket can't be written to."""
        ...

    def note_if_possible(self, outcomes: Mapping[int, RowOutcome]) -> None: ...


class _NoDeliveries:
    """Stands for the delivery record in jobs that belong to no feed: knows and records nothing."""

    def has(self, _row: Row, /) -> bool:
        return False

    def tick(self, outcomes: Mapping[int, RowOutcome]) -> None: ...
    def note(self, outcomes: Mapping[int, RowOutcome]) -> None: ...
    def note_if_possible(self, outcomes: Mapping[int, RowOutcome]) -> None: ...


NO_DELIVERIES: JobDeliveries = _NoDeliveries()


def job_deliveries(control: ControlRecords, spec: JobSpec, rows: Sequence[Row]) -> JobDeliveries:
    """Return the view of the delivery record for a worker that has just claimed a partition."""
    if spec.feed_id is None:
        return NO_DELIVERIES
    # The job holds the locks: an epoch that continues for a dead worker need not wait for them. Within one job, the
    # lease decides which worker delivers.
    locks = DeliveryLocks(control.env, spec.feed_id, spec.job_id, control.env.policy.copy_lock_ms)
    deliveries = FeedJobDeliveries(control.env, DeliveryRecords(control, spec.feed_id), locks, rows)
    deliveries.ask_if_possible(range(len(rows)))
    deliveries.noted_ms = control.env.clock.now_ms()
    return deliveries


@dataclass(slots=True)
class FeedJobDeliveries:
    """The delivery record as the worker of a feed job uses it.

    The record is asked before a row is published to a key where nothing lies. The job may have waited for long.
    Meanwhile an earlier epoch or the other Region may have delivered the row, and the receiver may have removed the
    object.
    """

    env: Env
    records: DeliveryRecords
    locks: DeliveryLocks
    rows: Sequence[Row]
    known: set[str] = field(default_factory=set)
    """Digests of the rows that are recorded, as far as this worker has read."""
    known_ms: int | None = None
    """When `known` was last brought up to date, by our own clock in ms; None if it never was."""
    noted: set[int] = field(default_factory=set)
    """Indices of the rows that this worker has recorded."""
    noted_ms: int = 0

    def ask_if_possible(self, indices: Collection[int]) -> None:
        """Find out which of these rows are delivered. If the record can't be read, this is only logged."""
        now = self.env.clock.now_ms()
        try:
            self.known |= self.records.delivered([self.rows[index] for index in indices])
            self.known_ms = now
        except Retry as error:
            self.env.log("deliveries-not-asked-for", feed=self.records.feed_id, error=str(error))

    def has(self, row: Row) -> bool:
        """Tell whether a row is delivered.

        The last answer counts if it is no older than two heartbeats. If it is older, since the worker was asleep, the
        record is asked again. Two heartbeats are recent enough: the previous holder of the lock recorded what it
        delivered at least two heartbeats before its lock ended.
        """
        if digest(row) in self.known:
            return True
        if not self.locks.take(row):
            if self.records.has(row):
                return True
            # This says nothing bad about the row, and soon passes. The partition is copied again after a rest, and the
            # row with it.
            raise NotAsked("DeliveryBusy", f"another worker of this Region is delivering this version of {row.key}")
        fresh_ms = 2 * self.env.policy.heartbeat_ms
        if self.known_ms is None or self.env.clock.now_ms() - self.known_ms > fresh_ms:
            return self.records.has(row)
        return False

    def tick(self, outcomes: Mapping[int, RowOutcome]) -> None:
        """Once a heartbeat, record the rows that were delivered since the last one, and ask about the other rows
        again."""
        if self.env.clock.now_ms() - self.noted_ms >= self.env.policy.heartbeat_ms:
            self.note_if_possible(outcomes)
            self.ask_if_possible([index for index in range(len(self.rows)) if index not in outcomes])

    def note_if_possible(self, outcomes: Mapping[int, RowOutcome]) -> None:
        try:
            self.note(outcomes)
        except Retry as error:
            # They are recorded with the next heartbeat, or by the worker that finds these objects at the destination.
            self.env.log("deliveries-not-noted", feed=self.records.feed_id, error=str(error))

    def note(self, outcomes: Mapping[int, RowOutcome]) -> None:
        self.noted_ms = self.env.clock.now_ms()
        # Iterate over a copy: other threads decide rows meanwhile.
        good = [index for index, outcome in dict(outcomes).items() if outcome.outcome.good and index not in self.noted]
        self.records.note([self.rows[index] for index in good if digest(self.rows[index]) not in self.known])
        self.noted |= set(good)
        self.locks.give_back({self.rows[i].key for i, outcome in dict(outcomes).items() if not outcome.outcome.good})
