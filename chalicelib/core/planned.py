"""Computes what a plan amounts to. A plan is a job that is planned first, and carried out when it is approved."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.core.identity import etag_parts
from chalicelib.core.jobs import JobSpec
from chalicelib.core.lifecycles import PLAN, PlanEvent, PlanState
from chalicelib.core.manifests import LogEntry, Manifest, RangeSplit
from chalicelib.core.parts import parts_total
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Method, Outcome, OverwriteMode, Row, Verification
from chalicelib.core.totals import ClassTotals, Totals, add_up


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The totals of a plan whose ranges are all planned to their ends. It is written once."""

    job_id: str
    totals: Totals
    ranges: int
    region: str
    planned_ms: int
    nonce: str


@dataclass(frozen=True, slots=True)
class Approval:
    """The approval of a plan: what is planned is to be carried out. It is final."""

    job_id: str
    region: str
    approved_ms: int
    nonce: str


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """The facts that decide a plan's state."""

    summed_up: bool
    expired: bool
    cancelled: bool
    approved: bool

    def events(self) -> Iterator[PlanEvent]:
        """Yield the events that these facts show, in the order in which they come (`core.lifecycles`: `PLAN`)."""
        yield PlanEvent.REQUESTED
        # Only a complete plan is approved, even if the summary was looked for before it was there.
        if self.summed_up or self.approved:
            yield PlanEvent.SUMMED_UP
        if self.expired:
            yield PlanEvent.EXPIRED
        if self.cancelled:
            yield PlanEvent.CANCELLED
        if self.approved:
            yield PlanEvent.APPROVED


def plan_state(facts: PlanFacts) -> PlanState:
    return PLAN.reached(facts.events())


def predicted(row: Row) -> Outcome:
    """Return the outcome that a row will have if nobody changes anything meanwhile and nothing is refused."""
    return row.decided.outcome if row.decided else Outcome.COPIED


def totals_with(entry: LogEntry, spec: JobSpec, policy: Policy) -> Totals:
    """Return the totals of a range up to and including this entry of its manifest log."""
    before = entry.totals_before or Totals()
    return before if isinstance(entry, RangeSplit) else before + totals_of(entry, spec, policy)


def totals_of(manifest: Manifest, spec: JobSpec, policy: Policy) -> Totals:
    rows_to_copy = [row for row in manifest.rows if row.decided is None]
    class_names = {row.storage_class for row in rows_to_copy}
    class_totals = {
        name: add_up((_class_totals(row, spec) for row in rows_to_copy if row.storage_class == name), ClassTotals())
        for name in sorted(class_names)
    }
    return Totals(
        objects=len(manifest.rows),
        bytes=manifest.bytes_total,
        decided=dict(Counter(str(row.decided.outcome) for row in manifest.rows if row.decided)),
        classes=class_totals,
        partitions=1,
        partitions_to_copy=1 if rows_to_copy else 0,
        filtered=manifest.filtered,
        heads=sum(_heads(row, spec, policy) for row in manifest.rows),
        error=manifest.error,
    )


def _class_totals(row: Row, spec: JobSpec) -> ClassTotals:
    # An object that was made of upload parts, or goes under a KMS key, gets another ETag at the destination.
    etag_changes = (
        bool(etag_parts(row.source_etag)) or row.method is Method.MULTIPART or spec.target.kms_key is not None
    )
    if row.method is Method.MULTIPART and row.parts is not None:
        etag_repeated = row.checksum is None and spec.target.kms_key is None
        return ClassTotals(uploads=1, parts=parts_total(row.parts), bytes=row.size, compared=int(not etag_repeated))
    return ClassTotals(copies=1, bytes=row.size, compared=int(etag_changes))


def _heads(row: Row, spec: JobSpec, policy: Policy) -> int:
    """Return how many HEADs it took to plan the row (`look_needed`), as far as the row still shows it."""
    if row.decided is not None:
        # It was recognised by checksum: both sides were looked at.
        return 2 if row.decided.verification is Verification.CHECKSUM else 0
    by_parts = bool(etag_parts(row.source_etag))
    head_source = by_parts or row.size > policy.multipart_threshold_bytes or spec.source.website or spec.every_object
    head_both = row.expected_target_etag is not None and spec.mode is not OverwriteMode.ALWAYS
    return (2 if head_both else int(head_source)) + int(by_parts and row.checksum is None)
