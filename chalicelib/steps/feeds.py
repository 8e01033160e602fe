"""Register, change, pause and back-fill feeds, and list their deliveries. This is the work behind the REST API, without
HTTP."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from chalicelib.core import codec, ids
from chalicelib.core.desired_state import PauseLogKind
from chalicelib.core.endpoints import Feed
from chalicelib.core.entries import Condition, Entry, EntryKind, Pointer
from chalicelib.core.errors import BadRequest, ErrorCode, InUse, Retry, Unknown
from chalicelib.core.feeds import (
    LOOKED_AT_MAX,
    Backfill,
    BackfillState,
    FeedEnds,
    FeedLocation,
    backfill_name,
    feed_state,
    is_backfill,
    loop_from,
)
from chalicelib.core.lifecycles import DeliveryStatus, FeedState
from chalicelib.core.rows import OverwriteMode
from chalicelib.ports import Delivery, Env
from chalicelib.protocol.catalog import (
    declared_feed,
    ends_of,
    feed_pointers,
    feeds_of,
    find_endpoint,
    reading_in,
    target_of,
)
from chalicelib.protocol.catchup import listings
from chalicelib.protocol.deliveries import furthest
from chalicelib.protocol.feedlog import FeedLog, History
from chalicelib.protocol.prefixes import check_folder, check_names_left, check_prefix, check_source_folder
from chalicelib.protocol.probing import check_still_yours
from chalicelib.protocol.registering import Author, register, unregister
from chalicelib.protocol.submitting import Location

BACKFILLS_SHOWN = 5
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
class BackfillView:
    """The progress of one listing of a feed's source, as far as this Region knows."""

    name: str
    state: BackfillState
    since_ms: int
    requested_ms: int
    objects_seen: int = 0
    events_sent: int = 0
    started_ms: int | None = None
    finished_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FeedDetail:
    """A feed with its desired state and its back-fills. `state` is None if the target's Region doesn't answer."""

    view: FeedView
    state: FeedState | None
    paused_ms: int | None
    """When it was paused, by S3's clock, in milliseconds; None if it isn't paused."""
    backfills: tuple[BackfillView, ...]
    """The latest back-fills, newest first."""
    stopped: str = ""
    """Why the service paused it, and what to do about that; an empty string if the service didn't."""

    @property
    def paused(self) -> bool | None:
        return None if self.state is None else self.state is not FeedState.RUNNING


@dataclass(frozen=True, slots=True)
class WantedFeed:
    """A feed as a client wants it to be registered."""

    source: Location
    target: Location
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


def put_feed(
    env: Env, author: Author, name: str, wanted_feed: WantedFeed, condition: Condition
) -> tuple[FeedView, bool]:
    """Register a feed or change one, and return it together with True if it is new. Raises InUse if the change would
    move the source or the target, and BadRequest if the endpoints can't be used so."""
    _refuse_declared(env, author.tenant, name)
    pointers: tuple[Pointer, ...] = ()

    def body_after(current: Entry | None) -> str:
        nonlocal pointers
        if current is not None:
            registered = codec.loads(current.body.encode(), Feed)
            _check_same_ends(registered, wanted_feed)
            return codec.dumps(replace(registered, mode=wanted_feed.mode, labels=wanted_feed.labels)).decode()
        feed = Feed(
            id=ids.feed_id(author.tenant, name, env.ids.nonce()),
            tenant=author.tenant,
            source=wanted_feed.source.endpoint,
            source_prefix=wanted_feed.source.prefix,
            target=wanted_feed.target.endpoint,
            target_prefix=wanted_feed.target.prefix,
            mode=wanted_feed.mode,
            name=name,
            labels=wanted_feed.labels,
        )
        ends = _check_ends(env, feed, wanted_feed)
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


def _check_same_ends(registered: Feed, wanted_feed: WantedFeed) -> None:
    """Raise InUse if the source or the target would change. Delivery records say what was delivered between exactly
    these two."""
    source = Location(registered.source, registered.source_prefix)
    target = Location(registered.target, registered.target_prefix)
    if (wanted_feed.source, wanted_feed.target) != (source, target):
        raise InUse(
            ErrorCode.IN_USE,
            f"feed {registered.name!r} goes from {source.prefix!r} at {source.endpoint!r} to {target.prefix!r} at "
            f"{target.endpoint!r} and nowhere else: make another feed",
        )


def _check_ends(env: Env, feed: Feed, wanted_feed: WantedFeed) -> FeedEnds:
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
    check_source_folder(env, source, feed.source_prefix, text_prefix=wanted_feed.source.text_prefix)
    check_folder("target", feed.target_prefix, text_prefix=wanted_feed.target.text_prefix)
    check_names_left(source.below(feed.source_prefix), target.below(feed.target_prefix))
    ends = FeedEnds(feed, source, target)
    for role, location in (("source", source.below(feed.source_prefix)), ("target", target.below(feed.target_prefix))):
        check_prefix(role, location.prefix)
    # This Region doesn't know of a feed that is being created in the other Region right now (docs/adr/0019-feeds.md).
    loop = loop_from(FeedLocation.of(ends), lambda bucket: reading_in(env, bucket))
    if loop is None:
        detail = f"feeds take what it writes on to more than {LOOKED_AT_MAX} buckets: choose another target"
        raise BadRequest(ErrorCode.FEED_LOOP, detail)
    if loop:
        own_names = {other.id: other.name for other in feeds_of(env, feed.tenant)} | {feed.id: feed.name}
        path = " -> ".join(own_names.get(feed_id, "(another tenant's)") for feed_id in loop)
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
    return _set_desired_state(env, author, name, PauseLogKind.PAUSE)


def resume_feed(env: Env, author: Author, name: str) -> FeedDetail:
    """Ask that a paused feed go on, and that it deliver the objects that arrived in the meantime."""
    return _set_desired_state(env, author, name, PauseLogKind.RESUME)


def _set_desired_state(env: Env, author: Author, name: str, kind: PauseLogKind) -> FeedDetail:
    view = find_feed(env, author.tenant, name)
    log = _log(env, view)
    ends = ends_of(view.entry) if view.entry else None
    if kind is PauseLogKind.RESUME and ends is not None and (desired := log.desired()).paused:
        check_still_yours(env, ends.source, ends.target, strictly=bool(log.stopped(desired)))
    log.set_desired_state(kind, author.subject)
    env.log("feed-desired-state", feed=view.feed.id, tenant=author.tenant, wanted=kind, by=author.subject)
    return _detail(env, view, log)


def request_backfill(env: Env, author: Author, name: str, since_ms: int, token: str) -> BackfillView:
    """Ask for the delivery of all objects that lie at the source and were written at `since_ms` or later. Raises InUse
    if too many back-fills of this feed are unfinished, and KeyReused if the token was used for another back-fill."""
    view = find_feed(env, author.tenant, name)
    log = _log(env, view)
    backfill_id = backfill_name(view.feed.id, token)
    history = log.history()
    unfinished = [name for name in history.backfills if name not in history.done and is_backfill(name)]
    if backfill_id not in history.backfills and len(unfinished) >= BACKFILLS_MAX:
        raise InUse(
            ErrorCode.IN_USE, f"{len(unfinished)} back-fills of feed {name!r} are not finished: wait for one of them"
        )
    now_ms, nonce = env.clock.now_ms(), env.ids.nonce()
    backfill = log.order(Backfill(view.feed.id, backfill_id, since_ms, env.region, now_ms, nonce, author.subject))
    env.log("feed-backfill", feed=view.feed.id, tenant=author.tenant, backfill=backfill_id, by=author.subject)
    return _backfill_view(env, log, backfill, paused=history.desired.paused)


def _log(env: Env, view: FeedView) -> FeedLog:
    return FeedLog.of(env, view.feed, target_of(env, view.feed, view.entry))


def _detail(env: Env, view: FeedView, log: FeedLog) -> FeedDetail:
    history = log.history()
    desired = history.desired
    paused_ms = desired.changed_ms if desired.paused else None
    backfills = tuple(_backfills(env, log, history))
    stopped = log.stopped(desired)
    state = feed_state(paused=desired.paused, stopped=bool(stopped))
    return FeedDetail(view, state, paused_ms, backfills, stopped)


def _backfills(env: Env, log: FeedLog, history: History) -> Iterable[BackfillView]:
    for name in history.backfills[:BACKFILLS_SHOWN]:
        backfill = log.backfill(name)
        if backfill is not None:
            yield _backfill_view(env, log, backfill, paused=history.desired.paused)


def _backfill_view(env: Env, log: FeedLog, backfill: Backfill, *, paused: bool) -> BackfillView:
    waiting = BackfillView(backfill.name, BackfillState.WAITING, backfill.since_ms, backfill.requested_ms)
    backfill_done = log.backfill_done(backfill.name)
    if backfill_done is not None:
        return replace(
            waiting,
            state=BackfillState.DONE,
            objects_seen=backfill_done.objects_seen,
            events_sent=backfill_done.events_sent,
            started_ms=backfill_done.started_ms,
            finished_ms=backfill_done.finished_ms,
        )
    # Both Regions may have listed the source, one after the other. The one that got further counts.
    listing = max(listings(env, log.feed_id, backfill.name), key=lambda listing: listing.objects_seen, default=None)
    if listing is None:
        return waiting
    state = BackfillState.WAITING if paused else BackfillState.RUNNING
    return replace(
        waiting,
        state=state,
        objects_seen=listing.objects_seen,
        events_sent=listing.events_sent,
        started_ms=listing.started_ms,
    )


# --- deliveries -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WantedDeliveries:
    """A filter for a feed's deliveries. A delivery must meet every condition that is set."""

    status: DeliveryStatus | None
    key: str | None
    prefix: str
    """Prefix of source keys."""
    since_ms: int
    until_ms: int

    def matches(self, delivery: Delivery) -> bool:
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
    env: Env, tenant: str, name: str, delivery_filter: WantedDeliveries, cursor: str | None, limit: int
) -> DeliveriesView:
    """Return a page of a feed's deliveries, with one delivery for each version of an object, even if both Regions noted
    it."""
    feed = find_feed(env, tenant, name).feed
    if delivery_filter.key is not None:
        return _of_key(env, feed, delivery_filter.key, delivery_filter, cursor, limit)
    deliveries: list[Delivery] = []
    for _ in range(ROUNDS_PER_PAGE):
        page = env.ledger.list_deliveries(
            feed.id, delivery_filter.since_ms, delivery_filter.until_ms, cursor, limit - len(deliveries)
        )
        for statement in page.said:
            newest = furthest(statement.now or (statement.delivery,))
            # Skip an item that the other Region's item has overtaken. The other item is listed at its own position.
            if newest.region == statement.delivery.region and delivery_filter.matches(newest):
                deliveries.append(newest)
        cursor = page.cursor
        if cursor is None or len(deliveries) == limit:
            break
    return DeliveriesView(tuple(deliveries), cursor)


def _of_key(
    env: Env, feed: Feed, key: str, delivery_filter: WantedDeliveries, cursor: str | None, limit: int
) -> DeliveriesView:
    """Return the deliveries of one key. They come from the table itself, which doesn't lag behind this Region's own
    notes as the index does."""
    versions: dict[str, list[Delivery]] = {}
    for delivery in env.ledger.get_deliveries(feed.id, key):
        versions.setdefault(delivery.pin, []).append(delivery)
    newest_first = sorted((furthest(items) for items in versions.values()), key=_position, reverse=True)
    matching = [d for d in newest_first if delivery_filter.matches(d) and (cursor is None or _position(d) < cursor)]
    return DeliveriesView(tuple(matching[:limit]), _position(matching[limit - 1]) if len(matching) > limit else None)


def _position(delivery: Delivery) -> str:
    """Return the position of a version's delivery among those of its key, as text that sorts the newest last."""
    return f"{delivery.at_ms:015d}.{hashlib.sha256(delivery.pin.encode()).hexdigest()[:32]}"
