"""The judges have their own, independent versions of some rules. Here they are compared with the product's, so that
neither goes wrong alone."""

import ast
import random
from pathlib import Path

import pytest

from chalicelib.core.filters import ObjectFilter
from chalicelib.core.inputs import Filters
from chalicelib.core.keylist import Cursor, Lines, read_line
from chalicelib.core.objects import ObjectFacts
from chalicelib.core.rows import Outcome
from simulation.run import naive

JUDGES = ("monitors", "judgements", "deletions", "inbox", "timetable", "naive", "inputs", "contents")
DATA = {
    "codec",
    "desired_state",
    "endpoints",
    "entries",
    "errors",
    "ids",
    "inputs",
    "jobs",
    "leases",
    "manifests",
    "objects",
    "planned",
    "policy",
    "registers",
    "rows",
    "schedules",
}
"""The modules of `chalicelib.core` that a judge may import: formats, data, names."""
PIECES = ("*", "**", "**/", "?", "a", "b", "/", "[ab]", "[!a]", "[^b-c]", "[a-c]", "[]a]")


def test_globs_are_matched_alike() -> None:
    drawn = random.Random("globs")
    matched = 0
    for _ in range(10_000):
        pattern = "".join(drawn.choices(PIECES, k=drawn.randint(1, 5)))
        text = "".join(drawn.choices("ab/c]", k=drawn.randint(0, 6)))
        expected = ObjectFilter.of(Filters(include=(pattern,))).passes(text, ObjectFacts(text, 1, "e"))
        assert naive.matches(pattern, text) is expected, (pattern, text)
        matched += expected
    assert matched > 1000


def test_a_manifest_is_read_as_it_was_written() -> None:
    keys = ["in/a b", "in/é", "in/+%", 'in/","', "in/\n"]
    lines = [line for line, _ in Lines(Cursor()).feed(naive.manifest_of("bucket", keys), end=True)]
    named_objects = [read_line(line, "bucket", "in/") for line in lines]
    assert [named.key for named in named_objects if named] == keys


def test_what_is_good_is_good() -> None:
    assert {outcome for outcome in Outcome if naive.is_good(outcome)} == {
        outcome for outcome in Outcome if outcome.good
    }


@pytest.mark.parametrize("judge", JUDGES)
def test_no_judge_asks_the_product_what_is_right(judge: str) -> None:
    tree = ast.parse(Path(naive.__file__).with_name(f"{judge}.py").read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    rules = {name for name in imported if name.startswith("chalicelib.") and not _is_data(name)}
    assert not rules, f"{judge} goes by {rules}"


def _is_data(module: str) -> bool:
    package, name = module.split(".")[1], module.split(".")[-1]
    return package == "ports" or module == "chalicelib.core" or (package == "core" and name in DATA)
