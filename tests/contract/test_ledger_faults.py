"""Each error answer of DynamoDB has its own effect on a call to the ledger."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from chalicelib.adapters.ledger import DynamoLedger
from chalicelib.core import codec
from chalicelib.core.errors import Corrupt, Denied, EftError, NoAnswer, Permanent, Retry
from chalicelib.core.leases import RegionHeartbeat
from local.gateway.process import free_port
from tests.contract.items import JOB, delivery, lease, spec, terminal
from tests.contract.ledgers import EAST, REGIONS, WEST, client_of

CALLS: dict[str, Callable[[DynamoLedger], object]] = {
    "put_item": lambda ledger: ledger.put_lease(lease(JOB)),
    "get_item": lambda ledger: ledger.get_observation(JOB, "s", WEST),
    "query": lambda ledger: ledger.job_items(JOB),
    "batch_write_item": lambda ledger: ledger.put_deliveries([delivery("k")]),
    "update_item": lambda ledger: ledger.count_request("acme", WEST, 0),
}
ANSWERS: list[tuple[str, int, type[EftError]]] = [
    ("ProvisionedThroughputExceededException", 400, Retry),
    ("ThrottlingException", 400, Retry),
    ("RequestLimitExceeded", 400, Retry),
    ("TransactionConflictException", 400, Retry),
    ("InternalServerError", 500, Retry),
    ("ServiceUnavailable", 503, Retry),
    ("SomethingNew", 500, Retry),
    ("SomethingNew", 429, Retry),
    ("ExpiredTokenException", 400, Retry),
    ("AccessDeniedException", 400, Denied),
    ("UnrecognizedClientException", 403, Denied),
    ("ValidationException", 400, Permanent),
    ("ResourceNotFoundException", 400, Permanent),
]


@dataclass
class Scripted:
    """A ledger whose table answers as the test tells it to, and the waits between its requests."""

    ledger: DynamoLedger
    stub: Stubber
    waits: list[float] = field(default_factory=list)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    client = boto3.client("dynamodb", region_name=WEST, aws_access_key_id="test", aws_secret_access_key="test")
    waits: list[float] = []
    with Stubber(client) as stub:
        yield Scripted(DynamoLedger("eft", REGIONS, client, waits.append), stub, waits)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(("code", "status", "kind"), ANSWERS)
def test_what_an_answer_means(scripted: Scripted, code: str, status: int, kind: type[EftError]) -> None:
    for operation, call in CALLS.items():
        scripted.stub.add_client_error(operation, code, "AWS's own words", status)
        with pytest.raises(EftError) as error:
            call(scripted.ledger)
        assert type(error.value) is kind
        assert error.value.code == code
        assert error.value.message == "AWS's own words"


@pytest.mark.parametrize("operation", CALLS)
def test_a_table_that_can_not_be_reached(operation: str) -> None:
    """No server listens, perhaps only for a while. The message names the address."""
    ledger = DynamoLedger("eft", REGIONS, client_of(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(NoAnswer, match=r"127\.0\.0\.1"):
        CALLS[operation](ledger)


def unprocessed(*keys: str) -> dict[str, Any]:
    return {"UnprocessedItems": {"eft": [{"PutRequest": {"Item": {"pk": {"S": key}}}} for key in keys]}}


def test_what_a_batch_leaves_unwritten_is_sent_again(scripted: Scripted) -> None:
    scripted.stub.add_response("batch_write_item", unprocessed("a", "b"))
    both_items, second_item = ({"RequestItems": unprocessed(*keys)["UnprocessedItems"]} for keys in ("ab", "b"))
    scripted.stub.add_response("batch_write_item", unprocessed("b"), both_items)
    scripted.stub.add_response("batch_write_item", {}, second_item)
    scripted.ledger.put_deliveries([delivery("k1"), delivery("k2")])
    assert scripted.waits == [0.05, 0.1]


def test_what_a_batch_never_writes_must_come_again(scripted: Scripted) -> None:
    for _ in range(5):
        scripted.stub.add_response("batch_write_item", unprocessed("a"))
    with pytest.raises(Retry, match="unwritten"):
        scripted.ledger.put_deliveries([delivery("k")])
    assert sum(scripted.waits) < 1


def page_of(token: str) -> dict[str, Any]:
    return {"Items": [{"body": {"S": codec.dumps(spec(token)).decode()}}]}


def key_of(region: str) -> dict[str, Any]:
    return {"pk": {"S": f"JOB#{JOB}"}, "sk": {"S": f"END#{region}"}}


def test_what_a_batch_leaves_unread_is_asked_for_again(scripted: Scripted) -> None:
    scripted.stub.add_response("query", page_of("token"))
    unread = {"eft": {"Keys": [key_of(EAST)]}}
    scripted.stub.add_response("batch_get_item", {"Responses": {"eft": []}, "UnprocessedKeys": unread})
    response = {"Responses": {"eft": [{**key_of(EAST), "body": {"S": codec.dumps(terminal(JOB)).decode()}}]}}
    second_request = {"eft": {"Keys": [key_of(EAST)], "ConsistentRead": True}}
    scripted.stub.add_response("batch_get_item", response, {"RequestItems": second_request})
    assert scripted.ledger.list_jobs("acme", None, 10).jobs == ((spec("token"), terminal(JOB)),)


def test_what_a_batch_never_reads_must_come_again(scripted: Scripted) -> None:
    scripted.stub.add_response("query", page_of("token"))
    unread = {"eft": {"Keys": [key_of(EAST)]}}
    for _ in range(5):
        scripted.stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": unread})
    with pytest.raises(Retry, match="unread"):
        scripted.ledger.list_jobs("acme", None, 10)


@pytest.mark.parametrize("body", ["", "{", "null", "[]", '{"region": 5}', '{"record":"spec"}'])
def test_an_item_that_does_not_say_what_it_must(scripted: Scripted, body: str) -> None:
    """The ledger raises an error of ours with a name, so that the sweep goes on with other jobs."""
    for sk, call in (
        ("SPEC", lambda: scripted.ledger.job_items(JOB)),
        ("END#x", lambda: scripted.ledger.job_items(JOB)),
        ("P#r#x", lambda: scripted.ledger.job_items(JOB)),
        ("R#r#x", lambda: scripted.ledger.job_items(JOB)),
        ("W#r#x", lambda: scripted.ledger.job_items(JOB)),
        ("P#r#x", lambda: scripted.ledger.get_leases(JOB, "r")),
        ("D#x", lambda: scripted.ledger.get_deliveries("feed", "k")),
        ("HB#x", scripted.ledger.region_heartbeats),
    ):
        scripted.stub.add_response("query", {"Items": [{"pk": {"S": "x"}, "sk": {"S": sk}, "body": {"S": body}}]})
        with pytest.raises(Corrupt):
            call()


def test_an_item_of_a_later_release_is_left_alone(scripted: Scripted) -> None:
    items = [{"pk": {"S": "x"}, "sk": {"S": "NEW#x"}, "body": {"S": "?"}}]
    scripted.stub.add_response("query", {"Items": items})
    assert scripted.ledger.job_items(JOB).leases == ()


def test_a_field_of_a_later_release_is_left_alone(scripted: Scripted) -> None:
    body = '{"region":"us-gov-west-1","counter":3,"at_ms":5,"mood":"fine"}'
    scripted.stub.add_response("query", {"Items": [{"sk": {"S": "HB#x"}, "body": {"S": body}}]})
    assert scripted.ledger.region_heartbeats() == [RegionHeartbeat(WEST, 3, 5)]


def test_reads_are_strongly_consistent_but_for_the_index(scripted: Scripted) -> None:
    empty: dict[str, Any] = {"Items": []}
    consistent = {
        "TableName": "eft",
        "KeyConditionExpression": ANY,
        "ExpressionAttributeValues": ANY,
        "ConsistentRead": True,
    }
    scripted.stub.add_response("query", empty, consistent)
    scripted.ledger.job_items(JOB)
    scripted.stub.add_response("query", empty, consistent)
    scripted.ledger.region_heartbeats()
    scripted.stub.add_response("get_item", {}, {"TableName": "eft", "Key": ANY, "ConsistentRead": True})
    scripted.ledger.get_observation(JOB, "s", WEST)


def test_counts_of_requests_are_housekept_after_an_hour(scripted: Scripted) -> None:
    request = {
        "TableName": "eft",
        "Key": {"pk": ANY, "sk": ANY},
        "UpdateExpression": ANY,
        "ExpressionAttributeValues": {":gone": {"N": str(60 + 3600)}, ":one": {"N": "1"}},
        "ReturnValues": "UPDATED_NEW",
    }
    scripted.stub.add_response("update_item", {"Attributes": {"requests": {"N": "7"}}}, request)
    assert scripted.ledger.count_request("acme", WEST, 60_000) == 7


def test_deliveries_are_housekept_after_ninety_days(scripted: Scripted) -> None:
    item = {
        "pk": ANY,
        "sk": ANY,
        "body": ANY,
        "gsi_pk": {"S": "FEED#feed"},
        "gsi_sk": ANY,
        "expires_at": {"N": str(1_800_000_000 + 90 * 86_400)},
    }
    scripted.stub.add_response("batch_write_item", {}, {"RequestItems": {"eft": [{"PutRequest": {"Item": item}}]}})
    scripted.ledger.put_deliveries([delivery("k")])
