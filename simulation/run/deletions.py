"""Check I9: nothing is deleted at a destination that was not pinned by a manifest of a job with consent, never more
than its cap, never what the source had, never another version than the pinned one, and nothing before all is
delivered."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

from chalicelib.core import codec
from chalicelib.core.errors import EftError
from chalicelib.core.ids import DELETE_RANGE
from chalicelib.core.model import Bucket, JobSpec, Link, Manifest, Method, Outcome, Receipt, Row
from simulation.memory.clock import START_MS
from simulation.memory.env import CONTROL, SOURCE, TARGET
from simulation.memory.store import MemoryObjectStore
from simulation.run import naive
from simulation.run.scheduler import Process, Scheduler

I9 = "I9 deletions are pinned and capped"
_TARGETS = {bucket.name for bucket in TARGET.values()}


class Judge(Protocol):
    """Receives violations, and knows what is needed to find them."""

    before: str | None
    """The ETag at the destination when the current request arrived."""

    def violated(self, invariant: str, what: str) -> None: ...
    def interfered(self, bucket: Bucket, key: str) -> None: ...


class Deletions:
    def __init__(self, scheduler: Scheduler, store: MemoryObjectStore, judge: Judge) -> None:
        self._scheduler, self._store, self._judge = scheduler, store, judge
        self._done: Counter[str] = Counter()
        """Job -> how many objects it has deleted."""

    def planned(self, process: Process, link: Link) -> None:
        """Check an entry of a deletion job's manifest log when it is written."""
        for row in link.rows if isinstance(link, Manifest) else ():
            if row.method is not Method.DELETE or row.expect is None:
                self._judge.violated(I9, f"{link.part} pins nothing: {row}")
            self._not_at_source(process, row.key, f"{process.label} plans to delete {row.target}")

    def removed(self, process: Process, _: str, args: tuple[Any, ...], _answer: Any) -> None:
        if args[0].name in _TARGETS:
            self._judge.violated(I9, f"{process.label} deletes {args[1]} whatever is there")

    def deleted(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        bucket, key, expect = args
        if isinstance(answer, EftError):
            return
        self._judge.interfered(bucket, key)  # Later publishes there are judged anew.
        control, job = CONTROL[bucket.region], process.job
        links = list(self._links(control, job))
        rows = [row for link in links for row in link.rows]
        pins = {(row.target, row.expect): row for row in rows}
        row = pins.get((key, expect))
        if row is None or self._judge.before != expect:
            self._judge.violated(I9, f"{key} was deleted, {self._judge.before}; pinned are {sorted(map(str, pins))}")
            return
        spec = codec.loads(self._read(control, f"jobs/{job}/spec"), JobSpec)
        self._done[job] += 1
        if spec.deletion is None or max(len(rows), self._done[job]) > spec.deletion.max_objects:
            self._judge.violated(I9, f"{key}: one of {len(rows)} planned, {self._done[job]} done, {spec.deletion}")
        if not key.startswith(spec.target_prefix) or not spec.target_prefix.endswith("/"):
            self._judge.violated(I9, f"{key} was deleted, which is not below the folder {spec.target_prefix!r}")
        if not links[-1].last or links[-1].error:
            self._judge.violated(I9, f"{key} was deleted, and the chain ends in {links[-1].part}: {links[-1].error}")
        if bad := self._undelivered(control, job):
            self._judge.violated(I9, f"{key} was deleted before all was delivered: {bad}")
        self._not_at_source(process, row.key, f"{process.label} deletes {key}")

    def receipted(self, control: Bucket, row: Row) -> None:
        """Check a receipt's outcome DELETED: somebody must have deleted the object."""
        if not any(version.delete_marker for version in self._store.versions(TARGET[control.region], row.target)):
            self._judge.violated("I3 DELETED was seen", f"{row.target} is receipted as DELETED, and never was")

    def _not_at_source(self, process: Process, key: str, what: str) -> None:
        """Report a violation if the key has been at the source since before this process could look."""
        for bucket in SOURCE.values():
            there = self._store.current(bucket, key)
            if there is not None and there.at_ms - START_MS < process.started_ms:
                self._judge.violated(I9, f"{what}, and its source is there")

    def _undelivered(self, control: Bucket, job: str) -> list[str]:
        prefix = f"jobs/{job}/done/r"
        receipts = [key for key in self._store.keys(control) if key.startswith(prefix)]
        found = [codec.loads(self._read(control, key), Receipt) for key in receipts]
        rows = [row for receipt in found for row in receipt.rows if row.outcome is not Outcome.SET_ASIDE]
        return [row.key for row in rows if not naive.is_good(row.outcome)] + [
            receipt.error for receipt in found if receipt.error
        ]

    def _links(self, control: Bucket, job: str) -> Iterator[Manifest]:
        prefix = f"jobs/{job}/manifest/{DELETE_RANGE}-"
        for key in self._store.keys(control):
            if key.startswith(prefix):
                yield codec.loads(self._read(control, key), Manifest)

    def _read(self, control: Bucket, key: str) -> bytes:
        found = self._store.current(control, key)
        assert found is not None, f"{key} is never removed while its job is open"
        return found.body
