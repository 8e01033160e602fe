"""Make calls to one DynamoDB table: items in and out, page by page and batch by batch."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from pydantic import TypeAdapter, ValidationError

from chalicelib.adapters.aws_errors import translating
from chalicelib.core.errors import Corrupt, Permanent, Retry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_GET_ITEMS = 100
_BATCH_WRITE_ITEMS = 25
_ROUNDS = 5
_PAUSE_S = 0.05
"""Pause, in seconds, before a batch's unprocessed items are sent again; doubled each time."""
_NOT_NEWER = "attribute_not_exists(#rank) OR #rank <= :rank"
"""Holds if no such item is there, or if it was written earlier or has the same rank (a repeated request)."""
_TO, _FROM = TypeSerializer(), TypeDeserializer()

Item = dict[str, Any]
T = TypeVar("T")


class DynamoTable:
    """One table, whose items have the keys `pk` and `sk`, and mostly a `body`. Reads are strongly consistent, except
    those of an index."""

    def __init__(self, name: str, client: "DynamoDBClient", sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self._client: Any = client
        self._sleep = sleep

    def call(self, operation: str, **arguments: Any) -> Any:  # noqa: ANN401 - the SDK's answer
        """Call the table, and translate errors. Returns the SDK's answer."""
        return self._call(operation, TableName=self.name, **arguments)

    def put(self, pk: str, sk: str, body: str, **more: str) -> None:
        self.call("put_item", Item=attributes({"pk": pk, "sk": sk, "body": body, **more}))

    def put_if(self, item: Item, condition: str, attribute: str, values: Item) -> bool:
        """Put an item if the condition holds for the item that is there. Return whether it was put. The condition
        writes `attribute` with a `#` before it: some names are reserved."""
        try:
            self.call(
                "put_item",
                Item=attributes(item),
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{attribute}": attribute},
                ExpressionAttributeValues=attributes(values),
            )
        except Permanent as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def put_newer(self, pk: str, sk: str, body: str, rank: int) -> None:
        """Replace the item unless the one that is there has a higher rank. The condition is evaluated on the local
        replica, which is right here: no other Region writes this item. It keeps progress from going back; no safety
        depends on it."""
        self.put_if({"pk": pk, "sk": sk, "body": body, "rank": rank}, _NOT_NEWER, "rank", {":rank": rank})

    def transact(self, writes: Sequence[Item]) -> None:
        """Carry out all writes or none. Raises Permanent with the code TransactionCanceledException if none was."""
        self._call("transact_write_items", TransactItems=writes)

    def get(self, pk: str, sk: str) -> str | None:
        answer = self.call("get_item", Key=attributes({"pk": pk, "sk": sk}), ConsistentRead=True)
        return item_of(answer["Item"])["body"] if "Item" in answer else None

    def query(self, pk: str, sk_prefix: str = "", page: int | None = None) -> Iterator[Item]:
        """Yield every item, read page by page as needed."""
        more = {} if page is None else {"Limit": page}
        for answer in self.answers(pk, sk_prefix, **more):
            yield from map(item_of, answer["Items"])

    def answers(self, pk: str, sk_prefix: str = "", **more: Any) -> Iterator[Any]:  # noqa: ANN401 - the SDK's
        """Yield the answers of a query, page by page as needed. `more` are further arguments of the query."""
        condition, values = "pk = :pk", {":pk": pk}
        if sk_prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": sk_prefix}
        while True:
            answer = self.call(
                "query",
                KeyConditionExpression=condition,
                ExpressionAttributeValues=attributes(values),
                ConsistentRead=True,
                **more,
            )
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            more["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def batch_get(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        """Return those items that are there, of at most 100 keys, strongly consistent."""
        unprocessed: Any = [attributes({"pk": pk, "sk": sk}) for pk, sk in dict.fromkeys(keys)]
        items: dict[tuple[str, str], Item] = {}
        for attempt in range(_ROUNDS):
            if not unprocessed:
                return items
            self._pause(attempt)
            request = {self.name: {"Keys": unprocessed, "ConsistentRead": True}}
            answer = self._call("batch_get_item", RequestItems=request)
            for item in map(item_of, answer["Responses"].get(self.name, [])):
                items[item["pk"], item["sk"]] = item
            unprocessed = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
        if unprocessed:
            raise Retry("Throttled", "the table left keys unread")
        return items

    def batch_put(self, items: Sequence[Item]) -> None:
        """Put items with different keys. Raises Retry if the table leaves some of them unwritten."""
        requests = [{"PutRequest": {"Item": attributes(item)}} for item in items]
        for start in range(0, len(requests), _BATCH_WRITE_ITEMS):
            unprocessed: Any = requests[start : start + _BATCH_WRITE_ITEMS]
            for attempt in range(_ROUNDS):
                self._pause(attempt)
                answer = self._call("batch_write_item", RequestItems={self.name: unprocessed})
                unprocessed = answer.get("UnprocessedItems", {}).get(self.name, [])
                if not unprocessed:
                    break
            else:
                raise Retry("Throttled", "the table left items unwritten")

    def _pause(self, attempt: int) -> None:
        if attempt:
            self._sleep(_PAUSE_S * 2 ** (attempt - 1))

    def _call(self, operation: str, **arguments: Any) -> Any:  # noqa: ANN401 - the SDK's answer
        with translating():
            return getattr(self._client, operation)(**arguments)


def read(adapter: TypeAdapter[T], body: str) -> T:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise Corrupt("UnreadableItem", str(error)) from error


def attributes(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _TO.serialize(value) for name, value in values.items()}


def item_of(raw: dict[str, Any]) -> Item:
    return {name: _FROM.deserialize(value) for name, value in raw.items()}
