"""SeaweedFS: the independent S3, from PyPI, one process."""

import json
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.gateway.process import ServerProcess, free_port, start_server

ADMIN = ("admin", "admin-secret")
"""Access key and secret key."""
CLIENT = ("client", "client-secret")
"""May read and write, but not make buckets: for an administrator, SeaweedFS makes any bucket that is written to."""


def launch_seaweedfs(directory: Path) -> ServerProcess:
    """Start one in `directory` and wait until its S3 answers. It dies with this process. Every listener gets a port of
    its own: its unix sockets and gRPC ports are otherwise derived from the others and collide."""
    (directory / "data").mkdir(parents=True)
    config = directory / "s3.json"
    identities = [
        _identity(*ADMIN, "Admin", "Read", "List", "Tagging", "Write"),
        _identity(*CLIENT, "Read", "List", "Tagging", "Write"),
    ]
    config.write_text(json.dumps({"identities": identities}))
    s3_port = free_port()
    ports = {
        f"{service}.port{kind}": free_port()
        for service in ("master", "volume", "filer", "s3")
        for kind in ("", ".grpc")
    } | {"s3.port": s3_port}
    options = {
        **ports,
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
    command = [str(binary), "server", "-filer", "-s3", *(f"-{name}={value}" for name, value in options.items())]
    process = start_server(
        "seaweedfs",
        command,
        env={"PATH": "/usr/bin:/bin", "HOME": str(directory), "TMPDIR": str(directory)},
        base_url=f"http://127.0.0.1:{s3_port}",
        health_path="/healthz",
        log_path=directory / "seaweedfs.log",
        timeout_s=60,
    )
    _await_writable(process)
    return process


def _identity(access_key: str, secret_key: str, *actions: str) -> dict[str, object]:
    credentials = [{"accessKey": access_key, "secretKey": secret_key}]
    return {"name": access_key, "credentials": credentials, "actions": actions}


def _await_writable(process: ServerProcess, timeout_s: float = 30.0) -> None:
    """It says that it is healthy before its volume server has joined, and refuses writes until then."""
    client = boto3.client(
        "s3",
        region_name="us-gov-west-1",
        endpoint_url=process.base_url,
        aws_access_key_id=ADMIN[0],
        aws_secret_access_key=ADMIN[1],
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    client.create_bucket(Bucket="readiness")
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            client.put_object(Bucket="readiness", Key="ready", Body=b"written")
            return
        except (ClientError, BotoCoreError):
            if time.monotonic() > deadline:
                process.stop()
                raise
            time.sleep(0.05)
