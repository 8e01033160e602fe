"""The control bucket of one job: create-only records, in the Region of the job's destination.

`create` is the protocol's only way to write here (but for the marker of open jobs, which is a mere index), so every
record is written once and says for ever what it said. Key layout, all under `jobs/<job id>/`:

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
    """What `create` found: the record that is there now, and whether it is one's own."""

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
        """Publish a record unless one is there. Whatever the answer, GET decides: the record carries a nonce, so one's
        own is recognised even if its answer was lost. Raises Retry if the bucket can't be reached."""
        for _ in range(LOOKS_AFTER_LOST_ANSWER):
            try:
                self.env.store.create(self.bucket, key, body)
                return Made(True, body)
            except (PreconditionFailed, Retry):
                # 412: somebody's record is there, perhaps our own (a retry below us, a lost answer).
                # 409, timeout, 5xx: perhaps it was written. Nothing there -> it was not: try again.
                there = self.env.store.get(self.bucket, key)
                if there is not None:
                    return Made(there == body, there)
        raise Retry("ControlBucketUnreachable", f"{key} could neither be written nor read")

    def get(self, key: str) -> bytes | None:
        return self.env.store.get(self.bucket, key)

    def list_all(self, prefix: str, start_after: str = "", limit: int | None = None) -> list[ObjectFacts]:
        """Every record under a prefix (up to `limit`), strongly consistent."""
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
        """Put a plan on the same list, under a name of its own: whoever takes it off late, when it is planned, does not
        take off the job that it has become meanwhile."""
        self.create(f"open/{job_id}{PLAN_MARK}", b"")

    def close_plan(self, job_id: str) -> None:
        self.env.store.delete(self.bucket, f"open/{job_id}{PLAN_MARK}")

    def open_jobs(self, start_after: str = "", limit: int = 1000) -> list[str]:
        """Names on the list, in their order: job ids, and those of plans with PLAN_MARK."""
        page = self.env.store.list(
            self.bucket, "open/", start_after=f"open/{start_after}" if start_after else "", limit=limit
        )
        return [facts.key.removeprefix("open/") for facts in page.objects]

    def job(self, job_id: str) -> "JobRecords":
        return JobRecords(self, job_id)

    # --- the register of uploads ------------------------------------------------------------------------------

    def register(self, object_id: str) -> dict[int, Registration]:
        """All generations of an object, from ONE LIST: what appears later is not in it, so the next generation that
        follows from it is fixed before anything the caller does next."""
        generations: dict[int, Registration] = {}
        for facts in self.list_all(f"reg/{object_id}/"):
            body = self.get(facts.key)
            if body is None:
                raise NotFound("RecordVanished", facts.key)
            generations[int(facts.key.rsplit("/", 1)[1])] = codec.loads(body, Registration)
        return generations

    def registered(self, object_id: str, generation: int, registration: Registration) -> bool:
        """Fill a generation; False if another record holds it."""
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
        """Accept the job, or learn what was accepted under its id before."""
        made = self.control.create(self._key("spec"), codec.dumps(spec))
        return spec if made.won else codec.loads(made.body, JobSpec)

    def spec(self) -> JobSpec | None:
        return self._read("spec", JobSpec)

    def keep_keys(self, digest: str, body: bytes) -> str:
        """Keep the list that a request brought along; returns under which key."""
        key = self._key(f"keys/{digest}")
        self.control.create(key, body)
        return key

    def accepted_ms(self) -> int:
        """When the job was accepted, by the time of S3 in its destination's Region."""
        head = self.control.env.store.head(self.control.bucket, self._key("spec"))
        if head is None:
            raise NotFound("RecordVanished", self._key("spec"))
        return head.facts.last_modified_ms

    def create_link(self, link: Link) -> Link:
        """Append a link to its range's chain, or learn which link is there."""
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
        """The links of its chain, to which rows set aside don't belong."""
        return [part for part in self._of_range(range_id) if not is_aside(part)]

    def asides_of_range(self, range_id: str) -> list[str]:
        return [part for part in self._of_range(range_id) if is_aside(part)]

    def _of_range(self, range_id: str) -> list[str]:
        prefix = self._key(f"manifest/{range_id}-")
        return [facts.key.rsplit("/", 1)[1] for facts in self.control.list_all(prefix)]

    def links_from(self, part: str) -> Iterator[Link]:
        """Every link from `part` on ("" = from the first), in the order of their names, read as needed."""
        names = [facts.key for facts in self.control.list_all(self._key("manifest/"))]
        for name in names:
            if name.rsplit("/", 1)[1] >= part and (link := self.link(name.rsplit("/", 1)[1])) is not None:
                yield link

    def links_after(self, part: str) -> Iterator[Link]:
        """Every link after `part` ("" = all), in the order of their names; names and links are read as needed."""
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
        """Somebody works on the partition, or has."""
        return self._there(f"claim/{part}/{1:06d}")

    def highest_claim(self, part: str) -> int:
        """0 if nobody has claimed the partition yet."""
        facts = self.control.list_all(self._key(f"claim/{part}/"))
        return max((int(f.key.rsplit("/", 1)[1]) for f in facts), default=0)

    def create_tried(self, tried: Tried) -> None:
        # The key holds the epoch, which is one worker's: nobody else writes it.
        self.control.create(self._key(f"tried/{tried.part}/{tried.epoch:06d}"), codec.dumps(tried))

    def tried(self, part: str) -> Tried | None:
        """What the last round in vain left: it adds up those before it. None if there was none."""
        facts = self.control.list_all(self._key(f"tried/{part}/"))
        body = self.control.get(max(f.key for f in facts)) if facts else None
        return None if body is None else codec.loads(body, Tried)

    def create_waited(self, waited: Waited) -> None:
        # Two who count the same round at once count it once.
        self.control.create(self._key(f"waits/{waited.subject}/{waited.number:06d}"), codec.dumps(waited))

    def waited(self, subject: str) -> Waited | None:
        """The last look in vain that was noted; None if there was none."""
        facts = self.control.list_all(self._key(f"waits/{subject}/"))
        body = self.control.get(max(f.key for f in facts)) if facts else None
        return None if body is None else codec.loads(body, Waited)

    def create_copied(self, record: CopyRecord) -> None:
        # The key holds the epoch, which is one worker's: nobody else writes it.
        self.control.create(self._key(f"copied/{record.part}/{record.epoch:06d}"), codec.dumps(record))

    def copied(self, part: str) -> CopyRecord | None:
        """A copy record of the partition, of the first epoch where there is one (mostly), else of the last: each of
        them tells the truth about every row."""
        first = self._read(f"copied/{part}/{1:06d}", CopyRecord)
        if first is not None:
            return first
        facts = self.control.list_all(self._key(f"copied/{part}/"))
        body = self.control.get(max(f.key for f in facts)) if facts else None
        return None if body is None else codec.loads(body, CopyRecord)

    def finished(self, part: str) -> bool:
        """A claimed partition is copied or receipted. Mostly one HEAD; a LIST only if it has changed hands."""
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
        """The partitions that have a receipt, from after `part` ("" = from the first), in their order, which is LIST's.
        Read a page at a time."""
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
        """Receipted, and so are the rows that were set aside from it."""
        aside = aside_of(part)
        return self.done(part) and (not self.has_link(aside) or self.done(aside))

    def create_cancel(self, cancel: Cancel) -> None:
        self.control.create(self._key("cancel"), codec.dumps(cancel))

    def create_intent(self, intent: Intent) -> bool:
        return self.control.create(self._key(f"intent/{intent.number:06d}"), codec.dumps(intent)).won

    def intents(self, *, planned_first: bool = False) -> Intents:
        """What is wanted of the job now. Two HEADs for one that was never paused; a LIST more for one that was; and a
        HEAD more for one that was planned first."""
        approved = approval_of(planned_first=planned_first, given=planned_first and self._there("approved"))
        if self._there("cancel"):
            return Intents(cancelled=True, approved=approved)
        if not self._there(f"intent/{1:06d}"):
            return Intents(approved=approved)
        numbers = (int(facts.key.rsplit("/", 1)[1]) for facts in self.control.list_all(self._key("intent/")))
        return Intents(max(numbers), approved=approved)

    def create_summary(self, summary: PlanSummary) -> PlanSummary:
        """Say what a plan comes to, or learn who was first: all say the same."""
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
        """Everything the job has, by name: one LIST a thousand records. With a limit, the first ones: since manifests
        come after claims, copy records and receipts, a link that is seen is seen with all it has."""
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
        # Who has claimed it since has not ended its round yet.
        resting = {part: rounds[part] for part, epoch in tried.items() if claims.get(part) == epoch}
        return Records(frozenset(links), claims, copied, frozenset(done), intents, ended, planned, resting)

    @staticmethod
    def _link(body: bytes) -> Link:
        return codec.loads_link(body)
