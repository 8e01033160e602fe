"""Telling tenants' webhooks what has happened.

A notice becomes one message for each webhook that wants it, so that none waits for another's receiver, nor is told
again because of it. Such a message is posted until its receiver has taken it; what waits is sent anew with a delay.
"""

from dataclasses import replace

from chalicelib.core import codec
from chalicelib.core.entries import Condition, Entry, EntryKind
from chalicelib.core.errors import Retry, Stale
from chalicelib.core.hooks import Webhook
from chalicelib.core.webhooks import (
    Notice,
    Notification,
    Verdict,
    WebhookHealth,
    after_failure,
    after_success,
    headers,
    notification,
    verdict,
    wait_ms,
    without_secrets,
)
from chalicelib.ports import Env, Reply
from chalicelib.protocol.registering import Author, register

SERVICE = "service"
"""Who changes a webhook whose receiver is gone, in the audit."""
SOON_MS = 1000
"""Queues delay by whole seconds: what is due sooner is due."""


def fan_out(env: Env, notice: Notice) -> None:
    """One message for each of the tenant's webhooks that wants to hear of it."""
    wanting = [
        entry.name
        for entry in env.registry.of_tenant(EntryKind.WEBHOOK, notice.tenant)
        if (hook := _live(entry)) is not None and hook.wants(notice.topic)
    ]
    if not wanting:
        return
    # Crash after some of them: the notice comes again, and with it all of them, under the same ids.
    env.queue.send_notices([notification(notice, name) for name in wanting])


def post(env: Env, waiting: Notification) -> None:
    """Post it if it is due; if that was in vain, have it come again later, or give it up."""
    now = env.clock.now_ms()
    if waiting.not_before_ms - now >= SOON_MS:
        # Queues delay by 15 minutes at most, so a longer wait is several messages one after another.
        env.queue.send_notices([waiting], delay_ms=waiting.not_before_ms - now)
        return
    entry = env.registry.get(EntryKind.WEBHOOK, waiting.tenant, waiting.webhook)
    hook = _live(entry)
    if entry is None or hook is None or not hook.wants(waiting.topic):
        env.log("notification-unwanted", tenant=waiting.tenant, webhook=waiting.webhook, message=waiting.message_id)
        return
    answer = _post(env, hook, waiting)
    found = verdict(answer.status) if isinstance(answer, Reply) else Verdict.AGAIN
    failure = f"answered {answer.status}" if isinstance(answer, Reply) else answer.message
    _note(env, entry, "" if found is Verdict.DELIVERED else failure)
    if found is Verdict.GONE:
        _disable(env, entry)
    elif found is Verdict.AGAIN:
        # Crash before this: the message comes again by itself, and is posted once more at the same attempt.
        _again(env, waiting, failure, answer.retry_after_ms if isinstance(answer, Reply) else None)


def _live(entry: Entry | None) -> Webhook | None:
    return None if entry is None else codec.loads(entry.body.encode(), Webhook)


def _post(env: Env, hook: Webhook, waiting: Notification) -> Reply | Retry:
    body = waiting.body.encode()
    try:
        return env.courier.post(hook.url, headers(hook, waiting.message_id, body, env.clock.now_ms()), body)
    except Retry as error:
        return error


def _again(env: Env, waiting: Notification, failure: str, retry_after_ms: int | None) -> None:
    tries = waiting.attempt + 1
    about = {"tenant": waiting.tenant, "webhook": waiting.webhook, "message": waiting.message_id, "tries": tries}
    if tries >= env.policy.webhook_attempts:
        env.log("notification-given-up", **about, error=failure)
        # As if it had never been tried: whoever moves it back to the queue wants all the tries again.
        env.queue.give_up(replace(waiting, attempt=0, not_before_ms=0))
        return
    wait = wait_ms(waiting.attempt, retry_after_ms, env.policy, env.rng.uniform())
    env.log("notification-again", **about, error=failure, wait_ms=wait)
    due = replace(waiting, attempt=tries, not_before_ms=env.clock.now_ms() + wait)
    env.queue.send_notices([due], delay_ms=wait)


def _disable(env: Env, entry: Entry) -> None:
    """410: the receiver wants no more, of anything."""
    author = Author(entry.tenant, SERVICE, "")
    off = replace(codec.loads(entry.body.encode(), Webhook), disabled=True)
    body = codec.dumps(off).decode()
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
    except Stale:
        # Somebody has changed it meanwhile, perhaps to where somebody listens. What was posted has had its answer.
        env.log("webhook-changed", tenant=entry.tenant, webhook=entry.name)


def _note(env: Env, entry: Entry, failure: str) -> None:
    """For the tenant to see. Two posts at once may count as one."""
    now = env.clock.now_ms()
    try:
        known = env.ledger.get_webhook_health(entry.tenant, entry.name)
        mine = next((health for health in known if health.region == env.region), None)
        if mine is None or max(mine.success_ms or 0, mine.failure_ms or 0) < entry.created_ms:
            mine = WebhookHealth(entry.tenant, entry.name, env.region)
        env.ledger.put_webhook_health(after_failure(mine, now, failure) if failure else after_success(mine, now))
    except Retry as error:
        # It was posted all the same: posting it again would be worse than not to show it.
        env.log("webhook-health-not-noted", tenant=entry.tenant, webhook=entry.name, error=str(error))
