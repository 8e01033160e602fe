"""Compare what was found with what was expected."""

from dataclasses import dataclass

from simulation.model.check import Check
from simulation.model.pan import Found


@dataclass(frozen=True, slots=True)
class CheckResult:
    check: Check
    found: Found
    seconds: float
    replay: str
    """A command that shows the history found, step by step; empty if there is none."""

    @property
    def deviation(self) -> str | None:
        """How the result differs from what the table expects; None if it doesn't."""
        return deviation(self.check, self.found)


def deviation(check: Check, search: Found) -> str | None:
    """Return how the result differs from the expectation, or None. A violation ends a search, so a search that found
    the expected one need not be complete. Any other must be."""
    if search.violated is not None:
        return None if search.violated == check.violates else f"violated: {search.violated}"
    if search.cut_short is not None:
        return search.cut_short
    if search.errors:
        return f"{search.errors} errors that pan did not explain"
    if search.states == 0:
        return "no state was looked at"
    return None if check.violates is None else f"{check.violates} was not violated"
