"""Translate Chalice's requests, responses and authorizer answers into the API's own, and back."""

from typing import Any

from chalice.app import AuthResponse, Response

from chalicelib.entry.rest.auth import identify
from chalicelib.entry.rest.http import Answer, Request
from chalicelib.entry.rest.keyring import Keyring
from chalicelib.entry.rest.problems import MEDIA_TYPE, answer_of, refused
from chalicelib.entry.rest.routes import Operation, serve
from chalicelib.ports import Env


def respond(env: Env, request: Any, operation: Operation) -> Response:  # noqa: ANN401 - Chalice ships no types
    """Serve one API request."""
    return _response(serve(env, _request(request), operation))


def as_problem(request: Any, response: Response) -> Response:  # noqa: ANN401 - Chalice ships no types
    """Turn an error that Chalice answers by itself (415, 405, and failures before `respond`) into problem details."""
    if response.status_code < 400 or response.headers.get("Content-Type") == MEDIA_TYPE:
        return response
    why = response.body.get("Message", "") if isinstance(response.body, dict) else ""
    problem = refused(response.status_code, why, _request_id(request))
    replacement = _response(answer_of(problem, _path(request)))
    return Response(
        body=replacement.body, status_code=replacement.status_code, headers={**response.headers, **replacement.headers}
    )


def _response(answer: Answer) -> Response:
    headers: dict[str, str | list[str]] = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        **answer.headers,
    }
    if answer.body is None:
        del headers["Content-Type"]
    return Response(body="" if answer.body is None else answer.body, status_code=answer.status, headers=headers)


def authorize(keyring: Keyring, request: Any) -> AuthResponse:  # noqa: ANN401 - Chalice ships no types
    """Answer API Gateway's question whose token this is. Each operation checks by itself what the token may do, because
    API Gateway caches this answer for the token, whatever the route."""
    identity = identify(keyring, request.token or "")
    if identity is None:
        return AuthResponse(routes=[], principal_id="nobody")
    context = {"tenant": identity.tenant, "scopes": " ".join(sorted(identity.scopes))}
    return AuthResponse(routes=["*"], principal_id=identity.subject, context=context)


def _request(request: Any) -> Request:  # noqa: ANN401 - Chalice ships no types
    authorizer = request.context.get("authorizer") or {}
    return Request(
        method=request.method,
        path=_path(request),
        query={name: request.query_params.getlist(name) for name in request.query_params or ()},
        headers={name.lower(): value for name, value in (request.headers or {}).items()},
        body=request.raw_body or b"",
        tenant=authorizer.get("tenant") or "",
        subject=authorizer.get("principalId") or "",
        scopes=frozenset((authorizer.get("scopes") or "").split()),
        request_id=_request_id(request),
    )


def _path(request: Any) -> str:  # noqa: ANN401 - Chalice ships no types
    """Return the path as the client asked for it, with the stage where the host name has one. `request.path` is the
    route's pattern instead."""
    return "" if request is None else request.context.get("path") or request.path


def _request_id(request: Any) -> str:  # noqa: ANN401 - Chalice ships no types
    return "" if request is None else request.context.get("requestId") or ""
