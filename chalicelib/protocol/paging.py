"""Page through a job's rows, and bound how much one request reads."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from chalicelib.core import ids
from chalicelib.core.errors import BadRequest, ErrorCode
from chalicelib.core.manifests import LogEntry
from chalicelib.protocol.records import JobRecords

T = TypeVar("T")
ENTRIES_PER_PAGE = 50
"""How many entries of the manifest log one request for objects reads; each entry costs two GETs."""
NAMES_PER_RESUME = 1000
"""How many records a request to resume or to approve reads: one LIST. It starts the partitions that these records show.
If a job has more records, the next sweep starts the rest."""


def page_of(
    records: JobRecords,
    cursor: str | None,
    limit: int,
    rows_of: Callable[[LogEntry], Sequence[T]],
    is_wanted: Callable[[T], bool],
) -> tuple[list[tuple[str, T]], str | None]:
    """Return at most `limit` of the wanted rows, each with its partition, and the cursor for the next page (None at the
    end). Raises BadRequest if the cursor is not one of ours."""
    partition_id, index = _read(cursor)
    rows: list[tuple[str, T]] = []
    for entries_read, entry in enumerate(records.entries_from(partition_id)):
        if entries_read == ENTRIES_PER_PAGE:
            # Few rows are wanted: answer in time, with a page that is not full.
            return rows, f"{entry.partition_id}.0"
        for position, row in enumerate(rows_of(entry)):
            if (entry.partition_id == partition_id and position < index) or not is_wanted(row):
                continue
            if len(rows) == limit:
                return rows, f"{entry.partition_id}.{position}"
            rows.append((entry.partition_id, row))
    return rows, None


def _read(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return "", 0
    partition_id, _dot, index = cursor.partition(".")
    if not ids.is_partition_id(partition_id) or not index.isdecimal():
        raise BadRequest(ErrorCode.INVALID_CURSOR, "cursor: take it unchanged from the previous page's answer")
    return partition_id, int(index)
