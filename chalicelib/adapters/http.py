"""Chalice's requests, responses and authorizer answers, to and from the API's own."""

from typing import Any

from chalice.app import AuthResponse, Response

from chalicelib.entry.rest.auth import identify
from chalicelib.entry.rest.http import Request
from chalicelib.entry.rest.routes import Operation, serve
from chalicelib.ports import Env
from chalicelib.settings import Auth


def respond(env: Env, request: Any, operation: Operation) -> Response:  # noqa: ANN401 - Chalice ships no types
    """Serve one API request."""
    answer = serve(env, _request(request), operation)
    headers: dict[str, str | list[str]] = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        **answer.headers,
    }
    return Response(body=answer.body, status_code=answer.status, headers=headers)


def authorize(auth: Auth, request: Any) -> AuthResponse:  # noqa: ANN401 - Chalice ships no types
    """Answer API Gateway's question whose token this is. What the token may do is each operation's own check: API
    Gateway caches this answer for the token, whatever the route."""
    identity = identify(auth, request.token or "")
    if identity is None:
        return AuthResponse(routes=[], principal_id="nobody")
    context = {"tenant": identity.tenant, "scopes": " ".join(sorted(identity.scopes))}
    return AuthResponse(routes=["*"], principal_id=identity.subject, context=context)


def _request(request: Any) -> Request:  # noqa: ANN401 - Chalice ships no types
    authorizer = (request.context or {}).get("authorizer") or {}
    return Request(
        method=request.method,
        path=request.context.get("path") or request.path,
        query=dict(request.query_params or {}),
        headers={name.lower(): value for name, value in (request.headers or {}).items()},
        body=request.raw_body or b"",
        tenant=authorizer.get("tenant", ""),
        scopes=frozenset((authorizer.get("scopes") or "").split()),
    )
