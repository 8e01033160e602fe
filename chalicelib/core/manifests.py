"""Defines the records of a partition: what is planned, claimed, copied and receipted."""

from dataclasses import dataclass

from chalicelib.core.rows import Row, RowOutcome
from chalicelib.core.totals import Totals


@dataclass(frozen=True, slots=True)
class Manifest:
    """The pinned plan of one partition: entry `partition_id` of its range's manifest log. It covers the source keys in
    (after, upto].

    `rows_before` and `bytes_before` are the totals of the entries before it, so that the last entry alone shows the
    progress. `last` closes the range. `error` says why the range could not be listed to its end. `filtered` counts the
    objects of (after, upto] that did not pass the job's filters: they are no rows.
    """

    job_id: str
    partition_id: str
    after: str
    upto: str
    last: bool
    rows: tuple[Row, ...]
    rows_before: int
    bytes_before: int
    region: str
    nonce: str
    error: str = ""
    filtered: int = 0
    totals_before: Totals | None = None
    """The totals of the entries before it, in a job that was planned first."""
    aside: tuple[int, ...] = ()
    """For rows that were set aside (`core.ids.aside_of`): their indexes in the parent's manifest. Such a manifest is no
    entry of any range's log."""

    @property
    def bytes_total(self) -> int:
        return sum(row.bytes_to_copy for row in self.rows)


@dataclass(frozen=True, slots=True)
class RangeSplit:
    """A range split: the entry that ends a range's manifest log by dividing the rest in two, (after, middle] and
    (middle, upto]."""

    job_id: str
    partition_id: str
    after: str
    middle: str
    upto: str
    rows_before: int
    bytes_before: int
    region: str
    nonce: str
    totals_before: Totals | None = None


LogEntry = Manifest | RangeSplit


@dataclass(frozen=True, slots=True)
class Claim:
    """The fencing token: it gives a partition to one worker at an epoch."""

    job_id: str
    partition_id: str
    epoch: int
    region: str
    worker: str
    nonce: str
    claimed_ms: int


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """The outcomes that the copy step of one epoch found, in the manifest's order. Verification checks it against the
    bucket."""

    job_id: str
    partition_id: str
    epoch: int
    region: str
    rows: tuple[RowOutcome, ...]
    started_ms: int
    finished_ms: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of every row of a partition, in the manifest's order. It is written once, after verification."""

    job_id: str
    partition_id: str
    region: str
    manifest_sha256: str
    rows: tuple[RowOutcome, ...]
    bytes_planned: int
    bytes_copied: int
    last: bool
    """The manifest closed its range."""
    error: str
    """Why the range could not be listed to its end; "" if it was."""
    started_ms: int
    finished_ms: int
    nonce: str
    filtered: int = 0
