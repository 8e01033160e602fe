"""Turn AWS events into commands. A message body can be anything that somebody managed to put on a queue, so bodies are
parsed and never trusted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import unquote_plus

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from chalicelib.core.errors import Corrupt
from chalicelib.entry import strictjson
from chalicelib.ports import ObjectEvent
from chalicelib.protocol import messages, notices

Text = Annotated[str, Field(min_length=1)]


HINTS = "-hints"
"""The ending of the name of the queue that holds the other Region's events (template.yaml)."""


class _Record(BaseModel):
    """An SQS record as Lambda passes it."""

    messageId: Text  # noqa: N815 - AWS's name
    body: str
    eventSourceARN: str = ""  # noqa: N815 - AWS's name


class _Named(BaseModel):
    name: Text


class _Keyed(BaseModel):
    key: Text
    etag: str | None = Field(None, validation_alias=AliasChoices("etag", "eTag"))
    """EventBridge and S3 notifications spell its name differently."""

    @property
    def older(self) -> tuple[str, ...]:
        return (self.etag,) if self.etag else ()


class _S3Entity(BaseModel):
    bucket: _Named
    object: _Keyed


class _S3Record(BaseModel):
    """An S3 notification record. Its key is form-urlencoded (S3 user guide, "Event message structure")."""

    eventName: str  # noqa: N815 - AWS's name
    s3: _S3Entity


class _BridgeEvent(BaseModel):
    """An EventBridge event "Object Created". Its key is not encoded."""

    detail: _S3Entity


@dataclass(frozen=True, slots=True)
class Message:
    """One SQS message: its id and its commands. Events that need no action have no commands."""

    message_id: str
    commands: tuple[messages.Message, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that nobody can carry out. It goes to the dead-letter queue, where people look at it. `message_id` is
    empty if the message has none."""

    message_id: str
    why: str


def read(event: Mapping[str, Any]) -> Iterator[Message | Unreadable]:
    """Yield the messages of an SQS event. It raises nothing, whatever the event holds."""
    records = event.get("Records")
    for raw in records if isinstance(records, list) else []:
        try:
            record = _Record.model_validate(raw)
        except ValidationError as error:
            yield Unreadable(_id_of(raw), str(error))
            continue
        try:
            commands = commands_of(record.body)
            if record.eventSourceARN.endswith(HINTS):
                commands = [
                    replace(command, hint=True) if isinstance(command, ObjectEvent) else command for command in commands
                ]
            yield Message(record.messageId, tuple(commands))
        except (Corrupt, ValidationError) as error:
            yield Unreadable(record.messageId, str(error))


def _id_of(raw: object) -> str:
    message_id = raw.get("messageId") if isinstance(raw, Mapping) else None
    return message_id if isinstance(message_id, str) else ""


def commands_of(body: str) -> list[messages.Message]:
    """Return the commands in a message body. Raises Corrupt or ValidationError if it can't be understood."""
    try:
        decoded = strictjson.loads(body)
    except ValueError as error:
        raise Corrupt("NotJson", f"{error}: {body[:200]!r}") from error
    if not isinstance(decoded, dict):
        raise Corrupt("NotAnObject", f"{body[:200]!r}")
    if messages.is_ours(decoded):
        return [messages.loads(body)]
    for recognise, read_commands in _SHAPES:
        if recognise(decoded):
            return read_commands(decoded)
    raise Corrupt("UnknownMessage", f"neither an S3 event nor a message of ours: {body[:200]!r}")


def _test_event(_: dict[str, Any]) -> list[messages.Message]:
    return []  # S3 sends a test event when a notification is set up.


def _notification(decoded: dict[str, Any]) -> list[messages.Message]:
    records = [_S3Record.model_validate(raw) for raw in decoded["Records"]]
    return [
        ObjectEvent(record.s3.bucket.name, _decoded(record.s3.object.key), record.s3.object.older)
        for record in records
        if record.eventName.removeprefix("s3:").startswith("ObjectCreated:")
    ]


def _decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        # Lenient decoding would give another key.
        raise Corrupt("NotAKey", f"{key!r}: {error}") from error


def _bridge(decoded: dict[str, Any]) -> list[messages.Message]:
    if decoded["detail-type"] != "Object Created":
        return []
    detail = _BridgeEvent.model_validate(decoded).detail
    return [ObjectEvent(detail.bucket.name, detail.object.key, detail.object.older)]


def _own(decoded: dict[str, Any]) -> list[messages.Message]:
    notice = notices.read(decoded["detail-type"], decoded.get("detail"))
    return [] if notice is None else [notice]


_Shape = tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any]], list[messages.Message]]]
_SHAPES: tuple[_Shape, ...] = (
    (lambda body: body.get("Event") == "s3:TestEvent", _test_event),
    (lambda body: isinstance(body.get("Records"), list), _notification),
    (lambda body: body.get("source") == "aws.s3" and "detail-type" in body, _bridge),
    (lambda body: body.get("source") == notices.SOURCE and "detail-type" in body, _own),
)
