"""Offer the whole API as a WSGI application in this process. Chalice's own gateway and authorizer are in front, and
memory is behind. API Gateway's own answers are as template.yaml defines them."""

from collections.abc import Callable, Iterable
from http.client import responses as reasons
from typing import Any

from tests import apigateway
from tests.entry.api import Api, Reply

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Spoil = Callable[[Reply], Reply]


def unspoiled(reply: Reply) -> Reply:
    return reply


def application(current: Callable[[], Api], spoil: Spoil = unspoiled) -> Application:
    """Return the application. `current` returns the API that answers the next request. `spoil` changes its answer."""

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        reply = spoil(_gateway(_ask(current(), environ)))
        status = f"{reply.status} {reasons.get(reply.status, '-')}"
        start_response(status, [(name, str(value)) for name, value in reply.headers.items()])
        return [reply.body]

    return answer


def _ask(api: Api, environ: Environ) -> Reply:
    body = environ["wsgi.input"].read()
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
    }
    # RAW_URI is the path as it was sent. `PATH_INFO` is decoded, and no longer shows which characters were %2F.
    path, query = environ["RAW_URI"].partition("?")[0], environ["QUERY_STRING"]
    with api.over(api.env):
        return api.plain(environ["REQUEST_METHOD"], f"{path}?{query}" if query else path, body, headers)


def _gateway(reply: Reply) -> Reply:
    """Replace an answer of Chalice's gateway by the one that our API Gateway gives. Chalice's has API Gateway's default
    text."""
    kind = reply.headers.get("x-amzn-errortype")
    if kind is None:
        return reply
    name = {"UnauthorizedException": "MISSING_AUTHENTICATION_TOKEN", "AccessDeniedException": "ACCESS_DENIED"}[kind]
    response = apigateway.responses()["UNAUTHORIZED" if reply.status == 401 else name]
    status, headers, body = apigateway.answer(response)
    return Reply(status, headers, body.encode())
