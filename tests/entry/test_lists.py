"""Test the reads of jobs, objects, endpoints, feeds and health."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.core.errors import Denied
from chalicelib.core.policy import Policy
from simulation.memory.env import CONTROL, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api
from tests.tasks import carry_out

FAR_MS = 2_000_000_000_000
GARBAGE = [
    "x",
    "r-1",
    "r-000001",
    "r-000001.",
    "r-000001.x",
    "é",
    "a#b",
    "#",
    "000000000000000#",
    "0:job-x",
    "'\"",
    "%",
]


def pages(api: Api, path: str, name: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    """Yield every page, following the cursors."""
    cursor = None
    while True:
        mark = "&" if "?" in path else "?"
        reply = api.get(f"{path}{mark}limit={limit}" + (f"&cursor={quote(cursor)}" if cursor else ""))
        assert reply.status == 200, reply.body
        yield reply.json[name]
        cursor = reply.json["next_cursor"]
        if cursor is None:
            return


# --- jobs ---------------------------------------------------------------------------------------------------------


def test_no_jobs_yet(api: Api) -> None:
    assert api.get("/jobs").json == {"jobs": [], "next_cursor": None}


def test_jobs_are_listed_newest_first(api: Api) -> None:
    job_ids = [api.submit().json["id"] for _ in range(5)]
    reply = api.get("/jobs").json
    assert [job["id"] for job in reply["jobs"]] == job_ids[::-1]
    assert reply["next_cursor"] is None
    newest = reply["jobs"][0]
    assert (newest["state"], newest["settled_at"], newest["mode"]) == ("PLANNING", None, "if-changed")


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_jobs_come_in_pages(api: Api, limit: int) -> None:
    job_ids = [api.submit().json["id"] for _ in range(5)]
    all_pages = list(pages(api, "/jobs", "jobs", limit))
    assert [job["id"] for page in all_pages for job in page] == job_ids[::-1]
    assert all(len(page) <= limit for page in all_pages)


def test_a_job_made_meanwhile_does_not_disturb_the_paging(api: Api) -> None:
    job_ids = [api.submit().json["id"] for _ in range(4)]
    walk = pages(api, "/jobs", "jobs", 2)
    first_page = next(walk)
    api.submit()
    assert [job["id"] for page in [first_page, *walk] for job in page] == job_ids[::-1]


def test_another_tenants_jobs_are_not_listed(api: Api) -> None:
    api.submit()
    api.tenant = "other"
    assert api.get("/jobs").json["jobs"] == []


@pytest.mark.parametrize("cursor", GARBAGE)
def test_a_cursor_that_no_page_gave(api: Api, cursor: str) -> None:
    api.submit()
    assert "cursor" in api.get(f"/jobs?cursor={quote(cursor)}").problem(400, "InvalidCursor")


@pytest.mark.parametrize("path", ["/jobs", "/jobs/{id}/objects"])
@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=0", "query.limit: Input should be greater than or equal to 1"),
        ("limit=1001", "query.limit: Input should be less than or equal to 1000"),
        *(
            (f"limit={text}", "query.limit: Value error, Input should be an integer")
            for text in ("ten", "", "%205", "5%20", "5.0", "5e0", "05", "%2B5", "1_0", "0x5", "%D9%A5", "5%0A")
        ),
        ("limit=-1", "query.limit: Input should be greater than or equal to 1"),
        ("cursor=", "query.cursor: String should have at least 1 character"),
        ("cursor=" + "x" * 257, "query.cursor: String should have at most 256 characters"),
        ("limit=1&limit=1", "query.limit: it is there 2 times; send it once"),
        ("limit=x&limit=1", "query.limit: it is there 2 times; send it once"),
        ("state=RUNNING", "query.state: Extra inputs are not permitted"),
    ],
)
def test_a_query_that_is_not_valid(api: Api, path: str, query: str, detail: str) -> None:
    path = path.format(id=api.submit().json["id"])
    assert detail in api.get(f"{path}?{query}").problem(400, "InvalidRequest")


# --- one job ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_job", ["", "/objects"])
@pytest.mark.parametrize(
    "job_id",
    ["job-aaaaaaaaaaaaaaaaaaaaaaaaaa", "feed-aaaaaaaaaaaaaaaaaaaaaaaaaa", "x", "..", "%00", "job-", "a" * 2000],
)
def test_a_job_that_does_not_exist(api: Api, job_id: str, of_job: str) -> None:
    detail = api.get(f"/jobs/{job_id}{of_job}").problem(404, "UnknownJob")
    assert detail.endswith(": GET /jobs lists yours")


@pytest.mark.parametrize("of_job", ["", "/objects"])
def test_another_tenants_job_does_not_exist(api: Api, of_job: str) -> None:
    job_id = api.submit().json["id"]
    mine = api.get(f"/jobs/{job_id}{of_job}")
    assert mine.status == 200
    api.tenant = "other"
    theirs = api.get(f"/jobs/{job_id}{of_job}").problem(404, "UnknownJob")
    missing = api.get(f"/jobs/job-{'a' * 26}{of_job}").problem(404, "UnknownJob")
    assert theirs.replace(job_id, "") == missing.replace(f"job-{'a' * 26}", "")


def test_a_job_that_the_other_region_has_just_accepted(api: Api) -> None:
    """The job's item is not replicated yet. Its record is in the control bucket."""
    job_id = api.submit().json["id"]
    api.ledger.jobs.clear()
    assert api.get(f"/jobs/{job_id}").json["state"] == "PLANNING"


# --- its objects --------------------------------------------------------------------------------------------------


@pytest.fixture
def settled(api: Api) -> Iterator[str]:
    """Yield a job of ten objects in partitions of three. It is carried out to its end, and one object could not be
    read."""
    memory = api.store.store
    assert isinstance(memory, MemoryObjectStore)
    for n in range(10):
        memory.put(SOURCE[WEST], f"in/{n}.csv", f"row {n}".encode())
    api.store.rule(Rule(Operation.COPY, key="out/4.csv", times=None, error=lambda: Denied("AccessDenied", "no")))
    env = replace(api.env, policy=Policy(partition_rows=3))
    with api.over(env):
        job_id = api.submit(target={"endpoint": "target-west"}).json["id"]
        while (task := api.queue.take()) is not None:
            carry_out(env, task, FAR_MS)
        yield job_id


def test_a_settled_job(api: Api, settled: str) -> None:
    job = api.get(f"/jobs/{settled}").json
    assert (job["state"], job["phase"]) == ("PARTIAL", "settled")
    assert job["outcomes"] == {"COPIED": 9, "DENIED": 1}
    assert (job["progress"]["objects_planned"], job["progress"]["objects_done"]) == (10, 10)
    assert job["settled_at"]
    assert len(job["receipt_chain_sha256"]) == 64
    [entry] = api.get("/jobs").json["jobs"]
    assert (entry["state"], entry["settled_at"]) == ("PARTIAL", job["settled_at"])


@pytest.mark.parametrize("limit", [1, 3, 4, 10, 1000])
def test_objects_come_in_pages(api: Api, settled: str, limit: int) -> None:
    all_pages = list(pages(api, f"/jobs/{settled}/objects", "objects", limit))
    assert [row["key"] for page in all_pages for row in page] == [f"in/{n}.csv" for n in range(10)]
    assert all(0 < len(page) <= limit for page in all_pages)


def test_what_is_said_of_an_object(api: Api, settled: str) -> None:
    row = api.get(f"/jobs/{settled}/objects?limit=1").json["objects"][0]
    assert (row["key"], row["target_key"], row["size"]) == ("in/0.csv", "out/0.csv", 5)
    assert (row["outcome"], row["verification"]) == ("COPIED", "etag")
    assert row["source_etag"] == row["target_etag"]


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_objects_by_outcome(api: Api, settled: str, limit: int) -> None:
    path = f"/jobs/{settled}/objects"
    copied = [row["key"] for page in pages(api, f"{path}?outcome=COPIED", "objects", limit) for row in page]
    assert copied == [f"in/{n}.csv" for n in range(10) if n != 4]
    [denied] = [row for page in pages(api, f"{path}?outcome=DENIED", "objects", limit) for row in page]
    assert (denied["key"], denied["outcome"]) == ("in/4.csv", "DENIED")
    assert "AccessDenied" in denied["detail"]
    assert api.get(f"{path}?outcome=FAILED").json == {"objects": [], "next_cursor": None}


def test_an_outcome_that_there_is_not(api: Api, settled: str) -> None:
    detail = api.get(f"/jobs/{settled}/objects?outcome=copied").problem(400, "InvalidRequest")
    assert "'COPIED'" in detail


@pytest.mark.parametrize("cursor", GARBAGE)
def test_a_cursor_of_objects_that_no_page_gave(api: Api, settled: str, cursor: str) -> None:
    assert "cursor" in api.get(f"/jobs/{settled}/objects?cursor={quote(cursor)}").problem(400, "InvalidCursor")


def test_no_objects_before_anything_is_planned(api: Api) -> None:
    job_id = api.submit().json["id"]
    assert api.get(f"/jobs/{job_id}/objects").json == {"objects": [], "next_cursor": None}


# --- endpoints and feeds ------------------------------------------------------------------------------------------


def test_endpoints_are_the_tenants_own(api: Api) -> None:
    endpoints = api.get("/endpoints").json["endpoints"]
    assert [endpoint["id"] for endpoint in endpoints] == ["source-east", "source-west", "target-east", "target-west"]
    assert endpoints[2] == {
        "id": "target-east",
        "bucket": TARGET["us-gov-east-1"].name,
        "region": "us-gov-east-1",
        "owner_account": None,
        "prefix": "out/",
        "access": "read-write",
        "kms_key": None,
        "requester_pays": False,
        "website": False,
        "max_concurrency": None,
        "managed_by": "deployment",
        "changed_at": None,
    }


def test_feeds_are_the_tenants_own(api: Api) -> None:
    assert api.get("/feeds").json == {
        "feeds": [
            {
                "id": "west-to-east",
                "source": {"endpoint": "source-west", "prefix": ""},
                "target": {"endpoint": "target-east", "prefix": ""},
                "mode": "if-changed",
                "labels": {},
                "managed_by": "deployment",
                "changed_at": None,
            }
        ]
    }
    api.tenant = "other"
    assert [feed["id"] for feed in api.get("/feeds").json["feeds"]] == ["their-feed"]


def test_a_tenant_without_anything(api: Api) -> None:
    api.tenant = "newcomer"
    assert api.get("/endpoints").json == {"endpoints": []}
    assert api.get("/feeds").json == {"feeds": []}


# --- health -------------------------------------------------------------------------------------------------------


def test_healthy(api: Api) -> None:
    reply = api.plain("GET", "/health")
    assert (reply.status, reply.json) == (200, {"status": "ok", "region": WEST})
    assert reply.headers["cache-control"] == "no-store"


def test_unhealthy_without_its_control_bucket(api: Api) -> None:
    api.store.rule(Rule(Operation.LIST, bucket=CONTROL[WEST].name, times=None))
    detail = api.plain("GET", "/health").problem(503, "Unhealthy")
    assert "use the other Region" in detail
    assert WEST in detail


def test_unhealthy_without_a_permission(api: Api) -> None:
    api.store.rule(Rule(Operation.LIST, error=lambda: Denied("AccessDenied")))
    api.plain("GET", "/health").problem(503, "Unhealthy")


def test_the_other_regions_trouble_is_not_ours(api: Api) -> None:
    api.store.rule(Rule(region="us-gov-east-1", times=None))
    assert api.plain("GET", "/health").status == 200
