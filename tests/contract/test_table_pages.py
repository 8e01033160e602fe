"""Test the table, the queues and the bus over the wire. The adapters follow a page that is not the last, and they send
the rest of a batch again or report it. Real clients talk to a server that answers as AWS may and as no emulator does on
demand."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config

from chalicelib.adapters.ledger import DynamoLedger
from chalicelib.adapters.queue import EventBridgeNotifier, SqsQueue
from chalicelib.adapters.registry import DynamoRegistry
from chalicelib.core import codec
from chalicelib.core.entries import EntryKind
from chalicelib.core.errors import Permanent, Retry
from chalicelib.ports import ObjectEvent, QueueName
from tests.contract.items import JOB, delivery, spec, terminal
from tests.contract.ledgers import EAST, REGIONS, WEST, client_of
from tests.contract.test_registry import change, entry
from tests.servers.scripted import Answer, ScriptedServer, scripted_server
from tests.tasks import task_on

_TO = TypeSerializer()


def says(**content: Any) -> Answer:
    return Answer(200, json.dumps(content).encode(), {"Content-Type": "application/x-amz-json-1.0"})


def attributes(**values: object) -> dict[str, Any]:
    return {name: _TO.serialize(value) for name, value in values.items()}


def bodies_of(server: ScriptedServer) -> list[dict[str, Any]]:
    """Return the bodies of all requests."""
    return [json.loads(body) for body in server.bodies]


def ledger_at(server: ScriptedServer) -> DynamoLedger:
    return DynamoLedger("eft", REGIONS, client_of(server.url), lambda _: None)


def registry_at(server: ScriptedServer) -> DynamoRegistry:
    return DynamoRegistry("eft", client_of(server.url), lambda _: None)


def position(sk: str) -> dict[str, Any]:
    return attributes(pk="here", sk=sk)


# --- queries ------------------------------------------------------------------------------------------------------


def test_every_page_of_a_jobs_items_is_read() -> None:
    """The ledger reads on behind an empty page, which DynamoDB permits."""
    first = attributes(pk=f"JOB#{JOB}", sk="SPEC", body=codec.dumps(spec("token")).decode())
    last = attributes(pk=f"JOB#{JOB}", sk=f"END#{EAST}", body=codec.dumps(terminal(JOB)).decode())
    script = (
        says(Items=[first], LastEvaluatedKey=position("a")),
        says(Items=[], LastEvaluatedKey=position("b")),
        says(Items=[last]),
    )
    with scripted_server(*script) as server:
        items = ledger_at(server).job_items(JOB)
    assert (items.spec, items.terminal, items.truncated) == (spec("token"), terminal(JOB), False)
    assert [body.get("ExclusiveStartKey") for body in bodies_of(server)] == [None, position("a"), position("b")]
    assert all(body["ConsistentRead"] for body in bodies_of(server))
    assert len({json.dumps(body["ExpressionAttributeValues"]) for body in bodies_of(server)}) == 1


def test_a_limit_is_for_all_pages_together() -> None:
    item = attributes(pk=f"JOB#{JOB}", sk="NEW#of-a-later-release", body="?")
    script = (says(Items=[item], LastEvaluatedKey=position("a")), says(Items=[item], LastEvaluatedKey=position("b")))
    with scripted_server(*script) as server:
        assert ledger_at(server).job_items(JOB, limit=2).truncated
        assert len(server.requests) == 3, "it has seen one more than it may show"
    with scripted_server(says(Items=[item, item])) as server:
        assert not ledger_at(server).job_items(JOB, limit=2).truncated
        assert bodies_of(server)[0]["Limit"] == 3


def test_every_page_of_what_is_registered_is_read() -> None:
    items = [registered(name)[0] for name in ("a", "b", "c")]
    script = (
        says(Items=items[:1], LastEvaluatedKey=position("a")),
        says(Items=[], LastEvaluatedKey=position("b")),
        says(Items=items[1:]),
    )
    with scripted_server(*script) as server:
        entries = registry_at(server).of_tenant(EntryKind.ENDPOINT, "acme")
    assert [item.name for item in entries] == ["a", "b", "c"]
    assert [body.get("ExclusiveStartKey") for body in bodies_of(server)] == [None, position("a"), position("b")]
    assert all(body["ConsistentRead"] for body in bodies_of(server))


def registered(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the items of an entry and of its change, as the registry writes them."""
    with scripted_server(says()) as server:
        assert registry_at(server).put(entry(name, nonce=name), change(entry(name, nonce=name)), None)
        (body,) = bodies_of(server)
    entry_item, change_item = (action["Put"]["Item"] for action in body["TransactItems"])
    return entry_item, change_item


def changed(name: str) -> dict[str, Any]:
    return registered(name)[1]


def test_pointers_that_were_not_written_are_no_success() -> None:
    """Another transaction was in progress on the entry, and the entry has not changed."""
    error = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "[TransactionConflict]",
    }
    cancelled = replace(says(**error), status=400)
    with scripted_server(cancelled, says(Item=registered("a")[0])) as server, pytest.raises(Retry):
        registry_at(server).point(entry("a", nonce="a"))


def test_a_page_of_entries_leads_to_the_next_also_where_it_is_empty() -> None:
    """The next page begins where DynamoDB says, however few entries this page holds: a page ends after a megabyte."""
    cut = {"pk": {"S": "REGISTRY#endpoint"}, "sk": {"S": "4:acme#a"}}
    with scripted_server(says(Items=[], LastEvaluatedKey=cut), says(Items=[registered("b")[0]])) as server:
        first_page = registry_at(server).page(EntryKind.ENDPOINT, None, 20)
        assert (first_page.entries, first_page.cursor) == ((), "4:acme#a")
        last_page = registry_at(server).page(EntryKind.ENDPOINT, first_page.cursor, 20)
        assert ([item.name for item in last_page.entries], last_page.cursor) == (["b"], None)
        registry_at(server).page(EntryKind.ENDPOINT, "4:acme#a", 20, removed=True)
    assert [body.get("ExclusiveStartKey") for body in bodies_of(server)] == [
        None,
        cut,
        {"pk": {"S": "REMOVED#endpoint"}, "sk": {"S": "4:acme#a"}},
    ]
    assert all((body["Limit"], body["ConsistentRead"]) == (20, True) for body in bodies_of(server))


def test_what_was_removed_is_counted_over_all_pages() -> None:
    script = (
        says(Count=7, LastEvaluatedKey=position("a")),
        says(Count=0, LastEvaluatedKey=position("b")),
        says(Count=5),
    )
    with scripted_server(*script) as server:
        assert registry_at(server).count_removed(EntryKind.FEED, "acme") == 12
    assert [body.get("ExclusiveStartKey") for body in bodies_of(server)] == [None, position("a"), position("b")]
    assert {(body["Select"], body["ConsistentRead"]) for body in bodies_of(server)} == {("COUNT", True)}
    values = bodies_of(server)[0]["ExpressionAttributeValues"]
    assert values == {":pk": {"S": "REMOVED#feed"}, ":sk": {"S": "4:acme#"}}


def test_a_page_of_changes_that_dynamodb_cuts_short_is_not_the_last() -> None:
    """A page ends after a megabyte, whatever limit was sent."""
    with scripted_server(says(Items=[changed("a")], LastEvaluatedKey=position("a"))) as server:
        page = registry_at(server).changes("acme", None, 10)
        assert ([c.name for c in page.changes], page.cursor) == (["a"], "000000000001000#a")
        registry_at(server).changes("acme", page.cursor, 10)
    assert bodies_of(server)[1]["ExclusiveStartKey"] == attributes(pk="AUDIT#acme", sk="000000000001000#a")
    assert bodies_of(server)[1]["Limit"] == 11


def test_a_page_of_changes_leads_to_what_it_has_not_shown() -> None:
    with scripted_server(says(Items=[changed("a"), changed("b"), changed("c")])) as server:
        page = registry_at(server).changes("acme", None, 2)
    assert ([c.name for c in page.changes], page.cursor) == (["a", "b"], "000000000001000#b")


def job(token: str) -> dict[str, Any]:
    return attributes(pk="JOB#x", sk="SPEC", body=codec.dumps(spec(token)).decode())


def test_a_page_of_jobs_that_dynamodb_cuts_short_is_not_the_last() -> None:
    job_spec = spec("token")
    cursor = f"{job_spec.created_ms:015d}#{job_spec.job_id}"
    script = (says(Items=[job("token")], LastEvaluatedKey=position("a")), says(Responses={}), says(Items=[]))
    with scripted_server(*script) as server:
        page = ledger_at(server).list_jobs("acme", None, 10)
        assert (len(page.jobs), page.cursor) == (1, cursor)
        assert ledger_at(server).list_jobs("acme", page.cursor, 10).cursor is None
    start = bodies_of(server)[2]["ExclusiveStartKey"]
    assert start == attributes(pk=f"JOB#{job_spec.job_id}", sk="SPEC", gsi_pk="TENANT#acme", gsi_sk=cursor)
    assert not bodies_of(server)[2]["ScanIndexForward"]


def test_a_page_of_jobs_leads_to_what_it_has_not_shown() -> None:
    """The ledger reads one job more, to see whether there are more. That job is the first one of the next page."""
    with scripted_server(says(Items=[job("t1"), job("t2"), job("t3")]), says(Responses={})) as server:
        page = ledger_at(server).list_jobs("acme", None, 2)
    last_job = page.jobs[-1][0]
    assert [job_spec for job_spec, _ in page.jobs] == [spec("t1"), spec("t2")]
    assert page.cursor == f"{last_job.created_ms:015d}#{last_job.job_id}"


def test_no_more_jobs_are_shown_than_one_batch_can_tell_the_ends_of() -> None:
    """BatchGetItem takes 100 keys: an end of each Region for each job."""
    items = [job(f"t{n}") for n in range(51)]
    with scripted_server(says(Items=items), says(Responses={})) as server:
        page = ledger_at(server).list_jobs("acme", None, 1000)
    assert len(page.jobs) == 50
    assert page.cursor is not None
    assert bodies_of(server)[0]["Limit"] == 51
    assert len(bodies_of(server)[1]["RequestItems"]["eft"]["Keys"]) == 100
    assert bodies_of(server)[1]["RequestItems"]["eft"]["ConsistentRead"]


def written(body: dict[str, Any]) -> list[dict[str, Any]]:
    writes: list[dict[str, Any]] = body["RequestItems"]["eft"]
    return writes


def listed(key: str, at_ms: int) -> dict[str, Any]:
    """Return an item as the ledger writes it."""
    with scripted_server(says()) as server:
        ledger_at(server).put_deliveries([delivery(key, at_ms=at_ms)])
        item: dict[str, Any] = written(bodies_of(server)[0])[0]["PutRequest"]["Item"]
    return item


def test_pages_of_deliveries_lead_from_the_last_one_shown() -> None:
    items = [listed("a", 3000), listed("b", 2000), listed("c", 1000)]
    with scripted_server(says(Items=items), says(Responses={"eft": items[:2]}), says(Items=[])) as server:
        page = ledger_at(server).list_deliveries("feed", 0, 9000, None, 2)
        assert [entry.delivery.key for entry in page.said] == ["a", "b"]
        assert [[noted.key for noted in entry.now] for entry in page.said] == [["a"], ["b"]]
        assert page.cursor is not None
        assert ledger_at(server).list_deliveries("feed", 0, 9000, page.cursor, 2).cursor is None
    first, batch, second = bodies_of(server)
    assert first["Limit"] == 3
    assert first["ExpressionAttributeValues"][":until"] == {"S": "000000000008999~"}, "the end itself is not in it"
    assert len(batch["RequestItems"]["eft"]["Keys"]) == 4, "what each Region says of both"
    key = {name: items[1][name] for name in ("pk", "sk", "gsi_pk", "gsi_sk")}
    assert second["ExclusiveStartKey"] == key


def test_a_page_of_deliveries_that_dynamodb_cuts_short_is_not_the_last() -> None:
    script = (says(Items=[listed("a", 3000)], LastEvaluatedKey=position("a")), says(Responses={"eft": []}))
    with scripted_server(*script) as server:
        page = ledger_at(server).list_deliveries("feed", 0, 9000, None, 10)
    assert ([entry.delivery.key for entry in page.said], page.cursor is None) == (["a"], False)


# --- batches ------------------------------------------------------------------------------------------------------


def test_what_a_batch_leaves_unread_is_asked_for_again_and_nothing_else() -> None:
    keys = [attributes(pk=f"JOB#{spec('token').job_id}", sk=f"END#{region}") for region in REGIONS]
    end = {**keys[1], "body": {"S": codec.dumps(terminal(spec("token").job_id)).decode()}}
    script = (
        says(Items=[job("token")]),
        says(Responses={"eft": []}, UnprocessedKeys={"eft": {"Keys": keys, "ConsistentRead": True}}),
        says(Responses={"eft": []}, UnprocessedKeys={"eft": {"Keys": keys[1:], "ConsistentRead": True}}),
        says(Responses={"eft": [end]}, UnprocessedKeys={}),
    )
    with scripted_server(*script) as server:
        ((_, end_read),) = ledger_at(server).list_jobs("acme", None, 10).jobs
    assert end_read == terminal(spec("token").job_id)
    keys_of_requests = [body["RequestItems"]["eft"]["Keys"] for body in bodies_of(server)[1:]]
    assert [len(request_keys) for request_keys in keys_of_requests] == [2, 2, 1]
    assert all(body["RequestItems"]["eft"]["ConsistentRead"] for body in bodies_of(server)[1:])


def test_deliveries_are_written_in_batches_and_what_is_left_over_again() -> None:
    """This holds for a batch that is not the last, too: the ledger does not forget its rest when it sends the next
    one."""
    leaves: list[dict[str, Any]] = []
    with scripted_server(says(UnprocessedItems={})) as server:
        ledger_at(server).put_deliveries([delivery(f"k{n}") for n in range(60)])
        leaves = written(bodies_of(server)[0])[-2:]
    assert [len(written(body)) for body in bodies_of(server)] == [25, 25, 10]
    script = (says(UnprocessedItems={"eft": leaves}), says(UnprocessedItems={"eft": leaves[1:]}), says())
    with scripted_server(*script) as server:
        ledger_at(server).put_deliveries([delivery(f"k{n}") for n in range(60)])
    assert [len(written(body)) for body in bodies_of(server)] == [25, 2, 1, 25, 10]
    assert [written(body) for body in bodies_of(server)[1:3]] == [leaves, leaves[1:]]


def test_deliveries_that_are_never_written_must_come_again() -> None:
    with scripted_server(says()) as server:
        ledger_at(server).put_deliveries([delivery("k")])
        unwritten = written(bodies_of(server)[0])
    with scripted_server(says(UnprocessedItems={"eft": unwritten})) as server, pytest.raises(Retry, match="unwritten"):
        ledger_at(server).put_deliveries([delivery("k")])


def test_entries_that_a_batch_leaves_unread_are_asked_for_again_and_nothing_else() -> None:
    names = [(EntryKind.ENDPOINT, "acme", f"e{n}") for n in range(120)]
    keys = [attributes(pk="REGISTRY#endpoint", sk=f"4:acme#e{n}") for n in range(120)]
    unread = {"eft": {"Keys": keys[1:3], "ConsistentRead": True}}
    script = (
        says(Responses={"eft": [registered("e0")[0]]}, UnprocessedKeys=unread),
        says(Responses={}, UnprocessedKeys=unread),
        says(Responses={"eft": [registered("e1")[0]]}, UnprocessedKeys={}),
        says(Responses={"eft": [registered("e119")[0]]}),
    )
    with scripted_server(*script) as server:
        entries = registry_at(server).get_many([*names, names[0]])
    assert sorted(name for _, _, name in entries) == ["e0", "e1", "e119"]
    requests = [body["RequestItems"]["eft"] for body in bodies_of(server)]
    assert [request["Keys"] for request in requests] == [keys[:100], keys[1:3], keys[1:3], keys[100:]]
    assert all(request["ConsistentRead"] for request in requests)


def test_entries_that_are_never_read_are_not_taken_for_missing() -> None:
    unread = {"eft": {"Keys": [attributes(pk="REGISTRY#feed", sk="4:acme#a")]}}
    with scripted_server(says(Responses={}, UnprocessedKeys=unread)) as server, pytest.raises(Retry, match="unread"):
        registry_at(server).get_many([(EntryKind.FEED, "acme", "a")])


# --- queues and the bus -------------------------------------------------------------------------------------------


def client(service: str, server: ScriptedServer) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return boto3.Session("key", "secret").client(service, region_name=WEST, endpoint_url=server.url, config=config)  # type: ignore[call-overload]


def queue_at(server: ScriptedServer) -> SqsQueue:
    urls = {name: f"{server.url}/1/{name}" for name in ("intake", "copy", "split", "verify")}
    return SqsQueue(urls, client("sqs", server), lambda _: None)


def sent(server: ScriptedServer) -> list[Sequence[dict[str, Any]]]:
    return [body["Entries"] for body in bodies_of(server)]


TAKEN = says(Successful=[], Failed=[])


def test_messages_are_sent_ten_at_a_time_and_all_of_them() -> None:
    with scripted_server(TAKEN) as server:
        queue_at(server).send_object_events([ObjectEvent("b", str(n)) for n in range(23)])
    assert [len(entries) for entries in sent(server)] == [10, 10, 3]
    assert all(len({entry["Id"] for entry in entries}) == len(entries) for entries in sent(server)), "SQS refuses else"
    assert len({entry["MessageBody"] for entries in sent(server) for entry in entries}) == 23


def failed(name: str, *, fault: bool, text: str = "later") -> dict[str, Any]:
    return {"Id": name, "Code": "InternalError", "Message": text, "SenderFault": fault}


def bodies(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [entry["MessageBody"] for entry in entries]


@pytest.mark.parametrize(("fault", "kind"), [(False, Retry), (True, Permanent)])
def test_a_batch_that_is_taken_in_part_is_no_success(fault: bool, kind: type[Exception]) -> None:
    """The status of the answer is 200. Only its Failed says that a message was not taken."""
    never = says(Successful=[], Failed=[failed("3", fault=fault)])
    with scripted_server(never) as server, pytest.raises(kind, match="intake: later"):
        queue_at(server).send_object_events([ObjectEvent("b", str(n)) for n in range(10)])
    assert [len(entries) for entries in sent(server)] == ([10] if fault else [10, 1, 1])


def test_what_sqs_could_not_take_is_sent_again_and_nothing_else() -> None:
    script = (
        says(Successful=[], Failed=[failed("3", fault=False), failed("7", fault=False)]),
        says(Successful=[{"Id": "3"}], Failed=[failed("7", fault=False)]),
        TAKEN,
    )
    with scripted_server(*script) as server:
        queue_at(server).send_object_events([ObjectEvent("b", str(n)) for n in range(12)], delay_ms=5000)
    first, second, third, last = sent(server)
    assert bodies(second) == [bodies(first)[3], bodies(first)[7]]
    assert bodies(third) == [bodies(first)[7]]
    assert len(last) == 2
    assert all(entry["DelaySeconds"] == 5 for entries in sent(server) for entry in entries)


def test_one_message_that_is_refused_for_good_keeps_none_behind_it() -> None:
    """Messages of the same batch that were refused for now are sent again without it."""
    script = (
        says(Successful=[], Failed=[failed("0", fault=True, text="bad"), failed("4", fault=False)]),
        says(Successful=[{"Id": "4"}], Failed=[]),
        TAKEN,
    )
    with scripted_server(*script) as server, pytest.raises(Permanent, match="intake: bad"):
        queue_at(server).send_object_events([ObjectEvent("b", str(n)) for n in range(23)])
    first_batch, second_batch, *later_batches = sent(server)
    assert bodies(second_batch) == [bodies(first_batch)[4]]
    assert [len(entries) for entries in later_batches] == [10, 3]


def test_a_queue_that_takes_nothing_now_keeps_no_other_queue_waiting() -> None:
    """The caller must send the messages again, though another message of the call is refused for good."""
    tasks = [task_on(queue, "job", EAST, "r") for queue in (QueueName.VERIFY, QueueName.COPY, QueueName.SPLIT)]
    later, bad = says(Failed=[failed("0", fault=False)]), says(Failed=[failed("0", fault=True, text="bad")])
    with scripted_server(bad, later, later, later, TAKEN) as server, pytest.raises(Retry, match="split: later"):
        queue_at(server).send(tasks)
    urls = [body["QueueUrl"].rpartition("/")[2] for body in bodies_of(server)]
    assert urls == ["copy", "split", "split", "split", "verify"]


def test_a_delay_is_in_seconds_and_no_longer_than_sqs_takes() -> None:
    with scripted_server(TAKEN) as server:
        for delay_ms in (1999, 900_000, 5_000_000):
            queue_at(server).send_object_events([ObjectEvent("b", "k")], delay_ms=delay_ms)
    assert [entries[0]["DelaySeconds"] for entries in sent(server)] == [1, 900, 900]


def test_an_event_that_the_bus_takes_in_part_is_no_success() -> None:
    refused = says(FailedEntryCount=1, Entries=[{"ErrorCode": "ThrottlingException", "ErrorMessage": "later"}])
    with scripted_server(refused, says(FailedEntryCount=0, Entries=[{"EventId": "e"}])) as server:
        bus = EventBridgeNotifier("eft", client("events", server))
        with pytest.raises(Retry, match="ThrottlingException"):
            bus.delivery_failed("acme", "inbox", delivery("k"))
        bus.delivery_failed("acme", "inbox", delivery("k"))
    assert len(server.requests) == 2
