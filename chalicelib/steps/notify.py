"""Deliver notices of what has happened to the tenants' webhooks.

A notice becomes one message for each webhook that subscribes to it. So no webhook waits for another one's receiver, or
gets a notification again because another one failed. Each message is posted until its receiver accepts it. A message
that has to wait is sent again with a delay.
"""

from dataclasses import replace

from chalicelib.core import codec
from chalicelib.core.entries import Condition, Entry, EntryKind
from chalicelib.core.errors import Retry, VersionMismatch
from chalicelib.core.hooks import Webhook
from chalicelib.core.lifecycles import NOTIFICATION, NotificationEvent, NotificationState
from chalicelib.core.webhooks import (
    Notice,
    Notification,
    WebhookHealth,
    after_failure,
    after_success,
    event_of,
    headers,
    notification,
    wait_ms,
    without_secrets,
)
from chalicelib.ports import Env, Reply
from chalicelib.protocol.registering import Author, register

SERVICE = "service"
"""The name in the audit when the service itself disables a webhook whose receiver is gone."""
SOON_MS = 1000
"""Anything due sooner than this, in milliseconds, counts as due, since queues delay by whole seconds."""


def fan_out(env: Env, notice: Notice) -> None:
    """Send one message for each of the tenant's webhooks that subscribes to the notice."""
    webhook_names = [
        entry.name
        for entry in env.registry.of_tenant(EntryKind.WEBHOOK, notice.tenant)
        if (hook := _live(entry)) is not None and hook.wants(notice.topic)
    ]
    if not webhook_names:
        return
    # Crash after some messages are sent: the notice comes again, and all messages are sent again under the same ids.
    env.queue.send_notices([notification(notice, name) for name in webhook_names])


def post(env: Env, waiting: Notification) -> None:
    """Post a notification if it is due. If the post fails, send the message again with a delay, or give it up."""
    now_ms = env.clock.now_ms()
    if waiting.not_before_ms - now_ms >= SOON_MS:
        # Queues delay by 15 minutes at most, so a longer wait takes several messages, one after another.
        env.queue.send_notices([waiting], delay_ms=waiting.not_before_ms - now_ms)
        return
    entry = env.registry.get(EntryKind.WEBHOOK, waiting.tenant, waiting.webhook)
    hook = _live(entry)
    if entry is None or hook is None or not hook.wants(waiting.topic):
        env.log("notification-unwanted", tenant=waiting.tenant, webhook=waiting.webhook, message=waiting.message_id)
        return
    answer = _post(env, hook, waiting)
    event = event_of(answer.status if isinstance(answer, Reply) else None, waiting.attempt + 1, env.policy)
    failure = f"answered {answer.status}" if isinstance(answer, Reply) else answer.message
    _note(env, entry, "" if event is NotificationEvent.ACCEPTED else failure)
    if event is NotificationEvent.GONE:
        _disable(env, entry)
    state = NOTIFICATION.after(NotificationState.WAITING, event)
    if state is NotificationState.WAITING:
        # Crash before this: the message comes again by itself, and is posted once more as the same attempt.
        _retry_later(env, waiting, failure, answer.retry_after_ms if isinstance(answer, Reply) else None)
    elif state is NotificationState.GIVEN_UP:
        _give_up(env, waiting, failure)


def _live(entry: Entry | None) -> Webhook | None:
    return None if entry is None else codec.loads(entry.body.encode(), Webhook)


def _post(env: Env, hook: Webhook, waiting: Notification) -> Reply | Retry:
    body = waiting.body.encode()
    try:
        return env.webhook_client.post(hook.url, headers(hook, waiting.message_id, body, env.clock.now_ms()), body)
    except Retry as error:
        return error


def _retry_later(env: Env, waiting: Notification, failure: str, retry_after_ms: int | None) -> None:
    posts = waiting.attempt + 1
    delay_ms = wait_ms(waiting.attempt, retry_after_ms, env.policy, env.rng.uniform())
    env.log("notification-again", **_about(waiting), error=failure, wait_ms=delay_ms)
    postponed = replace(waiting, attempt=posts, not_before_ms=env.clock.now_ms() + delay_ms)
    env.queue.send_notices([postponed], delay_ms=delay_ms)


def _give_up(env: Env, waiting: Notification, failure: str) -> None:
    env.log("notification-given-up", **_about(waiting), error=failure)
    # Reset the attempts: a person who moves the message back to the queue wants it to have all of them again.
    env.queue.give_up(replace(waiting, attempt=0, not_before_ms=0))


def _about(waiting: Notification) -> dict[str, object]:
    posts = waiting.attempt + 1
    return {
        "tenant": waiting.tenant,
        "webhook": waiting.webhook,
        "message": waiting.message_id,
        "tries": posts,
    }


def _disable(env: Env, entry: Entry) -> None:
    """Disable a webhook whose receiver answered 410: it wants no more notifications at all."""
    author = Author(entry.tenant, SERVICE, "")
    disabled = replace(codec.loads(entry.body.encode(), Webhook), disabled=True)
    body = codec.dumps(disabled).decode()
    try:
        register(
            env,
            author,
            EntryKind.WEBHOOK,
            entry.name,
            Condition(match=(entry.etag,)),
            lambda _: body,
            shown=without_secrets,
        )
    except VersionMismatch:
        # Somebody changed the webhook in the meantime, perhaps to a URL that works, so it stays active. The answer
        # settles this post.
        env.log("webhook-changed", tenant=entry.tenant, webhook=entry.name)


def _note(env: Env, entry: Entry, failure: str) -> None:
    """Record the result of a post, for the tenant to see. Two posts at the same time may count as one."""
    now_ms = env.clock.now_ms()
    try:
        all_health = env.ledger.get_webhook_health(entry.tenant, entry.name)
        health = next((item for item in all_health if item.region == env.region), None)
        if health is None or max(health.success_ms or 0, health.failure_ms or 0) < entry.created_ms:
            health = WebhookHealth(entry.tenant, entry.name, env.region)
        env.ledger.put_webhook_health(
            after_failure(health, now_ms, failure) if failure else after_success(health, now_ms)
        )
    except Retry as error:
        # The post itself was made. Posting it again would be worse than not showing its result.
        env.log("webhook-health-not-noted", tenant=entry.tenant, webhook=entry.name, error=str(error))
