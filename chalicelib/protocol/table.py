"""Telling the table how things stand. It serves liveness and progress only, so a table that doesn't answer stops no
work: others may then take over what this worker holds, which is safe, and progress lags."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from chalicelib.core.errors import Retry
from chalicelib.ports import Env

T = TypeVar("T")
A = ParamSpec("A")


def tell(env: Env, put: Callable[[T], None], item: T) -> None:
    try:
        put(item)
    except Retry as error:
        env.log("table-not-told", item=type(item).__name__, error=str(error))


def ask(env: Env, get: Callable[A, T | None], *args: A.args, **named: A.kwargs) -> T | None:
    """Ask the table for something that one can do without: a table that doesn't answer has nothing of the kind."""
    try:
        return get(*args, **named)
    except Retry as error:
        env.log("table-not-read", asked=args, error=str(error))
        return None
