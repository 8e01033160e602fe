"""Test the rule that compares a page with the printed output."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.docs.walk import Block, blocks, differences, run


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ({"id": "job-a", "count": 1}, {"count": 22.5, "id": "job-b"}),
        ({"state": "RUNNING", "at": None}, {"state": "RUNNING", "at": "2027"}),
        ([{"a": 1}, {"b": 1}], [{"b": 2}]),
        ([], []),
    ],
)
def test_examples_may_differ(shown: object, printed: object) -> None:
    assert differences(shown, printed) == []


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ({"id": "a"}, {"id": "a", "more": 1}),
        ({"id": "a", "more": None}, {"id": "a"}),
        ({"id": "a"}, {"id": 1}),
        ({"state": "SUCCEEDED"}, {"state": "PARTIAL"}),
        ({"outcomes": {"COPIED": 1}}, {"outcomes": {"FAILED": 1}}),
        ({"done": True}, {"done": False}),
        ({"done": True}, {"done": 1}),
        ([1], []),
        ([], [1]),
        ([{"a": 1}], [{"a": 1}, {"b": 1}]),
    ],
)
def test_what_is_promised_may_not(shown: object, printed: object) -> None:
    assert differences(shown, printed)


def test_blocks_share_a_shell_and_the_page_says_what_they_print(tmp_path: Path) -> None:
    page = '# A\n\n```sh\nA=1\n```\n\n```sh\necho "{\\"a\\": $A}"\n```\n\ntext\n\n```json\n{"a": 2}\n```\n'
    first, second = blocks(page)
    assert (first.line, first.printed, second.line) == (3, None, 7)
    assert second.printed == '{"a": 2}\n'
    assert [json.loads(text) for text in run([first, second], **_here(tmp_path)) if text] == [{"a": 1}]


def test_a_block_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="line 9 ends with 3:\nsaid"):
        run([Block(4, "A=1", None), Block(9, "echo said; exit 3", None), Block(12, "echo no", None)], **_here(tmp_path))
    with pytest.raises(AssertionError, match="B: unbound variable"):
        run([Block(4, "echo $B", None)], **_here(tmp_path))


def _here(folder: Path) -> Any:
    return {"folder": folder, "cwd": folder, "env": {"PATH": "/usr/bin:/bin"}, "timeout_s": 30.0}
