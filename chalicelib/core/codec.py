"""Converts records to bytes and back. The format is JSON, so that an operator can read a record with any tool.

Every record names its kind and version, so that a later release can tell them apart.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter

from chalicelib.core.desired_state import PauseLogEntry
from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.errors import Corrupt
from chalicelib.core.feeds import Backfill, BackfillDone, Delivered, FeedEnds, FeedLocation
from chalicelib.core.hooks import Webhook
from chalicelib.core.jobs import Cancel, JobSpec, ReportMade, Terminal
from chalicelib.core.keys import KeyRecord
from chalicelib.core.manifests import Claim, CopyRecord, LogEntry, Manifest, RangeSplit, Receipt
from chalicelib.core.planned import Approval, PlanSummary
from chalicelib.core.registers import Registration
from chalicelib.core.schedules import Run, Schedule
from chalicelib.core.tries import Tried, Waited

Record = (
    JobSpec
    | Manifest
    | RangeSplit
    | Claim
    | Cancel
    | PauseLogEntry
    | CopyRecord
    | Receipt
    | Registration
    | ReportMade
    | Terminal
    | KeyRecord
    | Endpoint
    | Feed
    | Schedule
    | Run
    | Webhook
    | PlanSummary
    | Approval
    | Backfill
    | BackfillDone
    | Delivered
    | FeedEnds
    | FeedLocation
    | Tried
    | Waited
)
_KINDS: dict[str, type[Any]] = {
    "spec": JobSpec,
    "manifest": Manifest,
    "range-split": RangeSplit,
    "claim": Claim,
    "cancel": Cancel,
    "pause-log-entry": PauseLogEntry,
    "copy": CopyRecord,
    "receipt": Receipt,
    "report": ReportMade,
    "registration": Registration,
    "terminal": Terminal,
    "keys": KeyRecord,
    "endpoint": Endpoint,
    "feed": Feed,
    "schedule": Schedule,
    "run": Run,
    "webhook": Webhook,
    "planned": PlanSummary,
    "approved": Approval,
    "backfill": Backfill,
    "backfill-done": BackfillDone,
    "delivered": Delivered,
    "feed-ends": FeedEnds,
    "feed-location": FeedLocation,
    "tried": Tried,
    "waited": Waited,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in _KINDS.items()}
VERSION = 1

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Head:
    """The two fields with which every record begins."""

    record: str
    version: int


_HEAD = TypeAdapter(_Head)


def dumps(record: Record) -> bytes:
    """Return the record as JSON. Equal records give equal bytes."""
    name = _NAMES[type(record)]
    fields = _ADAPTERS[name].dump_python(record, mode="json", exclude_defaults=True)
    return json.dumps(
        {"record": name, "version": VERSION, **fields}, separators=(",", ":"), ensure_ascii=False
    ).encode()


def loads(body: bytes, kind: type[R]) -> R:
    """Return the record, which must be of `kind`. Raises Corrupt, with what is wrong, if it is not or can't be read."""
    record: R = _load(body, (kind,))
    return record


def loads_entry(body: bytes) -> LogEntry:
    """Return an entry of a range's manifest log: a manifest or a range split. Raises Corrupt as `loads` does."""
    entry: LogEntry = _load(body, (Manifest, RangeSplit))
    return entry


def _load(body: bytes, kinds: tuple[type[Any], ...]) -> Any:  # noqa: ANN401 - one of `kinds`
    try:
        head = _HEAD.validate_json(body, strict=True)
        if head.version != VERSION or _KINDS[head.record] not in kinds:
            actual = f"a {head.record!r} record of version {head.version}"
            raise Corrupt("UnexpectedRecord", f"{actual} is not one of {kinds}")
        # In JSON mode pydantic reads enum members and tuples as JSON writes them. It skips the head's two fields.
        return _ADAPTERS[head.record].validate_json(body)
    except (ValueError, KeyError, RecursionError) as error:
        raise Corrupt("UnreadableRecord", f"{error}") from error
