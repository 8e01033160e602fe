"""Define the ports for messages, events, webhook posts and issuers' keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.core.jobs import JobSpec, Terminal
from chalicelib.core.webhooks import Notice, Notification
from chalicelib.ports.table import Delivery, ObjectEvent
from chalicelib.ports.tasks import Task, VerifyDelivery


class Queue(Protocol):
    """SQS. A sent message may arrive twice, late, out of order or never."""

    def send(self, tasks: Sequence[Task], delay_ms: int = 0) -> None: ...
    def send_verify_deliveries(self, deliveries: Sequence[VerifyDelivery], delay_ms: int = 0) -> None: ...
    def send_object_events(self, events: Sequence[ObjectEvent], delay_ms: int = 0) -> None:
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


class WebhookClient(Protocol):
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
