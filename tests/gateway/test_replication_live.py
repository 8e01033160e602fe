"""Two tables of the emulator, one for each Region, behave like a global table's replicas (MREC)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from local.gateway.launch import EAST, WEST
from local.wait import wait_until
from tests.gateway.conftest import Cloud, code_of

pytestmark = pytest.mark.cloud

WE, EW = f"{WEST}->{EAST}", f"{EAST}->{WEST}"
_numbers = count(1)


class Global:
    """A table in both Regions, and the requests of the tests to it."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.name = name
        self._cloud = cloud
        self.clients = {region: cloud.client("dynamodb", region) for region in (WEST, EAST)}
        for client in self.clients.values():
            client.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        self.set(tables={name: ["pk"]}, lag_ms=0, jitter_ms=0, stalled=[])

    def set(self, **settings: Any) -> None:
        self._cloud.control("PUT", "replication", settings)

    def report(self) -> Any:
        return self._cloud.control("GET", "replication")

    def put(self, region: str, pk: str, value: str, **more: Any) -> None:
        self.clients[region].put_item(TableName=self.name, Item={"pk": {"S": pk}, "v": {"S": value}}, **more)

    def value(self, region: str, pk: str) -> str | None:
        item = self.item(region, pk)
        return None if item is None else str(item["v"]["S"])

    def item(self, region: str, pk: str) -> Any:
        key = {"pk": {"S": pk}}
        return self.clients[region].get_item(TableName=self.name, Key=key, ConsistentRead=True).get("Item")

    def is_settled(self) -> bool:
        return all(queue["waiting"] == 0 for queue in self.report()["queues"].values())

    def settle(self) -> None:
        wait_until(self.is_settled, "both queues are empty", 20)


@pytest.fixture
def table(clean: Cloud) -> Iterator[Global]:
    table = Global(clean, f"global-{next(_numbers)}")
    yield table
    table.set(tables={}, lag_ms=300, jitter_ms=200, stalled=[])


def test_a_write_shows_in_the_other_region_only_after_the_lag(table: Global) -> None:
    table.set(lag_ms=1500)
    table.put(WEST, "a", "1")
    assert table.value(WEST, "a") == "1"
    assert table.value(EAST, "a") is None
    ages: list[int] = []

    def has_arrived() -> bool:
        waiting = table.report()["queues"][WE]
        ages.append(waiting["oldest_ms"])
        return table.value(EAST, "a") == "1"

    wait_until(has_arrived, "it shows in East", 20)
    assert max(ages) >= 1300, "it waited for its lag"
    assert table.report()["queues"][WE]["delivered"] >= 1


def test_every_kind_of_write_is_replicated(table: Global) -> None:
    client, name = table.clients[WEST], table.name
    key = {"pk": {"S": "updated"}}
    client.update_item(
        TableName=name, Key=key, UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}}
    )
    client.batch_write_item(
        RequestItems={name: [{"PutRequest": {"Item": {"pk": {"S": f"b{i}"}, "v": {"S": "1"}}}} for i in range(25)]}
    )
    put = {"Put": {"TableName": name, "Item": {"pk": {"S": "transacted"}, "v": {"S": "1"}}}}
    client.transact_write_items(TransactItems=[put], ClientRequestToken="token")
    table.settle()
    assert table.item(EAST, "updated")["n"] == {"N": "1"}
    assert {table.value(EAST, f"b{i}") for i in range(25)} == {"1"}
    assert table.value(EAST, "transacted") == "1"

    table.put(EAST, "transacted", "2")
    table.settle()
    client.transact_write_items(TransactItems=[put], ClientRequestToken="token")
    client.delete_item(TableName=name, Key=key)
    client.batch_write_item(RequestItems={name: [{"DeleteRequest": {"Key": {"pk": {"S": "b0"}}}}]})
    table.settle()
    assert table.value(WEST, "transacted") == table.value(EAST, "transacted") == "2", "a repeated token writes nothing"
    assert table.item(EAST, "updated") is None
    assert table.value(EAST, "b0") is None


def test_a_stalled_direction_delivers_on_release_and_loses_against_later_writes(table: Global) -> None:
    table.set(stalled=[WE])
    table.put(WEST, "a", "before its death")
    table.put(WEST, "b", "never overtaken")
    table.put(EAST, "a", "by the survivor")
    wait_until(lambda: table.value(WEST, "a") == "by the survivor", "the other direction goes on", 20)
    assert table.value(EAST, "b") is None
    assert table.report()["queues"][WE]["waiting"] == 2
    table.set(stalled=[])
    table.settle()
    assert [table.value(region, "a") for region in (WEST, EAST)] == ["by the survivor"] * 2
    assert [table.value(region, "b") for region in (WEST, EAST)] == ["never overtaken"] * 2


def test_conditional_puts_in_both_regions_both_win(table: Global) -> None:
    """This is the trap of a global table: a condition is judged on the local replica, so a lock in the table is no
    lock."""
    table.set(lag_ms=10_000)
    for region in (WEST, EAST):
        table.put(region, "lock", region, ConditionExpression="attribute_not_exists(pk)")
        assert table.value(region, "lock") == region, "each believes that it holds the lock"
        again = {"TableName": table.name, "Item": {"pk": {"S": "lock"}}}
        assert code_of(table.clients[region].put_item, **again, ConditionExpression="attribute_not_exists(pk)") == (
            "ConditionalCheckFailedException"
        )


def test_concurrent_writes_in_both_regions_converge_to_one_last_writer(table: Global) -> None:
    table.set(lag_ms=5, jitter_ms=50, seed=1)
    keys = [f"k{index}" for index in range(5)]

    def write(index: int) -> None:
        table.put((WEST, EAST)[index % 2], keys[index % 5], str(index))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(400)))
    table.settle()
    for key in keys:
        assert table.value(WEST, key) == table.value(EAST, key) is not None


def test_a_refused_write_is_not_replicated(table: Global) -> None:
    table.put(WEST, "a", "1")
    table.settle()
    refused = {"TableName": table.name, "Item": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(pk)"}
    assert code_of(table.clients[WEST].put_item, **refused) == "ConditionalCheckFailedException"
    assert table.is_settled()
    assert table.value(EAST, "a") == "1"


def test_replication_meets_no_faults_and_is_not_counted(table: Global, clean: Cloud) -> None:
    table.put(WEST, "a", "1")
    clean.control("DELETE", "requests")
    down = {"id": "down", "match": {"service": "dynamodb", "region": EAST}, "action": {"kind": "drop_request"}}
    table.set(lag_ms=100)
    clean.control("PUT", "faults", [down])
    table.put(WEST, "a", "2")
    table.settle()
    clean.control("DELETE", "faults")
    assert table.value(EAST, "a") == "2"
    totals = clean.control("GET", "requests")["totals"]
    assert totals == {"PutItem": 1, "GetItem": 1}


def test_tables_that_are_not_named_stay_apart(table: Global) -> None:
    table.set(tables={})
    table.put(WEST, "a", "1")
    assert table.is_settled()
    assert table.value(EAST, "a") is None
