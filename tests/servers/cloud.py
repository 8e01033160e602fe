"""Start ministack behind the gateway: the S3 that the local cloud offers."""

from dataclasses import dataclass
from pathlib import Path

from local.gateway.launch import GatewayHandle, Ports, launch_gateway
from local.gateway.process import ServerProcess, free_port
from local.ministack import launch_ministack

MINISTACK = Path(__file__).resolve().parents[2] / ".venv-cloud" / "bin" / "ministack"


@dataclass(frozen=True, slots=True)
class LocalCloud:
    ministack: ServerProcess
    gateway: GatewayHandle

    @property
    def url(self) -> str:
        return self.gateway.aws_url

    def stop(self) -> None:
        self.gateway.stop()
        self.ministack.stop()


def launch_local_cloud(directory: Path) -> LocalCloud:
    """Start both in `directory`, on free ports. They end with this process."""
    ministack = launch_ministack(MINISTACK, free_port(), {}, directory=directory / "ministack")
    gateway = launch_gateway(ministack.base_url, Ports.free(), directory=directory / "gateway")
    return LocalCloud(ministack, gateway)
