"""Defines a webhook as it is registered."""

from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.lifecycles import WEBHOOK, WebhookEvent, WebhookState


class Topic(StrEnum):
    """A kind of event that a webhook may report."""

    JOB_SETTLED = "job.settled"
    DELIVERY_FAILED = "delivery.failed"
    FEED_STOPPED = "feed.stopped"
    TEST = "webhook.test"
    """Sent on request, to whatever topics the webhook is subscribed."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A secret that a rotation has replaced. Until `until_ms`, messages are still signed with it too."""

    secret: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL of a tenant that receives notifications, and the topics that it is subscribed to."""

    url: str
    events: tuple[Topic, ...]
    secret: str
    """The secret that messages are signed with and the receiver checks them by: `whsec_` and base64."""
    replaced: tuple[Replaced, ...] = ()
    """The newest first."""
    disabled: bool = False
    """The receiver has answered that it is gone (410). Nothing is posted until the webhook is registered anew."""

    @property
    def state(self) -> WebhookState:
        registered = WebhookEvent.REGISTERED
        return WEBHOOK.reached((registered, WebhookEvent.GONE) if self.disabled else (registered,))

    def wants(self, topic: Topic) -> bool:
        return self.state is WebhookState.ACTIVE and (topic is Topic.TEST or topic in self.events)
