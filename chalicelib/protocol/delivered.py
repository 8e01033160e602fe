"""The delivery record: which versions a feed has delivered, in the control bucket of its target's Region. Written once
a version's publish is known, and before the table is told: the table is an index of this, and may be late.

    delivered/<feed>/<slot>/one/<digest>   a version, delivered by itself
    delivered/<feed>/<slot>/many           there are records of several versions in this slot
    delivered/<feed>/<slot>/many/<id>      one of those: their digests

A slot is the minute in which the source's version was last modified, by S3's own time: whoever asks about a version has
looked at the source, and knows it. A digest stands for key and version. So one version by itself costs a PUT to record
and two HEADs to ask for; a batch whose versions are of a minute or two costs one to four PUTs, whatever its size.

What is read is bounded by what a feed's source was given in one minute: of 100,000 objects that come in batches of 100
that are 1,000 records, one LIST and 1,000 small GETs an invocation; of a quiet feed it is nothing. The bucket forgets
records that are 90 days old (template.yaml), as the table does.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from chalicelib.core import codec
from chalicelib.core.errors import NotAsked, Retry
from chalicelib.core.feeds import Delivered
from chalicelib.core.ids import digest_of
from chalicelib.core.model import JobSpec, Row, RowOutcome
from chalicelib.core.verdict import pin_of
from chalicelib.ports import Env
from chalicelib.protocol.locks import DeliveryLocks
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.scan import KEYS_A_LIST_IS_WORTH

SLOT_MS = 60_000
TAKEN_AWAY = "delivered before, and taken away or replaced since"


def slot_of(row: Row) -> str:
    return f"{row.modified_ms // SLOT_MS:010d}"


def digest(row: Row) -> str:
    return digest_of("delivered", row.key, pin_of(row))


@dataclass(slots=True)
class DeliveryRecords:
    """Those of one feed."""

    control: ControlRecords
    feed_id: str
    read: dict[str, frozenset[str]] = field(default_factory=dict)
    """Records of several versions that have been read, by name: they never change."""

    def _key(self, slot: str, rest: str) -> str:
        return f"delivered/{quote(self.feed_id, safe='')}/{slot}/{rest}"

    def note(self, rows: Iterable[Row]) -> None:
        """Record that these versions are delivered. Raises Retry if the bucket can't be written to."""
        for slot, members in _by_slot(rows).items():
            digests = sorted({digest(row) for row in members})
            if len(digests) == 1:
                # There already: it says the same.
                self.control.create(self._key(slot, f"one/{digests[0]}"), b"")
                continue
            marker, env = self._key(slot, "many"), self.control.env
            if not self._there(marker):
                self.control.create(marker, b"")
            # Crash here: a marker that leads to nothing. Nobody is told a wrong thing.
            record = Delivered(self.feed_id, tuple(digests), env.region, env.ids.nonce())
            self.control.create(self._key(slot, f"many/{record.nonce}"), codec.dumps(record))

    def delivered(self, rows: Sequence[Row]) -> set[str]:
        """The digests of those that are recorded. Raises Retry if the bucket can't be read: then nobody knows."""
        slots = _by_slot(rows)
        found = self.control.env.part_pool.map(lambda slot: self._of_slot(slot, slots[slot]), slots)
        return {one for of_slot in found for one in of_slot}

    def has(self, row: Row) -> bool:
        return digest(row) in self._of_slot(slot_of(row), [row])

    def _of_slot(self, slot: str, rows: Sequence[Row]) -> set[str]:
        wanted = {digest(row) for row in rows}
        if len(wanted) >= KEYS_A_LIST_IS_WORTH:
            names = [facts.key for facts in self.control.list_all(self._key(slot, ""))]
        else:
            names = [key for key in (self._key(slot, f"one/{one}") for one in wanted) if self._there(key)]
            if len(names) < len(wanted) and self._there(self._key(slot, "many")):
                names += [facts.key for facts in self.control.list_all(self._key(slot, "many/"))]
        ones = {name.rpartition("/one/")[2] for name in names if "/one/" in name}
        many = [name for name in names if "/many/" in name]
        return (wanted & ones) | {one for name in many for one in self._read(name) & wanted}

    def _read(self, name: str) -> frozenset[str]:
        if name not in self.read:
            body = self.control.get(name)
            self.read[name] = frozenset(codec.loads(body, Delivered).digests) if body else frozenset()
        return self.read[name]

    def _there(self, key: str) -> bool:
        return self.control.env.store.head(self.control.bucket, key) is not None


def _by_slot(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    slots: dict[str, list[Row]] = {}
    for row in rows:
        slots.setdefault(slot_of(row), []).append(row)
    return slots


class JobDeliveries(Protocol):
    """What the worker of a job knows of the delivery record, and what it adds to it while it works."""

    def has(self, row: Row, /) -> bool:
        """A row is delivered already; if not, nobody else of this Region delivers it now. Raises Retry if nobody can
        say so."""
        ...

    def tick(self, outcomes: Mapping[int, RowOutcome]) -> None:
        """Called while rows are worked on."""
        ...

    def note(self, outcomes: Mapping[int, RowOutcome]) -> None:
        """Record what is delivered of the rows, by their index. Raises Retry if that can't be done."""
        ...

    def note_if_possible(self, outcomes: Mapping[int, RowOutcome]) -> None: ...


class _NoDeliveries:
    """Of jobs of no feed."""

    def has(self, _row: Row, /) -> bool:
        return False

    def tick(self, outcomes: Mapping[int, RowOutcome]) -> None: ...
    def note(self, outcomes: Mapping[int, RowOutcome]) -> None: ...
    def note_if_possible(self, outcomes: Mapping[int, RowOutcome]) -> None: ...


NO_DELIVERIES: JobDeliveries = _NoDeliveries()


def job_deliveries(control: ControlRecords, spec: JobSpec, rows: Sequence[Row]) -> JobDeliveries:
    """Those of the worker that has just claimed a partition."""
    if spec.feed_id is None:
        return NO_DELIVERIES
    # In the job's name: an epoch that goes on for a dead one need not wait. Who delivers of one job is the lease's.
    locks = DeliveryLocks(control.env, spec.feed_id, spec.job_id, control.env.policy.copy_lock_ms)
    made = FeedJobDeliveries(control.env, DeliveryRecords(control, spec.feed_id), locks, rows)
    made.ask_if_possible(range(len(rows)))
    made.noted_ms = control.env.clock.now_ms()
    return made


@dataclass(slots=True)
class FeedJobDeliveries:
    """Those of a feed job. The record is asked before anything is published where nothing is: the job may have waited
    for long, or an earlier epoch, or the other Region, may have delivered a row, and the receiver taken it away."""

    env: Env
    records: DeliveryRecords
    locks: DeliveryLocks
    rows: Sequence[Row]
    known: set[str] = field(default_factory=set)
    asked_ms: int | None = None
    noted: set[int] = field(default_factory=set)
    """Which rows this worker has recorded."""
    noted_ms: int = 0

    def ask_if_possible(self, indices: Collection[int]) -> None:
        """Learn which of these rows are delivered."""
        now = self.env.clock.now_ms()
        try:
            self.known |= self.records.delivered([self.rows[index] for index in indices])
            self.asked_ms = now
        except Retry as error:
            self.env.log("deliveries-not-asked-for", feed=self.records.feed_id, error=str(error))

    def has(self, row: Row) -> bool:
        """By what was asked for lately; of a worker that was asleep meanwhile it is asked for again. Whoever had the
        lock before has recorded what it delivered two heartbeats before its lock ended, at the latest."""
        if digest(row) in self.known:
            return True
        if not self.locks.take(row):
            if self.records.has(row):
                return True
            # Not this row's fault, and soon over: it comes again with the partition, after a rest.
            raise NotAsked("DeliveryBusy", f"another worker of this Region is delivering this version of {row.key}")
        patience_ms = 2 * self.env.policy.heartbeat_ms
        if self.asked_ms is None or self.env.clock.now_ms() - self.asked_ms > patience_ms:
            return self.records.has(row)
        return False

    def tick(self, outcomes: Mapping[int, RowOutcome]) -> None:
        """With each heartbeat: record what was delivered since the last one, and ask for the rest again."""
        if self.env.clock.now_ms() - self.noted_ms >= self.env.policy.heartbeat_ms:
            self.note_if_possible(outcomes)
            self.ask_if_possible([index for index in range(len(self.rows)) if index not in outcomes])

    def note_if_possible(self, outcomes: Mapping[int, RowOutcome]) -> None:
        try:
            self.note(outcomes)
        except Retry as error:
            # Noted with the next heartbeat, or by whoever finds these objects at the destination.
            self.env.log("deliveries-not-noted", feed=self.records.feed_id, error=str(error))

    def note(self, outcomes: Mapping[int, RowOutcome]) -> None:
        self.noted_ms = self.env.clock.now_ms()
        # A copy: rows are decided while this looks.
        good = [index for index, outcome in dict(outcomes).items() if outcome.outcome.good and index not in self.noted]
        self.records.note([self.rows[index] for index in good if digest(self.rows[index]) not in self.known])
        self.noted |= set(good)
        self.locks.give_back({self.rows[i].key for i, outcome in dict(outcomes).items() if not outcome.outcome.good})
