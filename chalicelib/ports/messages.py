"""What wakes steps, and what others are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.core.model import (
    JobSpec,
    Terminal,
)
from chalicelib.core.webhooks import Notice, Notification
from chalicelib.ports.table import Arrival, Delivery


class QueueName(StrEnum):
    SPLIT = "split"
    COPY = "copy"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Wake:
    """A message. It wakes a step; it never carries a fact that the step could not read for itself.

    `part` is a partition, or for split a range of keys. `fresh` hints that nobody has claimed the partition yet.
    """

    queue: QueueName
    job_id: str
    control_region: str
    part: str = ""
    fresh: bool = False
    share: str = ""
    """For copy: not the partition, but a share of one large row's parts is to be copied (`PartShare`)."""
    report: str = ""
    """For split: not a range, but this report (`ReportFormat`) of a settled job is to be made."""
    tenant: str = ""
    """Whose message it is: queues deal with tenants in turn. It is believed for nothing else."""
    waited: int = 0
    """For copy: how often it was sent anew because no slot was free."""
    rested: int = 0
    """For copy: the partition's rest after this epoch's round in vain is over."""
    takeover: bool = False
    """For copy: a lease has expired. What was begun goes on, with a slot or without."""

    @classmethod
    def of(cls, spec: JobSpec, queue: QueueName, part: str, *, fresh: bool = False) -> "Wake":
        """A job's message, in its tenant's name."""
        return cls(queue, spec.job_id, spec.control_region, part, fresh=fresh, tenant=spec.tenant)


@dataclass(frozen=True, slots=True)
class VerifyDelivery:
    """Wakes verify for one object that intake delivered itself."""

    feed_id: str
    key: str
    pin: str
    tenant: str = ""
    """As in `Wake`."""


class Queue(Protocol):
    """SQS. A sent message may arrive twice, late, out of order or never."""

    def send(self, wakes: Sequence[Wake], delay_ms: int = 0) -> None: ...
    def send_verify_deliveries(self, deliveries: Sequence[VerifyDelivery], delay_ms: int = 0) -> None: ...
    def send_arrivals(self, arrivals: Sequence[Arrival], delay_ms: int = 0) -> None:
        """Have intake look at keys again."""
        ...

    def send_notices(self, notices: Sequence[Notice | Notification], delay_ms: int = 0) -> None: ...
    def give_up(self, notification: Notification) -> None:
        """Put it where people are called, and from where they can send it again."""
        ...


class Notifier(Protocol):
    """EventBridge: what other systems are told."""

    def job_settled(self, spec: JobSpec, terminal: Terminal) -> None: ...
    def delivery_failed(self, tenant: str, feed: str, delivery: Delivery) -> None:
        """`feed`: the tenant's own name for it."""
        ...

    def feed_stopped(self, tenant: str, feed: str, pause: str, why: str, at_ms: int) -> None:
        """The service has paused a feed. `pause` tells this pause from all others."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered. `retry_after_ms` is how long it asks to be left alone."""

    status: int
    retry_after_ms: int | None = None


class Courier(Protocol):
    """Takes notifications to tenants' servers."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request, in bounded time, over a connection that proves whose it is, to an address that may be called
        (`core.webhooks.may_be_called`) when it is connected to. A redirection is an answer, and so is every status.
        Retry if there is none."""
        ...


class KeySource(Protocol):
    """Where issuers publish their public keys."""

    def fetch(self, url: str) -> bytes:
        """What is published there, as it is: whoever asked judges it. Only over a connection that proves whose it is,
        in bounded time and size, and nowhere else: a redirection is no answer. Retry or Permanent if there is none."""
        ...
