"""Check I9: nothing is deleted at a destination that was not pinned by a manifest of a job with consent, never more
than its cap, never what the source had, never another version than the pinned one, and nothing before all is
delivered."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

from chalicelib.core import codec
from chalicelib.core.errors import EftError
from chalicelib.core.ids import DELETE_RANGE
from chalicelib.core.jobs import JobSpec
from chalicelib.core.manifests import LogEntry, Manifest, Receipt
from chalicelib.core.objects import Bucket
from chalicelib.core.rows import Method, Outcome, Row
from simulation.memory.clock import START_MS
from simulation.memory.env import CONTROL, SOURCE, TARGET
from simulation.memory.store import MemoryObjectStore
from simulation.run import naive
from simulation.run.scheduler import Process, Scheduler

I9 = "I9 deletions are pinned and capped"
_TARGETS = {bucket.name for bucket in TARGET.values()}


class Judge(Protocol):
    """Receives violations, and knows what is needed to find them."""

    etag_before: str | None
    """The ETag at the destination when the current request arrived."""

    def violated(self, invariant: str, detail: str) -> None: ...
    def interfered(self, bucket: Bucket, key: str) -> None: ...


class Deletions:
    def __init__(self, scheduler: Scheduler, store: MemoryObjectStore, judge: Judge) -> None:
        self._scheduler, self._store, self._judge = scheduler, store, judge
        self._done: Counter[str] = Counter()
        """Job -> how many objects it has deleted."""

    def planned(self, process: Process, entry: LogEntry) -> None:
        """Check an entry of a deletion job's manifest log when it is written."""
        for row in entry.rows if isinstance(entry, Manifest) else ():
            if row.method is not Method.DELETE or row.expected_target_etag is None:
                self._judge.violated(I9, f"{entry.partition_id} pins nothing: {row}")
            self._not_at_source(process, row.key, f"{process.label} plans to delete {row.target}")

    def removed(self, process: Process, _: str, args: tuple[Any, ...], _answer: Any) -> None:
        if args[0].name in _TARGETS:
            self._judge.violated(I9, f"{process.label} deletes {args[1]} whatever is there")

    def deleted(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        bucket, key, expected_target_etag = args
        if isinstance(answer, EftError):
            return
        self._judge.interfered(bucket, key)  # Later publishes there are judged anew.
        control, job = CONTROL[bucket.region], process.job
        entries = list(self._entries(control, job))
        rows = [row for entry in entries for row in entry.rows]
        pins = {(row.target, row.expected_target_etag): row for row in rows}
        row = pins.get((key, expected_target_etag))
        if row is None or self._judge.etag_before != expected_target_etag:
            self._judge.violated(
                I9, f"{key} was deleted, {self._judge.etag_before}; pinned are {sorted(map(str, pins))}"
            )
            return
        spec = codec.loads(self._read(control, f"jobs/{job}/spec"), JobSpec)
        self._done[job] += 1
        if spec.deletion is None or max(len(rows), self._done[job]) > spec.deletion.max_objects:
            self._judge.violated(I9, f"{key}: one of {len(rows)} planned, {self._done[job]} done, {spec.deletion}")
        if not key.startswith(spec.target_prefix) or not spec.target_prefix.endswith("/"):
            self._judge.violated(I9, f"{key} was deleted, which is not below the folder {spec.target_prefix!r}")
        if not entries[-1].last or entries[-1].error:
            self._judge.violated(
                I9, f"{key} was deleted, and the manifest log ends in {entries[-1].partition_id}: {entries[-1].error}"
            )
        if undelivered := self._undelivered(control, job):
            self._judge.violated(I9, f"{key} was deleted before all was delivered: {undelivered}")
        self._not_at_source(process, row.key, f"{process.label} deletes {key}")

    def receipted(self, control: Bucket, row: Row) -> None:
        """Check a receipt's outcome DELETED: somebody must have deleted the object."""
        if not any(version.delete_marker for version in self._store.versions(TARGET[control.region], row.target)):
            self._judge.violated("I3 DELETED was seen", f"{row.target} is receipted as DELETED, and never was")

    def _not_at_source(self, process: Process, key: str, deletion: str) -> None:
        """Report a violation if the key has been at the source since before this process could look."""
        for bucket in SOURCE.values():
            version = self._store.current(bucket, key)
            if version is not None and version.at_ms - START_MS < process.started_ms:
                self._judge.violated(I9, f"{deletion}, and its source is there")

    def _undelivered(self, control: Bucket, job: str) -> list[str]:
        prefix = f"jobs/{job}/done/r"
        keys = [key for key in self._store.keys(control) if key.startswith(prefix)]
        receipts = [codec.loads(self._read(control, key), Receipt) for key in keys]
        rows = [row for receipt in receipts for row in receipt.rows if row.outcome is not Outcome.SET_ASIDE]
        return [row.key for row in rows if not naive.is_good(row.outcome)] + [
            receipt.error for receipt in receipts if receipt.error
        ]

    def _entries(self, control: Bucket, job: str) -> Iterator[Manifest]:
        prefix = f"jobs/{job}/manifest/{DELETE_RANGE}-"
        for key in self._store.keys(control):
            if key.startswith(prefix):
                yield codec.loads(self._read(control, key), Manifest)

    def _read(self, control: Bucket, key: str) -> bytes:
        version = self._store.current(control, key)
        assert version is not None, f"{key} is never removed while its job is open"
        return version.body
