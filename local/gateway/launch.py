"""Start the gateway as a child process and return the addresses of its listeners."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.gateway.process import ServerProcess, free_port, start_server

WEST = "us-gov-west-1"
EAST = "us-gov-east-1"
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ports:
    """One port of 127.0.0.1 for each listener. The listener identifies the caller."""

    aws: int
    west: int
    east: int
    api: int
    api_west: int
    api_east: int

    @staticmethod
    def free() -> Ports:
        return Ports(*(free_port() for _ in range(6)))


@dataclass(frozen=True)
class GatewayHandle:
    process: ServerProcess
    ports: Ports

    @property
    def aws_url(self) -> str:
        """The URL for clients outside both stacks, and for the gateway's own control endpoints under /_gateway/."""
        return f"http://127.0.0.1:{self.ports.aws}"

    def functions_url(self, region: str) -> str:
        """Return the AWS_ENDPOINT_URL of the functions of one Region's stack."""
        return f"http://127.0.0.1:{ {WEST: self.ports.west, EAST: self.ports.east}[region] }"

    @property
    def api_url(self) -> str:
        """The URL of the one API name that fails over."""
        return f"http://127.0.0.1:{self.ports.api}"

    def region_api_url(self, region: str) -> str:
        return f"http://127.0.0.1:{ {WEST: self.ports.api_west, EAST: self.ports.api_east}[region] }"

    def stop(self) -> None:
        self.process.stop()


def launch_gateway(
    upstream: str,
    ports: Ports,
    *,
    directory: Path,
    routing_scale: float = 1.0,
    extra: Sequence[str] = (),
    timeout_s: float = 30.0,
) -> GatewayHandle:
    """Start `python -m local.gateway` in front of `upstream`. Its log is `directory`/gateway.log."""
    listeners = {
        "aws": ports.aws,
        WEST: ports.west,
        EAST: ports.east,
        "api": ports.api,
        f"api-{WEST}": ports.api_west,
        f"api-{EAST}": ports.api_east,
    }
    command = [sys.executable, "-m", "local.gateway", "--upstream", upstream, "--routing-scale", str(routing_scale)]
    for name, port in listeners.items():
        command += ["--listen", f"{name}={port}"]
    process = start_server(
        "gateway",
        [*command, *extra],
        env=dict(os.environ) | {"PYTHONPATH": str(_REPOSITORY), "PYTHONUNBUFFERED": "1"},
        base_url=f"http://127.0.0.1:{ports.aws}",
        health_path="/_gateway/health",
        log_path=directory / "gateway.log",
        timeout_s=timeout_s,
    )
    return GatewayHandle(process=process, ports=ports)
