"""Judge feeds by what was dropped at their source and what has been at their target since.

Every drop that its owner left in place is delivered. Where a receiver takes files away, each version of a file comes
once. A second delivery is excused in three cases (docs/failover.md), which the judge itself must have seen. First, the
process that had published the version was killed or held up before it had recorded that, or could not reach the bucket
where it is recorded. Second, the process that publishes it again had begun before that record was there. Third, an
older version was put in its place meanwhile.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from simulation.memory.buckets import Version
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.store import MemoryObjectStore
from simulation.run.scheduler import Process, Scheduler
from simulation.run.situations import Situation

ONCE = "each version is delivered once"
MINUTE = 60_000


@dataclass(slots=True)
class Delivered:
    """One publish by a feed. `version` is the source version's number."""

    version: int
    body: bytes
    by: Process
    at_ms: int
    sequence: int
    recorded_ms: int | None = None


@dataclass(slots=True)
class File:
    """A key below a feed's source, and its counterpart at the target."""

    dropped: Version | None = None
    """The partner's last drop that had an event."""
    was_there: bool = False
    """True if the target already held the same when it was dropped."""
    deliveries: list[Delivered] = field(default_factory=list)
    taken: int = 0
    """The number of deliveries when the receiver last took it away."""


class Inbox:
    def __init__(
        self,
        scheduler: Scheduler,
        store: MemoryObjectStore,
        violated: Callable[[str, str], None],
        happened: Counter[Situation],
    ) -> None:
        self._scheduler, self._store, self._violated, self._happened = scheduler, store, violated, happened
        self.files: dict[str, File] = {}
        """By source key."""
        self.receives = False
        """True if a receiver takes away what arrives."""
        self.is_due: Callable[[str], bool] = lambda _: True
        """Returns whether there is a feed that has to deliver the object under this source key."""

    def _file(self, key: str) -> File:
        return self.files.setdefault(key, File())

    def there(self, key: str) -> Version | None:
        """Return the current counterpart of a source key."""
        return self._store.current(TARGET[EAST], f"out/{key.removeprefix('in/')}")

    def dropped(self, key: str, version: Version) -> None:
        file, current = self._file(key), self.there(key)
        file.dropped, file.was_there = version, current is not None and current.body == version.body

    def published(self, process: Process, key: str, version: int, copy: Version) -> None:
        """Record that a feed has published a version of a source key, and judge it."""
        file = self._file(key)
        previous = self._came_before(file, version)
        if self.receives and previous is not None and not self._equal_drop(key, file, copy.body):
            self._excuse(process, previous, key)
        if self.there(key) is copy:
            delivery = Delivered(version, copy.body, process, self._scheduler.now_ms, copy.sequence)
            file.deliveries.append(delivery)

    def _equal_drop(self, key: str, file: File, body: bytes) -> bool:
        """Return whether this body was dropped more often than it has been delivered until now. If two drops are equal,
        a copy may have taken the later one and have been recorded as the earlier one (ADR 23)."""
        drops = [v for v in self._store.versions(SOURCE[WEST], key) if v.body == body and not v.delete_marker]
        return sum(delivery.body == body for delivery in file.deliveries) < len(drops)

    @staticmethod
    def _came_before(file: File, version: int) -> Delivered | None:
        """Return the last delivery if it was of this version too. A delivery before an older version's late one doesn't
        count: the newest version has to come after that."""
        last = file.deliveries[-1] if file.deliveries else None
        return last if last is not None and last.version == version else None

    def _excuse(self, process: Process, previous: Delivered, key: str) -> None:
        by = previous.by
        unrecorded = previous.recorded_ms is None and (by.alive or by.disturbed or by.cut_off or by.killed)
        if unrecorded or (previous.recorded_ms is not None and process.started_ms <= previous.recorded_ms):
            self._happened[Situation.CAME_TWICE] += 1
            return
        recording = "nothing was recorded" if previous.recorded_ms is None else f"recorded at {previous.recorded_ms} ms"
        earlier = f"{previous.by.label} did at {previous.at_ms} ms, {recording}"
        self._violated(ONCE, f"{process.label} delivers {key} once more; {earlier}")

    def recorded(self, process: Process, name: str) -> None:
        """Note that a record was created in a control bucket, or was there already. It names deliveries by digests
        only, so it is taken for a record of all that this process has delivered until now."""
        if name.startswith("delivered/"):
            for file in self.files.values():
                for delivery in file.deliveries:
                    if delivery.by is process and delivery.recorded_ms is None:
                        delivery.recorded_ms = self._scheduler.now_ms

    def take(self, key: str) -> None:
        """Let the receiver take a file away."""
        file, current = self._file(key), self.there(key)
        if current is None:
            return
        self._store.remove(TARGET[EAST], current.key)
        file.taken = len(file.deliveries)
        soon = file.deliveries and self._scheduler.now_ms - file.deliveries[-1].at_ms < MINUTE
        self._happened[Situation.TAKEN_AT_ONCE if soon else Situation.TAKEN_LATER] += 1

    def told(self, key: str) -> None:
        """Note that an event is read, or a message about one."""
        file = self.files.get(key)
        if file is not None and file.taken and file.taken == len(file.deliveries) and self.there(key) is None:
            self._happened[Situation.TOLD_AGAIN_OF_TAKEN] += 1

    def missing(self) -> list[str]:
        """Return keys of drops that are still there and haven't been delivered."""
        return [key for key, file in self.files.items() if file.dropped is not None and not self._delivered(key, file)]

    def _delivered(self, key: str, file: File) -> bool:
        dropped = file.dropped
        assert dropped is not None
        if self._store.current(SOURCE[WEST], key) is not dropped or not self.is_due(key):
            return True  # Replaced or deleted by its owner; or nobody is to deliver it.
        current = self.there(key)
        if current is not None or not self.receives:
            return current is not None and current.body == dropped.body
        return file.was_there or any(
            delivery.sequence > dropped.sequence and delivery.body == dropped.body for delivery in file.deliveries
        )
