"""Webhooks over real HTTPS are registered by API. Both Regions' real functions post to them, and the specification's
own library verifies the posts."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook as Verifier

from local.keyserver import certify
from local.receiver import Posted, Receiver
from local.wait import wait_until
from tests.e2e.conftest import World

pytestmark = pytest.mark.cloud
Listen = Callable[..., Receiver]


@pytest.fixture
def admin(world: World) -> Iterator[httpx.Client]:
    token = world.cloud.token(scope="read write administer")
    with httpx.Client(
        base_url=world.cloud.api_url, headers={"Authorization": f"Bearer {token}"}, timeout=35, trust_env=False
    ) as client:
        yield client


@pytest.fixture
def listen(world: World) -> Iterator[Listen]:
    """Yield a function that makes receivers. The cloud trusts their certificate unless the test passes another one."""
    receivers: list[Receiver] = []

    def make(*answers: int, tls: tuple[Path, Path] = world.cloud.certificate) -> Receiver:
        receivers.append(Receiver(*tls, answers))
        return receivers[-1]

    yield make
    for receiver in receivers:
        receiver.stop()


def register(admin: httpx.Client, name: str, url: str) -> str:
    """Register a webhook and return its secret."""
    response = admin.put(f"/webhooks/{name}", json={"url": url, "events": ["job.settled"]})
    assert response.status_code == 201, response.text
    return str(response.json()["secret"])


def remove(admin: httpx.Client, name: str) -> None:
    assert admin.delete(f"/webhooks/{name}").status_code == 204


def settle(world: World, prefix: str) -> str:
    world.fill(prefix, 3)
    job_id = world.submit(prefix, prefix, labels={"order": "4711"})
    assert world.settled(job_id)["state"] == "SUCCEEDED"
    return job_id


def of_job(receiver: Receiver, job_id: str) -> list[Posted]:
    return [post for post in receiver.posts if job_id.encode() in post.body]


def test_a_settled_job_is_told_and_verified(world: World, admin: httpx.Client, listen: Listen) -> None:
    receiver = listen()
    secret = register(admin, "once", f"{receiver.url}/hook?for=me")
    job_id = settle(world, "webhook/once/")
    wait_until(lambda: bool(of_job(receiver, job_id)), "the receiver is told", 60)
    posts = of_job(receiver, job_id)
    event: dict[str, Any] = Verifier(secret).verify(posts[0].body, posts[0].headers)
    assert (posts[0].path, event["type"]) == ("/hook?for=me", "job.settled")
    job = world.job(job_id)
    for name in ("state", "labels", "outcomes", "settled_at", "receipt_chain_sha256"):
        assert event["data"][name] == job[name]
    assert (event["data"]["job"], event["timestamp"]) == (job_id, job["settled_at"])
    assert len({post.headers["webhook-id"] for post in posts}) == 1
    wait_until(lambda: admin.get("/webhooks/once").json()["last_success_at"] is not None, "success is shown", 30)
    remove(admin, "once")


def test_a_receiver_that_takes_it_at_the_fourth_time(world: World, admin: httpx.Client, listen: Listen) -> None:
    receiver = listen(500, 503, 302)
    secret = register(admin, "slow", receiver.url)
    sent = admin.post("/webhooks/slow/test")
    assert sent.status_code == 202
    wait_until(lambda: any(post.answered == 204 for post in receiver.posts), "the receiver takes it", 90)
    assert [post.answered for post in receiver.posts[:4]] == [500, 503, 302, 204]
    for post in receiver.posts:
        assert post.headers["webhook-id"] == sent.json()["message_id"]
        assert Verifier(secret).verify(post.body, post.headers)["type"] == "webhook.test"
    times = [int(post.headers["webhook-timestamp"]) for post in receiver.posts]
    assert all(earlier < later for earlier, later in pairwise(times)), "each try is signed anew"
    wait_until(lambda: admin.get("/webhooks/slow").json()["consecutive_failures"] == 0, "success is shown", 30)
    assert admin.get("/webhooks/slow").json()["last_failure"] == "answered 302"
    remove(admin, "slow")


def test_a_receiver_that_is_somebody_else(world: World, admin: httpx.Client, listen: Listen, tmp_path: Path) -> None:
    """The cloud does not trust the receiver's certificate. The post is tried again, and the receiver gets no data."""
    tls = (tmp_path / "certificate.pem", tmp_path / "private.pem")
    certify(*tls)
    receiver = listen(tls=tls)
    register(admin, "impostor", receiver.url)
    admin.post("/webhooks/impostor/test")
    wait_until(lambda: admin.get("/webhooks/impostor").json()["consecutive_failures"] >= 2, "it is tried again", 60)
    assert "its certificate is not accepted" in admin.get("/webhooks/impostor").json()["last_failure"]
    assert receiver.posts == []
    remove(admin, "impostor")
