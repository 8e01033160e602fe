"""Find the items that a DynamoDB request writes. This module is pure.

PartiQL (ExecuteStatement and the like) is not understood. Numbers as keys count as equal only in the same spelling.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.gateway.replication import Item, ItemId

OPERATIONS = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})

Tables = Mapping[str, Sequence[str]]
"""Key attributes by table."""


@dataclass(frozen=True, slots=True)
class Write:
    """One item that a request writes. `image` is the item after the write, None if it is deleted. If `told` is False,
    the request doesn't determine it, and it has to be read afterwards."""

    item: ItemId
    key: Item
    image: Item | None = None
    told: bool = False


def writes_of(operation: str, request: Any, tables: Tables) -> list[Write]:  # noqa: ANN401 - parsed JSON
    """Return the writes to `tables` of a request that succeeds. A malformed request writes nothing: it will be
    refused."""
    try:
        return [write for write in _writes(operation, request, tables) if write is not None]
    except (AttributeError, KeyError, TypeError):
        return []


def left_undone(answer: bytes, tables: Tables) -> set[ItemId]:
    """Return the items of a batch that its answer names as unprocessed."""
    unprocessed = json.loads(answer).get("UnprocessedItems") or {}
    return {write.item for write in writes_of("BatchWriteItem", {"RequestItems": unprocessed}, tables)}


def _writes(operation: str, request: Any, tables: Tables) -> Iterator[Write | None]:  # noqa: ANN401 - parsed JSON
    match operation:
        case "PutItem":
            yield _put(request["TableName"], request["Item"], tables)
        case "DeleteItem":
            yield _write(request["TableName"], request["Key"], tables, told=True)
        case "UpdateItem":
            yield _write(request["TableName"], request["Key"], tables)
        case "BatchWriteItem":
            for table, entries in request["RequestItems"].items():
                for entry in entries:
                    if "PutRequest" in entry:
                        yield _put(table, entry["PutRequest"]["Item"], tables)
                    else:
                        yield _write(table, entry["DeleteRequest"]["Key"], tables, told=True)
        case "TransactWriteItems":
            # These items are always read: a repeated ClientRequestToken succeeds without writing anything.
            for entry in request["TransactItems"]:
                for kind, body in entry.items():
                    if kind != "ConditionCheck":
                        yield _write(body["TableName"], body["Item" if kind == "Put" else "Key"], tables)


def _put(table: str, image: Item, tables: Tables) -> Write | None:
    return _write(table, image, tables, image, told=True)


def _write(
    table: str, attributes: Item, tables: Tables, image: Item | None = None, *, told: bool = False
) -> Write | None:
    name = table.rpartition(":table/")[2]  # an ARN is a name, too
    if name not in tables:
        return None
    key = {attribute: attributes[attribute] for attribute in sorted(tables[name])}
    return Write(ItemId(name, json.dumps(key, sort_keys=True)), key, image, told)
