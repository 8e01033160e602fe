"""Register, check and remove endpoints, and list changes. This is the work behind the REST API, without HTTP."""

from dataclasses import dataclass, replace

from chalicelib.core import codec
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.entries import Condition, Entry, EntryKind, Pointer
from chalicelib.core.errors import ErrorCode, InUse, Unknown, Unusable
from chalicelib.ports import ChangePage, Env
from chalicelib.protocol.catalog import declared_endpoint, endpoint_in, endpoints_of, feeds_of, find_endpoint
from chalicelib.protocol.probing import probe
from chalicelib.protocol.registering import Author, live, register, unregister
from chalicelib.protocol.schedules import names_endpoint, schedules_of


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint and its registry entry. The entry is None for an endpoint that came with the deployment."""

    endpoint: Endpoint
    entry: Entry | None


def list_endpoints(env: Env, tenant: str) -> list[EndpointView]:
    """Return all endpoints of a tenant, ordered by id."""
    entries = {entry.name: entry for entry in env.registry.of_tenant(EntryKind.ENDPOINT, tenant)}
    return [_view(env, endpoint, entries.get(endpoint.id)) for endpoint in endpoints_of(env, tenant)]


def get_endpoint(env: Env, tenant: str, name: str) -> EndpointView:
    endpoint = find_endpoint(env, tenant, name)
    if endpoint is None:
        raise _unknown(name)
    return _view(env, endpoint, env.registry.get(EntryKind.ENDPOINT, tenant, name))


def _view(env: Env, endpoint: Endpoint, entry: Entry | None) -> EndpointView:
    return EndpointView(endpoint, None if endpoint is env.declared_endpoints.get(endpoint.id) else entry)


def put_endpoint(env: Env, author: Author, endpoint: Endpoint, condition: Condition) -> tuple[EndpointView, bool]:
    """Register an endpoint or change one, and return it together with True if it is new. It is probed each time before
    it is saved. Raises Unusable if the probe finds a problem, and InUse if the change would move it to another
    location."""
    _refuse_declared(env, author.tenant, endpoint.id)

    def body_after(current: Entry | None) -> str:
        if current is not None:
            _check_same_location(codec.loads(current.body.encode(), Endpoint), endpoint)
        findings = probe(env, endpoint)
        if findings:
            raise Unusable(ErrorCode.ENDPOINT_UNUSABLE, "; ".join(findings))
        return codec.dumps(endpoint).decode()

    # The pointer stays when the endpoint is removed. Objects there still have an owner, and an upload that is left
    # behind is still collected.
    pointers = (Pointer(endpoint_in(endpoint.bucket.name), endpoint.prefix, stays=True),)
    entry, new = register(
        env, author, EntryKind.ENDPOINT, endpoint.id, condition, body_after, found_by=lambda: pointers
    )
    return EndpointView(endpoint, entry), new


def _check_same_location(registered: Endpoint, endpoint: Endpoint) -> None:
    """Raise InUse if the bucket or the prefix would change. Delivery records and running feeds refer to the registered
    location."""
    same_bucket = replace(endpoint.bucket, requester_pays=registered.bucket.requester_pays) == registered.bucket
    if not same_bucket or endpoint.prefix != registered.prefix:
        raise InUse(
            ErrorCode.IN_USE,
            f"endpoint {endpoint.id!r} is {registered.prefix!r} in bucket {registered.bucket.name!r} in "
            f"{registered.bucket.region}: another location is another endpoint; register one",
        )


def remove_endpoint(env: Env, author: Author, name: str, condition: Condition) -> None:
    """Remove an endpoint, so that no new job or feed may name it. Accepted jobs go on, since they hold everything that
    they need of it. Raises InUse if a feed or a schedule names it."""
    _refuse_declared(env, author.tenant, name)
    live(env, EntryKind.ENDPOINT, author.tenant, name)
    users = [feed.name for feed in feeds_of(env, author.tenant) if name in (feed.source, feed.target)]
    users += [
        schedule.entry.name for schedule in schedules_of(env, author.tenant) if names_endpoint(schedule.schedule, name)
    ]
    if users:
        # This Region doesn't know of a feed that is being created in the other Region right now. Such a feed uses the
        # endpoint of the removed entry (`protocol.catalog`).
        raise InUse(
            ErrorCode.IN_USE,
            f"endpoint {name!r} is used by {', '.join(map(repr, users[:5]))}: remove or change that first",
        )
    unregister(env, author, EntryKind.ENDPOINT, name, condition)


def check_endpoint(env: Env, tenant: str, name: str) -> tuple[str, ...]:
    """Probe an endpoint now, and return the problems that prevent its use."""
    return probe(env, get_endpoint(env, tenant, name).endpoint)


def changes(env: Env, tenant: str, cursor: str | None, limit: int) -> ChangePage:
    return env.registry.changes(tenant, cursor, limit)


def _refuse_declared(env: Env, tenant: str, name: str) -> None:
    if declared_endpoint(env, tenant, name) is not None:
        detail = f"endpoint {name!r} came with the deployment: its operators change it there; choose another name"
        raise InUse(ErrorCode.DECLARED_BY_DEPLOYMENT, detail)


def _unknown(name: str) -> Unknown:
    return Unknown(ErrorCode.NO_SUCH_ENDPOINT, f"you have no endpoint {name[:80]!r}")
