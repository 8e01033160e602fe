"""Let S3 refuse one object for ever, while all others are fine. Its job must end all the same."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.core.errors import EftError, NoAnswer, NotFound, PreconditionFailed, Retry
from chalicelib.ports import SourceRef, UploadRef

_COPYING = ("store.copy", "store.upload_part_copy")
_MAKING = (*_COPYING, "store.create_upload", "store.complete")


class How(StrEnum):
    """How requests for it fail."""

    ANY_5XX = "any-5xx"
    """Every request that names it, or its counterpart at the target, except for LIST; so planning fails too."""
    MAKING_5XX = "making-5xx"
    """Every request that would write it."""
    COPY_404 = "copy-404"
    """Copies of it answer that it isn't there, and HEAD shows it as it was planned."""
    COPY_412 = "copy-412"
    COPY_HANGS = "copy-hangs"
    """Copies of it are never answered."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """The object and how it fails. `key` is below the endpoints' prefixes."""

    key: str
    how: How

    def refuses(self, call: str, args: tuple[Any, ...]) -> EftError | None:
        """Return the answer to a call that concerns this object, else None. NoAnswer means that the caller times
        out."""
        refused_calls = {How.ANY_5XX: None, How.MAKING_5XX: _MAKING}.get(self.how, _COPYING)
        if (refused_calls is not None and call not in refused_calls) or not self._names(call, args):
            return None
        match self.how:
            case How.COPY_404:
                return NotFound("NoSuchKey", "the specified key does not exist")
            case How.COPY_412:
                return PreconditionFailed("PreconditionFailed", "at least one of the preconditions did not hold")
            case How.COPY_HANGS:
                return NoAnswer("NoAnswer", "nobody answered")
        return Retry("InternalError", "we encountered an internal error")

    def _names(self, call: str, args: tuple[Any, ...]) -> bool:
        if not call.startswith("store.") or call in ("store.list", "store.list_uploads"):
            return False
        keys = [arg.key for arg in args if isinstance(arg, SourceRef | UploadRef)]
        keys += [arg for arg in args[1:3] if isinstance(arg, str)]
        return f"in/{self.key}" in keys or f"out/{self.key}" in keys
