"""Check that the code stays small enough to read: functions, files and folders. `make check` runs it.

Complexity is the number of ways through a function: 1, and 1 more for each branch, loop, `except`, `case`,
comprehension and its `if`s, conditional expression, and each further operand of `and` or `or`. ruff's C901 doesn't
count the last three, and so finds a dense condition simple.

The exceptions are in pyproject.toml, `[tool.sizes]`. An exception that isn't needed any more is a finding too, so the
lists only shrink.
"""

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias

FUNCTION_LINES_MAX = 60
COMPLEXITY_MAX = 15
FILE_LINES_MAX = 400
FOLDER_FILES_MAX = 15
"""The number of Python files in a folder, without `__init__.py`."""

_ONE_WAY_MORE = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The names that may be over a limit: "path" of a file or folder, "path:function" of a function."""

    complex_functions: frozenset[str] = frozenset()
    long_functions: frozenset[str] = frozenset()
    long_files: frozenset[str] = frozenset()
    crowded_folders: frozenset[str] = frozenset()

    @classmethod
    def read(cls, pyproject: Path) -> "Exceptions":
        """Read them. Raises KeyError if `[tool.sizes]` is missing, TypeError if it has an unknown list."""
        lists: Mapping[str, list[str]] = tomllib.loads(pyproject.read_text())["tool"]["sizes"]
        return cls(**{name: frozenset(names) for name, names in lists.items()})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is over a limit. `kind` is the list of `Exceptions` that may name it."""

    kind: str
    name: str
    text: str


def complexity(function: ast.AST) -> int:
    """Return the number of ways through a function, with those through the functions that are defined in it."""
    return 1 + sum(_further_ways(node) for node in ast.walk(function))


def _further_ways(node: ast.AST) -> int:
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    return int(isinstance(node, _ONE_WAY_MORE))


def measure(root: Path, paths: Iterable[Path]) -> Iterator[Finding]:
    """Yield whatever is over a limit in these Python files, whose names are shown relative to `root`."""
    files_in: dict[str, int] = {}
    for path in sorted(paths):
        name, text = path.relative_to(root).as_posix(), path.read_text()
        if path.name != "__init__.py" and path.parent != root:
            folder = path.parent.relative_to(root).as_posix()
            files_in[folder] = files_in.get(folder, 0) + 1
        lines = len(text.splitlines())
        if lines > FILE_LINES_MAX:
            yield Finding("long_files", name, f"{name} has {lines} lines, at most {FILE_LINES_MAX} are allowed")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, _Function):
                yield from _measure_function(name, node)
    for folder, count in files_in.items():
        if count > FOLDER_FILES_MAX:
            text = f"{folder} has {count} files, at most {FOLDER_FILES_MAX} are allowed"
            yield Finding("crowded_folders", folder, text)


def _measure_function(file: str, function: _Function) -> Iterator[Finding]:
    name, location = f"{file}:{function.name}", f"{file}:{function.lineno}: {function.name}"
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if lines > FUNCTION_LINES_MAX:
        text = f"{location} has {lines} lines, at most {FUNCTION_LINES_MAX} are allowed"
        yield Finding("long_functions", name, text)
    if (measured := complexity(function)) > COMPLEXITY_MAX:
        text = f"{location} has complexity {measured}, at most {COMPLEXITY_MAX} is allowed"
        yield Finding("complex_functions", name, text)


def complaints(findings: Iterable[Finding], exceptions: Exceptions) -> list[str]:
    """Return a line for each finding that is no exception, and for each exception that is no finding."""
    over: dict[str, set[str]] = {}
    lines = []
    for finding in findings:
        over.setdefault(finding.kind, set()).add(finding.name)
        if finding.name not in getattr(exceptions, finding.kind):
            lines.append(finding.text)
    for kind in (field.name for field in fields(Exceptions)):
        unneeded = sorted(getattr(exceptions, kind) - over.get(kind, set()))
        lines += [f"{name} needs no exception any more: take it off {kind} in pyproject.toml" for name in unneeded]
    return lines


def main(root: Path) -> int:
    """Print every complaint about the code below `root`. Return 1 if there is one, else 0."""
    folders = ("benchmarks", "chalicelib", "local", "simulation", "tests", "tools")
    paths = [root / "app.py", *(path for folder in folders for path in (root / folder).rglob("*.py"))]
    lines = complaints(measure(root, paths), Exceptions.read(root / "pyproject.toml"))
    print("\n".join(lines) if lines else f"{len(paths)} files: no function, file or folder is too large.")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parents[1]))
