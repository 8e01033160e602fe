"""GET /openapi.json agrees with the routes, the requests, the limits and the answers."""

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import app
from chalicelib.core.errors import Denied, ErrorCode, Retry
from chalicelib.entry.rest import openapi, requests
from chalicelib.entry.rest.auth import ADMINISTER, OPERATE, READ, WRITE
from chalicelib.entry.rest.contract import TAGS, Contract
from chalicelib.entry.rest.contracts import CONTRACTS
from chalicelib.entry.rest.problems import PROBLEM_TYPES
from simulation.memory.faults import Rule
from tests.entry.api import Api, Reply
from tests.entry.gateway import answer as gateway_answer
from tests.entry.gateway import event
from tests.entry.paths import JOB as GOOD
from tests.entry.paths import body_of, path_of

BY_NAME = {contract.name: contract for contract in CONTRACTS}


@cache
def document() -> dict[str, Any]:
    """Return the document as a client gets it: JSON that has been written and read."""
    parsed: dict[str, Any] = json.loads(json.dumps(openapi.document("/")))
    return parsed


def operation(contract: Contract) -> dict[str, Any]:
    described: dict[str, Any] = document()["paths"][contract.path][contract.method.lower()]
    return described


def ask(api: Api, contract: Contract) -> Reply:
    return api.call(contract.method, path_of(contract), body_of(contract))


# --- the document -------------------------------------------------------------------------------------------------


def test_it_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(document()).iter_errors()) == []
    assert document()["openapi"].startswith("3.1.")


def test_anybody_gets_it(api: Api) -> None:
    reply = api.plain("GET", "/openapi.json")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "public, max-age=300"
    assert reply.json == document()


@pytest.mark.usefixtures("api")
def test_it_names_the_server_as_the_client_does() -> None:
    """A client that uses the Region's own name has the stage in its path."""
    reply = gateway_answer(event("GET", "/openapi.json", None))
    assert [server["url"] for server in reply.json["servers"]] == ["/api"]
    assert [server["url"] for server in document()["servers"]] == ["/"]


def test_a_cold_start_does_not_pay_for_it() -> None:
    code = (
        "import app\n"
        "from chalicelib.entry.rest import openapi, responses\n"
        "print(openapi._made.cache_info().currsize, responses.Job.__pydantic_complete__)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["0", "False"]


# --- against the routes -------------------------------------------------------------------------------------------


def test_every_route_is_described_and_nothing_else() -> None:
    routed = {(method, path) for path, methods in app.routes.items() for method in methods}
    described = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert described == routed
    assert len(CONTRACTS) == len(routed)


def test_a_token_is_asked_for_where_it_says_so() -> None:
    routed = {(method, path): entry for path, methods in app.routes.items() for method, entry in methods.items()}
    for contract in CONTRACTS:
        entry = routed[contract.method, contract.path]
        assert bool(entry.authorizer) is bool(contract.scope) is bool(operation(contract)["security"]), contract.name


def test_a_type_of_body_is_asked_for_where_there_is_one() -> None:
    routed = {(method, path): entry for path, methods in app.routes.items() for method, entry in methods.items()}
    for contract in CONTRACTS:
        accepted = routed[contract.method, contract.path].content_types
        assert accepted == ([openapi.JSON] if contract.body else []), contract.name
        assert ("415" in operation(contract)["responses"]) is bool(contract.body)


@pytest.mark.parametrize("name", [contract.name for contract in CONTRACTS if contract.scope])
def test_the_scope_is_the_one_that_is_asked_for(api: Api, name: str) -> None:
    contract = BY_NAME[name]
    assert operation(contract)["security"] == [{"bearer": [contract.scope]}]
    for scope in (READ, WRITE, ADMINISTER, OPERATE):
        api.scope = scope
        assert (ask(api, contract).status == 403) is (scope != contract.scope)


def test_names_are_unique_and_tags_described() -> None:
    assert len(BY_NAME) == len(CONTRACTS)
    assert {contract.tag for contract in CONTRACTS} == set(TAGS) == {tag["name"] for tag in document()["tags"]}


def test_every_problem_is_described_somewhere() -> None:
    described = {problem_type.code for contract in CONTRACTS for problem_type in contract.all_problems}
    # No operation has these answers. NoSuchOperation is about unknown paths. Refused is the answer of the framework or
    # API Gateway to requests that no client of this description sends.
    assert set(ErrorCode) - described == {ErrorCode.NO_SUCH_OPERATION, ErrorCode.REFUSED}
    assert PROBLEM_TYPES[ErrorCode.NO_SUCH_OPERATION].uri in document()["info"]["description"]


# --- examples -----------------------------------------------------------------------------------------------------


def contents() -> list[tuple[str, dict[str, Any]]]:
    named_contents = []
    for contract in CONTRACTS:
        described = operation(contract)
        if "requestBody" in described:
            named_contents.append((f"{contract.name} body", described["requestBody"]["content"]))
        answers = {status: answer for status, answer in described["responses"].items() if status != "204"}
        named_contents += [(f"{contract.name} {status}", answer["content"]) for status, answer in answers.items()]
    return named_contents


@pytest.mark.parametrize(("name", "content"), contents(), ids=lambda value: value if isinstance(value, str) else "")
def test_examples_are_as_described(name: str, content: dict[str, Any]) -> None:
    [described] = content.values()
    examples = described.get("examples", {})
    assert examples or name == "describe 200"
    for example in examples.values():
        assert errors(described["schema"], example["value"]) == []
        nothing_like_it = errors(described["schema"], {}) or errors(described["schema"], {"unheard-of": 1})
        assert nothing_like_it, "it would let anything pass"


def errors(schema: dict[str, Any], value: object) -> list[str]:
    full_schema = {**schema, "components": document()["components"]}
    return [error.message for error in OAS31Validator(full_schema).iter_errors(value)]


def test_models_and_fields_have_texts() -> None:
    schemas = document()["components"]["schemas"]
    assert schemas["Lease"]["properties"]["epoch"]["description"].startswith("The fencing token")
    assert schemas["LocationRequest"]["properties"]["endpoint"]["description"] == "One of `GET /endpoints`."
    assert [name for name, schema in schemas.items() if "description" not in schema] == []


# --- limits -------------------------------------------------------------------------------------------------------


def body_with(size: int) -> bytes:
    raw = json.dumps(GOOD).encode()
    return raw + b" " * (size - len(raw))


def test_the_size_of_a_body(api: Api) -> None:
    assert str(requests.BODY_MAX_BYTES) in document()["info"]["description"]
    assert api.call("POST", "/jobs", raw=body_with(requests.BODY_MAX_BYTES)).status == 201
    api.call("POST", "/jobs", raw=body_with(requests.BODY_MAX_BYTES + 1)).problem(413, "BodyTooLarge")


def test_the_size_of_a_page(api: Api) -> None:
    for name in ("listJobs", "listObjects"):
        [limit] = [p["schema"] for p in operation(BY_NAME[name])["parameters"] if p["name"] == "limit"]
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 1000, 50)
    assert [api.get(f"/jobs?limit={n}").status for n in (0, 1, 1000, 1001)] == [400, 200, 200, 400]


def test_the_length_of_a_key(api: Api) -> None:
    [key] = [p for p in operation(BY_NAME["submitJob"])["parameters"] if p["name"] == "Idempotency-Key"]
    longest = key["schema"]["maxLength"]
    assert (key["in"], key.get("required", False)) == ("header", False)
    assert [api.submit("k" * n).status for n in (0, 1, longest, longest + 1)] == [400, 201, 201, 400]


def test_labels(api: Api) -> None:
    labels = document()["components"]["schemas"]["JobRequest"]["properties"]["labels"]
    most, longest = labels["maxProperties"], labels["additionalProperties"]["maxLength"]
    assert longest == labels["propertyNames"]["maxLength"]
    largest = {f"{n}".ljust(longest, "x"): "x" * longest for n in range(most)}
    refused = [
        {**largest, "one-more": "x"},
        {"x" * (longest + 1): "x"},
        {"x": "x" * (longest + 1)},
        {"": "x"},
        {"x": ""},
    ]
    assert api.submit(labels=largest).status == 201
    assert [api.submit(labels=labels).status for labels in refused] == [400] * len(refused)


# --- when AWS is in trouble ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Retry("SlowDown"), Denied("AccessDenied"), ZeroDivisionError("a bug")], ids=repr)
def test_trouble_is_answered_as_described(api: Api, error: Exception) -> None:
    def trouble() -> Any:
        return error

    api.scope = "read write operate"
    api.store.rule(Rule(times=None, error=trouble))
    statuses = set()
    for contract in CONTRACTS:
        reply = ask(api, contract)
        described = operation(contract)["responses"][str(reply.status)]
        if reply.status == 204:  # This operation calls no dependency that is in trouble.
            continue
        [(media_type, content)] = described["content"].items()
        assert reply.headers["content-type"] == media_type
        assert errors(content["schema"], reply.json) == []
        assert {name.lower() for name in described.get("headers", {})} <= reply.headers.keys()
        statuses.add(reply.status)
    assert max(statuses) >= 500
