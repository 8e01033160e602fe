"""Start a real gateway in front of a real emulator, one pair for the whole test session (and each xdist worker)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.gateway.launch import EAST, WEST, GatewayHandle, Ports, launch_gateway
from local.gateway.process import free_port
from local.ministack import launch_ministack

_REPOSITORY = Path(__file__).resolve().parents[2]
_ROUTING_SCALE = 200.0
"""There is a health check every 50 ms, and the TTL is 300 ms: a failover takes less than a second."""


ROOT = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@dataclass(frozen=True)
class Cloud:
    gateway: GatewayHandle
    emulator_url: str

    def client(
        self,
        service: str,
        region: str = WEST,
        url: str | None = None,
        credentials: Mapping[str, str] = ROOT,
        **config: Any,
    ) -> Any:
        """Return a boto3 client that does not retry, so that every fault is seen."""
        session: Any = boto3.Session()
        return session.client(
            service,
            region_name=region,
            endpoint_url=url or self.gateway.aws_url,
            **credentials,
            config=Config(
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                max_pool_connections=64,
                **config,
            ),
        )

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx.request(method, f"{self.gateway.aws_url}/_gateway/{path}", json=body, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    binary = Path(os.environ.get("EFT_MINISTACK", _REPOSITORY / ".venv-cloud" / "bin" / "ministack"))
    if not binary.exists():
        pytest.skip(f"no emulator at {binary}; EFT_MINISTACK names another")
    directory = tmp_path_factory.mktemp("cloud")
    with launch_ministack(binary, free_port(), {}, directory=directory) as emulator:
        gateway = launch_gateway(emulator.base_url, Ports.free(), directory=directory, routing_scale=_ROUTING_SCALE)
        try:
            yield Cloud(gateway, emulator.base_url)
        finally:
            gateway.stop()


@pytest.fixture
def clean(cloud: Cloud) -> Iterator[Cloud]:
    """Yield the cloud with no faults, no cuts and counters at zero. They are reset before and after the test."""

    def reset() -> None:
        cloud.control("DELETE", "faults")
        for region in (WEST, EAST):
            cloud.control("DELETE", f"cut/{region}")
        cloud.control("DELETE", "requests")

    reset()
    yield cloud
    reset()


@pytest.fixture(scope="session")
def s3(cloud: Cloud) -> Any:
    return cloud.client("s3")


_numbers = count(1)


def failure(call: Any, **arguments: Any) -> dict[str, Any]:
    """Return the error of a boto3 call as boto3 parsed it, or an empty dict if the call succeeded."""
    try:
        call(**arguments)
    except ClientError as error:
        parsed: dict[str, Any] = dict(error.response["Error"])
        return parsed | {"status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
    return {}


def code_of(call: Any, **arguments: Any) -> str:
    """Return the code of the call's error, or "" for success."""
    return str(failure(call, **arguments).get("Code", ""))


@pytest.fixture
def bucket(s3: Any) -> str:
    """Return a new bucket for each test, without versions."""
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": WEST})
    return name


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket
