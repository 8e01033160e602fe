"""Check what must hold at every moment, whenever a request has been carried out. The checks don't rely on the product's
own statements.

The invariants are those of the design (docs/verification.md): I1 no partial object, I2 written once, I3 COPIED only
where it was seen, I4 the pinned source, I5 uploads in use, I9 deletions (`deletions`), L1 claims, L2 one writer an
item.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chalicelib.core import codec
from chalicelib.core.errors import EftError, NoSuchUpload, PreconditionFailed
from chalicelib.core.ids import parent_of
from chalicelib.core.jobs import JobSpec
from chalicelib.core.leases import LeasePhase, PartitionLease
from chalicelib.core.manifests import Claim, LogEntry, Manifest, Receipt
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import Policy
from chalicelib.core.registers import Mark, Registration
from chalicelib.core.rows import Method, Outcome
from chalicelib.ports import SourceRef, UploadRef, Written
from simulation.memory.buckets import Version
from simulation.memory.env import CONTROL, SOURCE, TARGET, WEST
from simulation.memory.operations import Operation
from simulation.memory.store import MemoryObjectStore
from simulation.run.calls import Watch
from simulation.run.deletions import Deletions
from simulation.run.inbox import Inbox
from simulation.run.scheduler import Process, Scheduler
from simulation.run.situations import Situation
from simulation.run.table import Key
from simulation.run.trace import Trace

T = TypeVar("T")
_TARGETS = {bucket.name: bucket for bucket in TARGET.values()}


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    what: str
    at_ms: int


@dataclass(slots=True)
class Tracked:
    """A multipart upload of ours."""

    bucket: Bucket
    key: str
    sources: dict[int, SourceRef] = field(default_factory=dict)
    """Part number -> the source that it was copied from."""
    versions: set[int] = field(default_factory=set)
    """Numbers of the source versions that its parts were copied from."""
    registration: Registration | None = None
    register: str = ""
    collected: bool = False
    """True if a sweep has aborted it while no record named it."""


class Monitors:
    def __init__(self, scheduler: Scheduler, store: MemoryObjectStore, policy: Policy, trace: Trace) -> None:
        self._scheduler, self._store, self._policy, self._trace = scheduler, store, policy, trace
        self.violations: list[Violation] = []
        self.happened: Counter[Situation] = Counter()
        self.inbox = Inbox(scheduler, store, self.violated, self.happened)
        self.deleting = False
        """True if some job deletes: then targets are listed for that, too."""
        self.appeared: Callable[[Bucket, str], None] = lambda _bucket, _key: None
        """Called with each object that we publish."""
        self.etag_before: str | None = None
        """The ETag at a destination when the current request arrived."""
        store.before_call = self._about_to
        self.published: dict[tuple[str, str], list[tuple[str, SourceRef, str | None]]] = defaultdict(list)
        """(bucket, key) -> job, source and expected target ETag of each publish since somebody else last interfered
        there."""
        self._newest: dict[tuple[str, str], int] = {}
        """(bucket, key) -> number of the newest version of its source that we have published there."""
        self.begun: Counter[str] = Counter()
        """Target key -> how many uploads we have begun there."""
        self._uploads: dict[str, Tracked] = {}
        self._registers: dict[str, dict[int, Registration]] = defaultdict(dict)
        self._heartbeats: dict[str, list[int]] = defaultdict(list)
        self._writers: dict[Key, str] = {}
        self._holders: dict[tuple[str, str, int], Process] = {}
        """(job, partition, epoch) -> the process that claimed it."""
        self._released: set[tuple[str, str, int]] = set()
        self._pauses: dict[str, tuple[int, int]] = {}
        """Job -> its highest number in the pause log (odd: paused), and when that was written."""
        self._ended: set[str] = set()
        """Jobs that are cancelled: a pause no longer applies to them."""
        self._deletions = Deletions(scheduler, store, self)
        self._cancelled: set[tuple[str, str]] = set()
        """(job, row's name in the upload register) of large rows that are receipted as cancelled. Small ones are not
        recalled once sent. A list may name a key twice: then another row of the job may still publish it."""

    def happens(self, situation: Situation) -> None:
        self.happened[situation] += 1

    def violated(self, invariant: str, detail: str) -> None:
        self.violations.append(Violation(invariant, detail, self._scheduler.now_ms))
        self._trace.event(f"VIOLATED: {invariant}: {detail}")
        self._scheduler.stop = True

    def watches(self) -> dict[str, Watch]:
        return {
            "store.copy": self._copied,
            "store.complete": self._completed,
            "store.create_upload": self._upload_begun,
            "store.upload_part_copy": self._part_copied,
            "store.abort": self._aborted,
            "store.create": self._created,
            "store.delete": self._deletions.removed,
            "store.delete_pinned": self._deletions.deleted,
            "store.overwrite": self._overwritten,
            "store.head": self._headed,
            "store.list": self._listed,
            "store.list_parts": self._parts_listed,
            "ledger.put_lease": self._beat,
        }

    def _about_to(self, operation: Operation, bucket: str, key: str) -> None:
        if operation in (Operation.COPY, Operation.COMPLETE) or (operation is Operation.DELETE and bucket in _TARGETS):
            current = self._store.current(_TARGETS[bucket], key)
            self.etag_before = current.etag if current else None

    def interfered(self, bucket: Bucket, key: str) -> None:
        """Forget what was published under a key, because somebody else has written or deleted there. Later publishes
        are judged anew (the documented residual of I2)."""
        self.published.pop((bucket.name, key), None)
        self._newest.pop((bucket.name, key), None)

    # --- publishing -------------------------------------------------------------------------------------------

    def _copied(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        source, bucket, key, expected_target_etag, _placement = args
        if isinstance(answer, Written):
            self._publish(process, bucket, key, source, expected_target_etag, answer, {self._number(source)})

    def _completed(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        upload, parts, expected_target_etag = args[0], args[1], args[2]
        if not isinstance(answer, Written):
            return
        tracked = self._uploads[upload.upload_id]
        sources = {tracked.sources[part.number] for part in parts}
        if len(sources) != 1:
            self.violated(
                "I4 the pinned source", f"{upload.key} was made of parts of {len(sources)} sources: {sources}"
            )
        source = next(iter(sources))
        self._publish(process, upload.bucket, upload.key, source, expected_target_etag, answer, tracked.versions)
        owner = tracked.registration
        if owner is not None and (owner.job_id, owner.row) in self._cancelled:
            self.violated("I3 outcomes are true", f"{upload.key} was published after its receipt had said CANCELLED")

    def _number(self, source: SourceRef) -> int:
        """Return the number of the source version that a copy takes now."""
        versions = self._store.versions(source.bucket, source.key)
        if source.version_id is None:
            current = self._store.current(source.bucket, source.key)
            return current.sequence if current else 0
        return next((version.sequence for version in versions if version.version_id == source.version_id), 0)

    def _publish(
        self,
        process: Process,
        bucket: Bucket,
        key: str,
        source: SourceRef,
        expected_target_etag: str | None,
        written: Written,
        copied: set[int],
    ) -> None:
        """Judge a publish. `copied` holds the numbers of the source versions that its bytes come from."""
        self._is_approved(process, key)
        version = self._store.versions(bucket, key)[-1]
        originals = self._bodies(source)
        if self.etag_before != expected_target_etag:
            self.violated(
                "L0 pinned precondition",
                f"{key} was to replace {expected_target_etag}, and has replaced {self.etag_before}",
            )
        if version.body not in originals:
            self.violated("I1 no partial object", f"{bucket.name}/{key} holds what {source} never was")
            return
        self._fidelity(key, source, version)
        row, by_feed = process.job, process.job.startswith("feed-") or process.name == "intake"
        if by_feed:
            self.inbox.published(process, source.key, max(copied), version)
            row = f"feed {max(copied)}"  # A feed delivers each version separately, even if some are equal.
        self._newest_wins(process, bucket, key, source, version, by_feed=by_feed)
        self.appeared(bucket, key)
        earlier = self.published[bucket.name, key]
        repeats = [past for past in earlier if past[0] == row and past[1].etag == source.etag]
        # Identical content in mode `always`: what was replaced looks like what replaced it (residual). Files that a
        # receiver has taken away are judged by the inbox.
        if repeats and expected_target_etag != written.etag and not (by_feed and self.inbox.receives):
            self.violated(
                "I2 written once",
                f"{bucket.name}/{key} from {source}, expecting {expected_target_etag}, after {repeats}",
            )
        # If it isn't current, somebody has written or deleted there since this upload was begun. In a versioned bucket
        # that counts as later, so our version was never visible (residual).
        if self._store.current(bucket, key) is version:
            earlier.append((row, source, expected_target_etag))

    def _is_approved(self, process: Process, key: str) -> None:
        """Check that a job which was planned first publishes only after its approval."""
        for control in CONTROL.values():
            spec = self._record(control, f"jobs/{process.job}/spec", JobSpec)
            approved = self._store.current(control, f"jobs/{process.job}/approved")
            if spec is not None and spec.planned_first and approved is None:
                self.violated("nothing before its approval", f"{process.label} publishes {key}")

    def _newest_wins(
        self, process: Process, bucket: Bucket, key: str, source: SourceRef, copy: Version, *, by_feed: bool
    ) -> None:
        """Check that nothing that we have published is replaced by an earlier version of its source. S3 has no
        condition on the source of an upload that is completed: a feed that looked just before is excused (a documented
        residual)."""
        originals = self._store.versions(source.bucket, source.key)
        pinned = max(v.sequence for v in originals if v.etag == source.etag and v.body == copy.body)
        newest = self._newest.get((bucket.name, key), 0)
        completed = by_feed and copy.operation is Operation.COMPLETE
        looked = completed and process.looked.get((source.bucket.name, source.key)) == pinned
        if pinned < newest and not looked:
            self.violated("the newest version wins", f"{key} was replaced by an older version of its source")
        self._newest[bucket.name, key] = max(pinned, newest)

    def _fidelity(self, key: str, source: SourceRef, copy: Version) -> None:
        """Check that properties and tags arrive. A multipart copy loses them unless they are restated."""
        originals = [v for v in self._store.versions(source.bucket, source.key) if v.etag == source.etag]
        if not any((v.properties, v.tags) == (copy.properties, copy.tags) for v in originals):
            self.violated("properties and tags arrive", f"{key}: {copy.properties} {copy.tags}")

    def _bodies(self, source: SourceRef) -> set[bytes]:
        return {
            version.body
            for version in self._store.versions(source.bucket, source.key)
            if version.etag == source.etag and source.version_id in (None, version.version_id)
        }

    # --- uploads ----------------------------------------------------------------------------------------------

    def _upload_begun(self, process: Process, _: str, _args: tuple[Any, ...], answer: Any) -> None:
        if not isinstance(answer, UploadRef):
            return
        self.begun[answer.key] += 1
        self._uploads[answer.upload_id] = Tracked(answer.bucket, answer.key)
        self._is_approved(process, answer.key)
        location = (answer.bucket.name, answer.key)
        if location in process.gone_uploads and self.published.get(location) and self._scheduler.runs(process):
            self.violated("no finished work is done again", f"{process.label} begins {answer.key} anew without a look")

    def _part_copied(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        upload, number, source = args[0], args[1], args[2]
        if not isinstance(answer, EftError) and upload.upload_id in self._uploads:
            tracked = self._uploads[upload.upload_id]
            tracked.sources[number] = source
            tracked.versions.add(self._number(source))
            process.looked.pop((source.bucket.name, source.key), None)

    def _parts_listed(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        if isinstance(answer, NoSuchUpload):
            process.gone_uploads.add((args[0].bucket.name, args[0].key))

    def _aborted(self, process: Process, _: str, args: tuple[Any, ...], _answer: Any) -> None:
        upload: UploadRef = args[0]
        tracked = self._uploads.get(upload.upload_id)
        if tracked is None:
            self.violated("I5 uploads in use", f"{process.label} aborted another application's upload of {upload.key}")
            return
        owner = tracked.registration
        if owner is None:
            tracked.collected = tracked.collected or process.name == "sweep"
            return
        partition_id = owner.row.rpartition("/")[0]
        control = CONTROL[upload.bucket.region]
        settled = self._store.current(control, f"jobs/{owner.job_id}/done/{partition_id}") is not None
        settled = settled or self._has_found_it_there(process, owner, upload)
        if self._goes_on_with(tracked.register, owner) == upload.upload_id and not settled:
            self.violated("I5 uploads in use", f"{process.label} aborted the upload that {owner.row} goes on with")

    def _has_found_it_there(self, process: Process, owner: Registration, upload: UploadRef) -> bool:
        """Return whether a worker of the upload's own job has seen the source's content at the destination, so that the
        upload serves nothing. A feed's worker may also know it from a delivery record."""
        if process.name != "copy" or process.job != owner.job_id:
            return False
        if process.job.startswith("feed-"):
            return True
        seen_etag = process.seen_etags.get((upload.bucket.name, upload.key))
        originals = {v.body for v in self._store.versions(SOURCE[WEST], f"in/{upload.key.removeprefix('out/')}")}
        return any(v.etag == seen_etag and v.body in originals for v in self._store.versions(upload.bucket, upload.key))

    def _goes_on_with(self, register: str, owner: Registration) -> str | None:
        """Return the upload that counts for a row: the one of the highest generation that is neither dead nor closed by
        a cancel."""
        records = self._registers[register]
        if any(record.mark is Mark.CLOSED and record.job_id == owner.job_id for record in records.values()):
            return None
        dead = {record.upload_id for record in records.values() if record.mark is Mark.DEAD}
        generations = [
            generation
            for generation, record in records.items()
            if record.mark is Mark.UPLOAD and (record.job_id, record.row) == (owner.job_id, owner.row)
        ]
        alive = [generation for generation in generations if records[generation].upload_id not in dead]
        return records[max(alive)].upload_id if alive else None

    def _registered(self, key: str, registration: Registration) -> None:
        _, register, generation = key.split("/")
        self._registers[register][int(generation)] = registration
        tracked = self._uploads.get(registration.upload_id)
        if registration.mark is Mark.UPLOAD and tracked is not None:
            tracked.registration, tracked.register = registration, register
            if tracked.collected:
                self.violated("I5 uploads in use", f"{key} names an upload that a sweep had collected: no fence")

    # --- records ----------------------------------------------------------------------------------------------

    def _created(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        _bucket, key, body = args
        if answer is None or isinstance(answer, PreconditionFailed):
            self.inbox.recorded(process, key)
        if isinstance(answer, EftError):
            return
        if key.startswith("reg/"):
            self._registered(key, codec.loads(body, Registration))
        elif "/desired/" in key:
            self._pauses[key.split("/")[1]] = (int(key.rsplit("/", 1)[1]), self._scheduler.now_ms)
        elif key.endswith("/cancel"):
            self._ended.add(key.split("/")[1])
        elif "/manifest/d-" in key:
            self._deletions.planned(process, codec.loads_entry(body))
        elif "/manifest/r" in key:
            self._cut(codec.loads_entry(body))
        elif "/claim/" in key:
            self._claimed(process, args[0], codec.loads(body, Claim))
        elif "/done/" in key:
            self._receipted(process, args[0], codec.loads(body, Receipt))

    def _cut(self, entry: LogEntry) -> None:
        if isinstance(entry, Manifest) and not entry.last and len(entry.rows) < self._policy.partition_rows:
            full = sum(row.size for row in entry.rows) >= self._policy.partition_bytes
            self.happened[Situation.CUT_BY_BYTES] += full

    def _claimed(self, process: Process, control: Bucket, claim: Claim) -> None:
        """Check a claim. If the other Region's region heartbeats move, it lives, and its partitions are not taken over,
        whatever the table says (unless they were released)."""
        self._holders[claim.job_id, claim.partition_id, claim.epoch] = process
        number, since_ms = self._pauses.get(claim.job_id, (0, 0))
        if number % 2 and process.started_ms > since_ms and claim.job_id not in self._ended:
            self.violated("a paused job rests", f"{process.label} claims {claim.partition_id} after pause {number}")
        if (
            claim.epoch == 1
            or process.disturbed
            or (claim.job_id, claim.partition_id, claim.epoch - 1) in self._released
        ):
            return
        previous = self._record(control, f"jobs/{claim.job_id}/claim/{claim.partition_id}/{claim.epoch - 1:06d}", Claim)
        if previous is None or previous.region == claim.region:
            return
        end = self._scheduler.now_ms - 30_000
        moved = [
            at_ms
            for at_ms in self._heartbeats[previous.region]
            if end - self._policy.takeover_after_ms + 60_000 < at_ms < end
        ]
        if len(moved) >= 2:
            self.violated(
                "L2 a living Region is not taken over",
                f"{claim.partition_id} of {previous.region}, whose heartbeats moved at {moved}",
            )

    def _beat(self, process: Process, _: str, args: tuple[Any, ...], _answer: Any) -> None:
        lease: PartitionLease = args[0]
        if lease.phase is LeasePhase.RELEASED:
            self._released.add((lease.job_id, lease.partition_id, lease.epoch))
        if lease.epoch and self._holders.get((lease.job_id, lease.partition_id, lease.epoch)) is not process:
            self.violated(
                "L1 an epoch is one worker's", f"{process.label} works on {lease.partition_id} at {lease.epoch}"
            )

    def _receipted(self, process: Process, control: Bucket, receipt: Receipt) -> None:
        manifest = self._record(control, f"jobs/{receipt.job_id}/manifest/{receipt.partition_id}", Manifest)
        if manifest is None:
            self.violated("I3 outcomes are true", f"a receipt of {receipt.partition_id}, which has no manifest")
            return
        for index, (row, outcome) in enumerate(zip(manifest.rows, receipt.rows, strict=True)):
            if row.method is Method.MULTIPART and outcome.outcome is Outcome.CANCELLED:
                self._cancelled.add((receipt.job_id, _upload_name(manifest, index)))
            if outcome.outcome is Outcome.DELETED:
                self._deletions.receipted(control, row)
            if outcome.outcome is not Outcome.COPIED:
                continue
            target = TARGET[control.region]
            seen_etag = process.seen_etags.get((target.name, row.target))
            version = next((v for v in self._store.versions(target, row.target) if v.etag == seen_etag), None)
            if version is None:
                self.violated("I3 COPIED was seen", f"{process.label} receipts {row.target} without having looked")
            elif version.body not in self._originals(row.key, row.source_etag):
                self.violated("I3 COPIED was seen", f"{row.target} is receipted as COPIED, and is something else")

    # --- looking ----------------------------------------------------------------------------------------------

    def _headed(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        if isinstance(answer, EftError):
            return
        if args[0].name not in _TARGETS:
            current = self._store.current(args[0], args[1])
            process.looked[args[0].name, args[1]] = current.sequence if current else 0
            return
        process.gone_uploads.discard((args[0].name, args[1]))
        if answer is not None:
            process.seen_etags[args[0].name, args[1]] = answer.facts.etag

    def _listed(self, process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        if not isinstance(answer, EftError) and args[0].name in _TARGETS:
            self.happened[Situation.PLANNED_BY_LIST] += process.name == "split" and not self.deleting
            self.happened[Situation.VERIFIED_BY_LIST] += process.name == "verify"
            for facts in answer.objects:
                process.seen_etags[args[0].name, facts.key] = facts.etag

    def _overwritten(self, _process: Process, _: str, args: tuple[Any, ...], _answer: Any) -> None:
        _bucket, key, _body = args
        kind, _, region = key.partition("/")
        if kind != "heartbeat":
            self.violated("records are written once", f"{key} was overwritten")
        self._heartbeats[region].append(self._scheduler.now_ms)

    def written(self, key: Key, region: str, named_region: str) -> None:
        """Check that each item of the table is written by one Region only. Otherwise last-writer-wins would lose one of
        two writes."""
        if named_region and self._writers.setdefault(key, region) != region:
            self.violated("L2 one writer an item", f"{key} was written by {self._writers[key]} and by {region}")

    def _record(self, control: Bucket, key: str, kind: type[T]) -> T | None:
        version = self._store.current(control, key)
        return None if version is None else codec.loads(version.body, kind)

    def _originals(self, key: str, etag: str) -> set[bytes]:
        """Return the contents that the source object of that ETag had. Source buckets share no keys."""
        return {
            version.body
            for bucket in SOURCE.values()
            for version in self._store.versions(bucket, key)
            if version.etag == etag
        }


def _upload_name(manifest: Manifest, index: int) -> str:
    """Return the name under which the uploads of a row are registered. A row that is set aside keeps its name."""
    if manifest.aside:
        return f"{parent_of(manifest.partition_id)}/{manifest.aside[index]}"
    return f"{manifest.partition_id}/{index}"
