"""Define what is right in the simplest way, for the judges. Nothing here calls the product's code.

The judges read the product's records (by its codec and its data types: that is their format), and decide by themselves.
"""

from collections.abc import Sequence
from urllib.parse import quote

from chalicelib.core.inputs import Filters
from chalicelib.core.rows import Outcome, RowOutcome

GOOD = ("COPIED", "UNCHANGED", "DELETED")
PROOFS = ("etag", "checksum")


def is_good(outcome: Outcome) -> bool:
    """Return whether the target holds what was asked for, or no longer holds what was to be deleted."""
    return outcome.value in GOOD


def is_proven(outcome: RowOutcome) -> bool:
    return outcome.verification.value in PROOFS


def matches(pattern: str, text: str, *, begins: bool = True) -> bool:
    """Return whether the whole text matches the glob, by trying everything. Patterns must be short. `begins` says that
    the rest of the pattern is its beginning, or follows a "/"."""
    if not pattern:
        return not text
    remainder = pattern.lstrip("*")
    if begins and pattern.startswith("**") and remainder.startswith("/"):
        return any(matches(remainder[1:], text[at:]) for at in range(len(text) + 1) if at == 0 or text[at - 1] == "/")
    if pattern[0] == "*":
        # Two stars stand for any text, one star for any text within a folder.
        end = len(text) if pattern.startswith("**") else len(text.partition("/")[0])
        remainder = remainder if pattern.startswith("**") else pattern[1:]
        return any(matches(remainder, text[at:], begins=False) for at in range(end + 1))
    return bool(text) and _matches_one(pattern, text)


def _matches_one(pattern: str, text: str) -> bool:
    """Return whether the text matches a glob that begins with a class, a question mark or a character."""
    if pattern[0] == "[":
        end = pattern.index("]", 3 if pattern[1] in "!^" else 2)
        return _in_class(pattern[1:end], text[0]) and matches(pattern[end + 1 :], text[1:], begins=False)
    fits = text[0] != "/" if pattern[0] == "?" else text[0] == pattern[0]
    return fits and matches(pattern[1:], text[1:], begins=pattern[0] == "/")


def _in_class(inside: str, character: str) -> bool:
    negated = inside[0] in "!^"
    inside = inside[negated:]
    is_inside = False
    while inside:
        last = inside[2] if inside[1:2] == "-" and len(inside) > 2 else inside[0]
        is_inside = is_inside or inside[0] <= character <= last
        inside = inside[3:] if inside[1:2] == "-" and len(inside) > 2 else inside[1:]
    return character != "/" and is_inside is not negated


def passes(filters: Filters, name: str, size: int) -> bool:
    """Return whether the object is meant. `name` is its key below the job's prefix. Seeds draw no filter by time or
    class."""
    assert filters.modified_since_ms is None
    assert filters.modified_before_ms is None
    assert not filters.storage_classes
    if filters.size_min_bytes is not None and size < filters.size_min_bytes:
        return False
    if filters.size_max_bytes is not None and size > filters.size_max_bytes:
        return False
    if filters.include and not any(matches(pattern, name) for pattern in filters.include):
        return False
    return not any(matches(pattern, name) for pattern in filters.exclude)


def manifest_of(bucket: str, keys: Sequence[str]) -> bytes:
    """Return a manifest in the format of S3 Batch Operations: bucket and URL-encoded key, one pair per line."""
    return "".join(f"{bucket},{quote(key, safe='')}\n" for key in keys).encode()


def pin_of(version_id: str | None, etag: str, modified_ms: int) -> str:
    """Return the name of a key's version in delivery records."""
    return version_id if version_id is not None else f"{etag}@{modified_ms}"
