"""Adapt the packaged template to the emulator. The product is never adapted; docs/local.md lists every step and its
reason."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Template = dict[str, Any]

TABLE = "Table"


@dataclass(frozen=True)
class CodeLocation:
    """The location to which the zip was uploaded."""

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
    """Return `template` for one Region's stack. `endpoint_url` is where its functions reach AWS. `certificate` is the
    file with the certificate that they trust: the local issuer's."""
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
    """Remove the table and the bucket policies.

    The emulator makes a table without replicas, so the deployer makes it by API. The bucket policies only require TLS,
    and the local cloud speaks plain HTTP on the loopback interface.
    """
    del resources[TABLE]
    for name in [name for name, resource in resources.items() if resource["Type"] == "AWS::S3::BucketPolicy"]:
        del resources[name]


def _point_at_zip(resources: dict[str, Any], code: CodeLocation) -> None:
    """Set each function's code location, as `aws cloudformation package` does for AWS."""
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": code.bucket, "Key": code.key}


def _hold_event_sources(resources: dict[str, Any]) -> None:
    """Disable the event sources until both stacks are deployed. When the emulator creates a function, it kills the
    workers of the function of that name in every Region: West's would die with their messages while East is
    deployed."""
    for resource in resources.values():
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] == "SQS":
                event["Properties"]["Enabled"] = False


def _name_batch_actions(resources: dict[str, Any]) -> None:
    """Add sqs:SendMessageBatch wherever sqs:SendMessage is allowed. In IAM the latter stands for both; the emulator
    checks each by its name."""
    for statement in _statements(resources):
        if "sqs:SendMessage" in statement.get("Action", []):
            statement["Action"].append("sqs:SendMessageBatch")


def _drop_unknown_conditions(resources: dict[str, Any]) -> None:
    """Remove conditions on `s3:if-match`. The emulator doesn't know that key: it would take every request for one
    without If-Match, and deny every DeleteObject."""
    for statement in _statements(resources):
        if "s3:if-match" in statement.get("Condition", {}).get("Null", {}):
            del statement["Condition"]


def _statements(resources: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the statements of all roles' policies."""
    for resource in resources.values():
        for policy in resource["Properties"].get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []:
            yield from policy["PolicyDocument"]["Statement"]


def _name_region(template: Template, region: str) -> None:
    """Replace `AWS::Region` in Conditions. The emulator doesn't resolve pseudo parameters there, and would compare the
    name itself."""
    template["Conditions"] = _replace(template["Conditions"], {"AWS::Region": region})


def _make_numbers(template: Template, parameters: Mapping[str, str | int]) -> None:
    """Replace references to Number parameters by numbers. The emulator passes them on as strings, and its event sources
    fail on those."""
    numbers: dict[str, str | int] = {
        name: int(parameters.get(name, definition["Default"]))
        for name, definition in template["Parameters"].items()
        if definition["Type"] == "Number"
    }
    template["Resources"] = _replace(template["Resources"], numbers)


def _replace(node: Any, values: Mapping[str, str | int]) -> Any:  # noqa: ANN401 - any part of a template
    """Return `node` with every {"Ref": name} of `values` replaced by the value."""
    if isinstance(node, list):
        return [_replace(item, values) for item in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Ref"} and node["Ref"] in values:
        return values[node["Ref"]]
    return {key: _replace(value, values) for key, value in node.items()}


def table_request(template: Template, name: str) -> dict[str, Any]:
    """Return CreateTable's arguments for the template's global table (GlobalTable names two of them differently)."""
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
    """Return UpdateTimeToLive's specification."""
    ttl: dict[str, Any] = template["Resources"][TABLE]["Properties"]["TimeToLiveSpecification"]
    return ttl
