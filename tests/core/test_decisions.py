"""Decision tables: the first rule that applies decides, and every case meets one."""

from collections.abc import Callable

import pytest

from chalicelib.core import plan, sweep
from chalicelib.core.decisions import Rule, decide_by, first_rule, gives, otherwise

TABLE: tuple[Rule[int, str], ...] = (
    Rule("negative", lambda number: number < 0, gives("below")),
    Rule("small", lambda number: number < 10, lambda number: f"small {number}"),
    Rule("any other", otherwise, gives("large")),
)


@pytest.mark.parametrize(
    ("number", "name", "answer"), [(-1, "negative", "below"), (3, "small", "small 3"), (10, "any other", "large")]
)
def test_the_first_rule_that_applies_decides(number: int, name: str, answer: str) -> None:
    assert first_rule(TABLE, number).name == name
    assert decide_by(TABLE, number) == answer


@pytest.mark.parametrize(
    "rules",
    [[(rule.name, rule.applies) for rule in table] for table in (sweep.RULES, plan.OUTCOMES, plan.LOOKS, plan.METHODS)],
    ids=["sweep", "outcomes", "looks", "methods"],
)
def test_every_table_is_complete_and_names_each_rule_once(rules: list[tuple[str, Callable[..., bool]]]) -> None:
    names = [name for name, _ in rules]
    assert len(set(names)) == len(names)
    assert [name for name, applies in rules if applies is otherwise] == names[-1:]
