"""Read conditional requests (RFC 9110, section 13.1), and write the ETags that they refer to."""

import re

from chalicelib.core.entries import ANY, Condition, Entry
from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest.http import Request
from chalicelib.entry.rest.problems import Problem
from chalicelib.protocol.registering import Author

_TAG = re.compile(r'"([\x21\x23-\x7e]*)"', re.ASCII)
_TAGS = re.compile(r'\s*"[\x21\x23-\x7e]*"(\s*,\s*"[\x21\x23-\x7e]*")*\s*', re.ASCII)


def condition_of(request: Request) -> Condition:
    """Return the condition of a request: `If-Match: "etag"` (or several ETags, or `*`), or `If-None-Match: *`. Raises
    Problem for any other form, or for both headers at once."""
    if_match, if_none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if if_match is not None and if_none_match is not None:
        raise Problem.of(ErrorCode.INVALID_CONDITION, "send If-Match or If-None-Match, not both")
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            detail = "If-None-Match: send *, which means: only if it isn't there yet"
            raise Problem.of(ErrorCode.INVALID_CONDITION, detail)
        return Condition(absent=True)
    if if_match is None:
        return ANY
    if if_match.strip() == "*":
        return Condition(match=("*",))
    if not _TAGS.fullmatch(if_match):
        detail = "If-Match: send the ETag of what you have read, in its quotes, or *"
        raise Problem.of(ErrorCode.INVALID_CONDITION, detail)
    return Condition(match=tuple(_TAG.findall(if_match)))


def etag_of(entry: Entry) -> str:
    """Return an entry's ETag as a header value, in quotes."""
    return f'"{entry.etag}"'


def author_of(request: Request) -> Author:
    return Author(request.tenant, request.subject, request.request_id)
