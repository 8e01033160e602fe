"""Run first in every function process of the local cloud, and in its emulator: it is on the emulator's PYTHONPATH.
It is never deployed.

The emulator shows a function's output only after the invocation has ended, and none of a function that was killed. So
each line also goes to a file as it is printed. A function also ends with its emulator, even in the middle of its work,
and deletes the folder that it was unpacked to.

In the emulator's own process, a function's code is unpacked once for all processes of the function.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import shutil
import sys
import threading
from typing import Any, TextIO

LOG_DIRECTORY = "LOCAL_FUNCTION_LOGS"
_STACK_PREFIX = "eft-"
_UNPACKED_PREFIX = "ministack-lambda-"
"""The emulator's name for the folder of one function process, before the function's name."""


class Tee(io.TextIOBase):
    """Writes to the stream that it replaces and, by whole lines, to a file that several processes append to."""

    def __init__(self, stream: TextIO, path: str) -> None:
        self._stream = stream
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._lock = threading.Lock()
        self._begun = ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        with self._lock:
            complete_lines, newline, self._begun = (self._begun + text).rpartition("\n")
            if newline:
                os.write(self._file, (complete_lines + newline).encode(errors="backslashreplace"))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()


def _die_with_emulator() -> None:
    """Wait until the emulator ends, then exit. The emulator holds the other end of stdin; poll reports that it was
    closed even when it is asked for no events."""
    closed = select.poll()
    closed.register(0, 0)
    closed.poll()
    _delete_code()
    os._exit(1)


def _delete_code() -> None:
    """Delete the function's code. The emulator does so for a function that it ends, but not when it is killed
    itself."""
    folder, name = os.path.split(os.path.dirname(os.environ.get("LAMBDA_TASK_ROOT", "")))
    if folder == os.environ.get("TMPDIR") and name.startswith(_UNPACKED_PREFIX):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _install(directory: str, function: str) -> None:
    folder = os.path.join(directory, os.environ.get("AWS_REGION", "unknown"))
    os.makedirs(folder, exist_ok=True)
    # The SDK puts it into its user agent. By it the gateway tells which role began a multipart upload.
    os.environ.setdefault("AWS_SDK_UA_APP_ID", function)
    sys.stderr = Tee(sys.stderr, os.path.join(folder, f"{function.removeprefix(_STACK_PREFIX)}.log"))
    atexit.register(_delete_code)
    threading.Thread(target=_die_with_emulator, name="die-with-emulator", daemon=True).start()


def unpack_once() -> None:
    """Let this process unpack the same zip of a function only once, and make hard links to those files after that.

    The emulator unpacks some 2,300 files for each process that it starts, on one thread for all functions of both
    Regions: a third of a cold start. Lambda has unpacked a function's code before it starts a process. No function
    writes to its code, since that folder is read-only on Lambda.
    """
    # Not at the top: no function needs these, and each import delays a cold start.
    import hashlib
    import tempfile
    import zipfile

    unpack, lock = zipfile.ZipFile.extractall, threading.Lock()

    def unpack_or_link(archive: zipfile.ZipFile, path: str, *options: Any, **named_options: Any) -> None:  # noqa: ANN401
        folder, name = os.path.split(path)
        if name != "code" or not os.path.basename(folder).startswith(_UNPACKED_PREFIX) or not archive.filename:
            unpack(archive, path, *options, **named_options)
            return
        with open(archive.filename, "rb") as packed:
            unpacked = os.path.join(
                tempfile.gettempdir(), f"unpacked-{hashlib.file_digest(packed, 'sha256').hexdigest()}"
            )
        with lock:
            if not os.path.isdir(unpacked):
                draft = tempfile.mkdtemp(prefix="unpacking-")
                unpack(archive, draft)
                os.rename(draft, unpacked)
        shutil.copytree(unpacked, path, copy_function=os.link, dirs_exist_ok=True)

    zipfile.ZipFile.extractall = unpack_or_link  # type: ignore[method-assign, assignment]


if LOG_DIRECTORY in os.environ:
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        _install(os.environ[LOG_DIRECTORY], os.environ["AWS_LAMBDA_FUNCTION_NAME"])
    else:
        unpack_once()
