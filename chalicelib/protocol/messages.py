"""Encode and decode the messages between steps: the queue adapter sends this text, and the event parser reads it.

A message is a flat JSON object. Its `type` names what it is, and its other members are the fields of that type.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Discriminator, Tag, TypeAdapter, ValidationError

from chalicelib.core.errors import Corrupt
from chalicelib.core.webhooks import Notice, Notification
from chalicelib.ports import (
    CopyPartition,
    CopyUploadParts,
    MakeReport,
    ObjectEvent,
    PlanRange,
    Task,
    VerifyDelivery,
    VerifyPartition,
)

Message = Task | VerifyDelivery | ObjectEvent | Notice | Notification
_TYPES: Mapping[str, type[Message]] = {
    "plan_range": PlanRange,
    "make_report": MakeReport,
    "copy_partition": CopyPartition,
    "copy_upload_parts": CopyUploadParts,
    "verify_partition": VerifyPartition,
    "verify_delivery": VerifyDelivery,
    "object_event": ObjectEvent,
    "notice": Notice,
    "notification": Notification,
}
_NAMES = {kind: name for name, kind in _TYPES.items()}


def _type_of(body: dict[str, Any]) -> str | None:
    name = body.get("type")
    return name if isinstance(name, str) else None


_ANY_TYPE: Any = reduce(or_, (Annotated[kind, Tag(name)] for name, kind in _TYPES.items()))
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Annotated[_ANY_TYPE, Discriminator(_type_of)])


def dumps(message: Message) -> str:
    """Encode a message, in ASCII alone: keys may have characters that SQS accepts in no message (U+FFFE, U+FFFF)."""
    return json.dumps({"type": _NAMES[type(message)], **asdict(message)}, separators=(",", ":"))


def is_ours(body: Mapping[str, Any]) -> bool:
    """Tell whether a decoded body claims to be one of these messages. No event of AWS has a member `type`."""
    return "type" in body


def loads(text: str) -> Message:
    """Decode a message. Each member must have exactly its field's JSON type; members of no field are ignored, since a
    newer release may send them. Raises Corrupt if it is none of these messages."""
    try:
        return _ADAPTER.validate_json(text, strict=True)
    except ValidationError as error:
        raise Corrupt("BadMessage", str(error)) from error
