"""Every error code has one row in the table of problem types, and is raised as that row says."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from chalicelib.core import errors
from chalicelib.core.errors import EftError, ErrorCode, RequestError
from chalicelib.entry.rest.problems import PROBLEM_TYPES, TABLE, TYPE, ProblemType, problem_of
from tests import apigateway

REPOSITORY = Path(__file__).resolve().parents[2]
CLASSES = {
    name: member for name, member in vars(errors).items() if isinstance(member, type) and issubclass(member, EftError)
}
REQUEST_ERRORS = {member for member in CLASSES.values() if issubclass(member, RequestError)} - {RequestError}
SOURCES = [path for folder in ("chalicelib", "simulation", "local") for path in (REPOSITORY / folder).rglob("*.py")]
REQUEST_ID = "request-1"


# --- the table ----------------------------------------------------------------------------------------------------


def test_every_code_has_one_row() -> None:
    assert sorted(row.code for row in TABLE) == sorted(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_code_has_one_name(code: ErrorCode) -> None:
    assert re.sub(r"(?<=.)(?=[A-Z])", "_", code.value).upper() == code.name


def test_every_class_of_errors_has_codes() -> None:
    assert {row.error for row in TABLE if row.error} == REQUEST_ERRORS


# --- where codes are used -----------------------------------------------------------------------------------------


def calls(path: Path) -> Iterator[tuple[str, ast.Call, ast.AST]]:
    """Yield each call of a module: what is called, the call, and the innermost function that it is in."""

    def within(node: ast.AST, function: ast.AST) -> Iterator[tuple[str, ast.Call, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield ast.unparse(child.func), child, function
            yield from within(child, child if isinstance(child, ast.FunctionDef) else function)

    tree = ast.parse(path.read_text())
    return within(tree, tree)


def codes_of(path: Path, call: ast.Call, function: ast.AST) -> set[ErrorCode]:
    """Return the codes that the first argument may be: the member that it names, or else every member in the module's
    tables that the function around it uses."""
    code = call.args[0] if call.args else None
    if isinstance(code, ast.Attribute) and ast.unparse(code.value) == "ErrorCode":
        return {ErrorCode[code.attr]}
    if not isinstance(code, ast.Name | ast.Subscript):
        return set()
    module = import_module(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return {code for name in names for code in members(vars(module).get(name))}


def members(value: object) -> Iterator[ErrorCode]:
    """Yield all codes in a table."""
    if isinstance(value, ErrorCode):
        yield value
    elif isinstance(value, dict):
        yield from members(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from members(item)


@cache
def raised() -> tuple[tuple[str, type[EftError], set[ErrorCode]], ...]:
    """Return each place where an error of ours is made: where it is, the class, and the codes that it may have."""
    return tuple(
        (f"{path.relative_to(REPOSITORY)}:{call.lineno}", CLASSES[name], codes_of(path, call, function))
        for path in SOURCES
        for name, call, function in calls(path)
        if name in CLASSES
    )


def test_every_error_is_raised_with_a_code_of_its_class() -> None:
    for where, error, codes in raised():
        if error in REQUEST_ERRORS:
            assert codes, f"{where}: {error.__name__} takes a member of ErrorCode"
            assert {PROBLEM_TYPES[code].error for code in codes} == {error}, f"{where}: {codes} in {error.__name__}"
        else:
            assert not codes, f"{where}: {error.__name__} answers no request, so its code is plain text"


def test_the_api_answers_by_itself_with_codes_that_no_error_has() -> None:
    codes_by_place = {
        f"{path.name}:{call.lineno}": codes_of(path, call, function)
        for path in (REPOSITORY / "chalicelib").rglob("*.py")
        for name, call, function in calls(path)
        if name == "Problem.of" and ast.unparse(call.args[0]) != "error.code"
    }
    assert len(codes_by_place) > 10
    for where, codes in codes_by_place.items():
        assert {PROBLEM_TYPES[code].error for code in codes} == {None}, f"{where}: {codes}"


def test_every_code_of_an_error_is_raised_somewhere() -> None:
    used = {code for _, error, codes in raised() if error in REQUEST_ERRORS for code in codes}
    assert used == {row.code for row in TABLE if row.error}


def test_every_other_code_is_answered_by_the_api_or_api_gateway() -> None:
    entry = REPOSITORY / "chalicelib/entry/rest"
    modules = [path for path in entry.glob("*.py") if not path.name.startswith(("contract", "examples"))]
    texts = [re.sub(r"ProblemType\(\s*ErrorCode\.\w+", "", path.read_text()) for path in modules]
    ours = {ErrorCode[name] for text in texts for name in re.findall(r"\bErrorCode\.([A-Z_]+)", text)}
    uris = [json.loads(apigateway.answer(response)[2])["type"] for response in apigateway.responses().values()]
    theirs = {ErrorCode(uri.removeprefix(TYPE)) for uri in uris}
    assert {row.code for row in TABLE if row.error is None} <= ours | theirs


# --- what clients are shown ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [row for row in TABLE if row.error], ids=lambda row: row.code)
def test_an_error_about_the_request_is_shown_with_its_message_and_the_advice(row: ProblemType) -> None:
    assert row.error is not None
    problem = problem_of(row.error(row.code, "the message"), REQUEST_ID)
    assert problem.type is row
    assert problem.detail == (f"the message: {row.advice}" if row.advice else "the message")


@pytest.mark.parametrize("error", [error for error in CLASSES.values() if not issubclass(error, RequestError)])
@pytest.mark.parametrize("code", ["AccessDenied", "InvalidCursor", "UnknownJob", "code of tomorrow"])
def test_any_other_error_shows_nothing_of_itself(error: type[EftError], code: str) -> None:
    """This holds even if AWS has a code that is spelt like one of ours."""
    problem = problem_of(error(code, "secret"), REQUEST_ID)
    assert problem.type.status >= 500
    assert code not in problem.type.uri
    assert "secret" not in problem.detail
