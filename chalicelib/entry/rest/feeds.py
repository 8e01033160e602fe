"""Feeds over HTTP: what is asked about them, and what is answered."""

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import Field

from chalicelib.core.feeds import FillState
from chalicelib.core.model import OverwriteMode
from chalicelib.entry.rest.ends import RowEnd
from chalicelib.entry.rest.requests import (
    LABELS_MAX,
    Instant,
    Key,
    Label,
    PageQuery,
    PlaceRequest,
    RequestBody,
    instant_ms,
)
from chalicelib.entry.rest.responses import Checksum, Count, Response, Timestamp, timestamp
from chalicelib.entry.rest.responses import Place as PlaceShown
from chalicelib.ports import Delivery as Delivered
from chalicelib.ports import DeliveryStatus
from chalicelib.steps.feeds import DeliveriesView, FeedView, FillView, WantedDeliveries, WantedFeed
from chalicelib.steps.feeds import FeedDetail as DetailView

FAR_MS = 253_402_300_800_000
"""The year 10000: later than all times that can be asked for."""


class FeedRequest(RequestBody):
    """A standing rule: what appears under one of your endpoints goes to another."""

    source: PlaceRequest
    """An endpoint that may be read from, and a prefix below its own."""
    target: PlaceRequest
    """An endpoint that may be written to, and a prefix below its own. What is written there must not come back to the
    source, not even by way of other feeds."""
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    labels: dict[Label, Label] = Field(default_factory=dict, max_length=LABELS_MAX)
    """For your own use. Names and values have 1 to 128 characters."""

    def wanted(self) -> WantedFeed:
        return WantedFeed(self.source.place(), self.target.place(), self.mode, self.labels)


class BackfillRequest(RequestBody):
    """What of the source is to be delivered."""

    since: Instant | None = None
    """Objects last modified then or later, by S3's own time; without it, all."""

    @property
    def since_ms(self) -> int:
        return instant_ms(self.since) if self.since else 0


class DeliveriesQuery(PageQuery):
    status: DeliveryStatus | None = None
    """Only those that stand so."""
    key: Key | None = None
    """Only of the object of this key at the source, whole."""
    prefix: Key | None = None
    """Only of objects whose keys at the source begin so."""
    since: Instant | None = None
    """Only those that came to stand so then or later."""
    until: Instant | None = None
    """Only those that came to stand so earlier."""

    def wanted(self) -> WantedDeliveries:
        return WantedDeliveries(
            status=self.status,
            key=self.key,
            prefix=self.prefix or "",
            since_ms=instant_ms(self.since) if self.since else 0,
            until_ms=instant_ms(self.until) if self.until else FAR_MS,
        )


class Feed(Response):
    """A standing rule: what appears under `source` goes to `target`."""

    id: str
    source: PlaceShown
    target: PlaceShown
    mode: OverwriteMode
    labels: dict[str, str]
    managed_by: Literal["deployment", "api"]
    """What came with the deployment can be paused and back-filled, but not changed here."""
    changed_at: Timestamp | None
    """Null for what came with the deployment."""

    @classmethod
    def of(cls, view: FeedView) -> Self:
        return cls(**_feed(view))


def _feed(view: FeedView) -> dict[str, Any]:
    feed, entry = view.feed, view.entry
    return {
        "id": feed.name,
        "source": PlaceShown(endpoint=feed.source, prefix=feed.source_prefix),
        "target": PlaceShown(endpoint=feed.target, prefix=feed.target_prefix),
        "mode": feed.mode,
        "labels": feed.labels,
        "managed_by": "api" if entry else "deployment",
        "changed_at": timestamp(entry.changed_ms) if entry else None,
    }


class Backfill(Response):
    """The feed's source is listed, and what lies there is delivered, unless it was before. As far as the Region that
    answers knows."""

    id: str
    """`backfill-...`; or `resume-...` where the end of a pause asked for it; or `created`: what had arrived when a
    Region did not know the feed yet."""
    state: FillState
    """WAITING (not begun, or its feed is paused), RUNNING, or DONE: all that was found was handed on to be
    delivered."""
    since: Timestamp
    """Objects last modified earlier are left out."""
    requested_at: Timestamp
    objects_seen: Count
    objects_handed_on: Count
    """To be looked at, and delivered if they were not before. Twice, where two Regions were at it."""
    started_at: Timestamp | None
    finished_at: Timestamp | None

    @classmethod
    def of(cls, view: FillView) -> Self:
        return cls(
            id=view.name,
            state=view.state,
            since=timestamp(view.since_ms),
            requested_at=timestamp(view.requested_ms),
            objects_seen=view.objects_seen,
            objects_handed_on=view.arrivals_sent,
            started_at=None if view.started_ms is None else timestamp(view.started_ms),
            finished_at=None if view.finished_ms is None else timestamp(view.finished_ms),
        )


class FeedDetail(Feed):
    """A feed, and what is wanted of it."""

    paused: bool | None
    """Null while the Region of its target can't be asked: then nothing is delivered there either."""
    paused_at: Timestamp | None
    stopped: str | None
    """Why the service has paused it, since it may not use one of its buckets any more, and what to do. Null if it
    hasn't."""
    backfills: list[Backfill]
    """The latest ones, the newest first."""

    @classmethod
    def of_detail(cls, detail: DetailView) -> Self:
        return cls(
            **_feed(detail.view),
            paused=detail.paused,
            paused_at=None if detail.paused_ms is None else timestamp(detail.paused_ms),
            stopped=detail.stopped or None,
            backfills=[Backfill.of(fill) for fill in detail.fills],
        )


class FeedList(Response):
    """All of them, by id."""

    feeds: list[Feed]

    @classmethod
    def of(cls, views: Iterable[FeedView]) -> Self:
        return cls(feeds=[Feed.of(view) for view in views])


class Delivery(Response):
    """One version of one object, and how far it is."""

    key: str
    target_key: str
    version: str
    """Its version id or, where the source keeps no versions, its ETag and when it was last modified."""
    size: Count
    source_etag: str
    status: DeliveryStatus
    """QUEUED (in a job that will deliver it), COPIED (delivered, not looked at again yet, or it can't be compared),
    VERIFIED (looked at again at the target), or FAILED."""
    outcome: RowEnd | None
    detail: str
    target_etag: str | None
    checksum: Checksum | None
    job_id: str | None
    """The job that delivered it; null where it was delivered on the spot."""
    region: str
    at: Timestamp
    """When it came to stand so."""

    @classmethod
    def of(cls, found: Delivered) -> Self:
        checksum = found.checksum
        return cls(
            key=found.key,
            target_key=found.target,
            version=found.pin,
            size=found.size,
            source_etag=found.etag,
            status=found.status,
            outcome=found.outcome,
            detail=found.detail,
            target_etag=found.destination_etag,
            checksum=Checksum(algorithm=checksum.algorithm, type=checksum.type, value=checksum.value)
            if checksum
            else None,
            job_id=found.job_id,
            region=found.region,
            at=timestamp(found.at_ms),
        )


class DeliveryList(Response):
    """Deliveries, the newest first, of about the last 90 days. A page may hold fewer than `limit`, even none: only
    `next_cursor` says whether it is the last. What was delivered in the last seconds may be missing, and so may, for
    about a second, what the other Region has delivered."""

    deliveries: list[Delivery]
    next_cursor: str | None
    """Null on the last page. Good for the same question only."""

    @classmethod
    def of(cls, view: DeliveriesView) -> Self:
        return cls(deliveries=[Delivery.of(found) for found in view.deliveries], next_cursor=view.cursor)
