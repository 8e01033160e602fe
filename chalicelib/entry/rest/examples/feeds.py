"""Provide the examples of feeds, their back-fills and their deliveries."""

from typing import Any

from pydantic import BaseModel

from chalicelib.core.feeds import BackfillState
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.objects import ChecksumType
from chalicelib.core.rows import Outcome, OverwriteMode
from chalicelib.entry.rest import feeds, requests, responses
from chalicelib.entry.rest.examples.names import EAST, SUBMITTED


def examples() -> dict[str, BaseModel]:
    source = requests.LocationRequest(endpoint="west-source", prefix="inbox/")
    target = requests.LocationRequest(endpoint="east-target", prefix="from-west/")
    return {
        "new-feed": feeds.FeedRequest(source=source, target=target, labels={"team": "orders"}),
        "all": feeds.BackfillRequest(),
        "lately": feeds.BackfillRequest(since="2027-01-01T00:00:00Z"),
        "feeds": feeds.FeedList(feeds=[feeds.Feed(**_feed())]),
        "set-up": feeds.Feed(**_feed()),
        "feed": feeds.FeedDetail(**_feed(), paused=False, paused_at=None, stopped=None, backfills=[_backfill()]),
        "running": _backfill(),
        "deliveries": feeds.DeliveryList(deliveries=[_delivery()], next_cursor=None),
    }


def _feed() -> dict[str, Any]:
    return {
        "id": "west-inbox",
        "source": responses.Location(endpoint="west-source", prefix="inbox/"),
        "target": responses.Location(endpoint="east-target", prefix="from-west/"),
        "mode": OverwriteMode.IF_CHANGED,
        "labels": {"team": "orders"},
        "managed_by": "api",
        "changed_at": SUBMITTED,
    }


def _backfill() -> feeds.Backfill:
    return feeds.Backfill(
        id="backfill-aq5ho2ez6qsw4tdlhvqaqdrrgm",
        state=BackfillState.RUNNING,
        since="1970-01-01T00:00:00.000Z",
        requested_at=SUBMITTED,
        objects_seen=50_000,
        objects_handed_on=50_000,
        started_at="2027-01-15T08:00:41.000Z",
        finished_at=None,
    )


def _delivery() -> feeds.Delivery:
    return feeds.Delivery(
        key="inbox/2027/a.csv",
        target_key="from-west/2027/a.csv",
        version="3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo",
        size=7,
        source_etag="d41d8cd98f00b204e9800998ecf8427e",
        status=DeliveryStatus.VERIFIED,
        outcome=Outcome.COPIED,
        detail="",
        target_etag="d41d8cd98f00b204e9800998ecf8427e",
        checksum=responses.Checksum(algorithm="CRC64NVME", type=ChecksumType.FULL_OBJECT, value="AAAAAAAAAAA="),
        job_id=None,
        region=EAST,
        at=SUBMITTED,
    )
