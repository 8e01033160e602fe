"""Represent HTTP without a framework: a handler gets a `Request`, and returns an `Answer`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One authorised request. Header names are in lower case. A query keeps every value of a name. `tenant`, `subject`
    and `scopes` come from the token, and are empty on routes without an authorizer."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    tenant: str = ""
    subject: str = ""
    """The token's subject: who sent the request, for the audit."""
    scopes: frozenset[str] = frozenset()
    request_id: str = ""
    """API Gateway's id of the request, which the client sees too (x-amzn-RequestId)."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Mapping[str, Any] | None
    """None if there is no body (204)."""
    headers: dict[str, str] = field(default_factory=dict)
