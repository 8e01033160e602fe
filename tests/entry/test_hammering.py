"""Two tenants who know each other's ids, cursors and Idempotency-Keys, and try all of them: thousands of requests, and
no answer holds anything of the other's that its own question didn't."""

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
"""Both tenants use the very same ones."""


@dataclass
class Tenant:
    """`word` is in every name of its own; the number of its objects and their sizes are nobody else's."""

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
        more = {"tenant": self.name}
        return [
            endpoint(f"{self.word}-in", "target-west", WEST, "read", prefix=f"{self.word}/in/", **more),
            endpoint(f"{self.word}-out", "target-east", EAST, "write", prefix=f"{self.word}/out/", **more),
        ]

    @property
    def feed(self) -> dict[str, Any]:
        return feed(f"{self.word}-feed", f"{self.word}-in", f"{self.word}-out", tenant=self.name)

    @property
    def body(self) -> dict[str, Any]:
        return {"source": {"endpoint": f"{self.word}-in"}, "target": {"endpoint": f"{self.word}-out"}}

    @property
    def schedules(self) -> tuple[str, str]:
        """The first one's name is both tenants'."""
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
    made = make_api(settings.read(environ(EFT_AUTH=auth_json(signer), **changes)), signer)
    made.env = replace(made.env, policy=Policy(partition_rows=4))
    made.scope = "read write administer"
    with made.over(made.env):
        made.scope = "read write administer"
        for tenant in tenants:
            _work(made, tenant)
        yield made


def _work(api: Api, tenant: Tenant) -> None:
    """Jobs under each key; the first is done, so that its counts are there to be seen."""
    memory = api.store.store
    assert isinstance(memory, MemoryObjectStore)
    for index in range(tenant.objects):
        body = f"{tenant.word}{index:04}".encode().ljust(tenant.size, b".")
        tenant.etags.add(memory.put(TARGET[WEST], f"{tenant.word}/in/{tenant.word}-{index:04}", body).etag)
    api.tenant = tenant.name
    tenant.jobs += [str(api.submit(key, **tenant.body).json["id"]) for key in KEYS]
    for name in tenant.schedules:
        made = api.call("PUT", f"/schedules/{name}", {"cron": "0 2 * * *", "job": tenant.body})
        tenant.etags.add(made.headers["etag"].strip('"'))
    assert len(set(tenant.jobs)) == len(KEYS)
    while (task := api.queue.take()) is not None:
        if task.job_id != tenant.jobs[0]:
            continue
        carry_out(api.env, task, FAR_MS)
    hook = {"url": f"https://{tenant.word}.example/hook", "events": ["job.settled"]}
    assert api.call("PUT", f"/webhooks/{tenant.word}-hook", hook).status == 201
    seen = api.get(f"/jobs/{tenant.jobs[0]}").json
    assert (seen["state"], seen["outcomes"]) == ("SUCCEEDED", {"COPIED": tenant.objects}), seen
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
    # No 202: nobody's job or feed was paused, resumed, cancelled or back-filled, and each is what its owner made it.
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
        [feed_id] = [found["id"] for found in world.get("/feeds").json["feeds"]]
        feed = world.get(f"/feeds/{feed_id}").json
        assert (feed["paused"], feed["backfills"]) == (False, [])
        assert len(world.get(f"/feeds/{feed_id}/deliveries").json["deliveries"]) == tenant.objects


def test_the_same_key_of_two_tenants_is_two_jobs(world: Api, tenants: tuple[Tenant, Tenant]) -> None:
    for mine, theirs in zip(tenants[0].jobs, tenants[1].jobs, strict=True):
        assert mine != theirs
    # Said again, each finds its own.
    for tenant in tenants:
        world.tenant = tenant.name
        for key, job_id in zip(KEYS, tenant.jobs, strict=True):
            again = world.submit(key, **tenant.body)
            assert (again.status, again.json["id"]) == (200, job_id)


def test_a_leak_would_be_found(world: Api, tenants: tuple[Tenant, Tenant]) -> None:
    """What one tenant rightly sees is a leak in the other's hands, each of it."""
    quince, medlar = tenants
    world.tenant = medlar.name
    feed = f"/feeds/{medlar.word}-feed"
    job = f"/jobs/{medlar.jobs[0]}"
    of_feeds = ("/feeds", feed, f"{feed}/deliveries")
    for path in ("/jobs", job, f"{job}/objects", "/endpoints", *of_feeds, "/schedules", "/webhooks"):
        reply = world.get(path)
        assert leaks(reply, Asked("GET", "/jobs"), medlar), path
        assert not leaks(reply, Asked("GET", path), quince), path


# --- the questions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return json.dumps([self.path, self.body, self.headers])


def _draw(random: Random, asking: Tenant, other: Tenant) -> Asked:
    job_id = random.choice(other.jobs if random.random() < 0.8 else asking.jobs[:1])
    kind = random.randrange(7)
    if kind == 6:
        hook = f"/webhooks/{other.word}-hook"
        return random.choice(
            [Asked("GET", "/webhooks"), *(Asked(method, hook + path) for method, path in ON_A_WEBHOOK)]
        )
    if kind == 0:
        return Asked("GET", f"/jobs/{job_id}")
    if kind == 1:
        # Not its own: pausing what is done would be no news, but the others would grow a history.
        return Asked("POST", f"/jobs/{random.choice(other.jobs)}/{random.choice(['pause', 'resume', 'cancel'])}")
    if kind == 2:
        return Asked("GET", random.choice(["/jobs", "/endpoints", "/feeds", "/schedules", f"/jobs/{job_id}/objects"]))
    if kind == 3:
        path = random.choice(_lists(random.choice([job_id, asking.jobs[0]])))
        cursor = random.choice([*other.cursors, *asking.cursors, job_id, f"0:{job_id}", "r-000001.0"])
        return Asked("GET", f"{path}limit={random.choice([1, 3, 1000])}&cursor={quote(cursor)}")
    if kind == 4:
        return random.choice([_draw_schedule, _draw_of_feeds])(random, asking, other)
    places = [tenant.body[end] for tenant in (asking, other) for end in ("source", "target")]
    body = asking.body if random.random() < 0.5 else {"source": random.choice(places), "target": random.choice(places)}
    key = random.choice([*KEYS, job_id, f"k-{random.randrange(20)}"])
    changes = {"mode": random.choice(["if-changed", "never"])} if random.random() < 0.3 else {}
    return Asked("POST", "/jobs", {**body, **changes}, {"Idempotency-Key": key})


def _draw_schedule(random: Random, asking: Tenant, other: Tenant) -> Asked:
    """Its own under a name that is the other's too; the other's, by name and by ETag."""
    theirs = f"/schedules/{other.schedules[1]}"
    if random.random() < 0.5:
        headers = {"If-Match": f'"{random.choice(sorted(other.etags))}"'} if random.random() < 0.5 else {}
        return Asked(random.choice(["GET", "DELETE"]), theirs, headers=headers)
    source = random.choice([asking.body, other.body])["source"]
    body = {"cron": "0 2 * * *", "overlap": random.choice(["skip", "allow"]), "job": {**asking.body, "source": source}}
    return random.choice([Asked("GET", "/schedules/nightly"), Asked("PUT", "/schedules/nightly", body)])


def _draw_of_feeds(random: Random, asking: Tenant, other: Tenant) -> Asked:
    """Its own feed it only looks at."""
    mine, theirs = f"{asking.word}-feed", f"{other.word}-feed"
    if random.random() < 0.4:
        cursor = quote(random.choice([*other.cursors, *asking.cursors]))
        name = random.choice([mine, theirs])
        key = quote(f"{other.word}/in/{other.word}-0001")
        more = random.choice(["", f"cursor={cursor}&limit=3", f"key={key}", f"prefix={quote(other.word)}"])
        return Asked("GET", f"/feeds/{name}{random.choice(['', f'/deliveries?{more}'])}")
    if random.random() < 0.5:
        method, path = random.choice([("DELETE", ""), *(("POST", f"/{a}") for a in ("pause", "resume", "backfill"))])
        return Asked(method, f"/feeds/{theirs}{path}", headers={"Idempotency-Key": random.choice(KEYS)})
    ends = random.choice([(asking, other), (other, asking), (other, other)])
    body = {"source": ends[0].body["source"], "target": ends[1].body["target"]}
    return Asked("PUT", f"/feeds/{random.choice([theirs, 'a-new-one'])}", body)


# --- the answers --------------------------------------------------------------------------------------------------


def leaks(reply: Reply, request: Asked, other: Tenant) -> list[str]:
    """What of the other tenant's is in an answer and was not in the question."""
    text = reply.body.decode() + json.dumps(reply.headers)
    said = request.text
    found = [job_id for job_id in other.jobs if job_id in text and job_id not in said]
    found += [etag for etag in other.etags if etag in text]
    # Every name, key and prefix of its has its word in it: only those that the question itself named may be there.
    rest = text.replace(request.path.partition("?")[0], "")  # A problem's `instance`.
    for own_word in (
        f"{other.word}-in",
        f"{other.word}-out",
        f"{other.word}-feed",
        f"{other.word}-hook",
        other.schedules[1],
    ):
        if own_word in said:
            rest = rest.replace(f"'{own_word}'", "").replace(f'/schedules/{own_word}"', "")
    found += [other.word] if other.word in rest else []
    return found + [str(number) for number in _numbers(reply.json) if number in other.numbers]


def _numbers(node: Any) -> Iterator[int]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _numbers(item)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield int(node)
