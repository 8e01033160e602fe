"""Read and write the control records of a job: create-only objects in the control bucket of the Region of the job's
destination.

`create` is the only way to write a job's records, so every record is written once and never changes. (The markers of
open jobs are a mere index; they are also deleted.) Key layout, all under `jobs/<job id>/`:

    spec · keys/<digest> · manifest/<partition> · claim/<partition>/<epoch> · tried/<partition>/<epoch> ·
    copied/<partition>/<epoch> · waits/<step>-<partition>/<n> · done/<partition> · cancel · desired/<n> · terminal;
    of a plan also: planned · approved

and outside of `jobs/`: `open/<job id>` (index of unsettled jobs), `open/<job id>.plan` (of unfinished plans),
`reg/<object>/<generation>` (uploads) and `report/<job id>/` (files made of these records: `reports`).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.core import codec
from chalicelib.core.desired_state import DesiredState, PauseLogEntry, approval_of
from chalicelib.core.errors import NotFound
from chalicelib.core.ids import aside_of, is_aside, number_of
from chalicelib.core.jobs import Cancel, JobSpec, Terminal
from chalicelib.core.manifests import Claim, CopyRecord, LogEntry, Receipt
from chalicelib.core.planned import Approval, PlanSummary
from chalicelib.core.registers import Registration
from chalicelib.core.sweep import JobSnapshot
from chalicelib.core.tries import Tried, Waited
from chalicelib.protocol.control_bucket import ControlBucket
from chalicelib.protocol.numbered_log import NumberedLog

T = TypeVar("T")
N = TypeVar("N", bound=codec.Record)
PLAN_MARK = ".plan"


@dataclass(frozen=True, slots=True)
class ControlRecords(ControlBucket):
    """The records in one Region's control bucket."""

    # --- the index of open jobs -------------------------------------------------------------------------------

    def open_job(self, job_id: str) -> None:
        """Put the job on the list that sweeps go through. It is only an index: writing it twice changes nothing."""
        self.create(f"open/{job_id}", b"")

    def close_job(self, job_id: str) -> None:
        self.env.store.delete(self.bucket, f"open/{job_id}")

    def open_plan(self, job_id: str) -> None:
        """Put a plan on the same list, under a name of its own. So a worker that removes the plan late does not remove
        the job that the plan has become meanwhile."""
        self.create(f"open/{job_id}{PLAN_MARK}", b"")

    def close_plan(self, job_id: str) -> None:
        self.env.store.delete(self.bucket, f"open/{job_id}{PLAN_MARK}")

    def open_jobs(self, start_after: str = "", limit: int = 1000) -> list[str]:
        """Return names on the list, in their order: ids of jobs, and ids of plans with PLAN_MARK."""
        page = self.env.store.list(
            self.bucket, "open/", start_after=f"open/{start_after}" if start_after else "", limit=limit
        )
        return [facts.key.removeprefix("open/") for facts in page.objects]

    def job(self, job_id: str) -> "JobRecords":
        return JobRecords(self, job_id)

    # --- the register of uploads ------------------------------------------------------------------------------

    def register(self, object_id: str) -> dict[int, Registration]:
        """Return all generations of an object's register, from ONE LIST.

        A generation that appears later is not in it. So the next generation, which follows from this LIST, is fixed
        before anything that the caller does next.
        """
        return self._register(object_id).entries()

    def registered(self, object_id: str, generation: int, registration: Registration) -> bool:
        """Write the record of a generation. Return False if another record holds it."""
        return self._register(object_id).append(generation, registration)

    def _register(self, object_id: str) -> NumberedLog[Registration]:
        return NumberedLog(self, f"reg/{object_id}/", Registration)


@dataclass(frozen=True, slots=True)
class JobRecords:
    """The records of one job."""

    control: ControlRecords
    job_id: str

    def _key(self, name: str) -> str:
        return f"jobs/{self.job_id}/{name}"

    def _read(self, name: str, kind: type[T]) -> T | None:
        body = self.control.get(self._key(name))
        return None if body is None else codec.loads(body, kind)

    def _exists(self, name: str) -> bool:
        return self.control.head(self._key(name)) is not None

    def _log(self, name: str, kind: type[N]) -> NumberedLog[N]:
        return NumberedLog(self.control, self._key(f"{name}/"), kind)

    def create_spec(self, spec: JobSpec) -> JobSpec:
        """Write the job's spec. Return the accepted spec: the first one written under this id."""
        created = self.control.create(self._key("spec"), codec.dumps(spec))
        return spec if created.won else codec.loads(created.body, JobSpec)

    def spec(self) -> JobSpec | None:
        return self._read("spec", JobSpec)

    def keep_keys(self, digest: str, body: bytes) -> str:
        """Store the list of keys that a request brought along. Return its key in the bucket."""
        key = self._key(f"keys/{digest}")
        self.control.create(key, body)
        return key

    def accepted_ms(self) -> int:
        """Return when the job was accepted, in ms, by the time of S3 in its destination's Region."""
        head = self.control.head(self._key("spec"))
        if head is None:
            raise NotFound("RecordVanished", self._key("spec"))
        return head.facts.last_modified_ms

    def create_entry(self, entry: LogEntry) -> LogEntry:
        """Append an entry to its range's manifest log. Return the entry that counts: the first one written there."""
        created = self.control.create(self._key(f"manifest/{entry.partition_id}"), codec.dumps(entry))
        if created.won:
            return entry
        return self._entry(created.body)

    def entry(self, partition_id: str) -> LogEntry | None:
        body = self.entry_bytes(partition_id)
        return None if body is None else self._entry(body)

    def has_entry(self, partition_id: str) -> bool:
        return self._exists(f"manifest/{partition_id}")

    def entry_bytes(self, partition_id: str) -> bytes | None:
        return self.control.get(self._key(f"manifest/{partition_id}"))

    def entries_of_range(self, range_id: str) -> list[str]:
        """Return the names of the range's entries. Partitions of rows set aside are not among them."""
        return [partition_id for partition_id in self._of_range(range_id) if not is_aside(partition_id)]

    def asides_of_range(self, range_id: str) -> list[str]:
        return [partition_id for partition_id in self._of_range(range_id) if is_aside(partition_id)]

    def _of_range(self, range_id: str) -> list[str]:
        prefix = self._key(f"manifest/{range_id}-")
        return [facts.key.rsplit("/", 1)[1] for facts in self.control.list_all(prefix)]

    def entries_from(self, partition_id: str) -> Iterator[LogEntry]:
        """Yield every entry from `partition_id` on ("" = from the first), in the order of their names. Entries are read
        as needed."""
        names = [facts.key for facts in self.control.list_all(self._key("manifest/"))]
        for name in names:
            if name.rsplit("/", 1)[1] >= partition_id and (entry := self.entry(name.rsplit("/", 1)[1])) is not None:
                yield entry

    def entries_after(self, partition_id: str) -> Iterator[LogEntry]:
        """Yield every entry after `partition_id` ("" = all), in the order of their names. Names and entries are read as
        needed."""
        prefix = self._key("manifest/")
        after, truncated = f"{prefix}{partition_id}", True
        while truncated:
            page = self.control.env.store.list(self.control.bucket, prefix, start_after=after)
            for facts in page.objects:
                after = facts.key
                if (entry := self.entry(after.removeprefix(prefix))) is not None:
                    yield entry
            truncated = page.truncated

    def _claims(self, partition_id: str) -> NumberedLog[Claim]:
        return self._log(f"claim/{partition_id}", Claim)

    def create_claim(self, claim: Claim) -> bool:
        return self._claims(claim.partition_id).append(claim.epoch, claim)

    def claim(self, partition_id: str, epoch: int) -> Claim | None:
        return self._claims(partition_id).get(epoch)

    def claimed(self, partition_id: str) -> bool:
        """Tell whether a worker has ever claimed the partition."""
        return self._claims(partition_id).has(1)

    def highest_claim(self, partition_id: str) -> int:
        """Return the highest claimed epoch; 0 if no worker has claimed the partition yet."""
        return self._claims(partition_id).last_number()

    def create_tried(self, tried: Tried) -> None:
        # The number is the epoch, and an epoch belongs to one worker: no other worker writes it.
        self._log(f"tried/{tried.partition_id}", Tried).append(tried.epoch, tried)

    def tried(self, partition_id: str) -> Tried | None:
        """Return the record of the last fruitless round, which includes those before it. None if there was none."""
        return self._log(f"tried/{partition_id}", Tried).last()

    def create_waited(self, waited: Waited) -> None:
        # If two workers count the same round at once, it is counted once.
        self._log(f"waits/{waited.subject}", Waited).append(waited.number, waited)

    def waited(self, subject: str) -> Waited | None:
        """Return the last noted fruitless try; None if there was none."""
        return self._log(f"waits/{subject}", Waited).last()

    def _copies(self, partition_id: str) -> NumberedLog[CopyRecord]:
        return self._log(f"copied/{partition_id}", CopyRecord)

    def create_copied(self, record: CopyRecord) -> None:
        # The number is the epoch, and an epoch belongs to one worker: no other worker writes it.
        self._copies(record.partition_id).append(record.epoch, record)

    def copied(self, partition_id: str) -> CopyRecord | None:
        """Return a copy record of the partition: that of the first epoch if there is one (mostly), otherwise the last
        one. Each of them tells the truth about every row."""
        first = self._copies(partition_id).get(1)
        return self._copies(partition_id).last() if first is None else first

    def finished(self, partition_id: str) -> bool:
        """Tell whether a claimed partition is copied or has its receipt. It mostly costs one HEAD; a LIST is needed
        only if the partition has changed hands."""
        if self._copies(partition_id).has(1) or self.done(partition_id):
            return True
        return self._claims(partition_id).has(2) and self._copies(partition_id).last_number() > 0

    def create_receipt(self, receipt: Receipt) -> Receipt:
        created = self.control.create(self._key(f"done/{receipt.partition_id}"), codec.dumps(receipt))
        return receipt if created.won else codec.loads(created.body, Receipt)

    def receipt(self, partition_id: str) -> Receipt | None:
        return self._read(f"done/{partition_id}", Receipt)

    def receipt_bytes(self, partition_id: str) -> bytes | None:
        return self.control.get(self._key(f"done/{partition_id}"))

    def receipts_after(self, partition_id: str) -> Iterator[str]:
        """Yield the partitions after `partition_id` ("" = from the first) that have a receipt, in LIST's order. They
        are read a page at a time."""
        after = self._key(f"done/{partition_id}") if partition_id else ""
        while True:
            page = self.control.env.store.list(self.control.bucket, self._key("done/"), start_after=after)
            yield from (facts.key.rsplit("/", 1)[1] for facts in page.objects)
            if not page.truncated:
                return
            after = page.objects[-1].key

    def done(self, partition_id: str) -> bool:
        return self._exists(f"done/{partition_id}")

    def all_done(self, partition_id: str) -> bool:
        """Tell whether the partition has its receipt, and so have the rows that were set aside from it."""
        aside = aside_of(partition_id)
        return self.done(partition_id) and (not self.has_entry(aside) or self.done(aside))

    def create_cancel(self, cancel: Cancel) -> None:
        self.control.create(self._key("cancel"), codec.dumps(cancel))

    def append_to_pause_log(self, entry: PauseLogEntry) -> bool:
        return self._log("desired", PauseLogEntry).append(entry.number, entry)

    def desired_state(self, *, planned_first: bool = False) -> DesiredState:
        """Return the desired state of the job now. It costs two HEADs for a job that was never paused, a LIST more for
        one that was, and a HEAD more for one that was planned first."""
        approved = approval_of(planned_first=planned_first, given=planned_first and self._exists("approved"))
        if self._exists("cancel"):
            return DesiredState(cancelled=True, approved=approved)
        log = self._log("desired", PauseLogEntry)
        return DesiredState(log.last_number() if log.has(1) else 0, approved=approved)

    def create_summary(self, summary: PlanSummary) -> PlanSummary:
        """Write the summary of a plan. Return the one that counts: the first one written. All say the same."""
        created = self.control.create(self._key("planned"), codec.dumps(summary))
        return summary if created.won else codec.loads(created.body, PlanSummary)

    def summary(self) -> PlanSummary | None:
        return self._read("planned", PlanSummary)

    def create_approval(self, approval: Approval) -> bool:
        return self.control.create(self._key("approved"), codec.dumps(approval)).won

    def approval(self) -> Approval | None:
        return self._read("approved", Approval)

    def create_terminal(self, terminal: Terminal) -> tuple[bool, Terminal]:
        created = self.control.create(self._key("terminal"), codec.dumps(terminal))
        return created.won, terminal if created.won else codec.loads(created.body, Terminal)

    def terminal(self) -> Terminal | None:
        return self._read("terminal", Terminal)

    def snapshot(self, limit: int | None = None, *, planned_first: bool = False) -> JobSnapshot:
        """Return a snapshot of the job's records, by their names alone. It costs one LIST per thousand records.

        With a limit, only the first records are read. Manifests come after claims, copy records and receipts in the
        order of names. So an entry in the snapshot comes with its claims, copy records and receipt.
        """
        entries: set[str] = set()
        done: set[str] = set()
        claims: dict[str, int] = {}
        copied: dict[str, int] = {}
        tried: dict[str, int] = {}
        rounds: Counter[str] = Counter()
        highest = 0
        names = {facts.key.removeprefix(self._key("")) for facts in self.control.list_all(self._key(""), limit=limit)}
        for name in names:
            kind, _, rest = name.partition("/")
            partition_id, _, epoch = rest.partition("/")
            if kind == "manifest":
                entries.add(partition_id)
            elif kind == "done":
                done.add(partition_id)
            elif kind in ("claim", "copied", "tried"):
                epochs = claims if kind == "claim" else copied if kind == "copied" else tried
                epochs[partition_id] = max(epochs.get(partition_id, 0), number_of(epoch))
                rounds[partition_id] += kind == "tried"
            elif kind == "desired":
                highest = max(highest, number_of(rest))
        approved = approval_of(planned_first=planned_first, given="approved" in names)
        desired_state = DesiredState(highest, "cancel" in names, approved)
        ended, planned = "terminal" in names, "planned" in names
        # If a worker has claimed it since, its round has not ended yet.
        resting = {
            partition_id: rounds[partition_id]
            for partition_id, epoch in tried.items()
            if claims.get(partition_id) == epoch
        }
        return JobSnapshot(frozenset(entries), claims, copied, frozenset(done), desired_state, ended, planned, resting)

    @staticmethod
    def _entry(body: bytes) -> LogEntry:
        return codec.loads_entry(body)
