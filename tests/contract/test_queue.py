"""Test the Queue contract over memory, and over SQS as moto and ministack understand it: each message that is sent
arrives and reads back unchanged."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, get_args

import boto3
import pytest
from botocore.stub import ANY, Stubber

from chalicelib.adapters.queue import EventBridgeNotifier, SqsQueue
from chalicelib.core.errors import Denied, EftError, Permanent, Retry
from chalicelib.core.hooks import Topic
from chalicelib.core.parts import PartShare
from chalicelib.core.report import ReportFormat
from chalicelib.core.webhooks import Notice, Notification, notification
from chalicelib.ports import (
    CopyPartition,
    CopyUploadParts,
    MakeReport,
    ObjectEvent,
    PlanRange,
    QueueName,
    Task,
    VerifyDelivery,
    VerifyPartition,
)
from chalicelib.ports.tasks import QUEUES
from local.gateway.process import free_port
from local.ministack import launch_ministack
from tests.contract import aws
from tests.contract.items import JOB, LONG_KEYS, delivery, spec, terminal
from tests.contract.queues import NAMES, WEST, Subject, as_text, at, client_of, in_process, memory, on_aws
from tests.servers.cloud import MINISTACK
from tests.tasks import task_on

Factory = Callable[[], AbstractContextManager[Subject]]


@pytest.fixture(scope="module", params=["memory", "moto", "ministack", *aws.PARAMS])
def queues(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    """Start the server once. Yield a function that makes empty queues."""
    if request.param == "ministack":
        with launch_ministack(MINISTACK, free_port(), {}, directory=tmp_path_factory.mktemp("ministack")) as server:
            yield lambda: at(server.base_url)
    else:
        yield {"memory": memory, "moto": in_process, "aws": on_aws}[request.param]


@pytest.fixture
def subject(queues: Factory) -> Iterator[Subject]:
    with queues() as subject:
        yield subject


def task(number: int = 0, queue: QueueName = QueueName.COPY, tenant: str = "") -> Task:
    return task_on(queue, JOB, WEST, f"r-{number:06d}", tenant)


def waiting() -> Notification:
    return notification(Notice(Topic.TEST, "acme", "identity", 5, {"webhook": "hook"}), "hook")


def test_over_aws() -> None:
    aws.skip_without()


def test_each_task_goes_to_its_queue(subject: Subject) -> None:
    sent = [task(n, queue) for n in range(2) for queue in QueueName]
    subject.queue.send(sent)
    for queue in QueueName:
        assert as_text(subject.received(queue)) == as_text([task(0, queue), task(1, queue)])
    assert subject.received("intake") == []


EVERYTHING: dict[QueueName, list[Task]] = {
    QueueName.SPLIT: [
        PlanRange(JOB, WEST, "r01", "acme", rested_after_round=3),
        MakeReport(JOB, WEST, ReportFormat.NDJSON, "acme"),
    ],
    QueueName.COPY: [
        CopyPartition(JOB, WEST, "r01-000012", "acme", True, permit_waits=7, rested_after_epoch=2, takeover=True),
        CopyUploadParts(JOB, WEST, "r01-000012", PartShare(1, 2, 3), "acme", permit_waits=7),
    ],
    QueueName.VERIFY: [VerifyPartition(JOB, WEST, "r01-000012", "acme", rested_after_round=3)],
}
"""There is one of each type of task, with all its fields."""


def test_everything_a_task_says(subject: Subject) -> None:
    sent = [task for tasks in EVERYTHING.values() for task in tasks]
    assert {type(task) for task in sent} == set(QUEUES) == set(get_args(Task))
    subject.queue.send(sent)
    for queue, tasks in EVERYTHING.items():
        assert as_text(subject.received(queue)) == as_text([*tasks])


def test_a_message_says_whose_it_is(sqs: tuple[SqsQueue, Stubber]) -> None:
    """SQS takes 128 ASCII letters, digits and punctuation (API reference, SendMessage): any tenant has such a name."""
    queue, stub = sqs
    groups = {"acme": "acme", "a b/ü": "a%20b%2F%C3%BC", "x" * 300: "x" * 128, "": None}
    for tenant, group in groups.items():
        for send in (
            lambda tenant=tenant: queue.send([task(tenant=tenant)]),
            lambda tenant=tenant: queue.send_verify_deliveries([VerifyDelivery("f", "k", "v", tenant)]),
        ):
            entry = {"Id": "0", "MessageBody": ANY, "DelaySeconds": 0} | ({"MessageGroupId": group} if group else {})
            stub.add_response(
                "send_message_batch", {"Successful": [], "Failed": []}, {"QueueUrl": ANY, "Entries": [entry]}
            )
            send()


def test_deliveries_to_verify(subject: Subject) -> None:
    sent = [VerifyDelivery("feed", key, "e@1800000000000") for key in LONG_KEYS]
    subject.queue.send_verify_deliveries(sent)
    assert as_text(subject.received("verify")) == as_text([*sent])


def test_object_events(subject: Subject) -> None:
    """Some of the keys have characters that SQS takes in no message (API reference, SendMessage)."""
    sent = [ObjectEvent("bucket", key) for key in ("plain", "a b+c%20", "données/é", *LONG_KEYS)]
    subject.queue.send_object_events(sent)
    assert as_text(subject.received("intake")) == as_text([*sent])


def test_notices_and_notifications(subject: Subject) -> None:
    notice = Notice(Topic.DELIVERY_FAILED, "acme", "identity", 5, {"key": "é\ufffe", "outcome": "DENIED", "n": 1})
    sent: list[Notice | Notification] = [
        notice,
        notification(notice, "hook"),
        replace(waiting(), attempt=3, not_before_ms=1_800_000_000_000),
    ]
    subject.queue.send_notices(sent)
    assert as_text(subject.received("notify")) == as_text([*sent])


def test_giving_up(subject: Subject) -> None:
    subject.queue.give_up(waiting())
    assert subject.received("notify-dead-letters") == [waiting()]
    assert subject.received("notify") == []


@pytest.mark.parametrize("many", [0, 1, 9, 10, 11, 35])
def test_any_number(subject: Subject, many: int) -> None:
    tasks, events = [task(n) for n in range(many)], [ObjectEvent("b", str(n)) for n in range(many)]
    deliveries = [VerifyDelivery("f", str(n), "v") for n in range(many)]
    subject.queue.send(tasks)
    subject.queue.send_object_events(events)
    subject.queue.send_verify_deliveries(deliveries)
    assert as_text(subject.received("copy")) == as_text([*tasks])
    assert as_text(subject.received("intake")) == as_text([*events])
    assert as_text(subject.received("verify")) == as_text([*deliveries])


def test_a_batch_of_the_longest_keys(subject: Subject) -> None:
    """SQS limits the bytes of a batch."""
    sent = [ObjectEvent("b" * 63, f"{n}{'鍵' * 341}") for n in range(10)]
    subject.queue.send_object_events(sent)
    assert len(subject.received("intake")) == 10


def test_a_delay(subject: Subject) -> None:
    subject.queue.send([task()], delay_ms=60_000)
    subject.queue.send_object_events([ObjectEvent("b", "k")], delay_ms=60_000)
    subject.queue.send_verify_deliveries([VerifyDelivery("f", "k", "v")], delay_ms=60_000)
    subject.queue.send_notices([waiting()], delay_ms=60_000)
    assert [subject.delayed(name) for name in NAMES] == [1, 0, 1, 1, 1, 0]


def test_no_delay(subject: Subject) -> None:
    subject.queue.send([task()])
    subject.queue.send_object_events([ObjectEvent("b", "k")])
    subject.queue.send_verify_deliveries([VerifyDelivery("f", "k", "v")])
    subject.queue.send_notices([waiting()])
    assert [subject.delayed(name) for name in NAMES] == [0] * 6


# --- SQS in trouble -----------------------------------------------------------------------------------------------

URLS = {name: f"https://sqs.us-gov-west-1.amazonaws.com/1/{name}" for name in NAMES}


@pytest.fixture
def sqs() -> Iterator[tuple[SqsQueue, Stubber]]:
    client = boto3.client("sqs", region_name=WEST, aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stub:
        yield SqsQueue(URLS, client), stub
        stub.assert_no_pending_responses()


def test_a_queue_that_can_not_be_reached() -> None:
    queue = SqsQueue(URLS, client_of(f"http://127.0.0.1:{free_port()}"))
    sends: list[Callable[[], None]] = [
        lambda: queue.send([task()]),
        lambda: queue.send_object_events([ObjectEvent("b", "k")]),
        lambda: queue.send_verify_deliveries([VerifyDelivery("f", "k", "v")]),
        lambda: queue.send_notices([waiting()]),
        lambda: queue.give_up(waiting()),
    ]
    for send in sends:
        with pytest.raises(Retry):
            send()


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("RequestThrottled", 403, Retry),
        ("ThrottlingException", 400, Retry),
        ("KmsThrottled", 400, Retry),
        ("InternalError", 500, Retry),
        ("ServiceUnavailable", 503, Retry),
        ("AccessDenied", 403, Denied),
        ("InvalidClientTokenId", 403, Denied),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, Permanent),
        ("InvalidMessageContents", 400, Permanent),
    ],
)
def test_what_an_answer_means(sqs: tuple[SqsQueue, Stubber], code: str, status: int, kind: type[EftError]) -> None:
    queue, stub = sqs
    stub.add_client_error("send_message_batch", code, "AWS's own words", status)
    with pytest.raises(EftError) as error:
        queue.send([task()])
    assert type(error.value) is kind
    assert error.value.code == code


@pytest.mark.parametrize(("delay_ms", "seconds"), [(0, 0), (999, 0), (10_000, 10), (900_000, 900), (10**9, 900)])
def test_sqs_delays_by_whole_seconds_up_to_fifteen_minutes(
    sqs: tuple[SqsQueue, Stubber], delay_ms: int, seconds: int
) -> None:
    queue, stub = sqs
    entries = [{"Id": "0", "MessageBody": ANY, "DelaySeconds": seconds}]
    answer: dict[str, Any] = {"Successful": [], "Failed": []}
    stub.add_response("send_message_batch", answer, {"QueueUrl": URLS["copy"], "Entries": entries})
    queue.send([task()], delay_ms)


# --- what other systems are told ----------------------------------------------------------------------------------


@pytest.fixture
def bus() -> Iterator[tuple[EventBridgeNotifier, Stubber]]:
    client = boto3.client("events", region_name=WEST, aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stub:
        yield EventBridgeNotifier("eft", client), stub
        stub.assert_no_pending_responses()


def expected(kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {"Entries": [{"Source": "eft", "DetailType": kind, "Detail": json.dumps(detail), "EventBusName": "eft"}]}


TAKEN: dict[str, Any] = {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}


def test_a_job_has_settled(bus: tuple[EventBridgeNotifier, Stubber]) -> None:
    notifier, stub = bus
    detail = {
        "jobId": JOB,
        "tenant": "acme",
        "feedId": None,
        "state": "PARTIAL",
        "reason": "1 object failed",
        "objectsPlanned": 3,
        "bytesCopied": 20,
        "counts": {"COPIED": 2, "DENIED": 1},
        "labels": {"order": "4711"},
        "chainSha256": "c0ffee",
        "settledMs": 2,
    }
    stub.add_response("put_events", TAKEN, expected("Job Settled", detail))
    notifier.job_settled(spec("token"), terminal(JOB))


def test_a_delivery_has_failed(bus: tuple[EventBridgeNotifier, Stubber]) -> None:
    notifier, stub = bus
    detail = {
        "tenant": "acme",
        "feedId": "inbox",
        "key": "a b",
        "version": "v1",
        "target": "out/a b",
        "outcome": "COPIED",
        "detail": "why",
        "failedMs": 1_800_000_000_000,
    }
    stub.add_response("put_events", TAKEN, expected("Delivery Failed", detail))
    notifier.delivery_failed("acme", "inbox", delivery("a b", detail="why"))


def test_a_feed_was_stopped(bus: tuple[EventBridgeNotifier, Stubber]) -> None:
    notifier, stub = bus
    detail = {"tenant": "acme", "feedId": "inbox", "pause": "f-1/3", "why": "gone", "stoppedMs": 5}
    stub.add_response("put_events", TAKEN, expected("Feed Stopped", detail))
    notifier.feed_stopped("acme", "inbox", "f-1/3", "gone", 5)


def test_a_bus_that_does_not_take_it(bus: tuple[EventBridgeNotifier, Stubber]) -> None:
    notifier, stub = bus
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "later"}]}
    stub.add_response("put_events", refused)
    stub.add_client_error("put_events", "ThrottlingException", "slow", 400)
    stub.add_client_error("put_events", "AccessDeniedException", "no", 400)
    for kind in (Retry, Retry, Denied):
        with pytest.raises(kind):
            notifier.delivery_failed("acme", "inbox", delivery("k"))
