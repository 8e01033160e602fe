"""Builds and signs the notifications that are posted to a tenant's own server, and checks where they may be posted to.

The format is that of the Standard Webhooks specification (standardwebhooks.com, version 1.0.0): receivers find
libraries for it in most languages.
"""

import hashlib
import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from chalicelib.core import codec, ids
from chalicelib.core.errors import BadRequest, ErrorCode
from chalicelib.core.hooks import Replaced, Topic, Webhook
from chalicelib.core.lifecycles import NotificationEvent
from chalicelib.core.policy import Policy
from chalicelib.core.report import timestamp
from chalicelib.core.retry import backoff_ms

Network = IPv4Network | IPv6Network
SECRET_PREFIX = "whsec_"
SIGNATURE_VERSION = "v1"
URL_MAX_CHARACTERS = 2048
REPLACED_VALID_MS = 24 * 3_600_000
"""For this long after a rotation, messages are signed with the replaced secret too."""
REPLACED_MAX = 4
"""The most replaced secrets that are kept. With more rotations in a day, messages are no longer signed with the oldest
secrets."""
RETRY_AFTER_MAX_MS = 3_600_000
"""The longest pause that a receiver can ask for. A longer one counts as this."""
_URL = re.compile(r"https://[!-~]+", re.ASCII)
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)
_HTTPS, _FREE_PORTS = 443, range(1024, 65_536)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_EMBEDDING = (ip_network("64:ff9b::/96"), ip_network("::/96"))
"""IPv6 addresses that stand for IPv4 ones (RFC 6052; RFC 4291, section 2.5.5.1). Python itself knows the other
forms."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event that a tenant's webhooks may report."""

    topic: Topic
    tenant: str
    identity: str
    """Identifies the event: it is the same whenever, and by whichever Region, the event is reported again."""
    at_ms: int
    data: dict[str, object]
    """The payload as receivers get it."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One notice for one webhook: the message that is posted until the receiver has accepted it."""

    tenant: str
    webhook: str
    topic: Topic
    message_id: str
    """The receiver detects repeats by it."""
    body: str
    """The same bytes in each post."""
    attempt: int = 0
    """How often it was posted in vain."""
    not_before_ms: int = 0
    """The earliest time to post it, by the sender's clock."""


@dataclass(frozen=True, slots=True)
class WebhookHealth:
    """The results of one Region's posts to a webhook. It is for people; nothing depends on it."""

    tenant: str
    webhook: str
    region: str
    success_ms: int | None = None
    failure_ms: int | None = None
    failure: str = ""
    """The result of the last post that failed."""
    failures: int = 0
    """Number of failures since the last success. Simultaneous posts may count as one."""


# --- registration -------------------------------------------------------------------------------------------------


def secret_text(raw: bytes) -> str:
    """Return a secret in the form that its owner gets."""
    return SECRET_PREFIX + b64encode(raw).decode()


def rotated(hook: Webhook, secret: str, now_ms: int) -> Webhook:
    """Return the webhook with a new secret. The replaced secret stays valid for a day, and so do those replaced less
    than a day ago. So a client that lost the answer to a rotation can rotate once more, and its receiver can keep using
    its secret."""
    valid = [old for old in hook.replaced if now_ms < old.until_ms]
    replaced = (Replaced(hook.secret, now_ms + REPLACED_VALID_MS), *valid)[:REPLACED_MAX]
    return replace(hook, secret=secret, replaced=replaced)


def valid_secrets(hook: Webhook, now_ms: int) -> list[str]:
    """Return the secrets to sign with, the newest first."""
    return [hook.secret, *(old.secret for old in hook.replaced if now_ms < old.until_ms)]


def without_secrets(body: str) -> str:
    """Return an entry's body as the audit may keep it. The digest of the secret shows that it was replaced, and nobody
    can find 32 random bytes from it."""
    hook = codec.loads(body.encode(), Webhook)
    audited = json.loads(body)
    audited.pop("replaced", None)
    audited["secret"] = f"sha256:{hashlib.sha256(hook.secret.encode()).hexdigest()[:16]}"
    return json.dumps(audited, separators=(",", ":"))


def check_url(url: str, networks: Sequence[Network]) -> None:
    """Raise BadRequest unless messages may be posted to this URL, as far as its text tells. The addresses that its host
    name resolves to are checked before each post."""
    if len(url) > URL_MAX_CHARACTERS or not _URL.fullmatch(url):
        detail = f"send https:// and at most {URL_MAX_CHARACTERS} printable ASCII characters without spaces"
        raise BadRequest(ErrorCode.INVALID_URL, f"url: {detail}")
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname or "", parsed.port or _HTTPS
    except ValueError as error:
        raise BadRequest(ErrorCode.INVALID_URL, f"url: {error}") from None
    if parsed.username is not None or parsed.password is not None or "#" in url or "\\" in url:
        raise BadRequest(ErrorCode.INVALID_URL, "url: send it without user, password, fragment and backslash")
    if port != _HTTPS and port not in _FREE_PORTS:
        raise BadRequest(ErrorCode.INVALID_URL, f"url: port {port}: use {_HTTPS}, or one from {_FREE_PORTS.start} on")
    _check_host(host, networks)


def _check_host(host: str, networks: Sequence[Network]) -> None:
    address = _address(host)
    if address is None and (not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2])):
        # Some programs read a host with a number at its end as an IPv4 address (127.1, 0x7f000001); none reads it as a
        # name.
        raise BadRequest(ErrorCode.INVALID_URL, f"url: {host!r} is no host name")
    if address is not None and not may_be_called(host, networks):
        raise BadRequest(ErrorCode.INVALID_URL, f"url: {host} is no address of the public internet")


def may_be_called(address: str, networks: Sequence[Network]) -> bool:
    """Tell whether a client may have us connect to this IP address. It must be on the public internet, or in a network
    that the deployment allows: never this machine, the network that it is in, or the cloud's own services."""
    ip = _address(address)
    if ip is None:
        return False
    if any(ip in network for network in networks):
        return True
    if isinstance(ip, IPv6Address):
        if any(ip in network for network in _EMBEDDING) or ip.sixtofour or ip.teredo or ip.ipv4_mapped:
            return False
        is_global = ip.is_global and not ip.is_site_local
    else:
        is_global = ip.is_global
    return is_global and not ip.is_multicast


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


# --- posts --------------------------------------------------------------------------------------------------------


def notification(notice: Notice, webhook: str) -> Notification:
    message_id = ids.webhook_message_id(notice.tenant, webhook, notice.topic, notice.identity)
    return Notification(notice.tenant, webhook, notice.topic, message_id, body_of(notice))


def body_of(notice: Notice) -> str:
    """Return the body that is posted. It is ASCII alone, like all our messages: it travels through SQS, which doesn't
    accept every character."""
    body = {"type": notice.topic, "timestamp": timestamp(notice.at_ms), "data": notice.data}
    return json.dumps(body, separators=(",", ":"))


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the signature, which the receiver computes too. It covers the time, so that an eavesdropper can't post the
    message again later, and the id, so that they can't pass it off as another message."""
    signed = b".".join((message_id.encode(), str(timestamp_s).encode(), body))
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    return f"{SIGNATURE_VERSION},{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


def headers(hook: Webhook, message_id: str, body: bytes, now_ms: int) -> dict[str, str]:
    """Return the headers of a post that is made now. Each attempt is signed anew, since receivers refuse old
    signatures."""
    now_s = now_ms // 1000
    signatures = (signature(secret, message_id, now_s, body) for secret in valid_secrets(hook, now_ms))
    return {
        "content-type": "application/json",
        "user-agent": "EFT-Webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(signatures),
    }


def event_of(status: int | None, posts: int, policy: Policy) -> NotificationEvent:
    """Return what a post means for its notification. `status` is the receiver's HTTP status, None if there was no
    answer; `posts` is the number of posts including this one. A redirect is no delivery: the server that it names need
    not be the one that the tenant has named."""
    if status is not None and 200 <= status < 300:
        return NotificationEvent.ACCEPTED
    if status == 410:
        return NotificationEvent.GONE
    return NotificationEvent.FAILED_LAST if posts >= policy.webhook_attempts else NotificationEvent.FAILED


def wait_ms(attempt: int, retry_after_ms: int | None, policy: Policy, uniform: float) -> int:
    """Return the wait until the next attempt, in milliseconds. `attempt` numbers the attempt that has just failed, from
    0. The wait is between half and all of a bound that doubles each time, so that messages which failed together don't
    come back together. A receiver that asks for a longer pause gets it."""
    ceiling_ms = backoff_ms(attempt, policy.webhook_backoff_base_ms, policy.webhook_backoff_max_ms, 1)
    jittered_ms = ceiling_ms // 2 + round(ceiling_ms / 2 * uniform)
    return max(jittered_ms, min(retry_after_ms or 0, RETRY_AFTER_MAX_MS))


# --- health -------------------------------------------------------------------------------------------------------


def after_success(before: WebhookHealth, now_ms: int) -> WebhookHealth:
    return replace(before, success_ms=now_ms, failures=0)


def after_failure(before: WebhookHealth, now_ms: int, failure: str) -> WebhookHealth:
    return replace(before, failure_ms=now_ms, failure=failure, failures=before.failures + 1)


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """The results of all Regions' posts to a webhook together."""

    success_ms: int | None
    failure_ms: int | None
    failure: str
    failures: int
    """Consecutive failures, counted by each Region for itself. A Region is left out if its last failure is older than
    the last success of any Region."""


def summarize(healths: Iterable[WebhookHealth], since_ms: int) -> HealthSummary:
    """Sum up the Regions' results. `since_ms`: when the webhook was created. Results of an earlier webhook of the same
    name are not included."""
    all_healths = list(healths)
    successes_ms = [
        health.success_ms for health in all_healths if health.success_ms is not None and health.success_ms >= since_ms
    ]
    success_ms = max(successes_ms, default=None)
    failed = [
        (health.failure_ms, health)
        for health in all_healths
        if health.failure_ms is not None and health.failure_ms >= since_ms
    ]
    if not failed:
        return HealthSummary(success_ms, failure_ms=None, failure="", failures=0)
    failure_ms, last = max(failed, key=lambda pair: pair[0])
    # A success in one Region ends a series of the other Region that had ended before it. How many failures of a longer
    # series came before it is not recorded.
    in_a_row = sum(health.failures for at_ms, health in failed if at_ms > (success_ms or 0))
    return HealthSummary(success_ms, failure_ms, last.failure, in_a_row)


# --- notices ------------------------------------------------------------------------------------------------------


def job_settled(tenant: str, job_id: str, settled_ms: int, data: Mapping[str, object]) -> Notice:
    shown = {"job": job_id, "settled_at": timestamp(settled_ms), **data}
    return Notice(Topic.JOB_SETTLED, tenant, job_id, settled_ms, shown)


def delivery_failed(tenant: str, feed: str, version: str, at_ms: int, data: Mapping[str, object]) -> Notice:
    """Return the notice of a failed delivery. `version` is the version that was to be delivered: another version of
    that key, or another outcome, is another notice."""
    identity = json.dumps([feed, data["key"], version, data["outcome"]])
    return Notice(Topic.DELIVERY_FAILED, tenant, identity, at_ms, {"feed": feed, **data})


def feed_stopped(tenant: str, feed: str, identity: str, at_ms: int, why: str) -> Notice:
    """Return the notice of a feed that the service has stopped. `identity` identifies the feed, and the pause that
    stopped it."""
    return Notice(Topic.FEED_STOPPED, tenant, identity, at_ms, {"feed": feed, "why": why})
