"""The Registry contract, over memory, and over DynamoDB as moto, ministack and DynamoDB Local understand it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from chalicelib.core.entries import Action, Change, Entry, EntryKind, successor
from chalicelib.core.errors import Permanent
from chalicelib.ports import Registry
from tests.contract.ledgers import EAST, WEST, Subject
from tests.contract.test_ledger import table

__all__ = ["table"]
Factory = Callable[[], AbstractContextManager[Subject]]
ENDPOINT, FEED = EntryKind.ENDPOINT, EntryKind.FEED


@pytest.fixture
def registries(table: Factory) -> Iterator[tuple[Registry, Registry]]:
    """One table, as two Regions' functions see it, without replication lag."""
    with table() as subject:
        yield subject.west_registry, subject.east_registry


def entry(name: str = "drop", *, tenant: str = "acme", kind: EntryKind = ENDPOINT, nonce: str = "n1") -> Entry:
    return Entry(kind, tenant, name, 1, '{"a": 1}', nonce, 1000, 1000)


def change(of: Entry, action: Action = Action.CREATED, *, region: str = WEST) -> Change:
    return Change(
        of.tenant,
        of.kind,
        of.name,
        action,
        of.version,
        "ann",
        "request",
        region,
        of.changed_ms,
        of.nonce,
        None,
        of.body,
    )


def test_nothing_is_there_at_first(registries: tuple[Registry, Registry]) -> None:
    west, _ = registries
    assert west.get(ENDPOINT, "acme", "drop") is None
    assert list(west.of_tenant(ENDPOINT, "acme")) == list(west.all(ENDPOINT)) == []
    assert west.changes("acme", None, 10).changes == ()
    assert west.changes("acme", None, 10).cursor is None


def test_what_is_put_is_there_in_both_regions(registries: tuple[Registry, Registry]) -> None:
    west, east = registries
    assert west.put(entry(), change(entry()))
    assert east.get(ENDPOINT, "acme", "drop") == entry()
    assert list(east.all(ENDPOINT)) == [entry()]
    assert east.changes("acme", None, 10).changes == (change(entry()),)


def test_kinds_and_tenants_are_apart(registries: tuple[Registry, Registry]) -> None:
    west, _ = registries
    there = [entry(), entry(tenant="acme#x"), entry(tenant="ac"), entry(kind=FEED), entry("other")]
    for number, one in enumerate(there):
        assert west.put(replace(one, nonce=f"n{number}"), change(replace(one, nonce=f"n{number}")))
    assert [found.name for found in west.of_tenant(ENDPOINT, "acme")] == ["drop", "other"]
    assert [found.tenant for found in west.of_tenant(ENDPOINT, "ac")] == ["ac"]
    assert len(west.all(ENDPOINT)) == 4
    assert [found.kind for found in west.all(FEED)] == [FEED]
    assert west.get(FEED, "acme", "other") is None
    assert {found.tenant for found in west.changes("acme", None, 10).changes} == {"acme"}


def test_only_the_next_version_is_put(registries: tuple[Registry, Registry]) -> None:
    """Of two who read the same version, one changes it, and the other learns that."""
    west, east = registries
    first = entry()
    mine = successor(first, replace(first, body='{"a": 2}', nonce="n2", changed_ms=2000))
    theirs = successor(first, replace(first, body='{"a": 3}', nonce="n3", changed_ms=2000))
    assert west.put(first, change(first))
    assert west.put(mine, change(mine, Action.CHANGED))
    assert not east.put(theirs, change(theirs, Action.CHANGED, region=EAST))
    assert not east.put(entry(nonce="n4"), change(entry(nonce="n4")))
    assert west.get(ENDPOINT, "acme", "drop") == mine
    assert [found.nonce for found in west.changes("acme", None, 10).changes] == ["n2", "n1"]


def test_a_repeated_put_is_the_same_put(registries: tuple[Registry, Registry]) -> None:
    """As when the answer to the first was lost."""
    west, _ = registries
    assert west.put(entry(), change(entry()))
    assert west.put(entry(), change(entry()))
    assert len(west.changes("acme", None, 10).changes) == 1


def test_a_removed_one_is_kept_and_counts_on(registries: tuple[Registry, Registry]) -> None:
    west, _ = registries
    gone = successor(entry(), replace(entry(), removed=True, nonce="n2", changed_ms=2000))
    again = successor(gone, replace(entry(), nonce="n3", created_ms=3000, changed_ms=3000))
    for one, action in ((entry(), Action.CREATED), (gone, Action.REMOVED), (again, Action.CREATED)):
        assert west.put(one, change(one, action))
        assert west.get(ENDPOINT, "acme", "drop") == one
    assert (again.version, again.created_ms) == (3, 3000)


def test_the_audit_is_paged_newest_first(registries: tuple[Registry, Registry]) -> None:
    west, _ = registries
    for number in range(7):
        one = replace(entry(f"e{number}"), nonce=f"n{number}", changed_ms=1000 + number // 2)
        assert west.put(one, change(one))
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        page = west.changes("acme", cursor, 2)
        seen += [found.nonce for found in page.changes]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == ["n6", "n5", "n4", "n3", "n2", "n1", "n0"]


@pytest.mark.parametrize("cursor", ["", "x", "12", "#", "000000000000001#"])
def test_a_cursor_that_no_page_gave(registries: tuple[Registry, Registry], cursor: str) -> None:
    with pytest.raises(Permanent, match="InvalidCursor"):
        registries[0].changes("acme", cursor, 2)
