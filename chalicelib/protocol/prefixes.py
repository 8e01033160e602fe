"""Check the prefixes that a client sends. They are folders, unless the client says otherwise. Some checks concern the
two prefixes of a job or a feed together."""

import json

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import BadRequest, EftError, ErrorCode
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.core.prefixes import is_folder, split_key, why_no_folder
from chalicelib.ports import Env


def check_prefix(role: str, prefix: str) -> None:
    """Check a prefix, which includes the endpoint's own. Raises BadRequest if it is too long for any S3 key."""
    if len(prefix.encode()) > KEY_MAX_BYTES:
        detail = f"{role}: with the endpoint's own, the prefix has {len(prefix.encode())} bytes"
        raise BadRequest(ErrorCode.PREFIX_TOO_LONG, f"{detail}; S3 keys have at most {KEY_MAX_BYTES}")


def check_folder(role: str, prefix: str, *, text_prefix: bool, hint: str = "") -> None:
    """Check that a prefix is a folder. Raises BadRequest if it isn't, unless its sender says that a text prefix is
    meant."""
    if not text_prefix and not is_folder(prefix):
        raise BadRequest(ErrorCode.PREFIX_NOT_A_FOLDER, f"{role}: {why_no_folder(prefix)}{hint}")


def check_source_folder(env: Env, source: Endpoint, prefix: str, *, text_prefix: bool) -> None:
    """Check a job's source prefix as `check_folder` does. This prefix may be the key of one object; the error then says
    how to ask for that object."""
    if not text_prefix and not is_folder(prefix):
        check_folder("source", prefix, text_prefix=False, hint=_hint(env, source, prefix))


def _hint(env: Env, source: Endpoint, prefix: str) -> str:
    """Return the hint for a prefix that is an object's key, or "". One HEAD looks for the object; if that fails, only
    the hint is missing."""
    key = source.prefix + prefix
    if prefix.endswith("/") or len(key.encode()) > KEY_MAX_BYTES:
        return ""
    try:
        head = env.store.head(source.bucket, key)
    except EftError as error:
        env.log("prefix-not-looked-at", endpoint=source.id, tenant=source.tenant, error=str(error))
        return ""
    if head is None:
        return ""
    folder, name = (json.dumps(text, ensure_ascii=False) for text in split_key(prefix))
    return f'. There is an object of just this key: to copy that one, send "prefix": {folder} and "keys": [{name}]'


def check_folders_for_delete(**ends: tuple[Endpoint, str]) -> None:
    """Check that a job that deletes goes from a folder to a folder. Raises BadRequest if it doesn't.

    With a text prefix on either side it would delete its neighbours' objects. `ends` holds, for each role, an endpoint
    and a prefix below the endpoint's own.
    """
    for role, (endpoint, prefix) in ends.items():
        for whose, text in ((f"endpoint {endpoint.id!r}", endpoint.prefix), ("the job", prefix)):
            if not is_folder(text):
                raise BadRequest(
                    ErrorCode.CONFLICTING_INPUT,
                    f"delete doesn't go with a text prefix, which would cost neighbours their objects: {role}: that of "
                    f"{whose} is {text[:64]!r}; choose a folder",
                )


def check_names_left(source: Endpoint, target: Endpoint) -> None:
    """Check that a feed can name every object. Raises BadRequest if an object whose key is just the source's prefix
    would have an empty name at the target."""
    if not is_folder(source.prefix) and not target.prefix:
        raise BadRequest(
            ErrorCode.NO_NAME_LEFT,
            f"an object of the key {source.prefix[:64]!r} would have no name at the target: choose a folder at either "
            "end",
        )
