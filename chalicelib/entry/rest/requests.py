"""What the API is asked: bodies and queries. Strict: an unknown field is an error, not a silent wish."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from chalicelib.core.deletions import OBJECTS_MAX, Consent, Deletion
from chalicelib.core.filters import PATTERN_MAX_CHARACTERS, PATTERNS_MAX
from chalicelib.core.inputs import NO_FILTERS, Filters, ListFormat, StorageClass
from chalicelib.core.model import CancelMode, OverwriteMode, Priority
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.core.report import ReportFormat
from chalicelib.entry.rest.ends import RowEnd
from chalicelib.protocol.submitting import ManifestPlace, Place, Submission

BODY_MAX_BYTES = 2 * 1024 * 1024
"""Enough for as many keys as there may be, of any length, in plain UTF-8."""
KEYS_MAX = 1000
IDEMPOTENCY_KEY_MAX_CHARACTERS = 255
LABELS_MAX = 10
ENDPOINT_MAX_CHARACTERS = 64
PAGE_MAX = 1000
OBJECT_MAX_BYTES = 50 * 1024**4
"""More than S3 stores in one object."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class RequestBody(BaseModel):
    """What every body and query has in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _fits_a_key(prefix: str) -> str:
    if len(prefix.encode()) > KEY_MAX_BYTES:
        raise ValueError(f"a prefix may have at most {KEY_MAX_BYTES} bytes of UTF-8")
    return prefix


# The schema's limit is of characters, since JSON Schema can't count bytes.
Prefix = Annotated[str, AfterValidator(_fits_a_key), Field(json_schema_extra={"maxLength": KEY_MAX_BYTES})]


class PlaceRequest(RequestBody):
    """An endpoint of yours and a prefix below its own."""

    endpoint: Annotated[str, StringConstraints(min_length=1, max_length=ENDPOINT_MAX_CHARACTERS)]
    """One of `GET /endpoints`."""
    prefix: Prefix = ""
    """A folder below the endpoint's own: empty for all of it, or a name that ends in `/` and doesn't begin with it.
    With the endpoint's own it may have at most 1,024 bytes of UTF-8, as S3 keys."""
    text_prefix: StrictBool = False
    """The prefix is a text with which keys begin, and no folder: `data` also means `data-2026/` and `database/`. Never
    together with `delete`."""

    def place(self) -> Place:
        return Place(self.endpoint, self.prefix, self.text_prefix)


def instant_ms(text: str) -> int:
    """Whole milliseconds since the epoch. What lies before it, or after all times that can be written, is as far away
    for every object."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError("send a time as in RFC 3339, such as 2027-01-15T08:00:00Z")
    since_epoch = datetime.fromisoformat(text.upper()) - _EPOCH
    return min(max(since_epoch // timedelta(milliseconds=1), 0), _LATEST_MS)


def _a_number(value: object) -> object:
    """4.0 is an integer (JSON Schema, "integer"); "4" and true are none."""
    if isinstance(value, bool | str):
        raise ValueError("Input should be an integer")
    return value


def _digits(text: object) -> object:
    """A query's integer, as JSON writes integers: not " 5", "5.0" or "1_000", which Python would take."""
    if isinstance(text, str) and not re.fullmatch("-?(0|[1-9][0-9]*)", text):
        raise ValueError("Input should be an integer")
    return text


def _is_instant(text: str) -> str:
    instant_ms(text)
    return text


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=PATTERN_MAX_CHARACTERS)]
Bytes = Annotated[int, Field(ge=0, le=OBJECT_MAX_BYTES), BeforeValidator(_a_number)]
Instant = Annotated[str, AfterValidator(_is_instant), Field(json_schema_extra={"format": "date-time"})]


Key = Annotated[str, StringConstraints(min_length=1, max_length=KEY_MAX_BYTES)]


class FilterRequest(RequestBody):
    """Which objects under the source's prefix are meant. All that is given must hold; what is left out lets everything
    pass. The rest is no part of the job."""

    include: list[Pattern] = Field(default_factory=list, max_length=PATTERNS_MAX)
    """Globs on the key below the source's prefix, of which any must match. `*` stands for any characters but `/`, `**`
    for any characters, `**/` where a name begins for any number of folders, `?` for one character but `/`, `[a-z]` and
    `[!a-z]` for one of a class. Case-sensitive. They match the whole key."""
    exclude: list[Pattern] = Field(default_factory=list, max_length=PATTERNS_MAX)
    """Globs of which none may match: `exclude` wins over `include`."""
    min_size: Bytes | None = None
    """In bytes."""
    max_size: Bytes | None = None
    """In bytes. An object of just that size is meant."""
    modified_since: Instant | None = None
    """Last modified then or later, by S3's own time."""
    modified_before: Instant | None = None
    """Last modified earlier."""
    storage_classes: list[StorageClass] = Field(default_factory=list, max_length=len(StorageClass))
    """Any of them."""

    def filters(self) -> Filters:
        return Filters(
            include=tuple(self.include),
            exclude=tuple(self.exclude),
            size_min_bytes=self.min_size,
            size_max_bytes=self.max_size,
            modified_since_ms=instant_ms(self.modified_since) if self.modified_since else None,
            modified_before_ms=instant_ms(self.modified_before) if self.modified_before else None,
            storage_classes=tuple(sorted(set(self.storage_classes))),
        )


class ManifestRequest(RequestBody):
    """An object that names the objects to copy. It is pinned when the job is accepted. The bucket that it names must be
    the source endpoint's."""

    endpoint: Annotated[str, StringConstraints(min_length=1, max_length=ENDPOINT_MAX_CHARACTERS)]
    """Where it is: one of `GET /endpoints` that may be read from."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=KEY_MAX_BYTES)]
    """Below the endpoint's prefix."""
    format: ListFormat = ListFormat.CSV
    """`csv`: as S3 Batch Operations reads it: CSV without a header, one object a line, `bucket,key` or
    `bucket,key,version`, keys URL-encoded and under the source's prefix, not compressed. `inventory`: the manifest.json
    of an S3 Inventory in CSV, whose data files the endpoint covers, too; copied are the objects under the source's
    prefix that it shows as the latest versions, as they are now."""

    def place(self) -> ManifestPlace:
        return ManifestPlace(self.endpoint, self.key, self.format)


class DeleteRequest(RequestBody):
    """Consent to removing, below the target's prefix, the objects that have no counterpart below the source's. When
    every object of the job is delivered, and only then; none at all if there are more of them than you say. Of what a
    `filter` doesn't mean, nothing is removed, and nothing below the prefix of another endpoint."""

    consent: Consent
    """Just this, so that nobody asks for it by mistake. `DELETE-AT-TARGET` is for a bucket that keeps versions, where
    what was deleted can be brought back; any other is refused, unless you say `DELETE-AT-TARGET-FOR-EVER`."""
    max_objects: Annotated[int, Field(ge=1, le=OBJECTS_MAX), BeforeValidator(_a_number)]
    """If there are more objects to remove than this, none is removed."""


class JobRequest(RequestBody):
    """Copy everything that is under the source when the job is planned to the target."""

    source: PlaceRequest
    target: PlaceRequest
    filter: FilterRequest | None = None
    """Not everything under the prefix, but only this of it."""
    keys: list[Key] = Field(default_factory=list, max_length=KEYS_MAX)
    """Not everything under the source's prefix, but the objects of these keys, below it. What isn't there ends as
    SOURCE_GONE."""
    manifest: ManifestRequest | None = None
    """Not everything under the source's prefix, but what this object names. Of `filter`, `keys` and `manifest`, at most
    one can be sent."""
    delete: DeleteRequest | None = None
    """Make the target like the source: also remove what the source doesn't have. Not together with `keys` or
    `manifest`, nor with a `filter` of anything but `include` and `exclude`, nor with a strict `cancel`."""
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    cancel: CancelMode = CancelMode.FAST
    """What a cancel will mean. `fast`: nothing more is begun; what is under way may still arrive. `strict`: what ends
    as CANCELLED never arrives. All but empty objects are then copied by multipart uploads, which costs three writes an
    object, and objects that could not be verified then (no full-object CRC, one part) end as FAILED."""
    labels: dict[Label, Label] = Field(default_factory=dict, max_length=LABELS_MAX)
    """For your own use. Names and values have 1 to 128 characters."""
    priority: Priority = Priority.NORMAL
    """Its share beside others of your jobs that are to be copied at the same time, as 1 to 4 to 16. No order: a `low`
    job goes on beside a `high` one. It can't be changed later."""

    def submission(self, tenant: str, token: str) -> Submission:
        return Submission(
            tenant=tenant,
            token=token,
            source=self.source.place(),
            target=self.target.place(),
            mode=self.mode,
            cancel_mode=self.cancel,
            labels=self.labels,
            keys=tuple(dict.fromkeys(self.keys)),
            manifest=self.manifest.place() if self.manifest else None,
            filters=self.filter.filters() if self.filter else NO_FILTERS,
            deletion=Deletion(self.delete.max_objects, self.delete.consent) if self.delete else None,
            priority=self.priority,
        )


class PlanRequest(JobRequest):
    """What a job would be asked for: it is planned, and copied only when the plan is approved."""

    check: Literal["listing", "every-object"] = "listing"
    """`listing`: by LIST, with a look at an object only where LIST can't tell. `every-object`: each source that would
    be copied is looked at, one request an object, so that those show that can't be read."""

    def submission(self, tenant: str, token: str) -> Submission:
        asked = super().submission(tenant, token)
        return replace(asked, planned_first=True, every_object=self.check == "every-object")


class PageQuery(RequestBody):
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX), BeforeValidator(_digits)] = 50
    """How many a page holds at most. It may hold fewer."""
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """`next_cursor` of the page before, unchanged. Without it: the first page."""


class ObjectsQuery(PageQuery):
    outcome: RowEnd | None = None
    """Only objects that ended so. Without it: also those still undecided."""


class PlannedQuery(PageQuery):
    outcome: RowEnd | None = None
    """Only objects that are going to end so. Without it: all of them."""


class ReportQuery(RequestBody):
    format: ReportFormat = ReportFormat.CSV
    """`csv` and `ndjson`: every object and what became of it. `failures`: what was not delivered, as a manifest for
    another job. `receipts`: the records that prove it all."""
