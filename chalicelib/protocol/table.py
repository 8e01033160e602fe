"""Telling the table how things stand. It serves liveness and progress only, so a table that doesn't answer stops no
work: others may then take over what this worker holds, which is safe, and progress lags."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.core.errors import Retry
from chalicelib.ports import Env

T = TypeVar("T")


def tell(env: Env, put: Callable[[T], None], item: T) -> None:
    try:
        put(item)
    except Retry as error:
        env.log("table-not-told", item=type(item).__name__, error=str(error))
