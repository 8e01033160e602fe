import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import Cloud

MIB = 1024 * 1024


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Yield both Regions, with every function held to its role's policy: a gap in a policy shows as a failure here."""
    policy = {
        "multipart_threshold_bytes": 8 * MIB,
        "part_size_bytes": 5 * MIB,
        "keys_refresh_ms": 1000,
        "requests_per_minute_per_tenant": 100_000,
        "webhook_attempts": 2,
        "webhook_backoff_base_ms": 1000,
    }
    with Cloud(f"test-local-{os.getpid()}", policy=policy, enforce_iam=True) as started:
        yield started
    shutil.rmtree(started.run.folder)


def processes_of(folder: Path) -> dict[int, str]:
    """Return the processes that work in `folder` or hold a file of it open, by id, with their command lines."""
    command_lines = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _touches(process, str(folder)):
            command_lines[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return command_lines


def _touches(process: Path, folder: str) -> bool:
    try:
        return any(os.readlink(link).startswith(folder) for link in [process / "cwd", *(process / "fd").iterdir()])
    except OSError:  # The process has just ended.
        return False
