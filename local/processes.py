"""Find the emulator's function processes by their entries in /proc, so that they can be killed or frozen."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.02
# A process that the emulator had decided to start appears within this time, also on a busy machine.
_QUIET_S = 1.0
_TIMEOUT_S = 30.0


class ProcessError(RuntimeError):
    """Processes did not react to a signal in time."""


@dataclass(frozen=True, slots=True)
class FunctionProcess:
    """A process that runs a function. `function` is the function's name in Lambda."""

    pid: int
    region: str
    function: str
    stopped: bool


def function_processes(emulator_pid: int) -> list[FunctionProcess]:
    """Return every process that runs a function of the emulator, busy or idle."""
    processes = (_inspect(Path("/proc") / name, emulator_pid) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in processes if process is not None]


def _inspect(folder: Path, emulator_pid: int) -> FunctionProcess | None:
    try:
        # The format is "pid (name) state parent ...", where the name may hold any character.
        state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        if int(parent) != emulator_pid:
            return None
        entries = (folder / "environ").read_bytes().split(b"\0")
    except OSError:  # the process has just ended
        return None
    environ = dict(entry.decode(errors="replace").partition("=")[::2] for entry in entries)
    region, function = environ.get("AWS_REGION"), environ.get("AWS_LAMBDA_FUNCTION_NAME")
    if not region or not function or state in "ZX":
        return None
    return FunctionProcess(int(folder.name), region, function, stopped=state in "Tt")


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def until_quiet(look: Callable[[], list[int]], number: signal.Signals) -> set[int]:
    """Send the signal to every process that `look` finds, again and again, until it has found none for a while.

    Return all processes that it was sent to. Raises ProcessError if that takes too long.
    """
    signalled: set[int] = set()
    now_s = time.monotonic()
    quiet_since_s, deadline_s = now_s, now_s + _TIMEOUT_S
    while now_s - quiet_since_s < _QUIET_S:
        pids = look()
        if pids:
            send(number, pids)
            signalled.update(pids)
            quiet_since_s = time.monotonic()
        if now_s > deadline_s:
            raise ProcessError(f"still there after {_TIMEOUT_S:g} s of {number.name}: {pids}")
        time.sleep(_POLL_S)
        now_s = time.monotonic()
    return signalled
