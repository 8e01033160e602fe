"""Going through many things in rounds, some at a time: a pure decision."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Round:
    """How far a round is."""

    begun_ms: int
    cursor: str | None = None
    """After which one to go on; None: from the first."""
    ended: bool = False


def next_round(before: Round | None, now_ms: int, every_ms: int) -> Round | None:
    """What to go on with: the round that was begun, or a new one, if the last one began long enough ago; else None."""
    if before is None or (before.ended and now_ms - before.begun_ms >= every_ms):
        return Round(now_ms)
    return None if before.ended else before
