"""Planted bugs are found. `make mutants` hunts all of them. These tests hunt those that take few seeds."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from chalicelib.core.rows import Outcome
from simulation.mutants.catalogue import MUTANTS
from simulation.mutants.hunt import NOTHING, REPOSITORY, CannotBeHunted, Found, hunt, hunt_all, hunt_by_seeds
from simulation.mutants.plant import CannotBePlanted, Edit, Mutant, plant
from simulation.mutants.table import listed, table_of

QUICK = (
    "first-page-of-parts",
    "margin-left-out",
    "blind-copy",
    "fresh-head",
    "receipt-before-verify",
    "abort-by-age",
    "register-left-open",
    "claim-not-won",
    "observation-in-memory",
    "settled-without-halves",
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_can_be_planted(mutant: Mutant) -> None:
    """Each edit's old text is in its module exactly once. When the code changes, the mutant must follow."""
    for edit in mutant.edits:
        spec = find_spec(edit.module)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text()
        assert source.count(edit.old) == 1, edit
        assert edit.new != edit.old
        compile(source.replace(edit.old, edit.new), spec.origin, "exec")


@pytest.mark.parametrize("name", QUICK)
def test_it_is_found(name: str) -> None:
    (result,) = hunt_all(600, name)
    assert result.as_expected, f"{name} was not found in 600 seeds"
    assert result.by


def test_nothing_is_found_where_nothing_is_planted() -> None:
    """`make mutants` runs the tests that find other mutants. Here only seeds are run, because the tests are run
    anyway."""
    finding = hunt_by_seeds(NOTHING, 100)
    assert finding is None, finding


def test_it_must_be_planted_before_the_import() -> None:
    with pytest.raises(CannotBePlanted, match="has been imported"):
        plant([Edit(Outcome.__module__, "a", "b")])


def test_the_page_lists_every_mutant() -> None:
    assert listed() == [mutant.name for mutant in MUTANTS], "run `make mutants`"


def test_a_row_says_what_found_it() -> None:
    by_seed = [Found(mutant.name, mutant.what, 7, None, "I2 written once", "") for mutant in MUTANTS]
    assert "| `blind-copy` | CopyObject without" in table_of(by_seed)
    assert "| seed 7: I2 written once |" in table_of(by_seed)
    by_test = [
        Found(mutant.name, mutant.what, None, "tests/steps/test_a.py::test_b[a|b]", "", "") for mutant in MUTANTS
    ]
    assert "| `steps/test_a.py::test_b` |" in table_of(by_test)


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant.tests], ids=lambda mutant: mutant.name)
def test_the_tests_that_are_to_find_it_are_there(mutant: Mutant) -> None:
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}" in (REPOSITORY / path).read_text(), test


def test_a_bug_that_its_tests_do_not_find_is_not_found() -> None:
    mutant = Mutant("m", "", (), ("tests/core/test_retry.py",))
    assert hunt(mutant, 0).by == ""


def test_tests_that_can_not_be_run_find_nothing() -> None:
    """A test that isn't there, or that can't be imported, is no bug that was found."""
    with pytest.raises(CannotBeHunted):
        hunt(Mutant("m", "", (), ("tests/core/test_retry.py::test_that_is_not_there",)), 0)


def test_what_is_not_there_can_not_be_planted() -> None:
    """It is refused before any test runs. If an import in a test raised it, it would look like a bug that was found."""
    with pytest.raises(CannotBePlanted, match="0 times"):
        plant([Edit("simulation.__main__", "nobody wrote this", "")])  # No test imports this module.
