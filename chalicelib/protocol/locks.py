"""Within a Region, one worker at a time delivers a version: a lock in the Region's own table, beside the delivery.

Two arrivals of one version may be handled at the same moment: a hint and what a listing has found, an event that S3
sends twice, an event and a back-fill. Both find no delivery record. Where the receiver takes the file away at once,
S3's If-None-Match holds for the second one, too. So whoever is about to publish where nothing is takes the lock, and
looks at the delivery record after that. A conditional put is exact within a Region; between Regions nothing is claimed
(there the region heartbeat decides, `protocol.hints`).

A lock ends by itself, later than the invocation that took it: who dies with it holds the others up for so long, and no
longer. It is not freed after a delivery: by the time it ends, whoever asks finds the record.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from chalicelib.core.errors import EftError
from chalicelib.core.model import Row
from chalicelib.core.verdict import pin_of
from chalicelib.ports import DeliveryLock, Env

BUSY_MS = 60_000
"""How long an arrival is put off whose version another worker is delivering: by then it is mostly recorded."""


@dataclass(slots=True)
class DeliveryLocks:
    """Those that one worker takes of one feed's versions."""

    env: Env
    feed_id: str
    holder: str
    """Another worker's is another; one's own is taken again, as after a lost answer."""
    for_ms: int
    held: dict[tuple[str, str], DeliveryLock] = field(default_factory=dict)
    """By key and version."""

    def take(self, row: Row) -> bool:
        """False: another worker of this Region is at it. Raises Retry if the table can't be asked."""
        now_ms, pin = self.env.clock.now_ms(), pin_of(row)
        lock = DeliveryLock(self.feed_id, row.key, pin, self.env.region, self.holder, now_ms + self.for_ms)
        # Crash after this: nobody else of this Region delivers the version until the lock ends.
        taken = self.env.ledger.lock_delivery(lock, now_ms)
        if taken:
            self.held[row.key, pin] = lock
        else:
            self.env.log("delivery-busy", feed=self.feed_id, key=row.key, pin=pin)
        return taken

    def give_back(self, keys: Collection[str]) -> None:
        """End the locks of what was not delivered, so that whoever tries again need not wait. If that can't be done,
        they end by themselves."""
        given = [held for held in list(self.held) if held[0] in keys]
        self.env.part_pool.map(self._end, [self.held.pop(held) for held in given])

    def _end(self, lock: DeliveryLock) -> None:
        try:
            self.env.ledger.lock_delivery(replace(lock, until_ms=0), self.env.clock.now_ms())
        except EftError as error:
            self.env.log("delivery-lock-not-given-back", feed=self.feed_id, key=lock.key, error=str(error))
