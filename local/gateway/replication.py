"""Decide how a table replicates between Regions, as a DynamoDB global table does (MREC). It is pure: times come from
the caller.

Source: DynamoDB developer guide, "How DynamoDB global tables work". Replication is asynchronous. The last writer wins
for each item, for the whole item, and nobody is notified. Conditions look at the local replica only. A Region that was
offline sends what it had not sent.

Each Region's table is an independent one at the emulator. Every write of a client gets a `Stamp` and an entry in the
queue to each other Region. After the lag it is applied there, unless the item there has a later stamp.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Item = Mapping[str, Any]
"""Attributes in DynamoDB's own JSON, {"pk": {"S": "..."}}."""

_VERSIONS_MAX = 200_000


class ReplicationSettings(BaseModel):
    """The settings of replication.

    A write shows elsewhere after `lag_ms` and up to `jitter_ms` more. `stalled` holds directions that deliver nothing,
    such as "us-gov-west-1->us-gov-east-1". `tables` maps the names of the replicated tables to their key attributes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    lag_ms: int = Field(default=300, ge=0)
    jitter_ms: int = Field(default=200, ge=0)
    stalled: frozenset[str] = frozenset()
    tables: dict[str, tuple[str, ...]] = {}
    seed: int = 0


class BadReplication(ValueError):
    """The settings are invalid. The message says what is wrong with them."""


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """When and where an item was written. The later stamp wins. At the same millisecond the Region's name decides, and
    within one Region the order of its writes."""

    at_ms: int
    region: str
    number: int


@dataclass(frozen=True, slots=True)
class ItemId:
    """An item of a table. `key` is its key attributes in one canonical spelling."""

    table: str
    key: str


@dataclass(frozen=True, slots=True)
class Change:
    """An item after a write. `image` is None if it was deleted."""

    item: ItemId
    key: Item
    image: Item | None
    stamp: Stamp


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    due_ms: int
    number: int
    change: Change = field(compare=False)


@dataclass
class _Queue:
    waiting: list[_Waiting] = field(default_factory=list)
    under_way: list[Change] = field(default_factory=list)
    delivered: int = 0
    superseded: int = 0


def direction(source: str, target: str) -> str:
    return f"{source}->{target}"


class Replication:
    """The queues and the decisions. A caller that delivers or writes an item must hold that item's lock meanwhile."""

    def __init__(self, regions: Sequence[str], versions_max: int = _VERSIONS_MAX) -> None:
        self.settings = ReplicationSettings()
        self.directions = {direction(a, b): (a, b) for a in regions for b in regions if a != b}
        self._queues = {name: _Queue() for name in self.directions}
        self._versions: dict[tuple[str, ItemId], Stamp] = {}
        self._versions_max = self._look_again_at = versions_max
        self._rng = random.Random(self.settings.seed)
        self._numbers = 0

    def configure(self, body: bytes) -> None:
        """Apply the given settings; the others stay as they are. Raises BadReplication."""
        try:
            new_settings = ReplicationSettings.model_validate_json(body).model_dump(exclude_unset=True)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()]
            raise BadReplication("; ".join(lines)) from None
        unknown = sorted(new_settings.get("stalled", frozenset()) - set(self.directions))
        if unknown:
            raise BadReplication(f"stalled: no such direction: {', '.join(unknown)}; {', '.join(self.directions)}")
        self.settings = self.settings.model_copy(update=new_settings)
        if "seed" in new_settings:
            self._rng = random.Random(self.settings.seed)

    # ---- writes ----------------------------------------------------------------------------------------------------

    def written(self, region: str, item: ItemId, key: Item, image: Item | None, now_ms: int) -> None:
        """Record that a client's write in `region` has succeeded. Its stamp is later than all stamps that this Region
        has seen of the item."""
        latest = self._versions.get((region, item))
        self._numbers += 1
        stamp = Stamp(now_ms, region, self._numbers)
        if latest is not None and stamp < latest:
            stamp = Stamp(latest.at_ms + 1, region, self._numbers)
        self._remember(region, item, stamp)
        for name, (source, _) in self.directions.items():
            if source == region:
                self._enqueue(name, Change(item, key, image, stamp), now_ms + self._lag_ms())

    def _lag_ms(self) -> int:
        return self.settings.lag_ms + self._rng.randint(0, self.settings.jitter_ms)

    def _enqueue(self, name: str, change: Change, due_ms: int) -> None:
        self._numbers += 1
        heapq.heappush(self._queues[name].waiting, _Waiting(due_ms, self._numbers, change))

    # ---- delivery --------------------------------------------------------------------------------------------------

    def due_ms(self, name: str) -> int | None:
        """Return when the next delivery is due, in epoch milliseconds; None if there is nothing to wait for."""
        waiting = self._queues[name].waiting
        return waiting[0].due_ms if waiting and name not in self.settings.stalled else None

    def take(self, name: str, now_ms: int, limit: int) -> list[Change]:
        """Take up to `limit` due changes, only the last one of each item. They are in progress until `settle` or
        `put_back`."""
        queue = self._queues[name]
        if name in self.settings.stalled:
            return []
        latest: dict[ItemId, Change] = {}
        while queue.waiting and queue.waiting[0].due_ms <= now_ms and len(latest) < limit:
            change = heapq.heappop(queue.waiting).change
            earlier = latest.get(change.item)
            queue.superseded += earlier is not None
            if earlier is None or earlier.stamp < change.stamp:
                latest[change.item] = change
        changes = list(latest.values())
        queue.under_way += changes
        return changes

    def winning(self, name: str, changes: Iterable[Change]) -> list[Change]:
        """Return those changes that are later than the receiving Region's. Call it under the items' locks."""
        target = self.directions[name][1]
        versions = self._versions
        return [c for c in changes if (target, c.item) not in versions or versions[(target, c.item)] < c.stamp]

    def settle(self, name: str, finished: Sequence[Change], applied: Sequence[Change]) -> None:
        """Record that the `finished` changes are delivered. The receiving Region now has those that are `applied`."""
        queue, target = self._queues[name], self.directions[name][1]
        for change in applied:
            self._remember(target, change.item, change.stamp)
        queue.delivered += len(applied)
        queue.superseded += len(finished) - len(applied)
        self._end(queue, finished)

    def put_back(self, name: str, changes: Sequence[Change], due_ms: int) -> None:
        """Put back changes that could not be delivered."""
        self._end(self._queues[name], changes)
        for change in changes:
            self._enqueue(name, change, due_ms)

    def _end(self, queue: _Queue, changes: Sequence[Change]) -> None:
        ended = {id(change) for change in changes}
        queue.under_way = [change for change in queue.under_way if id(change) not in ended]

    def _remember(self, region: str, item: ItemId, stamp: Stamp) -> None:
        self._versions[(region, item)] = stamp
        if len(self._versions) > self._look_again_at:
            self._forget(stamp.at_ms)

    def _forget(self, now_ms: int) -> None:
        """Forget stamps that are older than everything still to be sent: they lose against any of it, so they aren't
        needed."""
        oldest = min((change.stamp.at_ms for q in self._queues.values() for change in _unsent(q)), default=now_ms)
        self._versions = {location: stamp for location, stamp in self._versions.items() if stamp.at_ms >= oldest}
        self._look_again_at = max(self._versions_max, 2 * len(self._versions))

    # ---- report ----------------------------------------------------------------------------------------------------

    def report(self, now_ms: int) -> dict[str, object]:
        """Return the settings, and each direction's queue. `oldest_ms` is how long its oldest write has been
        waiting."""
        return self.settings.model_dump(mode="json") | {
            "stalled": sorted(self.settings.stalled),
            "queues": {
                name: {
                    "waiting": len(queue.waiting) + len(queue.under_way),
                    "oldest_ms": max((now_ms - change.stamp.at_ms for change in _unsent(queue)), default=0),
                    "delivered": queue.delivered,
                    "superseded": queue.superseded,
                }
                for name, queue in self._queues.items()
            },
        }


def _unsent(queue: _Queue) -> list[Change]:
    return [waiting.change for waiting in queue.waiting] + queue.under_way
