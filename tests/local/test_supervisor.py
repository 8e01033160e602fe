"""`make up` and `make down` work beside another cloud, and leave nothing behind, however a run ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.package import REPOSITORY
from local.run import Run
from local.wait import wait_until
from tests.local.conftest import processes_of

pytestmark = pytest.mark.cloud


def local(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    run = Run(f"t{os.getpid()}-{abs(hash(request.node.name)) % 10_000}")
    yield run
    local("down", "--name", run.name)
    shutil.rmtree(run.folder)


def nothing_left(folder: Path) -> None:
    wait_until(lambda: not processes_of(folder), f"every process of {folder} has ended", 60.0)


def test_up_says_how_to_reach_it_and_down_leaves_nothing(run: Run) -> None:
    up = local("up", "--name", run.name)
    assert up.returncode == 0, up.stdout + up.stderr
    settings = json.loads(run.settings_file.read_text())
    assert set(settings) >= {"endpoint_url", "api_url", "regions", "token", "access_key_id", "secret_access_key"}
    assert set(settings["regions"]) == {"west", "east"}
    for expected in (settings["endpoint_url"], settings["api_url"], settings["token"], f"make down RUN={run.name}"):
        assert expected in up.stdout
    assert "both Regions healthy" in up.stdout

    again = local("up", "--name", run.name)
    assert again.returncode == 0
    assert "up already" in again.stdout
    assert settings["token"] in again.stdout

    down = local("down", "--name", run.name)
    assert (down.returncode, down.stdout) == (0, f"The local cloud '{run.name}' is down.\n")
    assert not run.settings_file.exists()
    nothing_left(run.folder)
    assert local("down", "--name", run.name).stdout == f"The local cloud '{run.name}' was not up.\n"


def test_nothing_survives_a_killed_supervisor(run: Run) -> None:
    assert local("up", "--name", run.name).returncode == 0
    holder = run.holder()
    assert holder is not None
    assert len(processes_of(run.folder)) >= 4, "supervisor, emulator, gateway, functions"
    os.kill(holder, signal.SIGKILL)
    nothing_left(run.folder)
    assert local("up", "--name", run.name).returncode == 0, "and the name can be used again"


def test_ctrl_c_during_start_up_leaves_nothing(run: Run) -> None:
    # A shell starts background processes with SIGINT ignored, and this suite may be one.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "local", "up", "--name", run.name]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as up:
        wait_until(
            lambda: any("ministack" in line for line in processes_of(run.folder).values()), "emulator begun", 120.0
        )
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=120) != 0
    nothing_left(run.folder)
    assert run.holder() is None


def test_a_dead_emulator_takes_the_cloud_down_and_is_reported(run: Run) -> None:
    assert local("up", "--name", run.name).returncode == 0
    emulator = next(pid for pid, line in processes_of(run.folder).items() if "bin/ministack" in line)
    os.kill(emulator, signal.SIGKILL)
    nothing_left(run.folder)
    assert "ministack ended by itself" in (run.folder / "supervisor.log").read_text()
