"""The API refuses bad requests and says why and what to do. Every error is a problem (RFC 9457)."""

import json
from typing import Any

import pytest

from chalicelib.core.errors import Denied, EftError, Permanent, Retry
from chalicelib.entry import strictjson
from chalicelib.ports import PlanRange
from simulation.memory.env import make_env
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from simulation.memory.queue import MemoryQueue
from tests.entry.api import Api
from tests.entry.gateway import REQUEST_ID, answer, event, invoke

GOOD = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}}
GOOD_JSON = json.dumps(GOOD).encode()


# --- bodies that are no request -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"source=source-west", "Expecting value"),
        (b'{"source": ', "Expecting value"),
        (b"\xff\xfe{}", "can't decode byte 0xff"),
        (b'{"source": "\xc3\x28"}', "can't decode byte"),
        (GOOD_JSON.decode().encode("utf-16"), "can't decode byte 0xff"),
        (b'{"labels": {"a": NaN}}', "NaN is not JSON"),
        (b'{"labels": -Infinity}', "-Infinity is not JSON"),
        (b'{"source": 1, "source": 2}', "the name 'source' is there 2 times"),
        (b'{"labels": {"a": "1", "a": "1"}}', "the name 'a' is there 2 times"),
        (b"[" * 20_000, "nested too deeply"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
        (b"[" * 20_000 + b"]" * 20_000, "nested too deeply"),
        (b"9" * 5000, "limit"),
        (GOOD_JSON + b"{}", "Extra data"),
        (b" ", "Expecting value"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_no_json(api: Api, raw: bytes, why: str) -> None:
    detail = api.call("POST", "/jobs", raw=raw).problem(400, "NotJson")
    assert why in detail
    assert "send one JSON object" in detail


@pytest.mark.parametrize(
    "change",
    [
        {"target": {"endpoint": "target-east", "prefix": "\ud800"}},
        {"target": {"endpoint": "\udfff"}},
        {"labels": {"a": "\ud800"}},
        {"labels": {"\udc00": "a"}},
        {"\ud800": "b"},
    ],
    ids=str,
)
def test_half_a_surrogate_pair(api: Api, change: dict[str, object]) -> None:
    assert "half a surrogate pair" in api.call("POST", "/jobs", {**GOOD, **change}).problem(400, "NotJson")


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"1", b"true", b"[" * 500 + b"]" * 500])
def test_json_but_no_object(api: Api, raw: bytes) -> None:
    assert api.call("POST", "/jobs", raw=raw).problem(400, "NotAnObject") == "send one JSON object"


def test_no_body(api: Api) -> None:
    assert api.call("POST", "/jobs").problem(400, "NoBody") == "send one JSON object"


def test_three_megabytes(api: Api) -> None:
    raw = json.dumps({**GOOD, "labels": {"a": "x" * 3_000_000}}).encode()
    detail = api.call("POST", "/jobs", raw=raw).problem(413, "BodyTooLarge")
    assert "at most 2097152" in detail


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "x"])
def test_another_content_type(api: Api, media_type: str) -> None:
    reply = api.call("POST", "/jobs", raw=GOOD_JSON, headers={"Content-Type": media_type})
    assert "send application/json" in reply.problem(415, "UnsupportedMediaType")
    assert reply.json["instance"] == "/jobs"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "x", ""])
def test_the_type_of_a_body_that_is_not_there(api: Api, media_type: str) -> None:
    """Some clients send a content type with every POST."""
    job_id = api.submit().json["id"]
    headers = {"Content-Type": media_type}
    assert api.call("POST", f"/jobs/{job_id}/cancel", headers=headers).status == 202
    assert api.call("GET", f"/jobs/{job_id}", headers=headers).status == 200


@pytest.mark.usefixtures("api")
def test_a_body_in_base64() -> None:
    """API Gateway encodes bodies whose type is listed as binary."""
    assert invoke("POST", "/jobs", GOOD_JSON, encoded=True).status == 201


@pytest.mark.usefixtures("api")
def test_bytes_that_are_no_json_in_base64() -> None:
    reply = invoke("POST", "/jobs", bytes(range(256)), encoded=True)
    assert "can't decode" in reply.problem(400, "NotJson")


@pytest.mark.usefixtures("api")
def test_a_body_that_is_not_even_base64() -> None:
    """API Gateway would never send such a body."""
    reply = answer(event("POST", "/jobs", "a", encoded=True))
    reply.problem(500, "Internal")


# --- JSON that is no request --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"source": None}, "body.source: Input should be"),
        ({"source": "source-west"}, "body.source: Input should be"),
        ({"source": {}}, "body.source.endpoint: Field required"),
        ({"source": {"endpoint": 5}}, "body.source.endpoint: Input should be a valid string"),
        ({"source": {"endpoint": ""}}, "body.source.endpoint: String should have at least 1 character"),
        ({"source": {"endpoint": "e" * 65}}, "body.source.endpoint: String should have at most 64"),
        ({"source": {"endpoint": "source-west", "prefix": 5}}, "body.source.prefix: Input should be a valid string"),
        ({"source": {"endpoint": "source-west", "prefix": None}}, "body.source.prefix: Input should be"),
        ({"source": {"endpoint": "source-west", "bucket": "b"}}, "body.source.bucket: Extra inputs"),
        ({"source": {"endpoint": "source-west", "prefix": "x" * 1025}}, "at most 1024 bytes"),
        ({"source": {"endpoint": "source-west", "prefix": "鍵" * 342}}, "at most 1024 bytes"),
        ({"bucket": "b"}, "body.bucket: Extra inputs are not permitted"),
        ({"mode": "maybe"}, "body.mode: Input should be 'if-changed', 'never', 'always' or 'fail'"),
        ({"mode": None}, "body.mode: Input should be"),
        ({"labels": []}, "body.labels: Input should be a valid dictionary"),
        ({"labels": {"a": 1}}, "body.labels.a: Input should be a valid string"),
        ({"labels": {"": "x"}}, "String should have at least 1 character"),
        ({"labels": {"a": ""}}, "String should have at least 1 character"),
        ({"labels": {"a": "x" * 129}}, "String should have at most 128"),
        ({"labels": {str(n): "x" for n in range(11)}}, "at most 10 items"),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)
def test_not_a_valid_request(api: Api, change: dict[str, object], detail: str) -> None:
    assert detail in api.call("POST", "/jobs", {**GOOD, **change}).problem(400, "InvalidRequest")
    assert api.ledger.jobs == {}


def test_all_that_is_wrong_is_said_at_once(api: Api) -> None:
    detail = api.call("POST", "/jobs", {"mode": 1, "x": 2}).problem(400, "InvalidRequest")
    assert detail.count("; ") == 3
    for name in ("source", "target", "mode", "x"):
        assert f"body.{name}: " in detail


def test_but_not_a_book_of_it(api: Api) -> None:
    detail = api.call("POST", "/jobs", {f"field-{n}": n for n in range(2000)}).problem(400, "InvalidRequest")
    assert detail.endswith("; and 1992 more")
    assert len(detail) < 1000


# --- requests that can't be carried out ---------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["nowhere", "theirs", "source-west "])
def test_an_endpoint_that_one_does_not_have(api: Api, endpoint: str) -> None:
    """Another tenant's endpoint gets the same answer as one that doesn't exist."""
    detail = api.submit(source={"endpoint": endpoint}).problem(400, "UnknownEndpoint")
    assert detail == f"source: you have no endpoint {endpoint!r}: GET /endpoints lists yours"
    detail = api.submit(target={"endpoint": endpoint}).problem(400, "UnknownEndpoint")
    assert detail == f"target: you have no endpoint {endpoint!r}: GET /endpoints lists yours"


def test_an_endpoint_that_may_not_be_read(api: Api) -> None:
    assert "choose another source" in api.submit(source={"endpoint": "target-west"}).problem(400, "NotReadable")


def test_an_endpoint_that_may_not_be_written(api: Api) -> None:
    assert "choose another target" in api.submit(target={"endpoint": "source-west"}).problem(400, "NotWritable")


@pytest.mark.parametrize(("source", "target"), [("", ""), ("a/", ""), ("", "a/"), ("a/b/", "a/")])
def test_a_job_that_would_copy_what_it_writes(api: Api, source: str, target: str) -> None:
    reply = api.submit(
        source={"endpoint": "target-east", "prefix": source}, target={"endpoint": "target-east", "prefix": target}
    )
    assert "neither contains the other" in reply.problem(400, "Overlap")


def test_two_prefixes_of_one_endpoint_are_fine(api: Api) -> None:
    reply = api.submit(
        source={"endpoint": "target-east", "prefix": "a/"}, target={"endpoint": "target-east", "prefix": "b/"}
    )
    assert reply.status == 201


# --- scopes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["read", "", "writer", "WRITE"])
def test_submitting_needs_the_scope_write(api: Api, scope: str) -> None:
    api.scope = scope
    assert api.submit().problem(403, "MissingScope") == "this needs a token with the scope 'write'"


@pytest.mark.parametrize("path", ["/jobs", "/jobs/job-x", "/jobs/job-x/objects", "/endpoints", "/feeds"])
def test_looking_needs_the_scope_read(api: Api, path: str) -> None:
    api.scope = "write"
    assert api.get(path).problem(403, "MissingScope") == "this needs a token with the scope 'read'"


# --- trouble behind the API ---------------------------------------------------------------------------------------


def test_s3_does_not_answer(api: Api) -> None:
    api.store.rule(Rule(Operation.PUT, times=None))
    api.store.rule(Rule(Operation.GET, times=None))
    reply = api.submit("k-1")
    assert "try again" in reply.problem(503, "TryAgain")
    assert reply.headers["retry-after"] == "5"


def test_the_answer_of_a_submission_is_lost_and_the_client_tries_again(api: Api) -> None:
    class Broken(MemoryQueue):
        def send(self, tasks: object, delay_ms: int = 0) -> None:
            raise Retry("QueueUnreachable")

    broken = make_env(store=api.store, ledger=api.ledger, queue=Broken(), endpoints=api.env.declared_endpoints)
    assert broken.queue is not api.queue
    with api.over(broken):
        api.submit("k-1").problem(503, "TryAgain")
    repeated = api.submit("k-1")
    assert repeated.status == 200
    assert api.queue.tasks == [PlanRange(repeated.json["id"], "us-gov-east-1", "r", tenant="acme")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Denied("AccessDenied", "arn:aws-us-gov:iam::1:role/x may not"), "ServiceMisconfigured"),
        (Permanent("InvalidRequest", "secret detail"), "Internal"),
    ],
)
def test_what_is_our_fault_is_logged_and_not_shown(api: Api, error: EftError, code: str) -> None:
    api.store.rule(Rule(Operation.PUT, error=lambda: error))
    reply = answer(event("POST", "/jobs", GOOD_JSON.decode()))
    detail = reply.problem(500, code)
    assert REQUEST_ID in detail
    assert "arn:" not in detail
    assert "secret" not in detail
    [line] = api.log.events("request-failed")
    assert str(error) in line["error"]
    assert line["request"] == REQUEST_ID


def test_a_bug_is_answered_in_order(api: Api) -> None:
    bug: Any = lambda: ZeroDivisionError("a bug")  # noqa: E731 - no error that a store may raise
    api.store.rule(Rule(Operation.PUT, error=bug))
    assert "a bug" not in api.submit().problem(500, "Internal")
    [line] = api.log.events("request-crashed")
    assert "a bug" in line["error"]


@pytest.mark.usefixtures("api")
def test_a_path_with_half_a_surrogate_pair() -> None:
    """JSON's escapes can produce such a path. The answer is I-JSON nevertheless: a strict parser can read it."""
    raw = {**event("GET", "/jobs/{job_id}", None, path="/api/jobs/\ud800"), "pathParameters": {"job_id": "\ud800"}}
    reply = answer(raw)
    reply.problem(404, "UnknownJob")
    assert reply.json["instance"] == "/api/jobs/\\ud800"
    strictjson.loads(reply.body)


@pytest.mark.usefixtures("api")
def test_an_event_that_is_no_request() -> None:
    reply = answer({"requestContext": {}})
    reply.problem(500, "Internal")


@pytest.mark.usefixtures("api")
def test_a_method_that_a_route_does_not_have() -> None:
    """API Gateway would have refused this request."""
    raw = event("DELETE", "/jobs", None)
    reply = answer(raw)
    assert "DELETE" in reply.problem(405, "Refused")
    assert reply.headers["allow"] == "POST, GET"
