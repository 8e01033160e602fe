"""Describe what the operations on feeds promise."""

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest import feeds
from chalicelib.entry.rest.auth import ADMINISTER, READ
from chalicelib.entry.rest.contract import CATALOG, Contract, Success
from chalicelib.entry.rest.contracts_endpoints import BAD_BODY, CHANGED

CONTRACTS_OF_FEEDS = (
    Contract(
        "GET",
        "/feeds",
        "listFeeds",
        CATALOG,
        "Your standing feeds",
        scope=READ,
        successes=(Success(200, feeds.FeedList, "All of your tenant's."),),
    ),
    Contract(
        "GET",
        "/feeds/{feed_id}",
        "getFeed",
        CATALOG,
        "One feed, and what is wanted of it",
        scope=READ,
        description="With its ETag, unless it came with the deployment. Pauses and back-fills don't change that.",
        successes=(Success(200, feeds.FeedDetail, "The feed."),),
        problems=(ErrorCode.UNKNOWN_FEED,),
    ),
    Contract(
        "PUT",
        "/feeds/{feed_id}",
        "putFeed",
        CATALOG,
        "Set up a feed, or change it",
        scope=ADMINISTER,
        description="The name is yours to choose: 1 to 64 letters, digits, dots, dashes and underscores. A feed "
        "delivers what appears from now on: `POST /feeds/{feed_id}/backfill` delivers what is there already. Its "
        "source and its target stay what they are: make another feed for others. With `If-None-Match: *` only a new "
        "one is made; with `If-Match` only what you have seen is changed. Sending the same again changes nothing.",
        body=feeds.FeedRequest,
        conditional=True,
        successes=(
            Success(201, feeds.Feed, "Set up: it delivers, in the other Region within seconds.", ("ETag",)),
            Success(200, feeds.Feed, "Changed, or as it was.", ("ETag",)),
        ),
        problems=(
            *BAD_BODY,
            *CHANGED,
            ErrorCode.INVALID_NAME,
            ErrorCode.UNKNOWN_ENDPOINT,
            ErrorCode.NOT_READABLE,
            ErrorCode.NOT_WRITABLE,
            ErrorCode.PREFIX_NOT_A_FOLDER,
            ErrorCode.NO_NAME_LEFT,
            ErrorCode.PREFIX_TOO_LONG,
            ErrorCode.FEED_LOOP,
            ErrorCode.IN_USE,
            ErrorCode.TOO_MANY_REGISTERED,
            ErrorCode.DECLARED_BY_DEPLOYMENT,
        ),
    ),
    Contract(
        "DELETE",
        "/feeds/{feed_id}",
        "removeFeed",
        CATALOG,
        "Remove a feed",
        scope=ADMINISTER,
        description="What it has begun to deliver arrives. A feed that is made again under this name is another one: "
        "it knows nothing of what this one has delivered.",
        conditional=True,
        successes=(Success(204, None, "Removed."),),
        problems=(*CHANGED, ErrorCode.UNKNOWN_FEED, ErrorCode.DECLARED_BY_DEPLOYMENT),
    ),
    Contract(
        "POST",
        "/feeds/{feed_id}/pause",
        "pauseFeed",
        CATALOG,
        "Pause a feed",
        scope=ADMINISTER,
        description="What arrives is not delivered until the feed is resumed. What is under way may still arrive. "
        "Repeating it changes nothing.",
        successes=(Success(202, feeds.FeedDetail, "It pauses, in both Regions."),),
        problems=(ErrorCode.UNKNOWN_FEED,),
    ),
    Contract(
        "POST",
        "/feeds/{feed_id}/resume",
        "resumeFeed",
        CATALOG,
        "Have a paused feed go on",
        scope=ADMINISTER,
        description="What has arrived meanwhile is delivered: its source is listed for it, which `backfills` shows as "
        "`resume-...`. Repeating it changes nothing.",
        successes=(Success(202, feeds.FeedDetail, "It goes on."),),
        problems=(ErrorCode.UNKNOWN_FEED, ErrorCode.ENDPOINT_UNUSABLE),
    ),
    Contract(
        "POST",
        "/feeds/{feed_id}/backfill",
        "backfillFeed",
        CATALOG,
        "Deliver what is already at the source",
        scope=ADMINISTER,
        description="The source is listed, and what lies there is delivered, unless this feed has delivered that very "
        "version before, as far as its records go back (90 days): what a receiver has taken away does not come back. "
        "It begins within a minute or two; of a paused feed when that is resumed. Send an Idempotency-Key, and the "
        "same again when no answer came, in either Region: it stays one back-fill.",
        body=feeds.BackfillRequest,
        body_optional=True,
        idempotent=True,
        successes=(Success(202, feeds.Backfill, "It will be done. `GET /feeds/{feed_id}` shows how far it is."),),
        problems=(
            ErrorCode.NOT_JSON,
            ErrorCode.NOT_AN_OBJECT,
            ErrorCode.INVALID_REQUEST,
            ErrorCode.BODY_TOO_LARGE,
            ErrorCode.INVALID_IDEMPOTENCY_KEY,
            ErrorCode.UNKNOWN_FEED,
            ErrorCode.IN_USE,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ),
    ),
    Contract(
        "GET",
        "/feeds/{feed_id}/deliveries",
        "listDeliveries",
        CATALOG,
        "What a feed has delivered, and what it has not",
        scope=READ,
        query=feeds.DeliveriesQuery,
        successes=(Success(200, feeds.DeliveryList, "A page of them, the newest first."),),
        problems=(ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CURSOR, ErrorCode.UNKNOWN_FEED),
    ),
)
