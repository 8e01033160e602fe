"""Test what every function process of the local cloud starts with."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local.function_site import sitecustomize

SITE = Path(sitecustomize.__file__).parent


def start(code: str, tmp_path: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SITE), "LOCAL_FUNCTION_LOGS": str(tmp_path), **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


FUNCTION = {"AWS_LAMBDA_FUNCTION_NAME": "eft-copy", "AWS_REGION": "us-gov-west-1"}


def test_lines_reach_the_file_at_once_and_the_emulator_too(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "print('begun, ', end='', file=sys.stderr)\n"
        "print('gone', flush=True); sys.stdin.readline()\n"
    )
    with start(code, tmp_path, **FUNCTION) as function:
        assert function.stdout
        assert function.stderr
        assert function.stdout.readline() == "gone\n"
        assert (tmp_path / "us-gov-west-1" / "copy.log").read_text() == "ready\n"
        function.kill()
        assert function.stderr.read().startswith("ready\n")


def test_a_function_ends_with_its_emulator_in_the_middle_of_its_work(tmp_path: Path) -> None:
    with start(
        "import threading; print('busy', flush=True); threading.Event().wait()", tmp_path, **FUNCTION
    ) as function:
        assert function.stdin
        assert function.stdout
        assert function.stdout.readline() == "busy\n"
        function.stdin.close()
        assert function.wait(timeout=10) == 1


def test_the_emulator_itself_is_left_alone(tmp_path: Path) -> None:
    with start("import sys; print('emulator', file=sys.stderr)", tmp_path) as emulator:
        assert emulator.wait(timeout=10) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_emulator_unpacks_a_functions_code_once(tmp_path: Path) -> None:
    """The second process of a function gets the same files, and keeps them when the first one's folder is deleted."""
    code = tmp_path / "code.zip"
    with zipfile.ZipFile(code, "w") as packed:
        packed.writestr("app.py", "first")
        packed.writestr("chalicelib/core/ids.py", "second")
    folders = [tmp_path / f"ministack-lambda-eft-copy-{name}" / "code" for name in ("a", "b")]
    elsewhere = tmp_path / "elsewhere"
    unpack = "import sys, zipfile\nfor path in sys.argv[2:]: zipfile.ZipFile(sys.argv[1]).extractall(path)"
    subprocess.run(
        [sys.executable, "-c", unpack, code, *folders, elsewhere],
        env={"PYTHONPATH": str(SITE), "LOCAL_FUNCTION_LOGS": str(tmp_path), "TMPDIR": str(tmp_path)},
        check=True,
    )
    first, second = (folder / "app.py" for folder in folders)
    assert first.samefile(second)
    assert not first.samefile(elsewhere / "app.py")
    shutil.rmtree(folders[0])
    assert (folders[1] / "app.py").read_text() == "first"
    assert (folders[1] / "chalicelib" / "core" / "ids.py").read_text() == "second"


@pytest.mark.parametrize("pieces", [["a", "b\n", "c\nd\n", "e"], ["ab\nc\nd\ne"]])
def test_tee_writes_whole_lines(tmp_path: Path, pieces: list[str]) -> None:
    with (tmp_path / "stream").open("w") as stream:
        tee = sitecustomize.Tee(stream, str(tmp_path / "log"))
        for piece in pieces:
            assert tee.write(piece) == len(piece)
    assert (tmp_path / "log").read_text() == "ab\nc\nd\n"
    assert (tmp_path / "stream").read_text() == "ab\nc\nd\ne"
