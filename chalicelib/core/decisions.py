"""Defines decision tables: named rules in a fixed order, of which the first one that applies gives the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Case = TypeVar("Case")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Rule(Generic[Case, Answer]):
    """One row of a decision table. Its condition may rely on it that no rule above it applies."""

    name: str
    """The situation in plain words."""
    applies: Callable[[Case], bool]
    answer: Callable[[Case], Answer]


def otherwise(_: object) -> bool:
    """Apply to every case: the condition of a table's last rule."""
    return True


def gives(answer: Answer) -> Callable[[object], Answer]:
    """Return a function that gives this answer for every case."""
    return lambda _: answer


def first_rule(table: Sequence[Rule[Case, Answer]], case: Case) -> Rule[Case, Answer]:
    """Return the first rule that applies. Every table ends with one that applies `otherwise`, so there is one."""
    return next(rule for rule in table if rule.applies(case))


def decide_by(table: Sequence[Rule[Case, Answer]], case: Case) -> Answer:
    """Return the answer of the first rule that applies."""
    return first_rule(table, case).answer(case)
