"""API Gateway's own errors have the same form as ours."""

import json
import re
from typing import Any

import pytest
from botocore.loaders import Loader

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest import problems, requests
from chalicelib.entry.rest.contracts import CONTRACTS
from chalicelib.entry.rest.problems import PROBLEM_TYPES
from tests import apigateway

TYPES = sorted(apigateway.responses())
UNKNOWN_STATUS = "DEFAULT_4XX"


@pytest.mark.parametrize("name", TYPES)
def test_each_is_a_problem(name: str) -> None:
    status, headers, body = apigateway.answer(apigateway.responses()[name], 'He said "no"\\')
    assert headers["Content-Type"] == problems.MEDIA_TYPE
    assert headers["Cache-Control"] == "no-store"
    problem = json.loads(body)
    expected = {"type", "title", "status", "detail", "instance"} - ({"status"} if name == UNKNOWN_STATUS else set())
    assert problem.keys() == expected
    assert all(problem.values())
    assert problem.get("status", 0) == status
    assert apigateway.REQUEST_ID in body, "the operators find it by that"


@pytest.mark.parametrize("name", TYPES)
def test_each_is_a_problem_that_clients_know(name: str) -> None:
    _, headers, body = apigateway.answer(apigateway.responses()[name])
    problem = json.loads(body)
    code = problem["type"].removeprefix(problems.TYPE)
    if name == UNKNOWN_STATUS:
        assert code == "Refused"
        return
    problem_type = PROBLEM_TYPES[ErrorCode(code)]
    assert (problem["title"], problem["status"]) == (problem_type.title, problem_type.status)
    retry_after = headers.get("Retry-After")
    assert (retry_after and int(retry_after)) == problem_type.retry_after_s


def test_nothing_that_a_client_sends_gets_into_one() -> None:
    """A template escapes no values. The message is API Gateway's own and is quoted. The id is logged under the same
    name."""
    used = re.findall(r"\$[\w.]*\w", json.dumps(apigateway.responses()))
    assert set(used) == {"$context.requestId", "$context.error.messageString"}


def test_what_the_description_says_of_api_gateway_is_in_the_template() -> None:
    """No function of ours answers with these problem types."""
    own = {ErrorCode.UNAUTHORIZED, ErrorCode.ACCESS_DENIED, ErrorCode.THROTTLED, ErrorCode.NO_ANSWER}
    uris = {json.loads(apigateway.answer(response)[2])["type"] for response in apigateway.responses().values()}
    assert {PROBLEM_TYPES[code].uri for code in own} <= uris
    assert own <= {problem_type.code for contract in CONTRACTS for problem_type in contract.all_problems}


def test_a_missing_token_says_which_scheme() -> None:
    """The scheme is required by RFC 9110, section 11.6.1."""
    _, headers, _ = apigateway.answer(apigateway.responses()["UNAUTHORIZED"])
    assert headers["WWW-Authenticate"] == "Bearer"


def test_the_limit_is_the_one_that_holds() -> None:
    assert str(requests.BODY_MAX_BYTES) in apigateway.answer(apigateway.responses()["REQUEST_TOO_LARGE"])[2]


def test_they_are_deployed_with_the_api(cloudformation: dict[str, Any]) -> None:
    """A stage serves the responses that its deployment found. If they were resources of their own, they might come
    after it."""
    [api] = [r["Properties"] for r in cloudformation["Resources"].values() if r["Type"] == "AWS::ApiGateway::RestApi"]
    deployed = api["Body"]["x-amazon-apigateway-gateway-responses"]
    assert sorted(deployed) == TYPES
    for name, response in deployed.items():
        assert response["responseParameters"]["gatewayresponse.header.Content-Type"] == f"'{problems.MEDIA_TYPE}'", name
        assert response["responseTemplates"].keys() == {"application/json"}, name


def test_api_gateway_knows_their_names() -> None:
    shapes = Loader().load_service_model("apigateway", "service-2")["shapes"]
    assert set(TYPES) <= set(shapes["GatewayResponseType"]["enum"])
