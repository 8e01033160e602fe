"""Test how commands are read from the bodies of messages, whatever is on a queue."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import Corrupt
from chalicelib.core.parts import PartShare
from chalicelib.core.report import ReportFormat
from chalicelib.entry.events import Message, Unreadable, commands_of, read
from chalicelib.ports import (
    CopyPartition,
    CopyUploadParts,
    MakeReport,
    ObjectEvent,
    PlanRange,
    VerifyDelivery,
    VerifyPartition,
)
from chalicelib.protocol import messages
from tests.entry import sqs
from tests.entry.strategies import JSON, TEXT

KEYS = [
    "plain.csv",
    "two words",
    "a+b",
    "100%25 %2F%zz",
    "données/鍵/smile-\U0001f600",
    "a&b=c?d#e;f,g:h@i$j!k*l'm(n)",
    'quotes"and\\slashes//',
    "new\nline\x07",
    "folder/",
    "x" * 1024,
    "\ufffe\uffff",
]


NOTIFIED, BRIDGED = ("e",), ("b1946ac92492d2347c6235b4d2611184",)
"""An event names a version by its ETag."""

# --- what is understood -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_a_key_comes_through_either_way(key: str) -> None:
    """S3's own notifications encode the key, and EventBridge does not."""
    assert commands_of(sqs.notification(sqs.s3_record("b", key))) == [ObjectEvent("b", key, NOTIFIED)]
    assert commands_of(sqs.bridge("b", key)) == [ObjectEvent("b", key, BRIDGED)]


def test_a_plus_in_a_notification_is_a_space() -> None:
    raw = sqs.s3_record("b", "x")
    raw["s3"]["object"]["key"] = "a+b%2Bc%C3%A9"
    assert commands_of(sqs.notification(raw)) == [ObjectEvent("b", "a b+cé", NOTIFIED)]


def test_several_records_in_one_notification() -> None:
    records = [sqs.s3_record("b", f"k{n}") for n in range(3)]
    assert commands_of(sqs.notification(*records)) == [ObjectEvent("b", f"k{n}", NOTIFIED) for n in range(3)]


@pytest.mark.parametrize(
    "name",
    ["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Post"],
)
def test_every_way_to_create_an_object(name: str) -> None:
    assert commands_of(sqs.notification(sqs.s3_record("b", "k", name))) == [ObjectEvent("b", "k", NOTIFIED)]


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put"])
def test_what_is_no_object_event_needs_no_action(name: str) -> None:
    assert commands_of(sqs.notification(sqs.s3_record("b", "k", name))) == []


@pytest.mark.parametrize("detail_type", ["Object Deleted", "Object Restore Completed", "Object Tags Added"])
def test_another_event_of_s3_needs_no_action(detail_type: str) -> None:
    assert commands_of(sqs.bridge("b", "k", detail_type)) == []


def test_the_event_that_s3_sends_to_try_the_queue() -> None:
    assert commands_of(sqs.TEST_EVENT) == []


def test_an_empty_notification() -> None:
    assert commands_of('{"Records": []}') == []


OURS: list[messages.Message] = [
    PlanRange("job-x", "us-gov-west-1", "r"),
    MakeReport("job-x", "us-gov-west-1", ReportFormat.NDJSON),
    CopyPartition("job-x", "us-gov-east-1", "r-000001", fresh=True),
    CopyUploadParts("job-x", "us-gov-east-1", "r-000001", PartShare(0, 1, 2)),
    VerifyPartition("feed-x", "us-gov-east-1", "r01-000012"),
    VerifyDelivery("feed", "données/a b+c", "v1"),
    *(ObjectEvent("b", key) for key in KEYS),
    ObjectEvent("b", "k", older=("e1", "e2")),
]


@pytest.mark.parametrize("command", OURS, ids=lambda command: str(command)[:30].encode("ascii", "replace").decode())
def test_our_own_messages(command: messages.Message) -> None:
    assert commands_of(messages.dumps(command)) == [command]


def test_events_from_the_queue_of_hints_are_hints() -> None:
    """The name of the queue decides this, whatever an event says of itself."""
    event = sqs.event(sqs.bridge("b", "k"), sqs.TEST_EVENT)
    for record in event["Records"]:
        record["eventSourceARN"] = record["eventSourceARN"].replace("eft-intake", "eft-hints")
    assert [m.commands for m in read(event) if isinstance(m, Message)] == [
        (ObjectEvent("b", "k", BRIDGED, hint=True),),
        (),
    ]
    assert [m.commands for m in read(sqs.event(sqs.bridge("b", "k"))) if isinstance(m, Message)] == [
        (ObjectEvent("b", "k", BRIDGED),)
    ]


@given(key=st.text(min_size=1, max_size=300))
def test_any_key(key: str) -> None:
    assert commands_of(sqs.notification(sqs.s3_record("b", key))) == [ObjectEvent("b", key, NOTIFIED)]
    assert commands_of(sqs.bridge("b", key)) == [ObjectEvent("b", key, BRIDGED)]
    assert commands_of(messages.dumps(ObjectEvent("b", key))) == [ObjectEvent("b", key)]


# --- what is not --------------------------------------------------------------------------------------------------


def changed(path: list[str | int], value: object) -> str:
    """Return a notification with one value replaced, or removed (Ellipsis)."""
    notification = json.loads(sqs.notification(sqs.s3_record("b", "k")))
    inner: Any = notification["Records"][0]
    for name in path[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(notification)


UNREADABLE = [
    "",
    " ",
    "hello",
    "{",
    "null",
    "5",
    "[]",
    '"text"',
    "{}",
    '{"Records": 5}',
    '{"Records": [5]}',
    '{"Records": [{}]}',
    '{"Records": [{"Sns": {}}]}',
    '{"Event": "something else"}',
    '{"source": "aws.s3"}',
    '{"source": "aws.s3", "detail-type": "Object Created"}',
    '{"source": "aws.s3", "detail-type": "Object Created", "detail": 5}',
    '{"source": "aws.ec2", "detail-type": "Object Created", "detail": {}}',
    '{"type": {}}',
    '{"type": 5}',
    '{"type": ["copy_partition"]}',
    '{"type": "copy_partition"}',
    '{"type": "lunch", "job_id": "j", "control_region": "r", "partition": "p"}',
    '{"type": "copy_partition", "job_id": 5, "control_region": "r", "partition": "p"}',
    '{"type": "copy_partition", "job_id": "j", "control_region": "r", "partition": "p", "fresh": "yes"}',
    '{"type": "copy_partition", "job_id": "j", "control_region": "r", "partition": "p", "permit_waits": "7"}',
    '{"type": "copy_upload_parts", "job_id": "j", "control_region": "r", "partition": "p"}',
    '{"type": "copy_upload_parts", "job_id": "j", "control_region": "r", "partition": "p", "share": "0/1/2"}',
    '{"type": "make_report", "job_id": "j", "control_region": "r", "format": "xml"}',
    '{"type": "object_event", "bucket": "b"}',
    '["object_event", "b", "k"]',
    '{"type": "verify_delivery", "feed_id": "f", "key": null, "pin": ""}',
    '{"a": NaN}',
    '{"Records": [], "Records": []}',
    "[" * 50_000,
    '{"Records":' * 20_000,
    "9" * 5_000,
    "\ud800",
    '"\ud800"',
    json.dumps({"type": "object_event", "bucket": "b", "key": "\ud800"}),
    changed(["s3", "object", "key"], ...),
    changed(["s3", "object", "key"], ""),
    changed(["s3", "object", "key"], 5),
    changed(["s3", "object", "key"], None),
    # The decoded key is not UTF-8, and any guess would be another key.
    changed(["s3", "object", "key"], "a%FFb"),
    changed(["s3", "object", "key"], "%ED%A0%80"),
    changed(["s3", "bucket", "name"], ""),
    changed(["s3", "bucket"], None),
    changed(["eventName"], ...),
    changed(["eventName"], 5),
]


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: body[:40].encode("ascii", "replace").decode())
def test_what_says_nothing(body: str) -> None:
    [message] = read(sqs.event(body))
    assert isinstance(message, Unreadable)
    assert message.message_id == "m0"
    assert message.why


def test_one_unreadable_message_leaves_the_others_readable() -> None:
    good = sqs.notification(sqs.s3_record("b", "k"))
    read_messages = list(read(sqs.event(good, "[" * 50_000, good, "{}", good)))
    assert [isinstance(message, Message) for message in read_messages] == [True, False, True, False, True]
    assert [message.message_id for message in read_messages] == ["m0", "m1", "m2", "m3", "m4"]


def test_a_broken_message_of_ours_is_not_taken_for_another() -> None:
    with pytest.raises(Corrupt):
        commands_of(json.dumps({"type": "copy_partition", "Records": []}))


@pytest.mark.parametrize(
    ("raw", "message_id"),
    [
        (5, ""),
        (None, ""),
        ([], ""),
        ({}, ""),
        ({"body": "{}"}, ""),
        ({"messageId": "", "body": "{}"}, ""),
        ({"messageId": None, "body": "{}"}, ""),
        ({"messageId": 7, "body": "{}"}, ""),
        ({"messageId": "m"}, "m"),
        ({"messageId": "m", "body": None}, "m"),
        ({"messageId": "m", "body": {"type": "plan_range"}}, "m"),
        ({"messageId": "m", "body": "\ud800"}, "m"),
    ],
    ids=str,
)
def test_a_record_that_is_none(raw: object, message_id: str) -> None:
    [message] = read({"Records": [raw]})
    assert isinstance(message, Unreadable)
    assert message.message_id == message_id


@pytest.mark.parametrize("event", [{}, {"Records": None}, {"Records": 5}, {"Records": "x"}, {"Records": {}}], ids=str)
def test_an_event_that_is_none(event: dict[str, Any]) -> None:
    assert list(read(event)) == []


@given(TEXT)
def test_any_text_is_a_message_or_unreadable(body: str) -> None:
    [message] = read(sqs.event(body))
    assert message.message_id == "m0"


NAMES = st.sampled_from(
    ["plan_range", "make_report", "copy_partition", "copy_upload_parts", "verify_partition", "object_event"]
)
NAMED = st.builds(lambda fields, name: {**fields, "type": name}, st.dictionaries(TEXT, JSON), NAMES | JSON)


@given(JSON | st.fixed_dictionaries({"Records": JSON}) | NAMED)
def test_any_json_is_a_message_or_unreadable(value: Any) -> None:
    [message] = read(sqs.event(json.dumps(value)))
    assert message.message_id == "m0"


@given(
    path=st.sampled_from([["eventName"], ["s3"], ["s3", "bucket"], ["s3", "object"], ["s3", "object", "key"]]),
    value=JSON,
)
def test_any_json_within_a_notification(path: list[str | int], value: Any) -> None:
    [message] = read(sqs.event(changed(path, value)))
    assert message.message_id == "m0"


@given(JSON)
def test_any_json_as_a_record(value: Any) -> None:
    assert len(list(read({"Records": [value]}))) == 1
    assert isinstance(list(read({"Records": value})), list)
