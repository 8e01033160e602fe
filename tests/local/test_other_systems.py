"""On systems other than Linux, the local cloud says what it needs."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["local.__main__", "local.demo.__main__"])
def test_elsewhere_it_says_what_it_needs(module: str) -> None:
    code = f"import sys; sys.platform = 'darwin'; import {module}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("The local cloud needs Linux")
    assert "Traceback" not in ended.stderr
