"""Run a server as a child process that never outlives its starter."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

_PR_SET_PDEATHSIG = 1  # prctl(2)
_POLL_SECONDS = 0.05
_STOP_SECONDS = 5.0
_PORTS = range(12_000, 32_000)

# It is loaded before any fork: between fork and exec only async-signal-safe work is allowed.
_LIBC = ctypes.CDLL(None, use_errno=True)


class StartError(RuntimeError):
    """The server did not become healthy. The message carries the end of its log."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which nobody listens now. Another process may take it before you do: then try
    again.

    The port is below those that Linux assigns to outgoing connections (32768 and up), so that none of them can take it.
    """
    while True:
        port = random.SystemRandom().randrange(_PORTS.start, _PORTS.stop)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class ServerProcess:
    """A running server. `stop()` is idempotent and also runs when this interpreter exits, or when a `with` ends."""

    name: str
    base_url: str
    log_path: Path
    popen: subprocess.Popen[bytes] = field(repr=False)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Send SIGTERM to the server, then SIGKILL to it and to everything it started: it leads a process group of its
        own."""
        atexit.unregister(self.stop)
        if self.alive:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_server(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    base_url: str,
    health_path: str,
    log_path: Path,
    timeout_s: float = 30.0,
) -> ServerProcess:
    """Start `command`, wait until `base_url + health_path` answers 200, and return its handle. Raises StartError if it
    does not in time.

    The kernel kills the child when the thread that called this ends (PR_SET_PDEATHSIG is per thread). So call it from
    the main thread: then nothing survives even a SIGKILL of this process.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        popen = subprocess.Popen(
            list(command),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, no lock taken, no memory allocated
        )
    server = ServerProcess(name=name, base_url=base_url, log_path=log_path, popen=popen)
    atexit.register(server.stop)
    _await_health(server, base_url + health_path, timeout_s)
    return server


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _await_health(server: ServerProcess, url: str, timeout_s: float) -> None:
    # A proxy named in the environment must not be asked about 127.0.0.1.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + timeout_s
    while server.alive and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=2.0) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(_POLL_SECONDS)
    reason = "did not become healthy in time" if server.alive else f"ended with code {server.popen.returncode}"
    server.stop()
    raise StartError(f"{server.name} {reason}; the end of {server.log_path}:\n{server.log_tail()}")
