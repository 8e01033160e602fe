"""What tenants register, as data: endpoints, feeds and the like, and each change of them.

Changed at human speed. Both Regions write the same item: of two changes made in both within the time that replication
takes (about a second), the later one counts, and the audit shows both. Nothing about safety rests on them: a job takes
what it needs into its spec when it is accepted.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from chalicelib.core.errors import BadRequest, Stale

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""Of an entry: fits into a path, a log and a file name as it is."""


class EntryKind(StrEnum):
    """What may be registered."""

    ENDPOINT = "endpoint"
    FEED = "feed"
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"


class Action(StrEnum):
    """What was done to an entry."""

    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Pointer:
    """By what an entry is found besides its name: a row of an index, written with the entry."""

    at: str
    """Such as `source:<bucket>`."""
    body: str
    """What whoever finds it wants to know before reading the entry. It doesn't change while the entry is there."""
    stays: bool = False
    """It is kept as long as the removed entry is."""


@dataclass(frozen=True, slots=True)
class Found:
    """A row of an index. A hint: of each row, the entry itself says whether it (still) counts."""

    tenant: str
    name: str
    body: str
    removed: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a tenant has registered, under a name that is its own tenant's alone.

    A removed one is kept for a while, apart from those that are there: what was begun under it is still cleaned up.
    """

    kind: EntryKind
    tenant: str
    name: str
    version: int
    """From 1, one more with every change, removal included; from 1 again when it is made anew. For people: changes are
    conditional on `nonce`."""
    body: str
    """JSON of what was registered, as the kind's codec reads it. Of a removed one, the last."""
    nonce: str
    """Of the change that wrote it, never used twice: what a change is conditional on, and what tells a writer whose
    answer was lost its own change from another's."""
    created_ms: int
    changed_ms: int
    removed: bool = False
    found_by: tuple[Pointer, ...] = ()
    expires_ms: int | None = None
    """Of a removed one: nobody needs it any more then."""

    @property
    def etag(self) -> str:
        """Opaque. The nonce is in it, since two Regions may have made two different versions of one number."""
        return hashlib.sha256(f"{self.version}:{self.nonce}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Change:
    """What is kept of each change, for ever: the audit."""

    tenant: str
    kind: EntryKind
    name: str
    action: Action
    version: int
    by: str
    """The token's subject."""
    request_id: str
    region: str
    at_ms: int
    nonce: str
    before: str | None
    after: str | None
    """The entry's body, without what is secret in it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What the client wants to be so: If-Match (ETags; `*` = there is one) or If-None-Match: `*` (there is none)."""

    match: tuple[str, ...] | None = None
    absent: bool = False

    def check(self, entry: Entry | None, what: str) -> None:
        """Raises Stale. `entry` is what is there now, None if there is nothing."""
        if self.absent and entry is not None:
            raise Stale("AlreadyThere", f"{what} is there already (If-None-Match: *)")
        if self.match is None or (entry is not None and ("*" in self.match or entry.etag in self.match)):
            return
        why = "isn't there" if entry is None else "has changed since you read it"
        raise Stale("HasChanged", f"{what} {why} (If-Match): read it again, then decide")


ANY = Condition()


def check_name(name: str, what: str) -> None:
    """Raises BadRequest unless `name` may be an entry's."""
    if not NAME.fullmatch(name):
        detail = (
            f"{what} {name[:80]!r}: 1 to 64 letters, digits, dots, dashes and underscores, the first no punctuation"
        )
        raise BadRequest("InvalidName", detail)


def successor(before: Entry | None, made: Entry) -> Entry:
    """`made` as the next version of what is there."""
    if before is None:
        return made
    return replace(made, version=before.version + 1, created_ms=before.created_ms)


def gone(before: Entry, nonce: str, now_ms: int, kept_ms: int) -> Entry:
    """What is kept of an entry that is removed, for so long. It is found only by what stays."""
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
    """Do they say the same, however they were written?"""
    return left == right or json.loads(left) == json.loads(right)
