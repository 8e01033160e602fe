"""Ask the authorizer as API Gateway does, and make tokens that no library would make."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app import bearer
from chalicelib import settings
from chalicelib.runtime import using
from simulation.memory.env import make_env
from tests.entry.api import composition
from tests.entry.environ import environ

ARN = "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abc123/api/GET/jobs"


@contextmanager
def accepting(auth: str) -> Iterator[None]:
    """Let the authorizer use this EFT_AUTH."""
    with using(composition(settings.read(environ(EFT_AUTH=auth)), make_env())):
        yield


def ask(token: str) -> dict[str, str] | None:
    """Return the context that the operations will get for this token, or None if the token is refused for all of
    them."""
    policy = bearer({"type": "TOKEN", "authorizationToken": f"Bearer {token}", "methodArn": ARN}, {})
    [statement] = policy["policyDocument"]["Statement"]
    if not statement["Resource"]:
        assert policy["context"] == {}
        return None
    assert statement["Effect"] == "Allow"
    context: dict[str, str] = policy["context"]
    return context


def forged(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """Return a token with the signature that `sign` makes of it."""
    head, payload = _b64(json.dumps(header).encode()), _b64(json.dumps(claims).encode())
    return f"{head}.{payload}.{_b64(sign(f'{head}.{payload}'.encode()))}"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
