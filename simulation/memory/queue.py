"""Keep the queues in memory. Messages stay until a test, or a simulated event source, takes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.core.webhooks import Notice, Notification
from chalicelib.ports import Arrival, QueueName, VerifyDelivery, Wake

Message = Wake | VerifyDelivery | Arrival | Notice | Notification
DRAIN_LIMIT = 10_000


@dataclass(slots=True)
class MemoryQueue:
    """Implements `ports.Queue`, all queues of one Region. `delays` has the delay of each message that was sent with
    one."""

    wakes: list[Wake] = field(default_factory=list)
    verify_deliveries: list[VerifyDelivery] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    notices: list[Notice | Notification] = field(default_factory=list)
    given_up: list[Notification] = field(default_factory=list)
    delays: list[tuple[Message, int]] = field(default_factory=list)

    def send(self, wakes: Sequence[Wake], delay_ms: int = 0) -> None:
        self.wakes.extend(wakes)
        self._delayed(wakes, delay_ms)

    def send_verify_deliveries(self, deliveries: Sequence[VerifyDelivery], delay_ms: int = 0) -> None:
        self.verify_deliveries.extend(deliveries)
        self._delayed(deliveries, delay_ms)

    def send_arrivals(self, arrivals: Sequence[Arrival], delay_ms: int = 0) -> None:
        self.arrivals.extend(arrivals)
        self._delayed(arrivals, delay_ms)

    def send_notices(self, notices: Sequence[Notice | Notification], delay_ms: int = 0) -> None:
        self.notices.extend(notices)
        self._delayed(notices, delay_ms)

    def give_up(self, notification: Notification) -> None:
        self.given_up.append(notification)

    def of(self, name: QueueName) -> list[Wake]:
        return [wake for wake in self.wakes if wake.queue is name]

    def take(self, name: QueueName | None = None) -> Wake | None:
        """Remove and return the oldest task message (of one queue); None if there is none."""
        for index, wake in enumerate(self.wakes):
            if name is None or wake.queue is name:
                return self.wakes.pop(index)
        return None

    def drain(self, handle: Callable[[Wake], object], name: QueueName | None = None) -> int:
        """Hand every task message to `handle`, oldest first, including those that handling sends, until none is left.
        Return how many there were. Delays are ignored."""
        handled = 0
        while (wake := self.take(name)) is not None:
            handled += 1
            if handled > DRAIN_LIMIT:
                raise AssertionError(f"messages breed: {DRAIN_LIMIT} handled, and still {wake}")
            handle(wake)
        return handled

    def _delayed(self, messages: Sequence[Message], delay_ms: int) -> None:
        if delay_ms:
            self.delays.extend((message, delay_ms) for message in messages)
