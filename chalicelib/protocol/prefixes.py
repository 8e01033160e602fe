"""Prefixes that a client sends: folders, unless it says otherwise, and what a job's or a feed's two of them come to."""

import json

from chalicelib.core.errors import BadRequest, EftError
from chalicelib.core.model import Endpoint
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.core.prefixes import is_folder, split_key, why_no_folder
from chalicelib.ports import Env


def check_prefix(role: str, prefix: str) -> None:
    """Raises BadRequest for one that no key of S3 can have. With the endpoint's own."""
    if len(prefix.encode()) > KEY_MAX_BYTES:
        detail = f"{role}: with the endpoint's own, the prefix has {len(prefix.encode())} bytes"
        raise BadRequest("PrefixTooLong", f"{detail}; S3 keys have at most {KEY_MAX_BYTES}")


def check_folder(role: str, prefix: str, *, text_prefix: bool, hint: str = "") -> None:
    """Raises BadRequest for a prefix that is no folder, unless its sender says that a text is meant."""
    if not text_prefix and not is_folder(prefix):
        raise BadRequest("PrefixNotAFolder", f"{role}: {why_no_folder(prefix)}{hint}")


def check_source_folder(env: Env, source: Endpoint, prefix: str, *, text_prefix: bool) -> None:
    """The same of a job's source, where the prefix may be one object's key: then it says how to ask for that one."""
    if not text_prefix and not is_folder(prefix):
        check_folder("source", prefix, text_prefix=False, hint=_hint(env, source, prefix))


def _hint(env: Env, source: Endpoint, prefix: str) -> str:
    """Looks for the object by one HEAD. Whether that succeeds changes nothing but the hint."""
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


def check_folders_for_delete(**places: tuple[Endpoint, str]) -> None:
    """Raises BadRequest where a job that deletes doesn't go from a folder to a folder. A text prefix on either side
    would make it take its neighbours for strays: `places` are the roles' endpoints and prefixes below theirs."""
    for role, (endpoint, prefix) in places.items():
        for whose, text in ((f"endpoint {endpoint.id!r}", endpoint.prefix), ("the job", prefix)):
            if not is_folder(text):
                raise BadRequest(
                    "ConflictingInput",
                    f"delete doesn't go with a text prefix, which would cost neighbours their objects: {role}: that of "
                    f"{whose} is {text[:64]!r}; choose a folder",
                )


def check_names_left(source: Endpoint, target: Endpoint) -> None:
    """Raises BadRequest for a feed that could not name an object whose key is just its source's prefix."""
    if not is_folder(source.prefix) and not target.prefix:
        raise BadRequest(
            "NoNameLeft",
            f"an object of the key {source.prefix[:64]!r} would have no name at the target: choose a folder at either "
            "end",
        )
