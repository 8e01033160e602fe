"""The API's operations: a request in, an answer out. Every error becomes a problem, none a stack trace."""

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from chalicelib.core.errors import EftError
from chalicelib.core.model import JobSpec
from chalicelib.core.progress import derive
from chalicelib.entry import strictjson
from chalicelib.entry.rest import models
from chalicelib.entry.rest.http import Answer, Request
from chalicelib.entry.rest.problems import Problem, answer_of, internal, problem_of
from chalicelib.ports import Env
from chalicelib.steps import control

BODY_MAX_BYTES = 64 * 1024
KEY_MAX_CHARACTERS = 255
ERRORS_SHOWN = 10
READ, WRITE, OPERATE = "read", "write", "operate"
TAKEOVERS_SHOWN = 1000
M = TypeVar("M", bound=BaseModel)
Operation = Callable[[Env, Request], Answer]


def serve(env: Env, request: Request, operation: Operation) -> Answer:
    """Run an operation; whatever goes wrong is answered, logged where it is ours, and never shown raw."""
    try:
        return operation(env, request)
    except Problem as problem:
        return answer_of(problem, request.path)
    except EftError as error:
        seen = problem_of(error, request.request_id)
        if seen.status >= 500:
            env.log("request-failed", path=request.path, request=request.request_id, error=str(error), trace=True)
        return answer_of(seen, request.path)
    except Exception as error:  # noqa: BLE001 - the edge of the service
        env.log("request-crashed", path=request.path, request=request.request_id, error=repr(error), trace=True)
        return answer_of(internal(request.request_id), request.path)


def submit_job(env: Env, request: Request) -> Answer:
    """POST /jobs with `models.SubmitBody`: 201, or 200 if this Idempotency-Key has brought the same job before; both
    with its Location and, as of now, what GET on it shows."""
    _require(request, WRITE)
    body = _body(request, models.SubmitBody)
    spec, new = control.submit(env, body.submission(request.tenant, _token(env, request)))
    view = _new_view(env, spec) if new else control.get_job(env, request.tenant, spec.job_id)
    location = {"Location": f"{request.path.rstrip('/')}/{spec.job_id}"}
    return Answer(201 if new else 200, models.view_body(view), location)


def _new_view(env: Env, spec: JobSpec) -> control.JobView:
    """A job of which nothing is planned yet, without asking the table."""
    return control.JobView(spec, derive((), (), None, env.clock.now_ms()), "", None, None)


def list_jobs(env: Env, request: Request) -> Answer:
    """GET /jobs?limit&cursor, the newest first: {"jobs": [`models.listed_body`], "next_cursor": null on the last page}.
    A page may hold fewer than `limit`: only `next_cursor` says whether it is the last."""
    _require(request, READ)
    query = _query(request, models.PageQuery)
    page = control.list_jobs(env, request.tenant, query.cursor, query.limit)
    return Answer(200, {"jobs": [models.listed_body(*job) for job in page.jobs], "next_cursor": page.cursor})


def get_job(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}: `models.view_body`."""
    _require(request, READ)
    return Answer(200, models.view_body(control.get_job(env, request.tenant, job_id)))


def cancel_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/cancel: 202 with `models.view_body`. Repeating it changes nothing."""
    _require(request, WRITE)
    return Answer(202, models.view_body(control.cancel(env, request.tenant, job_id)))


def pause_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/pause: 202 with `models.view_body`. Repeating it changes nothing."""
    _require(request, WRITE)
    return Answer(202, models.view_body(control.pause(env, request.tenant, job_id)))


def resume_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/resume: 202 with `models.view_body`. Repeating it changes nothing."""
    _require(request, WRITE)
    return Answer(202, models.view_body(control.resume(env, request.tenant, job_id)))


def regions(env: Env, request: Request) -> Answer:
    """GET /regions: {"answered_by", "regions": [`models.region_body`]}: as the answering Region sees them."""
    _require(request, OPERATE)
    found = [models.region_body(view) for view in control.regions(env)]
    return Answer(200, {"answered_by": env.region, "regions": found})


def leases(env: Env, request: Request) -> Answer:
    """GET /leases: {"leases": [`models.lease_body`], "takeovers": [`models.takeover_body`], the newest first}."""
    _require(request, OPERATE)
    held = [models.lease_body(view) for view in control.leases(env)]
    taken = [models.takeover_body(found) for found in control.takeovers(env, TAKEOVERS_SHOWN)]
    return Answer(200, {"leases": held, "takeovers": taken})


def list_objects(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}/objects?outcome&limit&cursor: {"objects": [`models.object_body`], "next_cursor": null on the
    last page}. With `outcome`, only objects that ended so; without, also those still undecided."""
    _require(request, READ)
    query = _query(request, models.ObjectsQuery)
    page = control.list_objects(env, request.tenant, job_id, query.outcome, query.cursor, query.limit)
    return Answer(200, {"objects": [models.object_body(row) for row in page.objects], "next_cursor": page.cursor})


def list_endpoints(env: Env, request: Request) -> Answer:
    """GET /endpoints: {"endpoints": [`models.endpoint_body`]}, all of them, by id."""
    _require(request, READ)
    return Answer(
        200, {"endpoints": [models.endpoint_body(found) for found in control.list_endpoints(env, request.tenant)]}
    )


def list_feeds(env: Env, request: Request) -> Answer:
    """GET /feeds: {"feeds": [`models.feed_body`]}, all of them, by id."""
    _require(request, READ)
    return Answer(200, {"feeds": [models.feed_body(feed) for feed in control.list_feeds(env, request.tenant)]})


def health(env: Env, _: Request) -> Answer:
    """GET /health, for Route 53: shallow, plus this Region's own hard dependencies. 200 {"status": "ok", "region"}, or
    503."""
    try:
        control.health(env)
    except EftError as error:
        env.log("unhealthy", error=str(error))
        detail = f"what {env.region} depends on doesn't answer: use the other Region until this says 200"
        raise Problem(503, "Unhealthy", "This Region can't serve now", detail) from None
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
    if not (1 <= len(key) <= KEY_MAX_CHARACTERS and key.isascii() and key.isprintable()):
        detail = f"Idempotency-Key must have 1 to {KEY_MAX_CHARACTERS} printable ASCII characters"
        raise Problem(400, "InvalidIdempotencyKey", "The request can't be carried out", detail)
    return f"client:{key}"


def _body(request: Request, model: type[M]) -> M:
    if len(request.body) > BODY_MAX_BYTES:
        detail = f"the body has {len(request.body)} bytes; at most {BODY_MAX_BYTES} are accepted"
        raise Problem(413, "BodyTooLarge", "The body is too large", detail)
    if not request.body:
        raise Problem(400, "NoBody", "There is no body", "send one JSON object")
    try:
        decoded = strictjson.loads(request.body)
    except ValueError as error:
        raise Problem(400, "NotJson", "The body is not JSON", f"send one JSON object in UTF-8: {error}") from None
    if not isinstance(decoded, dict):
        raise Problem(400, "NotAnObject", "The body is not a JSON object", "send one JSON object")
    return _validate(model, decoded, "body")


def _query(request: Request, model: type[M]) -> M:
    return _validate(model, dict(request.query), "query")


def _validate(model: type[M], values: dict[str, object], where: str) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = [f"{'.'.join([where, *map(str, e['loc'])])}: {e['msg']}" for e in found[:ERRORS_SHOWN]]
        if len(found) > ERRORS_SHOWN:
            wrong.append(f"and {len(found) - ERRORS_SHOWN} more")
        raise Problem(400, "InvalidRequest", "The request is not valid", "; ".join(wrong)) from None
