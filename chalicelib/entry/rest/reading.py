"""Read requests. A request that doesn't match its description raises a Problem that says why."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from chalicelib.core.errors import ErrorCode
from chalicelib.entry import strictjson
from chalicelib.entry.rest import requests
from chalicelib.entry.rest.http import Request
from chalicelib.entry.rest.problems import Problem
from chalicelib.ports import Env

ERRORS_SHOWN = 10
M = TypeVar("M", bound=BaseModel)


def require(request: Request, scope: str) -> None:
    if scope not in request.scopes:
        detail = f"this needs a token with the scope {scope!r}"
        raise Problem.of(ErrorCode.MISSING_SCOPE, detail)


def token_of(env: Env, request: Request) -> str:
    """Return the Idempotency-Key, or a unique token if the client sent none, in which case a retry is a new job. Raises
    Problem if the key is not valid."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return f"generated:{env.ids.nonce()}"
    if not (1 <= len(key) <= requests.IDEMPOTENCY_KEY_MAX_CHARACTERS and key.isascii() and key.isprintable()):
        detail = f"Idempotency-Key must have 1 to {requests.IDEMPOTENCY_KEY_MAX_CHARACTERS} printable ASCII characters"
        raise Problem.of(ErrorCode.INVALID_IDEMPOTENCY_KEY, detail)
    return f"client:{key}"


def body_of(request: Request, model: type[M]) -> M:
    if len(request.body) > requests.BODY_MAX_BYTES:
        detail = f"the body has {len(request.body)} bytes; at most {requests.BODY_MAX_BYTES} are accepted"
        raise Problem.of(ErrorCode.BODY_TOO_LARGE, detail)
    if not request.body:
        raise Problem.of(ErrorCode.NO_BODY, "send one JSON object")
    try:
        decoded = strictjson.loads(request.body)
    except ValueError as error:
        raise Problem.of(ErrorCode.NOT_JSON, f"send one JSON object in UTF-8: {error}") from None
    if not isinstance(decoded, dict):
        raise Problem.of(ErrorCode.NOT_AN_OBJECT, "send one JSON object")
    return _validate(model, decoded, "body")


def query_of(request: Request, model: type[M]) -> M:
    """Read the query. Raises Problem if it is not valid, or if a name occurs twice: as in bodies, neither value is
    preferred."""
    for name, values in request.query.items():
        if len(values) > 1:
            detail = f"query.{name}: it is there {len(values)} times; send it once"
            raise Problem.of(ErrorCode.INVALID_REQUEST, detail)
    return _validate(model, {name: values[0] for name, values in request.query.items() if values}, "query")


def _validate(model: type[M], values: dict[str, object], where: str) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        messages = [f"{'.'.join([where, *map(str, wrong['loc'])])}: {wrong['msg']}" for wrong in errors[:ERRORS_SHOWN]]
        if len(errors) > ERRORS_SHOWN:
            messages.append(f"and {len(errors) - ERRORS_SHOWN} more")
        raise Problem.of(ErrorCode.INVALID_REQUEST, "; ".join(messages)) from None
