"""Read and write the control records of a job: create-only objects in the control bucket of the Region of the job's
destination.

`create` is the only way to write a job's records, so every record is written once and says for ever what it said. (The
markers of open jobs are a mere index; they are also deleted.) Key layout, all under `jobs/<job id>/`:

    spec · keys/<digest> · manifest/<part> · claim/<part>/<epoch> · tried/<part>/<epoch> · copied/<part>/<epoch>
    waits/<step>-<part>/<n> · done/<part> · cancel · intent/<n> · terminal; of a plan also: planned · approved

and beside the jobs: `open/<job id>` (index of unsettled jobs), `open/<job id>.plan` (of plans in the making),
`reg/<object>/<generation>` (uploads) and `report/<job id>/` (files made of these records: `reports`).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.core import codec
from chalicelib.core.errors import NotFound
from chalicelib.core.ids import aside_of, is_aside, number_of
from chalicelib.core.intents import Intent, Intents, approval_of
from chalicelib.core.model import (
    Cancel,
    Claim,
    CopyRecord,
    JobSpec,
    Link,
    Receipt,
    Terminal,
)
from chalicelib.core.planned import Approval, PlanSummary
from chalicelib.core.registers import Registration
from chalicelib.core.sweep import Records
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
        """Fill a generation. Return False if another record holds it."""
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

    def _there(self, name: str) -> bool:
        return self.control.head(self._key(name)) is not None

    def _log(self, name: str, kind: type[N]) -> NumberedLog[N]:
        return NumberedLog(self.control, self._key(f"{name}/"), kind)

    def create_spec(self, spec: JobSpec) -> JobSpec:
        """Write the job's spec. Return the accepted spec: the first one written under this id."""
        made = self.control.create(self._key("spec"), codec.dumps(spec))
        return spec if made.won else codec.loads(made.body, JobSpec)

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

    def create_link(self, link: Link) -> Link:
        """Append an entry to its range's manifest log. Return the entry that counts: the first one written there."""
        made = self.control.create(self._key(f"manifest/{link.part}"), codec.dumps(link))
        if made.won:
            return link
        return self._link(made.body)

    def link(self, part: str) -> Link | None:
        body = self.link_bytes(part)
        return None if body is None else self._link(body)

    def has_link(self, part: str) -> bool:
        return self._there(f"manifest/{part}")

    def link_bytes(self, part: str) -> bytes | None:
        return self.control.get(self._key(f"manifest/{part}"))

    def links_of_range(self, range_id: str) -> list[str]:
        """Return the names of the range's entries. Partitions of rows set aside are not among them."""
        return [part for part in self._of_range(range_id) if not is_aside(part)]

    def asides_of_range(self, range_id: str) -> list[str]:
        return [part for part in self._of_range(range_id) if is_aside(part)]

    def _of_range(self, range_id: str) -> list[str]:
        prefix = self._key(f"manifest/{range_id}-")
        return [facts.key.rsplit("/", 1)[1] for facts in self.control.list_all(prefix)]

    def links_from(self, part: str) -> Iterator[Link]:
        """Yield every entry from `part` on ("" = from the first), in the order of their names. Entries are read as
        needed."""
        names = [facts.key for facts in self.control.list_all(self._key("manifest/"))]
        for name in names:
            if name.rsplit("/", 1)[1] >= part and (link := self.link(name.rsplit("/", 1)[1])) is not None:
                yield link

    def links_after(self, part: str) -> Iterator[Link]:
        """Yield every entry after `part` ("" = all), in the order of their names. Names and entries are read as
        needed."""
        prefix = self._key("manifest/")
        after, truncated = f"{prefix}{part}", True
        while truncated:
            page = self.control.env.store.list(self.control.bucket, prefix, start_after=after)
            for facts in page.objects:
                after = facts.key
                if (link := self.link(after.removeprefix(prefix))) is not None:
                    yield link
            truncated = page.truncated

    def _claims(self, part: str) -> NumberedLog[Claim]:
        return self._log(f"claim/{part}", Claim)

    def create_claim(self, claim: Claim) -> bool:
        return self._claims(claim.part).append(claim.epoch, claim)

    def claim(self, part: str, epoch: int) -> Claim | None:
        return self._claims(part).get(epoch)

    def claimed(self, part: str) -> bool:
        """Tell whether a worker has ever claimed the partition."""
        return self._claims(part).has(1)

    def highest_claim(self, part: str) -> int:
        """Return the highest claimed epoch; 0 if no worker has claimed the partition yet."""
        return self._claims(part).last_number()

    def create_tried(self, tried: Tried) -> None:
        # The number is the epoch, and an epoch belongs to one worker: no other worker writes it.
        self._log(f"tried/{tried.part}", Tried).append(tried.epoch, tried)

    def tried(self, part: str) -> Tried | None:
        """Return the record of the last fruitless round, which includes those before it. None if there was none."""
        return self._log(f"tried/{part}", Tried).last()

    def create_waited(self, waited: Waited) -> None:
        # If two workers count the same round at once, it is counted once.
        self._log(f"waits/{waited.subject}", Waited).append(waited.number, waited)

    def waited(self, subject: str) -> Waited | None:
        """Return the last noted fruitless try; None if there was none."""
        return self._log(f"waits/{subject}", Waited).last()

    def _copies(self, part: str) -> NumberedLog[CopyRecord]:
        return self._log(f"copied/{part}", CopyRecord)

    def create_copied(self, record: CopyRecord) -> None:
        # The number is the epoch, and an epoch belongs to one worker: no other worker writes it.
        self._copies(record.part).append(record.epoch, record)

    def copied(self, part: str) -> CopyRecord | None:
        """Return a copy record of the partition: that of the first epoch if there is one (mostly), otherwise the last
        one. Each of them tells the truth about every row."""
        first = self._copies(part).get(1)
        return self._copies(part).last() if first is None else first

    def finished(self, part: str) -> bool:
        """Tell whether a claimed partition is copied or has its receipt. It mostly costs one HEAD; a LIST is needed
        only if the partition has changed hands."""
        if self._copies(part).has(1) or self.done(part):
            return True
        return self._claims(part).has(2) and self._copies(part).last_number() > 0

    def create_receipt(self, receipt: Receipt) -> Receipt:
        made = self.control.create(self._key(f"done/{receipt.part}"), codec.dumps(receipt))
        return receipt if made.won else codec.loads(made.body, Receipt)

    def receipt(self, part: str) -> Receipt | None:
        return self._read(f"done/{part}", Receipt)

    def receipt_bytes(self, part: str) -> bytes | None:
        return self.control.get(self._key(f"done/{part}"))

    def receipts_after(self, part: str) -> Iterator[str]:
        """Yield the partitions after `part` ("" = from the first) that have a receipt, in LIST's order. They are read a
        page at a time."""
        after = self._key(f"done/{part}") if part else ""
        while True:
            page = self.control.env.store.list(self.control.bucket, self._key("done/"), start_after=after)
            yield from (facts.key.rsplit("/", 1)[1] for facts in page.objects)
            if not page.truncated:
                return
            after = page.objects[-1].key

    def done(self, part: str) -> bool:
        return self._there(f"done/{part}")

    def all_done(self, part: str) -> bool:
        """Tell whether the partition has its receipt, and so have the rows that were set aside from it."""
        aside = aside_of(part)
        return self.done(part) and (not self.has_link(aside) or self.done(aside))

    def create_cancel(self, cancel: Cancel) -> None:
        self.control.create(self._key("cancel"), codec.dumps(cancel))

    def create_intent(self, intent: Intent) -> bool:
        return self._log("intent", Intent).append(intent.number, intent)

    def intents(self, *, planned_first: bool = False) -> Intents:
        """Return the desired state of the job now. It costs two HEADs for a job that was never paused, a LIST more for
        one that was, and a HEAD more for one that was planned first."""
        approved = approval_of(planned_first=planned_first, given=planned_first and self._there("approved"))
        if self._there("cancel"):
            return Intents(cancelled=True, approved=approved)
        log = self._log("intent", Intent)
        return Intents(log.last_number() if log.has(1) else 0, approved=approved)

    def create_summary(self, summary: PlanSummary) -> PlanSummary:
        """Write the summary of a plan. Return the one that counts: the first one written. All say the same."""
        made = self.control.create(self._key("planned"), codec.dumps(summary))
        return summary if made.won else codec.loads(made.body, PlanSummary)

    def summary(self) -> PlanSummary | None:
        return self._read("planned", PlanSummary)

    def create_approval(self, approval: Approval) -> bool:
        return self.control.create(self._key("approved"), codec.dumps(approval)).won

    def approval(self) -> Approval | None:
        return self._read("approved", Approval)

    def create_terminal(self, terminal: Terminal) -> tuple[bool, Terminal]:
        made = self.control.create(self._key("terminal"), codec.dumps(terminal))
        return made.won, terminal if made.won else codec.loads(made.body, Terminal)

    def terminal(self) -> Terminal | None:
        return self._read("terminal", Terminal)

    def survey(self, limit: int | None = None, *, planned_first: bool = False) -> Records:
        """Return a snapshot of the job's records, by their names alone. It costs one LIST per thousand records.

        With a limit, only the first records are read. Manifests come after claims, copy records and receipts in the
        order of names. So an entry in the snapshot comes with its claims, copy records and receipt.
        """
        links: set[str] = set()
        done: set[str] = set()
        claims: dict[str, int] = {}
        copied: dict[str, int] = {}
        tried: dict[str, int] = {}
        rounds: Counter[str] = Counter()
        highest = 0
        names = {facts.key.removeprefix(self._key("")) for facts in self.control.list_all(self._key(""), limit=limit)}
        for name in names:
            kind, _, rest = name.partition("/")
            part, _, epoch = rest.partition("/")
            if kind == "manifest":
                links.add(part)
            elif kind == "done":
                done.add(part)
            elif kind in ("claim", "copied", "tried"):
                into = claims if kind == "claim" else copied if kind == "copied" else tried
                into[part] = max(into.get(part, 0), number_of(epoch))
                rounds[part] += kind == "tried"
            elif kind == "intent":
                highest = max(highest, number_of(rest))
        approved = approval_of(planned_first=planned_first, given="approved" in names)
        intents = Intents(highest, "cancel" in names, approved)
        ended, planned = "terminal" in names, "planned" in names
        # If a worker has claimed it since, its round has not ended yet.
        resting = {part: rounds[part] for part, epoch in tried.items() if claims.get(part) == epoch}
        return Records(frozenset(links), claims, copied, frozenset(done), intents, ended, planned, resting)

    @staticmethod
    def _link(body: bytes) -> Link:
        return codec.loads_link(body)
