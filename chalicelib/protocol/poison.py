"""One object's trouble is its own: it becomes that row's outcome, and never holds up the others."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.core.errors import Archived, Denied, EftError, NoSuchBucket, Retry
from chalicelib.core.model import Outcome
from chalicelib.ports import Env

R = TypeVar("R")


def safely(env: Env, key: str, work: Callable[[], R]) -> R | EftError:
    """What `work` returns, or the error that concerns this key alone. Raises what concerns all: Retry (look again
    later) and NoSuchBucket."""
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
    """AWS says no for good, or we have a bug that this object shows."""
    if isinstance(error, Denied):
        return Outcome.DENIED
    return Outcome.ARCHIVED if isinstance(error, Archived) else Outcome.FAILED
