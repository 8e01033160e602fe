"""What tenants have registered, in the table: one item a thing, one for all Regions, and one for each change of it."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pydantic import TypeAdapter, ValidationError

from chalicelib.adapters.aws_errors import translating
from chalicelib.core.entries import Change, Entry, EntryKind
from chalicelib.core.errors import Corrupt, Permanent, Retry
from chalicelib.ports import ChangePage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ENTRY, _CHANGE = TypeAdapter(Entry), TypeAdapter(Change)
_TO, _FROM = TypeSerializer(), TypeDeserializer()
_CURSOR = re.compile(r"[0-9]{15}#[\x21-\x7e]{1,200}", re.ASCII)
_NOT_THERE = "attribute_not_exists(pk)"


class DynamoRegistry:
    """`ports.Registry` over the table that the ledger keeps its items in.

    A put is one transaction, which is atomic in this Region; its two items reach the other Region one by one (DynamoDB
    developer guide, "Transactions and global tables").
    """

    def __init__(self, table: str, client: "DynamoDBClient") -> None:
        self._table = table
        self._client: Any = client

    def get(self, kind: EntryKind, tenant: str, name: str) -> Entry | None:
        key = {"pk": _TO.serialize(_pk(kind)), "sk": _TO.serialize(_sk(tenant, name))}
        with translating():
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return _entry(answer["Item"]) if "Item" in answer else None

    def of_tenant(self, kind: EntryKind, tenant: str) -> Sequence[Entry]:
        return [_entry(item) for item in self._query(_pk(kind), _owner(tenant))]

    def all(self, kind: EntryKind) -> Sequence[Entry]:
        return [_entry(item) for item in self._query(_pk(kind), "")]

    def put(self, entry: Entry, change: Change) -> bool:
        expected = _NOT_THERE if entry.version == 1 else "#version = :before"
        put: dict[str, Any] = {"TableName": self._table, "Item": _item_of(entry), "ConditionExpression": expected}
        if entry.version > 1:
            put["ExpressionAttributeNames"] = {"#version": "version"}
            put["ExpressionAttributeValues"] = {":before": _TO.serialize(entry.version - 1)}
        kept = {"TableName": self._table, "Item": _change_item(change), "ConditionExpression": _NOT_THERE}
        try:
            with translating():
                self._client.transact_write_items(TransactItems=[{"Put": put}, {"Put": kept}])
        except Permanent as error:
            if error.code != "TransactionCanceledException":
                raise
            # A retry below us makes one's own success look like another's: the nonce tells.
            there = self.get(entry.kind, entry.tenant, entry.name)
            if there == entry:
                return True
            if (there.version if there else 0) == entry.version - 1:
                # Cancelled for another reason: somebody else's transaction is under way.
                raise Retry("TransactionConflict", error.message) from error
            return False
        return True

    def changes(self, tenant: str, cursor: str | None, limit: int) -> ChangePage:
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise Permanent("InvalidCursor", "cursor: take it unchanged from the previous page's answer")
        more: dict[str, Any] = {}
        if cursor is not None:
            more["ExclusiveStartKey"] = {"pk": _TO.serialize(_audit_pk(tenant)), "sk": _TO.serialize(cursor)}
        with translating():
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": _TO.serialize(_audit_pk(tenant))},
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=limit + 1,
                **more,
            )
        found = [_read(_CHANGE, item) for item in answer["Items"]]
        ends = len(found) <= limit and "LastEvaluatedKey" not in answer
        shown = found[:limit]
        return ChangePage(tuple(shown), None if ends or not shown else _audit_sk(shown[-1]))

    def _query(self, pk: str, sk_prefix: str) -> Iterator[dict[str, Any]]:
        condition, values = "pk = :pk", {":pk": _TO.serialize(pk)}
        if sk_prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": _TO.serialize(sk_prefix)}
        more: dict[str, Any] = {}
        while True:
            with translating():
                answer = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ConsistentRead=True,
                    **more,
                )
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            more["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _pk(kind: EntryKind) -> str:
    return f"REGISTRY#{kind}"


def _owner(tenant: str) -> str:
    """Tenants' names may hold any character: with its length before it, none is the beginning of another's keys."""
    return f"{len(tenant)}:{tenant}#"


def _sk(tenant: str, name: str) -> str:
    return f"{_owner(tenant)}{name}"


def _audit_pk(tenant: str) -> str:
    return f"AUDIT#{tenant}"


def _audit_sk(change: Change) -> str:
    return f"{change.at_ms:015d}#{change.nonce}"


def _item_of(entry: Entry) -> dict[str, Any]:
    found = {
        "pk": _pk(entry.kind),
        "sk": _sk(entry.tenant, entry.name),
        "body": _ENTRY.dump_json(entry).decode(),
        "version": entry.version,
    }
    return {name: _TO.serialize(value) for name, value in found.items()}


def _change_item(change: Change) -> dict[str, Any]:
    found = {
        "pk": _audit_pk(change.tenant),
        "sk": _audit_sk(change),
        "body": _CHANGE.dump_json(change).decode(),
    }
    return {name: _TO.serialize(value) for name, value in found.items()}


def _entry(item: dict[str, Any]) -> Entry:
    found: Entry = _read(_ENTRY, item)
    return found


def _read(adapter: TypeAdapter[Any], item: dict[str, Any]) -> Any:  # noqa: ANN401 - what the adapter reads
    try:
        return adapter.validate_json(_FROM.deserialize(item["body"]))
    except ValidationError as error:
        raise Corrupt("UnreadableItem", str(error)) from error
