"""An endpoint is probed before it is registered. Its changes are conditional and audited, and it belongs to its tenant
alone."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import Denied, Retry
from chalicelib.core.objects import Bucket
from chalicelib.protocol.catalog import read_catalog
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Action, Operation
from simulation.memory.state import ACCOUNT
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api, Reply

DROPS = Bucket("acme-drops", WEST, ACCOUNT)
BODY: dict[str, Any] = {
    "bucket": DROPS.name,
    "region": WEST,
    "owner_account": ACCOUNT,
    "prefix": "inbox/",
    "access": "read-write",
}


@pytest.fixture
def memory(api: Api) -> MemoryObjectStore:
    """Return the memory with one more bucket, whose tag names acme and another tenant."""
    api.scope = "read write administer"
    store = api.store.store
    assert isinstance(store, MemoryObjectStore)
    store.make_bucket(DROPS, tags={"eft-tenants": "other acme"})
    return store


def put(api: Api, name: str = "drops", headers: dict[str, str] | None = None, **changes: object) -> Reply:
    return api.call("PUT", f"/endpoints/{name}", {**BODY, **changes}, headers=headers)


def remove(api: Api, name: str = "drops", headers: dict[str, str] | None = None) -> Reply:
    return api.call("DELETE", f"/endpoints/{name}", headers=headers)


# --- life ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("memory")
def test_an_endpoints_life(api: Api) -> None:
    created = put(api)
    assert (created.status, created.json["managed_by"], created.json["prefix"]) == (201, "api", "inbox/")
    assert api.get("/endpoints/drops").json == created.json
    assert api.get("/endpoints/drops").headers["etag"] == created.headers["etag"]
    assert "drops" in [endpoint["id"] for endpoint in api.get("/endpoints").json["endpoints"]]
    changed = put(api, access="read", headers={"If-Match": created.headers["etag"]})
    assert (changed.status, changed.json["access"]) == (200, "read")
    assert changed.headers["etag"] != created.headers["etag"]
    removed = remove(api, headers={"If-Match": changed.headers["etag"]})
    assert (removed.status, removed.body) == (204, b"")
    assert "content-type" not in removed.headers
    api.get("/endpoints/drops").problem(404, "NoSuchEndpoint")
    remove(api).problem(404, "NoSuchEndpoint")
    assert put(api).status == 201, "and made again"


@pytest.mark.usefixtures("memory")
def test_a_job_goes_through_it_at_once(api: Api) -> None:
    put(api, access="read")
    assert api.submit(source={"endpoint": "drops", "prefix": "2027/"}).status == 201
    spec = next(iter(api.ledger.jobs.values()))
    assert (spec.source.bucket, spec.source_prefix) == (DROPS, "inbox/2027/")
    assert api.submit(source={"endpoint": "target-east", "prefix": "x/"}, target={"endpoint": "drops"}).json[
        "detail"
    ] == ("endpoint 'drops' may not be written to: choose another target")


@pytest.mark.usefixtures("memory")
def test_the_same_again_changes_nothing(api: Api) -> None:
    """A client sends the same request again when its answer was lost."""
    first, repeated = put(api), put(api)
    assert (first.status, repeated.status) == (201, 200)
    assert repeated.headers["etag"] == first.headers["etag"]
    assert len(api.get("/audit").json["changes"]) == 1


@pytest.mark.usefixtures("memory")
def test_conditions(api: Api) -> None:
    put(api, headers={"If-Match": "*"}).problem(412, "HasChanged")
    etag = put(api, headers={"If-None-Match": "*"}).headers["etag"]
    put(api, headers={"If-None-Match": "*"}).problem(412, "AlreadyThere")
    put(api, access="read", headers={"If-Match": '"another"'}).problem(412, "HasChanged")
    assert put(api, access="read", headers={"If-Match": f'"another", {etag}'}).status == 200
    remove(api, headers={"If-Match": etag}).problem(412, "HasChanged")
    assert remove(api, headers={"If-Match": "*"}).status == 204


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": "bare"},
        {"If-Match": 'W/"weak"'},
        {"If-Match": ""},
        {"If-None-Match": '"x"'},
        {"If-Match": "*", "If-None-Match": "*"},
    ],
    ids=str,
)
def test_conditions_that_say_nothing(api: Api, headers: dict[str, str]) -> None:
    put(api, headers=headers).problem(400, "InvalidCondition")


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("change", [{"prefix": "other/"}, {"bucket": "target-west"}, {"region": EAST}])
def test_it_stays_the_location_that_it_is(api: Api, change: dict[str, Any]) -> None:
    put(api)
    assert "register one" in put(api, **change).problem(409, "InUse")


@pytest.mark.usefixtures("memory")
def test_what_came_with_the_deployment_stays(api: Api) -> None:
    assert api.get("/endpoints/source-west").json["managed_by"] == "deployment"
    assert "etag" not in api.get("/endpoints/source-west").headers
    put(api, "source-west").problem(409, "DeclaredByDeployment")
    remove(api, "source-west").problem(409, "DeclaredByDeployment")


@pytest.mark.usefixtures("memory")
def test_another_tenants_names_are_free(api: Api) -> None:
    """No tenant learns by trying which names others have, declared or registered."""
    assert put(api, "theirs").status == 201
    api.tenant = "other"
    assert put(api, "drops").status == 201
    assert api.get("/endpoints/theirs").json["managed_by"] == "deployment"
    api.tenant = "acme"
    api.get("/endpoints/drops").problem(404, "NoSuchEndpoint")
    assert put(api, "drops").status == 201


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("name", ["-x", "a" * 65, "a b", "é", ".."])
def test_names(api: Api, name: str) -> None:
    put(api, name.replace(" ", "%20").replace("é", "%C3%A9")).problem(400, "InvalidName")


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    "change",
    [
        {"bucket": "Big"},
        {"bucket": "a/b"},
        {"region": "nowhere"},
        {"owner_account": "12"},
        {"prefix": "é" * 600},
        {"access": "all"},
        {"kms_key": "key"},
        {"tenant": "other"},
    ],
    ids=str,
)
def test_bodies_that_are_refused(api: Api, change: dict[str, Any]) -> None:
    put(api, **change).problem(400, "InvalidRequest")


@pytest.mark.usefixtures("memory")
def test_a_prefix_is_a_folder_or_is_said_to_be_a_text(api: Api) -> None:
    assert "prefix 'inbox' doesn't end in '/'" in put(api, prefix="inbox").problem(400, "PrefixNotAFolder")
    assert "send 'inbox/'" in put(api, prefix="/inbox/").problem(400, "PrefixNotAFolder")
    created = put(api, prefix="inbox", text_prefix=True)
    assert (created.status, created.json["prefix"]) == (201, "inbox")


def test_one_that_a_feed_uses_stays(api: Api, memory: MemoryObjectStore) -> None:
    """A declared feed may share a name with a registered endpoint only by accident; a registered feed does so on
    purpose."""
    put(api)
    feed = replace(next(iter(api.env.declared_feeds.values())), id="f", name="nightly", source="drops")
    with api.over(replace(api.env, declared_feeds={"f": feed})):
        assert "'nightly'" in remove(api).problem(409, "InUse")
    assert remove(api).status == 204


# --- probing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket", "tags"),
    [
        (Bucket("acme-drops", WEST, ACCOUNT), {}),
        (Bucket("acme-drops", WEST, ACCOUNT), {"eft-tenants": "acmee ACME acme,other"}),
        (Bucket("acme-drops", WEST, "999999999999"), {"eft-tenants": "acme"}),
        (Bucket("another", WEST, ACCOUNT), {"eft-tenants": "acme"}),
    ],
    ids=["no tag", "another tenant's", "another owner", "no bucket"],
)
def test_a_bucket_that_does_not_say_so(
    api: Api, memory: MemoryObjectStore, bucket: Bucket, tags: dict[str, str]
) -> None:
    """The answer gives no reason. A tenant that can't prove more does not learn whose bucket it is, or whether it
    exists."""
    memory.drop_bucket(DROPS)
    memory.make_bucket(bucket, tags=tags)
    detail = put(api).problem(422, "EndpointUnusable")
    assert detail == (
        "bucket 'acme-drops' can't be used: it must exist in us-gov-west-1 in account 111122223333, let the service's "
        "roles look at it (s3:ListBucket, s3:GetBucketTagging), and its tag 'eft-tenants' must name your tenant"
    )
    api.get("/endpoints/drops").problem(404, "NoSuchEndpoint")


def test_the_services_own_bucket(api: Api, memory: MemoryObjectStore) -> None:
    """A tenant that could write there could forge records."""
    memory.make_bucket(CONTROL[WEST], tags={"eft-tenants": "acme"})
    put(api, bucket=CONTROL[WEST].name).problem(422, "EndpointUnusable")


def test_it_is_in_another_region(api: Api, memory: MemoryObjectStore) -> None:
    memory.make_bucket(replace(DROPS, region=EAST), tags={"eft-tenants": "acme"})
    assert "is in us-gov-east-1" in put(api).problem(422, "EndpointUnusable")


def test_written_to_where_no_records_can_be(api: Api, memory: MemoryObjectStore) -> None:
    memory.make_bucket(replace(DROPS, region="us-east-1"), tags={"eft-tenants": "acme"})
    assert "keeps its records in" in put(api, region="us-east-1").problem(422, "EndpointUnusable")
    assert put(api, region="us-east-1", access="read").status == 201


@pytest.mark.parametrize(
    ("action", "word"), [(Action.LIST, "eft-tenants"), (Action.READ, "s3:GetObject"), (Action.WRITE, "s3:PutObject")]
)
def test_what_is_refused_is_found_at_once(api: Api, memory: MemoryObjectStore, action: Action, word: str) -> None:
    memory.put(DROPS, "inbox/empty", b"")
    memory.put(DROPS, "inbox/frozen", b"ice", storage_class="GLACIER")
    memory.put(DROPS, "inbox/x", b"content")
    memory.deny(DROPS, action)
    assert word in put(api).problem(422, "EndpointUnusable")
    check = api.call("POST", "/endpoints/source-west/check")
    assert check.status == 200


def test_all_that_stands_against_it_is_told_together(api: Api, memory: MemoryObjectStore) -> None:
    memory.put(DROPS, "inbox/x", b"content")
    memory.deny(DROPS, Action.READ, Action.WRITE)
    detail = put(api).problem(422, "EndpointUnusable")
    assert "s3:GetObject" in detail
    assert "s3:PutObject" in detail


def test_probing_leaves_nothing_behind(api: Api, memory: MemoryObjectStore) -> None:
    put(api)
    assert memory.list(DROPS, "").objects == ()
    assert list(memory.list_uploads(DROPS, "")) == []
    assert memory.requests[Operation.CREATE_UPLOAD, DROPS.name] == 1


def test_a_probe_that_was_interrupted_is_collected(api: Api, memory: MemoryObjectStore) -> None:
    """The probe's upload lies below the endpoint, and the sweep knows the role that began it."""
    api.store.rule(Rule(Operation.ABORT, bucket=DROPS.name))
    put(api).problem(503, "TryAgain")
    [upload] = memory.list_uploads(DROPS, "inbox/.eft-probe/")
    assert upload.initiator == memory.principal
    assert put(api).status == 201


@pytest.mark.usefixtures("memory")
def test_s3_does_not_answer(api: Api) -> None:
    api.store.rule(Rule(Operation.HEAD_BUCKET, error=lambda: Retry("SlowDown", "later")))
    put(api).problem(503, "TryAgain")


def test_check(api: Api, memory: MemoryObjectStore) -> None:
    put(api)
    assert api.call("POST", "/endpoints/drops/check").json == {"id": "drops", "usable": True, "findings": []}
    memory.deny(DROPS, Action.WRITE)
    report = api.call("POST", "/endpoints/drops/check").json
    assert (report["usable"], len(report["findings"])) == (False, 1)


# --- again, when a job is submitted -------------------------------------------------------------------------------


def test_a_bucket_that_was_taken_back(api: Api, memory: MemoryObjectStore) -> None:
    """From then on no new job is accepted: the tag is read for each one."""
    put(api)
    assert api.submit(source={"endpoint": "drops"}).status == 201
    memory.make_bucket(DROPS, tags={"eft-tenants": "other"})
    detail = api.submit(source={"endpoint": "drops"}).problem(422, "EndpointUnusable")
    assert detail.startswith("endpoint 'drops': bucket 'acme-drops' can't be used")


def test_a_region_that_does_not_answer_takes_jobs_all_the_same(api: Api, memory: MemoryObjectStore) -> None:
    put(api)
    api.store.rule(Rule(Operation.HEAD_BUCKET, bucket=DROPS.name))
    assert api.submit(source={"endpoint": "drops"}).status == 201


def test_listing_is_refused_now(api: Api, memory: MemoryObjectStore) -> None:
    put(api)
    api.store.rule(Rule(Operation.LIST, bucket=DROPS.name, error=lambda: Denied("AccessDenied", "no")))
    assert "s3:ListBucket" in api.submit(source={"endpoint": "drops"}).problem(422, "EndpointUnusable")


# --- the audit ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("memory")
def test_every_change_is_kept(api: Api) -> None:
    put(api)
    put(api, access="read")
    remove(api)
    put(api, "source-west")
    changes = api.get("/audit").json["changes"]
    assert [(c["action"], c["id"], c["version"]) for c in changes] == [
        ("removed", "drops", 3),
        ("changed", "drops", 2),
        ("created", "drops", 1),
    ]
    assert {c["by"] for c in changes} == {"ann"}
    assert (changes[1]["before"]["writable"], changes[1]["after"]["writable"]) == (True, False)
    assert (changes[0]["after"], changes[2]["before"]) == (None, None)
    page = api.get("/audit?limit=2").json
    last_page = api.get(f"/audit?limit=2&cursor={page['next_cursor'].replace('#', '%23')}").json
    assert (page["changes"] + last_page["changes"], last_page["next_cursor"]) == (changes, None)
    api.tenant = "other"
    assert api.get("/audit").json["changes"] == []


@pytest.mark.parametrize("cursor", ["x", "12", "%23", "000000000000001%23"])
@pytest.mark.usefixtures("memory")
def test_cursors_that_nobody_gave_out(api: Api, cursor: str) -> None:
    api.get(f"/audit?cursor={cursor}").problem(400, "InvalidCursor")


# --- steps --------------------------------------------------------------------------------------------------------


def test_the_sweep_knows_removed_ones(api: Api, memory: MemoryObjectStore) -> None:
    """Uploads that were begun under removed endpoints must still be cleaned up."""
    put(api)
    remove(api)
    [endpoint] = [e for e in read_catalog(api.env).endpoints.values() if e.id == "drops"]
    assert isinstance(endpoint, Endpoint)
    assert endpoint.bucket == DROPS
    assert {SOURCE[WEST].name, TARGET[EAST].name} <= {e.bucket.name for e in read_catalog(api.env).endpoints.values()}
