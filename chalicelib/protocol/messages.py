"""Encode and decode the messages between steps: the queue adapter sends this text, and the event parser reads it."""

import json
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chalicelib.core.errors import Corrupt
from chalicelib.core.webhooks import Notice, Notification
from chalicelib.ports import Arrival, VerifyDelivery, Wake

Message = Wake | Arrival | VerifyDelivery | Notice | Notification
_KINDS: dict[str, type[Any]] = {
    "wake": Wake,
    "arrival": Arrival,
    "verify_delivery": VerifyDelivery,
    "notice": Notice,
    "notification": Notification,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in _KINDS.items()}


def dumps(message: Message) -> str:
    """Encode a message, in ASCII alone: keys may have characters that SQS accepts in no message (U+FFFE, U+FFFF)."""
    return json.dumps({_NAMES[type(message)]: asdict(message)}, separators=(",", ":"))


def parse(body: dict[str, Any]) -> Message | None:
    """Return the message in an already decoded body, or None if it is none of ours. Raises Corrupt if it is a broken
    one."""
    name = next((name for name in _KINDS if name in body), None)
    if name is None:
        return None
    try:
        message: Message = _ADAPTERS[name].validate_python(body[name])
    except ValidationError as error:
        raise Corrupt("BadMessage", str(error)) from error
    return message
