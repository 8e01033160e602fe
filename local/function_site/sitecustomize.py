"""Run first in every function process of the local cloud (it is on the emulator's PYTHONPATH). It is never deployed.

The emulator shows a function's output only after the invocation has ended, and none of a function that was killed. So
each line also goes to a file as it is printed. A function also ends with its emulator, even in the middle of its work,
and deletes the folder that it was unpacked to.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import shutil
import sys
import threading
from typing import TextIO

LOG_DIRECTORY = "LOCAL_FUNCTION_LOGS"
_STACK_PREFIX = "eft-"


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
            whole, newline, self._begun = (self._begun + text).rpartition("\n")
            if newline:
                os.write(self._file, (whole + newline).encode(errors="backslashreplace"))
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
    if folder == os.environ.get("TMPDIR") and name.startswith("ministack-lambda-"):
        shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _install(directory: str, function: str) -> None:
    folder = os.path.join(directory, os.environ.get("AWS_REGION", "unknown"))
    os.makedirs(folder, exist_ok=True)
    # The SDK puts it into its user agent. By it the gateway tells which role began a multipart upload.
    os.environ.setdefault("AWS_SDK_UA_APP_ID", function)
    sys.stderr = Tee(sys.stderr, os.path.join(folder, f"{function.removeprefix(_STACK_PREFIX)}.log"))
    atexit.register(_delete_code)
    threading.Thread(target=_die_with_emulator, name="die-with-emulator", daemon=True).start()


# The emulator itself starts with the same environment, but it is no function.
if LOG_DIRECTORY in os.environ and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    _install(os.environ[LOG_DIRECTORY], os.environ["AWS_LAMBDA_FUNCTION_NAME"])
