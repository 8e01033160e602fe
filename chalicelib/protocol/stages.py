"""Run the stages of a sweep: each in its share of the time, and no matter how the stages before it ended."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from chalicelib.core.budgets import reserve_ms
from chalicelib.core.errors import OutOfTime
from chalicelib.core.shares import Stage, stage_ends
from chalicelib.ports import Env
from chalicelib.protocol.breaker import Breaker, Limits, guarded

NOTING_MS = 1_500
"""How long before its calls are cut off a stage stops beginning things, in ms. It notes its progress in that time."""
Work = Callable[[Env, int], None]
T = TypeVar("T")


def run_stages(env: Env, breaker: Breaker, deadline_ms: int, stages: Mapping[Stage, Work]) -> None:
    """Run all stages in their order. Raises the first failure, after the last stage has run."""
    begun_ms = env.clock.now_ms()
    ends = stage_ends(begun_ms, min(deadline_ms - reserve_ms(env.policy), begun_ms + env.policy.sweep_run_ms))
    limits = Limits()
    guarded_env = guarded(env, breaker, limits)
    failure: Exception | None = None
    for stage in sorted(stages, key=list(Stage).index):
        until_ms = ends[stage]
        limits.until_ms = until_ms
        try:
            stages[stage](guarded_env, until_ms - NOTING_MS)
        except OutOfTime as error:
            # The next sweep continues where this one stopped.
            env.log("sweep-stage-cut", stage=stage, error=str(error))
        except Exception as error:  # noqa: BLE001 - one stage's failure must not keep the others from their work
            env.log("sweep-stage-failed", stage=stage, error=repr(error), trace=True)
            failure = failure or error
    if failure is not None:
        raise failure


def in_turn(env: Env, items: Sequence[T]) -> list[T]:
    """Return the items, beginning with another one in each sweep: one that takes long must not keep the others waiting
    for ever."""
    first = env.clock.now_ms() // env.policy.sweep_interval_ms % len(items) if items else 0
    return [*items[first:], *items[:first]]
