"""Endpoints over HTTP: what is asked about them, and what is answered."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StringConstraints

from chalicelib.core import model
from chalicelib.core.entries import Action, Change, EntryKind
from chalicelib.entry.rest.requests import Prefix, RequestBody
from chalicelib.entry.rest.responses import Response, Timestamp, timestamp
from chalicelib.ports import ChangePage
from chalicelib.protocol.prefixes import check_folder
from chalicelib.steps.places import EndpointView

BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
"""S3 user guide, "General purpose bucket naming rules"."""
REGION = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
ACCOUNT = r"^[0-9]{12}$"
MAX_CONCURRENCY = 10_000
Access = Literal["read", "write", "read-write"]


class EndpointRequest(RequestBody):
    """A place in a bucket. The bucket must say that it is yours: its tag `eft-tenants` names your tenant."""

    bucket: Annotated[str, StringConstraints(pattern=BUCKET)]
    region: Annotated[str, StringConstraints(pattern=REGION, max_length=32)]
    """Where the bucket is. What is written to must be in a Region of the service."""
    owner_account: Annotated[str, StringConstraints(pattern=ACCOUNT)]
    """The account that must own the bucket: each request to S3 says so."""
    prefix: Prefix = ""
    """Everything that jobs read or write here lies below it: a folder, so it is empty, or ends in `/` and doesn't begin
    with it. At most 1,024 bytes of UTF-8."""
    text_prefix: StrictBool = False
    """The prefix is a text with which keys begin, and no folder. No job may delete here then."""
    access: Access
    kms_key: Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^arn:[!-~]+$")] | None = None
    """ARN of the key to encrypt with what is written; without it, the bucket's default encryption counts."""
    requester_pays: bool = False
    website: bool = False
    """Objects may carry a website redirect, which is then carried over (one HEAD more for each)."""
    max_concurrency: Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)] | None = None
    """How many partitions at once are read from or written to here in a Region; without it: no limit of its own."""

    def endpoint(self, tenant: str, name: str) -> model.Endpoint:
        """Raises BadRequest for a prefix that is no folder, and is not said to be none."""
        check_folder("prefix", self.prefix, text_prefix=self.text_prefix)
        return model.Endpoint(
            id=name,
            tenant=tenant,
            bucket=model.Bucket(self.bucket, self.region, self.owner_account, self.requester_pays),
            prefix=self.prefix,
            readable="read" in self.access,
            writable="write" in self.access,
            kms_key=self.kms_key,
            website=self.website,
            max_concurrency=self.max_concurrency,
        )


def _access(endpoint: model.Endpoint) -> Access:
    if endpoint.readable and endpoint.writable:
        return "read-write"
    return "read" if endpoint.readable else "write"


class Endpoint(Response):
    """A registered place: what a job may name."""

    id: str
    bucket: str
    region: str
    owner_account: str | None
    """Null where a deployment doesn't say."""
    prefix: str
    """Everything that jobs read or write here lies below it."""
    access: Access
    kms_key: str | None
    requester_pays: bool
    website: bool
    max_concurrency: int | None
    """How many partitions at once are read from or written to here in a Region; null: no limit of its own."""
    managed_by: Literal["deployment", "api"]
    """What came with the deployment can't be changed here."""
    changed_at: Timestamp | None
    """Null for what came with the deployment."""

    @classmethod
    def of(cls, view: EndpointView) -> Self:
        endpoint, entry = view.endpoint, view.entry
        return cls(
            id=endpoint.id,
            bucket=endpoint.bucket.name,
            region=endpoint.bucket.region,
            owner_account=endpoint.bucket.owner,
            prefix=endpoint.prefix,
            access=_access(endpoint),
            kms_key=endpoint.kms_key,
            requester_pays=endpoint.bucket.requester_pays,
            website=endpoint.website,
            max_concurrency=endpoint.max_concurrency,
            managed_by="api" if entry else "deployment",
            changed_at=timestamp(entry.changed_ms) if entry else None,
        )


class EndpointList(Response):
    """All of them, by id."""

    endpoints: list[Endpoint]

    @classmethod
    def of(cls, views: Iterable[EndpointView]) -> Self:
        return cls(endpoints=[Endpoint.of(view) for view in views])


class EndpointCheck(Response):
    """What was found when the service tried to use it, just now."""

    id: str
    usable: bool
    findings: list[str]
    """What stands against it, each with what to do."""


class AuditEntry(Response):
    """One change of what your tenant has registered."""

    at: Timestamp
    by: str
    """The subject of the token that asked for it."""
    action: Action
    kind: EntryKind
    id: str
    version: int
    region: str
    request_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(
            at=timestamp(change.at_ms),
            by=change.by,
            action=change.action,
            kind=change.kind,
            id=change.name,
            version=change.version,
            region=change.region,
            request_id=change.request_id,
            before=_body(change.before),
            after=_body(change.after),
        )


def _body(text: str | None) -> dict[str, Any] | None:
    return None if text is None else {k: v for k, v in json.loads(text).items() if k not in ("record", "version")}


class AuditList(Response):
    """Changes, the newest first. They are kept for ever."""

    changes: list[AuditEntry]
    next_cursor: str | None
    """Null on the last page."""

    @classmethod
    def of(cls, page: ChangePage) -> Self:
        return cls(changes=[AuditEntry.of(change) for change in page.changes], next_cursor=page.cursor)
