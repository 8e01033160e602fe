"""Adapt the packaged template to the emulator. The product is never adapted; docs/local.md lists every step and why."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Template = dict[str, Any]

TABLE = "Table"


@dataclass(frozen=True)
class CodeLocation:
    """Where the zip was uploaded to."""

    bucket: str
    key: str


def adapt(
    template: Template,
    region: str,
    *,
    parameters: Mapping[str, str | int],
    code: CodeLocation,
    endpoint_url: str,
    certificate: str,
) -> Template:
    """`template` for one Region's stack. `endpoint_url` is where its functions find AWS, `certificate` the file that
    names whom they trust: the local issuer."""
    adapted = copy.deepcopy(template)
    resources = adapted["Resources"]
    _drop(resources)
    _point_at_zip(resources, code)
    _hold_event_sources(resources)
    _name_batch_actions(resources)
    _drop_unknown_conditions(resources)
    _name_region(adapted, region)
    _make_numbers(adapted, parameters)
    variables = adapted["Globals"]["Function"]["Environment"]["Variables"]
    variables["AWS_ENDPOINT_URL"] = endpoint_url
    variables["SSL_CERT_FILE"] = certificate
    return adapted


def _drop(resources: dict[str, Any]) -> None:
    """The table: the emulator makes one without replicas, so the deployer makes it by API. Bucket policies: all they
    say is "TLS only", and the local cloud speaks plain HTTP on the loopback interface."""
    del resources[TABLE]
    for name in [name for name, resource in resources.items() if resource["Type"] == "AWS::S3::BucketPolicy"]:
        del resources[name]


def _point_at_zip(resources: dict[str, Any], code: CodeLocation) -> None:
    """What `aws cloudformation package` does for AWS."""
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": code.bucket, "Key": code.key}


def _hold_event_sources(resources: dict[str, Any]) -> None:
    """Off until both stacks stand. The emulator, when it creates a function, kills the workers of the function of that
    name in every Region: West's would die with their messages while East is deployed."""
    for resource in resources.values():
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] == "SQS":
                event["Properties"]["Enabled"] = False


def _name_batch_actions(resources: dict[str, Any]) -> None:
    """IAM knows no sqs:SendMessageBatch, sqs:SendMessage stands for both; the emulator asks for each by its name."""
    for statement in _statements(resources):
        if "sqs:SendMessage" in statement.get("Action", []):
            statement["Action"].append("sqs:SendMessageBatch")


def _drop_unknown_conditions(resources: dict[str, Any]) -> None:
    """The emulator knows no `s3:if-match`: to it no request has an If-Match, and every DeleteObject would be denied."""
    for statement in _statements(resources):
        if "s3:if-match" in statement.get("Condition", {}).get("Null", {}):
            del statement["Condition"]


def _statements(resources: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of all roles' policies."""
    for resource in resources.values():
        for policy in resource["Properties"].get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []:
            yield from policy["PolicyDocument"]["Statement"]


def _name_region(template: Template, region: str) -> None:
    """The emulator knows no pseudo parameters inside Conditions: `AWS::Region` would be compared by that very name."""
    template["Conditions"] = _replace(template["Conditions"], {"AWS::Region": region})


def _make_numbers(template: Template, parameters: Mapping[str, str | int]) -> None:
    """The emulator passes Number parameters on as strings, on which its event sources then stumble."""
    numbers: dict[str, str | int] = {
        name: int(parameters.get(name, definition["Default"]))
        for name, definition in template["Parameters"].items()
        if definition["Type"] == "Number"
    }
    template["Resources"] = _replace(template["Resources"], numbers)


def _replace(node: Any, values: Mapping[str, str | int]) -> Any:  # noqa: ANN401 - any part of a template
    """`node` with every {"Ref": name} of `values` replaced by the value."""
    if isinstance(node, list):
        return [_replace(item, values) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Ref"} and node["Ref"] in values:
        return values[node["Ref"]]
    return {key: _replace(value, values) for key, value in node.items()}


def table_request(template: Template, name: str) -> dict[str, Any]:
    """CreateTable's arguments for the template's global table (GlobalTable names two of them differently)."""
    properties = template["Resources"][TABLE]["Properties"]
    stream = properties["StreamSpecification"]["StreamViewType"]
    return {
        "TableName": name,
        "BillingMode": properties["BillingMode"],
        "AttributeDefinitions": properties["AttributeDefinitions"],
        "KeySchema": properties["KeySchema"],
        "GlobalSecondaryIndexes": properties["GlobalSecondaryIndexes"],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": stream},
    }


def table_ttl(template: Template) -> dict[str, Any]:
    """UpdateTimeToLive's specification."""
    ttl: dict[str, Any] = template["Resources"][TABLE]["Properties"]["TimeToLiveSpecification"]
    return ttl
