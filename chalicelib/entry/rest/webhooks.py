"""Define the requests and answers about webhooks over HTTP."""

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
    """The URL to which events are posted, and which events."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=URL_MAX_CHARACTERS, pattern=r"^https://[!-~]+$")]
    """It must use https, with port 443 or a port from 1,024 on, without user and fragment. Its host name must resolve
    to a public internet address, or to an address that the service's operators allow."""
    events: Annotated[list[Event], Field(min_length=1, max_length=10)]
    """`job.settled`: a job that you submitted has ended. `delivery.failed`: an object of a feed could not be delivered.
    `feed.stopped`: the service has paused a feed, since it may no longer use one of the feed's buckets for you."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        return tuple(sorted({Topic(event) for event in self.events}))


class _WebhookBase(Response):
    id: str
    url: str
    events: list[Event]
    state: Literal["active", "disabled"]
    """Disabled: the receiver has answered 410. Nothing is posted until you register the webhook again."""
    replaced_secrets_until: Timestamp | None
    """Until then, posts are signed with the replaced secrets too. Null if no replaced secret is in use."""
    created_at: Timestamp
    changed_at: Timestamp
    last_success_at: Timestamp | None
    last_failure_at: Timestamp | None
    last_failure: str | None
    """The result of the last post that failed."""
    consecutive_failures: Count
    """Number of failed posts since the last successful one. Posts at the same time may count as one."""

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
    """A webhook and the results of its posts."""


class WebhookWithSecret(_WebhookBase):
    """A webhook with the secret by which your receiver verifies signatures. The secret is shown only once."""

    secret: str
    """`whsec_` and base64, in the form that the libraries of the Standard Webhooks specification expect."""

    @classmethod
    def with_secret(cls, view: WebhookView) -> Self:
        return cls.of(view, secret=view.webhook.secret)


class WebhookList(Response):
    """All webhooks of your tenant, ordered by id."""

    webhooks: list[Webhook]

    @classmethod
    def of(cls, views: Iterable[WebhookView]) -> Self:
        return cls(webhooks=[Webhook.of(view) for view in views])


class TestSent(Response):
    """A test event is on its way."""

    message_id: str
    """The value of `webhook-id` with which the event is posted."""
