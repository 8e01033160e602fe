"""POST /jobs with `keys` or `manifest`."""

import json

import pytest

from chalicelib.core.errors import Denied
from chalicelib.entry.rest import requests
from simulation.memory.env import SOURCE, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api

LISTED = {"endpoint": "source-west", "key": "lists/today.csv"}


@pytest.fixture
def listed(api: Api) -> Api:
    memory = api.store.store
    assert isinstance(memory, MemoryObjectStore)
    memory.put(SOURCE[WEST], "in/lists/today.csv", b"source-west,in/a\n")
    return api


def test_kinds_are_shown(listed: Api) -> None:
    kinds = {
        "PREFIX": listed.submit().json,
        "KEYS": listed.submit(keys=["a", "b"]).json,
        "MANIFEST": listed.submit(manifest=LISTED).json,
    }
    for kind, job in kinds.items():
        assert job["kind"] == kind
        assert job["manifest"] == ({**LISTED, "format": "csv"} if kind == "MANIFEST" else None)
        assert listed.get(f"/jobs/{job['id']}").json == job
    assert {job["id"]: job["kind"] for job in listed.get("/jobs").json["jobs"]} == {
        job["id"]: kind for kind, job in kinds.items()
    }


def test_an_inventory(listed: Api) -> None:
    location = {"endpoint": "source-west", "key": "inventory/manifest.json", "format": "inventory"}
    assert "is not there" in listed.submit("k", manifest=location).problem(400, "ManifestUnreadable")
    memory = listed.store.store
    assert isinstance(memory, MemoryObjectStore)
    manifest = {
        "sourceBucket": "source-west",
        "destinationBucket": "arn:aws-us-gov:s3:::source-west",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": [],
    }
    memory.put(SOURCE[WEST], "in/inventory/manifest.json", json.dumps(manifest).encode())
    job = listed.submit("k", manifest=location)
    assert (job.status, job.json["kind"], job.json["manifest"]) == (201, "MANIFEST", location)
    listed.submit("k", manifest={**location, "format": "csv"}).problem(422, "IdempotencyKeyReused")
    assert "not valid" in listed.submit(manifest={**location, "format": "orc"}).json["title"]


@pytest.mark.parametrize("change", [{"keys": ["a"]}, {"manifest": LISTED}], ids=["keys", "manifest"])
def test_a_key_makes_a_retry_the_same_job(listed: Api, change: dict[str, object]) -> None:
    first, repeated = listed.submit("k", **change), listed.submit("k", **change)
    assert (first.status, repeated.status, repeated.json) == (201, 200, first.json)
    listed.submit("k").problem(422, "IdempotencyKeyReused")


def test_repeated_keys_are_one(listed: Api) -> None:
    assert listed.submit("k", keys=["a", "b", "a"]).json == listed.submit("k", keys=["a", "b"]).json


def test_as_many_and_as_long_as_there_may_be(listed: Api) -> None:
    keys = [f"{number:04d}" + "x" * (1024 - 3 - 4) for number in range(requests.KEYS_MAX)]
    assert listed.submit(keys=keys).status == 201
    assert "1 more" not in listed.submit(keys=[*keys, "one"]).problem(400, "InvalidRequest")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"keys": ["a"], "manifest": LISTED}, "ConflictingInput"),
        ({"keys": ["a"], "filter": {"include": ["a"]}}, "ConflictingInput"),
        ({"keys": ["鍵" * 341]}, "KeyTooLong"),
        ({"manifest": {**LISTED, "key": "鍵" * 341}}, "KeyTooLong"),
        ({"manifest": {**LISTED, "key": "nowhere"}}, "ManifestUnreadable"),
        ({"manifest": {**LISTED, "endpoint": "theirs"}}, "UnknownEndpoint"),
        ({"manifest": {**LISTED, "format": "parquet"}}, "InvalidRequest"),
        ({"manifest": {"key": "x"}}, "InvalidRequest"),
        ({"manifest": {**LISTED, "bucket": "x"}}, "InvalidRequest"),
        ({"keys": [""]}, "InvalidRequest"),
        ({"keys": ["x" * 1025]}, "InvalidRequest"),
        ({"keys": "a"}, "InvalidRequest"),
        ({"keys": [1]}, "InvalidRequest"),
    ],
    ids=lambda value: str(value)[:50].encode("ascii", "replace").decode(),
)
def test_what_is_refused(listed: Api, change: dict[str, object], code: str) -> None:
    listed.submit(None, **change).problem(400, code)
    assert listed.ledger.jobs == {}


def test_a_manifest_that_may_not_be_read(listed: Api) -> None:
    def denied() -> Exception:
        return Denied("AccessDenied", "no")

    listed.store.rule(Rule(Operation.HEAD, bucket="source-west", error=denied))
    assert "can't be read" in listed.submit(manifest=LISTED).problem(400, "ManifestUnreadable")
