"""Start ministack, the AWS emulator of the local cloud, as a child process.

It lives in a virtual environment of its own, since it pins botocore. So it is started by the path of its binary.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from local.gateway.process import ServerProcess, start_server

# Variables that are passed on from the caller's environment. All others are left out on purpose: ministack passes its
# environment on to every function it runs, and reads dozens of variables. Credentials or an AWS_ENDPOINT_URL of the
# developer's shell must not reach them by accident.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "AWS_CA_BUNDLE")


def launch_ministack(
    binary: Path, port: int, env: Mapping[str, str], *, directory: Path, timeout_s: float = 60.0
) -> ServerProcess:
    """Start `binary` on 127.0.0.1:`port` and wait until it is healthy.

    `directory` takes its state, its temporary files and `ministack.log`. `env` wins over every default here; give
    AWS_ENDPOINT_URL in it to make the functions that ministack runs talk to a gateway instead of ministack itself.
    """
    for folder in ("state", "s3", "tmp"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    defaults = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": "us-gov-west-1",
        "STATE_DIR": str(directory / "state"),
        "S3_DATA_DIR": str(directory / "s3"),
        "TMPDIR": str(directory / "tmp"),
        # Its IoT listener uses the fixed port 8883, which a second instance on the same machine could not bind.
        "IOT_MTLS_ENABLED": "0",
        "PYTHONUNBUFFERED": "1",
    }
    return start_server(
        "ministack",
        [str(binary)],
        env=defaults | dict(env),
        base_url=f"http://127.0.0.1:{port}",
        health_path="/_ministack/health",
        log_path=directory / "ministack.log",
        timeout_s=timeout_s,
    )
