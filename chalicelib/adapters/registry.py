"""Keep the entries that tenants have registered in the table. There is one item per entry, for all Regions, and one per
change of it."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from chalicelib.adapters.dynamo import BATCH_GET_ITEMS, DynamoTable, attributes, item_of, read
from chalicelib.core.entries import Change, Entry, EntryKind, Found, Pointer
from chalicelib.core.errors import BadRequest, ErrorCode, Permanent, Retry
from chalicelib.ports import ChangePage, EntryName, EntryPage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ENTRY, _CHANGE, _FOUND = TypeAdapter(Entry), TypeAdapter(Change), TypeAdapter(Found)
T = TypeVar("T")
_CURSOR = re.compile(r"[0-9]{15}#[\x21-\x7e]{1,200}", re.ASCII)
_NOT_THERE = "attribute_not_exists(pk)"


class DynamoRegistry:
    """`ports.Registry` over the table that the ledger keeps its items in.

    A put is one transaction. It is atomic in this Region; its items reach the other Region one by one (DynamoDB
    developer guide, "Transactions and global tables").

        REGISTRY#<kind>     <tenant>#<name>           current entries
        REMOVED#<kind>      <tenant>#<name>#<nonce>   removed entries; TTL deletes them when nobody needs them any more
        FIND#<kind>#<at>    <tenant>#<name>           pointers
        AUDIT#<tenant>      <time>#<nonce>            changes
    """

    def __init__(self, table: str, client: "DynamoDBClient", sleep: Callable[[float], None] = time.sleep) -> None:
        self._table = DynamoTable(table, client, sleep)

    def get(self, kind: EntryKind, tenant: str, name: str) -> Entry | None:
        return self._get(_pk(kind), _sk(tenant, name))

    def get_many(self, names: Sequence[EntryName]) -> Mapping[EntryName, Entry]:
        unique_names = list(dict.fromkeys(names))
        entries: dict[EntryName, Entry] = {}
        for start in range(0, len(unique_names), BATCH_GET_ITEMS):
            keys = [
                (_pk(kind), _sk(tenant, name)) for kind, tenant, name in unique_names[start : start + BATCH_GET_ITEMS]
            ]
            for item in self._table.batch_get(keys).values():
                entry = read(_ENTRY, item["body"])
                entries[entry.kind, entry.tenant, entry.name] = entry
        return entries

    def of_tenant(self, kind: EntryKind, tenant: str) -> Sequence[Entry]:
        return [read(_ENTRY, item["body"]) for item in self._table.query(_pk(kind), _owner(tenant))]

    def page(self, kind: EntryKind, cursor: str | None, limit: int, *, removed: bool = False) -> EntryPage:
        pk = _removed_pk(kind) if removed else _pk(kind)
        more = {} if cursor is None else {"ExclusiveStartKey": _key(pk, cursor)}
        answer = self._table.call(
            "query",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes({":pk": pk}),
            ConsistentRead=True,
            Limit=limit,
            **more,
        )
        last = answer.get("LastEvaluatedKey")
        return EntryPage(tuple(_read(_ENTRY, raw) for raw in answer["Items"]), last and item_of(last)["sk"])

    def count_removed(self, kind: EntryKind, tenant: str) -> int:
        answers = self._table.answers(_removed_pk(kind), _owner(tenant), Select="COUNT")
        return sum(answer["Count"] for answer in answers)

    def find(self, kind: EntryKind, at: str) -> Sequence[Found]:
        return [read(_FOUND, item["body"]) for item in self._table.query(_find_pk(kind, at))]

    def put(self, entry: Entry, change: Change, before: Entry | None) -> bool:
        """Write entry, pointers and change in one transaction of at most 10 items. A transaction may have 100."""
        writes = [*self._writes(entry, before), self._put(_change_item(change), _NOT_THERE)]
        return self._transact(writes, entry, before)

    def point(self, entry: Entry) -> bool:
        check = {
            "TableName": self._table.name,
            "Key": _key(_pk(entry.kind), _sk(entry.tenant, entry.name)),
            **_unchanged(entry),
        }
        writes = [{"ConditionCheck": check}, *(self._put(_pointer_item(entry, pointer)) for pointer in entry.found_by)]
        return self._transact(writes, entry, entry)

    def _writes(self, entry: Entry, before: Entry | None) -> Iterator[dict[str, Any]]:
        if entry.removed:
            assert before is not None, "what isn't there can't be removed"
            table_key = {"TableName": self._table.name, "Key": _key(_pk(entry.kind), _sk(entry.tenant, entry.name))}
            yield {"Delete": {**table_key, **_unchanged(before)}}
            yield self._put(_removed_item(entry), _NOT_THERE)
        else:
            put = self._put(_item_of(entry), _NOT_THERE)
            yield put if before is None else {"Put": {**put["Put"], **_unchanged(before)}}
        index_keys = {pointer.at for pointer in entry.found_by}
        for pointer in entry.found_by:
            yield self._put(_pointer_item(entry, pointer))
        for pointer in before.found_by if before else ():
            if pointer.at not in index_keys:
                key = _key(_find_pk(entry.kind, pointer.at), _sk(entry.tenant, entry.name))
                yield {"Delete": {"TableName": self._table.name, "Key": key}}

    def _put(self, item: dict[str, Any], condition: str | None = None) -> dict[str, Any]:
        put = {"TableName": self._table.name, "Item": attributes(item)}
        return {"Put": put if condition is None else {**put, "ConditionExpression": condition}}

    def _transact(self, writes: list[dict[str, Any]], entry: Entry, before: Entry | None) -> bool:
        try:
            self._table.transact(writes)
        except Permanent as error:
            if error.code != "TransactionCanceledException":
                raise
            # A retry below this layer makes one's own success look like another's; the nonce tells them apart.
            current = self.get(entry.kind, entry.tenant, entry.name)
            if current == before:
                # It was cancelled for another reason: another transaction on the same items is in progress.
                raise Retry("TransactionConflict", error.message) from error
            return current == entry or (
                entry.removed and self._get(_removed_pk(entry.kind), _removed_sk(entry)) == entry
            )
        return True

    def changes(self, tenant: str, cursor: str | None, limit: int) -> ChangePage:
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise BadRequest(ErrorCode.INVALID_CURSOR, "cursor: take it unchanged from the previous page's answer")
        more: dict[str, Any] = {}
        if cursor is not None:
            more["ExclusiveStartKey"] = _key(_audit_pk(tenant), cursor)
        answer = self._table.call(
            "query",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=attributes({":pk": _audit_pk(tenant)}),
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=limit + 1,
            **more,
        )
        changes = [_read(_CHANGE, raw) for raw in answer["Items"]]
        is_last = len(changes) <= limit and "LastEvaluatedKey" not in answer
        shown = changes[:limit]
        return ChangePage(tuple(shown), None if is_last or not shown else _audit_sk(shown[-1]))

    def _get(self, pk: str, sk: str) -> Entry | None:
        body = self._table.get(pk, sk)
        return None if body is None else read(_ENTRY, body)


def _pk(kind: EntryKind) -> str:
    return f"REGISTRY#{kind}"


def _removed_pk(kind: EntryKind) -> str:
    return f"REMOVED#{kind}"


def _find_pk(kind: EntryKind, at: str) -> str:
    return f"FIND#{kind}#{at}"


def _key(pk: str, sk: str) -> dict[str, Any]:
    return attributes({"pk": pk, "sk": sk})


def _unchanged(before: Entry) -> dict[str, Any]:
    """Return the condition that an entry is what it was."""
    return {
        "ConditionExpression": "nonce = :before",
        "ExpressionAttributeValues": attributes({":before": before.nonce}),
    }


def _owner(tenant: str) -> str:
    """Return the beginning of all sort keys of a tenant. Tenants' names may hold any character: with its length before
    it, none is the beginning of another tenant's keys."""
    return f"{len(tenant)}:{tenant}#"


def _sk(tenant: str, name: str) -> str:
    return f"{_owner(tenant)}{name}"


def _removed_sk(entry: Entry) -> str:
    """Return the sort key of a removed entry. It holds a nonce, because one name may be removed several times."""
    return f"{_sk(entry.tenant, entry.name)}#{entry.nonce}"


def _audit_pk(tenant: str) -> str:
    return f"AUDIT#{tenant}"


def _audit_sk(change: Change) -> str:
    return f"{change.at_ms:015d}#{change.nonce}"


def _item_of(entry: Entry) -> dict[str, Any]:
    return {
        "pk": _pk(entry.kind),
        "sk": _sk(entry.tenant, entry.name),
        "body": _ENTRY.dump_json(entry).decode(),
        "nonce": entry.nonce,
    }


def _removed_item(entry: Entry) -> dict[str, Any]:
    return {**_item_of(entry), "pk": _removed_pk(entry.kind), "sk": _removed_sk(entry), **_expiring(entry)}


def _pointer_item(entry: Entry, pointer: Pointer) -> dict[str, Any]:
    row = Found(entry.tenant, entry.name, pointer.body, entry.removed)
    return {
        "pk": _find_pk(entry.kind, pointer.at),
        "sk": _sk(entry.tenant, entry.name),
        "body": _FOUND.dump_json(row).decode(),
        **_expiring(entry),
    }


def _expiring(entry: Entry) -> dict[str, int]:
    """Return the TTL attribute of an entry that expires. TTL deletes days late (DynamoDB developer guide), so nothing
    relies on it."""
    return {} if entry.expires_ms is None else {"expires_at": entry.expires_ms // 1000}


def _change_item(change: Change) -> dict[str, Any]:
    return {"pk": _audit_pk(change.tenant), "sk": _audit_sk(change), "body": _CHANGE.dump_json(change).decode()}


def _read(adapter: TypeAdapter[T], raw: dict[str, Any]) -> T:
    return read(adapter, item_of(raw)["body"])
