"""Notices to webhooks: their content and signature, which addresses may be called, and when a notice is tried again."""

import base64
import json
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from chalicelib.core import codec, webhooks
from chalicelib.core.errors import BadRequest
from chalicelib.core.hooks import Replaced, Topic, Webhook
from chalicelib.core.lifecycles import NotificationEvent
from chalicelib.core.policy import Policy
from chalicelib.core.webhooks import Notice, WebhookHealth

HOUR, DAY = 3_600_000, 24 * 3_600_000
NOW = 1_800_000_000_000
SECRET, OTHER = (webhooks.secret_text(bytes([n]) * 32) for n in (1, 2))
HOOK = Webhook("https://acme.example/hook", (Topic.JOB_SETTLED,), SECRET)
NOTICE = Notice(Topic.JOB_SETTLED, "acme", "job-1", NOW, {"job": "job-1", "labels": {"é": "\ufffe"}})
WEST, EAST = "us-gov-west-1", "us-gov-east-1"


# --- signatures ---------------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.text(), st.integers(0, 2**33))
def test_a_signature_is_the_one_that_receivers_compute(raw: bytes, text: str, timestamp_s: int) -> None:
    """The reference is the specification's own library."""
    secret, body = webhooks.secret_text(raw), json.dumps(text)
    moment = datetime.fromtimestamp(timestamp_s, UTC)
    signed = webhooks.signature(secret, "msg_1", timestamp_s, body.encode())
    assert signed == Verifier(secret).sign("msg_1", moment, body)


def test_the_specifications_form_of_a_secret() -> None:
    assert SECRET.startswith("whsec_")
    assert base64.b64decode(SECRET.removeprefix("whsec_")) == bytes([1]) * 32


def test_headers_are_what_a_receiver_verifies() -> None:
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    body = webhooks.body_of(NOTICE).encode()
    headers = webhooks.headers(HOOK, "msg_1", body, now_ms)
    assert Verifier(SECRET).verify(body, headers) == json.loads(body)
    for changed in ({"webhook-id": "msg_2"}, {"webhook-timestamp": str(now_ms // 1000 - 1)}):
        with pytest.raises(WebhookVerificationError):
            Verifier(SECRET).verify(body, {**headers, **changed})
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(OTHER).verify(body, headers)


def test_what_was_overheard_is_too_old_after_five_minutes() -> None:
    now_ms = round(datetime.now(UTC).timestamp() * 1000) - 301_000
    body = b"{}"
    with pytest.raises(WebhookVerificationError, match="too old"):
        Verifier(SECRET).verify(body, webhooks.headers(HOOK, "msg_1", body, now_ms))


# --- secrets ------------------------------------------------------------------------------------------------------


def test_after_a_rotation_both_secrets_are_good_for_a_day() -> None:
    hook = webhooks.rotated(HOOK, OTHER, NOW)
    assert webhooks.valid_secrets(hook, NOW + DAY - 1) == [OTHER, SECRET]
    assert webhooks.valid_secrets(hook, NOW + DAY) == [OTHER]
    signatures = webhooks.headers(hook, "msg_1", b"", NOW)["webhook-signature"].split(" ")
    assert signatures == [webhooks.signature(secret, "msg_1", NOW // 1000, b"") for secret in (OTHER, SECRET)]


def test_a_rotation_whose_answer_was_lost_is_repeated_without_harm() -> None:
    """The receiver still has the first secret, so it must stay good."""
    hook = webhooks.rotated(webhooks.rotated(HOOK, "whsec_lost", NOW), OTHER, NOW + 60_000)
    assert webhooks.valid_secrets(hook, NOW + HOUR) == [OTHER, "whsec_lost", SECRET]


def test_rotating_without_end_keeps_a_few() -> None:
    hook = HOOK
    for n in range(50):
        hook = webhooks.rotated(hook, f"whsec_{n}", NOW + n)
    assert webhooks.valid_secrets(hook, NOW + 50) == ["whsec_49", "whsec_48", "whsec_47", "whsec_46", "whsec_45"]
    assert webhooks.rotated(hook, OTHER, NOW + 2 * DAY).replaced == (Replaced("whsec_49", NOW + 3 * DAY),)


def test_the_audit_has_no_secret_and_shows_that_there_is_another() -> None:
    bodies = [codec.dumps(hook).decode() for hook in (HOOK, webhooks.rotated(HOOK, OTHER, NOW))]
    audited = [webhooks.without_secrets(body) for body in bodies]
    for text in audited:
        assert not any(secret.removeprefix("whsec_")[:8] in text for secret in (SECRET, OTHER))
        assert json.loads(text)["url"] == HOOK.url
    assert audited[0] != audited[1]


# --- ids and bodies -----------------------------------------------------------------------------------------------


def test_the_same_news_has_the_same_id_and_other_news_another() -> None:
    def id_of(webhook: str = "hook", **changes: Any) -> str:
        right: dict[str, Any] = {"topic": Topic.JOB_SETTLED, "tenant": "acme", "identity": "job-1", "at_ms": 1}
        return webhooks.notification(Notice(**{**right, **changes}, data={}), webhook).message_id

    assert id_of() == id_of(at_ms=2)
    others = [id_of(tenant="other"), id_of(identity="job-2"), id_of(topic=Topic.TEST), id_of("hook2")]
    assert len({id_of(), *others}) == 5
    assert "." not in id_of(tenant="a.b")


def test_versions_and_outcomes_of_a_key_are_different_news() -> None:
    def identity(version: str, outcome: str) -> str:
        data: dict[str, object] = {"key": "k", "outcome": outcome}
        return webhooks.delivery_failed("acme", "feed", version, 1, data).identity

    assert identity("v1", "DENIED") == identity("v1", "DENIED")
    assert len({identity("v1", "DENIED"), identity("v2", "DENIED"), identity("v1", "FAILED")}) == 3


def test_a_body() -> None:
    body = webhooks.body_of(NOTICE)
    assert body.isascii()
    assert json.loads(body) == {"type": "job.settled", "timestamp": "2027-01-15T08:00:00.000Z", "data": NOTICE.data}


# --- whom we may be made to call ----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111"])
def test_addresses_of_the_public_internet(address: str) -> None:
    assert webhooks.may_be_called(address, ())


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "192.0.0.1"),
        *("169.254.169.254", "169.254.170.2", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "fec0::1"),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "::127.0.0.1"),
        *("", "localhost", "1", "0x7f.1"),
    ],
)
def test_addresses_that_are_nobodys_business(address: str) -> None:
    assert not webhooks.may_be_called(address, ())


def test_networks_that_the_deployment_allows() -> None:
    networks = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert webhooks.may_be_called("10.1.2.3", networks)
    assert webhooks.may_be_called("fd00::7", networks)
    assert not webhooks.may_be_called("10.2.0.1", networks)
    assert not webhooks.may_be_called("127.0.0.1", networks)


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.example",
        "https://acme.example/hook?token=x%20y",
        "https://acme.example:8443/",
        "https://ACME.example:443/a//b",
        "https://xn--bcher-kva.example/",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]:1024/",
        "https://" + "a" * 2040,
    ],
)
def test_urls_that_may_be_registered(url: str) -> None:
    webhooks.check_url(url, ())


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "acme.example",
            "http://acme.example/",
            "ftp://acme.example/",
            "HTTPS:acme.example",
            "https://",
            "https:///x",
        ),
        *(
            "https://user@acme.example/",
            "https://user:pw@acme.example/",
            "https://@acme.example/",
            "https://a.example/#f",
        ),
        *(
            "https://acme.example:22/",
            "https://acme.example:80/",
            "https://acme.example:70000/",
            "https://a.example:x/",
        ),
        *("https://acme.example /", "https://acme.example/\n", "https://bücher.example/", "https://acme.example/é"),
        *(
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1:8443/",
            "https://169.254.169.254/latest/meta-data/",
        ),
        *(
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://[::1/",
            "https://",
        ),
        *(
            "https://a..example/",
            "https://acme.example./",
            "https://acme.example\\@evil.example/",
            "https://" + "a" * 2041,
            "https://[fe80::1%25e]/",
        ),
    ],
)
def test_urls_that_may_not(url: str) -> None:
    with pytest.raises(BadRequest, match="url"):
        webhooks.check_url(url, ())


def test_a_url_in_a_network_that_the_deployment_allows() -> None:
    webhooks.check_url("https://127.0.0.1:9443/", (ip_network("127.0.0.0/8"),))


# --- answers and retries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "event"),
    [
        *((status, NotificationEvent.ACCEPTED) for status in (200, 201, 202, 204, 299)),
        *(
            (status, NotificationEvent.FAILED)
            for status in (301, 302, 307, 308, 400, 401, 403, 404, 429, 500, 502, 503, 100, 999)
        ),
        (410, NotificationEvent.GONE),
    ],
)
def test_answers(status: int, event: NotificationEvent) -> None:
    assert webhooks.event_of(status, 1, Policy()) is event


def waits(uniform: float) -> list[int]:
    policy = Policy()
    return [webhooks.wait_ms(n, None, policy, uniform) for n in range(policy.webhook_attempts - 1)]


def test_it_is_tried_for_about_a_day() -> None:
    """docs/webhooks.md and `Policy` say so."""
    assert 13 <= sum(waits(0)) / HOUR < 14
    assert 19 <= sum(waits(0.5)) / HOUR < 21
    assert 26 <= sum(waits(1)) / HOUR < 27


def test_waits_grow_and_differ() -> None:
    shortest, longest = waits(0), waits(1)
    assert [round(wait / 1000) for wait in longest[:4]] == [30, 60, 120, 240]
    assert longest == sorted(longest)
    assert all(low * 2 == pytest.approx(high, abs=2) for low, high in zip(shortest, longest, strict=True))


@pytest.mark.parametrize(("asked_ms", "waited_ms"), [(None, 30_000), (0, 30_000), (600_000, 600_000), (9 * HOUR, HOUR)])
def test_a_receiver_that_asks_for_a_pause(asked_ms: int | None, waited_ms: int) -> None:
    assert webhooks.wait_ms(0, asked_ms, Policy(), 1) == pytest.approx(waited_ms, abs=1)


# --- how it goes --------------------------------------------------------------------------------------------------


def health(region: str, **fields: Any) -> WebhookHealth:
    return WebhookHealth("acme", "hook", region, **fields)


def test_nothing_was_posted_yet() -> None:
    summary = webhooks.summarize([], 0)
    assert (summary.success_ms, summary.failure_ms, summary.failure, summary.failures) == (None, None, "", 0)


def test_both_regions_together() -> None:
    west = health(WEST, success_ms=10, failure_ms=30, failure="answered 500", failures=2)
    east = health(EAST, success_ms=20, failure_ms=15, failure="answered 503", failures=4)
    summary = webhooks.summarize([east, west], 0)
    # East's failures were before its success.
    assert (summary.success_ms, summary.failure_ms, summary.failure, summary.failures) == (20, 30, "answered 500", 2)


def test_a_success_anywhere_ends_the_row() -> None:
    west = health(WEST, failure_ms=30, failure="answered 500", failures=7)
    assert webhooks.summarize([west, health(EAST, success_ms=31)], 0).failures == 0
    assert webhooks.summarize([west, health(EAST, success_ms=29)], 0).failures == 7


def test_what_became_of_an_earlier_one_of_that_name_is_not_its_own() -> None:
    earlier = health(WEST, success_ms=10, failure_ms=30, failure="answered 500", failures=2)
    summary = webhooks.summarize([earlier], 31)
    assert (summary.success_ms, summary.failure_ms, summary.failures) == (None, None, 0)


def test_failures_are_counted_until_a_success() -> None:
    webhook_health = health(WEST)
    for now_ms in (1, 2, 3):
        webhook_health = webhooks.after_failure(webhook_health, now_ms, "answered 500")
    assert (webhook_health.failures, webhook_health.failure_ms) == (3, 3)
    assert webhooks.after_success(webhook_health, 4).failures == 0
