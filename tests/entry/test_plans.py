"""Test POST /plans and the operations that follow it, over HTTP."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.objects import Bucket
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api, Reply
from tests.tasks import carry_out

FAR_MS = 2_000_000_000_000
ENDS: dict[str, Any] = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}}
NEVER = "job-" + "a" * 26


def submit(api: Api, key: str | None = None, **changes: Any) -> Reply:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.call("POST", "/plans", {**ENDS, **changes}, headers=headers)


def work(api: Api) -> None:
    while (task := api.queue.take()) is not None:
        carry_out(api.env, task, FAR_MS)


def memory(api: Api) -> MemoryObjectStore:
    store = api.store.store
    assert isinstance(store, MemoryObjectStore)
    return store


def put(api: Api, bucket: Bucket, key: str, body: bytes, **options: Any) -> None:
    memory(api).put(bucket, key, body, **options)


@pytest.fixture
def filled(api: Api) -> Api:
    put(api, SOURCE[WEST], "in/archived", b"12345", storage_class="GLACIER")
    put(api, SOURCE[WEST], "in/new", b"x" * 1000)
    put(api, SOURCE[WEST], "in/same", b"same")
    put(api, TARGET[EAST], "out/same", b"same")
    return api


def test_from_the_plan_to_the_job(filled: Api) -> None:
    api = filled
    created = submit(api, "k")
    assert (created.status, created.json["state"], created.json["totals"]) == (201, "PLANNING", None)
    plan_id = created.json["id"]
    assert created.headers["location"].endswith(f"/plans/{plan_id}")
    assert api.call("POST", f"/plans/{plan_id}/approve").problem(409, "PlanNotMade").endswith("shows PLANNED")
    work(api)
    plan = api.get(f"/plans/{plan_id}").json
    assert plan["state"] == "PLANNED"
    assert plan["totals"] == {
        "objects": 3,
        "bytes": 1009,
        "objects_to_copy": 1,
        "bytes_to_copy": 1000,
        "multipart_objects": 0,
        "unchanged": 1,
        "would_fail": {"ARCHIVED": 1},
        "filtered_out": 0,
        "partitions": 1,
        "error": "",
    }
    assert plan["requests"]["copying"]["CopyObject"] == 1
    assert plan["planned_at"] < plan["expires_at"]
    assert plan["duration"]["seconds"] > 0
    assert api.get(f"/jobs/{plan_id}").json["state"] == "PLANNED"
    assert api.get("/jobs").json["jobs"] == []
    approved = api.call("POST", f"/plans/{plan_id}/approve")
    assert (approved.status, approved.json["id"]) == (202, plan_id)
    assert approved.headers["location"].endswith(f"/jobs/{plan_id}")
    work(api)
    assert api.get(f"/jobs/{plan_id}").json["outcomes"] == {"ARCHIVED": 1, "COPIED": 1, "UNCHANGED": 1}
    assert [job["id"] for job in api.get("/jobs").json["jobs"]] == [plan_id]
    assert api.get(f"/plans/{plan_id}").json == {
        **plan,
        "state": "APPROVED",
        "approved_at": api.get(f"/plans/{plan_id}").json["approved_at"],
    }
    repeated = api.call("POST", f"/plans/{plan_id}/approve")
    assert (repeated.status, repeated.json["state"]) == (202, "PARTIAL")
    assert submit(api, "k").status == 200


def test_objects_and_what_is_going_to_happen_with_them(filled: Api) -> None:
    api = filled
    plan_id = submit(api).json["id"]
    assert api.get(f"/plans/{plan_id}/objects").json == {"objects": [], "next_cursor": None}
    work(api)
    page = api.get(f"/plans/{plan_id}/objects?limit=2").json
    last_page = api.get(f"/plans/{plan_id}/objects?limit=2&cursor={page['next_cursor']}").json
    rows = page["objects"] + last_page["objects"]
    planned = [(row["key"], row["action"], row["outcome"]) for row in rows]
    assert planned == [
        ("in/archived", "NONE", "ARCHIVED"),
        ("in/new", "COPY", "COPIED"),
        ("in/same", "NONE", "UNCHANGED"),
    ]
    assert rows[0]["detail"] == "in GLACIER and not restored: restore it, then retry"
    only = api.get(f"/plans/{plan_id}/objects?outcome=ARCHIVED").json["objects"]
    assert [row["key"] for row in only] == ["in/archived"]
    api.get(f"/plans/{plan_id}/objects?cursor=x").problem(400, "InvalidCursor")
    api.get(f"/plans/{plan_id}/objects?outcome=x").problem(400, "InvalidRequest")


def test_costs_add_up_and_say_whose_prices_they_are(filled: Api) -> None:
    plan_id = submit(filled).json["id"]
    work(filled)
    costs = filled.get(f"/plans/{plan_id}").json["costs"]
    assert costs["total"] == pytest.approx(sum(line["dollars"] for line in costs["lines"]), abs=1e-5)
    assert costs["region"] == EAST
    assert costs["prices_source"] == "commercial list prices of us-east-1"
    assert costs["prices_dated"] == "2025-06-01"
    assert {line["line"] for line in costs["lines"]} >= {"S3 writes of objects, STANDARD", "Transfer between Regions"}
    assert [line["line"] for line in costs["monthly"]] == ["Storage of the copies, STANDARD"]


def test_cancelled_it_cannot_be_approved(filled: Api) -> None:
    plan_id = submit(filled).json["id"]
    work(filled)
    assert filled.call("POST", f"/jobs/{plan_id}/cancel").status == 202
    assert filled.get(f"/plans/{plan_id}").json["state"] == "CANCELLED"
    detail = filled.call("POST", f"/plans/{plan_id}/approve").problem(409, "PlanCancelled")
    assert "another Idempotency-Key" in detail
    work(filled)
    assert filled.get(f"/jobs/{plan_id}").json["state"] == "CANCELLED"


def test_too_old_it_cannot_be_approved(filled: Api) -> None:
    plan_id = submit(filled).json["id"]
    work(filled)
    filled.env.clock.sleep_ms(filled.env.policy.plan_kept_ms)
    assert filled.get(f"/plans/{plan_id}").json["state"] == "EXPIRED"
    detail = filled.call("POST", f"/plans/{plan_id}/approve").problem(409, "PlanExpired")
    assert "submit the same plan anew" in detail


@pytest.mark.parametrize("path", ["", "/objects"])
@pytest.mark.parametrize("plan_id", [NEVER, "x", "..", "%00", "job-"])
def test_a_plan_that_does_not_exist(api: Api, path: str, plan_id: str) -> None:
    detail = api.get(f"/plans/{plan_id}{path}").problem(404, "UnknownPlan")
    assert detail.endswith("its id is in the answer to POST /plans")


def test_a_job_is_no_plan(api: Api) -> None:
    job_id = api.submit().json["id"]
    api.get(f"/plans/{job_id}").problem(404, "UnknownPlan")
    api.call("POST", f"/plans/{job_id}/approve").problem(404, "UnknownPlan")


def test_a_key_of_a_job_is_not_one_for_a_plan(api: Api) -> None:
    assert api.submit("k").status == 201
    submit(api, "k").problem(422, "IdempotencyKeyReused")


def test_how_closely_to_look(filled: Api) -> None:
    plan = submit(filled, check="every-object").json
    assert plan["check"] == "every-object"
    assert "check" in submit(filled, check="hardly").problem(400, "InvalidRequest")
    filled.call("POST", "/jobs", {**ENDS, "check": "listing"}).problem(400, "InvalidRequest")


def test_own_prices(filled: Api) -> None:
    dear = replace(filled.env.prices[EAST], dated="2026-01-01", source="ours", transfer_per_gb=1000.0)
    plan_id = submit(filled).json["id"]
    work(filled)
    with filled.over(replace(filled.env, prices={**filled.env.prices, EAST: dear})):
        costs = filled.get(f"/plans/{plan_id}").json["costs"]
    assert (costs["prices_dated"], costs["prices_source"]) == ("2026-01-01", "ours")
    [line] = [line for line in costs["lines"] if line["line"] == "Transfer between Regions"]
    assert line["dollars"] == pytest.approx(1000 * 1000 / 1024**3, rel=1e-3)
