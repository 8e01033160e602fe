"""Two tenants know each other's ids, cursors and Idempotency-Keys, and try all of them in thousands of requests. No
answer holds data of the other tenant that was not in the question."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib import settings
from chalicelib.core.policy import Policy
from simulation.memory.env import EAST, TARGET, WEST
from simulation.memory.store import MemoryObjectStore
from tests.contract.items import delivery
from tests.entry.api import Api, Reply, make_api
from tests.entry.environ import endpoint, environ, feed
from tests.entry.tokens import Signer, auth_json
from tests.tasks import carry_out

REQUESTS = 4000
FAR_MS = 2_000_000_000_000
ON_A_WEBHOOK = (("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test"))
KEYS = ("nightly", "k-1", "2026-11-26", "invoice/7", "a b")
"""Both tenants use these same keys."""


@dataclass
class Tenant:
    """A tenant. `word` is in all its own names. No other tenant has the same number of objects or the same sizes."""

    word: str
    objects: int
    size: int
    jobs: list[str] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    etags: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"tenant-{self.word}"

    @property
    def endpoints(self) -> list[dict[str, Any]]:
        owner = {"tenant": self.name}
        return [
            endpoint(f"{self.word}-in", "target-west", WEST, "read", prefix=f"{self.word}/in/", **owner),
            endpoint(f"{self.word}-out", "target-east", EAST, "write", prefix=f"{self.word}/out/", **owner),
        ]

    @property
    def feed(self) -> dict[str, Any]:
        return feed(f"{self.word}-feed", f"{self.word}-in", f"{self.word}-out", tenant=self.name)

    @property
    def body(self) -> dict[str, Any]:
        return {"source": {"endpoint": f"{self.word}-in"}, "target": {"endpoint": f"{self.word}-out"}}

    @property
    def schedules(self) -> tuple[str, str]:
        """Return the names of two schedules. Both tenants use the first name."""
        return "nightly", f"{self.word}-weekly"

    @property
    def numbers(self) -> set[int]:
        return {self.objects, self.size, self.size * self.objects}


@pytest.fixture
def tenants() -> tuple[Tenant, Tenant]:
    return Tenant("quince", 13, 10_007), Tenant("medlar", 29, 20_011)


@pytest.fixture
def world(signer: Signer, tenants: tuple[Tenant, Tenant]) -> Iterator[Api]:
    entries = [entry for tenant in tenants for entry in tenant.endpoints]
    feeds = [tenant.feed for tenant in tenants]
    changes = {"EFT_ENDPOINTS": json.dumps(entries), "EFT_FEEDS": json.dumps(feeds)}
    api = make_api(settings.read(environ(EFT_AUTH=auth_json(signer), **changes)), signer)
    api.env = replace(api.env, policy=Policy(partition_rows=4))
    api.scope = "read write administer"
    with api.over(api.env):
        api.scope = "read write administer"
        for tenant in tenants:
            _work(api, tenant)
        yield api


def _work(api: Api, tenant: Tenant) -> None:
    """Make objects, and jobs under each key. The first job is carried out, so that its counts can be seen."""
    memory = api.store.store
    assert isinstance(memory, MemoryObjectStore)
    for index in range(tenant.objects):
        body = f"{tenant.word}{index:04}".encode().ljust(tenant.size, b".")
        tenant.etags.add(memory.put(TARGET[WEST], f"{tenant.word}/in/{tenant.word}-{index:04}", body).etag)
    api.tenant = tenant.name
    tenant.jobs += [str(api.submit(key, **tenant.body).json["id"]) for key in KEYS]
    for name in tenant.schedules:
        reply = api.call("PUT", f"/schedules/{name}", {"cron": "0 2 * * *", "job": tenant.body})
        tenant.etags.add(reply.headers["etag"].strip('"'))
    assert len(set(tenant.jobs)) == len(KEYS)
    while (task := api.queue.take()) is not None:
        if task.job_id != tenant.jobs[0]:
            continue
        carry_out(api.env, task, FAR_MS)
    hook = {"url": f"https://{tenant.word}.example/hook", "events": ["job.settled"]}
    assert api.call("PUT", f"/webhooks/{tenant.word}-hook", hook).status == 201
    view = api.get(f"/jobs/{tenant.jobs[0]}").json
    assert (view["state"], view["outcomes"]) == ("SUCCEEDED", {"COPIED": tenant.objects}), view
    feed_id, size = f"{tenant.word}-feed", tenant.size
    keys = [f"{tenant.word}/in/{tenant.word}-{index:04}" for index in range(tenant.objects)]
    api.ledger.put_deliveries([delivery(key, feed_id=feed_id, size=size, target=f"{key}-out") for key in keys])
    lists = (*_lists(tenant.jobs[0]), f"/feeds/{feed_id}/deliveries?")
    tenant.cursors += [str(api.get(f"{path}limit=2").json["next_cursor"]) for path in lists]
    assert "None" not in tenant.cursors


def _lists(job_id: str) -> tuple[str, str]:
    return "/jobs?", f"/jobs/{job_id}/objects?"


def test_two_tenants_hammering_each_others_ids(world: Api, tenants: tuple[Tenant, Tenant]) -> None:
    random = Random(20261126)
    quince, medlar = tenants
    statuses: set[int] = set()
    for _ in range(REQUESTS):
        asking, other = random.choice([(quince, medlar), (medlar, quince)])
        request = _draw(random, asking, other)
        world.tenant = asking.name
        reply = world.call(request.method, request.path, request.body, headers=request.headers)
        statuses.add(reply.status)
        assert leaks(reply, request, other) == [], request
        if reply.status == 201:
            asking.jobs.append(reply.json["id"])
    # There is no 202: no job or feed of the other tenant was paused, resumed, cancelled or back-filled. Each is as its
    # owner made it.
    assert statuses == {200, 201, 400, 404, 422}
    for tenant in tenants:
        world.tenant = tenant.name
        assert world.get(f"/jobs/{tenant.jobs[0]}").json["outcomes"] == {"COPIED": tenant.objects}
        assert {spec.job_id for spec in world.ledger.jobs.values() if spec.tenant == tenant.name} == set(tenant.jobs)
        assert {world.get(f"/jobs/{job_id}").json["state"] for job_id in tenant.jobs[1:]} == {"PLANNING"}
        assert {name: world.get(f"/schedules/{name}").json["job"]["source"] for name in tenant.schedules} == {
            name: {"endpoint": f"{tenant.word}-in", "prefix": ""} for name in tenant.schedules
        }
        assert [hook["id"] for hook in world.get("/webhooks").json["webhooks"]] == [f"{tenant.word}-hook"]
        [feed_id] = [view["id"] for view in world.get("/feeds").json["feeds"]]
        feed = world.get(f"/feeds/{feed_id}").json
        assert (feed["paused"], feed["backfills"]) == (False, [])
        assert len(world.get(f"/feeds/{feed_id}/deliveries").json["deliveries"]) == tenant.objects


def test_the_same_key_of_two_tenants_is_two_jobs(world: Api, tenants: tuple[Tenant, Tenant]) -> None:
    for mine, theirs in zip(tenants[0].jobs, tenants[1].jobs, strict=True):
        assert mine != theirs
    # Each tenant repeats its submissions, and finds its own jobs.
    for tenant in tenants:
        world.tenant = tenant.name
        for key, job_id in zip(KEYS, tenant.jobs, strict=True):
            repeated = world.submit(key, **tenant.body)
            assert (repeated.status, repeated.json["id"]) == (200, job_id)


def test_a_leak_would_be_found(world: Api, tenants: tuple[Tenant, Tenant]) -> None:
    """Each thing that one tenant rightly sees is a leak if the other tenant sees it."""
    quince, medlar = tenants
    world.tenant = medlar.name
    feed = f"/feeds/{medlar.word}-feed"
    job = f"/jobs/{medlar.jobs[0]}"
    of_feeds = ("/feeds", feed, f"{feed}/deliveries")
    for path in ("/jobs", job, f"{job}/objects", "/endpoints", *of_feeds, "/schedules", "/webhooks"):
        reply = world.get(path)
        assert leaks(reply, Request("GET", "/jobs"), medlar), path
        assert not leaks(reply, Request("GET", path), quince), path


# --- the questions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return json.dumps([self.path, self.body, self.headers])


def _draw(random: Random, asking: Tenant, other: Tenant) -> Request:
    job_id = random.choice(other.jobs if random.random() < 0.8 else asking.jobs[:1])
    kind = random.randrange(7)
    if kind == 6:
        hook = f"/webhooks/{other.word}-hook"
        return random.choice(
            [Request("GET", "/webhooks"), *(Request(method, hook + path) for method, path in ON_A_WEBHOOK)]
        )
    if kind == 0:
        return Request("GET", f"/jobs/{job_id}")
    if kind == 1:
        # These are only jobs of the other tenant: to pause a finished job would change nothing, and the others would
        # grow a history.
        return Request("POST", f"/jobs/{random.choice(other.jobs)}/{random.choice(['pause', 'resume', 'cancel'])}")
    if kind == 2:
        return Request("GET", random.choice(["/jobs", "/endpoints", "/feeds", "/schedules", f"/jobs/{job_id}/objects"]))
    if kind == 3:
        path = random.choice(_lists(random.choice([job_id, asking.jobs[0]])))
        cursor = random.choice([*other.cursors, *asking.cursors, job_id, f"0:{job_id}", "r-000001.0"])
        return Request("GET", f"{path}limit={random.choice([1, 3, 1000])}&cursor={quote(cursor)}")
    if kind == 4:
        return random.choice([_draw_schedule, _draw_of_feeds])(random, asking, other)
    ends = [tenant.body[end] for tenant in (asking, other) for end in ("source", "target")]
    body = asking.body if random.random() < 0.5 else {"source": random.choice(ends), "target": random.choice(ends)}
    key = random.choice([*KEYS, job_id, f"k-{random.randrange(20)}"])
    changes = {"mode": random.choice(["if-changed", "never"])} if random.random() < 0.3 else {}
    return Request("POST", "/jobs", {**body, **changes}, {"Idempotency-Key": key})


def _draw_schedule(random: Random, asking: Tenant, other: Tenant) -> Request:
    """Draw a request about a schedule: the tenant's own under a name that both have, or the other tenant's, by name and
    by ETag."""
    theirs = f"/schedules/{other.schedules[1]}"
    if random.random() < 0.5:
        headers = {"If-Match": f'"{random.choice(sorted(other.etags))}"'} if random.random() < 0.5 else {}
        return Request(random.choice(["GET", "DELETE"]), theirs, headers=headers)
    source = random.choice([asking.body, other.body])["source"]
    body = {"cron": "0 2 * * *", "overlap": random.choice(["skip", "allow"]), "job": {**asking.body, "source": source}}
    return random.choice([Request("GET", "/schedules/nightly"), Request("PUT", "/schedules/nightly", body)])


def _draw_of_feeds(random: Random, asking: Tenant, other: Tenant) -> Request:
    """Draw a request about feeds. A tenant only reads its own feed."""
    mine, theirs = f"{asking.word}-feed", f"{other.word}-feed"
    if random.random() < 0.4:
        cursor = quote(random.choice([*other.cursors, *asking.cursors]))
        name = random.choice([mine, theirs])
        key = quote(f"{other.word}/in/{other.word}-0001")
        query = random.choice(["", f"cursor={cursor}&limit=3", f"key={key}", f"prefix={quote(other.word)}"])
        return Request("GET", f"/feeds/{name}{random.choice(['', f'/deliveries?{query}'])}")
    if random.random() < 0.5:
        method, path = random.choice([("DELETE", ""), *(("POST", f"/{a}") for a in ("pause", "resume", "backfill"))])
        return Request(method, f"/feeds/{theirs}{path}", headers={"Idempotency-Key": random.choice(KEYS)})
    ends = random.choice([(asking, other), (other, asking), (other, other)])
    body = {"source": ends[0].body["source"], "target": ends[1].body["target"]}
    return Request("PUT", f"/feeds/{random.choice([theirs, 'a-new-one'])}", body)


# --- the answers --------------------------------------------------------------------------------------------------


def leaks(reply: Reply, request: Request, other: Tenant) -> list[str]:
    """Return the other tenant's data in an answer that were not in the question."""
    text = reply.body.decode() + json.dumps(reply.headers)
    question = request.text
    leaked = [job_id for job_id in other.jobs if job_id in text and job_id not in question]
    leaked += [etag for etag in other.etags if etag in text]
    # All names, keys and prefixes of the other tenant hold its word. Only those that are in the question may be in the
    # answer.
    remaining = text.replace(request.path.partition("?")[0], "")  # A problem's `instance` repeats the path.
    for own_word in (
        f"{other.word}-in",
        f"{other.word}-out",
        f"{other.word}-feed",
        f"{other.word}-hook",
        other.schedules[1],
    ):
        if own_word in question:
            remaining = remaining.replace(f"'{own_word}'", "").replace(f'/schedules/{own_word}"', "")
    leaked += [other.word] if other.word in remaining else []
    return leaked + [str(number) for number in _numbers(reply.json) if number in other.numbers]


def _numbers(node: Any) -> Iterator[int]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _numbers(item)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield int(node)
