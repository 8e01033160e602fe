"""Simulate the global table as in MREC. Each Region has an asynchronous replica, and the last writer wins, by clocks
that differ."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulation.memory.ledger import MemoryLedger

Key = tuple[str, ...]


def keys_of(method: str, args: tuple[Any, ...]) -> list[tuple[Key, tuple[Any, ...], str]]:
    """Return the items that a put writes: key, the arguments that put this item alone, and the Region that its key
    names ("" for items that are the same whoever writes them)."""
    item = args[0]
    match method:
        case "put_job":
            return [((method, item.job_id), args, "")]
        case "put_lease":
            return [((method, item.job_id, item.partition_id, item.region), args, item.region)]
        case "put_observation":
            return [((method, item.job_id, item.subject, item.region), args, item.region)]
        case "put_plan":
            return [((method, item.job_id, item.range_id, item.region), args, item.region)]
        case "put_terminal":
            return [((method, item.job_id, args[2]), args, args[2])]
        case "put_deliveries":
            return [((method, d.feed_id, d.key, d.pin, d.region), ([d],), d.region) for d in item]
        case "lock_delivery":
            return [((method, item.feed_id, item.key, item.pin, item.region), args, item.region)]
        case "put_takeover":
            return [((method, item.job_id, item.partition_id, str(item.epoch), item.to_region), args, item.to_region)]
        case "swap_permit":
            return [((method, item.region, item.semaphore, str(item.number)), args, item.region)]
        case "put_permit_request":
            return [((method, item.region, item.semaphore, item.job_id), args, item.region)]
        case "put_region_heartbeat":
            return [((method, item.region), args, item.region)]
    raise KeyError(f"{method} is no put that the table knows")


def _is_there(ledger: MemoryLedger, method: str, key: Key, item: Any) -> bool:
    if method == "put_lease":
        return ledger.leases[key[1], key[2], key[3]] is item
    if method == "lock_delivery":
        return ledger.delivery_locks[key[1], key[2], key[3], key[4]] is item
    if method == "swap_permit":
        return ledger.permits[key[1], key[2], int(key[3])] is item
    return method != "put_plan" or ledger.plans[key[1], key[2], key[3]] is item


@dataclass(slots=True)
class Replica:
    region: str
    clock: Callable[[], int]
    """This Region's clock. Writes are stamped by it."""
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    stamps: dict[Key, int] = field(default_factory=dict)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    """Writes from here that have not been sent to the other replica while replication stands still."""


@dataclass(slots=True)
class Table:
    """The replicas. `later(act)` calls `act` after the replication's lag. `written(key, region, named)` is called for
    every write."""

    replicas: dict[str, Replica]
    later: Callable[[Callable[[], None]], None]
    written: Callable[[Key, str, str], None]
    stalled: set[str] = field(default_factory=set)
    """Regions whose writes are not replicated."""

    def write(self, region: str, method: str, args: tuple[Any, ...]) -> Any:
        """Put an item in one Region and return the answer there. The item is there at once, elsewhere later."""
        replica = self.replicas[region]
        stamp = replica.clock()
        answer = getattr(replica.ledger, method)(*args)
        for key, alone, named_region in keys_of(method, args):
            self.written(key, region, named_region)
            if not _is_there(replica.ledger, method, key, args[0]):
                continue  # Refused: there is something newer.
            replica.stamps[key] = stamp
            for peer in self.replicas.values():
                if peer is not replica:
                    self._replicate(replica, peer, method, key, alone, stamp)
        return answer

    def _replicate(
        self, source: Replica, target: Replica, method: str, key: Key, args: tuple[Any, ...], stamp: int
    ) -> None:
        def arrive() -> None:
            if source.region in self.stalled or target.region in self.stalled:
                source.waiting.append(arrive)
            elif stamp >= target.stamps.get(key, 0):
                target.stamps[key] = stamp
                getattr(target.ledger, method)(*args)

        self.later(arrive)

    def carry(self, region: str, act: Callable[[], None]) -> None:
        """Replicate a Region's write that is not an item of the ledger: `act` applies it after the lag."""

        def arrive() -> None:
            if self.stalled:
                self.replicas[region].waiting.append(arrive)
            else:
                act()

        self.later(arrive)

    def release(self, region: str) -> None:
        """Resume replication, with the writes that were waiting."""
        self.stalled.discard(region)
        for replica in self.replicas.values():
            waiting, replica.waiting = replica.waiting, []
            for act in waiting:
                act()
