"""Renders the reports of a settled job: the contents of its manifests and receipts, row by row, as files.

Rendering is a pure function of immutable records. So every worker that makes a report, wherever and however often,
makes the same bytes. Anyone who holds the records (format `receipts`) can make it again and compare. A change to this
rendering must be a new RENDERING, or two releases could mix their renderings in one report.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import quote

from chalicelib.core import codec
from chalicelib.core.ids import is_delete_partition
from chalicelib.core.manifests import Manifest, Receipt
from chalicelib.core.rows import Outcome, Row, RowOutcome
from chalicelib.core.settle import is_void

RENDERING = 1


class ReportFormat(StrEnum):
    """The format of a report."""

    CSV = "csv"
    NDJSON = "ndjson"
    FAILURES = "failures"
    """A manifest of the undelivered objects: bucket,key[,version], as S3 Batch Operations and S3 Inventory write it."""
    RECEIPTS = "receipts"
    """The records themselves, byte for byte: the receipts that the hash chain is computed over, and the manifests that
    they name."""


CONTENT_TYPES = {
    ReportFormat.CSV: "text/csv; charset=utf-8",
    ReportFormat.NDJSON: "application/x-ndjson",
    ReportFormat.FAILURES: "text/csv; charset=utf-8",
    ReportFormat.RECEIPTS: "application/x-ndjson",
}
COLUMNS = (
    "key",
    "target_key",
    "size",
    "outcome",
    "detail",
    "source_version_id",
    "source_etag",
    "target_etag",
    "target_version_id",
    "checksum_algorithm",
    "checksum_type",
    "checksum_value",
    "verification",
    "partition",
    "verified_region",
    "verified_at",
)
GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
"""A spreadsheet takes a cell that begins with one of these for a formula, some of them also in full width (OWASP, "CSV
Injection"). The apostrophe itself is guarded too, so that removing one from a cell that begins with one always gives
the text back."""
PIN_IS_SPENT = (Outcome.SOURCE_CHANGED, Outcome.SOURCE_GONE)
"""The pinned version no longer exists: trying it again can only mean the version that is there now."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One partition's section of a report."""

    body: bytes
    rows: int


def file_name(job_id: str, report: ReportFormat) -> str:
    return {
        ReportFormat.CSV: f"{job_id}.csv",
        ReportFormat.NDJSON: f"{job_id}.ndjson",
        ReportFormat.FAILURES: f"{job_id}-failures.csv",
        ReportFormat.RECEIPTS: f"{job_id}-receipts.ndjson",
    }[report]


def opening(report: ReportFormat) -> bytes:
    """Return the bytes with which a report begins, before its first partition."""
    return _csv([COLUMNS]) if report is ReportFormat.CSV else b""


def render(report: ReportFormat, source_bucket: str, manifest: bytes, receipt: bytes) -> Rendered:
    """Render a partition's rows from its two records. Raises Corrupt if one of them can't be read."""
    planned, receipted = codec.loads(manifest, Manifest), codec.loads(receipt, Receipt)
    if is_void(receipted):
        return Rendered(b"", 0)
    if report is ReportFormat.RECEIPTS:
        return Rendered(manifest + b"\n" + receipt + b"\n", 2)
    pairs = [pair for pair in zip(planned.rows, receipted.rows, strict=True) if pair[1].outcome.is_end]
    if report is ReportFormat.FAILURES:
        # A row to delete has no source, so no other job can deliver it.
        failed = [pair for pair in pairs if not pair[1].outcome.good and not is_delete_partition(planned.partition_id)]
        lines = [_failure(source_bucket, row, row_outcome) for row, row_outcome in failed]
        return Rendered("".join(lines).encode(), len(lines))
    if report is ReportFormat.CSV:
        return Rendered(_csv(_cells(row, row_outcome, receipted) for row, row_outcome in pairs), len(pairs))
    return Rendered(b"".join(_json(row, row_outcome, receipted) for row, row_outcome in pairs), len(pairs))


def fields_of(row: Row, row_outcome: RowOutcome, receipt: Receipt) -> dict[str, object]:
    """Return a row's fields under their names in the API."""
    checksum = row_outcome.checksum
    return {
        "key": row.key,
        "target_key": row.target,
        "size": row.size,
        "outcome": row_outcome.outcome,
        "detail": row_outcome.detail,
        "source_version_id": row.version_id,
        "source_etag": row.source_etag,
        "target_etag": row_outcome.etag,
        "target_version_id": row_outcome.version_id,
        "checksum": checksum and {"algorithm": checksum.algorithm, "type": checksum.type, "value": checksum.value},
        "verification": row_outcome.verification,
        "partition": receipt.partition_id,
        "verified_region": receipt.region,
        "verified_at": timestamp(receipt.finished_ms),
    }


def guarded(text: str) -> str:
    """Return a text as a cell that no spreadsheet calculates."""
    return f"'{text}" if text.startswith(GUARDED) else text


def unguarded(cell: str) -> str:
    """Return the text of a cell that `guarded` made."""
    return cell.removeprefix("'")


def _json(row: Row, row_outcome: RowOutcome, receipt: Receipt) -> bytes:
    line = json.dumps(fields_of(row, row_outcome, receipt), separators=(",", ":"), ensure_ascii=False)
    return line.encode() + b"\n"


def _cells(row: Row, row_outcome: RowOutcome, receipt: Receipt) -> Iterator[str]:
    fields = fields_of(row, row_outcome, receipt)
    checksum = fields.pop("checksum") or {}
    assert isinstance(checksum, dict)
    flat = fields | {f"checksum_{name}": value for name, value in checksum.items()}
    for column in COLUMNS:
        value = flat.get(column)
        yield "" if value is None else guarded(str(value))


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    """Write CSV by RFC 4180: lines end in CRLF, and cells are quoted where necessary."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _failure(source_bucket: str, row: Row, row_outcome: RowOutcome) -> str:
    """Return a line for a row that was not delivered. Keys are percent-encoded in such a way that decoders of forms and
    of URLs read the same."""
    version = row.version_id if row_outcome.outcome not in PIN_IS_SPENT else None
    cells = [source_bucket, quote(row.key, safe="/"), *([quote(version, safe="")] if version else [])]
    return ",".join(cells) + "\n"


def timestamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
