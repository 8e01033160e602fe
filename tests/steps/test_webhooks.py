"""Webhooks get signed notices, at least once, under ids that stay the same, from receivers in every kind of trouble
too."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.core import codec
from chalicelib.core.entries import ANY, EntryKind
from chalicelib.core.errors import Retry
from chalicelib.core.hooks import Topic, Webhook
from chalicelib.core.policy import Policy
from chalicelib.core.webhooks import signature
from chalicelib.entry import handlers
from chalicelib.ports import CopyPartition, Reply
from chalicelib.protocol import messages
from chalicelib.protocol.registering import Author
from chalicelib.steps import webhooks
from simulation.memory.env import EAST, SOURCE, TENANT, WEST
from simulation.memory.webhook_client import MemoryWebhookClient, Post
from tests.steps.calls import crash
from tests.steps.world import HOUR, MINUTE, SECOND, SMALL, World

URL, OTHER_URL = "https://acme.example/hook", "https://acme.example/other"
BOTH = (Topic.DELIVERY_FAILED, Topic.JOB_SETTLED)
ANN = Author(TENANT, "ann", "request-1")


@dataclass
class Receiver:
    """Gives its answers one after another, and the last one again and again. Keeps each post with its time in ms."""

    world: World
    answers: list[int | Reply | Exception] = field(default_factory=lambda: [204])
    posts: list[tuple[int, Post]] = field(default_factory=list)

    def __call__(self, post: Post) -> Reply:
        self.posts.append((self.world.clock.now_ms(), post))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(answer)

    @property
    def ids(self) -> list[str]:
        return [post.headers["webhook-id"] for _, post in self.posts]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(post.body) for _, post in self.posts]


def make(policy: Policy = SMALL, *answers: int | Reply | Exception) -> tuple[World, Receiver]:
    """Return a world with a webhook, and the webhook's receiver."""
    webhook_client = MemoryWebhookClient()
    world = World(policy=policy, webhook_client=webhook_client)
    receiver = Receiver(world, list(answers) or [204])
    webhook_client.receivers[URL] = receiver
    register(world)
    return world, receiver


def register(world: World, name: str = "hook", url: str = URL, events: tuple[Topic, ...] = BOTH) -> Webhook:
    view, _ = webhooks.put_webhook(world.observer, ANN, name, url, events, ANY)
    return view.webhook


def secret(world: World, name: str = "hook") -> str:
    entry = world.registry.get(EntryKind.WEBHOOK, TENANT, name)
    assert entry is not None
    return codec.loads(entry.body.encode(), Webhook).secret


def settle_a_job(world: World) -> str:
    world.put("in/a/1", b"x")
    spec = world.submit("a/", "b/", labels={"order": "4711"})
    world.settle()
    return spec.job_id


# --- notices ------------------------------------------------------------------------------------------------------


def test_a_settled_job_is_told_once_and_signed() -> None:
    world, receiver = make()
    job_id = settle_a_job(world)
    [(at_ms, post)] = receiver.posts
    body = json.loads(post.body)
    assert body["type"] == "job.settled"
    assert (
        body["data"].items()
        >= {
            "job": job_id,
            "state": "SUCCEEDED",
            "reason": "",
            "labels": {"order": "4711"},
            "objects_planned": 1,
            "bytes_copied": 1,
            "outcomes": {"COPIED": 1},
        }.items()
    )
    end = next(iter(world.ledger.terminals.values()))
    assert body["data"]["receipt_chain_sha256"] == end.chain_sha256
    settled = datetime.fromtimestamp(end.settled_ms / 1000, UTC).isoformat(timespec="milliseconds")
    assert body["timestamp"] == body["data"]["settled_at"] == settled.replace("+00:00", "Z")
    expected = signature(secret(world), post.headers["webhook-id"], at_ms // 1000, post.body)
    assert post.headers["webhook-signature"] == expected
    assert world.dead_letters == []


def test_a_delivery_that_failed_is_told_and_the_jobs_of_feeds_are_not() -> None:
    """The way in which a feed's objects are carried is our business."""
    world, receiver = make(replace(SMALL, inline_objects=0))
    world.put("in/good", b"x")
    world.put("in/frozen", b"ice", storage_class="GLACIER")
    world.announce("in/good", "in/frozen", bucket=SOURCE[WEST])
    world.settle()
    assert [body["type"] for body in receiver.bodies] == ["delivery.failed"]
    assert (
        receiver.bodies[0]["data"].items()
        >= {
            "feed": "west-to-east",
            "key": "in/frozen",
            "target_key": "out/frozen",
            "outcome": "ARCHIVED",
        }.items()
    )
    assert receiver.bodies[0]["data"]["detail"]


def test_each_webhook_is_told_what_it_wants_to_hear_of() -> None:
    world, receiver = make()
    other = Receiver(world)
    assert world.webhook_client is not None
    world.webhook_client.receivers[OTHER_URL] = other
    register(world, "failures", OTHER_URL, (Topic.DELIVERY_FAILED,))
    register(world, "twice", URL)
    settle_a_job(world)
    assert other.posts == []
    assert len(receiver.posts) == len(set(receiver.ids)) == 2, "two webhooks, two ids"


def test_another_tenants_webhooks_hear_nothing() -> None:
    world, receiver = make()
    webhooks.put_webhook(world.observer, replace(ANN, tenant="other"), "hook", OTHER_URL, BOTH, ANY)
    settle_a_job(world)
    assert world.webhook_client is not None
    assert {post.url for post in world.webhook_client.posts} == {URL}
    assert len(receiver.posts) == 1


def test_nobody_wants_to_hear_of_it() -> None:
    world = World(webhook_client=MemoryWebhookClient())
    settle_a_job(world)
    assert world.webhook_client is not None
    assert (world.webhook_client.posts, world.dead_letters) == ([], [])


def test_during_a_rotation_both_secrets_verify() -> None:
    world, receiver = make()
    old = secret(world)
    webhooks.rotate_secret(world.observer, ANN, "hook", ANY)
    settle_a_job(world)
    [(at_ms, post)] = receiver.posts
    signatures = [signature(key, receiver.ids[0], at_ms // 1000, post.body) for key in (secret(world), old)]
    assert post.headers["webhook-signature"] == " ".join(signatures)


# --- receivers in trouble -----------------------------------------------------------------------------------------


def test_it_is_posted_until_somebody_takes_it() -> None:
    world, receiver = make(SMALL, 500, Retry("NoAnswer", "timed out"), 302, 404, 200)
    settle_a_job(world)
    assert len(receiver.posts) == 5
    assert len(set(receiver.ids)) == 1
    assert len({post.body for _, post in receiver.posts}) == 1
    # Each try is signed anew, at its own time, or receivers would refuse it as too old.
    for at_ms, post in receiver.posts:
        assert post.headers["webhook-timestamp"] == str(at_ms // 1000)
        expected = signature(secret(world), receiver.ids[0], at_ms // 1000, post.body)
        assert post.headers["webhook-signature"] == expected
    times_ms = [at_ms for at_ms, _ in receiver.posts]
    waits_ms = [later - earlier for earlier, later in pairwise(times_ms)]
    ceilings_ms = [30 * SECOND, MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert all(
        floor_ms <= wait_ms <= ceiling_ms + SECOND
        for wait_ms, ceiling_ms, floor_ms in zip(
            waits_ms, ceilings_ms, [c // 2 - SECOND for c in ceilings_ms], strict=True
        )
    )
    view = webhooks.get_webhook(world.observer, TENANT, "hook")
    assert (view.health.failures, view.health.failure, view.health.success_ms) == (0, "answered 404", times_ms[-1])


def test_nobody_takes_it_for_a_day() -> None:
    """The notice becomes one dead letter, where an alarm calls people, and can be sent again. The tenant sees that it
    failed."""
    world, receiver = make(SMALL, 503)
    settle_a_job(world)
    assert len(receiver.posts) == Policy().webhook_attempts
    assert 13 * HOUR <= receiver.posts[-1][0] - receiver.posts[0][0] <= 27 * HOUR
    [dead] = world.dead_letters
    assert dead.queue == "notify"
    assert webhooks.get_webhook(world.observer, TENANT, "hook").health.failures == Policy().webhook_attempts
    # After a redrive it has all its tries again.
    receiver.answers = [*[503] * 5, 200]
    world.dead_letters.clear()
    world.post(dead.region, "notify", dead.body)
    world.settle()
    assert len(set(receiver.ids)) == 1
    assert len(receiver.posts) == Policy().webhook_attempts + 6
    assert world.dead_letters == []


def test_a_long_wait_is_many_short_ones() -> None:
    """No message is delayed by more than the 15 minutes that SQS can."""
    world, receiver = make(replace(SMALL, webhook_backoff_base_ms=2 * HOUR), 500, 200)
    notices: list[int] = []
    world.watch = lambda: notices.extend(len(region.queue.notices) for region in world.regions.values())
    settle_a_job(world)
    wait_ms = receiver.posts[1][0] - receiver.posts[0][0]
    assert HOUR <= wait_ms <= 2 * HOUR + MINUTE
    assert sum(notices) >= wait_ms // (15 * MINUTE)


def test_a_receiver_that_asks_for_a_pause() -> None:
    world, receiver = make(SMALL, Reply(429, 20 * MINUTE), Reply(503, 99 * HOUR), 200)
    settle_a_job(world)
    times_ms = [at_ms for at_ms, _ in receiver.posts]
    assert 20 * MINUTE <= times_ms[1] - times_ms[0] <= 21 * MINUTE
    assert HOUR <= times_ms[2] - times_ms[1] <= HOUR + MINUTE


def test_a_slow_receiver_holds_up_nobody_else() -> None:
    world, receiver = make()
    assert world.webhook_client is not None
    world.webhook_client.receivers[OTHER_URL] = Receiver(world, [Retry("NoAnswer", "timed out")])
    register(world, "broken", OTHER_URL)
    settle_a_job(world)
    assert len(receiver.posts) == 1, "and is not told again because of the other one"


def test_a_receiver_that_is_gone_is_left_alone() -> None:
    world, receiver = make(SMALL, 410)
    settle_a_job(world)
    world.submit("a/", "c/", token="second")
    world.settle()
    assert len(receiver.posts) == 1
    assert webhooks.get_webhook(world.observer, TENANT, "hook").webhook.disabled
    assert world.dead_letters == []


@pytest.mark.parametrize("change", ["removed", "wants it no more", "elsewhere"])
def test_what_waits_goes_by_what_is_registered_then(change: str) -> None:
    world, receiver = make(SMALL, 500)
    other = Receiver(world)
    assert world.webhook_client is not None
    world.webhook_client.receivers[OTHER_URL] = other
    world.put("in/a/1", b"x")
    world.submit("a/", "b/")
    while not receiver.posts:
        world.step()
    if change == "removed":
        webhooks.remove_webhook(world.observer, ANN, "hook", ANY)
    else:
        events = (Topic.DELIVERY_FAILED,) if change == "wants it no more" else BOTH
        register(world, url=OTHER_URL, events=events)
    world.settle()
    assert len(receiver.posts) == 1
    assert len(other.posts) == (1 if change == "elsewhere" else 0)
    assert world.dead_letters == []


# --- at least once ------------------------------------------------------------------------------------------------


def test_every_message_comes_twice() -> None:
    world, receiver = make()
    world.deliver_times = 2
    settle_a_job(world)
    assert len(receiver.posts) >= 2
    assert len(set(receiver.ids)) == 1


def test_a_region_dies_when_it_has_just_told() -> None:
    """The other Region finds that the job is not closed, and sends the notice again, with the same id and the same
    body."""
    world, receiver = make()
    world.put("in/a/1", b"x")
    world.calls.plan(1, after=crash, is_counted=lambda label: label == "notifier.job_settled")
    dead: list[str] = []

    def bury() -> None:
        """Stop the Region. Only the event that it had handed to EventBridge goes on."""
        if world.crashes and not dead:
            assert world.open_jobs(), "it died before it closed the job"
            [name] = [name for name, region in world.regions.items() if region.notifier.settled]
            dead.append(name)
            world.regions[name].next_sweep_ms += 1000 * HOUR
            world.mail = [mail for mail in world.mail if mail.region != name]

    world.watch = bury
    world.submit("a/", "b/")
    world.settle()
    notified = {name: len(region.notifier.settled) for name, region in world.regions.items()}
    assert notified == {WEST: 1, EAST: 1}
    assert len(receiver.posts) == 2
    assert len(set(receiver.ids)) == 1
    assert len({post.body for _, post in receiver.posts}) == 1


LABELS = ("registry.of_tenant", "registry.get", "ledger.get_webhook_health", "ledger.put_webhook_health")
SENDS = ("queue.send_notices", "queue.give_up", "webhook_client.post", "registry.put")


@pytest.mark.parametrize("answer", [204, 500, 410])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("trouble", ["crash", "refuse"])
@pytest.mark.parametrize("label", [*LABELS, *SENDS])
def test_trouble_at_every_call(label: str, trouble: str, when: str, answer: int) -> None:
    """One call dies or fails. The notice still arrives in the end, under one id, and no notice that was taken is given
    up."""
    policy = replace(SMALL, webhook_attempts=2, webhook_backoff_max_ms=40_000)
    world, receiver = make(policy, answer)
    for region in world.regions.values():
        region.env = replace(region.env, webhook_client=world.calls.tap("webhook_client", region.env.webhook_client))

    def fail(label: str) -> None:
        raise Retry("Injected", f"{label} failed")

    act: Callable[[str], object] = crash if trouble == "crash" else fail

    def telling() -> bool:
        return any(region.notifier.settled for region in world.regions.values())

    world.calls.plan(1, **{when: act}, is_counted=lambda made: made == label and telling())
    settle_a_job(world)
    assert receiver.posts
    assert len(set(receiver.ids)) == 1
    if answer == 500:
        assert len(receiver.posts) >= policy.webhook_attempts - (label == "webhook_client.post")
        assert world.dead_letters, "people are called"
    else:
        assert world.dead_letters == []
    assert webhooks.get_webhook(world.observer, TENANT, "hook").webhook.disabled is (answer == 410)


# --- the handler --------------------------------------------------------------------------------------------------


def test_what_is_no_message_of_this_queue_is_its_own_failure() -> None:
    world, receiver = make()
    event = json.dumps({"source": "eft", "detail-type": "Job Settled", "detail": {"jobId": "j"}})
    ignored = json.dumps({"source": "eft", "detail-type": "Something New", "detail": {}})
    task = messages.dumps(CopyPartition("j", WEST, "r-000001"))
    test = webhooks.send_test(world.west, TENANT, "hook")
    world.collect()
    [mail] = [mail for mail in world.mail if mail.queue == "notify"]
    bodies = [event, ignored, "nonsense", task, mail.body]
    records = [{"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]
    answer = handlers.notify(world.west, {"Records": records}, 0)
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == ["m0", "m2", "m3"]
    assert receiver.ids == [test]
