"""The split step compares a job's source with its destination, and appends manifests to the manifest log of a range of
keys.

Entries of the log are create-only, and each says where the next one begins. So splitters need no lease: two of them at
once, or one after another's death, build the same log.
"""

from dataclasses import dataclass

from chalicelib.core import ids, keyrange
from chalicelib.core.admission import heads
from chalicelib.core.deletions import NOT_ALL_DELIVERED, NOTHING
from chalicelib.core.errors import Denied, NoSuchBucket, Permanent
from chalicelib.core.filters import Sieve
from chalicelib.core.model import Fork, JobKind, JobSpec, Link, Manifest, Method
from chalicelib.core.planned import totals_with
from chalicelib.core.progress import PlanProgress
from chalicelib.core.settle import CANCELLED
from chalicelib.core.totals import Totals
from chalicelib.ports import CopyPartition, Env, PlanRange
from chalicelib.protocol.admission import Line
from chalicelib.protocol.deletions import cut_deletions, delivered, end_of_chain, keep_all
from chalicelib.protocol.intents import Lookout
from chalicelib.protocol.listing import cut_list
from chalicelib.protocol.patience import with_patience
from chalicelib.protocol.planning import Cut
from chalicelib.protocol.prefix_source import cut_prefix
from chalicelib.protocol.receipts import receipt_of
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.retrying import cut_retry
from chalicelib.protocol.settling import settle_if_due
from chalicelib.protocol.summing import sum_up_if_due
from chalicelib.protocol.table import tell

RESERVE_MS = 30_000


def run(env: Env, task: PlanRange, deadline_ms: int) -> None:
    """Extend the manifest log of a range until it is complete, ends in a range split, or this invocation's time is used
    up."""
    records = ControlRecords(env, task.control_region).job(task.job_id)
    spec = records.spec()
    if spec is None:
        env.log("split-unknown-job", job=task.job_id)
        return
    if spec.kind is JobKind.FEED or records.terminal() is not None:
        return
    lookout = Lookout.begin(env, records, planned_first=spec.planned_first)
    if lookout.intents.cancelled:
        _cancel(env, records, spec, task.range_id)
        settle_if_due(env, records, spec)
        return
    chain = _read_chain(env, records, spec, task.range_id)
    if chain is None or not _extend(env, chain, lookout, task, deadline_ms):
        return
    if lookout.intents.unapproved:
        # If the plan was approved in the meantime, it had been summed up before, and this does nothing.
        sum_up_if_due(env, records, spec)
    else:
        settle_if_due(env, records, spec)


def _read_chain(env: Env, records: JobRecords, spec: JobSpec, range_id: str) -> "_Chain | None":
    """Read the manifest log of a range. Return None if the log must not be extended: there is no such range, or
    deletions may not begin yet."""
    bounds = _bounds(records, range_id)
    if bounds is None:
        # The sweep can't tell from names whether a range was split, so it sends messages for halves that may not exist.
        env.log("split-no-such-range", job=spec.job_id, range=range_id)
        return None
    chain = _Chain.read(env, records, spec, range_id, bounds)
    if chain.deletes and not chain.links and not _begin_deletions(env, chain):
        return None
    return chain


def _extend(env: Env, chain: "_Chain", lookout: Lookout, task: PlanRange, deadline_ms: int) -> bool:
    """Extend the log until it is complete, waits for an object that doesn't answer, or this invocation has done its
    share. Return False if the job is paused."""
    sieve = Sieve.of(chain.spec.filters)
    links_before = chain.links
    while not chain.ended:
        if lookout.look().paused:
            # Drop the message. The request that resumes the job starts all ranges, or the sweep that sees the job
            # resumed does.
            env.log("split-paused", job=chain.spec.job_id, range=chain.range_id)
            return False
        out_of_time = env.clock.now_ms() >= deadline_ms - RESERVE_MS
        has_done_its_share = chain.links - links_before >= env.policy.split_links_per_run
        if has_done_its_share or out_of_time:
            may_fork = chain.spec.kind is JobKind.PREFIX and not chain.deletes and has_done_its_share
            _hand_over(env, chain, may_fork=may_fork)
            break
        manifest = _next_manifest_in_time(env, chain, sieve, task)
        if manifest is None:
            break
        chain.append(manifest)
    if chain.deletes and chain.ended:
        _conclude_deletions(env, chain, deadline_ms, extended=chain.links > links_before)
    return True


def _cancel(env: Env, records: JobRecords, spec: JobSpec, range_id: str) -> None:
    """Plan no further, neither in this range nor in the deletion log."""
    _cancel_range(env, records, spec, range_id)
    if spec.deletion is not None:
        # Do this even if the deletion log has not begun. Then it never begins, even if another splitter sleeps between
        # its look and its first entry.
        _cancel_range(env, records, spec, ids.DELETE_RANGE)


def _cancel_range(env: Env, records: JobRecords, spec: JobSpec, range_id: str) -> None:
    """Plan no further: end the manifest log of a range and of its halves where they stand. Then start copy to decide
    the planned partitions: the first of each lane, since each partition starts the next one as usual."""
    bounds = _bounds(records, range_id)
    if bounds is None:
        return
    chain = _Chain.read(env, records, spec, range_id, bounds)
    planned = chain.links - chain.forked
    while not chain.ended:
        # If another splitter's entry is there already, continue after that one.
        chain.append(chain.manifest(Cut((), chain.end, last=True, error=CANCELLED)))
    for half in "01" if chain.forked else "":
        _cancel_range(env, records, spec, f"{range_id}{half}")
    # Crash before this: the sweep sees partitions that nobody decides, and starts copy.
    ahead = Line(env, records, spec).ahead(range_id)
    waiting = _undecided(records, range_id, planned, ahead) + records.asides_of_range(range_id)
    env.queue.send([CopyPartition.of(spec, part) for part in waiting])


def _undecided(records: JobRecords, range_id: str, planned: int, lines: int) -> list[str]:
    """Return, for each lane of a range, the first partition without a receipt."""
    found: dict[int, str] = {}
    for ordinal in range(1, planned + 1):
        part = ids.part_id(range_id, ordinal)
        if ordinal % lines not in found and not records.done(part):
            found[ordinal % lines] = part
        if len(found) == lines:
            break
    return list(found.values())


def _begin_deletions(env: Env, chain: "_Chain") -> bool:
    """Return whether the deletion log may be extended, which requires that everything is delivered. If every row has
    its receipt but some object was not delivered, append a single entry that says so and ends the log."""
    found = delivered(env, chain.records) if chain.spec.deletion is not None else None
    if found is None:
        # Not yet. The worker that writes the last receipt sends another message, or the sweep does.
        env.log("split-deletions-not-yet", job=chain.spec.job_id)
        return False
    if not found.all_delivered:
        chain.append(chain.manifest(Cut((), "", last=True, error=NOT_ALL_DELIVERED)))
    return True


def _conclude_deletions(env: Env, chain: "_Chain", deadline_ms: int, *, extended: bool) -> None:
    """Act on a complete deletion log. Its last entry says whether any deletion may be carried out: if so, and if this
    invocation has extended the log, start copy for all partitions. Otherwise write their receipts as KEPT."""
    end = end_of_chain(chain.records)
    assert end is not None, "asked only of a chain that has ended"
    if end.error and not keep_all(env, chain.records, end, deadline_ms - RESERVE_MS):
        _hand_over(env, chain, may_fork=False)
    elif not end.error and extended:
        # Crash before this: the sweep sees partitions that nobody works on, and starts copy.
        line = Line(env, chain.records, chain.spec)
        parts = heads(chain.records.links_of_range(ids.DELETE_RANGE), line.ahead)
        env.queue.send([CopyPartition.of(chain.spec, part, fresh=True) for part in parts])


def _hand_over(env: Env, chain: "_Chain", *, may_fork: bool) -> None:
    """Leave the rest of the range to further invocations: two in parallel if the range can be split, else one."""
    middle = _find_middle(env, chain) if may_fork else None
    if middle is None:
        env.queue.send([PlanRange.of(chain.spec, chain.range_id)])
        return
    chain.append(
        Fork(
            job_id=chain.spec.job_id,
            part=chain.next_part,
            after=chain.cursor,
            middle=middle,
            upto=chain.end,
            rows_before=chain.rows,
            bytes_before=chain.bytes,
            region=env.region,
            nonce=env.ids.nonce(),
            totals_before=chain.totals,
        )
    )


def _find_middle(env: Env, chain: "_Chain") -> str | None:
    """Return a key bound that has keys on both sides of it, or None. This costs some LISTs of one key each."""

    def first_above(bound: str) -> str | None:
        found = env.store.list(chain.spec.source.bucket, chain.spec.source_prefix, start_after=bound, limit=1).objects
        return found[0].key if found and (not chain.end or found[0].key <= chain.end) else None

    first = first_above(chain.cursor)
    return None if first is None else keyrange.divide(first, lambda bound: first_above(bound) is not None)


def _next_manifest_in_time(env: Env, chain: "_Chain", sieve: Sieve, task: PlanRange) -> Manifest | None:
    """Return the next manifest as `_next_manifest` does, even if one object never answers: its row fails when its retry
    budget is used up. Return None while the range waits for such an object."""
    return with_patience(
        env,
        chain.records,
        chain.spec,
        f"split-{chain.next_part}",
        task,
        lambda seeing: _next_manifest(seeing, chain, sieve),
    )


def _next_manifest(env: Env, chain: "_Chain", sieve: Sieve) -> Manifest:
    """Plan the rows that follow the log's last entry. Look at their objects on both sides."""
    spec = chain.spec
    try:
        if spec.kind is JobKind.RETRY:
            return chain.manifest(cut_retry(env, spec, chain.cursor))
        if spec.listed is not None:
            return chain.manifest(cut_list(env, spec, chain.cursor))
        if chain.deletes:
            return chain.manifest(cut_deletions(env, spec, sieve, chain.cursor, chain.rows))
        return chain.manifest(cut_prefix(env, spec, sieve, chain.cursor, chain.end))
    except (Denied, NoSuchBucket, Permanent) as error:
        # The bucket can't be listed, and a retry won't help. The range ends here, and the job says why.
        side = f"source {spec.source.id!r} or target {spec.target.id!r}"
        why = f"{NOTHING}: can't list" if chain.deletes else "can't list"
        return chain.manifest(Cut((), chain.end, last=True, error=f"{why} {side}: {error}"))


@dataclass(slots=True)
class _Chain:
    """The manifest log of one range of keys (after, end], and the position at which its next entry begins."""

    env: Env
    records: JobRecords
    spec: JobSpec
    range_id: str
    cursor: str
    end: str
    """The last key of the range; an empty string means the end of the prefix. Only jobs of a prefix have several
    ranges. Objects that were named form a single log, and its cursors are not keys (`Cut.upto`). Cursors of the
    deletion log are keys of the target."""
    links: int = 0
    rows: int = 0
    bytes: int = 0
    ended: bool = False
    forked: bool = False
    totals: Totals | None = None
    """Totals so far, for a plan; else None."""

    @classmethod
    def read(cls, env: Env, records: JobRecords, spec: JobSpec, range_id: str, bounds: tuple[str, str]) -> "_Chain":
        """Read the log as far as it has been written."""
        chain = cls(env, records, spec, range_id, *bounds)
        parts = records.links_of_range(range_id)
        if parts:
            link = records.link(parts[-1])
            assert link is not None, "a link is never removed while its job is open"
            chain._move_to(link)
            chain._report()
        return chain

    @property
    def deletes(self) -> bool:
        return self.range_id == ids.DELETE_RANGE

    @property
    def next_part(self) -> str:
        return ids.part_id(self.range_id, self.links + 1)

    def manifest(self, cut: Cut) -> Manifest:
        return Manifest(
            job_id=self.spec.job_id,
            part=self.next_part,
            after=self.cursor,
            upto=cut.upto,
            last=cut.last,
            rows=cut.rows,
            rows_before=self.rows,
            bytes_before=self.bytes,
            region=self.env.region,
            nonce=self.env.ids.nonce(),
            error=cut.error,
            filtered=cut.filtered,
            totals_before=self.totals,
        )

    def append(self, link: Link) -> None:
        """Write the next entry, or adopt the one that another splitter has written there. Start the steps that go on
        from it."""
        there = self.records.create_link(link)
        # Crash here: the entry is written, and no step was started for it. The sweep sees that nobody claims it, and
        # starts copy (or split).
        self._move_to(there)
        self._report()
        if there != link:
            return  # The splitter that wrote the entry sends the messages.
        line = Line(self.env, self.records, self.spec)
        if isinstance(link, Fork):
            self.env.queue.send([PlanRange.of(self.spec, f"{self.range_id}{side}") for side in "01"])
        elif self.deletes and link.rows:
            return  # Copy is started when the whole deletion log is planned.
        elif all(row.method is Method.NONE for row in link.rows):
            self._receipt_at_once(link)
            if not self.spec.planned_first:
                line.pass_over(link)
        elif self.spec.planned_first:
            return  # The request that approves the plan starts copy, which refuses to work before that.
        elif line.is_due(link.part):
            self.env.queue.send([CopyPartition.of(self.spec, link.part, fresh=True)])

    def _receipt_at_once(self, manifest: Manifest) -> None:
        """Write the receipt of a partition whose rows were all decided by looking at both sides. Nothing is to be
        copied or verified."""
        now = self.env.clock.now_ms()
        outcomes = tuple(row.decided for row in manifest.rows if row.decided is not None)
        receipt = receipt_of(self.env, self.records, manifest, outcomes, started_ms=now)
        self.env.log("partition-unchanged", job=self.spec.job_id, part=manifest.part, rows=len(receipt.rows))

    def _move_to(self, link: Link) -> None:
        _, self.links = ids.split_part_id(link.part)
        self.rows, self.bytes = link.rows_before, link.bytes_before
        if self.spec.planned_first:
            self.totals = totals_with(link, self.spec, self.env.policy)
        if isinstance(link, Fork):
            self.ended = self.forked = True
            return
        self.rows += len(link.rows)
        self.bytes += link.bytes_total
        self.cursor, self.ended = link.upto, link.last

    def _report(self) -> None:
        plan = PlanProgress(
            self.spec.job_id,
            self.range_id,
            self.env.region,
            self.links,
            self.rows,
            self.bytes,
            self.ended,
            self.forked,
        )
        tell(self.env, self.env.ledger.put_plan, plan)


def _bounds(records: JobRecords, range_id: str) -> tuple[str, str] | None:
    """Return the bounds (after, end] of a range, from the range split that made it. Return None if no range split made
    it."""
    if range_id in (ids.ROOT_RANGE, ids.DELETE_RANGE):
        return "", ""
    parent = records.links_of_range(range_id[:-1])
    fork = records.link(parent[-1]) if parent else None
    if not isinstance(fork, Fork):
        return None
    return (fork.after, fork.middle) if range_id.endswith("0") else (fork.middle, fork.upto)
