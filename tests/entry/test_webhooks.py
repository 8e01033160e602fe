"""A webhook's changes are conditional and audited. It belongs to its tenant alone, and no secret is shown twice."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.entries import EntryKind
from chalicelib.core.hooks import Topic
from chalicelib.core.policy import Policy
from chalicelib.core.webhooks import Notification, WebhookHealth
from chalicelib.ports import Reply as WebhookReply
from chalicelib.steps import notify
from simulation.memory.env import EAST, WEST
from simulation.memory.webhook_client import MemoryWebhookClient, Post
from tests.entry.api import Api, Reply
from tests.entry.paths import WEBHOOK

DAY_MS = 24 * 3_600_000


@pytest.fixture(autouse=True)
def administrator(api: Api) -> None:
    api.scope = "administer"


def put(api: Api, name: str = "to-erp", headers: dict[str, str] | None = None, **changes: object) -> Reply:
    return api.call("PUT", f"/webhooks/{name}", {**WEBHOOK, **changes}, headers=headers)


def rotate(api: Api, headers: dict[str, str] | None = None) -> Reply:
    return api.call("POST", "/webhooks/to-erp/rotate", headers=headers)


# --- life ---------------------------------------------------------------------------------------------------------


def test_a_webhooks_life(api: Api) -> None:
    created = put(api)
    assert (created.status, created.json["state"], created.json["events"]) == (201, "active", ["job.settled"])
    assert created.json["secret"].startswith("whsec_")
    shown = api.get("/webhooks/to-erp")
    assert shown.json == {name: value for name, value in created.json.items() if name != "secret"}
    assert shown.headers["etag"] == created.headers["etag"]
    assert api.get("/webhooks").json == {"webhooks": [shown.json]}
    changed = put(api, url="https://acme.example/other", headers={"If-Match": created.headers["etag"]})
    assert (changed.status, changed.json["url"]) == (200, "https://acme.example/other")
    assert "secret" not in changed.json
    removed = api.call("DELETE", "/webhooks/to-erp", headers={"If-Match": changed.headers["etag"]})
    assert (removed.status, removed.body) == (204, b"")
    api.get("/webhooks/to-erp").problem(404, "UnknownWebhook")
    assert api.get("/webhooks").json == {"webhooks": []}
    recreated = put(api)
    assert recreated.status == 201
    assert recreated.json["secret"] != created.json["secret"], "and made again"


def test_the_answer_to_its_creation_was_lost(api: Api) -> None:
    """The same request again changes nothing and shows no secret. The client rotates the secret then."""
    first, repeated = put(api), put(api)
    assert (repeated.status, "secret" in repeated.json) == (200, False)
    assert repeated.headers["etag"] == first.headers["etag"]
    assert put(api, events=["job.settled", "job.settled"]).headers["etag"] == first.headers["etag"]
    rotated = rotate(api)
    assert (rotated.status, rotated.json["secret"] != first.json["secret"]) == (200, True)


def test_rotation(api: Api) -> None:
    created = put(api)
    rotated = rotate(api, {"If-Match": created.headers["etag"]})
    assert rotated.json["replaced_secrets_until"] is not None
    assert rotated.headers["etag"] != created.headers["etag"]
    assert api.get("/webhooks/to-erp").json["replaced_secrets_until"] == rotated.json["replaced_secrets_until"]
    api.env.clock.sleep_ms(DAY_MS)
    assert api.get("/webhooks/to-erp").json["replaced_secrets_until"] is None
    rotate(api, {"If-Match": created.headers["etag"]}).problem(412, "HasChanged")
    rotate(api, {"If-None-Match": "*"}).problem(412, "AlreadyThere")


def test_secrets_are_in_no_other_answer_no_audit_and_no_log(api: Api) -> None:
    secrets = [put(api).json["secret"], rotate(api).json["secret"]]
    put(api, url="https://acme.example/2")
    api.call("POST", "/webhooks/to-erp/test")
    api.call("DELETE", "/webhooks/to-erp")
    audit = api.get("/audit")
    assert [change["action"] for change in audit.json["changes"]] == ["removed", "changed", "changed", "created"]
    assert {change["kind"] for change in audit.json["changes"]} == {"webhook"}
    texts = [audit.body.decode(), json.dumps(api.log.lines, default=str), str(api.queue.notices)]
    for secret in secrets:
        assert not any(secret.removeprefix("whsec_")[:12] in text for text in texts)
    _, rotated, changed_url, _ = reversed(audit.json["changes"])
    assert rotated["before"]["secret"] != rotated["after"]["secret"], "but one sees that it was replaced"
    assert changed_url["before"]["secret"] == changed_url["after"]["secret"]


@pytest.mark.parametrize("operation", [("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test")], ids=str)
def test_one_that_there_is_not(api: Api, operation: tuple[str, str]) -> None:
    method, path = operation
    detail = api.call(method, f"/webhooks/nothing{path}").problem(404, "UnknownWebhook")
    assert "GET /webhooks lists yours" in detail


def test_tenants_never_see_each_others(api: Api) -> None:
    mine = put(api)
    api.tenant = "other"
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test")):
        api.call(method, f"/webhooks/to-erp{path}").problem(404, "UnknownWebhook")
    assert api.get("/webhooks").json == {"webhooks": []}
    theirs = put(api, url="https://other.example/")
    assert (theirs.status, theirs.json["secret"] != mine.json["secret"]) == (201, True)
    api.tenant = "acme"
    assert api.get("/webhooks/to-erp").json["url"] == WEBHOOK["url"]


def test_conditions(api: Api) -> None:
    put(api, headers={"If-Match": "*"}).problem(412, "HasChanged")
    etag = put(api, headers={"If-None-Match": "*"}).headers["etag"]
    put(api, headers={"If-None-Match": "*"}).problem(412, "AlreadyThere")
    put(api, events=["delivery.failed"], headers={"If-Match": '"another"'}).problem(412, "HasChanged")
    assert put(api, events=["delivery.failed"], headers={"If-Match": etag}).status == 200
    put(api, headers={"If-Match": "bare"}).problem(400, "InvalidCondition")


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://acme.example/"},
        {"url": "https://acme.example/ x"},
        {"url": ""},
        {"url": 7},
        {"url": "https://" + "a" * 2048},
        {"events": []},
        {"events": ["webhook.test"]},
        {"events": ["job.started"]},
        {"events": "job.settled"},
        {"secret": "whsec_mine"},
    ],
    ids=str,
)
def test_bodies_that_are_refused(api: Api, change: dict[str, Any]) -> None:
    put(api, **change).problem(400, "InvalidRequest")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]:8443/",
        "https://169.254.169.254/latest/",
        "https://u:p@acme.example/",
        "https://acme.example:25/",
        "https://acme.example/#x",
    ],
)
def test_urls_that_are_refused(api: Api, url: str) -> None:
    assert put(api, url=url).problem(400, "InvalidUrl").startswith("url: ")


def test_names(api: Api) -> None:
    put(api, "-x").problem(400, "InvalidName")


def test_there_is_a_limit(api: Api) -> None:
    for n in range(Policy().webhooks_per_tenant):
        assert put(api, f"hook-{n}").status == 201
    assert "remove one" in put(api, "one-more").problem(409, "TooManyRegistered")
    assert put(api, "hook-0", url="https://acme.example/2").status == 200
    api.call("DELETE", "/webhooks/hook-1")
    assert put(api, "one-more").status == 201


# --- how it goes --------------------------------------------------------------------------------------------------


def post_all(api: Api, webhook_client: MemoryWebhookClient) -> None:
    """Carry out the messages on the queue."""
    waiting, api.queue.notices = api.queue.notices, []
    for notice in waiting:
        assert isinstance(notice, Notification)
        notify.post(replace(api.env, webhook_client=webhook_client), notice)


def test_a_test_event(api: Api) -> None:
    put(api)
    accepted = api.call("POST", "/webhooks/to-erp/test")
    assert accepted.status == 202
    webhook_client = MemoryWebhookClient({str(WEBHOOK["url"]): lambda _: WebhookReply(204)})
    post_all(api, webhook_client)
    [post] = webhook_client.posts
    assert post.headers["webhook-id"] == accepted.json["message_id"]
    assert json.loads(post.body)["type"] == "webhook.test"
    assert json.loads(post.body)["data"] == {"webhook": "to-erp"}
    view = api.get("/webhooks/to-erp").json
    assert view["last_success_at"] is not None
    assert (view["last_failure_at"], view["consecutive_failures"]) == (None, 0)
    assert api.call("POST", "/webhooks/to-erp/test").json["message_id"] != accepted.json["message_id"]


def test_a_failure_is_shown(api: Api) -> None:
    put(api)
    api.call("POST", "/webhooks/to-erp/test")
    post_all(api, MemoryWebhookClient({str(WEBHOOK["url"]): lambda _: WebhookReply(500)}))
    view = api.get("/webhooks/to-erp").json
    assert (view["last_failure"], view["consecutive_failures"]) == ("answered 500", 1)
    assert view["last_failure_at"] is not None


def test_both_regions_posts_are_shown_together(api: Api) -> None:
    put(api)
    now_ms = api.env.clock.now_ms()
    api.ledger.put_webhook_health(WebhookHealth("acme", "to-erp", WEST, success_ms=now_ms, failures=0))
    api.ledger.put_webhook_health(
        WebhookHealth("acme", "to-erp", EAST, failure_ms=now_ms + 1, failure="answered 503", failures=2)
    )
    view = api.get("/webhooks/to-erp").json
    assert (view["last_success_at"] is not None, view["last_failure"], view["consecutive_failures"]) == (
        True,
        "answered 503",
        2,
    )


def test_a_receiver_that_is_gone(api: Api) -> None:
    """The service disables a webhook whose receiver answers 410. A new registration makes it active again, with the
    same secret."""
    put(api)
    rotate(api)
    posts: list[Post] = []

    def gone(post: Post) -> Any:
        posts.append(post)
        return WebhookReply(410)

    webhook_client = MemoryWebhookClient({str(WEBHOOK["url"]): gone})
    api.call("POST", "/webhooks/to-erp/test")
    api.call("POST", "/webhooks/to-erp/test")
    post_all(api, webhook_client)
    assert len(posts) == 1, "the second one is not even tried"
    view = api.get("/webhooks/to-erp").json
    assert (view["state"], view["last_failure"]) == ("disabled", "answered 410")
    change = api.get("/audit").json["changes"][0]
    assert (change["by"], change["action"], change["after"]["disabled"]) == ("service", "changed", True)
    assert "whsec" not in json.dumps(change)
    registered = put(api)
    assert (registered.status, registered.json["state"]) == (200, "active")
    assert registered.json["replaced_secrets_until"] is not None, "its secrets are what they were"


def test_one_that_is_changed_while_its_receiver_says_that_it_is_gone(api: Api) -> None:
    put(api)
    api.call("POST", "/webhooks/to-erp/test")

    def gone(_: Post) -> Any:
        put(api, url="https://acme.example/new")
        return WebhookReply(410)

    post_all(api, MemoryWebhookClient({str(WEBHOOK["url"]): gone}))
    view = api.get("/webhooks/to-erp").json
    assert (view["state"], view["url"]) == ("active", "https://acme.example/new")


def test_what_is_registered_is_one_entry(api: Api) -> None:
    put(api, events=["job.settled", "delivery.failed"])
    entry = api.env.registry.get(EntryKind.WEBHOOK, "acme", "to-erp")
    assert entry is not None
    assert f'"{Topic.DELIVERY_FAILED}"' in entry.body
