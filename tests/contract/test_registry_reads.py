"""One batch of object events costs the same reads of the registry, however many entries others have registered and
removed."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.adapters import registry as adapter
from chalicelib.adapters.registry import DynamoRegistry
from chalicelib.core import codec
from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.entries import Entry, EntryKind, gone
from chalicelib.core.feeds import FeedEnds
from chalicelib.core.objects import Bucket
from chalicelib.ports import Env, ObjectEvent
from chalicelib.protocol.catalog import catalog_reading, feed_pointers
from chalicelib.steps import intake
from simulation.memory.env import EAST, SOURCE, TARGET, WEST, make_env, make_store
from tests.contract.ledgers import client_of, over

OTHERS = 5000
RCU_BYTES = 4096
RCU_MAX = 20


@dataclass
class Reads:
    """The calls to the table, and their cost in read capacity units by the size of the items that they read."""

    calls: list[str] = field(default_factory=list)
    units: int = 0

    def note(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        self.calls.append(model.name)
        if model.name == "Query":
            self.units += max(1, math.ceil(sum(map(_size, parsed["Items"])) / RCU_BYTES))
        elif model.name == "BatchGetItem":
            items = [item for table_items in parsed["Responses"].values() for item in table_items]
            self.units += sum(math.ceil(_size(item) / RCU_BYTES) for item in items)
        elif model.name == "GetItem":
            self.units += 1


def _size(item: dict[str, Any]) -> int:
    return sum(len(name) + len(json.dumps(value)) for name, value in item.items())


def feed_entry(tenant: str, name: str, source: Bucket) -> tuple[Entry, Entry, Entry]:
    """Return a feed's entry, and those of its ends."""
    feed = Feed(f"f-{tenant}-{name}", tenant, "drops", "shelf", name=name)
    ends = [
        Endpoint("drops", tenant, source, f"{name}/", readable=True, writable=False),
        Endpoint("shelf", tenant, TARGET[EAST], f"{tenant}/{name}/", readable=False, writable=True),
    ]
    entries = [
        Entry(EntryKind.ENDPOINT, tenant, end.id, 1, codec.dumps(end).decode(), f"{tenant}-{end.id}", 1, 1)
        for end in ends
    ]
    pointers = feed_pointers(FeedEnds(feed, *ends))
    body = codec.dumps(feed).decode()
    entry = Entry(EntryKind.FEED, tenant, name, 1, body, f"{tenant}-{name}", 1, 1, found_by=pointers)
    return entry, entries[0], entries[1]


def items_of(entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield the table's items of an entry, but only those pointers that are found by bucket: moto takes its time."""
    yield adapter._removed_item(entry) if entry.removed else adapter._item_of(entry)
    for pointer in entry.found_by:
        if not pointer.stays:
            yield adapter._pointer_item(entry, pointer)


@pytest.fixture(scope="module")
def crowded() -> Iterator[tuple[Env, Reads]]:
    """Yield one feed among 5,000 of others and 5,000 that its own tenant has removed from the same bucket."""
    with mock_aws():
        table = over(client_of(None)).west_registry
        assert isinstance(table, DynamoRegistry)
        entries = list(feed_entry("acme", "in", SOURCE[WEST]))
        for number in range(OTHERS):
            earlier = feed_entry("acme", f"old-{number}", SOURCE[WEST])[0]
            entries.append(gone(earlier, f"gone-{number}", 2, 1000))
            entries.append(feed_entry(f"t{number}", "in", Bucket(f"bucket-{number}", WEST))[0])
        table._table.batch_put([item for entry in entries for item in items_of(entry)])
        client: Any = table._table._client
        store = make_store()
        for bucket in (SOURCE[WEST], TARGET[EAST]):
            store.make_bucket(bucket)
        reads = Reads()
        client.meta.events.register("after-call.dynamodb.*", reads.note)
        yield make_env(WEST, store, registry=table, feeds={}, endpoints={}), reads
        client.meta.events.unregister("after-call.dynamodb.*", reads.note)


def test_a_batch_reads_what_it_needs(crowded: tuple[Env, Reads]) -> None:
    env, reads = crowded
    events = [ObjectEvent(SOURCE[WEST].name, f"in/{number}") for number in range(10)]
    assert list(catalog_reading(env, [(a.bucket, a.key) for a in events]).feeds) == ["f-acme-in"]
    assert reads.calls == ["Query", "BatchGetItem"]
    assert reads.units <= RCU_MAX
    assert intake.run(env, events) == set()
    assert reads.calls == ["Query", "BatchGetItem"] * 2


def test_an_object_event_that_nobody_wants_costs_a_query(crowded: tuple[Env, Reads]) -> None:
    env, reads = crowded
    reads.calls.clear()
    assert catalog_reading(env, [(SOURCE[WEST].name, "elsewhere/a")]).feeds == {}
    assert catalog_reading(env, [("nobodys", "a")]).feeds == {}
    assert reads.calls == ["Query", "Query"]
