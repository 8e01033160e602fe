"""Keep the queues in memory. Messages stay until a test, or a simulated event source, takes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.core.webhooks import Notice, Notification
from chalicelib.ports import ObjectEvent, QueueName, Task, VerifyDelivery, queue_of

Message = Task | VerifyDelivery | ObjectEvent | Notice | Notification
DRAIN_LIMIT = 10_000


@dataclass(slots=True)
class MemoryQueue:
    """Implements `ports.Queue`, all queues of one Region. `delays` has the delay of each message that was sent with
    one."""

    tasks: list[Task] = field(default_factory=list)
    verify_deliveries: list[VerifyDelivery] = field(default_factory=list)
    events: list[ObjectEvent] = field(default_factory=list)
    notices: list[Notice | Notification] = field(default_factory=list)
    given_up: list[Notification] = field(default_factory=list)
    delays: list[tuple[Message, int]] = field(default_factory=list)

    def send(self, tasks: Sequence[Task], delay_ms: int = 0) -> None:
        self.tasks.extend(tasks)
        self._delayed(tasks, delay_ms)

    def send_verify_deliveries(self, deliveries: Sequence[VerifyDelivery], delay_ms: int = 0) -> None:
        self.verify_deliveries.extend(deliveries)
        self._delayed(deliveries, delay_ms)

    def send_object_events(self, events: Sequence[ObjectEvent], delay_ms: int = 0) -> None:
        self.events.extend(events)
        self._delayed(events, delay_ms)

    def send_notices(self, notices: Sequence[Notice | Notification], delay_ms: int = 0) -> None:
        self.notices.extend(notices)
        self._delayed(notices, delay_ms)

    def give_up(self, notification: Notification) -> None:
        self.given_up.append(notification)

    def of(self, name: QueueName) -> list[Task]:
        return [task for task in self.tasks if queue_of(task) is name]

    def take(self, name: QueueName | None = None) -> Task | None:
        """Remove and return the oldest task message (of one queue); None if there is none."""
        for index, task in enumerate(self.tasks):
            if name is None or queue_of(task) is name:
                return self.tasks.pop(index)
        return None

    def drain(self, handle: Callable[[Task], object], name: QueueName | None = None) -> int:
        """Hand every task message to `handle`, oldest first, including those that handling sends, until none is left.
        Return how many there were. Delays are ignored."""
        handled = 0
        while (task := self.take(name)) is not None:
            handled += 1
            if handled > DRAIN_LIMIT:
                raise AssertionError(f"messages breed: {DRAIN_LIMIT} handled, and still {task}")
            handle(task)
        return handled

    def _delayed(self, messages: Sequence[Message], delay_ms: int) -> None:
        if delay_ms:
            self.delays.extend((message, delay_ms) for message in messages)
