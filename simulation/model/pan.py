"""Parse the output of the checker that Spin generates (pan). This module is pure."""

import re
from dataclasses import dataclass

from simulation.model.check import DEADLOCK, LIVENESS_VIOLATED

_CUT_SHORT = {
    "max search depth too small": "the search was cut off at its maximum depth",
    "reached -DMEMLIM bound": "the search ran out of its memory",
    "out of memory": "the search ran out of its memory",
    "VECTORSZ": "a state was larger than pan was compiled for",
    "Interrupted": "the search was interrupted",
}


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of one search. `violated` is the property's name, or pan's own words if it has none."""

    errors: int
    states: int
    depth: int
    memory_mb: int
    violated: str | None
    cut_short: str | None
    """Why the search did not cover everything, other than because it found a violation; None if it did."""


def read(output: str) -> Found:
    """Read pan's output. A run whose figures are missing did not finish, whatever else it printed."""
    errors = _number(r"errors: (\d+)", output)
    states = _number(r"([\d.e+]+) states, stored", output)
    cut_short = next((explanation for sign, explanation in _CUT_SHORT.items() if sign in output), None)
    if errors is None or states is None:
        cut_short = cut_short or "pan did not finish"
    return Found(
        errors=errors or 0,
        states=states or 0,
        depth=_number(r"depth reached (\d+)", output) or 0,
        memory_mb=_number(r"([\d.]+)\s+total actual memory usage", output) or 0,
        violated=_violated(output),
        cut_short=cut_short,
    )


def _violated(output: str) -> str | None:
    match = re.search(r"^pan:\s*\d+: (.*?) \(at depth \d+\)", output, re.MULTILINE)
    if match is None:
        return None
    message = match.group(1)
    if message.startswith("acceptance cycle"):
        return LIVENESS_VIOLATED
    if message.startswith("invalid end state"):
        return DEADLOCK
    # HOLDS(name, condition) in the models reads `assert((condition) || name == 0)`.
    condition = re.search(r"\|\|\((\w+)==0\)\)$", message)
    return condition.group(1) if condition else message


def _number(pattern: str, output: str) -> int | None:
    match = re.search(pattern, output)
    return round(float(match.group(1))) if match else None
