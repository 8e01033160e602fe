"""Endpoints and feeds: those that came with the deployment, and those that tenants have registered since.

What is declared can't be changed by the API, and no tenant can register a second one of that name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.core import codec
from chalicelib.core.entries import Entry, EntryKind
from chalicelib.core.errors import Retry
from chalicelib.core.model import Endpoint, Feed
from chalicelib.ports import Env


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
    endpoints = {
        _endpoint_key(entry): codec.loads(entry.body.encode(), Endpoint) for entry in _all(env, EntryKind.ENDPOINT)
    }
    endpoints |= {(e.tenant, e.id): e for e in env.declared_endpoints.values()}
    feeds, removed = dict(env.declared_feeds), {}
    for entry in _all(env, EntryKind.FEED):
        feed = codec.loads(entry.body.encode(), Feed)
        if not {(feed.tenant, feed.source), (feed.tenant, feed.target)} <= endpoints.keys():
            # The other Region's change of the endpoint isn't here yet, or was made at the same time as the feed's.
            env.log("feed-without-endpoint", feed=feed.id, tenant=feed.tenant)
        elif entry.removed or _is_declared(env, feed):
            removed[feed.id] = feed
        else:
            feeds[feed.id] = feed
    return Places(endpoints, feeds, removed)


def _is_declared(env: Env, feed: Feed) -> bool:
    """A later deployment has declared one of that name: it counts, and what was registered delivers no more."""
    declared = env.declared_feeds.get(feed.name)
    return declared is not None and declared.tenant == feed.tenant


def _all(env: Env, kind: EntryKind) -> list[Entry]:
    return list(env.registry.all(kind))


def _endpoint_key(entry: Entry) -> tuple[str, str]:
    return entry.tenant, entry.name


def find_endpoint(env: Env, tenant: str, name: str) -> Endpoint | None:
    """The tenant's endpoint of that name. Another tenant's costs the same call as one that there isn't."""
    entry = env.registry.get(EntryKind.ENDPOINT, tenant, name)
    declared = env.declared_endpoints.get(name)
    if declared is not None and declared.tenant == tenant:
        return declared
    return None if entry is None or entry.removed else codec.loads(entry.body.encode(), Endpoint)


def last_known_endpoint(env: Env, tenant: str, name: str) -> Endpoint:
    """Also one that was removed: a feed of the other Region's may have been made with it at that moment."""
    declared = env.declared_endpoints.get(name)
    if declared is not None and declared.tenant == tenant:
        return declared
    entry = env.registry.get(EntryKind.ENDPOINT, tenant, name)
    if entry is None:
        raise Retry("NotReplicated", f"endpoint {name!r} is not known here yet")
    return codec.loads(entry.body.encode(), Endpoint)


def endpoints_of(env: Env, tenant: str) -> list[Endpoint]:
    """By id."""
    found = {
        e.name: codec.loads(e.body.encode(), Endpoint)
        for e in env.registry.of_tenant(EntryKind.ENDPOINT, tenant)
        if not e.removed
    }
    found |= {e.id: e for e in env.declared_endpoints.values() if e.tenant == tenant}
    return [found[name] for name in sorted(found)]


def feeds_of(env: Env, tenant: str) -> list[Feed]:
    """By name."""
    found = {
        e.name: codec.loads(e.body.encode(), Feed)
        for e in env.registry.of_tenant(EntryKind.FEED, tenant)
        if not e.removed
    }
    found |= {f.name: f for f in env.declared_feeds.values() if f.tenant == tenant}
    return [found[name] for name in sorted(found)]
