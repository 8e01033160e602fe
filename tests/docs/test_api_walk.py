"""docs/api.md, carried out block by block on a cloud such as `make up` brings up."""

import os
import sys
from pathlib import Path

import pytest

from local.cloud import Cloud
from local.examples import settings_for_shell
from local.package import REPOSITORY
from tests.docs.walk import Block, blocks, run, unlike

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]
PAGE = REPOSITORY / "docs" / "api.md"
TIMEOUT_S = 480


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
