"""Choose the folder where the emulator unpacks functions. Each process unpacks the whole zip, which makes some thousand
files for a cloud at work.

The folder is in memory where the machine offers that, since a busy disk takes a minute to delete these files. A killed
cloud leaves its folder there; the next cloud that starts deletes it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

MEMORY = Path("/dev/shm")
_PREFIX = f"eft-{os.getuid()}-"
_OWNER = "owner"
_NEEDED_BYTES = 3 * 1024**3


def make(run_folder: Path, abandoned: Callable[[Path], bool], memory: Path = MEMORY) -> Path:
    """Return an empty folder for the cloud of `run_folder`. `abandoned` says whether the cloud of another run's folder
    is gone; if so, that cloud's files are deleted."""
    for folder_of_other in memory.glob(f"{_PREFIX}*"):
        if _is_abandoned(folder_of_other, abandoned):
            shutil.rmtree(folder_of_other, ignore_errors=True)
    if not _serves(memory):
        folder = run_folder / "tmp"
        folder.mkdir(exist_ok=True)
        return folder
    folder = memory / (_PREFIX + hashlib.sha256(str(run_folder).encode()).hexdigest()[:16])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    (folder / _OWNER).write_text(str(run_folder))
    return folder


def _is_abandoned(folder: Path, abandoned: Callable[[Path], bool]) -> bool:
    try:
        return abandoned(Path((folder / _OWNER).read_text()))
    except OSError:  # another process is making or deleting it right now
        return False


def _serves(memory: Path) -> bool:
    """Return whether there is enough room, and libraries may be loaded from there (containers often forbid that)."""
    try:
        state = os.statvfs(memory)
    except OSError:
        return False
    room = state.f_bavail * state.f_frsize
    return room >= _NEEDED_BYTES and not state.f_flag & os.ST_NOEXEC and os.access(memory, os.W_OK)
