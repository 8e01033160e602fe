"""Define the messages that start steps, and the ports for messages, events, webhook posts and issuers' keys."""

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
    """A task message. It starts a step, and carries no fact that the step could not read for itself.

    `part` is a partition, or for split a range of keys. `fresh` hints that nobody has claimed the partition yet.
    """

    queue: QueueName
    job_id: str
    control_region: str
    part: str = ""
    fresh: bool = False
    share: str = ""
    """For copy: the task is not the partition but a share of one large row's upload parts (`PartShare`)."""
    report: str = ""
    """For split: the task is not a range but to make this report (`ReportFormat`) of a settled job."""
    tenant: str = ""
    """The tenant that the message belongs to. Queues serve tenants in turn by it; nothing else relies on it."""
    waited: int = 0
    """For copy: how often the message was sent again because no permit was free."""
    rested: int = 0
    """A rest after a round in vain is over. For copy, this is the epoch of that round; for split and verify, the number
    of such rounds."""
    takeover: bool = False
    """For copy: a lease has expired. The work that was begun goes on, with a permit or without."""

    @classmethod
    def of(cls, spec: JobSpec, queue: QueueName, part: str, *, fresh: bool = False) -> "Wake":
        """Make a job's message, in its tenant's name."""
        return cls(queue, spec.job_id, spec.control_region, part, fresh=fresh, tenant=spec.tenant)


@dataclass(frozen=True, slots=True)
class VerifyDelivery:
    """A message that starts verify for one object that intake delivered itself."""

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
        """Have intake look at these keys again."""
        ...

    def send_notices(self, notices: Sequence[Notice | Notification], delay_ms: int = 0) -> None: ...
    def give_up(self, notification: Notification) -> None:
        """Put the notification into the dead-letter queue, which alerts people and from which they can send it
        again."""
        ...


class Notifier(Protocol):
    """EventBridge: publishes events for other systems."""

    def job_settled(self, spec: JobSpec, terminal: Terminal) -> None: ...
    def delivery_failed(self, tenant: str, feed: str, delivery: Delivery) -> None:
        """Publish that a delivery has failed. `feed` is the tenant's own name for the feed."""
        ...

    def feed_stopped(self, tenant: str, feed: str, pause: str, why: str, at_ms: int) -> None:
        """Publish that the service has paused a feed. `pause` tells this pause from all others."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a webhook's server. `retry_after_ms` is how long the server asks not to be called."""

    status: int
    retry_after_ms: int | None = None


class Courier(Protocol):
    """The webhook client: posts notifications to tenants' servers."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send one POST request and return the server's answer. Every status is an answer, a redirection too.

        The call takes bounded time. Its connection is authenticated by TLS, and goes to an address that may be called
        (`core.webhooks.may_be_called`); this is checked for the address that is actually connected to. Raises Retry if
        there is no answer.
        """
        ...


class KeySource(Protocol):
    """Fetches the public keys that token issuers publish."""

    def fetch(self, url: str) -> bytes:
        """Return the published document unchanged. The caller judges its content.

        The call takes bounded time, reads a bounded number of bytes, and needs a connection that TLS authenticates. It
        follows no redirection: a redirection is no answer. Raises Retry or Permanent if there is no answer.
        """
        ...
