"""This module is the background process behind `make up`. It holds one cloud, watches its children, and takes
everything down at the end.

The command that starts it prints its start-up messages, until the line READY. Until then the two live and die together;
afterwards the supervisor runs independently.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local.cloud import Cloud
from local.package import REPOSITORY
from local.run import Run
from local.wait import wait_until

READY = "READY"
_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None, use_errno=True)
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class SupervisorError(RuntimeError):
    """The background process did not do as asked. The message says where to look."""


def start(name: str, say: Callable[[str], None]) -> None:
    """Start the supervisor of a run and return once its cloud is up. Ctrl-C here takes down what has been started."""
    command = [sys.executable, "-m", "local", "serve", "--name", name]
    child = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - one prctl call, no lock taken, no memory allocated
    )
    try:
        if not _follow(child, say):
            raise SupervisorError(f"the local cloud did not come up (exit code {child.wait()})")
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise


def stop(run: Run) -> bool:
    """Take a run's cloud down, and return when nothing of it is left. Return False if it was not up."""
    pid = run.holder()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: run.holder() is None, f"process {pid} has taken {run.name!r} down", 30.0)
    return True


def serve(name: str) -> None:
    """Be the supervisor until a signal arrives or a child dies."""
    for number in _ENDING:
        signal.signal(number, _leave)
    cloud = Cloud(name, on_phase=lambda phase, seconds: print(f"  {phase:<24}{seconds:6.1f} s", flush=True))
    with cloud:
        cloud.run.settings_file.write_text(json.dumps(cloud.settings(), indent=2) + "\n")
        try:
            _stand_alone(cloud.run.folder / "supervisor.log")
            _watch(cloud)
        finally:
            cloud.run.settings_file.unlink(missing_ok=True)


def _follow(child: subprocess.Popen[str], say: Callable[[str], None]) -> bool:
    """Print the child's messages. Return True at READY, False if it ends before."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == READY:
            return True
        say(line.rstrip("\n"))
    return False


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stand_alone(log: Path) -> None:
    """Let the cloud outlive the command that started it, and print to its log from now on."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, 0)
    print(READY, flush=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    os.close(file)


def _leave(number: int, _frame: object) -> None:
    # A second signal must not interrupt the clean-up that the first one started.
    for ending in _ENDING:
        signal.signal(ending, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _watch(cloud: Cloud) -> None:
    """Sleep until a child ends. A signal that asks the supervisor to end raises SystemExit."""
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    while all(process.alive for process in cloud.processes()):
        signal.sigtimedwait([signal.SIGCHLD], 5.0)
    for process in cloud.processes():
        if not process.alive:
            print(f"{process.name} ended by itself; the end of {process.log_path}:\n{process.log_tail()}", flush=True)
