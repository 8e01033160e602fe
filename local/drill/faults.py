"""Make the gateway's fault rules that bring a Region to an exact moment and keep it there until it is killed. This
module is pure."""

from __future__ import annotations

from typing import Any

Rules = list[dict[str, Any]]
Match = dict[str, str]
"""Fields of the gateway's `faults.Match`: every given field must agree."""


def hold(name: str, match: Match, *, skip: int = 0) -> Rules:
    """Hold matching requests after the first `skip`: they get no answer and are never carried out. The rule's count is
    found under `name`."""
    return [{"id": name, "match": match, "skip": skip, "action": {"kind": "hang"}}]


def lose_answer(name: str, match: Match, *, skip: int = 0, times: int = 1) -> Rules:
    """Carry out the matching requests after the first `skip`, but drop their answers."""
    return [{"id": name, "match": match, "skip": skip, "times": times, "action": {"kind": "drop_answer"}}]


def slow(name: str, match: Match, delay_ms: int) -> Rules:
    return [{"id": name, "match": match, "action": {"kind": "delay", "delay_ms": delay_ms}}]


def count(name: str, match: Match) -> Rules:
    """Count matching requests without any fault."""
    return slow(name, match, 0)
