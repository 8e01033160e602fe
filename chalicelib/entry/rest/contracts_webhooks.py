"""Describe what the operations on webhooks promise."""

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest import webhooks
from chalicelib.entry.rest.auth import ADMINISTER
from chalicelib.entry.rest.contract import WEBHOOKS, Contract, Success
from chalicelib.entry.rest.contracts_endpoints import BAD_BODY, CHANGED

CONTRACTS_OF_WEBHOOKS = (
    Contract(
        "GET",
        "/webhooks",
        "listWebhooks",
        WEBHOOKS,
        "Your webhooks",
        scope=ADMINISTER,
        successes=(Success(200, webhooks.WebhookList, "All of your tenant's, without their secrets."),),
    ),
    Contract(
        "GET",
        "/webhooks/{webhook_id}",
        "getWebhook",
        WEBHOOKS,
        "One webhook, and how it goes",
        scope=ADMINISTER,
        successes=(Success(200, webhooks.Webhook, "The webhook, without its secret.", ("ETag",)),),
        problems=(ErrorCode.UNKNOWN_WEBHOOK,),
    ),
    Contract(
        "PUT",
        "/webhooks/{webhook_id}",
        "putWebhook",
        WEBHOOKS,
        "Register a webhook, or change it",
        scope=ADMINISTER,
        description="The name is yours to choose: 1 to 64 letters, digits, dots, dashes and underscores. The answer to "
        "its creation alone shows its secret: if it didn't reach you, send the same again and then rotate the secret. "
        "Changing a webhook keeps its secret, and makes a disabled one active. With `If-None-Match: *` only a new one "
        "is made; with `If-Match` only what you have seen is changed. Sending the same again changes nothing.",
        body=webhooks.WebhookRequest,
        conditional=True,
        successes=(
            Success(201, webhooks.WebhookWithSecret, "Registered. This is its secret.", ("ETag",)),
            Success(200, webhooks.Webhook, "Changed, or as it was.", ("ETag",)),
        ),
        problems=(
            *BAD_BODY,
            *CHANGED,
            ErrorCode.INVALID_NAME,
            ErrorCode.INVALID_URL,
            ErrorCode.TOO_MANY_REGISTERED,
        ),
    ),
    Contract(
        "DELETE",
        "/webhooks/{webhook_id}",
        "removeWebhook",
        WEBHOOKS,
        "Remove a webhook",
        scope=ADMINISTER,
        description="Nothing more is posted to it, also of what has happened before.",
        conditional=True,
        successes=(Success(204, None, "Removed."),),
        problems=(*CHANGED, ErrorCode.UNKNOWN_WEBHOOK),
    ),
    Contract(
        "POST",
        "/webhooks/{webhook_id}/rotate",
        "rotateWebhookSecret",
        WEBHOOKS,
        "Replace a webhook's secret",
        scope=ADMINISTER,
        description="For 24 hours what is posted is signed with both, so that your receiver can change over when it "
        "suits you. If the answer didn't reach you, rotate again: the secret that your receiver has stays good for its "
        "24 hours.",
        conditional=True,
        successes=(Success(200, webhooks.WebhookWithSecret, "Replaced. This is the new secret.", ("ETag",)),),
        problems=(*CHANGED, ErrorCode.UNKNOWN_WEBHOOK),
    ),
    Contract(
        "POST",
        "/webhooks/{webhook_id}/test",
        "testWebhook",
        WEBHOOKS,
        "Have a test event posted",
        scope=ADMINISTER,
        description="Of the type `webhook.test`, signed and repeated as all others. What became of it is seen in `GET "
        "/webhooks/{webhook_id}` within seconds.",
        successes=(Success(202, webhooks.TestSent, "It is on its way."),),
        problems=(ErrorCode.UNKNOWN_WEBHOOK,),
    ),
)
