"""Parse JSON from untrusted sources."""

import json
from collections import Counter
from typing import Any


def loads(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse I-JSON (RFC 7493) and nothing more: UTF-8, no NaN, no half surrogate pair, no name twice in one object.
    Raises ValueError that says what is wrong, whatever the text is."""
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        decoded = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_name_twice)
        json.dumps(decoded, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text in it has half a surrogate pair, which is no character") from None
    return decoded


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(name, times)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {name!r} is there {times} times in one object")
    return members
