"""Test which requests POST /jobs accepts."""

import pytest

from chalicelib.core import codec
from chalicelib.core.jobs import JobState, Terminal
from chalicelib.core.rows import Outcome
from chalicelib.ports import PlanRange
from chalicelib.protocol.records import ControlRecords
from simulation.memory.env import EAST, SOURCE, WEST
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api
from tests.entry.gateway import invoke


def test_a_new_job(api: Api) -> None:
    reply = api.submit(source={"endpoint": "source-west", "prefix": "2026/"}, labels={"order": "4711"})
    assert reply.status == 201
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    job = reply.json
    assert reply.headers["location"] == f"/jobs/{job['id']}"
    assert job["source"] == {"endpoint": "source-west", "prefix": "2026/"}
    assert job["target"] == {"endpoint": "target-east", "prefix": ""}
    assert (job["mode"], job["labels"], job["home_region"]) == ("if-changed", {"order": "4711"}, WEST)
    assert (job["state"], job["created_at"]) == ("PLANNING", "2027-01-15T08:00:00.000Z")
    assert api.queue.tasks == [PlanRange(job["id"], EAST, "r", tenant="acme")]


def test_its_location_shows_it(api: Api) -> None:
    reply = api.submit()
    assert api.get(reply.headers["location"]).json == reply.json
    assert api.get(reply.headers["location"]).status == 200


@pytest.mark.usefixtures("api")
def test_location_keeps_the_stage_that_the_client_named() -> None:
    """A client that uses the Region's own name has the stage in its path."""
    reply = invoke("POST", "/jobs", b'{"source":{"endpoint":"source-west"},"target":{"endpoint":"target-east"}}')
    assert reply.headers["location"] == f"/api/jobs/{reply.json['id']}"


def test_without_a_key_each_submission_is_a_job(api: Api) -> None:
    first, second = api.submit(), api.submit()
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] != second.json["id"]


def test_a_key_makes_a_retry_the_same_job(api: Api) -> None:
    first, repeated = api.submit("k-1"), api.submit("k-1")
    assert (first.status, repeated.status) == (201, 200)
    assert repeated.json == first.json
    assert repeated.headers["location"] == first.headers["location"]


def test_a_retry_after_the_end_shows_the_end(api: Api) -> None:
    """The client never got the first answer, and the job has ended by now."""
    job_id = api.submit("k-1").json["id"]
    records = ControlRecords(api.env, EAST).job(job_id)
    spec = records.spec()
    assert spec is not None
    end = Terminal(
        job_id, JobState.SUCCEEDED, "", 3, {Outcome.COPIED: 3}, 30, 30, {}, 1, "c0ffee", WEST, 1, 1_800_000_060_000, "n"
    )
    api.ledger.put_terminal(spec, end, WEST)
    repeated = api.submit("k-1")
    assert repeated.status == 200
    assert (repeated.json["state"], repeated.json["settled_at"]) == ("SUCCEEDED", "2027-01-15T08:01:00.000Z")


def test_the_same_key_of_another_tenant_is_another_job(api: Api) -> None:
    mine = api.submit("k-1")
    api.tenant = "other"
    theirs = api.submit("k-1", source={"endpoint": "theirs"}, target={"endpoint": "theirs-too"})
    assert theirs.status == 201
    assert theirs.json["id"] != mine.json["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "never"},
        {"labels": {"a": "b"}},
        {"source": {"endpoint": "source-west", "prefix": "x/"}},
        {"filter": {"include": ["*.csv"]}},
        {"priority": "high"},
    ],
    ids=["mode", "labels", "prefix", "filter", "priority"],
)
def test_a_key_may_not_be_used_for_something_else(api: Api, change: dict[str, object]) -> None:
    first = api.submit("k-1")
    detail = api.submit("k-1", **change).problem(422, "IdempotencyKeyReused")
    assert first.json["id"] in detail
    assert "use a new one" in detail


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "umläut"])
def test_a_key_that_is_none(api: Api, key: str) -> None:
    assert "1 to 255 printable" in api.submit(key).problem(400, "InvalidIdempotencyKey")


@pytest.mark.parametrize("key", ["x", "x" * 255, "a b/c:d"])
def test_any_printable_key(api: Api, key: str) -> None:
    assert api.submit(key).status == 201


@pytest.mark.parametrize("mode", ["if-changed", "never", "always", "fail"])
def test_modes(api: Api, mode: str) -> None:
    assert api.submit(mode=mode).json["mode"] == mode


@pytest.mark.parametrize("priority", ["low", "normal", "high"])
def test_priorities(api: Api, priority: str) -> None:
    created = api.submit(priority=priority)
    assert (created.status, created.json["priority"]) == (201, priority)
    assert api.get(f"/jobs/{created.json['id']}").json["priority"] == priority
    assert api.get("/jobs").json["jobs"][0]["priority"] == priority


@pytest.mark.parametrize("priority", ["urgent", "HIGH", 3, None])
def test_no_priority(api: Api, priority: object) -> None:
    assert "priority" in api.submit(priority=priority).problem(400, "InvalidRequest")


def test_normal_is_as_if_nothing_were_asked_for(api: Api) -> None:
    """A request that is repeated over an upgrade is still the same, and its records have not changed."""
    first = api.submit("k-1")
    repeated = api.submit("k-1", priority="normal")
    assert (repeated.status, repeated.json) == (200, first.json)
    assert b"priority" not in codec.dumps(api.ledger.jobs[first.json["id"]])


@pytest.mark.parametrize("prefix", ["", "a b/", "données/", "鍵/", "smile-\U0001f600/", "a//b/", "../x/", "100%25+/"])
def test_prefixes(api: Api, prefix: str) -> None:
    reply = api.submit(source={"endpoint": "source-west", "prefix": prefix})
    assert (reply.status, reply.json["source"]["prefix"]) == (201, prefix)
    assert api.get(reply.headers["location"]).json["source"]["prefix"] == prefix


@pytest.mark.parametrize("prefix", ["data", "a//b", "../x", "/data/", "/", "smile-\U0001f600"])
@pytest.mark.parametrize("role", ["source", "target"])
def test_a_prefix_that_is_no_folder_has_to_be_called_a_text(api: Api, role: str, prefix: str) -> None:
    location = {"endpoint": {"source": "source-west", "target": "target-east"}[role], "prefix": prefix}
    detail = api.submit(None, **{role: location}).problem(400, "PrefixNotAFolder")
    assert detail.startswith(f"{role}: prefix ")
    assert '"text_prefix": true' in detail
    assert api.queue.tasks == []
    reply = api.submit(None, **{role: {**location, "text_prefix": True}})
    assert (reply.status, reply.json[role]["prefix"]) == (201, prefix)


def test_a_prefix_that_is_an_objects_key_has_its_400_say_how_to_ask_for_it(api: Api) -> None:
    memory = api.store.store
    assert isinstance(memory, MemoryObjectStore)
    memory.put(SOURCE[WEST], "in/2027/report.csv", b"x")
    source = {"endpoint": "source-west", "prefix": "2027/report.csv"}
    detail = api.submit(source=source).problem(400, "PrefixNotAFolder")
    assert detail.endswith('to copy that one, send "prefix": "2027/" and "keys": ["report.csv"]')


@pytest.mark.parametrize("value", [None, 1, "true", "yes"])
def test_a_text_is_one_only_by_a_plain_yes(api: Api, value: object) -> None:
    location = {"endpoint": "source-west", "prefix": "data", "text_prefix": value}
    assert "body.source.text_prefix" in api.submit(source=location).problem(400, "InvalidRequest")


@pytest.mark.parametrize("role", ["source", "target"])
@pytest.mark.parametrize("prefix", ["data", "data/"])
def test_text_prefixes_never_go_with_delete(api: Api, role: str, prefix: str) -> None:
    delete = {"consent": "DELETE-AT-TARGET", "max_objects": 5}
    endpoint = {"source": "source-west", "target": "target-east"}[role]
    wish = {role: {"endpoint": endpoint, "prefix": prefix, "text_prefix": True}, "delete": delete}
    assert "text_prefix" in api.submit(None, **wish).problem(400, "ConflictingInput")
    assert api.queue.tasks == []


def test_the_same_prefix_is_the_same_job_whatever_it_is_called(api: Api) -> None:
    location = {"endpoint": "source-west", "prefix": "data/"}
    first, repeated = api.submit("k", source=location), api.submit("k", source={**location, "text_prefix": True})
    assert (repeated.status, repeated.json) == (200, first.json)


def test_a_content_type_with_parameters(api: Api) -> None:
    body = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}}
    assert api.call("POST", "/jobs", body, headers={"Content-Type": "application/json; charset=utf-8"}).status == 201


def test_a_byte_order_mark_is_no_reason_to_refuse(api: Api) -> None:
    raw = b'\xef\xbb\xbf{"source":{"endpoint":"source-west"},"target":{"endpoint":"target-east"}}'
    assert api.call("POST", "/jobs", raw=raw).status == 201


FILTER = {
    "include": ["**/*.csv"],
    "exclude": ["tmp/**"],
    "min_size": 1,
    "max_size": 50 * 1024**4,
    "modified_since": "2026-12-31T23:00:00.500-01:00",
    "modified_before": "2027-01-02T00:00:00Z",
    "storage_classes": ["STANDARD_IA", "STANDARD"],
}


def test_a_filter_is_shown_as_it_was_understood(api: Api) -> None:
    job = api.submit(filter=FILTER).json
    assert job["filter"] == FILTER | {
        "modified_since": "2027-01-01T00:00:00.500Z",
        "modified_before": "2027-01-02T00:00:00.000Z",
        "storage_classes": ["STANDARD", "STANDARD_IA"],
    }
    assert job["filtered_out"] is None
    assert api.get("/jobs").json["jobs"][0]["filter"] == job["filter"]


def test_an_empty_filter_is_none(api: Api) -> None:
    first, repeated = api.submit("k-1"), api.submit("k-1", filter={})
    assert (repeated.status, repeated.json["filter"]) == (200, None)
    assert repeated.json == first.json


def test_times_beyond_all_objects(api: Api) -> None:
    times = {"modified_since": "0001-01-01T00:00:00+23:59", "modified_before": "9999-12-31T23:59:59-23:59"}
    job = api.submit(filter=times).json
    assert job["filter"]["modified_since"] == "1970-01-01T00:00:00.000Z"
    assert api.get(f"/jobs/{job['id']}").json["filter"] == job["filter"]


@pytest.mark.parametrize("pattern", ["[", "[]", "[z-a]", "x" * 200 + "["])
def test_a_pattern_that_says_nothing(api: Api, pattern: str) -> None:
    assert repr(pattern) in api.submit(filter={"exclude": [pattern]}).problem(400, "InvalidFilter")


@pytest.mark.parametrize(
    "change",
    [
        {"include": ["*"] * 21},
        {"include": [""]},
        {"include": ["x" * 257]},
        {"include": "*"},
        {"min_size": -1},
        {"min_size": "1"},
        {"max_size": True},
        {"modified_since": "2027-01-01"},
        {"modified_since": "2027-01-01T00:00:00"},
        {"modified_since": "2027-02-30T00:00:00Z"},
        {"modified_since": 1},
        {"storage_classes": ["COLD"]},
        {"suffix": ".csv"},
        [],
    ],
    ids=str,
)
def test_what_is_no_filter(api: Api, change: object) -> None:
    assert "body.filter" in api.submit(filter=change).problem(400, "InvalidRequest")


@pytest.mark.parametrize(
    "change",
    [
        {"min_size": 2, "max_size": 1},
        {"modified_since": "2027-01-01T00:00:00Z", "modified_before": "2026-01-01T00:00:00Z"},
    ],
    ids=["size", "time"],
)
def test_a_filter_that_nothing_passes(api: Api, change: object) -> None:
    api.submit(filter=change).problem(400, "InvalidFilter")
