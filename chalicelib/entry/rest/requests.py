"""What the API is asked: bodies and queries. Strict: an unknown field is an error, not a silent wish."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from chalicelib.core.model import Outcome, OverwriteMode
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.core.report import ReportFormat
from chalicelib.steps.control import Place, Submission

BODY_MAX_BYTES = 64 * 1024
IDEMPOTENCY_KEY_MAX_CHARACTERS = 255
LABELS_MAX = 10
ENDPOINT_MAX_CHARACTERS = 64
PAGE_MAX = 1000
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlaceRequest(_Request):
    """An endpoint of yours and a prefix below its own."""

    endpoint: Annotated[str, StringConstraints(min_length=1, max_length=ENDPOINT_MAX_CHARACTERS)]
    """One of `GET /endpoints`."""
    # The schema's limit is of characters, since JSON Schema can't count bytes.
    prefix: str = Field(default="", json_schema_extra={"maxLength": KEY_MAX_BYTES})
    """Below the endpoint's own. With that it may have at most 1,024 bytes of UTF-8, as S3 keys."""

    @field_validator("prefix")
    @classmethod
    def _fits_a_key(cls, prefix: str) -> str:
        if len(prefix.encode()) > KEY_MAX_BYTES:
            raise ValueError(f"a prefix may have at most {KEY_MAX_BYTES} bytes of UTF-8")
        return prefix


class JobRequest(_Request):
    """Copy everything that is under the source when the job is planned to the target."""

    source: PlaceRequest
    target: PlaceRequest
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    labels: dict[Label, Label] = Field(default_factory=dict, max_length=LABELS_MAX)
    """For your own use. Names and values have 1 to 128 characters."""

    def submission(self, tenant: str, token: str) -> Submission:
        return Submission(
            tenant=tenant,
            token=token,
            source=Place(self.source.endpoint, self.source.prefix),
            target=Place(self.target.endpoint, self.target.prefix),
            mode=self.mode,
            labels=self.labels,
        )


class PageQuery(_Request):
    limit: int = Field(default=50, ge=1, le=PAGE_MAX)
    """How many a page holds at most. It may hold fewer."""
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """`next_cursor` of the page before, unchanged. Without it: the first page."""


class ObjectsQuery(PageQuery):
    outcome: Outcome | None = None
    """Only objects that ended so. Without it: also those still undecided."""


class ReportQuery(_Request):
    format: ReportFormat = ReportFormat.CSV
    """`csv` and `ndjson`: every object and what became of it. `failures`: what was not delivered, as a manifest for
    another job. `receipts`: the records that prove it all."""
