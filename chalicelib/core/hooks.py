"""A webhook as it is registered."""

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What a webhook may tell of."""

    JOB_SETTLED = "job.settled"
    DELIVERY_FAILED = "delivery.failed"
    FEED_STOPPED = "feed.stopped"
    TEST = "webhook.test"
    """Sent on request, whatever the webhook wants to hear of."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A secret that a rotation has replaced, and until when it is signed with all the same."""

    secret: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a tenant wants to be told of what."""

    url: str
    events: tuple[Topic, ...]
    secret: str
    """What the receiver knows us by: `whsec_` and base64."""
    replaced: tuple[Replaced, ...] = ()
    """The newest first."""
    disabled: bool = False
    """The receiver has said that it is gone (410). Nothing is posted until it is registered anew."""

    def wants(self, topic: Topic) -> bool:
        return not self.disabled and (topic is Topic.TEST or topic in self.events)
