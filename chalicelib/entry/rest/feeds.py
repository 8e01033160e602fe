"""Define the requests and answers about feeds over HTTP."""

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import Field

from chalicelib.core.feeds import BackfillState
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.rows import OverwriteMode
from chalicelib.entry.rest.ends import RowEnd
from chalicelib.entry.rest.requests import (
    LABELS_MAX,
    Instant,
    Key,
    Label,
    LocationRequest,
    PageQuery,
    RequestBody,
    instant_ms,
)
from chalicelib.entry.rest.responses import Checksum, Count, Response, Timestamp, timestamp
from chalicelib.entry.rest.responses import Location as LocationShown
from chalicelib.ports import Delivery as Delivered
from chalicelib.steps.feeds import BackfillView, DeliveriesView, FeedView, WantedDeliveries, WantedFeed
from chalicelib.steps.feeds import FeedDetail as DetailView

FAR_MS = 253_402_300_800_000
"""The start of the year 10000, later than every time that a client can send, in milliseconds."""


class FeedRequest(RequestBody):
    """A standing rule that delivers objects from one of your endpoints to another as they appear."""

    source: LocationRequest
    """An endpoint that may be read from, and a prefix below the endpoint's own prefix."""
    target: LocationRequest
    """An endpoint that may be written to, and a prefix below the endpoint's own prefix. Objects that are written there
    must not come back to the source, not even through other feeds."""
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    labels: dict[Label, Label] = Field(default_factory=dict, max_length=LABELS_MAX)
    """For your own use. Names and values have 1 to 128 characters."""

    def wanted_feed(self) -> WantedFeed:
        return WantedFeed(self.source.location(), self.target.location(), self.mode, self.labels)


class BackfillRequest(RequestBody):
    """The objects at the source that are to be delivered."""

    since: Instant | None = None
    """Deliver only objects last modified at this time or later, by S3's own clock. If you leave it out, all objects are
    delivered."""

    @property
    def since_ms(self) -> int:
        return instant_ms(self.since) if self.since else 0


class DeliveriesQuery(PageQuery):
    status: DeliveryStatus | None = None
    """Return only deliveries with this status."""
    key: Key | None = None
    """Return only deliveries of the object with exactly this key at the source."""
    prefix: Key | None = None
    """Return only deliveries of objects whose keys at the source begin with this prefix."""
    since: Instant | None = None
    """Return only deliveries that got their status at this time or later."""
    until: Instant | None = None
    """Return only deliveries that got their status before this time."""

    def delivery_filter(self) -> WantedDeliveries:
        return WantedDeliveries(
            status=self.status,
            key=self.key,
            prefix=self.prefix or "",
            since_ms=instant_ms(self.since) if self.since else 0,
            until_ms=instant_ms(self.until) if self.until else FAR_MS,
        )


class Feed(Response):
    """A standing rule: objects that appear under `source` are delivered to `target`."""

    id: str
    source: LocationShown
    target: LocationShown
    mode: OverwriteMode
    labels: dict[str, str]
    managed_by: Literal["deployment", "api"]
    """A feed that came with the deployment can be paused and back-filled, but not changed here."""
    changed_at: Timestamp | None
    """Null for a feed that came with the deployment."""

    @classmethod
    def of(cls, view: FeedView) -> Self:
        return cls(**_feed(view))


def _feed(view: FeedView) -> dict[str, Any]:
    feed, entry = view.feed, view.entry
    return {
        "id": feed.name,
        "source": LocationShown(endpoint=feed.source, prefix=feed.source_prefix),
        "target": LocationShown(endpoint=feed.target, prefix=feed.target_prefix),
        "mode": feed.mode,
        "labels": feed.labels,
        "managed_by": "api" if entry else "deployment",
        "changed_at": timestamp(entry.changed_ms) if entry else None,
    }


class Backfill(Response):
    """A listing of the feed's source, which delivers the objects found there unless they were delivered before. It is
    shown as far as the Region that answers knows."""

    id: str
    """`backfill-...` if a request asked for it, `resume-...` if the end of a pause caused it, or `created`: it delivers
    objects that arrived while a Region did not know the feed yet."""
    state: BackfillState
    """WAITING (it has not begun, or its feed is paused), RUNNING, or DONE: every object found was passed on for
    delivery."""
    since: Timestamp
    """Objects last modified before this time are left out."""
    requested_at: Timestamp
    objects_seen: Count
    objects_handed_on: Count
    """Number of objects that were passed on. Each is checked, and is delivered if it was not delivered before. An
    object counts twice if both Regions listed it."""
    started_at: Timestamp | None
    finished_at: Timestamp | None

    @classmethod
    def of(cls, view: BackfillView) -> Self:
        return cls(
            id=view.name,
            state=view.state,
            since=timestamp(view.since_ms),
            requested_at=timestamp(view.requested_ms),
            objects_seen=view.objects_seen,
            objects_handed_on=view.events_sent,
            started_at=None if view.started_ms is None else timestamp(view.started_ms),
            finished_at=None if view.finished_ms is None else timestamp(view.finished_ms),
        )


class FeedDetail(Feed):
    """A feed with its desired state and its back-fills."""

    paused: bool | None
    """Null if the Region of its target can't be reached. While that is so, nothing is delivered there either."""
    paused_at: Timestamp | None
    stopped: str | None
    """Why the service paused it, because it may not use one of its buckets any more, and what to do about that. Null if
    the service did not pause it."""
    backfills: list[Backfill]
    """The latest back-fills, newest first."""

    @classmethod
    def of_detail(cls, detail: DetailView) -> Self:
        return cls(
            **_feed(detail.view),
            paused=detail.paused,
            paused_at=None if detail.paused_ms is None else timestamp(detail.paused_ms),
            stopped=detail.stopped or None,
            backfills=[Backfill.of(backfill) for backfill in detail.backfills],
        )


class FeedList(Response):
    """All feeds of your tenant, ordered by id."""

    feeds: list[Feed]

    @classmethod
    def of(cls, views: Iterable[FeedView]) -> Self:
        return cls(feeds=[Feed.of(view) for view in views])


class Delivery(Response):
    """One version of an object and the status of its delivery."""

    key: str
    target_key: str
    version: str
    """The version id. If the source keeps no versions, it is the ETag and the time of the last modification."""
    size: Count
    source_etag: str
    status: DeliveryStatus
    """QUEUED (it is in a job that will deliver it), COPIED (delivered, but not checked at the target yet, or it can't
    be compared), VERIFIED (checked at the target), FAILED, or GONE (deleted at the source before it could be
    delivered)."""
    outcome: RowEnd | None
    detail: str
    target_etag: str | None
    checksum: Checksum | None
    job_id: str | None
    """The job that delivered it; null if no job was needed."""
    region: str
    at: Timestamp
    """When it got this status."""

    @classmethod
    def of(cls, delivery: Delivered) -> Self:
        checksum = delivery.checksum
        return cls(
            key=delivery.key,
            target_key=delivery.target,
            version=delivery.pin,
            size=delivery.size,
            source_etag=delivery.etag,
            status=delivery.status,
            outcome=delivery.outcome,
            detail=delivery.detail,
            target_etag=delivery.destination_etag,
            checksum=Checksum(algorithm=checksum.algorithm, type=checksum.type, value=checksum.value)
            if checksum
            else None,
            job_id=delivery.job_id,
            region=delivery.region,
            at=timestamp(delivery.at_ms),
        )


class DeliveryList(Response):
    """Deliveries of about the last 90 days, newest first. A page may hold fewer than `limit`, even none; only
    `next_cursor` says whether it is the last one. Deliveries of the last few seconds may be missing. Deliveries by the
    other Region may be missing for about a second."""

    deliveries: list[Delivery]
    next_cursor: str | None
    """Null on the last page. It is valid only for a request with the same filters."""

    @classmethod
    def of(cls, view: DeliveriesView) -> Self:
        return cls(deliveries=[Delivery.of(delivery) for delivery in view.deliveries], next_cursor=view.cursor)
