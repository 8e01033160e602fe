"""Let one worker at a time deliver a version within a Region. The lock is an item in the Region's own table, next to
the delivery.

Two events for one version may be handled at the same moment: a hint and an event from a listing, an event that S3 sends
twice, an event and a back-fill. Neither handler finds a delivery record. If the receiver removes the file at once, S3's
If-None-Match holds for the second handler, too. So a worker that is about to publish where nothing is takes the lock,
and asks the delivery record after that. A conditional put is exact within a Region. No lock works between Regions:
there the region heartbeat decides (`protocol.hints`).

A lock expires by itself, later than the invocation that took it. A worker that dies with a lock delays others until it
expires, and no longer. The lock is not released after a delivery: when it expires, every worker that asks finds the
delivery record.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from chalicelib.core.errors import EftError
from chalicelib.core.rows import Row
from chalicelib.core.verdict import pin_of
from chalicelib.ports import DeliveryLock, Env

BUSY_MS = 60_000
"""How long an object event is postponed while another worker delivers its version, in ms. By then that version is
usually recorded."""


@dataclass(slots=True)
class DeliveryLocks:
    """The locks that one worker takes for versions of one feed."""

    env: Env
    feed_id: str
    holder: str
    """The name of this worker. It can take a lock that it holds once more, as after a lost answer."""
    for_ms: int
    """How long a lock lasts, in ms."""
    held: dict[tuple[str, str], DeliveryLock] = field(default_factory=dict)
    """By key and version."""

    def take(self, row: Row) -> bool:
        """Take the lock of a version. Return False if another worker of this Region has it. Raises Retry if the table
        can't be asked."""
        now_ms, pin = self.env.clock.now_ms(), pin_of(row)
        lock = DeliveryLock(self.feed_id, row.key, pin, self.env.region, self.holder, now_ms + self.for_ms)
        # Crash after this: no other worker of this Region delivers the version until the lock expires.
        taken = self.env.ledger.lock_delivery(lock, now_ms)
        if taken:
            self.held[row.key, pin] = lock
        else:
            self.env.log("delivery-busy", feed=self.feed_id, key=row.key, pin=pin)
        return taken

    def give_back(self, keys: Collection[str]) -> None:
        """End the locks of keys that were not delivered, so that the next worker need not wait. If that fails, they
        expire by themselves."""
        versions = [version for version in list(self.held) if version[0] in keys]
        self.env.part_pool.map(self._end, [self.held.pop(version) for version in versions])

    def _end(self, lock: DeliveryLock) -> None:
        try:
            self.env.ledger.lock_delivery(replace(lock, until_ms=0), self.env.clock.now_ms())
        except EftError as error:
            self.env.log("delivery-lock-not-given-back", feed=self.feed_id, key=lock.key, error=str(error))
