"""Decides how a job ends, by folding its receipts."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from chalicelib.core.desired_state import Approved, DesiredState
from chalicelib.core.ids import DELETE_RANGE, ROOT_RANGE, is_aside, is_delete_partition, split_partition_id
from chalicelib.core.jobs import JobKind, JobSpec, JobState, Terminal
from chalicelib.core.manifests import Receipt
from chalicelib.core.rows import Outcome, Verification

CANCELLED = "cancelled"
"""The error of a manifest that closes a range because of a cancel: everything after it was never planned."""
CHAIN_START = hashlib.sha256(b"EFT receipts").hexdigest()


def ranges_of(partition_ids: Iterable[str]) -> dict[str, int]:
    """Return each range with the ordinal of the highest entry of its manifest log."""
    ranges: dict[str, int] = {}
    for partition_id in partition_ids:
        range_id, ordinal = split_partition_id(partition_id)
        ranges[range_id] = max(ranges.get(range_id, 0), ordinal)
    return ranges


def may_be_complete(entries: Set[str], done: Set[str], *, deletes: bool = False) -> bool:
    """Tell by names alone whether the job may be complete. It may be if all partitions, those of rows set aside
    included, have a receipt, except as many entries as there are range splits. Only reading the records decides. If the
    job `deletes`, the manifest log of deletions must exist too; it has no range splits."""
    ranges = ranges_of(entries)
    if deletes and DELETE_RANGE not in ranges:
        return False
    range_splits = (len(ranges) - 1) // 2
    return ROOT_RANGE in ranges and len(entries - done) == range_splits


def is_void(receipt: Receipt) -> bool:
    """Tell whether a receipt says nothing. Its rows were set aside, and all have their end in the receipt of their
    parent, whose worker was slow, not dead. Such a receipt may be written even after the job has settled."""
    return is_aside(receipt.partition_id) and not any(row.outcome.is_end for row in receipt.rows)


def chain(head: str, receipt_sha256: str) -> str:
    """Return the next value of the hash chain over a job's receipts, in the order of their partition ids."""
    return hashlib.sha256(f"{head}{receipt_sha256}".encode()).hexdigest()


@dataclass(slots=True)
class ReceiptFold:
    """A fold over receipts. It takes them one by one, in the order of their partition ids, and keeps none of them."""

    planned: int = 0
    bytes_planned: int = 0
    bytes_copied: int = 0
    partitions: int = 0
    head: str = CHAIN_START
    counts: Counter[Outcome] = field(default_factory=Counter)
    verification: Counter[Verification] = field(default_factory=Counter)
    unverified: int = 0
    filtered: int = 0
    errors: list[str] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    """Ranges whose last manifest has been added."""
    not_deleted: int = 0
    """Rows that were to be deleted and are not."""
    deletions_error: str = ""
    """Why nothing was deleted at all."""

    def add(self, receipt: Receipt, body: bytes) -> None:
        if is_void(receipt):
            return
        self.head = chain(self.head, hashlib.sha256(body).hexdigest())
        self.partitions += 1
        rows = [row for row in receipt.rows if row.outcome.is_end]
        self.planned += len(rows)
        self.bytes_planned += receipt.bytes_planned
        self.bytes_copied += receipt.bytes_copied
        self.filtered += receipt.filtered
        deletions = is_delete_partition(receipt.partition_id)
        for row in rows:
            self.not_deleted += deletions and not row.outcome.good
            self.counts[row.outcome] += 1
            self.verification[row.verification] += 1
            if row.outcome is Outcome.COPIED and row.verification in (Verification.SIZE, Verification.NONE):
                self.unverified += 1
        if deletions:
            self.deletions_error = receipt.error or self.deletions_error
        elif receipt.error:
            self.errors.append(receipt.error)
        if receipt.last:
            self.closed.add(split_partition_id(receipt.partition_id)[0])

    def outcome(self, cancelled: bool) -> tuple[JobState, str]:
        """Return the terminal state and its reason. The state is SUCCEEDED only if every planned row was verified."""
        deleted = self.counts[Outcome.DELETED]
        delivered = sum(count for outcome, count in self.counts.items() if outcome.good) - deleted
        planned = self.planned - deleted - self.not_deleted
        if cancelled and (self.counts[Outcome.CANCELLED] or CANCELLED in (*self.errors, self.deletions_error)):
            deletions = f", {deleted} deleted" if deleted else ""
            return JobState.CANCELLED, f"cancelled by request; {delivered} objects had been delivered{deletions}"
        why_undelivered = self._why_undelivered(planned, planned - delivered)
        reasons = "; ".join(filter(None, (why_undelivered, self._why_undeleted())))
        if why_undelivered and not delivered:
            return JobState.FAILED, reasons
        if reasons:
            return JobState.PARTIAL, reasons
        return JobState.SUCCEEDED, "" if self.planned else self._why_nothing()

    def _why_undelivered(self, planned: int, undelivered: int) -> str:
        if self.errors:
            return self.errors[0]
        if undelivered:
            return f"{undelivered} of {planned} objects were not delivered"
        if self.unverified:
            return f"{self.unverified} objects were copied, but only their size could be checked"
        return ""

    def _why_undeleted(self) -> str:
        if self.deletions_error or not self.not_deleted:
            return self.deletions_error
        total = self.not_deleted + self.counts[Outcome.DELETED]
        return (
            f"{self.not_deleted} of {total} objects that were to be deleted are still there, or others in their place"
        )

    @property
    def all_delivered(self) -> bool:
        """True if every row is at the destination and everything was planned. It makes sense for a fold over the rows
        to deliver only."""
        return not self.errors and all(outcome.good for outcome, count in self.counts.items() if count)

    def _why_nothing(self) -> str:
        if self.filtered:
            return f"none of the {self.filtered} objects under this prefix passed the filter"
        return "there was nothing under this prefix"


def complete(entries: set[str], range_splits: set[str], closed: set[str], *, deletes: bool = False) -> bool:
    """Tell whether every range ends in its last manifest, or in a range split whose two halves exist. If the job
    `deletes`, the manifest log of deletions must end too."""
    ranges = ranges_of(entries)
    split_ranges = {split_partition_id(partition_id)[0] for partition_id in range_splits}
    if ROOT_RANGE not in ranges or (deletes and DELETE_RANGE not in ranges):
        return False
    return all(
        name in closed or (name in split_ranges and f"{name}0" in ranges and f"{name}1" in ranges) for name in ranges
    )


def terminal(
    spec: JobSpec, receipt_fold: ReceiptFold, *, desired_state: DesiredState, region: str, now_ms: int, nonce: str
) -> Terminal:
    state, reason = receipt_fold.outcome(desired_state.cancelled)
    if desired_state.cancelled and desired_state.approved is Approved.AWAITED:
        # Cancelled even if there was nothing to copy: nobody has asked for the plan to be carried out.
        state, reason = JobState.CANCELLED, "the plan was cancelled before it was approved"
    if state is JobState.SUCCEEDED and not receipt_fold.planned and spec.kind is JobKind.MANIFEST:
        reason = "the manifest names no object"
    return Terminal(
        job_id=spec.job_id,
        state=state,
        reason=reason,
        planned=receipt_fold.planned,
        counts=dict(receipt_fold.counts),
        bytes_planned=receipt_fold.bytes_planned,
        bytes_copied=receipt_fold.bytes_copied,
        verification=dict(receipt_fold.verification),
        partitions=receipt_fold.partitions,
        chain_sha256=receipt_fold.head,
        region=region,
        created_ms=spec.created_ms,
        settled_ms=now_ms,
        nonce=nonce,
        filtered=receipt_fold.filtered,
    )
