"""Servers that a process started end with it, even if it is killed outright."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.gateway.process import StartError, start_server
from tests.gateway.conftest import Cloud

REPOSITORY = Path(__file__).resolve().parents[2]
PARENT = """
import sys, time
from pathlib import Path
from local.gateway.launch import Ports, launch_gateway
gateway = launch_gateway("http://127.0.0.1:{port}", Ports.free(), directory=Path({directory!r}))
print(gateway.process.pid, flush=True)
time.sleep(600)
"""


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.cloud
def test_a_killed_parent_takes_its_gateway_along(cloud: Cloud, tmp_path: Path) -> None:
    port = cloud.emulator_url.rpartition(":")[2]
    code = PARENT.format(port=port, directory=str(tmp_path))
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert running(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while running(child):
        assert time.monotonic() < deadline, "the gateway outlived its parent"


def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"ended with code 3; the end of .*\n.*the reason"):
        start_server(
            "broken",
            [sys.executable, "-c", "import sys; print('the reason', flush=True); sys.exit(3)"],
            env=dict(os.environ),
            base_url="http://127.0.0.1:1",
            health_path="/",
            log_path=tmp_path / "log",
        )
