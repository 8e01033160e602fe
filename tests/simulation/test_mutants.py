"""Planted bugs are found. All of them: `make mutants`; here those that take few seeds."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from chalicelib.core.model import Outcome
from simulation.mutants.catalogue import MUTANTS
from simulation.mutants.hunt import NOTHING, Found, hunt_all
from simulation.mutants.plant import CannotBePlanted, Edit, Mutant, plant
from simulation.mutants.table import listed, table_of

QUICK = (
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
    """What it changes is there, once: code that has changed asks for mutants that have."""
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
    (found,) = hunt_all(600, name)
    assert found.as_expected, f"{name} was not found in 600 seeds"
    assert found.invariant


def test_nothing_is_found_where_nothing_is_planted() -> None:
    (found,) = hunt_all(100, NOTHING.name)
    assert (found.seed, found.as_expected) == (None, True)


def test_it_must_be_planted_before_the_import() -> None:
    with pytest.raises(CannotBePlanted, match="has been imported"):
        plant([Edit(Outcome.__module__, "a", "b")])


def test_the_page_lists_every_mutant() -> None:
    assert listed() == [mutant.name for mutant in MUTANTS], "run `make mutants`"


def test_a_row_says_what_found_it() -> None:
    found = [Found(mutant.name, mutant.what, 7, "I2 written once", "") for mutant in MUTANTS]
    assert "| `blind-copy` | CopyObject without" in table_of(found)
    assert "| 7 | I2 written once |" in table_of(found)
