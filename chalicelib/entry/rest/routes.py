"""The API's operations: a request in, an answer out. Every error becomes a problem, none a stack trace."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from chalicelib.core.errors import EftError
from chalicelib.core.model import JobSpec
from chalicelib.core.progress import derive
from chalicelib.entry import strictjson
from chalicelib.entry.rest import (
    feeds,
    limits,
    openapi,
    operations,
    places,
    plans,
    problems,
    reports,
    requests,
    responses,
    schedules,
    webhooks,
)
from chalicelib.entry.rest.auth import ADMINISTER, OPERATE, READ, WRITE
from chalicelib.entry.rest.conditions import author_of, condition_of, etag_of
from chalicelib.entry.rest.http import Answer, Request
from chalicelib.entry.rest.problems import Problem, answer_of, internal, problem_of
from chalicelib.ports import Env
from chalicelib.steps import control, plan
from chalicelib.steps import feeds as feeds_step
from chalicelib.steps import places as places_step
from chalicelib.steps import report as report_step
from chalicelib.steps import schedules as schedules_step
from chalicelib.steps import webhooks as webhooks_step

ERRORS_SHOWN = 10
TAKEOVERS_SHOWN = 1000
M = TypeVar("M", bound=BaseModel)
Operation = Callable[[Env, Request], Answer]


def serve(env: Env, request: Request, operation: Operation) -> Answer:
    """Run an operation, within what its tenant may ask. Routes without a token have no tenant, and no limit."""
    allowance = limits.count(env, request.tenant) if request.tenant else None
    if allowance is None:
        return _carried_out(env, request, operation)
    if allowance.exceeded:
        answer = answer_of(limits.refusal(env, allowance), request.path)
    else:
        answer = _carried_out(env, request, operation)
    return replace(answer, headers={**allowance.headers, **answer.headers})


def _carried_out(env: Env, request: Request, operation: Operation) -> Answer:
    """Whatever goes wrong is answered, logged where it is ours, and never shown raw."""
    try:
        return operation(env, request)
    except Problem as problem:
        return answer_of(problem, request.path)
    except EftError as error:
        seen = problem_of(error, request.request_id)
        if seen.kind.status >= 500:
            env.log("request-failed", path=request.path, request=request.request_id, error=str(error), trace=True)
        return answer_of(seen, request.path)
    except Exception as error:  # noqa: BLE001 - the edge of the service
        env.log("request-crashed", path=request.path, request=request.request_id, error=repr(error), trace=True)
        return answer_of(internal(request.request_id), request.path)


def submit_job(env: Env, request: Request) -> Answer:
    """POST /jobs with `requests.JobRequest`: 201, or 200 if this Idempotency-Key has brought the same job before; both
    with its Location and, as of now, what GET on it shows."""
    _require(request, WRITE)
    body = _body(request, requests.JobRequest)
    spec, new = control.submit(env, body.submission(request.tenant, _token(env, request)))
    return _accepted(env, request, spec, new, request.path.rstrip("/"))


def submit_plan(env: Env, request: Request) -> Answer:
    """POST /plans with `requests.PlanRequest`: 201, or 200 if this Idempotency-Key has brought the same plan before;
    both with its Location and, as of now, what GET on it shows."""
    _require(request, WRITE)
    body = _body(request, requests.PlanRequest)
    spec, new = control.submit(env, body.submission(request.tenant, _token(env, request)))
    location = f"{request.path.rstrip('/')}/{spec.job_id}"
    return Answer(201 if new else 200, _plan(env, request, spec.job_id).body(), {"Location": location})


def get_plan(env: Env, request: Request, plan_id: str) -> Answer:
    """GET /plans/{plan_id}: `plans.Plan`."""
    _require(request, READ)
    return Answer(200, _plan(env, request, plan_id).body())


def _plan(env: Env, request: Request, plan_id: str) -> plans.Plan:
    return plans.Plan.of(plan.get_plan(env, request.tenant, plan_id), env.policy, env.prices)


def list_planned(env: Env, request: Request, plan_id: str) -> Answer:
    """GET /plans/{plan_id}/objects with `requests.PlannedQuery`: `plans.PlannedList`."""
    _require(request, READ)
    query = _query(request, requests.PlannedQuery)
    page = plan.list_planned(env, request.tenant, plan_id, query.outcome, query.cursor, query.limit)
    return Answer(200, plans.PlannedList.of(page).body())


def approve_plan(env: Env, request: Request, plan_id: str) -> Answer:
    """POST /plans/{plan_id}/approve: 202 with `responses.Job` and its Location. Repeating it changes nothing."""
    _require(request, WRITE)
    plan.approve(env, request.tenant, plan_id)
    view = control.get_job(env, request.tenant, plan_id)
    location = request.path.rstrip("/").removesuffix(f"/plans/{plan_id}/approve") + f"/jobs/{plan_id}"
    return Answer(202, responses.Job.of(view).body(), {"Location": location})


def _accepted(env: Env, request: Request, spec: JobSpec, new: bool, jobs: str) -> Answer:
    view = _new_view(env, spec) if new else control.get_job(env, request.tenant, spec.job_id)
    return Answer(201 if new else 200, responses.Job.of(view).body(), {"Location": f"{jobs}/{spec.job_id}"})


def _new_view(env: Env, spec: JobSpec) -> control.JobView:
    """A job of which nothing is planned yet, without asking the table."""
    return control.JobView(spec, derive((), (), None, env.clock.now_ms()), "", None, None)


def list_jobs(env: Env, request: Request) -> Answer:
    """GET /jobs with `requests.PageQuery`: `responses.JobList`."""
    _require(request, READ)
    query = _query(request, requests.PageQuery)
    page = control.list_jobs(env, request.tenant, query.cursor, query.limit)
    return Answer(200, responses.JobList.of(control.glances(env, page), page.cursor).body())


def get_job(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}: `responses.Job`."""
    _require(request, READ)
    return Answer(200, responses.Job.of(control.get_job(env, request.tenant, job_id)).body())


def retry_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/retry: 201 with the new `responses.Job`; 200 if this Idempotency-Key has brought it before,
    or with the old job if that has delivered everything. Both with the Location of the job they show."""
    _require(request, WRITE)
    spec, new = control.retry(env, request.tenant, job_id, _token(env, request))
    return _accepted(env, request, spec, new, request.path.rstrip("/").removesuffix(f"/{job_id}/retry"))


def cancel_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/cancel: 202 with `responses.Job`. Repeating it changes nothing."""
    _require(request, WRITE)
    return Answer(202, responses.Job.of(control.cancel(env, request.tenant, job_id)).body())


def pause_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/pause: 202 with `responses.Job`. Repeating it changes nothing."""
    _require(request, WRITE)
    return Answer(202, responses.Job.of(control.pause(env, request.tenant, job_id)).body())


def resume_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/resume: 202 with `responses.Job`. Repeating it changes nothing."""
    _require(request, WRITE)
    return Answer(202, responses.Job.of(control.resume(env, request.tenant, job_id)).body())


def list_objects(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}/objects with `requests.ObjectsQuery`: `responses.ObjectList`."""
    _require(request, READ)
    query = _query(request, requests.ObjectsQuery)
    page = control.list_objects(env, request.tenant, job_id, query.outcome, query.cursor, query.limit)
    return Answer(200, responses.ObjectList.of(page).body())


def get_report(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}/report with `requests.ReportQuery`: 200 with `reports.Report`, or 202 while it is made."""
    _require(request, READ)
    wanted = _query(request, requests.ReportQuery).format
    view = report_step.fetch(env, request.tenant, job_id, wanted)
    if view is not None:
        return Answer(200, reports.Report.of(view).body())
    waiting = reports.ReportInMaking(format=wanted, retry_after_seconds=problems.RETRY_AFTER_S)
    return Answer(202, waiting.body(), {"Retry-After": str(problems.RETRY_AFTER_S)})


def list_schedules(env: Env, request: Request) -> Answer:
    """GET /schedules: `schedules.ScheduleList`."""
    _require(request, READ)
    return Answer(200, schedules.ScheduleList.of(schedules_step.list_schedules(env, request.tenant)).body())


def get_schedule(env: Env, request: Request, schedule_id: str) -> Answer:
    """GET /schedules/{schedule_id}: `schedules.Schedule`, and its ETag."""
    _require(request, READ)
    return _schedule_answer(200, schedules_step.get_schedule(env, request.tenant, schedule_id))


def put_schedule(env: Env, request: Request, schedule_id: str) -> Answer:
    """PUT /schedules/{schedule_id} with `schedules.ScheduleRequest`: 201 if new, else 200; `schedules.Schedule`."""
    _require(request, WRITE)
    condition = condition_of(request)
    wanted = _body(request, schedules.ScheduleRequest).wanted(request.tenant)
    view, new = schedules_step.put_schedule(env, author_of(request), schedule_id, wanted, condition)
    return _schedule_answer(201 if new else 200, view)


def _schedule_answer(status: int, view: schedules_step.ScheduleView) -> Answer:
    return Answer(status, schedules.Schedule.of(view).body(), {"ETag": etag_of(view.entry)})


def remove_schedule(env: Env, request: Request, schedule_id: str) -> Answer:
    """DELETE /schedules/{schedule_id}: 204."""
    _require(request, WRITE)
    schedules_step.remove_schedule(env, author_of(request), schedule_id, condition_of(request))
    return Answer(204, None)


def list_endpoints(env: Env, request: Request) -> Answer:
    """GET /endpoints: `places.EndpointList`."""
    _require(request, READ)
    return Answer(200, places.EndpointList.of(places_step.list_endpoints(env, request.tenant)).body())


def get_endpoint(env: Env, request: Request, endpoint_id: str) -> Answer:
    """GET /endpoints/{endpoint_id}: `places.Endpoint`, and its ETag if it can be changed."""
    _require(request, READ)
    return _endpoint_answer(200, places_step.get_endpoint(env, request.tenant, endpoint_id))


def put_endpoint(env: Env, request: Request, endpoint_id: str) -> Answer:
    """PUT /endpoints/{endpoint_id} with `places.EndpointRequest`: 201 if new, else 200, with `places.Endpoint`."""
    _require(request, ADMINISTER)
    condition = condition_of(request)
    wanted = _body(request, places.EndpointRequest).endpoint(request.tenant, endpoint_id)
    view, new = places_step.put_endpoint(env, author_of(request), wanted, condition)
    return _endpoint_answer(201 if new else 200, view)


def _endpoint_answer(status: int, view: places_step.EndpointView) -> Answer:
    headers = {"ETag": etag_of(view.entry)} if view.entry else {}
    return Answer(status, places.Endpoint.of(view).body(), headers)


def remove_endpoint(env: Env, request: Request, endpoint_id: str) -> Answer:
    """DELETE /endpoints/{endpoint_id}: 204."""
    _require(request, ADMINISTER)
    places_step.remove_endpoint(env, author_of(request), endpoint_id, condition_of(request))
    return Answer(204, None)


def check_endpoint(env: Env, request: Request, endpoint_id: str) -> Answer:
    """POST /endpoints/{endpoint_id}/check: `places.EndpointCheck`."""
    _require(request, WRITE)
    findings = places_step.check_endpoint(env, request.tenant, endpoint_id)
    return Answer(200, places.EndpointCheck(id=endpoint_id, usable=not findings, findings=list(findings)).body())


def list_changes(env: Env, request: Request) -> Answer:
    """GET /audit with `requests.PageQuery`: `places.AuditList`."""
    _require(request, ADMINISTER)
    query = _query(request, requests.PageQuery)
    return Answer(200, places.AuditList.of(places_step.changes(env, request.tenant, query.cursor, query.limit)).body())


def list_feeds(env: Env, request: Request) -> Answer:
    """GET /feeds: `feeds.FeedList`."""
    _require(request, READ)
    return Answer(200, feeds.FeedList.of(feeds_step.list_feeds(env, request.tenant)).body())


def get_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """GET /feeds/{feed_id}: `feeds.FeedDetail`, and its ETag if it can be changed."""
    _require(request, READ)
    return _feed_detail(200, feeds_step.get_feed(env, request.tenant, feed_id))


def _feed_detail(status: int, detail: feeds_step.FeedDetail) -> Answer:
    return Answer(status, feeds.FeedDetail.of_detail(detail).body(), _feed_headers(detail.view))


def _feed_headers(view: feeds_step.FeedView) -> dict[str, str]:
    return {"ETag": etag_of(view.entry)} if view.entry else {}


def put_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """PUT /feeds/{feed_id} with `feeds.FeedRequest`: 201 if new, else 200, with `feeds.Feed`."""
    _require(request, ADMINISTER)
    condition = condition_of(request)
    wanted = _body(request, feeds.FeedRequest).wanted()
    view, new = feeds_step.put_feed(env, author_of(request), feed_id, wanted, condition)
    return Answer(201 if new else 200, feeds.Feed.of(view).body(), _feed_headers(view))


def remove_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """DELETE /feeds/{feed_id}: 204."""
    _require(request, ADMINISTER)
    feeds_step.remove_feed(env, author_of(request), feed_id, condition_of(request))
    return Answer(204, None)


def pause_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """POST /feeds/{feed_id}/pause: 202 with `feeds.FeedDetail`. Repeating it changes nothing."""
    _require(request, ADMINISTER)
    return _feed_detail(202, feeds_step.pause_feed(env, author_of(request), feed_id))


def resume_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """POST /feeds/{feed_id}/resume: 202 with `feeds.FeedDetail`. Repeating it changes nothing."""
    _require(request, ADMINISTER)
    return _feed_detail(202, feeds_step.resume_feed(env, author_of(request), feed_id))


def backfill_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """POST /feeds/{feed_id}/backfill, perhaps with `feeds.BackfillRequest`: 202 with `feeds.Backfill`."""
    _require(request, ADMINISTER)
    asked = _body(request, feeds.BackfillRequest) if request.body else feeds.BackfillRequest()
    fill = feeds_step.back_fill(env, author_of(request), feed_id, asked.since_ms, _token(env, request))
    return Answer(202, feeds.Backfill.of(fill).body())


def list_deliveries(env: Env, request: Request, feed_id: str) -> Answer:
    """GET /feeds/{feed_id}/deliveries with `feeds.DeliveriesQuery`: `feeds.DeliveryList`."""
    _require(request, READ)
    query = _query(request, feeds.DeliveriesQuery)
    page = feeds_step.list_deliveries(env, request.tenant, feed_id, query.wanted(), query.cursor, query.limit)
    return Answer(200, feeds.DeliveryList.of(page).body())


def list_webhooks(env: Env, request: Request) -> Answer:
    """GET /webhooks: `webhooks.WebhookList`."""
    _require(request, ADMINISTER)
    return Answer(200, webhooks.WebhookList.of(webhooks_step.list_webhooks(env, request.tenant)).body())


def get_webhook(env: Env, request: Request, webhook_id: str) -> Answer:
    """GET /webhooks/{webhook_id}: `webhooks.Webhook`, and its ETag."""
    _require(request, ADMINISTER)
    view = webhooks_step.get_webhook(env, request.tenant, webhook_id)
    return Answer(200, webhooks.Webhook.of(view).body(), {"ETag": etag_of(view.entry)})


def put_webhook(env: Env, request: Request, webhook_id: str) -> Answer:
    """PUT /webhooks/{webhook_id} with `webhooks.WebhookRequest`: 201 with `webhooks.WebhookWithSecret` if new, else 200
    with `webhooks.Webhook`."""
    _require(request, ADMINISTER)
    condition = condition_of(request)
    body = _body(request, webhooks.WebhookRequest)
    author = author_of(request)
    view, new = webhooks_step.put_webhook(env, author, webhook_id, body.url, body.topics, condition)
    if new:
        return _with_secret(201, view)
    return Answer(200, webhooks.Webhook.of(view).body(), {"ETag": etag_of(view.entry)})


def _with_secret(status: int, view: webhooks_step.WebhookView) -> Answer:
    return Answer(status, webhooks.WebhookWithSecret.with_secret(view).body(), {"ETag": etag_of(view.entry)})


def remove_webhook(env: Env, request: Request, webhook_id: str) -> Answer:
    """DELETE /webhooks/{webhook_id}: 204."""
    _require(request, ADMINISTER)
    webhooks_step.remove_webhook(env, author_of(request), webhook_id, condition_of(request))
    return Answer(204, None)


def rotate_secret(env: Env, request: Request, webhook_id: str) -> Answer:
    """POST /webhooks/{webhook_id}/rotate: `webhooks.WebhookWithSecret`."""
    _require(request, ADMINISTER)
    return _with_secret(200, webhooks_step.rotate_secret(env, author_of(request), webhook_id, condition_of(request)))


def test_webhook(env: Env, request: Request, webhook_id: str) -> Answer:
    """POST /webhooks/{webhook_id}/test: 202 with `webhooks.TestSent`."""
    _require(request, ADMINISTER)
    message_id = webhooks_step.send_test(env, request.tenant, webhook_id)
    return Answer(202, webhooks.TestSent(message_id=message_id).body())


def regions(env: Env, request: Request) -> Answer:
    """GET /regions: `operations.RegionList`, as the answering Region sees them."""
    _require(request, OPERATE)
    return Answer(200, operations.RegionList.of(env.region, control.regions(env)).body())


def leases(env: Env, request: Request) -> Answer:
    """GET /leases: `operations.LeaseList`."""
    _require(request, OPERATE)
    found = operations.LeaseList.of(control.leases(env), control.takeovers(env, TAKEOVERS_SHOWN))
    return Answer(200, found.body())


def health(env: Env, _: Request) -> Answer:
    """GET /health, for Route 53: shallow, plus this Region's own hard dependencies. 200 with
    `responses.Health`, or 503."""
    try:
        control.health(env)
    except EftError as error:
        env.log("unhealthy", error=str(error))
        detail = f"what {env.region} depends on doesn't answer: use the other Region until this says 200"
        raise Problem(problems.UNHEALTHY, detail) from None
    return Answer(200, responses.Health(status="ok", region=env.region).body())


def describe(_: Env, request: Request) -> Answer:
    """GET /openapi.json: what all of them promise, for programs. It is the same until the next deployment."""
    server = request.path.removesuffix(openapi.PATH) or "/"
    return Answer(200, openapi.document(server), {"Cache-Control": "public, max-age=300"})


def _require(request: Request, scope: str) -> None:
    if scope not in request.scopes:
        detail = f"this needs a token with the scope {scope!r}"
        raise Problem(problems.MISSING_SCOPE, detail)


def _token(env: Env, request: Request) -> str:
    """The Idempotency-Key, or a unique one where the client gave none: then a retry is a new job."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return f"generated:{env.ids.nonce()}"
    if not (1 <= len(key) <= requests.IDEMPOTENCY_KEY_MAX_CHARACTERS and key.isascii() and key.isprintable()):
        detail = f"Idempotency-Key must have 1 to {requests.IDEMPOTENCY_KEY_MAX_CHARACTERS} printable ASCII characters"
        raise Problem(problems.INVALID_KEY, detail)
    return f"client:{key}"


def _body(request: Request, model: type[M]) -> M:
    if len(request.body) > requests.BODY_MAX_BYTES:
        detail = f"the body has {len(request.body)} bytes; at most {requests.BODY_MAX_BYTES} are accepted"
        raise Problem(problems.BODY_TOO_LARGE, detail)
    if not request.body:
        raise Problem(problems.NO_BODY, "send one JSON object")
    try:
        decoded = strictjson.loads(request.body)
    except ValueError as error:
        raise Problem(problems.NOT_JSON, f"send one JSON object in UTF-8: {error}") from None
    if not isinstance(decoded, dict):
        raise Problem(problems.NOT_AN_OBJECT, "send one JSON object")
    return _validate(model, decoded, "body")


def _query(request: Request, model: type[M]) -> M:
    """Of a name that is there twice, no value is preferred to the other, as in bodies."""
    for name, values in request.query.items():
        if len(values) > 1:
            detail = f"query.{name}: it is there {len(values)} times; send it once"
            raise Problem(problems.INVALID_REQUEST, detail)
    return _validate(model, {name: values[0] for name, values in request.query.items() if values}, "query")


def _validate(model: type[M], values: dict[str, object], where: str) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = [f"{'.'.join([where, *map(str, e['loc'])])}: {e['msg']}" for e in found[:ERRORS_SHOWN]]
        if len(found) > ERRORS_SHOWN:
            wrong.append(f"and {len(found) - ERRORS_SHOWN} more")
        raise Problem(problems.INVALID_REQUEST, "; ".join(wrong)) from None
