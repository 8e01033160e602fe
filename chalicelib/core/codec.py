"""Converts records to bytes and back. The format is JSON, so that an operator can read a record with any tool.

Every record names its kind and version, so that a later release can tell them apart.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter

from chalicelib.core.errors import Corrupt
from chalicelib.core.feeds import Delivered, FeedEnds, FeedPlace, Fill, Filled
from chalicelib.core.hooks import Webhook
from chalicelib.core.intents import Intent
from chalicelib.core.keys import KeyRecord
from chalicelib.core.model import (
    Cancel,
    Claim,
    CopyRecord,
    Endpoint,
    Feed,
    Fork,
    JobSpec,
    Link,
    Manifest,
    Receipt,
    ReportMade,
    Terminal,
)
from chalicelib.core.planned import Approval, PlanSummary
from chalicelib.core.registers import Registration
from chalicelib.core.schedules import Run, Schedule
from chalicelib.core.tries import Tried, Waited

Record = (
    JobSpec
    | Manifest
    | Fork
    | Claim
    | Cancel
    | Intent
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
    | Fill
    | Filled
    | Delivered
    | FeedEnds
    | FeedPlace
    | Tried
    | Waited
)
_KINDS: dict[str, type[Any]] = {
    "spec": JobSpec,
    "manifest": Manifest,
    "fork": Fork,
    "claim": Claim,
    "cancel": Cancel,
    "intent": Intent,
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
    "fill": Fill,
    "filled": Filled,
    "delivered": Delivered,
    "feed-ends": FeedEnds,
    "feed-place": FeedPlace,
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


def loads_link(body: bytes) -> Link:
    """Return an entry of a range's manifest log: a manifest or a range split. Raises Corrupt as `loads` does."""
    link: Link = _load(body, (Manifest, Fork))
    return link


def _load(body: bytes, kinds: tuple[type[Any], ...]) -> Any:  # noqa: ANN401 - one of `kinds`
    try:
        head = _HEAD.validate_json(body, strict=True)
        if head.version != VERSION or _KINDS[head.record] not in kinds:
            what = f"a {head.record!r} record of version {head.version}"
            raise Corrupt("UnexpectedRecord", f"{what} is not one of {kinds}")
        # In JSON mode pydantic reads enum members and tuples as JSON writes them. It skips the head's two fields.
        return _ADAPTERS[head.record].validate_json(body)
    except (ValueError, KeyError, RecursionError) as error:
        raise Corrupt("UnreadableRecord", f"{error}") from error
