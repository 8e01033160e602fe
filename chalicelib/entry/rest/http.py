"""HTTP without a framework: what a handler is given, and what it gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One authorised request. Header names are in lower case. A query has every value of a name. `tenant`, `subject`
    and `scopes` come from the token, and are empty on routes without authorizer."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    tenant: str = ""
    subject: str = ""
    """The token's: who it is that asks, for the audit."""
    scopes: frozenset[str] = frozenset()
    request_id: str = ""
    """API Gateway's, which the client sees too (x-amzn-RequestId)."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Mapping[str, Any] | None
    """None: there is none (204)."""
    headers: dict[str, str] = field(default_factory=dict)
