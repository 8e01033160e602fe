import json
from typing import Any

import pytest

from local.gateway.replication import ItemId
from local.gateway.tablewrites import left_undone, writes_of

TABLES = {"t": ("pk", "sk")}
KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}
IMAGE = {**KEY, "v": {"N": "1"}}
ITEM = ItemId("t", json.dumps(KEY))


@pytest.mark.parametrize(
    ("operation", "request_body", "image", "told"),
    [
        ("PutItem", {"TableName": "t", "Item": IMAGE}, IMAGE, True),
        ("PutItem", {"TableName": "arn:aws:dynamodb:us-gov-west-1:0:table/t", "Item": IMAGE}, IMAGE, True),
        ("DeleteItem", {"TableName": "t", "Key": KEY}, None, True),
        ("UpdateItem", {"TableName": "t", "Key": KEY, "UpdateExpression": "SET v = :v"}, None, False),
        ("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": IMAGE}}]}}, IMAGE, True),
        ("BatchWriteItem", {"RequestItems": {"t": [{"DeleteRequest": {"Key": KEY}}]}}, None, True),
        ("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t", "Item": IMAGE}}]}, None, False),
        ("TransactWriteItems", {"TransactItems": [{"Update": {"TableName": "t", "Key": KEY}}]}, None, False),
    ],
)
def test_writes(operation: str, request_body: Any, image: Any, told: bool) -> None:
    (write,) = writes_of(operation, request_body, TABLES)
    assert (write.item, write.key, write.image, write.told) == (ITEM, KEY, image, told)


@pytest.mark.parametrize(
    ("operation", "request_body"),
    [
        ("PutItem", {"TableName": "another", "Item": IMAGE}),
        ("PutItem", {"TableName": "t", "Item": {"pk": {"S": "a"}}}),
        ("PutItem", {}),
        ("PutItem", None),
        ("PutItem", {"TableName": 1, "Item": IMAGE}),
        ("BatchWriteItem", {"RequestItems": [1]}),
        ("TransactWriteItems", {"TransactItems": [{"ConditionCheck": {"TableName": "t", "Key": KEY}}]}),
        ("GetItem", {"TableName": "t", "Key": KEY}),
    ],
)
def test_no_writes(operation: str, request_body: Any) -> None:
    assert writes_of(operation, request_body, TABLES) == []


def test_items_are_told_apart_whatever_the_order_of_their_attributes() -> None:
    turned = {"v": {"N": "2"}, "sk": {"S": "b"}, "pk": {"S": "a"}}
    (write,) = writes_of("PutItem", {"TableName": "t", "Item": turned}, TABLES)
    assert write.item == ITEM


def test_what_a_batch_left_undone() -> None:
    answer = {"UnprocessedItems": {"t": [{"PutRequest": {"Item": IMAGE}}]}}
    assert left_undone(json.dumps(answer).encode(), TABLES) == {ITEM}
    assert left_undone(b"{}", TABLES) == set()
