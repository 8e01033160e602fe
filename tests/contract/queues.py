"""Make the queues that the queue's suite runs over. Each test gets empty ones."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from botocore.config import Config
from moto import mock_aws

from chalicelib.adapters.queue import SqsQueue
from chalicelib.core.webhooks import Notice, Notification
from chalicelib.entry.events import commands_of
from chalicelib.ports import ObjectEvent, Queue, VerifyDelivery, queue_of
from chalicelib.protocol.messages import Message
from simulation.memory.queue import MemoryQueue
from tests.contract import aws

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

WEST = "us-gov-west-1"
NAMES = ("intake", "split", "copy", "verify", "notify", "notify-dead-letters")
_NUMBERS = count(1)
_BATCH = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """A queue under test. `received` takes the messages of a queue and reads them as the functions read them. `delayed`
    returns how many messages of a queue can't be received yet."""

    queue: Queue
    received: Callable[[str], list[Message]]
    delayed: Callable[[str], int]


@contextmanager
def memory() -> Iterator[Subject]:
    queue = MemoryQueue()

    def on(name: str, message: Message) -> bool:
        if isinstance(message, ObjectEvent):
            return name == "intake"
        if isinstance(message, Notice | Notification):
            return name == "notify"
        return name == ("verify" if isinstance(message, VerifyDelivery) else queue_of(message))

    def received(name: str) -> list[Message]:
        if name == "notify-dead-letters":
            return [*queue.given_up]
        everything: list[Message] = [*queue.tasks, *queue.verify_deliveries, *queue.events, *queue.notices]
        return [message for message in everything if on(name, message)]

    yield Subject(queue, received, lambda name: sum(on(name, message) for message, _ in queue.delays))


@contextmanager
def in_process() -> Iterator[Subject]:
    """Yield queues of moto."""
    with mock_aws():
        yield over(client_of(None))


@contextmanager
def at(url: str) -> Iterator[Subject]:
    yield over(client_of(url))


@contextmanager
def on_aws() -> Iterator[Subject]:
    client: SQSClient = boto3.client("sqs", region_name=aws.REGION)
    run = uuid4().hex[:12]
    urls = {name: client.create_queue(QueueName=f"eft-contract-{name}-{run}")["QueueUrl"] for name in NAMES}
    try:
        # A request that doesn't wait asks only some of the servers that hold messages.
        yield _over(client, urls, wait_s=5)
    finally:
        for url in urls.values():
            client.delete_queue(QueueUrl=url)


@cache
def client_of(url: str | None) -> "SQSClient":
    """Return a client that doesn't retry, so that every fault is seen at once."""
    retries: Any = {"total_max_attempts": 1}
    client: SQSClient = boto3.client(
        "sqs",
        region_name=WEST,
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries=retries, connect_timeout=2, read_timeout=20),
    )
    return client


def over(client: "SQSClient") -> Subject:
    number = next(_NUMBERS)
    return _over(client, {name: client.create_queue(QueueName=f"eft-{name}-{number}")["QueueUrl"] for name in NAMES})


def _over(client: "SQSClient", urls: dict[str, str], *, wait_s: int = 0) -> Subject:
    def received(name: str) -> list[Message]:
        messages: list[Message] = []
        while True:
            response = client.receive_message(QueueUrl=urls[name], MaxNumberOfMessages=_BATCH, WaitTimeSeconds=wait_s)
            batch = response.get("Messages", [])
            if not batch:
                return messages
            for message in batch:
                messages += commands_of(message["Body"])
                client.delete_message(QueueUrl=urls[name], ReceiptHandle=message["ReceiptHandle"])

    def delayed(name: str) -> int:
        attribute: Any = "ApproximateNumberOfMessagesDelayed"
        return int(
            client.get_queue_attributes(QueueUrl=urls[name], AttributeNames=[attribute])["Attributes"][attribute]
        )

    return Subject(SqsQueue(urls, client), received, delayed)


def as_text(messages: list[Message]) -> list[str]:
    """Return the messages as sorted texts, which compare without regard to order: SQS promises none."""
    return sorted(json.dumps(str(message)) for message in messages)
