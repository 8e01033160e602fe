"""The whole API as a WSGI application, in this process: Chalice's own gateway and authorizer in front, what API Gateway
answers by itself as template.yaml has it, memory behind."""

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
    """`current` gives the API that is to answer the next request; `spoil` what becomes of its answer."""

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
    # As it was sent: `PATH_INFO` is decoded, and has lost what was %2F.
    path, query = environ["RAW_URI"].partition("?")[0], environ["QUERY_STRING"]
    with api.over(api.env):
        return api.plain(environ["REQUEST_METHOD"], f"{path}?{query}" if query else path, body, headers)


def _gateway(reply: Reply) -> Reply:
    """Chalice's gateway words its own answers as API Gateway does by default."""
    kind = reply.headers.get("x-amzn-errortype")
    if kind is None:
        return reply
    name = {"UnauthorizedException": "MISSING_AUTHENTICATION_TOKEN", "AccessDeniedException": "ACCESS_DENIED"}[kind]
    response = apigateway.responses()["UNAUTHORIZED" if reply.status == 401 else name]
    status, headers, body = apigateway.answer(response)
    return Reply(status, headers, body.encode())
