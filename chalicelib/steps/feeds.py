"""Register, change, pause and back-fill feeds, and list their deliveries. This is the work behind the REST API, without
HTTP."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from chalicelib.core import codec, ids
from chalicelib.core.entries import Condition, Entry, EntryKind, Pointer
from chalicelib.core.errors import BadRequest, ErrorCode, InUse, Retry, Unknown
from chalicelib.core.feeds import (
    LOOKED_AT_MAX,
    FeedEnds,
    FeedPlace,
    Fill,
    FillState,
    backfill_name,
    feed_state,
    is_backfill,
    loop_from,
)
from chalicelib.core.intents import IntentKind
from chalicelib.core.lifecycles import DeliveryStatus, FeedState
from chalicelib.core.model import Feed, OverwriteMode
from chalicelib.ports import Delivery, Env
from chalicelib.protocol.catchup import listings
from chalicelib.protocol.deliveries import furthest
from chalicelib.protocol.feedlog import FeedLog, History
from chalicelib.protocol.places import (
    declared_feed,
    ends_of,
    feed_pointers,
    feeds_of,
    find_endpoint,
    reading_in,
    target_of,
)
from chalicelib.protocol.prefixes import check_folder, check_names_left, check_prefix, check_source_folder
from chalicelib.protocol.probing import check_still_yours
from chalicelib.protocol.registering import Author, register, unregister
from chalicelib.protocol.submitting import Place

FILLS_SHOWN = 5
BACKFILLS_MAX = 5
"""Maximum number of unfinished back-fills of one feed, since each of them lists the whole source."""
ROUNDS_PER_PAGE = 10
"""Maximum number of times that one request for deliveries reads the index."""


@dataclass(frozen=True, slots=True)
class FeedView:
    """A feed and its registry entry. The entry is None for a feed that came with the deployment."""

    feed: Feed
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class FillView:
    """The progress of one listing of a feed's source, as far as this Region knows."""

    name: str
    state: FillState
    since_ms: int
    requested_ms: int
    objects_seen: int = 0
    arrivals_sent: int = 0
    started_ms: int | None = None
    finished_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FeedDetail:
    """A feed with its desired state and its back-fills. `state` is None if the target's Region doesn't answer."""

    view: FeedView
    state: FeedState | None
    paused_ms: int | None
    """When it was paused, by S3's clock, in milliseconds; None if it isn't paused."""
    fills: tuple[FillView, ...]
    """The latest back-fills, newest first."""
    stopped: str = ""
    """Why the service paused it, and what to do about that; an empty string if the service didn't."""

    @property
    def paused(self) -> bool | None:
        return None if self.state is None else self.state is not FeedState.RUNNING


@dataclass(frozen=True, slots=True)
class WantedFeed:
    """A feed as a client wants it to be registered."""

    source: Place
    target: Place
    mode: OverwriteMode
    labels: dict[str, str]


# --- registering ----------------------------------------------------------------------------------------------


def list_feeds(env: Env, tenant: str) -> list[FeedView]:
    """Return all feeds of a tenant, ordered by name."""
    entries = {entry.name: entry for entry in env.registry.of_tenant(EntryKind.FEED, tenant)}
    declared = env.declared_feeds
    return [
        FeedView(feed, None if feed is declared.get(feed.id) else entries[feed.name]) for feed in feeds_of(env, tenant)
    ]


def find_feed(env: Env, tenant: str, name: str) -> FeedView:
    """Return the tenant's feed of this name. A name of another tenant's feed costs the same call as one that doesn't
    exist. Raises Unknown if the tenant has no such feed."""
    entry = env.registry.get(EntryKind.FEED, tenant, name)
    declared = declared_feed(env, tenant, name)
    if declared is not None:
        return FeedView(declared, None)
    if entry is None:
        raise Unknown(ErrorCode.UNKNOWN_FEED, f"you have no feed {name[:80]!r}")
    return FeedView(codec.loads(entry.body.encode(), Feed), entry)


def put_feed(env: Env, author: Author, name: str, wanted: WantedFeed, condition: Condition) -> tuple[FeedView, bool]:
    """Register a feed or change one, and return it together with True if it is new. Raises InUse if the change would
    move the source or the target, and BadRequest if the endpoints can't be used so."""
    _refuse_declared(env, author.tenant, name)
    pointers: tuple[Pointer, ...] = ()

    def body_after(before: Entry | None) -> str:
        nonlocal pointers
        if before is not None:
            there = codec.loads(before.body.encode(), Feed)
            _check_same_ends(there, wanted)
            return codec.dumps(replace(there, mode=wanted.mode, labels=wanted.labels)).decode()
        feed = Feed(
            id=ids.feed_id(author.tenant, name, env.ids.nonce()),
            tenant=author.tenant,
            source=wanted.source.endpoint,
            source_prefix=wanted.source.prefix,
            target=wanted.target.endpoint,
            target_prefix=wanted.target.prefix,
            mode=wanted.mode,
            name=name,
            labels=wanted.labels,
        )
        ends = _check_ends(env, feed, wanted)
        pointers = feed_pointers(ends)
        # Write this before the entry, so that its time is not later than the first moment at which anybody can know of
        # the feed.
        FeedLog.of(env, feed, ends.target).begin(author.subject)
        return codec.dumps(feed).decode()

    entry, new = register(env, author, EntryKind.FEED, name, condition, body_after, found_by=lambda: pointers)
    view = FeedView(codec.loads(entry.body.encode(), Feed), entry)
    # Crash here: the feed is registered, but nobody lists the objects that arrive before the other Region knows of it.
    # The client got no answer, and its repeated request gets here again. So does a sweep (`protocol.rechecking`).
    try:
        _log(env, view).begun()
    except Retry:
        if new:
            raise
        # Leave it to the sweep. A feed can be changed while its target's Region doesn't answer.
        env.log("feed-not-begun", feed=view.feed.id)
    return view, new


def _check_same_ends(before: Feed, wanted: WantedFeed) -> None:
    """Raise InUse if the source or the target would change. Delivery records say what was delivered between exactly
    these two."""
    source, target = Place(before.source, before.source_prefix), Place(before.target, before.target_prefix)
    if (wanted.source, wanted.target) != (source, target):
        raise InUse(
            ErrorCode.IN_USE,
            f"feed {before.name!r} goes from {source.prefix!r} at {source.endpoint!r} to {target.prefix!r} at "
            f"{target.endpoint!r} and nowhere else: make another feed",
        )


def _check_ends(env: Env, feed: Feed, wanted: WantedFeed) -> FeedEnds:
    """Return both endpoints of a feed. Raises BadRequest if one doesn't exist or may not be used so, or if the feed
    could trigger itself, directly or through other feeds."""
    source, target = find_endpoint(env, feed.tenant, feed.source), find_endpoint(env, feed.tenant, feed.target)
    for role, name, endpoint in (("source", feed.source, source), ("target", feed.target, target)):
        if endpoint is None:
            raise BadRequest(ErrorCode.UNKNOWN_ENDPOINT, f"{role}: you have no endpoint {name!r}")
    assert source is not None
    assert target is not None
    if not source.readable:
        raise BadRequest(ErrorCode.NOT_READABLE, f"endpoint {source.id!r} may not be read from: choose another source")
    if not target.writable:
        raise BadRequest(ErrorCode.NOT_WRITABLE, f"endpoint {target.id!r} may not be written to: choose another target")
    check_source_folder(env, source, feed.source_prefix, text_prefix=wanted.source.text_prefix)
    check_folder("target", feed.target_prefix, text_prefix=wanted.target.text_prefix)
    check_names_left(source.below(feed.source_prefix), target.below(feed.target_prefix))
    ends = FeedEnds(feed, source, target)
    for role, end in (("source", source.below(feed.source_prefix)), ("target", target.below(feed.target_prefix))):
        check_prefix(role, end.prefix)
    # This Region doesn't know of a feed that is being created in the other Region right now (docs/adr/0019-feeds.md).
    loop = loop_from(FeedPlace.of(ends), lambda bucket: reading_in(env, bucket))
    if loop is None:
        detail = f"feeds take what it writes on to more than {LOOKED_AT_MAX} buckets: choose another target"
        raise BadRequest(ErrorCode.FEED_LOOP, detail)
    if loop:
        own = {f.id: f.name for f in feeds_of(env, feed.tenant)} | {feed.id: feed.name}
        path = " -> ".join(own.get(at, "(another tenant's)") for at in loop)
        raise BadRequest(
            ErrorCode.FEED_LOOP, f"what it writes would come back to its source: {path}; choose another target"
        )
    return ends


def remove_feed(env: Env, author: Author, name: str, condition: Condition) -> None:
    """Remove a feed. Deliveries under way complete, but objects that arrive from now on are not delivered. A feed that
    is registered again under this name is another feed."""
    _refuse_declared(env, author.tenant, name)
    unregister(env, author, EntryKind.FEED, name, condition)


def _refuse_declared(env: Env, tenant: str, name: str) -> None:
    if declared_feed(env, tenant, name) is not None:
        detail = f"feed {name!r} came with the deployment: its operators change it there; choose another name"
        raise InUse(ErrorCode.DECLARED_BY_DEPLOYMENT, detail)


# --- desired state --------------------------------------------------------------------------------------------


def get_feed(env: Env, tenant: str, name: str) -> FeedDetail:
    """Return a feed with its desired state, or without it if the target's Region doesn't answer."""
    view = find_feed(env, tenant, name)
    log = _log(env, view)
    try:
        return _detail(env, view, log)
    except Retry as error:
        env.log("feed-log-not-read", feed=view.feed.id, error=str(error))
        return FeedDetail(view, None, None, ())


def pause_feed(env: Env, author: Author, name: str) -> FeedDetail:
    """Ask that newly arriving objects not be delivered. Deliveries under way may still arrive."""
    return _want(env, author, name, IntentKind.PAUSE)


def resume_feed(env: Env, author: Author, name: str) -> FeedDetail:
    """Ask that a paused feed go on, and that it deliver the objects that arrived in the meantime."""
    return _want(env, author, name, IntentKind.RESUME)


def _want(env: Env, author: Author, name: str, kind: IntentKind) -> FeedDetail:
    view = find_feed(env, author.tenant, name)
    log = _log(env, view)
    ends = ends_of(view.entry) if view.entry else None
    if kind is IntentKind.RESUME and ends is not None and (steering := log.steering()).paused:
        check_still_yours(env, ends.source, ends.target, strictly=bool(log.stopped(steering)))
    log.want(kind, author.subject)
    env.log("feed-intent", feed=view.feed.id, tenant=author.tenant, wanted=kind, by=author.subject)
    return _detail(env, view, log)


def back_fill(env: Env, author: Author, name: str, since_ms: int, token: str) -> FillView:
    """Ask for the delivery of all objects that lie at the source and were written at `since_ms` or later. Raises InUse
    if too many back-fills of this feed are unfinished, and KeyReused if the token was used for another back-fill."""
    view = find_feed(env, author.tenant, name)
    log = _log(env, view)
    fill_name = backfill_name(view.feed.id, token)
    history = log.history()
    open_ones = [name for name in history.fills if name not in history.done and is_backfill(name)]
    if fill_name not in history.fills and len(open_ones) >= BACKFILLS_MAX:
        raise InUse(
            ErrorCode.IN_USE, f"{len(open_ones)} back-fills of feed {name!r} are not finished: wait for one of them"
        )
    now, nonce = env.clock.now_ms(), env.ids.nonce()
    fill = log.order(Fill(view.feed.id, fill_name, since_ms, env.region, now, nonce, author.subject))
    env.log("feed-backfill", feed=view.feed.id, tenant=author.tenant, fill=fill_name, by=author.subject)
    return _fill_view(env, log, fill, paused=history.steering.paused)


def _log(env: Env, view: FeedView) -> FeedLog:
    return FeedLog.of(env, view.feed, target_of(env, view.feed, view.entry))


def _detail(env: Env, view: FeedView, log: FeedLog) -> FeedDetail:
    history = log.history()
    steering = history.steering
    paused_ms = steering.changed_ms if steering.paused else None
    fills = tuple(_fills(env, log, history))
    stopped = log.stopped(steering)
    state = feed_state(paused=steering.paused, stopped=bool(stopped))
    return FeedDetail(view, state, paused_ms, fills, stopped)


def _fills(env: Env, log: FeedLog, history: History) -> Iterable[FillView]:
    for name in history.fills[:FILLS_SHOWN]:
        fill = log.fill(name)
        if fill is not None:
            yield _fill_view(env, log, fill, paused=history.steering.paused)


def _fill_view(env: Env, log: FeedLog, fill: Fill, *, paused: bool) -> FillView:
    asked = FillView(fill.name, FillState.WAITING, fill.since_ms, fill.requested_ms)
    filled = log.filled(fill.name)
    if filled is not None:
        return replace(
            asked,
            state=FillState.DONE,
            objects_seen=filled.objects_seen,
            arrivals_sent=filled.arrivals_sent,
            started_ms=filled.started_ms,
            finished_ms=filled.finished_ms,
        )
    # Both Regions may have listed the source, one after the other. The one that got further counts.
    at = max(listings(env, log.feed_id, fill.name), key=lambda found: found.objects_seen, default=None)
    if at is None:
        return asked
    state = FillState.WAITING if paused else FillState.RUNNING
    return replace(
        asked, state=state, objects_seen=at.objects_seen, arrivals_sent=at.arrivals_sent, started_ms=at.started_ms
    )


# --- deliveries -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WantedDeliveries:
    """A filter for a feed's deliveries: every condition that is given must hold."""

    status: DeliveryStatus | None
    key: str | None
    prefix: str
    """Prefix of source keys."""
    since_ms: int
    until_ms: int

    def holds(self, delivery: Delivery) -> bool:
        return (
            self.since_ms <= delivery.at_ms < self.until_ms
            and (self.status is None or delivery.status is self.status)
            and delivery.key.startswith(self.prefix)
        )


@dataclass(frozen=True, slots=True)
class DeliveriesView:
    """A page of deliveries, newest first. `cursor` is None on the last page."""

    deliveries: tuple[Delivery, ...]
    cursor: str | None


def list_deliveries(
    env: Env, tenant: str, name: str, wanted: WantedDeliveries, cursor: str | None, limit: int
) -> DeliveriesView:
    """Return a page of a feed's deliveries, with one delivery for each version of an object, even if both Regions noted
    it."""
    feed = find_feed(env, tenant, name).feed
    if wanted.key is not None:
        return _of_key(env, feed, wanted.key, wanted, cursor, limit)
    found: list[Delivery] = []
    for _ in range(ROUNDS_PER_PAGE):
        left = limit - len(found)
        page = env.ledger.list_deliveries(feed.id, wanted.since_ms, wanted.until_ms, cursor, left)
        for said in page.said:
            newest = furthest(said.now or (said.delivery,))
            # Skip an item that the other Region's item has overtaken: that one is listed at a place of its own.
            if newest.region == said.delivery.region and wanted.holds(newest):
                found.append(newest)
        cursor = page.cursor
        if cursor is None or len(found) == limit:
            break
    return DeliveriesView(tuple(found), cursor)


def _of_key(env: Env, feed: Feed, key: str, wanted: WantedDeliveries, cursor: str | None, limit: int) -> DeliveriesView:
    """Return the deliveries of one key. They come from the table itself, which doesn't lag behind this Region's own
    notes as the index does."""
    versions: dict[str, list[Delivery]] = {}
    for delivery in env.ledger.get_deliveries(feed.id, key):
        versions.setdefault(delivery.pin, []).append(delivery)
    known = sorted((furthest(items) for items in versions.values()), key=_place, reverse=True)
    found = [d for d in known if wanted.holds(d) and (cursor is None or _place(d) < cursor)]
    return DeliveriesView(tuple(found[:limit]), _place(found[limit - 1]) if len(found) > limit else None)


def _place(delivery: Delivery) -> str:
    """Return where a version's delivery stands among those of its key, as text that sorts the newest last."""
    return f"{delivery.at_ms:015d}.{hashlib.sha256(delivery.pin.encode()).hexdigest()[:32]}"
