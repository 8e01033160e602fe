"""Test the Registry contract over memory, and over DynamoDB as moto, ministack and DynamoDB Local understand it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from chalicelib.core.entries import Action, Change, Entry, EntryKind, Found, Pointer, gone, successor
from chalicelib.core.errors import BadRequest
from chalicelib.ports import Registry
from tests.contract.ledgers import WEST, Subject
from tests.contract.test_ledger import table

__all__ = ["table"]
Factory = Callable[[], AbstractContextManager[Subject]]
ENDPOINT, FEED = EntryKind.ENDPOINT, EntryKind.FEED


@pytest.fixture
def registries(table: Factory) -> Iterator[tuple[Registry, Registry]]:
    """Yield one table as the functions of two Regions see it, without replication lag."""
    with table() as subject:
        yield subject.west_registry, subject.east_registry


def entry(name: str = "drop", *, tenant: str = "acme", kind: EntryKind = ENDPOINT, nonce: str = "n1") -> Entry:
    return Entry(kind, tenant, name, 1, '{"a": 1}', nonce, 1000, 1000)


def change(entry_of: Entry, action: Action = Action.CREATED, *, region: str = WEST) -> Change:
    return Change(
        entry_of.tenant,
        entry_of.kind,
        entry_of.name,
        action,
        entry_of.version,
        "ann",
        "request",
        region,
        entry_of.changed_ms,
        entry_of.nonce,
        None,
        entry_of.body,
    )


def make(registry: Registry, entry_put: Entry, expected: Entry | None = None) -> bool:
    action = Action.REMOVED if entry_put.removed else Action.CHANGED if expected else Action.CREATED
    return registry.put(entry_put, change(entry_put, action), expected)


def everything(registry: Registry, kind: EntryKind, limit: int, *, removed: bool = False) -> list[Entry]:
    """Return the entries of all pages. Raises AssertionError if the pages have no end."""
    entries: list[Entry] = []
    cursor: str | None = None
    for _ in range(100):
        page = registry.page(kind, cursor, limit, removed=removed)
        assert len(page.entries) <= limit
        entries += page.entries
        cursor = page.cursor
        if cursor is None:
            return entries
    raise AssertionError("pages without end")


def test_nothing_is_there_at_first(registries: tuple[Registry, Registry]) -> None:
    west, _ = registries
    assert west.get(ENDPOINT, "acme", "drop") is None
    assert west.get_many([]) == west.get_many([(ENDPOINT, "acme", "drop")]) == {}
    assert list(west.of_tenant(ENDPOINT, "acme")) == everything(west, ENDPOINT, 10) == []
    assert everything(west, ENDPOINT, 10, removed=True) == []
    assert list(west.find(ENDPOINT, "bucket:b")) == []
    assert west.count_removed(ENDPOINT, "acme") == 0
    assert west.changes("acme", None, 10).changes == ()
    assert west.changes("acme", None, 10).cursor is None


def test_what_is_put_is_there_in_both_regions(registries: tuple[Registry, Registry]) -> None:
    west, east = registries
    assert make(west, entry())
    assert east.get(ENDPOINT, "acme", "drop") == entry()
    assert everything(east, ENDPOINT, 10) == [entry()]
    assert east.changes("acme", None, 10).changes == (change(entry()),)


def test_kinds_and_tenants_are_apart(registries: tuple[Registry, Registry]) -> None:
    west, _ = registries
    entries = [entry(), entry(tenant="acme#x"), entry(tenant="ac"), entry(kind=FEED), entry("other")]
    for number, entry_put in enumerate(entries):
        assert make(west, replace(entry_put, nonce=f"n{number}"))
    assert [item.name for item in west.of_tenant(ENDPOINT, "acme")] == ["drop", "other"]
    assert [item.tenant for item in west.of_tenant(ENDPOINT, "ac")] == ["ac"]
    assert len(everything(west, ENDPOINT, 10)) == 4
    assert [item.kind for item in everything(west, FEED, 10)] == [FEED]
    assert west.get(FEED, "acme", "other") is None
    assert {item.tenant for item in west.changes("acme", None, 10).changes} == {"acme"}


def test_many_are_read_at_once_and_page_by_page(registries: tuple[Registry, Registry]) -> None:
    """There are more entries than DynamoDB returns in one answer of either kind."""
    west, _ = registries
    for number in range(107):
        assert make(west, entry(f"e{number:03d}", nonce=f"n{number}"))
    names = [(ENDPOINT, "acme", f"e{number:03d}") for number in range(120)]
    assert sorted(west.get_many(names)) == names[:107]
    for limit in (7, 50, 107, 108):
        assert [item.name for item in everything(west, ENDPOINT, limit)] == [f"e{n:03d}" for n in range(107)]


def test_a_page_goes_on_where_the_last_one_ended_whatever_has_changed(registries: tuple[Registry, Registry]) -> None:
    west, _ = registries
    for name in ("a", "b", "c", "d"):
        assert make(west, entry(name, nonce=name))
    page = west.page(ENDPOINT, None, 2)
    assert [item.name for item in page.entries] == ["a", "b"]
    assert make(west, gone(entry("b", nonce="b"), "b2", 2000, 1000), entry("b", nonce="b"))
    assert [item.name for item in west.page(ENDPOINT, page.cursor, 2).entries] == ["c", "d"]


def test_only_what_was_seen_is_changed(registries: tuple[Registry, Registry]) -> None:
    """Two clients read the same version. One changes it, and the other learns that it has changed."""
    west, east = registries
    first = entry()
    mine = successor(first, replace(first, body='{"a": 2}', nonce="n2", changed_ms=2000))
    theirs = successor(first, replace(first, body='{"a": 3}', nonce="n3", changed_ms=2000))
    assert make(west, first)
    assert make(west, mine, first)
    assert not make(east, theirs, first)
    assert not make(east, entry(nonce="n4"))
    assert not make(east, gone(first, "n5", 2000, 1000), first)
    assert west.get(ENDPOINT, "acme", "drop") == mine
    assert [item.nonce for item in west.changes("acme", None, 10).changes] == ["n2", "n1"]


def test_a_repeated_put_is_the_same_put(registries: tuple[Registry, Registry]) -> None:
    """The client repeats a put when its answer was lost."""
    west, _ = registries
    for _ in range(2):
        assert make(west, entry())
    removed = gone(entry(), "n2", 2000, 1000)
    for _ in range(2):
        assert make(west, removed, entry())
    assert [item.nonce for item in west.changes("acme", None, 10).changes] == ["n2", "n1"]


def test_a_removed_one_is_kept_apart(registries: tuple[Registry, Registry]) -> None:
    west, east = registries
    first = entry()
    removed = gone(first, "n2", 2000, 1000)
    assert make(west, first)
    assert make(west, removed, first)
    assert east.get(ENDPOINT, "acme", "drop") is None
    assert list(east.of_tenant(ENDPOINT, "acme")) == everything(east, ENDPOINT, 10) == []
    assert everything(east, ENDPOINT, 10, removed=True) == [removed]
    assert (removed.version, removed.expires_ms) == (2, 3000)
    assert (east.count_removed(ENDPOINT, "acme"), east.count_removed(FEED, "acme")) == (1, 0)


def test_made_again_it_is_another_one(registries: tuple[Registry, Registry]) -> None:
    """The version of a new entry begins again at 1. A client that has seen only the first entry can't change the second
    one."""
    west, _ = registries
    first, second = entry(), replace(entry(), nonce="n3", created_ms=3000, changed_ms=3000)
    assert make(west, first)
    assert make(west, gone(first, "n2", 2000, 1000), first)
    assert make(west, second)
    assert first.etag != second.etag
    assert not make(west, successor(first, replace(first, nonce="n4")), first)
    assert not make(west, gone(first, "n5", 4000, 1000), first)
    assert make(west, gone(second, "n6", 4000, 1000), second)
    assert [item.nonce for item in everything(west, ENDPOINT, 10, removed=True)] == ["n2", "n6"]
    assert west.count_removed(ENDPOINT, "acme") == 2


def test_pointers_lead_to_what_is_there(registries: tuple[Registry, Registry]) -> None:
    west, east = registries
    pointers = (Pointer("source:a", "from"), Pointer("id:f", "all", stays=True))
    first = replace(entry(kind=FEED), found_by=pointers)
    others_feed = replace(entry("other", tenant="else", kind=FEED, nonce="n9"), found_by=(Pointer("source:a", "too"),))
    assert make(west, first)
    assert make(west, others_feed)
    pointed = east.find(FEED, "source:a")
    assert sorted((row.tenant, row.name, row.body) for row in pointed) == [
        ("acme", "drop", "from"),
        ("else", "other", "too"),
    ]
    assert list(east.find(ENDPOINT, "source:a")) == list(east.find(FEED, "source:")) == []
    changed = successor(first, replace(first, body='{"a": 2}', nonce="n2"))
    assert make(west, changed, first)
    assert len(east.find(FEED, "source:a")) == 2
    assert make(west, gone(changed, "n3", 2000, 1000), changed)
    assert [row.name for row in east.find(FEED, "source:a")] == ["other"], "the removed one costs nobody anything"
    assert list(east.find(FEED, "id:f")) == [Found("acme", "drop", "all", removed=True)]


def test_pointers_are_written_again_only_to_what_is_there(registries: tuple[Registry, Registry]) -> None:
    west, east = registries
    first = replace(entry(kind=FEED), found_by=(Pointer("source:a", "from"),))
    assert make(west, first)
    assert east.point(first)
    changed = successor(first, replace(first, body='{"a": 2}', nonce="n2"))
    assert make(west, changed, first)
    assert not east.point(first)
    assert len(east.find(FEED, "source:a")) == 1


def test_the_audit_is_paged_newest_first(registries: tuple[Registry, Registry]) -> None:
    west, _ = registries
    for number in range(7):
        changed = replace(entry(f"e{number}"), nonce=f"n{number}", changed_ms=1000 + number // 2)
        assert make(west, changed)
    nonces: list[str] = []
    cursor = None
    for _ in range(4):
        page = west.changes("acme", cursor, 2)
        nonces += [item.nonce for item in page.changes]
        cursor = page.cursor
        if cursor is None:
            break
    assert nonces == ["n6", "n5", "n4", "n3", "n2", "n1", "n0"]


@pytest.mark.parametrize("cursor", ["", "x", "12", "#", "000000000000001#"])
def test_a_cursor_that_no_page_gave(registries: tuple[Registry, Registry], cursor: str) -> None:
    with pytest.raises(BadRequest, match="InvalidCursor"):
        registries[0].changes("acme", cursor, 2)
