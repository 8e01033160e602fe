"""Confine one object's failure to its own row: an error becomes that row's outcome, and never holds up the others."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.core.errors import Archived, Denied, EftError, NoSuchBucket, Retry
from chalicelib.core.rows import Outcome
from chalicelib.ports import Env

R = TypeVar("R")


def safely(env: Env, key: str, work: Callable[[], R]) -> R | EftError:
    """Return the result of `work`, or the error that concerns this key alone. Raises errors that concern all keys:
    Retry (try again later) and NoSuchBucket."""
    try:
        return work()
    except (Retry, NoSuchBucket):
        raise
    except EftError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this object
        env.log("object-crashed", key=key, error=repr(error), trace=True)
        return EftError("InternalError", repr(error))


def outcome_of(error: EftError) -> Outcome:
    """Return the outcome of a row with a permanent error: AWS refuses for good, or the object reveals a bug of ours."""
    if isinstance(error, Denied):
        return Outcome.DENIED
    return Outcome.ARCHIVED if isinstance(error, Archived) else Outcome.FAILED
