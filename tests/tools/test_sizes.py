"""Test the check of sizes: its counts, its limits, and that its exceptions can't outlive their reason."""

import ast
from pathlib import Path

import pytest

from tools.sizes import Exceptions, complaints, complexity, main, measure

PYPROJECT = "[tool.sizes]\nlong_functions = []\n"


def written(root: Path, **files: str) -> list[Path]:
    """Write files by name; `__` in a name stands for a folder."""
    paths = [root / f"{name.replace('__', '/')}.py" for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return paths


def function_of(lines: int, name: str = "long") -> str:
    return "\n".join([f"def {name}():", *["    pass"] * (lines - 1), ""])


@pytest.mark.parametrize(
    ("body", "ways"),
    [
        ("pass", 1),
        ("assert a and b", 2),
        ("if a:\n  pass\nelif b:\n  pass\nelse:\n  pass", 3),
        ("return a if b else c", 2),
        ("return a and b and c or d", 4),
        ("for a in b:\n  while a:\n    pass", 3),
        ("try:\n  pass\nexcept KeyError:\n  pass\nexcept OSError:\n  pass", 3),
        ("return [a for a in b for c in a if a if c]", 5),
        ("match a:\n  case 1:\n    pass\n  case _:\n    pass", 3),
        ("with a:\n  pass", 1),
        ("def inner():\n  if a:\n    pass", 2),
        ("return lambda: a or b", 2),
    ],
)
def test_complexity_counts_the_ways_through_a_function(body: str, ways: int) -> None:
    indented = "\n".join(f"  {line}" for line in body.splitlines())
    assert complexity(ast.parse(f"def function():\n{indented}").body[0]) == ways


def test_what_is_over_a_limit_is_found_and_what_is_at_it_is_not(tmp_path: Path) -> None:
    dense = "def dense():\n    return " + " or ".join("a" * 16) + "\n"
    full = "def full():\n    return " + " or ".join("a" * 15) + "\n"
    files = {f"crowd__m{number:02d}": "" for number in range(16)} | {f"row__m{number:02d}": "" for number in range(15)}
    paths = written(
        tmp_path,
        **files,
        row____init__="",
        code__functions=function_of(60, "short") + function_of(61) + dense + full,
        code__file="\n" * 401,
        code__other="\n" * 400,
    )
    assert sorted(finding.text for finding in measure(tmp_path, paths)) == [
        "code/file.py has 401 lines, at most 400 are allowed",
        "code/functions.py:122: dense has complexity 16, at most 15 is allowed",
        "code/functions.py:61: long has 61 lines, at most 60 are allowed",
        "crowd has 16 files, at most 15 are allowed",
    ]


def test_a_method_and_an_inner_function_are_measured_too(tmp_path: Path) -> None:
    method = "class Name:\n" + "".join(f"    {line}\n" for line in function_of(61, "method").splitlines())
    assert [finding.name for finding in measure(tmp_path, written(tmp_path, code__a=method))] == ["code/a.py:method"]


def test_an_exception_is_allowed_as_long_as_it_is_needed(tmp_path: Path) -> None:
    paths = written(tmp_path, code__long=function_of(61), code__file="\n" * 401)
    allowed = Exceptions(
        long_functions=frozenset({"code/long.py:long", "code/long.py:gone"}), long_files=frozenset({"code/file.py"})
    )
    assert complaints(measure(tmp_path, paths), allowed) == [
        "code/long.py:gone needs no exception any more: take it off long_functions in pyproject.toml"
    ]


def test_the_command_fails_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, app="", chalicelib__a="def f():\n    pass\n")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    assert main(tmp_path) == 0
    assert "2 files" in capsys.readouterr().out
    written(tmp_path, chalicelib__a=function_of(61))
    assert main(tmp_path) == 1
    assert capsys.readouterr().out == "chalicelib/a.py:1: long has 61 lines, at most 60 are allowed\n"


def test_an_unknown_list_of_exceptions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.sizes]\nlong_fields = []\n")
    with pytest.raises(TypeError, match="long_fields"):
        Exceptions.read(tmp_path / "pyproject.toml")
