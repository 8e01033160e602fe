"""A tenant can set up, change, pause, back-fill and remove its own feeds through the API, and no others."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib import settings
from chalicelib.core.errors import Retry
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.ports import Delivery, ObjectEvent
from chalicelib.protocol.catalog import catalog_of_feed, catalog_reading, read_catalog
from chalicelib.steps import intake
from simulation.memory.clock import MemoryNotifier
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Action
from simulation.memory.store import MemoryObjectStore
from tests.contract.items import delivery
from tests.entry.api import Api, Reply, make_api
from tests.entry.environ import ENDPOINTS, THEIRS_TOO, endpoint, environ
from tests.entry.tokens import Signer, auth_json

BODY: dict[str, Any] = {"source": {"endpoint": "drops"}, "target": {"endpoint": "shelf"}}
MINE = [
    endpoint("drops", "source-west", WEST, "read", prefix="drops/"),
    endpoint("shelf", "target-east", EAST, "read-write", prefix="shelf/"),
    endpoint("sink", "target-east", EAST, "write", prefix="sink/"),
]
THEIRS = [{**entry, "id": f"their-{entry['id']}", "tenant": "other"} for entry in MINE]


@pytest.fixture
def api(signer: Signer) -> Iterator[Api]:
    """Yield the API with two tenants that have the very same locations."""
    entries = [*ENDPOINTS, THEIRS_TOO, *MINE, *THEIRS]
    api = make_api(settings.read(environ(EFT_AUTH=auth_json(signer), EFT_ENDPOINTS=json.dumps(entries))), signer)
    api.scope = "read write administer"
    with api.over(api.env):
        yield api


def put(api: Api, name: str = "inbox", headers: dict[str, str] | None = None, **changes: Any) -> Reply:
    """Put a feed. An end may be given by its endpoint alone."""
    ends = {end: {"endpoint": changes.pop(end)} for end in ("source", "target") if isinstance(changes.get(end), str)}
    return api.call("PUT", f"/feeds/{name}", {**BODY, **changes, **ends}, headers=headers)


def remove(api: Api, name: str = "inbox", headers: dict[str, str] | None = None) -> Reply:
    return api.call("DELETE", f"/feeds/{name}", headers=headers)


def memory(api: Api) -> MemoryObjectStore:
    store = api.store.store
    assert isinstance(store, MemoryObjectStore)
    return store


def feed_id(api: Api, name: str = "inbox", tenant: str = "acme") -> str:
    [internal_id] = [f.id for f in read_catalog(api.env).feeds.values() if (f.tenant, f.name) == (tenant, name)]
    return internal_id


def requested_backfills(reply: Reply) -> list[Any]:
    """Return the back-fills of a feed without its first one, "created"."""
    return [backfill for backfill in reply.json["backfills"] if backfill["id"] != "created"]


def limited(api: Api, **limits: int) -> Api:
    return replace(api, env=replace(api.env, policy=replace(api.env.policy, **limits)))


def test_a_tenant_has_so_many_feeds(api: Api) -> None:
    """No tenant can make the sweeps go through more than this number of its feeds (B6)."""
    few = limited(api, feeds_per_tenant=2)
    with few.over(few.env):
        put(few, "a")
        put(few, "b")
        assert "remove one first" in put(few, "c").problem(409, "TooManyRegistered")
        assert put(few, "b", mode="always").status == 200, "those that it has can be changed"
        few.tenant = "other"
        assert put(few, "c", source="their-drops", target="their-sink").status == 201
        few.tenant = "acme"
        remove(few, "a")
        assert put(few, "c").status == 201


def test_making_and_removing_has_a_limit(api: Api) -> None:
    few = limited(api, removed_per_tenant=2)
    with few.over(few.env):
        for _ in range(2):
            put(few)
            remove(few)
        assert "30 days" in put(few).problem(409, "TooManyRegistered")


# --- life ---------------------------------------------------------------------------------------------------------


def test_a_feeds_life(api: Api) -> None:
    created_reply = put(api, labels={"team": "orders"})
    assert created_reply.status == 201
    assert created_reply.json | {"changed_at": ""} == {
        "id": "inbox",
        "source": {"endpoint": "drops", "prefix": ""},
        "target": {"endpoint": "shelf", "prefix": ""},
        "mode": "if-changed",
        "labels": {"team": "orders"},
        "managed_by": "api",
        "changed_at": "",
    }
    shown = api.get("/feeds/inbox")
    [created] = shown.json["backfills"]
    assert shown.json == {
        **created_reply.json,
        "paused": False,
        "paused_at": None,
        "stopped": None,
        "backfills": [created],
    }
    assert (created["id"], created["state"]) == ("created", "WAITING")
    assert shown.headers["etag"] == created_reply.headers["etag"]
    assert [(f["id"], f["managed_by"]) for f in api.get("/feeds").json["feeds"]] == [
        ("inbox", "api"),
        ("west-to-east", "deployment"),
    ]
    changed = put(api, mode="always", headers={"If-Match": created_reply.headers["etag"]})
    assert (changed.status, changed.json["mode"], changed.json["labels"]) == (200, "always", {})
    assert changed.headers["etag"] != created_reply.headers["etag"]
    removed = remove(api, headers={"If-Match": changed.headers["etag"]})
    assert (removed.status, removed.body) == (204, b"")
    assert "GET /feeds lists yours" in api.get("/feeds/inbox").problem(404, "UnknownFeed")
    remove(api).problem(404, "UnknownFeed")
    assert [f["id"] for f in api.get("/feeds").json["feeds"]] == ["west-to-east"]


def test_it_delivers(api: Api) -> None:
    put(api)
    memory(api).put(SOURCE[WEST], "drops/a", b"x")
    assert intake.run(api.env, [ObjectEvent("source-west", "drops/a")]) == set()
    assert memory(api).keys(TARGET[EAST]) == ("shelf/a",)
    remove(api)
    memory(api).put(SOURCE[WEST], "drops/b", b"x")
    intake.run(api.env, [ObjectEvent("source-west", "drops/b")])
    assert memory(api).keys(TARGET[EAST]) == ("shelf/a",)


def test_it_delivers_from_prefix_to_prefix(api: Api) -> None:
    source, target = {"endpoint": "drops", "prefix": "2027/"}, {"endpoint": "shelf", "prefix": "new/"}
    created = put(api, source=source, target=target)
    assert (created.json["source"], created.json["target"]) == (source, target)
    for key in ("drops/2027/a", "drops/2026/a"):
        memory(api).put(SOURCE[WEST], key, b"x")
        intake.run(api.env, [ObjectEvent("source-west", key)])
    assert memory(api).keys(TARGET[EAST]) == ("shelf/new/a",)
    assert "make another feed" in put(api, source="drops", target=target).problem(409, "InUse")


def test_a_prefix_that_no_key_can_have(api: Api) -> None:
    put(api, source={"endpoint": "drops", "prefix": "x" * 1020 + "/"}).problem(400, "PrefixTooLong")


def test_a_prefix_is_a_folder_or_is_said_to_be_a_text(api: Api) -> None:
    for role, name in (("source", "drops"), ("target", "shelf")):
        location = {"endpoint": name, "prefix": "2027"}
        assert f"{role}: prefix '2027'" in put(api, "mine", None, **{role: location}).problem(400, "PrefixNotAFolder")
    source = {"endpoint": "drops", "prefix": "2027", "text_prefix": True}
    created = put(api, source=source, target={"endpoint": "shelf", "prefix": "new/"})
    assert (created.status, created.json["source"]["prefix"]) == (201, "2027")


def test_the_same_again_changes_nothing(api: Api) -> None:
    first = put(api)
    repeated = put(api)
    assert (repeated.status, repeated.json, repeated.headers["etag"]) == (200, first.json, first.headers["etag"])


def test_its_ends_stay_what_they_are(api: Api) -> None:
    put(api)
    for reply in (put(api, source="source-west"), put(api, target="sink")):
        assert "make another feed" in reply.problem(409, "InUse")
    assert api.get("/feeds/inbox").json["source"]["endpoint"] == "drops"


def test_conditions(api: Api) -> None:
    put(api, headers={"If-Match": "*"}).problem(412, "HasChanged")
    tag = put(api, headers={"If-None-Match": "*"}).headers["etag"]
    put(api, headers={"If-None-Match": "*"}).problem(412, "AlreadyThere")
    put(api, mode="always")
    put(api, mode="never", headers={"If-Match": tag}).problem(412, "HasChanged")
    remove(api, headers={"If-Match": tag}).problem(412, "HasChanged")
    remove(api, headers={"If-Match": "nonsense"}).problem(400, "InvalidCondition")
    assert api.get("/feeds/inbox").json["mode"] == "always"


def test_a_pause_is_no_change_of_what_was_set_up(api: Api) -> None:
    tag = put(api).headers["etag"]
    assert api.call("POST", "/feeds/inbox/pause").headers["etag"] == tag
    assert put(api, mode="always", headers={"If-Match": tag}).status == 200
    assert api.get("/feeds/inbox").json["paused"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"source": "nowhere"}, 400, "UnknownEndpoint"),
        ({"target": "nowhere"}, 400, "UnknownEndpoint"),
        ({"source": "their-drops"}, 400, "UnknownEndpoint"),
        ({"target": "their-shelf"}, 400, "UnknownEndpoint"),
        ({"source": "sink"}, 400, "NotReadable"),
        ({"target": "source-west"}, 400, "NotWritable"),
        ({"source": ""}, 400, "InvalidRequest"),
        ({"mode": "sometimes"}, 400, "InvalidRequest"),
        ({"paused": True}, 400, "InvalidRequest"),
        ({"labels": {str(n): "x" for n in range(11)}}, 400, "InvalidRequest"),
    ],
    ids=repr,
)
def test_what_can_not_be_set_up(api: Api, changes: dict[str, Any], status: int, code: str) -> None:
    put(api, **changes).problem(status, code)
    api.get("/feeds/inbox").problem(404, "UnknownFeed")


@pytest.mark.parametrize("name", ["-x", "a b", "ä", "a" * 65])
def test_names_that_are_none(api: Api, name: str) -> None:
    put(api, quote(name)).problem(400, "InvalidName")


def test_what_came_with_the_deployment_stays(api: Api) -> None:
    put(api, "west-to-east").problem(409, "DeclaredByDeployment")
    remove(api, "west-to-east").problem(409, "DeclaredByDeployment")
    reply = api.get("/feeds/west-to-east")
    assert reply.json["managed_by"] == "deployment"
    assert "etag" not in reply.headers
    # It can be paused and resumed all the same, since the desired state is no part of the declaration.
    assert api.call("POST", "/feeds/west-to-east/pause").json["paused"]
    assert not api.call("POST", "/feeds/west-to-east/resume").json["paused"]
    assert api.call("POST", "/feeds/west-to-east/backfill").status == 202


def test_what_a_later_deployment_declares_counts(api: Api, signer: Signer) -> None:
    put(api)
    registered = feed_id(api)
    declared = replace(next(iter(read_catalog(api.env).feeds.values())), id="inbox", name="inbox", tenant="acme")
    later = replace(api.env, declared_feeds={"inbox": declared})
    assert list(read_catalog(later).feeds) == ["inbox"]
    assert list(catalog_reading(later, [("source-west", "drops/a")]).feeds) == ["inbox"]
    catalog = catalog_of_feed(later, registered)
    assert (list(catalog.feeds), list(catalog.removed)) == ([], [registered])


def test_every_change_is_in_the_audit(api: Api) -> None:
    put(api)
    put(api, mode="never")
    remove(api)
    changes = [(c["kind"], c["action"], c["id"]) for c in api.get("/audit").json["changes"]]
    assert changes == [("feed", "removed", "inbox"), ("feed", "changed", "inbox"), ("feed", "created", "inbox")]


def test_an_endpoint_that_a_feed_names_stays(api: Api) -> None:
    memory(api).make_bucket(replace(SOURCE[WEST], name="mine"), tags={"eft-tenants": "acme"})
    body = {"bucket": "mine", "region": WEST, "owner_account": "111122223333", "access": "read"}
    assert api.call("PUT", "/endpoints/extra", body).status == 201
    put(api, source="extra")
    assert "'inbox'" in api.call("DELETE", "/endpoints/extra").problem(409, "InUse")
    remove(api)
    assert api.call("DELETE", "/endpoints/extra").status == 204


# --- loops --------------------------------------------------------------------------------------------------------


def test_a_feed_must_not_trigger_itself(api: Api) -> None:
    assert "inbox -> inbox" in put(api, source="shelf").problem(400, "FeedLoop")
    # target-east's prefix is out/, shelf/ lies elsewhere: neither reads what the other writes.
    assert put(api, source="target-east").status == 201


def test_nor_by_way_of_its_own_tenants_feeds(api: Api) -> None:
    assert put(api, "there", source="shelf", target="sink").status == 201
    entry = {"bucket": "target-east", "region": EAST, "owner_account": "111122223333", "access": "read"}
    memory(api).make_bucket(TARGET[EAST], versioned=True, tags={"eft-tenants": "acme"})
    assert api.call("PUT", "/endpoints/sunk", {**entry, "prefix": "sink/deep/"}).status == 201
    detail = put(api, "back", source="sunk", target="shelf").problem(400, "FeedLoop")
    assert "back -> there -> back" in detail


def test_nor_by_way_of_another_tenants_feed_which_is_not_named(api: Api) -> None:
    api.tenant = "other"
    assert put(api, "secret", source="their-shelf", target="their-sink").status == 201
    api.tenant = "acme"
    memory(api).make_bucket(TARGET[EAST], versioned=True, tags={"eft-tenants": "acme"})
    entry = {"bucket": "target-east", "region": EAST, "owner_account": "111122223333", "access": "read"}
    assert api.call("PUT", "/endpoints/sunk", {**entry, "prefix": "sink/"}).status == 201
    detail = put(api, "mine", source="sunk", target="shelf").problem(400, "FeedLoop")
    assert "mine -> (another tenant's) -> mine" in detail
    assert "secret" not in detail


# --- tenants ------------------------------------------------------------------------------------------------------


def test_the_same_name_of_two_tenants_is_two_feeds(api: Api) -> None:
    put(api, labels={"whose": "acme"})
    api.tenant = "other"
    theirs = put(api, source="their-drops", target="their-sink", labels={"whose": "other"})
    assert theirs.status == 201
    assert feed_id(api) != feed_id(api, tenant="other")
    assert api.call("POST", "/feeds/inbox/pause").json["paused"]
    assert api.call("POST", "/feeds/inbox/backfill").status == 202
    api.tenant = "acme"
    mine = api.get("/feeds/inbox").json
    assert (mine["labels"], mine["paused"], len(mine["backfills"])) == ({"whose": "acme"}, False, 1)
    remove(api)
    api.tenant = "other"
    assert api.get("/feeds/inbox").json["labels"] == {"whose": "other"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/backfill"),
        ("GET", "/deliveries"),
    ],
)
def test_another_tenants_feed_is_one_that_never_was(api: Api, method: str, path: str) -> None:
    api.tenant = "other"
    put(api, "theirs", source="their-drops", target="their-sink")
    api.tenant = "acme"
    answers = []
    for name in ("theirs", "nobody", "their-feed"):  # These feeds are registered, missing, and declared.
        requests = api.store.store.requests.copy()  # type: ignore[attr-defined] # memory's
        answer = api.call(method, f"/feeds/{name}{path}")
        answer.problem(404, "UnknownFeed")
        assert api.store.store.requests == requests  # type: ignore[attr-defined] # memory's
        answers.append(answer.body.replace(name.encode(), b"NAME"))
    assert len(set(answers)) == 1
    api.tenant = "other"
    assert api.get("/feeds/theirs").json["paused"] is False


# --- pause, resume, back-fill -------------------------------------------------------------------------------------


def test_pausing_and_resuming(api: Api) -> None:
    put(api)
    paused = api.call("POST", "/feeds/inbox/pause")
    assert (paused.status, paused.json["paused"]) == (202, True)
    assert paused.json["paused_at"] is not None
    assert api.call("POST", "/feeds/inbox/pause").json == paused.json == api.get("/feeds/inbox").json
    resumed = api.call("POST", "/feeds/inbox/resume")
    assert (resumed.status, resumed.json["paused"], resumed.json["paused_at"]) == (202, False, None)
    [backfill] = requested_backfills(resumed)
    assert (backfill["id"], backfill["state"]) == ("resume-000002", "WAITING")
    assert backfill["since"] < paused.json["paused_at"]
    assert api.call("POST", "/feeds/inbox/resume").json == resumed.json


def test_one_that_was_never_paused_needs_no_resuming(api: Api) -> None:
    put(api)
    assert requested_backfills(api.call("POST", "/feeds/inbox/resume")) == []


def test_a_back_fill_is_asked_for_once_by_its_key(api: Api) -> None:
    put(api)
    key = {"Idempotency-Key": "k"}
    first = api.call("POST", "/feeds/inbox/backfill", {"since": "2026-11-01T00:00:00Z"}, headers=key)
    assert (first.status, first.json["state"], first.json["since"]) == (202, "WAITING", "2026-11-01T00:00:00.000Z")
    repeated = api.call("POST", "/feeds/inbox/backfill", {"since": "2026-11-01T00:00:00Z"}, headers=key)
    assert (repeated.status, repeated.json) == (202, first.json)
    api.call("POST", "/feeds/inbox/backfill", headers=key).problem(422, "IdempotencyKeyReused")
    assert requested_backfills(api.get("/feeds/inbox")) == [first.json]
    assert api.call("POST", "/feeds/inbox/backfill").json["since"] == "1970-01-01T00:00:00.000Z"
    assert len(requested_backfills(api.get("/feeds/inbox"))) == 2


def test_back_fills_do_not_pile_up(api: Api) -> None:
    put(api)
    for number in range(5):
        assert api.call("POST", "/feeds/inbox/backfill", headers={"Idempotency-Key": str(number)}).status == 202
    api.call("POST", "/feeds/inbox/backfill").problem(409, "InUse")
    assert api.call("POST", "/feeds/inbox/backfill", headers={"Idempotency-Key": "3"}).status == 202


@pytest.mark.parametrize(
    ("body", "code"),
    [({"since": "yesterday"}, "InvalidRequest"), ({"until": "2026-11-01T00:00:00Z"}, "InvalidRequest")],
    ids=repr,
)
def test_back_fills_that_are_none(api: Api, body: dict[str, object], code: str) -> None:
    put(api)
    api.call("POST", "/feeds/inbox/backfill", body).problem(400, code)
    api.call("POST", "/feeds/inbox/backfill", raw=b"[]").problem(400, "NotAnObject")
    api.call("POST", "/feeds/inbox/backfill", headers={"Idempotency-Key": ""}).problem(400, "InvalidIdempotencyKey")


def test_where_the_targets_region_can_not_be_asked(api: Api) -> None:
    put(api)
    api.store.rule(Rule(bucket=CONTROL[EAST].name, times=None, error=lambda: Retry("Timeout")))
    view = api.get("/feeds/inbox").json
    assert (view["id"], view["paused"], view["backfills"]) == ("inbox", None, [])
    api.call("POST", "/feeds/inbox/pause").problem(503, "TryAgain")


# --- deliveries ---------------------------------------------------------------------------------------------------


def note_deliveries(api: Api, *deliveries: Delivery) -> None:
    internal_id = feed_id(api)
    api.ledger.put_deliveries([replace(d, feed_id=internal_id) for d in deliveries])


def keys(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.body
    return [listed["key"] for listed in reply.json["deliveries"]]


def test_deliveries_the_newest_first(api: Api) -> None:
    put(api)
    note_deliveries(api, *(delivery(f"drops/{n}", at_ms=1_800_000_000_000 + n) for n in range(7)))
    assert keys(api.get("/feeds/inbox/deliveries")) == [f"drops/{n}" for n in reversed(range(7))]
    listed, cursor = [], ""
    for _ in range(4):
        reply = api.get(f"/feeds/inbox/deliveries?limit=2{cursor}")
        listed += keys(reply)
        if reply.json["next_cursor"] is None:
            break
        cursor = f"&cursor={quote(reply.json['next_cursor'])}"
    assert listed == [f"drops/{n}" for n in reversed(range(7))]


def test_what_a_delivery_shows(api: Api) -> None:
    put(api)
    note_deliveries(api, delivery("drops/a", status=DeliveryStatus.VERIFIED, job_id=None))
    [view] = api.get("/feeds/inbox/deliveries").json["deliveries"]
    assert view == {
        "key": "drops/a",
        "target_key": "out/drops/a",
        "version": "v1",
        "size": 5,
        "source_etag": "e",
        "status": "VERIFIED",
        "outcome": "COPIED",
        "detail": "",
        "target_etag": "e2",
        "checksum": {"algorithm": "CRC64NVME", "type": "FULL_OBJECT", "value": "AAAA"},
        "job_id": None,
        "region": WEST,
        "at": "2027-01-15T08:00:00.000Z",
    }


def test_what_both_regions_say_is_one_delivery(api: Api) -> None:
    put(api)
    queued = delivery("drops/a", status=DeliveryStatus.QUEUED, outcome=None, at_ms=5)
    note_deliveries(
        api,
        queued,
        replace(queued, region=EAST, status=DeliveryStatus.VERIFIED, at_ms=4),
        delivery("drops/b", region=WEST, status=DeliveryStatus.FAILED, at_ms=3),
        delivery("drops/b", region=EAST, status=DeliveryStatus.QUEUED, at_ms=6),
        delivery("drops/b", pin="v0", status=DeliveryStatus.COPIED, at_ms=2),
    )
    views = api.get("/feeds/inbox/deliveries").json["deliveries"]
    assert [(d["key"], d["version"], d["status"]) for d in views] == [
        ("drops/b", "v1", "QUEUED"),
        ("drops/a", "v1", "VERIFIED"),
        ("drops/b", "v0", "COPIED"),
    ]
    of_b = api.get("/feeds/inbox/deliveries?key=drops/b").json["deliveries"]
    assert [(d["version"], d["status"]) for d in of_b] == [("v1", "QUEUED"), ("v0", "COPIED")]


def test_searching(api: Api) -> None:
    put(api)
    failed, copied = DeliveryStatus.FAILED, DeliveryStatus.COPIED
    note_deliveries(
        api,
        *(
            delivery(f"drops/{n % 2}/{n}", at_ms=1_800_000_000_000 + 1000 * n, status=failed if n % 3 else copied)
            for n in range(9)
        ),
    )

    def search(query: str) -> list[int]:
        return [int(key.rpartition("/")[2]) for key in keys(api.get(f"/feeds/inbox/deliveries?{query}"))]

    assert search("status=COPIED") == [6, 3, 0]
    assert search("status=QUEUED") == []
    assert search("prefix=drops/1/") == [7, 5, 3, 1]
    assert search("prefix=drops/1/&status=COPIED") == [3]
    assert search("since=2027-01-15T08:00:06Z") == [8, 7, 6]
    assert search("until=2027-01-15T08:00:02Z") == [1, 0]
    assert search("since=2027-01-15T08:00:02Z&until=2027-01-15T08:00:04.001Z") == [4, 3, 2]
    assert search("key=drops/1/3") == [3]
    assert search("key=drops/1/3&status=FAILED") == []
    assert search("key=drops/1") == []
    api.get("/feeds/inbox/deliveries?status=copied").problem(400, "InvalidRequest")
    api.get("/feeds/inbox/deliveries?since=now").problem(400, "InvalidRequest")
    api.get("/feeds/inbox/deliveries?cursor=x").problem(400, "InvalidCursor")


def test_a_rare_status_among_many_is_found_in_bounded_requests(api: Api) -> None:
    put(api)
    note_deliveries(api, *(delivery(f"drops/{n:04}", at_ms=n + 1) for n in range(60)))
    note_deliveries(api, delivery("drops/bad", status=DeliveryStatus.FAILED, at_ms=1))
    pages, cursor, listed = 0, "", []
    while True:
        reply = api.get(f"/feeds/inbox/deliveries?status=FAILED&limit=2{cursor}")
        listed += keys(reply)
        pages += 1
        if reply.json["next_cursor"] is None:
            break
        cursor = f"&cursor={quote(reply.json['next_cursor'])}"
    assert listed == ["drops/bad"]
    assert pages == 4, "each reads the index ten times, and no more"


def test_all_versions_of_a_key_in_pages(api: Api) -> None:
    put(api)
    note_deliveries(api, *(delivery("drops/a", pin=f"v{n}", at_ms=n // 2) for n in range(5)))
    versions, cursor = [], ""
    while True:
        reply = api.get(f"/feeds/inbox/deliveries?key=drops/a&limit=2{cursor}")
        versions += [d["version"] for d in reply.json["deliveries"]]
        if reply.json["next_cursor"] is None:
            break
        cursor = f"&cursor={quote(reply.json['next_cursor'])}"
    assert sorted(versions) == [f"v{n}" for n in range(5)]
    assert versions[0] == "v4"


def test_a_feed_that_is_made_again_has_delivered_nothing(api: Api) -> None:
    put(api)
    first_id = feed_id(api)
    note_deliveries(api, delivery("drops/a"))
    api.call("POST", "/feeds/inbox/pause")
    remove(api)
    put(api)
    assert feed_id(api) != first_id
    second_feed = api.get("/feeds/inbox").json
    assert not second_feed["paused"]
    assert keys(api.get("/feeds/inbox/deliveries")) == []


def test_a_failure_is_told_with_the_tenants_name_for_its_feed(api: Api) -> None:
    put(api)
    memory(api).put(SOURCE[WEST], "drops/a", b"x")
    memory(api).deny(SOURCE[WEST], Action.READ)
    intake.run(api.env, [ObjectEvent("source-west", "drops/a")])
    notifier = api.env.notifier
    assert isinstance(notifier, MemoryNotifier)
    assert notifier.failed_feeds == [("acme", "inbox")]
    [view] = api.get("/feeds/inbox/deliveries?status=FAILED").json["deliveries"]
    assert (view["key"], view["outcome"]) == ("drops/a", "DENIED")
