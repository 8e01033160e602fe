"""Start SeaweedFS, the independent S3, from PyPI, in one process."""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.gateway.process import ServerProcess, free_port, start_server

ADMIN = ("admin", "admin-secret")
"""These are an access key and a secret key."""
CLIENT = ("client", "client-secret")
"""This client may read and write, but not make buckets: for an administrator, SeaweedFS makes any bucket that is
written to."""
_SERVICES = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class SeaweedFS:
    process: ServerProcess
    grpc_ports: dict[str, int]

    @property
    def url(self) -> str:
        return self.process.base_url

    def stop(self) -> None:
        """Kill the server, since a graceful end takes it five seconds. It leaves sockets behind, at a fixed place."""
        self.process.popen.kill()
        self.process.stop()
        for service, port in self.grpc_ports.items():
            Path(f"/tmp/seaweedfs-{service}-grpc-{port}.sock").unlink(missing_ok=True)


def launch_seaweedfs(directory: Path) -> SeaweedFS:
    """Start one in `directory` and wait until it takes writes. It ends with this process. Every listener gets a port of
    its own: its gRPC ports and unix sockets are otherwise derived from the others and collide."""
    (directory / "data").mkdir(parents=True)
    config = directory / "s3.json"
    identities = [
        _identity(*ADMIN, "Admin", "Read", "List", "Tagging", "Write"),
        _identity(*CLIENT, "Read", "List", "Tagging", "Write"),
    ]
    config.write_text(json.dumps({"identities": identities}))
    http_ports = {service: free_port() for service in _SERVICES}
    grpc_ports = {service: free_port() for service in _SERVICES}
    options: dict[str, object] = {
        **{f"{service}.port": port for service, port in http_ports.items()},
        **{f"{service}.port.grpc": port for service, port in grpc_ports.items()},
        "dir": directory / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3.config": config,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 128,
        "volume.max": 50,
        "filer.localSocket": directory / "filer.sock",
        "s3.localSocket": directory / "s3.sock",
    }
    binary = Path(sys.executable).with_name("weed")
    process = start_server(
        "seaweedfs",
        [str(binary), "server", "-filer", "-s3", *(f"-{name}={value}" for name, value in options.items())],
        env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "TMPDIR": str(directory)},
        base_url=f"http://127.0.0.1:{http_ports['s3']}",
        health_path="/healthz",
        log_path=directory / "seaweedfs.log",
        timeout_s=60,
    )
    started = SeaweedFS(process, grpc_ports)
    _await_writable(started)
    return started


def _identity(access_key: str, secret_key: str, *actions: str) -> dict[str, object]:
    credentials = [{"accessKey": access_key, "secretKey": secret_key}]
    return {"name": access_key, "credentials": credentials, "actions": actions}


def _await_writable(started: SeaweedFS, timeout_s: float = 30.0) -> None:
    """Wait until the server takes writes. It says that it is healthy before its volume server has joined, and refuses
    writes until then."""
    client = boto3.client(
        "s3",
        region_name="us-gov-west-1",
        endpoint_url=started.url,
        aws_access_key_id=ADMIN[0],
        aws_secret_access_key=ADMIN[1],
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            # For an administrator, a write makes the bucket.
            client.put_object(Bucket="readiness", Key="ready", Body=b"written")
            return
        except (ClientError, BotoCoreError):
            if time.monotonic() > deadline:
                started.stop()
                raise
            time.sleep(0.05)
