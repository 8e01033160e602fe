"""Webhooks: what is posted to a tenant's own server when something has happened, and how it is signed.

The form is that of the Standard Webhooks specification (standardwebhooks.com, version 1.0.0), for which receivers find
libraries in most languages.
"""

import hashlib
import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from chalicelib.core import codec, ids
from chalicelib.core.errors import BadRequest
from chalicelib.core.hooks import Replaced, Topic, Webhook
from chalicelib.core.policy import Policy
from chalicelib.core.report import timestamp
from chalicelib.core.retry import backoff_ms

Network = IPv4Network | IPv6Network
SECRET_PREFIX = "whsec_"
SIGNATURE_VERSION = "v1"
URL_MAX_CHARACTERS = 2048
REPLACED_VALID_MS = 24 * 3_600_000
"""For so long after a rotation, what is posted is signed with the replaced secret too."""
REPLACED_MAX = 4
"""So many replaced secrets at most: of more rotations in a day, the oldest secret is no longer signed with."""
RETRY_AFTER_MAX_MS = 3_600_000
"""A receiver may ask for so long a pause; a longer one counts as this."""
_URL = re.compile(r"https://[!-~]+", re.ASCII)
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)
_HTTPS, _FREE_PORTS = 443, range(1024, 65_536)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_EMBEDDING = (ip_network("64:ff9b::/96"), ip_network("::/96"))
"""IPv6 addresses that stand for IPv4 ones (RFC 6052; RFC 4291, section 2.5.5.1): Python knows the other ways by
itself."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened that a tenant's webhooks may tell of."""

    topic: Topic
    tenant: str
    identity: str
    """Of what happened: the same whenever, and by whichever Region, it is told again."""
    at_ms: int
    data: dict[str, object]
    """As receivers get it."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One notice for one webhook: what is posted, until somebody has taken it."""

    tenant: str
    webhook: str
    topic: Topic
    message_id: str
    """The receiver tells repeats by it."""
    body: str
    """As it is posted, each time."""
    attempt: int = 0
    """How often it was posted in vain."""
    not_before_ms: int = 0
    """By the sender's clock: don't post it earlier."""


@dataclass(frozen=True, slots=True)
class WebhookHealth:
    """What one Region's posts to a webhook came to. For people; nothing rests on it."""

    tenant: str
    webhook: str
    region: str
    success_ms: int | None = None
    failure_ms: int | None = None
    failure: str = ""
    """What came of the last post that failed."""
    failures: int = 0
    """Since the last success. Posts side by side may count as one."""


class Verdict(StrEnum):
    """What a receiver's answer means."""

    DELIVERED = "delivered"
    GONE = "gone"
    AGAIN = "again"


# --- what is registered -------------------------------------------------------------------------------------------


def secret_text(raw: bytes) -> str:
    """A secret as its owner gets it."""
    return SECRET_PREFIX + b64encode(raw).decode()


def rotated(hook: Webhook, secret: str, now_ms: int) -> Webhook:
    """With a new secret. The replaced one stays valid for a day, and so do those replaced less than a day ago: a client
    that lost the answer to a rotation rotates once more, and its receiver can go on with the secret that it has."""
    still = [old for old in hook.replaced if now_ms < old.until_ms]
    kept = (Replaced(hook.secret, now_ms + REPLACED_VALID_MS), *still)[:REPLACED_MAX]
    return replace(hook, secret=secret, replaced=kept)


def valid_secrets(hook: Webhook, now_ms: int) -> list[str]:
    """Those to sign with, the newest first."""
    return [hook.secret, *(old.secret for old in hook.replaced if now_ms < old.until_ms)]


def without_secrets(body: str) -> str:
    """An entry's body as the audit may keep it. The digest of a secret, from which nobody finds 32 random bytes, shows
    that it was replaced."""
    hook = codec.loads(body.encode(), Webhook)
    shown = json.loads(body)
    shown.pop("replaced", None)
    shown["secret"] = f"sha256:{hashlib.sha256(hook.secret.encode()).hexdigest()[:16]}"
    return json.dumps(shown, separators=(",", ":"))


def check_url(url: str, networks: Sequence[Network]) -> None:
    """Raises BadRequest unless it is one that may be posted to, as far as the text says. What its name stands for is
    looked at before each post."""
    if len(url) > URL_MAX_CHARACTERS or not _URL.fullmatch(url):
        detail = f"send https:// and at most {URL_MAX_CHARACTERS} printable ASCII characters without spaces"
        raise BadRequest("InvalidUrl", f"url: {detail}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _HTTPS
    except ValueError as error:
        raise BadRequest("InvalidUrl", f"url: {error}") from None
    if parts.username is not None or parts.password is not None or "#" in url or "\\" in url:
        raise BadRequest("InvalidUrl", "url: send it without user, password, fragment and backslash")
    if port != _HTTPS and port not in _FREE_PORTS:
        raise BadRequest("InvalidUrl", f"url: port {port}: use {_HTTPS}, or one from {_FREE_PORTS.start} on")
    address = _address(host)
    if address is None and (not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2])):
        # With a number at the end it is an IPv4 address for some (127.1, 0x7f000001), and a name for nobody.
        raise BadRequest("InvalidUrl", f"url: {host!r} is no host name")
    if address is not None and not may_be_called(host, networks):
        raise BadRequest("InvalidUrl", f"url: {host} is no address of the public internet")


def may_be_called(address: str, networks: Sequence[Network]) -> bool:
    """May somebody else have us connect to this IP address? One of the public internet, or of what the deployment
    allows: never this machine, the network that it is in, or the cloud's own services."""
    found = _address(address)
    if found is None:
        return False
    if any(found in network for network in networks):
        return True
    if isinstance(found, IPv6Address):
        if any(found in network for network in _EMBEDDING) or found.sixtofour or found.teredo or found.ipv4_mapped:
            return False
        found_global = found.is_global and not found.is_site_local
    else:
        found_global = found.is_global
    return found_global and not found.is_multicast


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


# --- what is posted -----------------------------------------------------------------------------------------------


def notification(notice: Notice, webhook: str) -> Notification:
    message_id = ids.webhook_message_id(notice.tenant, webhook, notice.topic, notice.identity)
    return Notification(notice.tenant, webhook, notice.topic, message_id, body_of(notice))


def body_of(notice: Notice) -> str:
    """ASCII alone, as all messages of ours: it travels through SQS, which takes not every character."""
    body = {"type": notice.topic, "timestamp": timestamp(notice.at_ms), "data": notice.data}
    return json.dumps(body, separators=(",", ":"))


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """What the receiver computes too. The time is signed along, so that nobody can post again later what he has
    overheard; so is the id, so that he can't pass it off as another."""
    signed = b".".join((message_id.encode(), str(timestamp_s).encode(), body))
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    return f"{SIGNATURE_VERSION},{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def headers(hook: Webhook, message_id: str, body: bytes, now_ms: int) -> dict[str, str]:
    """Of a post that is made now: each try is signed anew, since receivers refuse old ones."""
    now_s = now_ms // 1000
    signatures = (signature(secret, message_id, now_s, body) for secret in valid_secrets(hook, now_ms))
    return {
        "content-type": "application/json",
        "user-agent": "EFT-Webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(signatures),
    }


def verdict(status: int) -> Verdict:
    """A redirection is no delivery: whoever answers it need not be whom the tenant has named."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    return Verdict.GONE if status == 410 else Verdict.AGAIN


def wait_ms(attempt: int, retry_after_ms: int | None, policy: Policy, uniform: float) -> int:
    """Until the next try; `attempt` counts those that were in vain, from 0. Between half and all of what doubles each
    time: what failed together doesn't come back together. A receiver that asks for a longer pause gets it."""
    ceiling = backoff_ms(attempt, policy.webhook_backoff_base_ms, policy.webhook_backoff_max_ms, 1)
    wait = ceiling // 2 + round(ceiling / 2 * uniform)
    return max(wait, min(retry_after_ms or 0, RETRY_AFTER_MAX_MS))


# --- what became of it --------------------------------------------------------------------------------------------


def after_success(before: WebhookHealth, now_ms: int) -> WebhookHealth:
    return replace(before, success_ms=now_ms, failures=0)


def after_failure(before: WebhookHealth, now_ms: int, failure: str) -> WebhookHealth:
    return replace(before, failure_ms=now_ms, failure=failure, failures=before.failures + 1)


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """All Regions' posts to a webhook together."""

    success_ms: int | None
    failure_ms: int | None
    failure: str
    failures: int
    """In a row."""


def summarize(healths: Iterable[WebhookHealth], since_ms: int) -> HealthSummary:
    """`since_ms`: when the webhook was made. What became of an earlier one of that name is not its own."""
    own = [health for health in healths if max(health.success_ms or 0, health.failure_ms or 0) >= since_ms]
    success_ms = max((h.success_ms for h in own if h.success_ms is not None), default=None)
    failed = [h for h in own if h.failure_ms is not None and h.failure_ms >= since_ms]
    last = max(failed, key=lambda h: h.failure_ms or 0, default=None)
    # A success of one Region ends the row of the other one's failures before it.
    in_a_row = sum(h.failures for h in failed if (h.failure_ms or 0) > (success_ms or 0))
    return HealthSummary(
        success_ms=success_ms if success_ms is not None and success_ms >= since_ms else None,
        failure_ms=last.failure_ms if last else None,
        failure=last.failure if last else "",
        failures=in_a_row,
    )


# --- what happened ------------------------------------------------------------------------------------------------


def job_settled(tenant: str, job_id: str, settled_ms: int, data: Mapping[str, object]) -> Notice:
    shown = {"job": job_id, "settled_at": timestamp(settled_ms), **data}
    return Notice(Topic.JOB_SETTLED, tenant, job_id, settled_ms, shown)


def delivery_failed(tenant: str, feed: str, version: str, at_ms: int, data: Mapping[str, object]) -> Notice:
    """`version` is what was to be delivered: another version of that key, or another outcome, is other news."""
    identity = json.dumps([feed, data["key"], version, data["outcome"]])
    return Notice(Topic.DELIVERY_FAILED, tenant, identity, at_ms, {"feed": feed, **data})


def feed_stopped(tenant: str, feed: str, identity: str, at_ms: int, why: str) -> Notice:
    """`identity`: of the feed and of the pause by which it was stopped."""
    return Notice(Topic.FEED_STOPPED, tenant, identity, at_ms, {"feed": feed, "why": why})
