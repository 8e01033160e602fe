"""Find endpoints and feeds: those declared by the deployment, and those that tenants have registered since.

The API can't change a declared endpoint or feed, and no tenant can register another one of the same name.

A caller that needs a feed looks it up by the bucket it reads from, by the bucket it writes to, or by its id. So other
registered feeds, and removed ones, cost that caller nothing. An index row is only a pointer: the catalog entry itself
says whether it counts. So a Region knows a feed once it has both the row and the entry, whichever is replicated first.
Only sweeps go through all entries, some at a time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.core import codec
from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.entries import Entry, EntryKind, Found, Pointer
from chalicelib.core.feeds import FeedEnds, FeedLocation, by_id, reads_in, writes_to
from chalicelib.core.leases import Observation, note_of
from chalicelib.ports import EntryName, Env
from chalicelib.protocol.table import put_best_effort

P = TypeVar("P", Endpoint, Feed)
WALK = "catalog"
"""The "job" under which a Region notes how far its sweeps have gone through the endpoint catalog."""


@dataclass(frozen=True, slots=True)
class EndpointCatalog:
    """The feeds that a caller looked up, and their endpoints."""

    endpoints: Mapping[tuple[str, str], Endpoint]
    """By tenant and id."""
    feeds: Mapping[str, Feed]
    """The feeds that deliver, by id."""
    removed: Mapping[str, Feed]

    def source(self, feed: Feed) -> Endpoint:
        return self.endpoints[feed.tenant, feed.source].below(feed.source_prefix)

    def target(self, feed: Feed) -> Endpoint:
        return self.endpoints[feed.tenant, feed.target].below(feed.target_prefix)


# --- by look-up --------------------------------------------------------------------------------------------------


def catalog_reading(env: Env, objects: Iterable[tuple[str, str]]) -> EndpointCatalog:
    """Return the feeds whose source contains one of these objects, each given as (bucket, key). It costs a query per
    bucket, and one read of the entries that the rows point to.

    The reads are strongly consistent in this Region. So once a sweep of this Region has found a feed by this very call,
    every later call here finds it. An object whose event was dropped because the feed was unknown was therefore there
    before that sweep; `protocol.catchup` relies on this.
    """
    keys: dict[str, list[str]] = {}
    for bucket, key in objects:
        keys.setdefault(bucket, []).append(key)
    index_rows = [
        (row, location)
        for bucket in sorted(keys)
        for row, location in _rows(env, reads_in(bucket))
        if any(key.startswith(location.source_prefix) for key in keys[bucket])
    ]
    return _resolved(env, index_rows, lambda source, _: source.bucket.name in keys)


def catalog_writing(env: Env, bucket: str, key: str) -> EndpointCatalog:
    """Return the feeds whose target contains this object."""
    index_rows = [
        (row, location) for row, location in _rows(env, writes_to(bucket)) if key.startswith(location.target_prefix)
    ]
    return _resolved(env, index_rows, lambda _, target: target.bucket.name == bucket)


def catalog_of_feed(env: Env, feed_id: str) -> EndpointCatalog:
    """Return one feed by its id, if this Region knows it; then it also delivers here. A removed feed is returned in
    `removed`."""
    declared = env.declared_feeds.get(feed_id)
    if declared is not None:
        return _declared_catalog(env, [declared])
    for row in env.registry.find(EntryKind.FEED, by_id(feed_id)):
        ends = codec.loads(row.body.encode(), FeedEnds)
        source = ends.source.below(ends.feed.source_prefix)
        catalog = catalog_reading(env, [(source.bucket.name, source.prefix)])
        if feed_id in catalog.feeds:
            return catalog
        if row.removed or declared_feed(env, row.tenant, row.name) is not None:
            # The second condition: a later deployment has declared a feed of that name. The declared one counts, and
            # the registered one no longer delivers.
            return EndpointCatalog(_ends_of(env, ends, {}), {}, {feed_id: ends.feed})
        env.log("feed-not-replicated", feed=feed_id, tenant=row.tenant)
    return EndpointCatalog({}, {}, {})


def prefixes_in(env: Env, bucket: str) -> list[str]:
    """Return the prefixes of the endpoints in a bucket, those of all tenants, and of endpoints that were removed
    lately."""
    declared = [e.prefix for e in env.declared_endpoints.values() if e.bucket.name == bucket]
    return declared + [row.body for row in env.registry.find(EntryKind.ENDPOINT, endpoint_in(bucket))]


def endpoint_in(bucket: str) -> str:
    """Return the name of the index row that lists the endpoints in a bucket."""
    return f"bucket:{bucket}"


def reading_in(env: Env, bucket: str) -> list[FeedLocation]:
    """Return the ends of the feeds that read from a bucket."""
    declared = [
        FeedLocation.of(FeedEnds(feed, env.declared_endpoints[feed.source], env.declared_endpoints[feed.target]))
        for feed in env.declared_feeds.values()
    ]
    return [location for location in declared if location.source_bucket == bucket] + [
        location for _, location in _rows(env, reads_in(bucket))
    ]


def _rows(env: Env, at: str) -> list[tuple[Found, FeedLocation]]:
    return [(row, codec.loads(row.body.encode(), FeedLocation)) for row in env.registry.find(EntryKind.FEED, at)]


def _resolved(
    env: Env, index_rows: Sequence[tuple[Found, FeedLocation]], is_selected: Callable[[Endpoint, Endpoint], bool]
) -> EndpointCatalog:
    """Return the feeds that the index rows point to, as their entries say, and the declared feeds that `is_selected`
    chooses by their source and target."""
    declared = _declared_catalog(env, env.declared_feeds.values())
    feeds = {
        feed.id: feed for feed in declared.feeds.values() if is_selected(declared.source(feed), declared.target(feed))
    }
    names: list[EntryName] = []
    for row, location in index_rows:
        names.append((EntryKind.FEED, row.tenant, row.name))
        names += [(EntryKind.ENDPOINT, row.tenant, name) for name in (location.source, location.target)]
    entries = env.registry.get_many(names) if names else {}
    endpoints = dict(declared.endpoints)
    for row, location in index_rows:
        entry = entries.get((EntryKind.FEED, row.tenant, row.name))
        ends = None if entry is None else ends_of(entry)
        # A row without its entry: the entry is not replicated yet, or was made again under its name.
        if ends is not None and ends.feed.id == location.feed_id and declared_feed(env, row.tenant, row.name) is None:
            feeds[location.feed_id] = ends.feed
            endpoints |= _ends_of(env, ends, entries)
    return EndpointCatalog(endpoints, feeds, {})


def _declared_catalog(env: Env, feeds: Iterable[Feed]) -> EndpointCatalog:
    endpoints = {(e.tenant, e.id): e for e in env.declared_endpoints.values()}
    return EndpointCatalog(endpoints, {feed.id: feed for feed in feeds}, {})


def ends_of(entry: Entry) -> FeedEnds | None:
    """Return a feed as its entry says, with its ends as they were when it was registered."""
    feed = _read(entry, Feed)
    for pointer in entry.found_by:
        if pointer.at == by_id(feed.id):
            ends = codec.loads(pointer.body.encode(), FeedEnds)
            return FeedEnds(feed, ends.source, ends.target)
    return None


def _ends_of(env: Env, ends: FeedEnds, entries: Mapping[EntryName, Entry]) -> dict[tuple[str, str], Endpoint]:
    """Return a feed's endpoints as they are now. An endpoint is returned as it was registered if its entry isn't in
    this Region yet, or was removed in the other Region while the feed was made in this one."""
    endpoints: dict[tuple[str, str], Endpoint] = {}
    for registered in (ends.source, ends.target):
        entry = entries.get((EntryKind.ENDPOINT, registered.tenant, registered.id))
        current = declared_endpoint(env, registered.tenant, registered.id) or (
            _read(entry, Endpoint) if entry else None
        )
        # An endpoint that was removed and made again under its name may be another location. The feed keeps its old
        # one.
        is_same_location = current is not None and (current.bucket.name, current.prefix) == (
            registered.bucket.name,
            registered.prefix,
        )
        endpoints[registered.tenant, registered.id] = (
            current if current is not None and is_same_location else registered
        )
    return endpoints


def feed_pointers(ends: FeedEnds) -> tuple[Pointer, ...]:
    """Return the index rows by which a feed is found."""
    location = codec.dumps(FeedLocation.of(ends)).decode()
    return (
        Pointer(reads_in(ends.source.bucket.name), location),
        Pointer(writes_to(ends.target.bucket.name), location),
        Pointer(by_id(ends.feed.id), codec.dumps(ends).decode(), stays=True),
    )


# --- all, some at a time --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Walk:
    """The cursors after which the next sweep continues. None: from the start."""

    feeds: str | None = None
    endpoints: str | None = None
    removed: str | None = None


def read_catalog(env: Env) -> EndpointCatalog:
    """Return the next `catalog_entries_per_sweep` feeds, endpoints and removed endpoints, and everything declared;
    meant for sweeps. If there are no more than that, each call returns all of them."""
    noted_walk = env.ledger.get_observation(WALK, WALK, env.region)
    before = note_of(noted_walk, _Walk) or _Walk()
    feeds, feeds_at = _next(env, EntryKind.FEED, before.feeds)
    endpoints, endpoints_at = _next(env, EntryKind.ENDPOINT, before.endpoints)
    removed, removed_at = _next(env, EntryKind.ENDPOINT, before.removed, removed=True)
    after = _Walk(feeds_at, endpoints_at, removed_at)
    if after != before:
        # Crash before this: the next sweep reads the same entries again.
        observation = Observation.of(WALK, WALK, env.region, after, env.clock.now_ms())
        put_best_effort(env, env.ledger.put_observation, observation)
    return _of_sweep(env, feeds, endpoints, removed)


def _next(env: Env, kind: EntryKind, cursor: str | None, *, removed: bool = False) -> tuple[list[Entry], str | None]:
    """Return the entries after the cursor, and the next cursor. The next cursor is None at the end, which means: from
    the start."""
    entries: list[Entry] = []
    while len(entries) < env.policy.catalog_entries_per_sweep:
        page = env.registry.page(kind, cursor, env.policy.catalog_entries_per_sweep - len(entries), removed=removed)
        entries += page.entries
        cursor = page.cursor
        if cursor is None:
            break
    return entries, cursor


def _of_sweep(
    env: Env, feeds: Sequence[Entry], endpoints: Sequence[Entry], removed: Sequence[Entry]
) -> EndpointCatalog:
    declared = _declared_catalog(env, env.declared_feeds.values())
    endpoint_entries = {(EntryKind.ENDPOINT, e.tenant, e.name): e for e in endpoints}
    catalog_endpoints = {(e.tenant, f"{e.name}#{e.nonce}"): _read(e, Endpoint) for e in removed}
    catalog_endpoints |= {(e.tenant, e.name): _read(e, Endpoint) for e in endpoints}
    live = dict(declared.feeds)
    for entry in feeds:
        ends = ends_of(entry)
        if ends is not None and declared_feed(env, entry.tenant, entry.name) is None:
            live[ends.feed.id] = ends.feed
            catalog_endpoints |= _ends_of(env, ends, endpoint_entries)
    return EndpointCatalog(catalog_endpoints | dict(declared.endpoints), live, {})


# --- one tenant's ---------------------------------------------------------------------------------------------


def _read(entry: Entry, kind: type[P]) -> P:
    return codec.loads(entry.body.encode(), kind)


def declared_endpoint(env: Env, tenant: str, name: str) -> Endpoint | None:
    """Return the declared endpoint of that name, if it is the tenant's."""
    endpoint = env.declared_endpoints.get(name)
    return endpoint if endpoint is not None and endpoint.tenant == tenant else None


def declared_feed(env: Env, tenant: str, name: str) -> Feed | None:
    """Return the declared feed of that name, if it is the tenant's."""
    feed = env.declared_feeds.get(name)
    return feed if feed is not None and feed.tenant == tenant else None


def find_endpoint(env: Env, tenant: str, name: str) -> Endpoint | None:
    """Return the tenant's endpoint of that name, or None. Another tenant's endpoint costs the same call as one that
    doesn't exist."""
    entry = env.registry.get(EntryKind.ENDPOINT, tenant, name)
    declared = declared_endpoint(env, tenant, name)
    if declared is not None:
        return declared
    return None if entry is None else _read(entry, Endpoint)


def target_of(env: Env, feed: Feed, entry: Entry | None) -> Endpoint:
    """Return the endpoint that a feed writes to: its location never changes, whatever became of the endpoint. `entry`
    is None for a declared feed."""
    ends = ends_of(entry) if entry is not None else None
    return env.declared_endpoints[feed.target] if ends is None else ends.target


def _registered(env: Env, kind: EntryKind, tenant: str, of: type[P]) -> dict[str, P]:
    return {e.name: _read(e, of) for e in env.registry.of_tenant(kind, tenant)}


def endpoints_of(env: Env, tenant: str) -> list[Endpoint]:
    """Return the tenant's endpoints, by id."""
    endpoints = _registered(env, EntryKind.ENDPOINT, tenant, Endpoint)
    endpoints |= {e.id: e for e in env.declared_endpoints.values() if e.tenant == tenant}
    return [endpoints[name] for name in sorted(endpoints)]


def feeds_of(env: Env, tenant: str) -> list[Feed]:
    """Return the tenant's feeds, by name."""
    feeds = _registered(env, EntryKind.FEED, tenant, Feed)
    feeds |= {f.name: f for f in env.declared_feeds.values() if f.tenant == tenant}
    return [feeds[name] for name in sorted(feeds)]
