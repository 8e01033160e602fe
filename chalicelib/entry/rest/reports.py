"""Define the answers about reports."""

from typing import Self

from chalicelib.core.report import ReportFormat
from chalicelib.entry.rest.responses import Count, Response, Timestamp, timestamp
from chalicelib.steps.report import ReportView


class Report(Response):
    """A link to a job's report, for a plain GET without a token."""

    url: str
    """Keep it secret: everybody who has it can read the report until it expires. Ask again for another one."""
    expires_at: Timestamp
    format: ReportFormat
    rows: Count
    """Number of rows, without CSV's header. For `receipts`, the number of records, two for each partition."""
    bytes: Count
    sha256: str | None
    """SHA-256 of the file; null for a report of more than 16 GiB."""
    receipt_chain_sha256: str
    """The value against which `receipts` is checked. The job shows the same value."""

    @classmethod
    def of(cls, view: ReportView) -> Self:
        return cls(
            url=view.url,
            expires_at=timestamp(view.expires_ms),
            format=ReportFormat(view.made.format),
            rows=view.made.rows,
            bytes=view.made.bytes,
            sha256=view.made.sha256 or None,
            receipt_chain_sha256=view.end.chain_sha256,
        )


class ReportInMaking(Response):
    """The report is being made. Ask again."""

    format: ReportFormat
    retry_after_seconds: Count
    """The same as in the header `Retry-After`."""
