"""Register, change, test and remove webhooks. This is the work behind the REST API, without HTTP."""

from dataclasses import dataclass

from chalicelib.core import codec
from chalicelib.core.entries import ANY, Condition, Entry, EntryKind
from chalicelib.core.hooks import Topic, Webhook
from chalicelib.core.webhooks import (
    HealthSummary,
    Notice,
    check_url,
    notification,
    rotated,
    secret_text,
    summarize,
    without_secrets,
)
from chalicelib.ports import Env
from chalicelib.protocol.registering import Author, live, register, unregister


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook, its registry entry, and the results of its posts."""

    webhook: Webhook
    entry: Entry
    health: HealthSummary
    replaced_until_ms: int | None
    """Until when posts are signed with replaced secrets too, in milliseconds; None if only the current secret is in
    use."""


def list_webhooks(env: Env, tenant: str) -> list[WebhookView]:
    """Return all webhooks of a tenant, ordered by id."""
    return [_view(env, entry) for entry in env.registry.of_tenant(EntryKind.WEBHOOK, tenant)]


def get_webhook(env: Env, tenant: str, name: str) -> WebhookView:
    return _view(env, live(env, EntryKind.WEBHOOK, tenant, name))


def put_webhook(
    env: Env, author: Author, name: str, url: str, events: tuple[Topic, ...], condition: Condition
) -> tuple[WebhookView, bool]:
    """Register a webhook or change one, and return it together with True if it is new. A new webhook gets a new secret;
    a changed one keeps its secret. A webhook that was disabled because its receiver was gone becomes active again."""
    check_url(url, env.webhook_networks)

    def body_after(current: Entry | None) -> str:
        registered = codec.loads(current.body.encode(), Webhook) if current else None
        secret = registered.secret if registered else secret_text(env.ids.secret())
        return codec.dumps(Webhook(url, events, secret, registered.replaced if registered else ())).decode()

    entry, new = register(env, author, EntryKind.WEBHOOK, name, condition, body_after, shown=without_secrets)
    return _view(env, entry), new


def rotate_secret(env: Env, author: Author, name: str, condition: Condition) -> WebhookView:
    """Replace a webhook's secret. Posts are signed with the replaced secret too for one more day."""
    live(env, EntryKind.WEBHOOK, author.tenant, name)
    condition = Condition(match=("*",)) if condition == ANY else condition

    def body_after(current: Entry | None) -> str:
        assert current is not None, "the condition says so"
        hook = codec.loads(current.body.encode(), Webhook)
        return codec.dumps(rotated(hook, secret_text(env.ids.secret()), env.clock.now_ms())).decode()

    entry, _ = register(env, author, EntryKind.WEBHOOK, name, condition, body_after, shown=without_secrets)
    return _view(env, entry)


def remove_webhook(env: Env, author: Author, name: str, condition: Condition) -> None:
    """Remove a webhook. Nothing more is posted to it, not even about earlier events."""
    unregister(env, author, EntryKind.WEBHOOK, name, condition, shown=without_secrets)


def send_test(env: Env, tenant: str, name: str) -> str:
    """Post a test event in the same way as all notifications, and return its message id."""
    live(env, EntryKind.WEBHOOK, tenant, name)
    notice = Notice(Topic.TEST, tenant, env.ids.nonce(), env.clock.now_ms(), {"webhook": name})
    test_notification = notification(notice, name)
    env.queue.send_notices([test_notification])
    return test_notification.message_id


def _view(env: Env, entry: Entry) -> WebhookView:
    hook = codec.loads(entry.body.encode(), Webhook)
    health = summarize(env.ledger.get_webhook_health(entry.tenant, entry.name), entry.created_ms)
    replaced_until_ms = max((secret.until_ms for secret in hook.replaced), default=0)
    return WebhookView(hook, entry, health, replaced_until_ms if replaced_until_ms > env.clock.now_ms() else None)
