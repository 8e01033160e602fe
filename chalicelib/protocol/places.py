"""Endpoints and feeds: those that came with the deployment, and those that tenants have registered since.

What is declared can't be changed by the API, and no tenant can register a second one of that name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.core import codec
from chalicelib.core.entries import Entry, EntryKind
from chalicelib.core.errors import Retry
from chalicelib.core.model import Endpoint, Feed
from chalicelib.ports import Env

P = TypeVar("P", Endpoint, Feed)


@dataclass(frozen=True, slots=True)
class Places:
    """What there is, read once for one invocation."""

    endpoints: Mapping[tuple[str, str], Endpoint]
    """By tenant and id, removed ones too: what was begun under one goes on, and is cleaned up."""
    feeds: Mapping[str, Feed]
    """Those that deliver, by id."""
    removed: Mapping[str, Feed]

    def source(self, feed: Feed) -> Endpoint:
        return self.endpoints[feed.tenant, feed.source].below(feed.source_prefix)

    def target(self, feed: Feed) -> Endpoint:
        return self.endpoints[feed.tenant, feed.target].below(feed.target_prefix)


def read_places(env: Env) -> Places:
    """Everything that there is: two queries."""
    endpoints = {(e.tenant, e.name): _read(e, Endpoint) for e in env.registry.all(EntryKind.ENDPOINT)}
    endpoints |= {(e.tenant, e.id): e for e in env.declared_endpoints.values()}
    feeds, removed = dict(env.declared_feeds), {}
    for entry in env.registry.all(EntryKind.FEED):
        feed = _read(entry, Feed)
        if not {(feed.tenant, feed.source), (feed.tenant, feed.target)} <= endpoints.keys():
            # The other Region's change of the endpoint isn't here yet, or was made at the same time as the feed's.
            env.log("feed-without-endpoint", feed=feed.id, tenant=feed.tenant)
        elif entry.removed or declared_feed(env, feed.tenant, feed.name) is not None:
            # Or a later deployment has declared one of that name: it counts, and what was registered delivers no more.
            removed[feed.id] = feed
        else:
            feeds[feed.id] = feed
    return Places(endpoints, feeds, removed)


def _read(entry: Entry, kind: type[P]) -> P:
    return codec.loads(entry.body.encode(), kind)


def declared_endpoint(env: Env, tenant: str, name: str) -> Endpoint | None:
    """The one of that name that came with the deployment, if it is the tenant's."""
    found = env.declared_endpoints.get(name)
    return found if found is not None and found.tenant == tenant else None


def declared_feed(env: Env, tenant: str, name: str) -> Feed | None:
    """The same of feeds."""
    found = env.declared_feeds.get(name)
    return found if found is not None and found.tenant == tenant else None


def find_endpoint(env: Env, tenant: str, name: str) -> Endpoint | None:
    """The tenant's endpoint of that name. Another tenant's costs the same call as one that there isn't."""
    entry = env.registry.get(EntryKind.ENDPOINT, tenant, name)
    declared = declared_endpoint(env, tenant, name)
    if declared is not None:
        return declared
    return None if entry is None or entry.removed else _read(entry, Endpoint)


def last_known_endpoint(env: Env, tenant: str, name: str) -> Endpoint:
    """Also one that was removed: a feed of the other Region's may have been made with it at that moment."""
    declared = declared_endpoint(env, tenant, name)
    if declared is not None:
        return declared
    entry = env.registry.get(EntryKind.ENDPOINT, tenant, name)
    if entry is None:
        raise Retry("NotReplicated", f"endpoint {name!r} is not known here yet")
    return _read(entry, Endpoint)


def _registered(env: Env, kind: EntryKind, tenant: str, of: type[P]) -> dict[str, P]:
    return {e.name: _read(e, of) for e in env.registry.of_tenant(kind, tenant) if not e.removed}


def endpoints_of(env: Env, tenant: str) -> list[Endpoint]:
    """By id."""
    found = _registered(env, EntryKind.ENDPOINT, tenant, Endpoint)
    found |= {e.id: e for e in env.declared_endpoints.values() if e.tenant == tenant}
    return [found[name] for name in sorted(found)]


def feeds_of(env: Env, tenant: str) -> list[Feed]:
    """By name."""
    found = _registered(env, EntryKind.FEED, tenant, Feed)
    found |= {f.name: f for f in env.declared_feeds.values() if f.tenant == tenant}
    return [found[name] for name in sorted(found)]
