"""Webhooks over HTTP: what is asked about them, and what is answered."""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from chalicelib.core.hooks import Topic
from chalicelib.core.webhooks import URL_MAX_CHARACTERS
from chalicelib.entry.rest.requests import RequestBody
from chalicelib.entry.rest.responses import Count, Response, Timestamp, timestamp, timestamp_or_none
from chalicelib.steps.webhooks import WebhookView

Event = Literal["job.settled", "delivery.failed", "feed.stopped"]


class WebhookRequest(RequestBody):
    """Where you want to be told of what."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=URL_MAX_CHARACTERS, pattern=r"^https://[!-~]+$")]
    """https only, port 443 or one from 1,024 on, without user and fragment. Its name must stand for an address of the
    public internet, or of what the service's operators allow."""
    events: Annotated[list[Event], Field(min_length=1, max_length=10)]
    """`job.settled`: a job that you have submitted has ended. `delivery.failed`: an object of a feed could not be
    delivered. `feed.stopped`: the service has paused a feed, since one of its buckets is no longer yours to use."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        return tuple(sorted({Topic(event) for event in self.events}))


class _WebhookBase(Response):
    id: str
    url: str
    events: list[Event]
    state: Literal["active", "disabled"]
    """Disabled: its receiver has answered 410. Nothing is posted until you register it again."""
    replaced_secrets_until: Timestamp | None
    """Until then, what is posted is signed with replaced secrets too."""
    created_at: Timestamp
    changed_at: Timestamp
    last_success_at: Timestamp | None
    last_failure_at: Timestamp | None
    last_failure: str | None
    """What came of the last post that failed."""
    consecutive_failures: Count
    """Posts that failed since the last one that did not. Posts at the same time may count as one."""

    @classmethod
    def of(cls, view: WebhookView, **more: str) -> Self:
        hook, entry, health = view.webhook, view.entry, view.health
        return cls(
            id=entry.name,
            url=hook.url,
            events=[event.value for event in hook.events],  # type: ignore[misc] # registered as one of them
            state="disabled" if hook.disabled else "active",
            replaced_secrets_until=timestamp_or_none(view.replaced_until_ms),
            created_at=timestamp(entry.created_ms),
            changed_at=timestamp(entry.changed_ms),
            last_success_at=timestamp_or_none(health.success_ms),
            last_failure_at=timestamp_or_none(health.failure_ms),
            last_failure=health.failure or None,
            consecutive_failures=health.failures,
            **more,
        )


class Webhook(_WebhookBase):
    """Where you are told of what, and how that goes."""


class WebhookWithSecret(_WebhookBase):
    """A webhook, and the secret that your receiver verifies signatures with. It is shown this once."""

    secret: str
    """`whsec_` and base64, as the libraries of the Standard Webhooks specification take it."""

    @classmethod
    def with_secret(cls, view: WebhookView) -> Self:
        return cls.of(view, secret=view.webhook.secret)


class WebhookList(Response):
    """All of them, by id."""

    webhooks: list[Webhook]

    @classmethod
    def of(cls, views: Iterable[WebhookView]) -> Self:
        return cls(webhooks=[Webhook.of(view) for view in views])


class TestSent(Response):
    """A test event is on its way."""

    message_id: str
    """It comes with this `webhook-id`."""
