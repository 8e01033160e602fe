"""Keep the registry in memory. Every change is visible everywhere at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.core.entries import Change, Entry, EntryKind, Found
from chalicelib.core.errors import BadRequest, ErrorCode
from chalicelib.ports import ChangePage, EntryName, EntryPage


@dataclass(slots=True)
class MemoryRegistry:
    """Implements `ports.Registry`. Pointers follow from the entries: they are replicated with them."""

    entries: dict[EntryName, Entry] = field(default_factory=dict)
    removed: dict[tuple[EntryKind, str, str, str], Entry] = field(default_factory=dict)
    """The key includes the nonce of the removal."""
    audit: list[Change] = field(default_factory=list)
    hidden: set[EntryName] = field(default_factory=set)
    """Entries whose pointers were lost."""
    written: dict[EntryName, tuple[int, str]] = field(default_factory=dict)
    """When each entry was written, or removed. If two changes have the same time, the nonce decides, equally in all
    Regions."""

    def get(self, kind: EntryKind, tenant: str, name: str) -> Entry | None:
        return self.entries.get((kind, tenant, name))

    def get_many(self, names: Sequence[EntryName]) -> Mapping[EntryName, Entry]:
        return {name: self.entries[name] for name in names if name in self.entries}

    def of_tenant(self, kind: EntryKind, tenant: str) -> Sequence[Entry]:
        return [self.entries[key] for key in sorted(self.entries) if key[:2] == (kind, tenant)]

    def page(self, kind: EntryKind, cursor: str | None, limit: int, *, removed: bool = False) -> EntryPage:
        entries = self.removed if removed else self.entries
        keys = {"\0".join(key[1:]): entry for key, entry in entries.items() if key[0] is kind}
        remaining = sorted(key for key in keys if cursor is None or key > cursor)
        page = remaining[:limit]
        return EntryPage(tuple(keys[key] for key in page), page[-1] if len(remaining) > limit else None)

    def count_removed(self, kind: EntryKind, tenant: str) -> int:
        return sum(key[:2] == (kind, tenant) for key in self.removed)

    def find(self, kind: EntryKind, at: str) -> Sequence[Found]:
        visible = [entry for name, entry in self.entries.items() if name not in self.hidden]
        matches = {
            entry.tenant + "\0" + entry.name: Found(entry.tenant, entry.name, pointer.body, entry.removed)
            for entry in (*self.removed.values(), *visible)
            for pointer in entry.found_by
            if entry.kind is kind and pointer.at == at
        }
        return [matches[key] for key in sorted(matches)]

    def put(self, entry: Entry, change: Change, before: Entry | None) -> bool:
        key = (entry.kind, entry.tenant, entry.name)
        current = self.entries.get(key)
        if current == entry or (*key, entry.nonce) in self.removed:
            return True
        if (current.nonce if current else None) != (before.nonce if before else None):
            return False
        if entry.removed:
            del self.entries[key]
            self.removed[(*key, entry.nonce)] = entry
        else:
            self.entries[key] = entry
        self.audit.append(change)
        return True

    def apply(self, entry: Entry, written_ms: int | None = None) -> None:
        """Apply an entry that was written here or in another Region. The last writer wins, of a removal too. DynamoDB
        decides that by times of its own, which are `written_ms`; without them, the entry's own time is used."""
        key = (entry.kind, entry.tenant, entry.name)
        stamp = (entry.changed_ms if written_ms is None else written_ms, entry.nonce)
        newest = stamp >= self.written.get(key, (0, ""))
        if newest:
            self.written[key] = stamp
        if entry.removed:
            self.removed[(*key, entry.nonce)] = entry
            if newest:
                self.entries.pop(key, None)
        elif newest:
            self.entries[key] = entry

    def point(self, entry: Entry) -> bool:
        key = (entry.kind, entry.tenant, entry.name)
        self.hidden.discard(key)
        return self.entries.get(key) == entry

    def changes(self, tenant: str, cursor: str | None, limit: int) -> ChangePage:
        position = None if cursor is None else _read(cursor)
        changes = sorted((((c.at_ms, c.nonce), c) for c in self.audit if c.tenant == tenant), key=lambda item: item[0])
        remaining = [
            change for change_position, change in reversed(changes) if position is None or change_position < position
        ]
        page = remaining[:limit]
        has_more = len(remaining) > limit and bool(page)
        return ChangePage(tuple(page), f"{page[-1].at_ms}#{page[-1].nonce}" if has_more else None)


def _read(cursor: str) -> tuple[int, str]:
    at, _, nonce = cursor.partition("#")
    if not (at.isascii() and at.isdigit() and nonce):
        raise BadRequest(ErrorCode.INVALID_CURSOR, "this cursor was not made by this list")
    return int(at), nonce
