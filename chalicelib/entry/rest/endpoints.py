"""Define the requests and answers about endpoints and the audit over HTTP."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StringConstraints

from chalicelib.core import endpoints, objects
from chalicelib.core.entries import Action, Change, EntryKind
from chalicelib.entry.rest.requests import Prefix, RequestBody
from chalicelib.entry.rest.responses import Response, Timestamp, timestamp
from chalicelib.ports import ChangePage
from chalicelib.protocol.prefixes import check_folder
from chalicelib.steps.endpoints import EndpointView

BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
"""S3 user guide, "General purpose bucket naming rules"."""
REGION = r"^[a-z]{2}(-[a-z]+)+-[0-9]$"
ACCOUNT = r"^[0-9]{12}$"
MAX_CONCURRENCY = 10_000
Access = Literal["read", "write", "read-write"]


class EndpointRequest(RequestBody):
    """A location in a bucket. The bucket must say that it is yours: its tag `eft-tenants` must name your tenant."""

    bucket: Annotated[str, StringConstraints(pattern=BUCKET)]
    region: Annotated[str, StringConstraints(pattern=REGION, max_length=32)]
    """The Region of the bucket. A bucket that is written to must be in a Region of the service."""
    owner_account: Annotated[str, StringConstraints(pattern=ACCOUNT)]
    """The account that must own the bucket. Every request to S3 checks it."""
    prefix: Prefix = ""
    """A folder: everything that jobs read or write through this endpoint lies below it. It is empty, or it ends in `/`
    and doesn't begin with `/`. It may have at most 1,024 bytes of UTF-8."""
    text_prefix: StrictBool = False
    """Treat the prefix as text with which keys begin, not as a folder. No job may delete through this endpoint then."""
    access: Access
    kms_key: Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^arn:[!-~]+$")] | None = None
    """ARN of the key with which written objects are encrypted. If you leave it out, the bucket's default encryption
    applies."""
    requester_pays: bool = False
    website: bool = False
    """Objects may have a website redirect, which is carried over. This costs one more HEAD for each object."""
    max_concurrency: Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)] | None = None
    """Maximum number of partitions that a Region reads from or writes to this endpoint at the same time. If you leave
    it out, the endpoint has no limit of its own."""

    def endpoint(self, tenant: str, name: str) -> endpoints.Endpoint:
        """Return the endpoint to register. Raises BadRequest if the prefix is no folder and `text_prefix` is not
        set."""
        check_folder("prefix", self.prefix, text_prefix=self.text_prefix)
        return endpoints.Endpoint(
            id=name,
            tenant=tenant,
            bucket=objects.Bucket(self.bucket, self.region, self.owner_account, self.requester_pays),
            prefix=self.prefix,
            readable="read" in self.access,
            writable="write" in self.access,
            kms_key=self.kms_key,
            website=self.website,
            max_concurrency=self.max_concurrency,
        )


def _access(endpoint: endpoints.Endpoint) -> Access:
    if endpoint.readable and endpoint.writable:
        return "read-write"
    return "read" if endpoint.readable else "write"


class Endpoint(Response):
    """A registered location that a job may name."""

    id: str
    bucket: str
    region: str
    owner_account: str | None
    """Null if the deployment doesn't say."""
    prefix: str
    """Everything that jobs read or write through this endpoint lies below this prefix."""
    access: Access
    kms_key: str | None
    requester_pays: bool
    website: bool
    max_concurrency: int | None
    """Maximum number of partitions that a Region reads from or writes to this endpoint at the same time; null if it has
    no limit of its own."""
    managed_by: Literal["deployment", "api"]
    """An endpoint that came with the deployment can't be changed here."""
    changed_at: Timestamp | None
    """Null for an endpoint that came with the deployment."""

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
    """All endpoints of your tenant, ordered by id."""

    endpoints: list[Endpoint]

    @classmethod
    def of(cls, views: Iterable[EndpointView]) -> Self:
        return cls(endpoints=[Endpoint.of(view) for view in views])


class EndpointCheck(Response):
    """The result of a test of an endpoint, made just now."""

    id: str
    usable: bool
    findings: list[str]
    """The problems that prevent its use, each with what to do."""


class AuditEntry(Response):
    """One change to something that your tenant has registered."""

    at: Timestamp
    by: str
    """The subject of the token that asked for the change."""
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
    """Changes, newest first. They are kept for ever."""

    changes: list[AuditEntry]
    next_cursor: str | None
    """Null on the last page."""

    @classmethod
    def of(cls, page: ChangePage) -> Self:
        return cls(changes=[AuditEntry.of(change) for change in page.changes], next_cursor=page.cursor)
