"""The local cloud adapts the deployment and leaves the product as it is."""

import copy
from typing import Any

import pytest
import yaml

from local import package
from local.adapt import CodeLocation, adapt, table_request, table_ttl

EAST = "us-gov-east-1"
ENDS: Any = {
    "code": CodeLocation("deployment", "zip"),
    "endpoint_url": "http://127.0.0.1:1",
    "certificate": "/c.pem",
}


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(package.build().template.read_text())
    return loaded


@pytest.fixture(scope="session")
def adapted(template: dict[str, Any]) -> dict[str, Any]:
    code = CodeLocation("deployment", "zip")
    return adapt(
        template,
        EAST,
        parameters={"CopyConcurrency": 3},
        code=code,
        endpoint_url="http://127.0.0.1:1",
        certificate="/c.pem",
    )


def test_the_template_itself_stays_as_it_is(template: dict[str, Any]) -> None:
    before = copy.deepcopy(template)
    adapt(
        template,
        EAST,
        parameters={},
        code=CodeLocation("b", "k"),
        endpoint_url="http://127.0.0.1:1",
        certificate="/c.pem",
    )
    assert template == before


def test_only_the_table_and_bucket_policies_are_left_out(template: dict[str, Any], adapted: dict[str, Any]) -> None:
    missing = template["Resources"].keys() - adapted["Resources"].keys()
    assert missing == {"Table", "ControlBucketPolicy", "SourceBucketPolicy", "TargetBucketPolicy"}
    assert adapted["Resources"].keys() <= template["Resources"].keys()


def test_what_else_differs_is_named(template: dict[str, Any], adapted: dict[str, Any]) -> None:
    """The test names all differences. docs/local.md lists them, and a new difference has to be added there and here."""
    changed = {
        f"{adapted['Resources'][path[0]]['Type']} {'.'.join(path[1:3])}"
        for path in _differences(template["Resources"], adapted["Resources"], ())
        if path[0] in adapted["Resources"]
    }
    assert changed == {
        "AWS::Serverless::Function Properties.CodeUri",
        "AWS::Serverless::Function Properties.Events",
        "AWS::IAM::Role Properties.Policies",
        "AWS::SQS::Queue Properties.DelaySeconds",
    }
    outside = {path[:2] for path in _differences(template, adapted, ()) if path[0] != "Resources"}
    assert outside == {("Conditions", "InWest"), ("Globals", "Function")}


def test_functions_talk_to_their_regions_gateway(adapted: dict[str, Any]) -> None:
    variables = adapted["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"


def test_functions_trust_the_local_issuer(adapted: dict[str, Any]) -> None:
    assert adapted["Globals"]["Function"]["Environment"]["Variables"]["SSL_CERT_FILE"] == "/c.pem"


def test_numbers_arrive_as_numbers(adapted: dict[str, Any]) -> None:
    """This holds for the parameters that are given and for the template's defaults."""
    concurrency = [
        source["ScalingConfig"]["MaximumConcurrency"] for source in _event_sources(adapted, "Copy", "Verify")
    ]
    assert concurrency == [3, 8]


def test_event_sources_wait(adapted: dict[str, Any]) -> None:
    sources = _event_sources(adapted, "Intake", "Split", "Copy", "Verify")
    assert len(sources) >= 4
    assert all(source["Enabled"] is False for source in sources)


def test_the_region_is_told(adapted: dict[str, Any]) -> None:
    assert adapted["Conditions"]["InWest"] == {"Fn::Equals": [EAST, {"Ref": "WestRegion"}]}


def test_the_table_is_made_as_the_template_says(template: dict[str, Any]) -> None:
    request = table_request(template, "eft")
    assert request["TableName"] == "eft"
    assert [key["AttributeName"] for key in request["KeySchema"]] == ["pk", "sk"]
    assert request["GlobalSecondaryIndexes"][0]["IndexName"] == "tenant"
    assert request["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table_ttl(template) == {"AttributeName": "expires_at", "Enabled": True}


def _event_sources(template: dict[str, Any], *functions: str) -> list[dict[str, Any]]:
    return [
        event["Properties"]
        for name in functions
        for event in template["Resources"][name]["Properties"]["Events"].values()
    ]


def _differences(left: Any, right: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    if left == right:
        return []
    if isinstance(left, dict) and isinstance(right, dict):
        keys = left.keys() | right.keys()
        return [difference for key in keys for difference in _differences(left.get(key), right.get(key), (*path, key))]
    return [path]
