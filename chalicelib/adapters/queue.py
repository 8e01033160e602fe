"""SQS and EventBridge: how steps wake each other, and what other systems are told."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from chalicelib.adapters.aws_errors import translating
from chalicelib.core.errors import Permanent, Retry
from chalicelib.core.model import JobSpec, Terminal
from chalicelib.ports import Arrival, Delivery, VerifyDelivery, Wake
from chalicelib.protocol import messages

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=2, read_timeout=5, max_pool_connections=16
)
_BATCH = 10
_MAX_DELAY_MS = 900_000
INTAKE, VERIFY = "intake", "verify"


class SqsQueue:
    """`ports.Queue` over this Region's queues. A repeated send is a duplicate message, which every step survives."""

    def __init__(self, urls: Mapping[str, str], region: str, client: "SQSClient | None" = None) -> None:
        self._urls = dict(urls)
        self._client = client or boto3.client("sqs", region_name=region, config=_CONFIG)

    def send(self, wakes: Sequence[Wake], delay_ms: int = 0) -> None:
        for queue in sorted({wake.queue for wake in wakes}):
            self._send(queue, [messages.dumps(wake) for wake in wakes if wake.queue == queue], delay_ms)

    def send_verify_deliveries(self, deliveries: Sequence[VerifyDelivery], delay_ms: int = 0) -> None:
        self._send(VERIFY, [messages.dumps(delivery) for delivery in deliveries], delay_ms)

    def send_arrivals(self, arrivals: Sequence[Arrival], delay_ms: int = 0) -> None:
        self._send(INTAKE, [messages.dumps(arrival) for arrival in arrivals], delay_ms)

    def _send(self, queue: str, bodies: Sequence[str], delay_ms: int = 0) -> None:
        delay_s = min(delay_ms, _MAX_DELAY_MS) // 1000
        for start in range(0, len(bodies), _BATCH):
            entries: list[Any] = [
                {"Id": str(index), "MessageBody": body, "DelaySeconds": delay_s}
                for index, body in enumerate(bodies[start : start + _BATCH])
            ]
            with translating():
                answer = self._client.send_message_batch(QueueUrl=self._urls[queue], Entries=entries)
            for failed in answer.get("Failed", []):
                # The sender's fault: the same message will always be refused.
                kind = Permanent if failed["SenderFault"] else Retry
                raise kind(failed["Code"], f"{queue}: {failed.get('Message', '')}")


class EventBridgeNotifier:
    """`ports.Notifier` over an event bus. At least once: receivers tell repeats by the job's or delivery's identity."""

    def __init__(self, bus: str, region: str, client: "EventBridgeClient | None" = None) -> None:
        self._bus = bus
        self._client = client or boto3.client("events", region_name=region, config=_CONFIG)

    def job_settled(self, spec: JobSpec, terminal: Terminal) -> None:
        detail = {
            "jobId": spec.job_id,
            "tenant": spec.tenant,
            "feedId": spec.feed_name or spec.feed_id,
            "state": terminal.state,
            "reason": terminal.reason,
            "objectsPlanned": terminal.planned,
            "bytesCopied": terminal.bytes_copied,
            "counts": terminal.counts,
            "labels": spec.labels,
            "chainSha256": terminal.chain_sha256,
        }
        self._put("Job Settled", detail)

    def delivery_failed(self, tenant: str, feed: str, delivery: Delivery) -> None:
        detail = {
            "tenant": tenant,
            "feedId": feed,
            "key": delivery.key,
            "target": delivery.target,
            "outcome": delivery.outcome,
            "detail": delivery.detail,
        }
        self._put("Delivery Failed", detail)

    def _put(self, kind: str, detail: Mapping[str, object]) -> None:
        entry: Any = {"Source": "eft", "DetailType": kind, "Detail": json.dumps(detail), "EventBusName": self._bus}
        with translating():
            answer = self._client.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise Retry("EventBusRefused", str(answer["Entries"][0].get("ErrorCode")))
