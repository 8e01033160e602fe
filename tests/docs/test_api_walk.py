"""Carry out docs/api.md block by block, on a cloud such as `make up` starts."""

import os
import re
import sys
from pathlib import Path

import pytest

from chalicelib.entry.rest.contracts import CONTRACTS
from local.cloud import Cloud
from local.examples import settings_for_shell
from local.package import REPOSITORY
from tests.docs.walk import Block, blocks, run, unlike

PAGE = REPOSITORY / "docs" / "api.md"
TIMEOUT_S = 480


def _called(page: str) -> set[tuple[str, str]]:
    """Return the methods and paths that curl is given, without queries."""
    calls = set()
    for call in "".join(block.script for block in blocks(page)).split("curl ")[1:]:
        path = re.search(r'"\$API(/[^"?]*)', call)
        method = re.search(r"-X (\w+)", call)
        if path:
            calls.add((method[1] if method else "POST" if re.search(" -d ['\"]{", call) else "GET", path[1]))
    return calls


def test_every_operation_is_on_the_page() -> None:
    called = _called(PAGE.read_text())
    missing = [
        f"{contract.method} {contract.path}"
        for contract in CONTRACTS
        if not any(
            method == contract.method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", contract.path), path)
            for method, path in called
        )
    ]
    assert missing == []


@pytest.mark.cloud
@pytest.mark.timeout(600)
def test_the_walk_through_the_api_does_what_it_says(tmp_path: Path) -> None:
    steps = blocks(PAGE.read_text())
    with Cloud(f"docs-{os.getpid()}") as cloud:
        begin = Block(0, settings_for_shell(cloud.settings()), None)
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
        }
        printed = run([begin, *steps], folder=tmp_path, cwd=REPOSITORY, env=env, timeout_s=TIMEOUT_S)
    wrong = [why for step, text in zip(steps, printed[1:], strict=True) for why in unlike(step, text)]
    assert wrong == []
