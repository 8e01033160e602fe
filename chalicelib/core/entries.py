"""Defines what tenants register (endpoints, feeds and the like) and each change of it, as data.

Entries change at human speed. Both Regions write the same table item. If both Regions change it within the time that
replication takes (about a second), the later change wins, and the audit shows both. Safety does not depend on entries:
a job copies what it needs into its spec when it is accepted.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from chalicelib.core.errors import BadRequest, ErrorCode, VersionMismatch

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""The form of an entry's name. It fits into a path, a log and a file name unchanged."""


class EntryKind(StrEnum):
    """A kind of entry that tenants may register."""

    ENDPOINT = "endpoint"
    FEED = "feed"
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"


class Action(StrEnum):
    """The kind of a change to an entry."""

    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Pointer:
    """An index row that is written with an entry. It makes the entry findable by something other than its name."""

    at: str
    """The index key, such as `source:<bucket>`."""
    body: str
    """The data that the reader of the row needs before it reads the entry. It doesn't change while the entry exists."""
    stays: bool = False
    """The row is kept for as long as the removed entry is."""


@dataclass(frozen=True, slots=True)
class Found:
    """An index row as found. It is only a hint: the entry itself says whether the row still counts."""

    tenant: str
    name: str
    body: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a tenant has registered, under a name that is unique within the tenant and the kind.

    A removed entry is kept for a while, apart from the existing ones: what was begun under it still has to be cleaned
    up.
    """

    kind: EntryKind
    tenant: str
    name: str
    version: int
    """Starts at 1 and grows by one with every change, including removal. It starts at 1 again if the entry is made
    anew. It is for people: changes are conditional on `nonce`."""
    body: str
    """The registered data, as JSON for the kind's codec. A removed entry keeps its last body."""
    nonce: str
    """The nonce of the change that wrote the entry, never used twice. Changes are conditional on it. A writer whose
    answer was lost recognises its own change by it."""
    created_ms: int
    changed_ms: int
    removed: bool = False
    found_by: tuple[Pointer, ...] = ()
    expires_ms: int | None = None
    """When nobody needs a removed entry any more."""

    @property
    def etag(self) -> str:
        """The entry's ETag, an opaque text. It includes the nonce, since two Regions may have made different versions
        with the same number."""
        return hashlib.sha256(f"{self.version}:{self.nonce}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an entry, kept forever: a record of the audit."""

    tenant: str
    kind: EntryKind
    name: str
    action: Action
    version: int
    by: str
    """The subject of the token that asked for the change."""
    request_id: str
    region: str
    at_ms: int
    nonce: str
    before: str | None
    after: str | None
    """The entry's body without its secrets."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The client's precondition: `If-Match` (ETags, or `*` for "it exists") or `If-None-Match: *` ("it doesn't
    exist")."""

    match: tuple[str, ...] | None = None
    absent: bool = False

    def check(self, entry: Entry | None, title: str) -> None:
        """Raise VersionMismatch if the condition does not hold. `entry` is the current one, None if there is none.
        `title` is what the message calls it."""
        if self.absent and entry is not None:
            raise VersionMismatch(ErrorCode.ALREADY_THERE, f"{title} is there already (If-None-Match: *)")
        if self.match is None or (entry is not None and ("*" in self.match or entry.etag in self.match)):
            return
        why = "isn't there" if entry is None else "has changed since you read it"
        raise VersionMismatch(ErrorCode.HAS_CHANGED, f"{title} {why} (If-Match): read it again, then decide")


ANY = Condition()


def check_name(name: str, kind: str) -> None:
    """Raise BadRequest unless `name` is a valid name for an entry. The message names the entry's `kind`."""
    if not NAME.fullmatch(name):
        detail = (
            f"{kind} {name[:80]!r}: 1 to 64 letters, digits, dots, dashes and underscores, the first no punctuation"
        )
        raise BadRequest(ErrorCode.INVALID_NAME, detail)


def successor(before: Entry | None, entry: Entry) -> Entry:
    """Return `entry` as the next version of `before`."""
    if before is None:
        return entry
    return replace(entry, version=before.version + 1, created_ms=before.created_ms)


def gone(before: Entry, nonce: str, now_ms: int, kept_ms: int) -> Entry:
    """Return the entry that is kept for `kept_ms` after a removal. Only the index rows that stay still lead to it."""
    return replace(
        before,
        version=before.version + 1,
        nonce=nonce,
        changed_ms=now_ms,
        removed=True,
        found_by=tuple(pointer for pointer in before.found_by if pointer.stays),
        expires_ms=now_ms + kept_ms,
    )


def same_body(left: str, right: str) -> bool:
    """Tell whether two JSON bodies mean the same, however they were written."""
    return left == right or json.loads(left) == json.loads(right)
