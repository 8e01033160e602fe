"""What the API answers about reports."""

from typing import Self

from chalicelib.core.report import ReportFormat
from chalicelib.entry.rest.responses import Count, Response, Timestamp, timestamp
from chalicelib.steps.report import ReportView


class Report(Response):
    """Where a job's report is to be fetched, by a plain GET without a token."""

    url: str
    """For you alone: whoever has it can read the report until it expires. Ask again for another one."""
    expires_at: Timestamp
    format: ReportFormat
    rows: Count
    """Without CSV's header. Of `receipts`: its records, two a partition."""
    bytes: Count
    sha256: str | None
    """Of what is fetched; null for a report of more than 16 GiB."""
    receipt_chain_sha256: str
    """What `receipts` is to be checked against, as in the job itself."""

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
    """It is being made: ask again."""

    format: ReportFormat
    retry_after_seconds: Count
    """As the header `Retry-After` says."""
