"""Plan and carry out deletions: the second manifest log of a job. It holds the objects at the target that have no
counterpart at the source.

The log begins when everything that the job had to deliver is delivered. Its manifests pin the objects to delete. None
of them is carried out before the log's last entry is written. The last entry decides, for all workers and for ever,
whether anything may be deleted (`Manifest.error`). So the cap holds for the job as a whole, no matter which worker
plans, copies, dies or continues late.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.core import ids
from chalicelib.core.deletions import CONSENT_NEEDED, beneath, refusal
from chalicelib.core.errors import EftError, NotFound, PreconditionFailed
from chalicelib.core.filters import ObjectFilter
from chalicelib.core.inputs import NO_FILTERS
from chalicelib.core.jobs import JobSpec
from chalicelib.core.keyrange import just_below
from chalicelib.core.manifests import Manifest
from chalicelib.core.objects import ObjectFacts
from chalicelib.core.plan import target_key
from chalicelib.core.policy import KEY_MAX_BYTES, LIST_PAGE_KEYS
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome
from chalicelib.core.settle import CANCELLED, ReceiptFold, complete, may_be_complete
from chalicelib.core.verdict import Undecided, deletion
from chalicelib.ports import Env
from chalicelib.protocol.catalog import prefixes_in
from chalicelib.protocol.planning import Cut
from chalicelib.protocol.probing import why_for_ever
from chalicelib.protocol.publish import Publisher, refused_as_planned
from chalicelib.protocol.receipts import receipt_of
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.scan import look_at
from chalicelib.protocol.settling import fold_receipts, range_splits_of

PAGES_PER_ENTRY = 20
"""How many pages of the target are listed for one manifest at most. It matters where most objects have a
counterpart."""


# --- planning -----------------------------------------------------------------------------------------------------


def delivered(env: Env, records: JobRecords) -> ReceiptFold | None:
    """Return the receipt fold over everything that the job had to deliver, or None if some of it has no receipt yet."""
    snapshot = records.snapshot()
    entries, done = (
        {partition_id for partition_id in names if not ids.is_delete_partition(partition_id)}
        for names in (snapshot.entries, snapshot.done)
    )
    if not may_be_complete(entries, done):
        return None
    range_splits = range_splits_of(records, entries - done)
    if range_splits is None:
        return None
    receipt_fold = fold_receipts(env, records, sorted(done))
    return receipt_fold if complete(entries, range_splits, receipt_fold.closed) else None


def cut_deletions(env: Env, spec: JobSpec, object_filter: ObjectFilter, after: str, planned: int) -> Cut:
    """Return the content of the next manifest: objects to delete among the target keys above `after`. `planned` is the
    number of rows in the manifests before it.

    The target is listed first. Its keys are looked for at the source afterwards. So an object that has reached the
    source by then, and was perhaps delivered by somebody else, is seen on both sides.
    """
    limit = min(env.policy.partition_rows, LIST_PAGE_KEYS)
    other_locations = _other_locations(env, spec)
    rows: list[Row] = []
    cursor, last = after, False
    for _ in range(PAGES_PER_ENTRY):
        page = env.store.list(spec.target.bucket, spec.target_prefix, start_after=cursor, limit=limit - len(rows))
        covered = [facts for facts in page.objects if _is_covered(spec, object_filter, other_locations, facts)]
        rows += _without_counterpart(env, spec, covered)
        last = not page.truncated
        cursor = page.objects[-1].key if page.objects else cursor
        if last or 2 * len(rows) > limit:
            break
    error = _verdict(env, spec, planned + len(rows)) if last else ""
    return Cut(tuple(rows), cursor, last, error=error)


def _other_locations(env: Env, spec: JobSpec) -> tuple[str, ...]:
    """Return the prefixes of other endpoints beneath the target, removed endpoints included: the objects there have
    other owners."""
    return beneath(spec.target_prefix, prefixes_in(env, spec.target.bucket.name))


def _is_covered(
    spec: JobSpec, object_filter: ObjectFilter, other_locations: tuple[str, ...], facts: ObjectFacts
) -> bool:
    """Tell whether the job covers an object of the target. It doesn't cover the folder marker of the target prefix
    itself, which stands for the folder and is not an object in it."""
    name = facts.key.removeprefix(spec.target_prefix)
    return bool(name) and not facts.key.startswith(other_locations) and object_filter.passes(name, facts)


def _without_counterpart(env: Env, spec: JobSpec, objects: Sequence[ObjectFacts]) -> list[Row]:
    targets = {target_key(facts.key, spec.target_prefix, spec.source_prefix): facts for facts in objects}
    # A key that is too long for S3 is certainly not there.
    possible = [key for key in targets if len(key.encode()) <= KEY_MAX_BYTES]
    after = just_below(possible[0]) if possible else ""
    sources = look_at(env, spec.source.bucket, spec.source_prefix, after, possible)
    return [
        Row(
            key=key,
            target=facts.key,
            size=facts.size,
            source_etag="",
            expected_target_etag=facts.etag,
            method=Method.DELETE,
            modified_ms=facts.last_modified_ms,
            storage_class=facts.storage_class,
        )
        for key, facts in targets.items()
        if not _source_has(env, spec, key, sources.get(key))
    ]


def _source_has(env: Env, spec: JobSpec, key: str, source: ObjectFacts | EftError | None) -> bool:
    """Tell whether the source has the key. If its HEAD was refused, LIST decides: a refused HEAD doesn't say whether
    the key exists."""
    if not isinstance(source, EftError):
        return source is not None
    page = env.store.list(spec.source.bucket, key, limit=1)
    return any(facts.key == key for facts in page.objects)


def _verdict(env: Env, spec: JobSpec, objects: int) -> str:
    """Return why nothing in the whole log may be deleted, or "". It is called once the number of objects is known."""
    assert spec.deletion is not None, "only of a job that deletes"
    for_ever = why_for_ever(env, spec.target.bucket, spec.deletion.consent) if objects else ""
    return refusal(spec.deletion, objects, source_empty=objects > 0 and _shows_nothing(env, spec), for_ever=for_ever)


def _shows_nothing(env: Env, spec: JobSpec) -> bool:
    """Tell whether the source has nothing under its prefix now (except its own folder marker), or had nothing for this
    job."""
    page = env.store.list(spec.source.bucket, spec.source_prefix, limit=2)
    if all(facts.key == spec.source_prefix for facts in page.objects):
        return True
    if spec.filters == NO_FILTERS:
        return False
    receipt_fold = delivered(env, ControlRecords(env, spec.control_region).job(spec.job_id))
    return receipt_fold is None or receipt_fold.planned == 0


# --- when the log is planned --------------------------------------------------------------------------------------


def last_manifest(records: JobRecords) -> Manifest | None:
    """Return the log's last entry, or None while there is more to plan."""
    partition_ids = records.entries_of_range(ids.DELETE_RANGE)
    entry = records.entry(partition_ids[-1]) if partition_ids else None
    return entry if isinstance(entry, Manifest) and entry.last else None


def may_be_carried_out(records: JobRecords) -> bool:
    """Tell whether all of the log is planned and may be carried out. Once this is True, it stays True."""
    end = last_manifest(records)
    return end is not None and not end.error


def keep_all(env: Env, records: JobRecords, end: Manifest, until_ms: int) -> bool:
    """Write a receipt for every entry of the log that says that its rows were kept, since nothing may be deleted.
    Return False if there was no time for all of them.

    Entries without rows get a receipt too: the worker that planned them may have died before it wrote one. It needs no
    claim, since nothing is deleted. Safe to repeat. After a cancel it does nothing: copy decides those rows.
    """
    if end.error == CANCELLED:
        return True  # Copy decides them: it checks which objects had been deleted by then.
    for partition_id in records.entries_of_range(ids.DELETE_RANGE):
        if env.clock.now_ms() >= until_ms:
            return False
        entry = records.entry(partition_id)
        if isinstance(entry, Manifest) and not records.done(partition_id):
            outcomes = [RowOutcome(row.key, Outcome.KEPT, end.error, row.expected_target_etag) for row in entry.rows]
            # Crash here: the sweep sees entries without a receipt and starts split, which continues here.
            receipt_of(env, records, entry, outcomes, started_ms=env.clock.now_ms())
    return True


# --- carrying out -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Finality:
    """Finds out whether deleted objects can be brought back. It asks S3 for the first row of a claim that needs to
    know, and keeps the answer."""

    env: Env
    spec: JobSpec
    _why: str | None = None

    def why(self) -> str:
        """Return why they can't be brought back, if nobody consented to that; otherwise "". Raises Retry if S3 doesn't
        answer."""
        if self._why is None:
            assert self.spec.deletion is not None, "only of a job that deletes"
            self._why = why_for_ever(self.env, self.spec.target.bucket, self.spec.deletion.consent)
        return self._why


@dataclass(frozen=True, slots=True)
class Deleter:
    """Carries out one row to DELETE."""

    publisher: Publisher
    row: Row

    def delete(self, *, look_first: bool) -> RowOutcome:
        return self.publisher.persist(self.row, lambda attempt: self._once(look=look_first or attempt > 0))

    def look(self) -> RowOutcome | None:
        """HEAD the destination and decide the row. Return None while it is undecided."""
        head = self.publisher.env.store.head(self.publisher.route.target.bucket, self.row.target)
        decided = deletion(self.row, head.facts if head else None)
        return None if isinstance(decided, Undecided) else decided

    def _once(self, *, look: bool) -> RowOutcome | None:
        if look and (decided := self.look()) is not None:
            return decided
        row = self.row
        if why := self.publisher.route.for_ever():
            return RowOutcome(
                row.key, Outcome.KEPT, f"not deleted: {why}; {CONSENT_NEEDED} in another job", row.expected_target_etag
            )
        if self._is_at_source():
            return RowOutcome(
                row.key, Outcome.KEPT, "it has appeared at the source since this was planned", row.expected_target_etag
            )
        assert row.expected_target_etag is not None, "what is to be deleted was there"
        target = self.publisher.route.target.bucket
        try:
            marker = self.publisher.env.store.delete_pinned(target, row.target, row.expected_target_etag)
        except NotFound:
            return RowOutcome(row.key, Outcome.DELETED, etag=row.expected_target_etag)
        except PreconditionFailed as error:
            return self.look() or refused_as_planned(row, error)
        # Crash here: the object is deleted, and no record says so. The next epoch's HEAD finds nothing there: DELETED.
        return RowOutcome(row.key, Outcome.DELETED, etag=row.expected_target_etag, version_id=marker)

    def _is_at_source(self) -> bool:
        if len(self.row.key.encode()) > KEY_MAX_BYTES:
            return False
        return self.publisher.env.store.head(self.publisher.route.source.bucket, self.row.key) is not None
