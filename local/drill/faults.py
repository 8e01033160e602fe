"""Fault rules of the gateway that bring a Region to an exact moment and keep it there until it is killed. Pure."""

from __future__ import annotations

from typing import Any

Rules = list[dict[str, Any]]
Match = dict[str, str]
"""Of the gateway's `faults.Match`: every field given must agree."""


def hold(name: str, match: Match, *, skip: int = 0) -> Rules:
    """From the one after `skip` on, matching requests get no answer, and are never carried out. `name` counts them."""
    return [{"id": name, "match": match, "skip": skip, "action": {"kind": "hang"}}]


def lose_answer(name: str, match: Match, *, skip: int = 0, times: int = 1) -> Rules:
    """The matching requests after `skip` are carried out, but nobody hears of it."""
    return [{"id": name, "match": match, "skip": skip, "times": times, "action": {"kind": "drop_answer"}}]


def slow(name: str, match: Match, delay_ms: int) -> Rules:
    return [{"id": name, "match": match, "action": {"kind": "delay", "delay_ms": delay_ms}}]


def count(name: str, match: Match) -> Rules:
    """Nothing goes wrong: only counts."""
    return slow(name, match, 0)
