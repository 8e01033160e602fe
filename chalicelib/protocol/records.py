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
from chalicelib.core.errors import NotFound, PreconditionFailed, Retry
from chalicelib.core.ids import aside_of, is_aside
from chalicelib.core.intents import Intent, Intents, approval_of
from chalicelib.core.model import (
    Bucket,
    Cancel,
    Claim,
    CopyRecord,
    JobSpec,
    Link,
    ObjectFacts,
    Receipt,
    Terminal,
)
from chalicelib.core.planned import Approval, PlanSummary
from chalicelib.core.registers import Registration
from chalicelib.core.sweep import Records
from chalicelib.core.tries import Tried, Waited
from chalicelib.ports import Env

T = TypeVar("T")
LOOKS_AFTER_LOST_ANSWER = 4
PLAN_MARK = ".plan"


@dataclass(frozen=True, slots=True)
class Made:
    """The result of `create`: the record that is there now, and whether it is one's own."""

    won: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class ControlRecords:
    """One Region's control bucket."""

    env: Env
    region: str

    @property
    def bucket(self) -> Bucket:
        return self.env.control_buckets[self.region]

    def create(self, key: str, body: bytes) -> Made:
        """Publish a record unless one is there. Return the record that is there afterwards.

        If the answer is anything but success, GET decides: the record carries a nonce, so one's own record is
        recognised even if its answer was lost. Raises Retry if the bucket can't be reached.
        """
        for _ in range(LOOKS_AFTER_LOST_ANSWER):
            try:
                self.env.store.create(self.bucket, key, body)
                return Made(True, body)
            except (PreconditionFailed, Retry):
                # 412: a record is there. It may be our own (after a retry below us, or a lost answer). 409, timeout,
                # 5xx: it may have been written. If nothing is there, it was not: try again.
                there = self.env.store.get(self.bucket, key)
                if there is not None:
                    return Made(there == body, there)
        raise Retry("ControlBucketUnreachable", f"{key} could neither be written nor read")

    def get(self, key: str) -> bytes | None:
        return self.env.store.get(self.bucket, key)

    def list_all(self, prefix: str, start_after: str = "", limit: int | None = None) -> list[ObjectFacts]:
        """Return every record under a prefix, strongly consistent. With `limit` it stops after the page that reaches
        it."""
        found: list[ObjectFacts] = []
        while True:
            page = self.env.store.list(self.bucket, prefix, start_after=start_after)
            found.extend(page.objects)
            if not page.truncated or (limit is not None and len(found) >= limit):
                return found
            start_after = page.objects[-1].key

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
        generations: dict[int, Registration] = {}
        for facts in self.list_all(f"reg/{object_id}/"):
            body = self.get(facts.key)
            if body is None:
                raise NotFound("RecordVanished", facts.key)
            generations[int(facts.key.rsplit("/", 1)[1])] = codec.loads(body, Registration)
        return generations

    def registered(self, object_id: str, generation: int, registration: Registration) -> bool:
        """Fill a generation. Return False if another record holds it."""
        return self.create(f"reg/{object_id}/{generation:06d}", codec.dumps(registration)).won


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
        return self.control.env.store.head(self.control.bucket, self._key(name)) is not None

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
        head = self.control.env.store.head(self.control.bucket, self._key("spec"))
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

    def create_claim(self, claim: Claim) -> bool:
        return self.control.create(self._key(f"claim/{claim.part}/{claim.epoch:06d}"), codec.dumps(claim)).won

    def claim(self, part: str, epoch: int) -> Claim | None:
        return self._read(f"claim/{part}/{epoch:06d}", Claim)

    def claimed(self, part: str) -> bool:
        """Tell whether a worker has ever claimed the partition."""
        return self._there(f"claim/{part}/{1:06d}")

    def highest_claim(self, part: str) -> int:
        """Return the highest claimed epoch; 0 if no worker has claimed the partition yet."""
        facts = self.control.list_all(self._key(f"claim/{part}/"))
        return max((int(f.key.rsplit("/", 1)[1]) for f in facts), default=0)

    def create_tried(self, tried: Tried) -> None:
        # The key holds the epoch, and an epoch belongs to one worker: no other worker writes this key.
        self.control.create(self._key(f"tried/{tried.part}/{tried.epoch:06d}"), codec.dumps(tried))

    def tried(self, part: str) -> Tried | None:
        """Return the record of the last fruitless round, which includes those before it. None if there was none."""
        facts = self.control.list_all(self._key(f"tried/{part}/"))
        body = self.control.get(max(f.key for f in facts)) if facts else None
        return None if body is None else codec.loads(body, Tried)

    def create_waited(self, waited: Waited) -> None:
        # If two workers count the same round at once, it is counted once.
        self.control.create(self._key(f"waits/{waited.subject}/{waited.number:06d}"), codec.dumps(waited))

    def waited(self, subject: str) -> Waited | None:
        """Return the last noted fruitless try; None if there was none."""
        facts = self.control.list_all(self._key(f"waits/{subject}/"))
        body = self.control.get(max(f.key for f in facts)) if facts else None
        return None if body is None else codec.loads(body, Waited)

    def create_copied(self, record: CopyRecord) -> None:
        # The key holds the epoch, and an epoch belongs to one worker: no other worker writes this key.
        self.control.create(self._key(f"copied/{record.part}/{record.epoch:06d}"), codec.dumps(record))

    def copied(self, part: str) -> CopyRecord | None:
        """Return a copy record of the partition: that of the first epoch if there is one (mostly), otherwise the last
        one. Each of them tells the truth about every row."""
        first = self._read(f"copied/{part}/{1:06d}", CopyRecord)
        if first is not None:
            return first
        facts = self.control.list_all(self._key(f"copied/{part}/"))
        body = self.control.get(max(f.key for f in facts)) if facts else None
        return None if body is None else codec.loads(body, CopyRecord)

    def finished(self, part: str) -> bool:
        """Tell whether a claimed partition is copied or has its receipt. It mostly costs one HEAD; a LIST is needed
        only if the partition has changed hands."""
        if self._there(f"copied/{part}/{1:06d}") or self.done(part):
            return True
        return self._there(f"claim/{part}/{2:06d}") and bool(self.control.list_all(self._key(f"copied/{part}/")))

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
        return self.control.create(self._key(f"intent/{intent.number:06d}"), codec.dumps(intent)).won

    def intents(self, *, planned_first: bool = False) -> Intents:
        """Return the desired state of the job now. It costs two HEADs for a job that was never paused, a LIST more for
        one that was, and a HEAD more for one that was planned first."""
        approved = approval_of(planned_first=planned_first, given=planned_first and self._there("approved"))
        if self._there("cancel"):
            return Intents(cancelled=True, approved=approved)
        if not self._there(f"intent/{1:06d}"):
            return Intents(approved=approved)
        numbers = (int(facts.key.rsplit("/", 1)[1]) for facts in self.control.list_all(self._key("intent/")))
        return Intents(max(numbers), approved=approved)

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
                into[part] = max(into.get(part, 0), int(epoch))
                rounds[part] += kind == "tried"
            elif kind == "intent":
                highest = max(highest, int(rest))
        approved = approval_of(planned_first=planned_first, given="approved" in names)
        intents = Intents(highest, "cancel" in names, approved)
        ended, planned = "terminal" in names, "planned" in names
        # If a worker has claimed it since, its round has not ended yet.
        resting = {part: rounds[part] for part, epoch in tried.items() if claims.get(part) == epoch}
        return Records(frozenset(links), claims, copied, frozenset(done), intents, ended, planned, resting)

    @staticmethod
    def _link(body: bytes) -> Link:
        return codec.loads_link(body)
