"""Decides how to go through many things in rounds, some at a time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Round:
    """The progress of a round."""

    begun_ms: int
    cursor: str | None = None
    """The item after which to continue; None: begin with the first one."""
    ended: bool = False


def next_round(before: Round | None, now_ms: int, every_ms: int) -> Round | None:
    """Return the round to continue, or a new one if the last one has ended and began at least `every_ms` ago. None if
    there is nothing to do yet."""
    if before is None or (before.ended and now_ms - before.begun_ms >= every_ms):
        return Round(now_ms)
    return None if before.ended else before
