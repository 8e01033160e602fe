"""Test the gateway's locks, memory and counters, and its control endpoints."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from local.gateway.apis import Apis
from local.gateway.checksums import Checksum
from local.gateway.control import Control
from local.gateway.counters import Counters
from local.gateway.cuts import Cuts
from local.gateway.errors import error_answer
from local.gateway.faults import Faults
from local.gateway.locks import KeyLocks
from local.gateway.memory import ObjectFacts, ObjectMemory
from local.gateway.multipart import Upload, Uploads
from local.gateway.owners import Owners
from local.gateway.replication import Replication
from local.gateway.replicator import Replicator
from local.gateway.routing import Router, RoutingTimes
from local.gateway.upstream import Upstream, object_target
from tests.gateway.test_faults import call

CRC = Checksum("CRC32", "FULL_OBJECT", "v")


def test_a_lock_is_held_by_one_at_a_time_and_forgotten() -> None:
    async def scenario() -> list[str]:
        locks, log = KeyLocks(), []

        async def user(name: str) -> None:
            async with locks.holding("b", "k"):
                log.append(f"{name} in")
                await asyncio.sleep(0)
                log.append(f"{name} out")

        await asyncio.gather(user("a"), user("b"), user("c"))
        assert len(locks) == 0
        return log

    log = asyncio.run(scenario())
    assert log == ["a in", "a out", "b in", "b out", "c in", "c out"]


def test_many_keys_in_any_order_do_not_deadlock() -> None:
    async def scenario() -> None:
        locks = KeyLocks()

        async def user(keys: list[str]) -> None:
            async with locks.holding_all("b", keys):
                await asyncio.sleep(0)

        await asyncio.gather(user(["a", "b", "c"]), user(["c", "b", "a", "a"]), user(["b"]))
        assert len(locks) == 0

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_a_lock_is_released_when_its_holder_fails() -> None:
    async def scenario() -> None:
        locks = KeyLocks()
        with pytest.raises(ValueError, match="boom"):
            async with locks.holding("b", "k"):
                raise ValueError("boom")
        async with locks.holding("b", "k"):
            pass

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_facts_are_believed_only_for_the_same_etag() -> None:
    memory = ObjectMemory()
    memory.written("b", "k", "v1", ObjectFacts("e", 3, CRC))
    assert memory.facts("b", "k", "", '"e"') is not None
    assert memory.facts("b", "k", "v1", "e") is not None
    assert memory.facts("b", "k", "", '"f"') is None
    memory.written("b", "k", "v2", None)
    assert memory.facts("b", "k", "", "e") is None
    assert memory.facts("b", "k", "v1", "e") is not None


def test_memory_is_bounded_and_knows_which_buckets_show_checksums() -> None:
    memory = ObjectMemory(capacity=2)
    memory.written("a", "k", "", ObjectFacts("e", 1, CRC))
    assert memory.has_checksums("a")
    memory.written("b", "k", "", ObjectFacts("e", 1, CRC))
    memory.written("c", "k", "", ObjectFacts("e", 1, CRC))
    assert not memory.has_checksums("a")
    memory.deleted("b", "k")
    assert not memory.has_checksums("b")
    assert memory.has_checksums("c")


def test_counters_add_up() -> None:
    counters = Counters()
    for status in (200, 204, 412, None):
        counters.count(call(), status)
    counters.count(call(operation="HeadObject", caller="us-gov-west-1"), 404)
    report: Any = counters.report()
    assert report["totals"] == {"CopyObject": 4, "HeadObject": 1}
    assert report["total"] == 5
    assert {row["status"]: row["count"] for row in report["requests"] if row["caller"] == "aws"} == {
        "2xx": 2,
        "4xx": 1,
        "dropped": 1,
    }
    counters.reset()
    assert counters.report() == {"requests": [], "totals": {}, "total": 0}


def test_owners_are_whoever_created_the_bucket() -> None:
    owners = Owners("000000000000")
    owners.learn(call(operation="CreateBucket", bucket="theirs", access_key="111111111111"))
    copy = call(bucket="ours")
    theirs = {"x-amz-copy-source": "theirs/k", "x-amz-source-expected-bucket-owner": "111111111111"}
    assert owners.check(copy, theirs | {"x-amz-expected-bucket-owner": "000000000000"}) is None
    assert owners.check(copy, {"x-amz-expected-bucket-owner": "111111111111"}) is not None
    assert owners.check(copy, theirs | {"x-amz-copy-source": "ours/k"}) is not None
    assert owners.check(copy, {}) is None


def test_targets_survive_any_key() -> None:
    assert object_target("b", "/a b+c%/../é", versionId="a&b") == "/b//a%20b%2Bc%25/../%C3%A9?versionId=a%26b"


@pytest.mark.parametrize(
    ("service", "expected"),
    [("s3", b"<Code>SlowDown</Code>"), ("dynamodb", b'"__type": "SlowDown"'), ("cloudformation", b"<ErrorResponse>")],
)
def test_errors_speak_the_services_protocol(service: str, expected: bytes) -> None:
    _, body = error_answer(service, 503, "SlowDown", "m")
    assert expected in body


@pytest.fixture
def control() -> Control:
    cuts, faults = Cuts(), Faults()
    apis = Apis(Upstream("http://127.0.0.1:1"), Router("west", "east", RoutingTimes()), cuts, faults)
    replicator = Replicator(Upstream("http://127.0.0.1:1"), Replication(["west", "east"]))
    return Control(Counters(), faults, cuts, apis, replicator, Uploads(), frozenset({"west", "east"}))


def ask(control: Control, method: str, path: str, body: object = None, **query: str) -> tuple[int, Any]:
    status, reply = control.answer(method, f"/_gateway/{path}", query, json.dumps(body).encode())
    return status, json.loads(reply)


def test_control_says_what_it_knows(control: Control) -> None:
    assert ask(control, "GET", "health") == (200, {"status": "ok"})
    status, reply = ask(control, "GET", "nonsense")
    assert status == 404
    assert "GET /_gateway/requests" in reply["known"]


def test_faults_are_put_shown_and_deleted(control: Control) -> None:
    rule = {"id": "a", "action": {"kind": "error", "status": 503, "code": "SlowDown"}, "match": {"service": "s3"}}
    status, reply = ask(control, "PUT", "faults", [rule])
    assert (status, reply[0]["fired"]) == (200, 0)
    control.faults.decide(call(), 0)
    assert ask(control, "GET", "faults")[1][0]["fired"] == 1
    assert ask(control, "PUT", "faults", [{"id": "a"}])[0] == 400
    assert ask(control, "DELETE", "faults") == (200, [])


def test_regions_are_cut_and_joined(control: Control) -> None:
    cut = {"regions": ["west"], "s3_regions": ["west"], "hanging": []}
    assert ask(control, "PUT", "cut/west", s3="true") == (200, cut)
    assert ask(control, "PUT", "cut/west", s3="true", how="hang") == (200, cut | {"hanging": ["west"]})
    assert ask(control, "DELETE", "cut/west") == (200, {"regions": [], "s3_regions": [], "hanging": []})
    assert ask(control, "PUT", "cut/north")[0] == 400
    status, reply = ask(control, "PUT", "cut/west", how="slam")
    assert (status, "how=hang" in reply["error"]) == (400, True)
    assert ask(control, "GET", "cut/west")[0] == 405


def test_apis_are_registered(control: Control) -> None:
    paths = {"west": {"path": "/a"}, "east": {"path": "/b"}}
    assert ask(control, "PUT", "apis", paths) == (200, paths)
    assert ask(control, "GET", "apis") == (200, paths)
    assert ask(control, "PUT", "apis", {"north": {"path": "/a"}})[0] == 400
    assert ask(control, "PUT", "apis", {"west": {"path": "a"}})[0] == 400


def test_replication_is_set_and_shown(control: Control) -> None:
    status, reply = ask(control, "PUT", "replication", {"lag_ms": 5, "stalled": ["west->east"], "tables": {"t": ["k"]}})
    assert (status, reply) == (200, ask(control, "GET", "replication")[1])
    assert (reply["lag_ms"], reply["stalled"], reply["tables"]) == (5, ["west->east"], {"t": ["k"]})
    assert reply["queues"]["west->east"] == {"waiting": 0, "oldest_ms": 0, "delivered": 0, "superseded": 0}
    status, reply = ask(control, "PUT", "replication", {"stalled": ["north->south"]})
    assert (status, "no such direction: north->south" in reply["error"]) == (400, True)


def test_an_upload_looks_as_old_as_told(control: Control) -> None:
    control.uploads.add("u", Upload("b", "k", "", ""))
    assert ask(control, "PUT", "uploads/age", {"upload_id": "u", "age_hours": 48})[0] == 200
    upload = control.uploads.get("u")
    assert upload is not None
    assert upload.older_by_s == 48 * 3600
    assert ask(control, "PUT", "uploads/age", {"upload_id": "v", "age_hours": 48})[0] == 404
    assert ask(control, "PUT", "uploads/age", {"upload_id": "u", "age_hours": -1})[0] == 400
