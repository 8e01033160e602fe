import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from local.processes import FunctionProcess, function_processes, send, until_quiet
from local.wait import wait_until

_WAIT = [sys.executable, "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def function() -> Iterator[int]:
    """Yield a process that looks like a function of an emulator, which is this very process."""
    environ = {**os.environ, "AWS_REGION": "us-gov-west-1", "AWS_LAMBDA_FUNCTION_NAME": "eft-copy"}
    with subprocess.Popen(_WAIT, env=environ, stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def test_functions_are_found_by_parent_and_environment(function: int) -> None:
    with subprocess.Popen(_WAIT, env={"AWS_REGION": "us-gov-west-1"}, stdin=subprocess.PIPE) as other:
        assert function_processes(os.getpid()) == [FunctionProcess(function, "us-gov-west-1", "eft-copy", False)]
        other.kill()
    assert function_processes(1) == []


def test_stopped_ones_are_told_apart_and_killed_ones_are_gone(function: int) -> None:
    def stopped() -> list[bool]:
        return [process.stopped for process in function_processes(os.getpid())]

    send(signal.SIGSTOP, [function])
    wait_until(lambda: stopped() == [True], "it is stopped", 5)
    send(signal.SIGCONT, [function])
    wait_until(lambda: stopped() == [False], "it goes on", 5)
    hit = until_quiet(lambda: [process.pid for process in function_processes(os.getpid())], signal.SIGKILL)
    assert hit == {function}
    send(signal.SIGKILL, [2**22 - 1])  # This id belongs to no process.
