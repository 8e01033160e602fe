"""Make the tables that the ledger's suite runs over. Each test gets an empty one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from botocore.config import Config
from moto import mock_aws

from chalicelib.adapters.ledger import DynamoLedger
from chalicelib.adapters.registry import DynamoRegistry
from chalicelib.ports import Ledger, Registry
from simulation.memory.ledger import MemoryLedger
from simulation.memory.registry import MemoryRegistry
from tests import template
from tests.contract import aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WEST = "us-gov-west-1"
EAST = "us-gov-east-1"
REGIONS = (EAST, WEST)
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Subject:
    """One table as two Regions see it, without replication lag."""

    west: Ledger
    east: Ledger
    west_registry: Registry
    east_registry: Registry


@contextmanager
def memory() -> Iterator[Subject]:
    ledger, registry = MemoryLedger(), MemoryRegistry()
    yield Subject(ledger, ledger, registry, registry)


@contextmanager
def in_process() -> Iterator[Subject]:
    """Yield a table of moto, whose semantics are right for plain puts and queries."""
    with mock_aws():
        yield over(client_of(None))


@contextmanager
def at(url: str) -> Iterator[Subject]:
    yield over(client_of(url))


@contextmanager
def on_aws() -> Iterator[Subject]:
    client: DynamoDBClient = boto3.client("dynamodb", region_name=aws.REGION)
    name = f"eft-contract-{uuid4().hex[:12]}"
    client.create_table(TableName=name, **_shape())
    client.get_waiter("table_exists").wait(TableName=name)
    try:
        yield _subject(name, client)
    finally:
        client.delete_table(TableName=name)


@cache
def client_of(url: str | None) -> "DynamoDBClient":
    """Return a client that doesn't retry, so that every fault is seen at once. It is cached, since making one takes a
    third of a second."""
    retries: Any = {"total_max_attempts": 1}
    client: DynamoDBClient = boto3.client(
        "dynamodb",
        region_name=WEST,
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries=retries, connect_timeout=2, read_timeout=20),
    )
    return client


def over(client: "DynamoDBClient") -> Subject:
    """Make a new table with the keys and the index of the table in template.yaml."""
    name = f"eft-{next(_NUMBERS)}"
    client.create_table(TableName=name, **_shape())
    return _subject(name, client)


def _subject(name: str, client: "DynamoDBClient") -> Subject:
    west, east = (DynamoLedger(name, REGIONS, client) for _ in (WEST, EAST))
    return Subject(west, east, DynamoRegistry(name, client), DynamoRegistry(name, client))


@cache
def _shape() -> dict[str, Any]:
    properties = template.load()["Resources"]["Table"]["Properties"]
    names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    return {name: properties[name] for name in names}
