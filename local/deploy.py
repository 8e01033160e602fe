"""Deploy the package into the emulator: the table once, then one stack of the same template in each Region."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import yaml
from botocore.config import Config

from chalicelib.core.keys import record_key
from chalicelib.protocol.probing import TENANTS_TAG
from local.adapt import CodeLocation, Template, adapt, table_request, table_ttl
from local.gateway.launch import EAST, WEST
from local.package import Package
from local.wait import WaitError, wait_until

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

STACK = "eft"
REGIONS = (WEST, EAST)
KEYS_TIMEOUT_S = 120.0
ACCESS_KEY_ID = SECRET_ACCESS_KEY = "test"
"""The emulator's root user. It listens on 127.0.0.1 only."""

SCHEDULED = {
    "version": "0",
    "id": "00000000-0000-0000-0000-000000000000",
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "account": "000000000000",
    "time": "1970-01-01T00:00:00Z",
    "region": "",
    "resources": [],
    "detail": {},
}
"""The event that EventBridge's schedule sends."""

_NO_FILES: dict[str, tuple[Any, Any, Any, Any]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""Settings that make botocore ignore the developer's configuration files and AWS_PROFILE, which may not even exist."""

CONCURRENCY: Mapping[str, int] = {
    "IntakeConcurrency": 2,
    "SplitConcurrency": 2,
    "CopyConcurrency": 3,
    "VerifyConcurrency": 2,
    "NotifyConcurrency": 2,
}
"""Limits that a laptop of two cores can bear: each concurrent invocation is a process of its own."""


class DeployError(RuntimeError):
    """The emulator refused the stack. The message says which resources and why."""


@dataclass(frozen=True)
class Stack:
    """One Region's stack."""

    region: str
    api_path: str
    """The path where the emulator serves the stack's REST API."""
    outputs: Mapping[str, str]

    @property
    def source_bucket(self) -> str:
        return self.outputs["SourceBucketName"]

    @property
    def target_bucket(self) -> str:
        return self.outputs["TargetBucketName"]

    @property
    def control_bucket(self) -> str:
        return self.outputs["ControlBucketName"]


def session(region: str) -> boto3.Session:
    """Return a session of the emulator's root user, whatever the developer's own environment holds."""
    return boto3.Session(
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        region_name=region,
        botocore_session=botocore.session.Session(session_vars=_NO_FILES),
    )


CLIENT_CONFIG = Config(s3={"addressing_style": "path"}, proxies={})


class Deployer:
    """Deploys one package. `emulator_url` is the emulator itself, so that the gateway's counters start at zero.
    `certificate` is the local issuer's."""

    def __init__(self, package: Package, emulator_url: str, certificate: Path) -> None:
        self._certificate = str(certificate)
        self._zip = package.zip
        self._digest = package.digest
        self._template: Template = yaml.safe_load(package.template.read_text())
        self._url = emulator_url

    def deploy_tables(self) -> dict[str, list[str]]:
        """Create the global table as an independent table in each Region, and return the key attributes by table name.

        The gateway replicates between them, because the emulator's own replication shows a write in the other Region at
        once.
        """
        request, ttl = table_request(self._template, STACK), table_ttl(self._template)
        for region in REGIONS:
            dynamodb = session(region).client("dynamodb", endpoint_url=self._url, config=CLIENT_CONFIG)
            dynamodb.create_table(**request)
            dynamodb.update_time_to_live(
                TableName=STACK,
                TimeToLiveSpecification={"Enabled": ttl["Enabled"], "AttributeName": ttl["AttributeName"]},
            )
        return {STACK: [key["AttributeName"] for key in request["KeySchema"]]}

    def deploy_stack(self, region: str, endpoint_url: str, parameters: Mapping[str, str]) -> Stack:
        """Deploy one Region's whole stack. `endpoint_url` is where its functions reach AWS."""
        values: dict[str, str | int] = {**CONCURRENCY, **parameters}
        bucket = f"{STACK}-deployment-{region}"
        template_url = self._upload(region, bucket, endpoint_url, values)
        cloudformation = session(region).client("cloudformation", endpoint_url=self._url, config=CLIENT_CONFIG)
        cloudformation.create_stack(
            StackName=STACK,
            TemplateURL=template_url,
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": str(value)} for name, value in values.items()],
        )
        outputs = _await_stack(cloudformation, region)
        self._tag_buckets(region, (outputs["SourceBucketName"], outputs["TargetBucketName"]), values)
        return Stack(region=region, api_path=f"/_aws/execute-api/{outputs['RestAPIId']}/api", outputs=outputs)

    def _tag_buckets(self, region: str, buckets: Iterable[str], values: Mapping[str, str | int]) -> None:
        """Tag the buckets as the template says. The emulator makes buckets without their tags."""
        tenant = str(values.get("DefaultTenant", self._template["Parameters"]["DefaultTenant"]["Default"]))
        s3 = session(region).client("s3", endpoint_url=self._url, config=CLIENT_CONFIG)
        for bucket in buckets:
            s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": TENANTS_TAG, "Value": tenant}]})

    def start_event_sources(self, region: str) -> None:
        """Enable the event sources of a Region, so that its functions receive messages from their queues."""
        lambda_ = session(region).client("lambda", endpoint_url=self._url, config=CLIENT_CONFIG)
        for mapping in lambda_.list_event_source_mappings()["EventSourceMappings"]:
            lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    def learn_keys(self, stack: Stack, issuer: str) -> None:
        """Make a Region's sweep fetch the issuer's keys now, instead of within a minute. On a busy machine a sweep may
        run out of time before it gets to that, so another one follows. Raises DeployError if none gets them."""
        lambda_ = session(stack.region).client("lambda", endpoint_url=self._url, config=CLIENT_CONFIG)
        s3 = session(stack.region).client("s3", endpoint_url=self._url, config=CLIENT_CONFIG)

        def learned() -> bool:
            lambda_.invoke(FunctionName=f"{STACK}-sweep", Payload=json.dumps(SCHEDULED).encode())
            page = s3.list_objects_v2(Bucket=stack.control_bucket, Prefix=record_key(issuer))
            return bool(page.get("KeyCount"))

        try:
            wait_until(learned, "the issuer's keys are fetched", KEYS_TIMEOUT_S)
        except WaitError as error:
            raise DeployError(f"{stack.region}: no sweep got the issuer's keys; their log says why") from error

    def _upload(self, region: str, bucket: str, endpoint_url: str, values: Mapping[str, str | int]) -> str:
        """Upload zip and template, as `aws cloudformation package` does, and return the template's URL. The template is
        over the inline limit."""
        s3 = session(region).client("s3", endpoint_url=self._url, config=CLIENT_CONFIG)
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})  # type: ignore[typeddict-item] # the stubs list commercial Regions only
        code = CodeLocation(bucket, f"{self._digest}.zip")
        s3.put_object(Bucket=code.bucket, Key=code.key, Body=self._zip.read_bytes())
        template = adapt(
            self._template,
            region,
            parameters=values,
            code=code,
            endpoint_url=endpoint_url,
            certificate=self._certificate,
        )
        s3.put_object(Bucket=bucket, Key="template.json", Body=json.dumps(template).encode())
        return f"{self._url}/{bucket}/template.json"


def _await_stack(cloudformation: CloudFormationClient, region: str) -> dict[str, str]:
    stack: dict[str, Any] = {}

    def settled() -> bool:
        stack.update(cloudformation.describe_stacks(StackName=STACK)["Stacks"][0])
        return not stack["StackStatus"].endswith("IN_PROGRESS")

    wait_until(settled, f"stack {STACK} in {region} is complete", 60.0)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        reasons = [
            f"  {event.get('LogicalResourceId')}: {event.get('ResourceStatusReason', '')}"
            for event in events
            if event.get("ResourceStatus", "").endswith("FAILED")
        ]
        raise DeployError(f"stack {STACK} in {region} is {stack['StackStatus']}:\n" + "\n".join(reasons))
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
