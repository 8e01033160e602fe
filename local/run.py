"""A run is the folder of one local cloud, with the lock that says whether it is up."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from local import scratch
from local.package import REPOSITORY

DEFAULT_NAME = "main"
_RUNS = REPOSITORY / "out" / "run"


class RunError(RuntimeError):
    """The run is not available. The message says what to do."""


@dataclass
class Run:
    """`out/run/NAME`. The process that holds its lock is its cloud. The kernel releases the lock when that process
    dies."""

    name: str
    _lock: int | None = field(default=None, repr=False)
    _scratch: Path | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", self.name):
            raise RunError(f"a run's name is of letters, digits, dots, dashes and underscores, not {self.name!r}")

    @property
    def folder(self) -> Path:
        return _RUNS / self.name

    @property
    def settings_file(self) -> Path:
        """The file in which `make up` writes how to reach the cloud."""
        suffix = "" if self.name == DEFAULT_NAME else f"-{self.name}"
        return REPOSITORY / "out" / f"local{suffix}.json"

    @property
    def issuer_file(self) -> Path:
        """The file with the local issuer's keys."""
        return self.folder / "issuer.json"

    @property
    def function_logs(self) -> Path:
        return self.folder / "functions"

    @property
    def scratch(self) -> Path:
        """The folder in which functions are unpacked. It exists only while the run is claimed."""
        if self._scratch is None:
            raise RunError(f"the run {self.name!r} is not claimed")
        return self._scratch

    def claim(self) -> None:
        """Become this run's cloud, on an empty folder. Raises RunError if it is up already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode()
            os.close(lock)
            raise RunError(
                f"the local cloud {self.name!r} is up already (process {holder}): take it down with"
                f" `make down{_argument(self.name)}`, or give this one another name: `make up RUN=name`"
            ) from None
        self._lock = lock
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._clear(keep=("lock",))
        self._scratch = scratch.make(self.folder, lambda folder: _holder(folder) is None)

    def release(self) -> None:
        """Release the lock. Logs and keys stay for later inspection; the emulator's data does not."""
        if self._lock is None:
            return
        for folder in (self.scratch, self.folder / "state", self.folder / "s3", self.folder / "tmp"):
            shutil.rmtree(folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def holder(self) -> int | None:
        """Return the id of the process whose cloud this run is, or None when it is down."""
        return _holder(self.folder)

    def _clear(self, keep: tuple[str, ...]) -> None:
        for path in self.folder.iterdir():
            if path.name in keep:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _holder(folder: Path) -> int | None:
    try:
        lock = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(lock, 32) or b"0") or None
    finally:
        os.close(lock)
    return None


def running() -> list[str]:
    """Return the names of the runs that are up."""
    if not _RUNS.is_dir():
        return []
    return sorted(path.name for path in _RUNS.iterdir() if path.is_dir() and Run(path.name).holder() is not None)


def _argument(name: str) -> str:
    return "" if name == DEFAULT_NAME else f" RUN={name}"
