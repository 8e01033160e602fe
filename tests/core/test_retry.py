"""How long a process waits before it looks again."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.retry import backoff_ms

counts = st.integers(0, 10_000)


@given(counts, st.integers(1, 1000), st.integers(1, 60_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_is_at_least_a_moment_and_never_above_its_ceiling(
    attempt: int, base_ms: int, max_ms: int, uniform: float
) -> None:
    assert 1 <= backoff_ms(attempt, base_ms, max_ms, uniform) <= max_ms + 1


@given(counts, st.integers(1, 1000), st.integers(1, 60_000))
def test_the_ceiling_doubles_with_each_attempt(attempt: int, base_ms: int, max_ms: int) -> None:
    longest = backoff_ms(attempt, base_ms, max_ms, 1 - 1e-12)
    assert longest == min(max_ms, base_ms * 2 ** min(attempt, 30)) + 1


def test_full_jitter_spreads_over_the_whole_time() -> None:
    waits = {backoff_ms(3, 100, 5000, number / 10) for number in range(10)}
    assert min(waits) == 1
    assert max(waits) == 721
    assert len(waits) == 10
