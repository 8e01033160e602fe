"""Find endpoints and feeds: those declared by the deployment, and those that tenants have registered since.

The API can't change a declared one, and no tenant can register a second one of that name.

A caller that needs a feed looks it up by the bucket it reads from, by the bucket it writes to, or by its id. So other
registered feeds, and removed ones, cost that caller nothing. An index row is only a pointer: the catalog entry itself
says whether it counts. So a Region knows a feed once it has both the row and the entry, whichever is replicated first.
Only sweeps go through all entries, some at a time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.core import codec
from chalicelib.core.entries import Entry, EntryKind, Found, Pointer
from chalicelib.core.feeds import FeedEnds, FeedPlace, by_id, reads_in, writes_to
from chalicelib.core.leases import Observation, note_of
from chalicelib.core.model import Endpoint, Feed
from chalicelib.ports import EntryName, Env
from chalicelib.protocol.table import tell

P = TypeVar("P", Endpoint, Feed)
WALK = "places"
"""The "job" under which a Region notes how far its sweeps have gone through the endpoint catalog."""


@dataclass(frozen=True, slots=True)
class Places:
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


# --- by need --------------------------------------------------------------------------------------------------


def places_reading(env: Env, objects: Iterable[tuple[str, str]]) -> Places:
    """Return the feeds whose source contains one of these objects, each given as (bucket, key). It costs a query per
    bucket, and one read of the entries found.

    The reads are strongly consistent in this Region. So once a sweep of this Region has found a feed by this very call,
    every later call here finds it. An object whose event was dropped because the feed was unknown was therefore there
    before that sweep; `protocol.catchup` relies on this.
    """
    keys: dict[str, list[str]] = {}
    for bucket, key in objects:
        keys.setdefault(bucket, []).append(key)
    found = [
        (row, place)
        for bucket in sorted(keys)
        for row, place in _rows(env, reads_in(bucket))
        if any(key.startswith(place.source_prefix) for key in keys[bucket])
    ]
    return _resolved(env, found, lambda source, _: source.bucket.name in keys)


def places_writing(env: Env, bucket: str, key: str) -> Places:
    """Return the feeds whose target contains this object."""
    found = [(row, place) for row, place in _rows(env, writes_to(bucket)) if key.startswith(place.target_prefix)]
    return _resolved(env, found, lambda _, target: target.bucket.name == bucket)


def places_of_feed(env: Env, feed_id: str) -> Places:
    """Return one feed by its id, if this Region knows it; then it also delivers here. A removed feed is returned in
    `removed`."""
    declared = env.declared_feeds.get(feed_id)
    if declared is not None:
        return _declared_places(env, [declared])
    for row in env.registry.find(EntryKind.FEED, by_id(feed_id)):
        ends = codec.loads(row.body.encode(), FeedEnds)
        source = ends.source.below(ends.feed.source_prefix)
        here = places_reading(env, [(source.bucket.name, source.prefix)])
        if feed_id in here.feeds:
            return here
        if row.removed or declared_feed(env, row.tenant, row.name) is not None:
            # The second condition: a later deployment has declared a feed of that name. The declared one counts, and
            # the registered one no longer delivers.
            return Places(_ends_of(env, ends, {}), {}, {feed_id: ends.feed})
        env.log("feed-not-replicated", feed=feed_id, tenant=row.tenant)
    return Places({}, {}, {})


def prefixes_in(env: Env, bucket: str) -> list[str]:
    """Return the prefixes of the endpoints in a bucket, those of all tenants, and of endpoints that were removed
    lately."""
    declared = [e.prefix for e in env.declared_endpoints.values() if e.bucket.name == bucket]
    return declared + [row.body for row in env.registry.find(EntryKind.ENDPOINT, endpoint_in(bucket))]


def endpoint_in(bucket: str) -> str:
    """Return the name of the index row that lists the endpoints in a bucket."""
    return f"bucket:{bucket}"


def reading_in(env: Env, bucket: str) -> list[FeedPlace]:
    """Return the ends of the feeds that read from a bucket."""
    declared = [
        FeedPlace.of(FeedEnds(feed, env.declared_endpoints[feed.source], env.declared_endpoints[feed.target]))
        for feed in env.declared_feeds.values()
    ]
    return [place for place in declared if place.source_bucket == bucket] + [
        place for _, place in _rows(env, reads_in(bucket))
    ]


def _rows(env: Env, at: str) -> list[tuple[Found, FeedPlace]]:
    return [(row, codec.loads(row.body.encode(), FeedPlace)) for row in env.registry.find(EntryKind.FEED, at)]


def _resolved(
    env: Env, found: Sequence[tuple[Found, FeedPlace]], wanted: Callable[[Endpoint, Endpoint], bool]
) -> Places:
    """Return the feeds that the index rows `found` point to, as their entries say, and the declared feeds that `wanted`
    selects by their ends."""
    declared = _declared_places(env, env.declared_feeds.values())
    feeds = {feed.id: feed for feed in declared.feeds.values() if wanted(declared.source(feed), declared.target(feed))}
    names: list[EntryName] = []
    for row, place in found:
        names.append((EntryKind.FEED, row.tenant, row.name))
        names += [(EntryKind.ENDPOINT, row.tenant, name) for name in (place.source, place.target)]
    there = env.registry.get_many(names) if names else {}
    endpoints = dict(declared.endpoints)
    for row, place in found:
        entry = there.get((EntryKind.FEED, row.tenant, row.name))
        ends = None if entry is None else ends_of(entry)
        # A row without its entry: the entry is not replicated yet, or was made again under its name.
        if ends is not None and ends.feed.id == place.feed_id and declared_feed(env, row.tenant, row.name) is None:
            feeds[place.feed_id] = ends.feed
            endpoints |= _ends_of(env, ends, there)
    return Places(endpoints, feeds, {})


def _declared_places(env: Env, feeds: Iterable[Feed]) -> Places:
    endpoints = {(e.tenant, e.id): e for e in env.declared_endpoints.values()}
    return Places(endpoints, {feed.id: feed for feed in feeds}, {})


def ends_of(entry: Entry) -> FeedEnds | None:
    """Return a feed as its entry says, with its ends as they were when it was registered."""
    feed = _read(entry, Feed)
    for pointer in entry.found_by:
        if pointer.at == by_id(feed.id):
            ends = codec.loads(pointer.body.encode(), FeedEnds)
            return FeedEnds(feed, ends.source, ends.target)
    return None


def _ends_of(env: Env, ends: FeedEnds, there: Mapping[EntryName, Entry]) -> dict[tuple[str, str], Endpoint]:
    """Return a feed's endpoints as they are now. An endpoint is returned as it was registered if its entry isn't in
    this Region yet, or was removed in the other Region while the feed was made in this one."""
    found: dict[tuple[str, str], Endpoint] = {}
    for known in (ends.source, ends.target):
        entry = there.get((EntryKind.ENDPOINT, known.tenant, known.id))
        now = declared_endpoint(env, known.tenant, known.id) or (_read(entry, Endpoint) if entry else None)
        # An endpoint that was removed and made again under its name may be another location. The feed keeps its old
        # one.
        same = now is not None and (now.bucket.name, now.prefix) == (known.bucket.name, known.prefix)
        found[known.tenant, known.id] = now if now is not None and same else known
    return found


def feed_pointers(ends: FeedEnds) -> tuple[Pointer, ...]:
    """Return the index rows by which a feed is found."""
    place = codec.dumps(FeedPlace.of(ends)).decode()
    return (
        Pointer(reads_in(ends.source.bucket.name), place),
        Pointer(writes_to(ends.target.bucket.name), place),
        Pointer(by_id(ends.feed.id), codec.dumps(ends).decode(), stays=True),
    )


# --- all, some at a time --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Walk:
    """The cursors after which the next sweep goes on. None: from the start."""

    feeds: str | None = None
    endpoints: str | None = None
    removed: str | None = None


def read_places(env: Env) -> Places:
    """Return the next `places_per_sweep` feeds, endpoints and removed endpoints, and everything declared; meant for
    sweeps. If there are no more than that, each call returns all of them."""
    noted = env.ledger.get_observation(WALK, WALK, env.region)
    before = note_of(noted, _Walk) or _Walk()
    feeds, feeds_at = _next(env, EntryKind.FEED, before.feeds)
    endpoints, endpoints_at = _next(env, EntryKind.ENDPOINT, before.endpoints)
    removed, removed_at = _next(env, EntryKind.ENDPOINT, before.removed, removed=True)
    after = _Walk(feeds_at, endpoints_at, removed_at)
    if after != before:
        # Crash before this: the next sweep reads the same entries again.
        now = Observation.of(WALK, WALK, env.region, after, env.clock.now_ms())
        tell(env, env.ledger.put_observation, now)
    return _of_sweep(env, feeds, endpoints, removed)


def _next(env: Env, kind: EntryKind, cursor: str | None, *, removed: bool = False) -> tuple[list[Entry], str | None]:
    """Return the entries after the cursor, and the next cursor. The next cursor is None at the end, which means: from
    the start."""
    found: list[Entry] = []
    while len(found) < env.policy.places_per_sweep:
        page = env.registry.page(kind, cursor, env.policy.places_per_sweep - len(found), removed=removed)
        found += page.entries
        cursor = page.cursor
        if cursor is None:
            break
    return found, cursor


def _of_sweep(env: Env, feeds: Sequence[Entry], endpoints: Sequence[Entry], removed: Sequence[Entry]) -> Places:
    declared = _declared_places(env, env.declared_feeds.values())
    known = {(EntryKind.ENDPOINT, e.tenant, e.name): e for e in endpoints}
    places = {(e.tenant, f"{e.name}#{e.nonce}"): _read(e, Endpoint) for e in removed}
    places |= {(e.tenant, e.name): _read(e, Endpoint) for e in endpoints}
    live = dict(declared.feeds)
    for entry in feeds:
        ends = ends_of(entry)
        if ends is not None and declared_feed(env, entry.tenant, entry.name) is None:
            live[ends.feed.id] = ends.feed
            places |= _ends_of(env, ends, known)
    return Places(places | dict(declared.endpoints), live, {})


# --- one tenant's ---------------------------------------------------------------------------------------------


def _read(entry: Entry, kind: type[P]) -> P:
    return codec.loads(entry.body.encode(), kind)


def declared_endpoint(env: Env, tenant: str, name: str) -> Endpoint | None:
    """Return the declared endpoint of that name, if it is the tenant's."""
    found = env.declared_endpoints.get(name)
    return found if found is not None and found.tenant == tenant else None


def declared_feed(env: Env, tenant: str, name: str) -> Feed | None:
    """Return the declared feed of that name, if it is the tenant's."""
    found = env.declared_feeds.get(name)
    return found if found is not None and found.tenant == tenant else None


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
    found = _registered(env, EntryKind.ENDPOINT, tenant, Endpoint)
    found |= {e.id: e for e in env.declared_endpoints.values() if e.tenant == tenant}
    return [found[name] for name in sorted(found)]


def feeds_of(env: Env, tenant: str) -> list[Feed]:
    """Return the tenant's feeds, by name."""
    found = _registered(env, EntryKind.FEED, tenant, Feed)
    found |= {f.name: f for f in env.declared_feeds.values() if f.tenant == tenant}
    return [found[name] for name in sorted(found)]
