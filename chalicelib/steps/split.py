"""The split step compares a job's source with its destination, and appends manifests to the manifest log of a range of
keys.

Entries of the log are create-only, and each says where the next one begins. So splitters need no lease: two of them at
once, or one after another's death, build the same log.
"""

from dataclasses import dataclass

from chalicelib.core import ids, keyrange
from chalicelib.core.admission import first_of_each_lane
from chalicelib.core.deletions import NOT_ALL_DELIVERED, NOTHING
from chalicelib.core.errors import Denied, NoSuchBucket, Permanent
from chalicelib.core.filters import ObjectFilter
from chalicelib.core.jobs import JobKind, JobSpec
from chalicelib.core.manifests import LogEntry, Manifest, RangeSplit
from chalicelib.core.planned import totals_with
from chalicelib.core.progress import PlanProgress
from chalicelib.core.rows import Method
from chalicelib.core.settle import CANCELLED
from chalicelib.core.totals import Totals
from chalicelib.ports import CopyPartition, Env, PlanRange
from chalicelib.protocol.admission import Lanes
from chalicelib.protocol.deletions import cut_deletions, delivered, keep_all, last_manifest
from chalicelib.protocol.desired_state import Lookout
from chalicelib.protocol.listing import cut_list
from chalicelib.protocol.planning import Cut
from chalicelib.protocol.prefix_source import cut_prefix
from chalicelib.protocol.receipts import receipt_of
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.retry_budget import with_retry_budget
from chalicelib.protocol.retrying import cut_retry
from chalicelib.protocol.settling import settle_if_due
from chalicelib.protocol.summing import sum_up_if_due
from chalicelib.protocol.table import put_best_effort

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
    if lookout.desired_state.cancelled:
        _cancel(env, records, spec, task.range_id)
        settle_if_due(env, records, spec)
        return
    log = _read_manifest_log(env, records, spec, task.range_id)
    if log is None or not _extend(env, log, lookout, task, deadline_ms):
        return
    if lookout.desired_state.unapproved:
        # If the plan was approved in the meantime, it had been summed up before, and this does nothing.
        sum_up_if_due(env, records, spec)
    else:
        settle_if_due(env, records, spec)


def _read_manifest_log(env: Env, records: JobRecords, spec: JobSpec, range_id: str) -> "_ManifestLog | None":
    """Read the manifest log of a range. Return None if the log must not be extended: there is no such range, or
    deletions may not begin yet."""
    bounds = _bounds(records, range_id)
    if bounds is None:
        # The sweep can't tell from names whether a range was split, so it sends messages for halves that may not exist.
        env.log("split-no-such-range", job=spec.job_id, range=range_id)
        return None
    log = _ManifestLog.read(env, records, spec, range_id, bounds)
    if log.deletes and not log.entries and not _begin_deletions(env, log):
        return None
    return log


def _extend(env: Env, log: "_ManifestLog", lookout: Lookout, task: PlanRange, deadline_ms: int) -> bool:
    """Extend the log until it is complete, waits for an object that doesn't answer, or this invocation has done its
    share. Return False if the job is paused."""
    object_filter = ObjectFilter.of(log.spec.filters)
    entries_before = log.entries
    while not log.ended:
        if lookout.look().paused:
            # Drop the message. The request that resumes the job starts all ranges, or the sweep that sees the job
            # resumed does.
            env.log("split-paused", job=log.spec.job_id, range=log.range_id)
            return False
        out_of_time = env.clock.now_ms() >= deadline_ms - RESERVE_MS
        has_done_its_share = log.entries - entries_before >= env.policy.split_entries_per_run
        if has_done_its_share or out_of_time:
            may_split = log.spec.kind is JobKind.PREFIX and not log.deletes and has_done_its_share
            _hand_over(env, log, may_split=may_split)
            break
        manifest = _next_manifest_in_time(env, log, object_filter, task)
        if manifest is None:
            break
        log.append(manifest)
    if log.deletes and log.ended:
        _conclude_deletions(env, log, deadline_ms, extended=log.entries > entries_before)
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
    log = _ManifestLog.read(env, records, spec, range_id, bounds)
    planned = log.entries - log.is_split
    while not log.ended:
        # If another splitter's entry is there already, continue after that one.
        log.append(log.manifest(Cut((), log.end, last=True, error=CANCELLED)))
    for half in "01" if log.is_split else "":
        _cancel_range(env, records, spec, f"{range_id}{half}")
    # Crash before this: the sweep sees partitions that nobody decides, and starts copy.
    lane_count = Lanes(env, records, spec).ahead(range_id)
    partition_ids = _undecided(records, range_id, planned, lane_count) + records.asides_of_range(range_id)
    env.queue.send([CopyPartition.of(spec, partition_id) for partition_id in partition_ids])


def _undecided(records: JobRecords, range_id: str, planned: int, lane_count: int) -> list[str]:
    """Return, for each lane of a range, the first partition without a receipt."""
    first_of_lane: dict[int, str] = {}
    for ordinal in range(1, planned + 1):
        partition_id = ids.partition_id_of(range_id, ordinal)
        if ordinal % lane_count not in first_of_lane and not records.done(partition_id):
            first_of_lane[ordinal % lane_count] = partition_id
        if len(first_of_lane) == lane_count:
            break
    return list(first_of_lane.values())


def _begin_deletions(env: Env, log: "_ManifestLog") -> bool:
    """Return whether the deletion log may be extended, which requires that everything is delivered. If every row has
    its receipt but some object was not delivered, append a single entry that says so and ends the log."""
    receipt_fold = delivered(env, log.records) if log.spec.deletion is not None else None
    if receipt_fold is None:
        # Not yet. The worker that writes the last receipt sends another message, or the sweep does.
        env.log("split-deletions-not-yet", job=log.spec.job_id)
        return False
    if not receipt_fold.all_delivered:
        log.append(log.manifest(Cut((), "", last=True, error=NOT_ALL_DELIVERED)))
    return True


def _conclude_deletions(env: Env, log: "_ManifestLog", deadline_ms: int, *, extended: bool) -> None:
    """Act on a complete deletion log. Its last entry says whether any deletion may be carried out: if so, and if this
    invocation has extended the log, start copy for all partitions. Otherwise write their receipts as KEPT."""
    last_entry = last_manifest(log.records)
    assert last_entry is not None, "asked only of a manifest log that has ended"
    if last_entry.error and not keep_all(env, log.records, last_entry, deadline_ms - RESERVE_MS):
        _hand_over(env, log, may_split=False)
    elif not last_entry.error and extended:
        # Crash before this: the sweep sees partitions that nobody works on, and starts copy.
        lanes = Lanes(env, log.records, log.spec)
        partition_ids = first_of_each_lane(log.records.entries_of_range(ids.DELETE_RANGE), lanes.ahead)
        env.queue.send([CopyPartition.of(log.spec, partition_id, fresh=True) for partition_id in partition_ids])


def _hand_over(env: Env, log: "_ManifestLog", *, may_split: bool) -> None:
    """Leave the rest of the range to further invocations: two in parallel if the range can be split, else one."""
    middle = _find_middle(env, log) if may_split else None
    if middle is None:
        env.queue.send([PlanRange.of(log.spec, log.range_id)])
        return
    log.append(
        RangeSplit(
            job_id=log.spec.job_id,
            partition_id=log.next_partition_id,
            after=log.cursor,
            middle=middle,
            upto=log.end,
            rows_before=log.rows,
            bytes_before=log.bytes,
            region=env.region,
            nonce=env.ids.nonce(),
            totals_before=log.totals,
        )
    )


def _find_middle(env: Env, log: "_ManifestLog") -> str | None:
    """Return a key bound that has keys on both sides of it, or None. This costs some LISTs of one key each."""

    def first_above(bound: str) -> str | None:
        objects = env.store.list(log.spec.source.bucket, log.spec.source_prefix, start_after=bound, limit=1).objects
        return objects[0].key if objects and (not log.end or objects[0].key <= log.end) else None

    first_key = first_above(log.cursor)
    return None if first_key is None else keyrange.divide(first_key, lambda bound: first_above(bound) is not None)


def _next_manifest_in_time(
    env: Env, log: "_ManifestLog", object_filter: ObjectFilter, task: PlanRange
) -> Manifest | None:
    """Return the next manifest as `_next_manifest` does, even if one object never answers: its row fails when its retry
    budget is used up. Return None while the range waits for such an object."""
    return with_retry_budget(
        env,
        log.records,
        log.spec,
        f"split-{log.next_partition_id}",
        task,
        lambda seeing: _next_manifest(seeing, log, object_filter),
    )


def _next_manifest(env: Env, log: "_ManifestLog", object_filter: ObjectFilter) -> Manifest:
    """Plan the rows that follow the log's last entry. Look at their objects on both sides."""
    spec = log.spec
    try:
        if spec.kind is JobKind.RETRY:
            return log.manifest(cut_retry(env, spec, log.cursor))
        if spec.listed is not None:
            return log.manifest(cut_list(env, spec, log.cursor))
        if log.deletes:
            return log.manifest(cut_deletions(env, spec, object_filter, log.cursor, log.rows))
        return log.manifest(cut_prefix(env, spec, object_filter, log.cursor, log.end))
    except (Denied, NoSuchBucket, Permanent) as error:
        # The bucket can't be listed, and a retry won't help. The range ends here, and the job says why.
        endpoints = f"source {spec.source.id!r} or target {spec.target.id!r}"
        failure = f"{NOTHING}: can't list" if log.deletes else "can't list"
        return log.manifest(Cut((), log.end, last=True, error=f"{failure} {endpoints}: {error}"))


@dataclass(slots=True)
class _ManifestLog:
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
    entries: int = 0
    rows: int = 0
    bytes: int = 0
    ended: bool = False
    is_split: bool = False
    totals: Totals | None = None
    """Totals so far, for a plan; else None."""

    @classmethod
    def read(
        cls, env: Env, records: JobRecords, spec: JobSpec, range_id: str, bounds: tuple[str, str]
    ) -> "_ManifestLog":
        """Read the log as far as it has been written."""
        log = cls(env, records, spec, range_id, *bounds)
        partition_ids = records.entries_of_range(range_id)
        if partition_ids:
            entry = records.entry(partition_ids[-1])
            assert entry is not None, "an entry is never removed while its job is open"
            log._move_to(entry)
            log._report()
        return log

    @property
    def deletes(self) -> bool:
        return self.range_id == ids.DELETE_RANGE

    @property
    def next_partition_id(self) -> str:
        return ids.partition_id_of(self.range_id, self.entries + 1)

    def manifest(self, cut: Cut) -> Manifest:
        return Manifest(
            job_id=self.spec.job_id,
            partition_id=self.next_partition_id,
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

    def append(self, entry: LogEntry) -> None:
        """Write the next entry, or adopt the one that another splitter has written there. Start the steps that go on
        from it."""
        written = self.records.create_entry(entry)
        # Crash here: the entry is written, and no step was started for it. The sweep sees that nobody claims it, and
        # starts copy (or split).
        self._move_to(written)
        self._report()
        if written != entry:
            return  # The splitter that wrote the entry sends the messages.
        lanes = Lanes(self.env, self.records, self.spec)
        if isinstance(entry, RangeSplit):
            self.env.queue.send([PlanRange.of(self.spec, f"{self.range_id}{half}") for half in "01"])
        elif self.deletes and entry.rows:
            return  # Copy is started when the whole deletion log is planned.
        elif all(row.method is Method.NONE for row in entry.rows):
            self._receipt_at_once(entry)
            if not self.spec.planned_first:
                lanes.pass_over(entry)
        elif self.spec.planned_first:
            return  # The request that approves the plan starts copy, which refuses to work before that.
        elif lanes.is_due(entry.partition_id):
            self.env.queue.send([CopyPartition.of(self.spec, entry.partition_id, fresh=True)])

    def _receipt_at_once(self, manifest: Manifest) -> None:
        """Write the receipt of a partition whose rows were all decided by looking at both sides. Nothing is to be
        copied or verified."""
        now_ms = self.env.clock.now_ms()
        outcomes = tuple(row.decided for row in manifest.rows if row.decided is not None)
        receipt = receipt_of(self.env, self.records, manifest, outcomes, started_ms=now_ms)
        self.env.log(
            "partition-unchanged", job=self.spec.job_id, partition_id=manifest.partition_id, rows=len(receipt.rows)
        )

    def _move_to(self, entry: LogEntry) -> None:
        _, self.entries = ids.split_partition_id(entry.partition_id)
        self.rows, self.bytes = entry.rows_before, entry.bytes_before
        if self.spec.planned_first:
            self.totals = totals_with(entry, self.spec, self.env.policy)
        if isinstance(entry, RangeSplit):
            self.ended = self.is_split = True
            return
        self.rows += len(entry.rows)
        self.bytes += entry.bytes_total
        self.cursor, self.ended = entry.upto, entry.last

    def _report(self) -> None:
        plan = PlanProgress(
            self.spec.job_id,
            self.range_id,
            self.env.region,
            self.entries,
            self.rows,
            self.bytes,
            self.ended,
            self.is_split,
        )
        put_best_effort(self.env, self.env.ledger.put_plan, plan)


def _bounds(records: JobRecords, range_id: str) -> tuple[str, str] | None:
    """Return the bounds (after, end] of a range, from the range split that made it. Return None if no range split made
    it."""
    if range_id in (ids.ROOT_RANGE, ids.DELETE_RANGE):
        return "", ""
    parent_ids = records.entries_of_range(range_id[:-1])
    range_split = records.entry(parent_ids[-1]) if parent_ids else None
    if not isinstance(range_split, RangeSplit):
        return None
    return (range_split.after, range_split.middle) if range_id.endswith("0") else (range_split.middle, range_split.upto)
