"""What tenants have registered, in memory: seen by all at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.core.entries import Change, Entry, EntryKind
from chalicelib.core.errors import Permanent
from chalicelib.ports import ChangePage


@dataclass(slots=True)
class MemoryRegistry:
    """Implements `ports.Registry`."""

    entries: dict[tuple[EntryKind, str, str], Entry] = field(default_factory=dict)
    audit: list[Change] = field(default_factory=list)

    def get(self, kind: EntryKind, tenant: str, name: str) -> Entry | None:
        return self.entries.get((kind, tenant, name))

    def of_tenant(self, kind: EntryKind, tenant: str) -> Sequence[Entry]:
        return [self.entries[key] for key in sorted(self.entries) if key[:2] == (kind, tenant)]

    def all(self, kind: EntryKind) -> Sequence[Entry]:
        return [self.entries[key] for key in sorted(self.entries) if key[0] is kind]

    def put(self, entry: Entry, change: Change) -> bool:
        key = (entry.kind, entry.tenant, entry.name)
        before = self.entries.get(key)
        if before == entry:
            return True
        if (before.version if before else 0) != entry.version - 1:
            return False
        self.entries[key] = entry
        self.audit.append(change)
        return True

    def changes(self, tenant: str, cursor: str | None, limit: int) -> ChangePage:
        before = None if cursor is None else _read(cursor)
        mine = sorted((((c.at_ms, c.nonce), c) for c in self.audit if c.tenant == tenant), key=lambda item: item[0])
        found = [change for at, change in reversed(mine) if before is None or at < before]
        shown = found[:limit]
        more = len(found) > limit and bool(shown)
        return ChangePage(tuple(shown), f"{shown[-1].at_ms}#{shown[-1].nonce}" if more else None)


def _read(cursor: str) -> tuple[int, str]:
    at, _, nonce = cursor.partition("#")
    if not (at.isascii() and at.isdigit() and nonce):
        raise Permanent("InvalidCursor", "this cursor was not made by this list")
    return int(at), nonce
