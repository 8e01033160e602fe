"""Send task messages to steps by SQS, and publish events for other systems by EventBridge."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalicelib.adapters.aws_errors import translating
from chalicelib.core.errors import EftError, Permanent, Retry
from chalicelib.core.jobs import JobSpec, Terminal
from chalicelib.core.webhooks import Notice, Notification
from chalicelib.ports import Delivery, ObjectEvent, Task, VerifyDelivery, queue_of
from chalicelib.protocol import messages, notices

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

_BATCH = 10
_ROUNDS = 3
_PAUSE_S = 0.05
"""Pause, in seconds, before messages that SQS has failed to take are sent again; doubled each time."""
_MAX_DELAY_MS = 900_000
_GROUP_MAX_CHARACTERS = 128
INTAKE, VERIFY, NOTIFY, NOTIFY_DEAD_LETTERS = "intake", "verify", "notify", "notify-dead-letters"


class SqsQueue:
    """`ports.Queue` over this Region's queues. A repeated send makes a duplicate message, which every step tolerates.

    Messages name their tenant. SQS then serves tenants in turn where one of them fills a queue (SQS developer guide,
    "Amazon SQS fair queues"). A message of S3 or EventBridge names none, and counts as a tenant of its own.
    """

    def __init__(
        self, urls: Mapping[str, str], client: "SQSClient", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._urls = dict(urls)
        self._client = client
        self._sleep = sleep

    def send(self, tasks: Sequence[Task], delay_ms: int = 0) -> None:
        by_queue: dict[str, list[dict[str, Any]]] = {}
        for task in sorted(tasks, key=queue_of):
            by_queue.setdefault(queue_of(task), []).append(_entry(task, task.tenant))
        self._send(by_queue, delay_ms)

    def send_verify_deliveries(self, deliveries: Sequence[VerifyDelivery], delay_ms: int = 0) -> None:
        self._send({VERIFY: [_entry(delivery, delivery.tenant) for delivery in deliveries]}, delay_ms)

    def send_object_events(self, events: Sequence[ObjectEvent], delay_ms: int = 0) -> None:
        self._send({INTAKE: [_entry(event, "") for event in events]}, delay_ms)

    def send_notices(self, notices: Sequence[Notice | Notification], delay_ms: int = 0) -> None:
        self._send({NOTIFY: [_entry(notice, "") for notice in notices]}, delay_ms)

    def give_up(self, notification: Notification) -> None:
        self._send({NOTIFY_DEAD_LETTERS: [_entry(notification, "")]})

    def _send(self, by_queue: Mapping[str, Sequence[dict[str, Any]]], delay_ms: int = 0) -> None:
        """Send all messages that SQS takes, then raise for those that it has not taken: Retry if a repetition may help,
        else Permanent. A refused message holds up none of those behind it."""
        delay_s = min(delay_ms, _MAX_DELAY_MS) // 1000
        failures: list[EftError] = []
        for queue, entries in by_queue.items():
            for start in range(0, len(entries), _BATCH):
                batch = [{"DelaySeconds": delay_s, **entry} for entry in entries[start : start + _BATCH]]
                failures += self._send_batch(queue, batch)
        if failures:
            raise next((failure for failure in failures if isinstance(failure, Retry)), failures[0])

    def _send_batch(self, queue: str, batch: Sequence[dict[str, Any]]) -> list[EftError]:
        """Send a batch, and send again, a few times, what SQS has failed to take. Return the errors for messages that
        it has not taken."""
        unsent = {str(index): {"Id": str(index), **entry} for index, entry in enumerate(batch)}
        refused: list[EftError] = []
        retryable: list[EftError] = []
        for attempt in range(_ROUNDS):
            if attempt:
                self._sleep(_PAUSE_S * 2 ** (attempt - 1))
            entries: list[Any] = list(unsent.values())
            with translating():
                answer = self._client.send_message_batch(QueueUrl=self._urls[queue], Entries=entries)
            failed = answer.get("Failed", [])
            # The sender's fault: SQS will always refuse the same message.
            refused += [Permanent(*_why(queue, failure)) for failure in failed if failure["SenderFault"]]
            refused_for_now = [failure for failure in failed if not failure["SenderFault"]]
            retryable = [Retry(*_why(queue, failure)) for failure in refused_for_now]
            unsent = {failure["Id"]: unsent[failure["Id"]] for failure in refused_for_now}
            if not unsent:
                break
        return refused + retryable


def _why(queue: str, failure: Mapping[str, Any]) -> tuple[str, str]:
    return failure["Code"], f"{queue}: {failure.get('Message', '')}"


def _entry(message: messages.Message, tenant: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"MessageBody": messages.dumps(message)}
    if tenant:
        # SQS takes ASCII letters, digits and punctuation. Two tenants with the same long beginning of their names share
        # their turns.
        entry["MessageGroupId"] = quote(tenant, safe="")[:_GROUP_MAX_CHARACTERS]
    return entry


class EventBridgeNotifier:
    """`ports.Notifier` over an event bus. It delivers at least once: receivers tell repetitions by the job's or
    delivery's identity."""

    def __init__(self, bus: str, client: "EventBridgeClient") -> None:
        self._bus = bus
        self._client = client

    def job_settled(self, spec: JobSpec, terminal: Terminal) -> None:
        self._put(notices.JOB_SETTLED, notices.job_settled(spec, terminal))

    def delivery_failed(self, tenant: str, feed: str, delivery: Delivery) -> None:
        self._put(notices.DELIVERY_FAILED, notices.delivery_failed(tenant, feed, delivery))

    def feed_stopped(self, tenant: str, feed: str, pause: str, why: str, at_ms: int) -> None:
        self._put(notices.FEED_STOPPED, notices.feed_stopped(tenant, feed, pause, why, at_ms))

    def _put(self, kind: str, detail: Mapping[str, object]) -> None:
        entry: Any = {
            "Source": notices.SOURCE,
            "DetailType": kind,
            "Detail": json.dumps(detail),
            "EventBusName": self._bus,
        }
        with translating():
            answer = self._client.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise Retry("EventBusRefused", str(answer["Entries"][0].get("ErrorCode")))
