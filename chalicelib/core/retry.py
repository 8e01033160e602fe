"""Computes how long to wait before the next attempt."""


def backoff_ms(attempt: int, base_ms: int, max_ms: int, uniform: float) -> int:
    """Return a wait with full jitter, in milliseconds (AWS Architecture Blog, "Exponential Backoff And Jitter").
    `attempt` counts from 0, `uniform` is in [0, 1)."""
    ceiling: int = min(max_ms, base_ms << min(attempt, 30))
    return round(ceiling * uniform) + 1
