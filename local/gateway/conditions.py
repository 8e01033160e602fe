"""Check conditions at the destination of a CopyObject, which the emulator ignores. This module is pure.

Source: S3 user guide, "Add preconditions to S3 operations with conditional requests"; API reference, CopyObject.
"""

from __future__ import annotations

from dataclasses import dataclass

from local.gateway.errors import S3Error, no_such_key, precondition_failed


@dataclass(frozen=True, slots=True)
class Conditions:
    """If-Match and If-None-Match of one write, as received; empty where not given."""

    if_match: str
    if_none_match: str

    @property
    def any(self) -> bool:
        return bool(self.if_match or self.if_none_match)


def violation(conditions: Conditions, etag: str | None, key: str) -> S3Error | None:
    """Return the error that S3 answers, or None if the write may go on.

    `etag` is the current version's ETag, None where there is none. A delete marker on top counts as none. If-Match on a
    missing key is 404 NoSuchKey, not 412.
    """
    if conditions.if_none_match and etag is not None and _matches(conditions.if_none_match, etag):
        return precondition_failed("If-None-Match")
    if conditions.if_match:
        if etag is None:
            return no_such_key(key)
        if not _matches(conditions.if_match, etag):
            return precondition_failed("If-Match")
    return None


def _matches(condition: str, etag: str) -> bool:
    return condition == "*" or condition.strip('"') == etag.strip('"')
