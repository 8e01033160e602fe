"""Every link between documents leads somewhere, and every function that a document names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SYMBOL = re.compile(r"`([\w./-]+\.py)::?(\w+(?:\.\w+)*)`")
"""The form is `file.py:function`, or `tests/file.py::test`."""
FILE = re.compile(r"`((?:chalicelib|simulation|tests|local|benchmarks|tools)/[\w./-]+\.py)`")


def _name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_to_a_file_or_a_heading(page: Path) -> None:
    broken = [link for link in _links(page) if not _is_there(page, link)]
    assert not broken, f"{_name(page)} links to {broken}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_file_and_function_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    missing = [path for path in FILE.findall(text) if _resolve(path) is None]
    missing += [f"{path}:{name}" for path, name in SYMBOL.findall(text) if not _has(path, name)]
    assert not missing, f"{_name(page)} names {missing}"


def _links(page: Path) -> list[str]:
    prose = FENCE.sub("", page.read_text())
    return [link for link in LINK.findall(prose) if not re.match(r"[a-z]+:", link)]


def _is_there(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not anchor or anchor in _anchors(target)


@cache
def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def _resolve(path: str) -> Path | None:
    """Find a Python file by its path from the top, or from chalicelib/ or tests/, as documents shorten it."""
    candidates = [folder / path for folder in (REPOSITORY, REPOSITORY / "chalicelib", REPOSITORY / "tests")]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _has(path: str, name: str) -> bool:
    file = _resolve(path)
    return file is not None and name in _symbols(file)


@cache
def _symbols(path: Path) -> set[str]:
    """Return the dotted names of all that a module defines, in classes too."""
    names: set[str] = set()

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                collect(node.body, f"{prefix}{node.name}.")
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            names.update(prefix + target.id for target in targets if isinstance(target, ast.Name))

    collect(ast.parse(path.read_text()).body, "")
    return names
