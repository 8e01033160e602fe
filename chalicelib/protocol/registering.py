"""Change a tenant's registered entries: check conditions, count versions, and write the audit."""

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core.entries import (
    Action,
    Change,
    Condition,
    Entry,
    EntryKind,
    Pointer,
    check_name,
    gone,
    same_body,
    successor,
)
from chalicelib.core.errors import ErrorCode, InUse, Unknown, VersionMismatch
from chalicelib.ports import Env


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a change: the tenant, the subject of the token, and the request."""

    tenant: str
    subject: str
    request_id: str


def _as_it_is(body: str) -> str:
    return body


def _by_name_alone() -> tuple[Pointer, ...]:
    return ()


_UNKNOWN = {
    # These are for a name in the path of a request. An unknown endpoint that is named in a body is another problem,
    # with another status.
    EntryKind.ENDPOINT: ErrorCode.NO_SUCH_ENDPOINT,
    EntryKind.FEED: ErrorCode.UNKNOWN_FEED,
    EntryKind.SCHEDULE: ErrorCode.UNKNOWN_SCHEDULE,
    EntryKind.WEBHOOK: ErrorCode.UNKNOWN_WEBHOOK,
}


def live(env: Env, kind: EntryKind, tenant: str, name: str) -> Entry:
    """Return the entry. Raises Unknown if there is none, or if it was removed. Another tenant's entry costs the same
    call."""
    entry = env.registry.get(kind, tenant, name)
    if entry is None:
        raise Unknown(_UNKNOWN[kind], f"you have no {kind} {name[:80]!r}")
    return entry


def register(
    env: Env,
    author: Author,
    kind: EntryKind,
    name: str,
    condition: Condition,
    body_after: Callable[[Entry | None], str],
    *,
    shown: Callable[[str], str] = _as_it_is,
    found_by: Callable[[], tuple[Pointer, ...]] = _by_name_alone,
) -> tuple[Entry, bool]:
    """Make or change an entry. Return it, and whether it is a new one.

    `body_after` returns the new body, given the current entry (None if there is none). `shown` removes from a body what
    the audit must not keep. `found_by` is called after `body_after`, and returns the index rows by which a new entry is
    found besides its name. Sending the same body again changes nothing, so a client whose answer was lost repeats its
    request.

    Raises InUse if the tenant has registered or removed too many, and VersionMismatch if somebody else changed the
    entry just now.
    """
    check_name(name, str(kind))
    before = env.registry.get(kind, author.tenant, name)
    condition.check(before, f"{kind} {name!r}")
    if before is None:
        _check_number(env, kind, author.tenant)
    body = body_after(before)
    if before is not None and same_body(before.body, body):
        return before, False
    now, nonce = env.clock.now_ms(), env.ids.nonce()
    pointers = found_by() if before is None else before.found_by
    after = successor(before, Entry(kind, author.tenant, name, 1, body, nonce, now, now, found_by=pointers))
    action = Action.CREATED if before is None else Action.CHANGED
    _put(env, author, action, before, after, shown)
    return after, before is None


def _check_number(env: Env, kind: EntryKind, tenant: str) -> None:
    """Raise InUse if the tenant has registered or removed too many: every sweep goes through all tenants' entries. An
    entry that is made in the other Region at the same moment may exceed the limit."""
    count, count_max = len(env.registry.of_tenant(kind, tenant)), most_of(env, kind)
    if count >= count_max:
        raise InUse(
            ErrorCode.TOO_MANY_REGISTERED, f"you have {count} {kind}s, and may have {count_max}: remove one first"
        )
    removed, limit = env.registry.count_removed(kind, tenant), env.policy.removed_per_tenant
    if removed >= limit:
        days = env.policy.removed_kept_ms // (24 * 3_600_000)
        raise InUse(
            ErrorCode.TOO_MANY_REGISTERED,
            f"you have removed {removed} {kind}s in about {days} days, and may remove {limit}: wait until the first of "
            "them is forgotten, and change what you have rather than make and remove",
        )


def most_of(env: Env, kind: EntryKind) -> int:
    """Return how many entries of a kind a tenant may have."""
    return {
        EntryKind.ENDPOINT: env.policy.endpoints_per_tenant,
        EntryKind.FEED: env.policy.feeds_per_tenant,
        EntryKind.SCHEDULE: env.policy.schedules_per_tenant,
        EntryKind.WEBHOOK: env.policy.webhooks_per_tenant,
    }[kind]


def unregister(
    env: Env,
    author: Author,
    kind: EntryKind,
    name: str,
    condition: Condition,
    *,
    shown: Callable[[str], str] = _as_it_is,
) -> None:
    """Remove an entry. Raises Unknown if it isn't there, and VersionMismatch if somebody else changed it just now."""
    before = live(env, kind, author.tenant, name)
    condition.check(before, f"{kind} {name!r}")
    after = gone(before, env.ids.nonce(), env.clock.now_ms(), env.policy.removed_kept_ms)
    _put(env, author, Action.REMOVED, before, after, shown)


def _put(
    env: Env, author: Author, action: Action, before: Entry | None, after: Entry, shown: Callable[[str], str]
) -> None:
    change = Change(
        tenant=author.tenant,
        kind=after.kind,
        name=after.name,
        action=action,
        version=after.version,
        by=author.subject,
        request_id=author.request_id,
        region=env.region,
        at_ms=after.changed_ms,
        nonce=after.nonce,
        before=shown(before.body) if before else None,
        after=None if after.removed else shown(after.body),
    )
    # The change and its audit are one transaction: a crash leaves both or neither. The client repeats its request.
    if not env.registry.put(after, change, before):
        detail = f"{after.kind} {after.name!r} was changed by somebody else just now: read it again"
        raise VersionMismatch(ErrorCode.HAS_CHANGED, detail)
    env.log("registered", kind=after.kind, tenant=after.tenant, name=after.name, action=action, by=author.subject)
