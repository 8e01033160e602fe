"""Read and write the table where an answer is not essential. The table serves liveness and progress only, so no work
stops when it doesn't answer. Other workers may then take over partitions of this worker, which is safe, and progress
lags."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chalicelib.core.errors import Retry
from chalicelib.ports import Env

T = TypeVar("T")
A = ParamSpec("A")


def put_best_effort(env: Env, put: Callable[[T], None], item: T) -> None:
    """Put an item into the table. If the table doesn't answer, this is only logged."""
    try:
        put(item)
    except Retry as error:
        env.log("table-not-written", item=type(item).__name__, error=str(error))


def get_best_effort(env: Env, get: Callable[A, T | None], *args: A.args, **named: A.kwargs) -> T | None:
    """Read something dispensable from the table. Return None if the table doesn't answer."""
    try:
        return get(*args, **named)
    except Retry as error:
        env.log("table-not-read", asked=args, error=str(error))
        return None
