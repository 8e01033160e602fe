"""The API's operations: a request in, an answer out. Every error becomes a problem, none a stack trace."""

import json
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from chalicelib.core.errors import EftError
from chalicelib.entry.rest import models
from chalicelib.entry.rest.http import Answer, Request
from chalicelib.entry.rest.problems import Problem, answer_of, problem_of
from chalicelib.ports import Env
from chalicelib.steps import control

BODY_MAX_BYTES = 64 * 1024
KEY_MAX_CHARACTERS = 255
READ, WRITE = "read", "write"
M = TypeVar("M", bound=BaseModel)
Operation = Callable[[Env, Request], Answer]


def serve(env: Env, request: Request, operation: Operation) -> Answer:
    """Run an operation; whatever goes wrong is answered, logged where it is ours, and never shown raw."""
    try:
        return operation(env, request)
    except Problem as problem:
        return answer_of(problem, request.path)
    except EftError as error:
        seen = problem_of(error)
        if seen.status >= 500:
            env.log("request-failed", path=request.path, error=str(error), trace=True)
        return answer_of(seen, request.path)
    except Exception as error:  # noqa: BLE001 - the edge of the service
        env.log("request-crashed", path=request.path, error=repr(error), trace=True)
        return answer_of(problem_of(EftError("Internal")), request.path)


def submit_job(env: Env, request: Request) -> Answer:
    """POST /jobs"""
    _require(request, WRITE)
    body = _body(request, models.SubmitBody)
    spec, new = control.submit(env, body.submission(request.tenant, _token(env, request)))
    location = {"Location": f"{request.path.rstrip('/')}/{spec.job_id}"}
    return Answer(201 if new else 200, models.accepted_body(spec), location)


def list_jobs(env: Env, request: Request) -> Answer:
    """GET /jobs"""
    _require(request, READ)
    query = _query(request, models.PageQuery)
    page = control.list_jobs(env, request.tenant, query.cursor, query.limit)
    return Answer(200, {"jobs": [models.listed_body(*job) for job in page.jobs], "next_cursor": page.cursor})


def get_job(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}"""
    _require(request, READ)
    return Answer(200, models.view_body(control.get_job(env, request.tenant, job_id)))


def list_objects(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}/objects"""
    _require(request, READ)
    query = _query(request, models.ObjectsQuery)
    page = control.list_objects(env, request.tenant, job_id, query.outcome, query.cursor, query.limit)
    return Answer(200, {"objects": [models.object_body(row) for row in page.objects], "next_cursor": page.cursor})


def list_endpoints(env: Env, request: Request) -> Answer:
    """GET /endpoints"""
    _require(request, READ)
    return Answer(
        200, {"endpoints": [models.endpoint_body(found) for found in control.list_endpoints(env, request.tenant)]}
    )


def list_feeds(env: Env, request: Request) -> Answer:
    """GET /feeds"""
    _require(request, READ)
    return Answer(200, {"feeds": [models.feed_body(feed) for feed in control.list_feeds(env, request.tenant)]})


def health(env: Env, _: Request) -> Answer:
    """GET /health, for Route 53: shallow, plus this Region's own hard dependencies."""
    try:
        control.health(env)
    except EftError as error:
        env.log("unhealthy", error=str(error))
        return Answer(503, {"status": "unhealthy", "region": env.region})
    return Answer(200, {"status": "ok", "region": env.region})


def _require(request: Request, scope: str) -> None:
    if scope not in request.scopes:
        detail = f"this needs a token with the scope {scope!r}"
        raise Problem(403, "MissingScope", "Your token doesn't allow this", detail)


def _token(env: Env, request: Request) -> str:
    """The Idempotency-Key, or a unique one where the client gave none: then a retry is a new job."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return f"generated:{env.ids.nonce()}"
    if not 1 <= len(key) <= KEY_MAX_CHARACTERS:
        detail = f"Idempotency-Key must have 1 to {KEY_MAX_CHARACTERS} characters"
        raise Problem(400, "InvalidIdempotencyKey", "The request can't be carried out", detail)
    return f"client:{key}"


def _body(request: Request, model: type[M]) -> M:
    if len(request.body) > BODY_MAX_BYTES:
        detail = f"the body has {len(request.body)} bytes; at most {BODY_MAX_BYTES} are accepted"
        raise Problem(413, "BodyTooLarge", "The body is too large", detail)
    try:
        decoded = json.loads(request.body or b"null")
    except ValueError as error:
        raise Problem(400, "NotJson", "The body is not JSON", str(error)) from None
    if not isinstance(decoded, dict):
        raise Problem(400, "NotAnObject", "The body is not a JSON object", "send one JSON object")
    return _validate(model, decoded, "body")


def _query(request: Request, model: type[M]) -> M:
    return _validate(model, dict(request.query), "query")


def _validate(model: type[M], values: dict[str, object], where: str) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{where}.{'.'.join(str(name) for name in e['loc'])}: {e['msg']}"
            for e in error.errors(include_url=False, include_context=False)
        )
        raise Problem(400, "InvalidRequest", "The request is not valid", wrong) from None
