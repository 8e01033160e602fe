"""Page through a job's rows, and bound how much one request reads."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from chalicelib.core import ids
from chalicelib.core.errors import BadRequest, ErrorCode
from chalicelib.core.model import Link
from chalicelib.protocol.records import JobRecords

T = TypeVar("T")
LINKS_PER_PAGE = 50
"""How many partitions one request for objects reads: two GETs each."""

NAMES_PER_RESUME = 1000
"""How many records a request to resume or to approve reads: one LIST. It starts the partitions that these records show.
If a job has more records, the next sweep starts the rest."""


def page_of(
    records: JobRecords,
    cursor: str | None,
    limit: int,
    rows_of: Callable[[Link], Sequence[T]],
    wanted: Callable[[T], bool],
) -> tuple[list[tuple[str, T]], str | None]:
    """Return at most `limit` of the wanted rows, each with its partition, and the cursor for the next page (None at the
    end). Raises BadRequest if the cursor is not one of ours."""
    part, index = _read(cursor)
    found: list[tuple[str, T]] = []
    for links_read, link in enumerate(records.links_from(part)):
        if links_read == LINKS_PER_PAGE:
            # Few rows are wanted. Answer in time, with a page that is not full.
            return found, f"{link.part}.0"
        for position, row in enumerate(rows_of(link)):
            if (link.part == part and position < index) or not wanted(row):
                continue
            if len(found) == limit:
                return found, f"{link.part}.{position}"
            found.append((link.part, row))
    return found, None


def _read(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return "", 0
    part, _dot, index = cursor.partition(".")
    if not ids.is_part_id(part) or not index.isdecimal():
        raise BadRequest(ErrorCode.INVALID_CURSOR, "cursor: take it unchanged from the previous page's answer")
    return part, int(index)
