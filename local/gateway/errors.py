"""Render errors in AWS's formats: XML for S3 and the query protocols, JSON for the rest."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from multidict import CIMultiDict

_JSON_SERVICES = frozenset({"dynamodb", "sqs", "events", "lambda", "logs", "monitoring", "kms", "states", "scheduler"})


@dataclass(eq=False)  # not frozen: contextlib sets __traceback__ on what passes through it
class S3Error(Exception):
    """An error that S3 answers. The rules raise it, and it is rendered in one place."""

    status: int
    code: str
    message: str
    details: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


def precondition_failed(condition: str) -> S3Error:
    """Return the 412 error. S3 names in it the request header that did not hold."""
    message = "At least one of the pre-conditions you specified did not hold"
    return S3Error(412, "PreconditionFailed", message, {"Condition": condition})


def no_such_key(key: str) -> S3Error:
    return S3Error(404, "NoSuchKey", "The specified key does not exist.", {"Key": key})


def invalid_request(message: str) -> S3Error:
    return S3Error(400, "InvalidRequest", message)


def raise_if(error: S3Error | None) -> None:
    if error is not None:
        raise error


def s3_error_body(error: S3Error, resource: str) -> bytes:
    details = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in error.details.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>{details}"
        f"<Resource>{escape(resource)}</Resource><RequestId>{_request_id()}</RequestId>"
        f"<HostId>gateway</HostId></Error>"
    ).encode()


def error_answer(
    service: str, status: int, code: str, message: str, resource: str = ""
) -> tuple[CIMultiDict[str], bytes]:
    """Return headers and body of an error in the format of `service`, so that every SDK can parse its code."""
    if service == "s3":
        body = s3_error_body(S3Error(status, code, message), resource)
        return CIMultiDict({"Content-Type": "application/xml", "x-amz-request-id": _request_id()}), body
    if service in _JSON_SERVICES or service == "execute-api":
        body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
        headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": code}
        return CIMultiDict(headers | {"x-amzn-RequestId": _request_id()}), body
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>{_request_id()}</RequestId></ErrorResponse>"
    ).encode()
    return CIMultiDict({"Content-Type": "text/xml"}), body


def _request_id() -> str:
    return uuid.uuid4().hex[:16].upper()
