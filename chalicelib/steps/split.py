"""split: looks at a job's source beside its destination and appends manifests to the range's chain.

Links are create-only and each says where the next one begins, so splitters need no lease: two of them at once, or one
after the other's death, build one and the same chain.
"""

from dataclasses import dataclass, replace

from chalicelib.core import ids, keyrange
from chalicelib.core.admission import heads
from chalicelib.core.deletions import NOT_ALL_DELIVERED, NOTHING
from chalicelib.core.errors import Denied, NoSuchBucket, Permanent
from chalicelib.core.filters import Sieve
from chalicelib.core.model import Fork, JobKind, JobSpec, Link, Manifest, Method, ObjectFacts
from chalicelib.core.plan import target_key
from chalicelib.core.planned import totals_with
from chalicelib.core.policy import LIST_PAGE_KEYS
from chalicelib.core.prefixes import is_folder
from chalicelib.core.progress import PlanProgress
from chalicelib.core.settle import CANCELLED
from chalicelib.core.totals import Totals
from chalicelib.ports import Env, QueueName, Wake
from chalicelib.protocol.admission import Line
from chalicelib.protocol.deletions import cut_deletions, delivered, end_of_chain, keep_all
from chalicelib.protocol.intents import Lookout
from chalicelib.protocol.listing import cut_list
from chalicelib.protocol.patience import with_patience
from chalicelib.protocol.planning import Cut, plan_rows
from chalicelib.protocol.receipts import receipt_of
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.retrying import cut_retry
from chalicelib.protocol.settling import settle_if_due
from chalicelib.protocol.summing import sum_up_if_due
from chalicelib.protocol.table import tell

RESERVE_MS = 30_000
PAGES_PER_LINK = 20
"""How many pages are listed for one manifest, where a filter leaves little of them."""


def run(env: Env, job_id: str, control_region: str, range_id: str, deadline_ms: int, *, rested: int = 0) -> None:
    """Go on with a range's chain until it is closed, forked, or this invocation's time is used up."""
    records = ControlRecords(env, control_region).job(job_id)
    spec = records.spec()
    if spec is None:
        env.log("split-unknown-job", job=job_id)
        return
    if spec.kind is JobKind.FEED or records.terminal() is not None:
        return
    lookout = Lookout.begin(env, records, planned_first=spec.planned_first)
    if lookout.intents.cancelled:
        _cancel_range(env, records, spec, range_id or ids.ROOT_RANGE)
        if spec.deletion is not None:
            # Also before it has begun: so it never does, whoever is asleep between a look and its first link.
            _cancel_range(env, records, spec, ids.DELETE_RANGE)
        settle_if_due(env, records, spec)
        return
    bounds = _bounds(records, range_id or ids.ROOT_RANGE)
    if bounds is None:
        # The sweep can't see in names whether a range was forked: it wakes the halves that there may be.
        env.log("split-no-such-range", job=job_id, range=range_id)
        return
    chain = _Chain.read(env, records, spec, range_id or ids.ROOT_RANGE, bounds)
    if chain.deletes and not chain.links and not _begin_deletions(env, chain):
        return
    sieve = Sieve.of(spec.filters)
    links = 0
    while not chain.ended:
        if lookout.look().paused:
            # The message is dropped: whoever resumes the job, or the sweep that sees it resumed, wakes all ranges.
            env.log("split-paused", job=job_id, range=range_id)
            return
        out_of_time = env.clock.now_ms() >= deadline_ms - RESERVE_MS
        if links >= env.policy.split_links_per_run or out_of_time:
            may_fork = spec.kind is JobKind.PREFIX and not chain.deletes and links >= env.policy.split_links_per_run
            _hand_over(env, chain, may_fork=may_fork)
            break
        link = _next_manifest_in_time(env, spec, chain, sieve, rested)
        if link is None:
            break
        chain.append(link)
        links += 1
    if chain.deletes and chain.ended:
        _conclude_deletions(env, chain, deadline_ms, wake=links > 0)
    if lookout.intents.unapproved:
        # Approved meanwhile: then it had been summed up, and this does nothing.
        sum_up_if_due(env, records, spec)
    else:
        settle_if_due(env, records, spec)


def _cancel_range(env: Env, records: JobRecords, spec: JobSpec, range_id: str) -> None:
    """Plan no further: close the range and its halves where they stand, and wake copy to decide what was planned: the
    first of each line, of whom each wakes the next as ever."""
    bounds = _bounds(records, range_id)
    if bounds is None:
        return
    chain = _Chain.read(env, records, spec, range_id, bounds)
    planned = chain.links - chain.forked
    while not chain.ended:
        # Lost to another splitter's link: then go on from that one.
        chain.append(chain.manifest(Cut((), chain.end, last=True, error=CANCELLED)))
    for half in "01" if chain.forked else "":
        _cancel_range(env, records, spec, f"{range_id}{half}")
    # Crash before this: the sweep sees partitions that nobody decides, and wakes copy.
    line = Line(env, records, spec)
    waiting = _undecided(records, range_id, planned, line.ahead(range_id)) + records.asides_of_range(range_id)
    env.queue.send([line.wake(part) for part in waiting])


def _undecided(records: JobRecords, range_id: str, planned: int, lines: int) -> list[str]:
    """The first partition without a receipt of each of a range's lines."""
    found: dict[int, str] = {}
    for ordinal in range(1, planned + 1):
        part = ids.part_id(range_id, ordinal)
        if ordinal % lines not in found and not records.done(part):
            found[ordinal % lines] = part
        if len(found) == lines:
            break
    return list(found.values())


def _begin_deletions(env: Env, chain: "_Chain") -> bool:
    """May the chain of deletions begin? Only when all is delivered; if all is receipted and some of it is not, the
    chain ends with its first link, which says so."""
    found = delivered(env, chain.records) if chain.spec.deletion is not None else None
    if found is None:
        # Not yet: who receipts the last partition sends another message, or the sweep does.
        env.log("split-deletions-not-yet", job=chain.spec.job_id)
        return False
    if not found.all_delivered:
        chain.append(chain.manifest(Cut((), "", last=True, error=NOT_ALL_DELIVERED)))
    return True


def _conclude_deletions(env: Env, chain: "_Chain", deadline_ms: int, *, wake: bool) -> None:
    """The whole chain is planned, and its last link says whether any of it may be carried out: have that done."""
    end = end_of_chain(chain.records)
    assert end is not None, "asked only of a chain that has ended"
    if end.error and not keep_all(env, chain.records, end, deadline_ms - RESERVE_MS):
        _hand_over(env, chain, may_fork=False)
    elif not end.error and wake:
        # Crash before this: the sweep sees partitions that nobody works on, and wakes copy.
        line = Line(env, chain.records, chain.spec)
        parts = heads(chain.records.links_of_range(ids.DELETE_RANGE), line.ahead)
        env.queue.send([line.wake(part, fresh=True) for part in parts])


def _hand_over(env: Env, chain: "_Chain", *, may_fork: bool) -> None:
    """Leave the rest to further invocations: two of them side by side where the range can be divided."""
    middle = _find_middle(env, chain) if may_fork else None
    if middle is None:
        env.queue.send([Wake.of(chain.spec, QueueName.SPLIT, chain.range_id)])
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
    """A key bound that leaves keys on both sides of it, or None. Some LISTs of one key."""

    def first_above(bound: str) -> str | None:
        found = env.store.list(chain.spec.source.bucket, chain.spec.source_prefix, start_after=bound, limit=1).objects
        return found[0].key if found and (not chain.end or found[0].key <= chain.end) else None

    first = first_above(chain.cursor)
    return None if first is None else keyrange.divide(first, lambda bound: first_above(bound) is not None)


def _next_manifest_in_time(env: Env, spec: JobSpec, chain: "_Chain", sieve: Sieve, rested: int) -> Manifest | None:
    """The same, also where one object never answers: its row fails when it has been waited for. None: it waits."""
    wake = replace(Wake.of(spec, QueueName.SPLIT, chain.range_id), rested=rested)
    return with_patience(
        env,
        chain.records,
        spec,
        f"split-{chain.next_part}",
        wake,
        lambda seeing: _next_manifest(seeing, spec, chain, sieve),
    )


def _next_manifest(env: Env, spec: JobSpec, chain: "_Chain", sieve: Sieve) -> Manifest:
    """What follows on the chain's last link: look at it on both sides, and plan each row."""
    try:
        if spec.kind is JobKind.RETRY:
            return chain.manifest(cut_retry(env, spec, chain.cursor))
        if spec.listed is not None:
            return chain.manifest(cut_list(env, spec, chain.cursor))
        if chain.deletes:
            return chain.manifest(cut_deletions(env, spec, sieve, chain.cursor, chain.rows))
        return chain.manifest(_cut_listing(env, spec, chain, sieve))
    except (Denied, NoSuchBucket, Permanent) as error:
        # It can't be listed, and trying again won't help: the range ends here, and the job says why.
        side = f"source {spec.source.id!r} or target {spec.target.id!r}"
        why = f"{NOTHING}: can't list" if chain.deletes else "can't list"
        return chain.manifest(Cut((), chain.end, last=True, error=f"{why} {side}: {error}"))


def _cut_listing(env: Env, spec: JobSpec, chain: "_Chain", sieve: Sieve) -> Cut:
    """One page of the source; where a filter leaves little of it, further ones. A link without rows is written after so
    many: it keeps the place, so that neither a crash nor a filter that nothing passes makes the listing begin anew."""
    limit = min(env.policy.partition_rows, LIST_PAGE_KEYS)
    meant: list[ObjectFacts] = []
    dropped: list[str] = []
    cursor, last = chain.cursor, False
    for _ in range(PAGES_PER_LINK):
        page = env.store.list(spec.source.bucket, spec.source_prefix, start_after=cursor, limit=limit - len(meant))
        objects = [facts for facts in page.objects if not chain.end or facts.key <= chain.end]
        for facts in objects:
            if sieve.passes(facts.key.removeprefix(spec.source_prefix), facts):
                meant.append(facts)
            else:
                dropped.append(facts.key)
        last = not page.truncated or len(objects) < len(page.objects)
        cursor = objects[-1].key if objects else chain.end
        if last or not dropped or 2 * len(meant) > limit:
            break
    taken = _within_bytes(meant, env.policy.partition_bytes)
    if len(taken) < len(meant):
        cursor, last = taken[-1].key, False
        dropped = [key for key in dropped if key < cursor]
    named = [facts for facts in taken if not _is_own_marker(spec, facts)]
    return Cut(plan_rows(env, spec, named, chain.cursor), cursor, last, len(dropped))


def _is_own_marker(spec: JobSpec, facts: ObjectFacts) -> bool:
    """The folder marker of the source prefix itself has no counterpart below an empty target prefix. Anything else
    whose key is just that prefix is somebody's object, and a row."""
    nameless = not target_key(facts.key, spec.source_prefix, spec.target_prefix)
    return nameless and facts.size == 0 and is_folder(spec.source_prefix)


def _within_bytes(objects: list[ObjectFacts], limit: int) -> list[ObjectFacts]:
    """The first objects of at most `limit` bytes in all, but at least one."""
    total = 0
    for index, facts in enumerate(objects):
        total += facts.size
        if total > limit and index > 0:
            return objects[:index]
    return objects


@dataclass(slots=True)
class _Chain:
    """The chain of one range of keys (after, end], and where its next link begins."""

    env: Env
    records: JobRecords
    spec: JobSpec
    range_id: str
    cursor: str
    end: str
    """"" = to the end of the prefix. Only prefixes have ranges: what was named is one chain, and its cursors are not
    keys (`Cut.upto`). Those of the chain of deletions are the target's keys."""
    links: int = 0
    rows: int = 0
    bytes: int = 0
    ended: bool = False
    forked: bool = False
    totals: Totals | None = None
    """Of a plan."""

    @classmethod
    def read(cls, env: Env, records: JobRecords, spec: JobSpec, range_id: str, bounds: tuple[str, str]) -> "_Chain":
        """As far as it has been built."""
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
        """Write the link, or go on from the one that another splitter has written there."""
        there = self.records.create_link(link)
        # Crash here: a link nobody was woken for. The sweep sees it stand unclaimed and wakes copy (or split).
        self._move_to(there)
        self._report()
        if there != link:
            return  # The winner wakes its own.
        line = Line(self.env, self.records, self.spec)
        if isinstance(link, Fork):
            self.env.queue.send([Wake.of(self.spec, QueueName.SPLIT, f"{self.range_id}{side}") for side in "01"])
        elif self.deletes and link.rows:
            return  # Not before the whole chain is planned.
        elif all(row.method is Method.NONE for row in link.rows):
            self._receipt_at_once(link)
            if not self.spec.planned_first:
                line.pass_over(link)
        elif self.spec.planned_first:
            return  # Whoever approves it wakes copy; until then nobody would be let to.
        elif line.is_due(link.part):
            self.env.queue.send([line.wake(link.part, fresh=True)])

    def _receipt_at_once(self, manifest: Manifest) -> None:
        """Every row was decided by looking at both sides: there is nothing to copy, and nothing more to verify."""
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
    """A range's (after, end], from the fork that made it. None if there was no such fork."""
    if range_id in (ids.ROOT_RANGE, ids.DELETE_RANGE):
        return "", ""
    parent = records.links_of_range(range_id[:-1])
    fork = records.link(parent[-1]) if parent else None
    if not isinstance(fork, Fork):
        return None
    return (fork.after, fork.middle) if range_id.endswith("0") else (fork.middle, fork.upto)
