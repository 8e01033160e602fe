"""Write docs/states.md: a diagram for each life cycle in `chalicelib.core.lifecycles`.

python -m tools.states            writes the page
python -m tools.states --check    exits with 1, and says so, if the page is not what would be written
"""

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Any

from chalicelib.core.lifecycles import LIFE_CYCLES
from chalicelib.core.transitions import LifeCycle

PAGE = Path(__file__).resolve().parents[1] / "docs" / "states.md"
_HEAD = """\
# States

`make states` writes this page from the tables in `chalicelib/core/lifecycles.py`, and `make check` compares it. In the
code, a transition that no table lists raises; in the simulation, it is a violation
([verification.md](verification.md#simulation)).

An arrow is an event: a record that was written ([architecture.md](architecture.md#records) lists them), or a fact that
was observed. Only a job's end and the notes of deliveries store a state. For everything else, the code replays the
events that the records show. Below each diagram are the events that change nothing, and those that come late: a worker
may have slept, and requests are repeated.
"""


def page() -> str:
    """Return the text of docs/states.md."""
    return "\n".join([_HEAD, *(_section(cycle) for cycle in LIFE_CYCLES)])


def _section(cycle: LifeCycle[Any, Any]) -> str:
    about = fill(cycle.about, 120, break_long_words=False, break_on_hyphens=False)
    head = [f"## {cycle.name.capitalize()}\n", f"{about}\n"]
    return "\n".join([*head, *_diagram(cycle), "", *_not_drawn(cycle)])


def _diagram(cycle: LifeCycle[Any, Any]) -> list[str]:
    """Return the lines of a mermaid diagram. Events that lead from every state that isn't final to one that is are
    drawn once, from a box around those states."""
    ends = _common_ends(cycle)
    lines = [
        f"    {source or '[*]'} --> {target}: {event}"
        for (source, event), target in cycle.table.items()
        if source is not target and (source is None or event not in ends)
    ]
    if ends:
        box = [f"    {line}" for line in lines]
        lines = ["    [*] --> open", '    state "not ended" as open {', *box, "    }"]
        lines += [f"    open --> {target}: {event}" for event, target in ends.items()]
    lines += [f"    {state} --> [*]" for state in _in_order(cycle) if state in cycle.finals]
    return ["```mermaid", "stateDiagram-v2", *lines, "```"]


def _common_ends(cycle: LifeCycle[Any, Any]) -> dict[Any, Any]:
    """Return the events that lead from every state that isn't final to the same final one, if there are several."""
    opened = {state for state in _in_order(cycle) if state not in cycle.finals}
    sources: dict[tuple[Any, Any], set[Any]] = {}
    for (source, event), target in cycle.table.items():
        sources.setdefault((event, target), set()).add(source)
    common = {event: to for (event, to), states in sources.items() if to in cycle.finals and states == opened}
    return common if len(opened) > 1 and len(common) > 1 else {}


def _in_order(cycle: LifeCycle[Any, Any]) -> list[Any]:
    """Return the states in the order in which they are defined."""
    reached = set(cycle.table.values())
    return [state for state in type(next(iter(reached))) if state in reached]


def _not_drawn(cycle: LifeCycle[Any, Any]) -> list[str]:
    """Return the lines of a table of the events that the diagram leaves out, one row for each state and what they lead
    to."""
    order = _in_order(cycle)
    same = [(key, target) for key, target in cycle.table.items() if key[0] is target]
    # For each state, events without a change come first.
    transitions = sorted(
        [*same, *cycle.late.items()],
        key=lambda item: (order.index(item[0][0]), item[0][0] is not item[1], order.index(item[1])),
    )
    if not transitions:
        return []
    rows = []
    for (state, target), group in groupby(transitions, key=lambda item: (item[0][0], item[1])):
        events = "; ".join(event for (_, event), _ in group)
        rows.append(f"| {state} | {events} | {'no change' if state is target else target} |")
    return ["| state | event | leads to |", "|---|---|---|", *rows, ""]


def main(arguments: Sequence[str]) -> int:
    """Write the page, or compare it with `--check`. Return the exit code."""
    if arguments == ["--check"]:
        if PAGE.exists() and PAGE.read_text() == page():
            return 0
        print("docs/states.md does not show the tables in chalicelib/core/lifecycles.py: run `make states`")
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
