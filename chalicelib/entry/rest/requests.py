"""Define the bodies and queries of requests. They are strict: an unknown field is an error, and is not silently
ignored."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from chalicelib.core.deletions import OBJECTS_MAX, Consent, Deletion
from chalicelib.core.filters import PATTERN_MAX_CHARACTERS, PATTERNS_MAX
from chalicelib.core.inputs import NO_FILTERS, Filters, ListFormat, StorageClass
from chalicelib.core.jobs import CancelMode, Priority
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.core.report import ReportFormat
from chalicelib.core.rows import OverwriteMode
from chalicelib.entry.rest.ends import RowEnd
from chalicelib.protocol.submitting import ListLocation, Location, Submission

BODY_MAX_BYTES = 2 * 1024 * 1024
"""Enough for the maximum number of keys, of any length, in plain UTF-8."""
KEYS_MAX = 1000
IDEMPOTENCY_KEY_MAX_CHARACTERS = 255
LABELS_MAX = 10
ENDPOINT_MAX_CHARACTERS = 64
PAGE_MAX = 1000
OBJECT_MAX_BYTES = 50 * 1024**4
"""More than the maximum size of an object in S3."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class RequestBody(BaseModel):
    """The base of all bodies and queries."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _fits_a_key(prefix: str) -> str:
    if len(prefix.encode()) > KEY_MAX_BYTES:
        raise ValueError(f"a prefix may have at most {KEY_MAX_BYTES} bytes of UTF-8")
    return prefix


# The schema limits characters, since JSON Schema can't count bytes.
Prefix = Annotated[str, AfterValidator(_fits_a_key), Field(json_schema_extra={"maxLength": KEY_MAX_BYTES})]


class LocationRequest(RequestBody):
    """An endpoint of yours, and a prefix below the endpoint's own prefix."""

    endpoint: Annotated[str, StringConstraints(min_length=1, max_length=ENDPOINT_MAX_CHARACTERS)]
    """One of `GET /endpoints`."""
    prefix: Prefix = ""
    """A folder below the endpoint's own prefix: empty for everything there, or a name that ends in `/` and doesn't
    begin with `/`. Together with the endpoint's own prefix it may have at most 1,024 bytes of UTF-8, like an S3 key."""
    text_prefix: StrictBool = False
    """Treat the prefix as text with which keys begin, not as a folder: `data` then also covers `data-2026/` and
    `database/`. It can't be used together with `delete`."""

    def location(self) -> Location:
        return Location(self.endpoint, self.prefix, self.text_prefix)


def instant_ms(text: str) -> int:
    """Return a time in whole milliseconds since the epoch. A time before the epoch, or after the last time that can be
    written, becomes the nearest of these two, which means the same for every object. Raises ValueError if the text is
    no RFC 3339 time."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError("send a time as in RFC 3339, such as 2027-01-15T08:00:00Z")
    since_epoch = datetime.fromisoformat(text.upper()) - _EPOCH
    return min(max(since_epoch // timedelta(milliseconds=1), 0), _LATEST_MS)


def _a_number(value: object) -> object:
    """Reject texts and booleans as integers. 4.0 is an integer (JSON Schema, "integer"); "4" and true are not."""
    if isinstance(value, bool | str):
        raise ValueError("Input should be an integer")
    return value


def _digits(text: object) -> object:
    """Reject an integer of a query unless it is written as in JSON. Python would also accept " 5", "5.0" or "1_000"."""
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
    """Which objects under the source's prefix belong to the job. An object must meet every condition that you send. A
    condition that you leave out excludes nothing."""

    include: list[Pattern] = Field(default_factory=list, max_length=PATTERNS_MAX)
    """Globs on the key below the source's prefix, of which at least one must match. `*` stands for any characters
    except `/`; `**` for any characters; `**/` at the beginning of a name for any number of folders; `?` for one
    character except `/`; `[a-z]` and `[!a-z]` for one character of a class. They are case-sensitive and match the whole
    key."""
    exclude: list[Pattern] = Field(default_factory=list, max_length=PATTERNS_MAX)
    """Globs of which none may match. `exclude` takes precedence over `include`."""
    min_size: Bytes | None = None
    """Minimum size in bytes."""
    max_size: Bytes | None = None
    """Maximum size in bytes. An object of exactly this size matches."""
    modified_since: Instant | None = None
    """The object was last modified at this time or later, by S3's own clock."""
    modified_before: Instant | None = None
    """The object was last modified before this time."""
    storage_classes: list[StorageClass] = Field(default_factory=list, max_length=len(StorageClass))
    """The object has one of these storage classes."""

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
    """An object that lists the objects to copy. Its version is pinned when the job is accepted. The bucket in the list
    must be the source endpoint's bucket."""

    endpoint: Annotated[str, StringConstraints(min_length=1, max_length=ENDPOINT_MAX_CHARACTERS)]
    """The endpoint at which it lies: one of `GET /endpoints` that may be read from."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=KEY_MAX_BYTES)]
    """Its key below the endpoint's prefix."""
    format: ListFormat = ListFormat.CSV
    """`csv`: the format of S3 Batch Operations. It is CSV without a header, not compressed, with one object a line:
    `bucket,key` or `bucket,key,version`. Keys are URL-encoded and lie under the source's prefix. `inventory`: the
    manifest.json of an S3 Inventory in CSV, whose data files must lie under the same endpoint. The job copies the
    objects under the source's prefix that the inventory shows as latest versions, in the state in which they are
    now."""

    def location(self) -> ListLocation:
        return ListLocation(self.endpoint, self.key, self.format)


class DeleteRequest(RequestBody):
    """Consent to remove objects below the target's prefix that have no counterpart below the source's prefix. This
    happens when every object of the job is delivered, and only then. If there are more such objects than `max_objects`,
    none is removed. Objects that a `filter` excludes are never removed, and neither are objects below the prefix of
    another endpoint."""

    consent: Consent
    """The exact text is required, so that nobody asks for deletion by mistake. `DELETE-AT-TARGET` is for a bucket that
    keeps versions, where a deleted object can be restored. Any other bucket is refused, unless you send
    `DELETE-AT-TARGET-FOR-EVER`."""
    max_objects: Annotated[int, Field(ge=1, le=OBJECTS_MAX), BeforeValidator(_a_number)]
    """If more objects than this would have to be removed, none is removed."""


class JobRequest(RequestBody):
    """Copy to the target everything that is under the source when the job is planned."""

    source: LocationRequest
    target: LocationRequest
    filter: FilterRequest | None = None
    """Copy only the objects under the source's prefix that match this filter."""
    keys: list[Key] = Field(default_factory=list, max_length=KEYS_MAX)
    """Copy only the objects with these keys below the source's prefix. A key that isn't there ends as SOURCE_GONE."""
    manifest: ManifestRequest | None = None
    """Copy only the objects that this list names. You can send at most one of `filter`, `keys` and `manifest`."""
    delete: DeleteRequest | None = None
    """Make the target like the source: also remove the objects that the source doesn't have. It can't be combined with
    `keys` or `manifest`, with a `filter` that has anything but `include` and `exclude`, or with a strict `cancel`."""
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    cancel: CancelMode = CancelMode.FAST
    """The effect of a cancel. `fast`: nothing more is begun, and a copy under way may still arrive. `strict`: an object
    that ends as CANCELLED never arrives. With `strict`, all objects except empty ones are copied by multipart uploads.
    This costs three write requests for each object. Objects whose copy could not be verified then (no full-object CRC,
    one part) end as FAILED."""
    labels: dict[Label, Label] = Field(default_factory=dict, max_length=LABELS_MAX)
    """For your own use. Names and values have 1 to 128 characters."""
    priority: Priority = Priority.NORMAL
    """The job's share beside your other jobs that have objects to copy at the same time, in the ratio of 1 to 4 to 16.
    It is not an order: a `low` job makes progress beside a `high` one. It can't be changed later."""

    def submission(self, tenant: str, token: str) -> Submission:
        return Submission(
            tenant=tenant,
            token=token,
            source=self.source.location(),
            target=self.target.location(),
            mode=self.mode,
            cancel_mode=self.cancel,
            labels=self.labels,
            keys=tuple(dict.fromkeys(self.keys)),
            manifest=self.manifest.location() if self.manifest else None,
            filters=self.filter.filters() if self.filter else NO_FILTERS,
            deletion=Deletion(self.delete.max_objects, self.delete.consent) if self.delete else None,
            priority=self.priority,
        )


class PlanRequest(JobRequest):
    """A job request that is planned first. Objects are copied only when the plan is approved."""

    check: Literal["listing", "every-object"] = "listing"
    """`listing`: plan by LIST, and look at single objects only where LIST can't tell. `every-object`: look at every
    source object that would be copied, with one request each, so that the plan shows objects that can't be read."""

    def submission(self, tenant: str, token: str) -> Submission:
        submission = super().submission(tenant, token)
        return replace(submission, planned_first=True, every_object=self.check == "every-object")


class PageQuery(RequestBody):
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX), BeforeValidator(_digits)] = 50
    """Maximum number of rows in a page. A page may hold fewer."""
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    """`next_cursor` of the previous page, unchanged. If you leave it out, you get the first page."""


class ObjectsQuery(PageQuery):
    outcome: RowEnd | None = None
    """Return only objects with this outcome. If you leave it out, undecided objects are returned too."""


class PlannedQuery(PageQuery):
    outcome: RowEnd | None = None
    """Return only objects that will get this outcome. If you leave it out, all objects are returned."""


class ReportQuery(RequestBody):
    format: ReportFormat = ReportFormat.CSV
    """`csv` and `ndjson`: every object and its outcome. `failures`: the objects that were not delivered, as a manifest
    for another job. `receipts`: the records that prove all outcomes."""
