"""The API's operations: a request in, an answer out. Every error becomes a problem, none a stack trace. Those on what
tenants register are in `routes_registry`."""

from collections.abc import Callable
from dataclasses import replace

from chalicelib.core.errors import EftError
from chalicelib.core.model import JobSpec
from chalicelib.core.progress import derive
from chalicelib.entry.rest import (
    limits,
    openapi,
    operations,
    plans,
    problems,
    reports,
    requests,
    responses,
)
from chalicelib.entry.rest.auth import OPERATE, READ, WRITE
from chalicelib.entry.rest.http import Answer, Request
from chalicelib.entry.rest.problems import Problem, answer_of, internal, problem_of
from chalicelib.entry.rest.reading import body_of, query_of, require, token_of
from chalicelib.ports import Env
from chalicelib.protocol.breaker import for_request
from chalicelib.steps import control, plan
from chalicelib.steps import report as report_step

TAKEOVERS_SHOWN = 1000
Operation = Callable[[Env, Request], Answer]


def serve(env: Env, request: Request, operation: Operation) -> Answer:
    """Run an operation, within what its tenant may ask, and within the time that it may take whatever hangs. Routes
    without a token have no tenant, and no limit."""
    env = for_request(env)
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
    require(request, WRITE)
    body = body_of(request, requests.JobRequest)
    spec, new = control.submit(env, body.submission(request.tenant, token_of(env, request)))
    return _accepted(env, request, spec, new, request.path.rstrip("/"))


def submit_plan(env: Env, request: Request) -> Answer:
    """POST /plans with `requests.PlanRequest`: 201, or 200 if this Idempotency-Key has brought the same plan before;
    both with its Location and, as of now, what GET on it shows."""
    require(request, WRITE)
    body = body_of(request, requests.PlanRequest)
    spec, new = control.submit(env, body.submission(request.tenant, token_of(env, request)))
    location = f"{request.path.rstrip('/')}/{spec.job_id}"
    return Answer(201 if new else 200, _plan(env, request, spec.job_id).body(), {"Location": location})


def get_plan(env: Env, request: Request, plan_id: str) -> Answer:
    """GET /plans/{plan_id}: `plans.Plan`."""
    require(request, READ)
    return Answer(200, _plan(env, request, plan_id).body())


def _plan(env: Env, request: Request, plan_id: str) -> plans.Plan:
    return plans.Plan.of(plan.get_plan(env, request.tenant, plan_id), env.policy, env.prices)


def list_planned(env: Env, request: Request, plan_id: str) -> Answer:
    """GET /plans/{plan_id}/objects with `requests.PlannedQuery`: `plans.PlannedList`."""
    require(request, READ)
    query = query_of(request, requests.PlannedQuery)
    page = plan.list_planned(env, request.tenant, plan_id, query.outcome, query.cursor, query.limit)
    return Answer(200, plans.PlannedList.of(page).body())


def approve_plan(env: Env, request: Request, plan_id: str) -> Answer:
    """POST /plans/{plan_id}/approve: 202 with `responses.Job` and its Location. Repeating it changes nothing."""
    require(request, WRITE)
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
    require(request, READ)
    query = query_of(request, requests.PageQuery)
    page = control.list_jobs(env, request.tenant, query.cursor, query.limit)
    return Answer(200, responses.JobList.of(control.glances(env, page), page.cursor).body())


def get_job(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}: `responses.Job`."""
    require(request, READ)
    return Answer(200, responses.Job.of(control.get_job(env, request.tenant, job_id)).body())


def retry_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/retry: 201 with the new `responses.Job`; 200 if this Idempotency-Key has brought it before,
    or with the old job if that has delivered everything. Both with the Location of the job they show."""
    require(request, WRITE)
    spec, new = control.retry(env, request.tenant, job_id, token_of(env, request))
    return _accepted(env, request, spec, new, request.path.rstrip("/").removesuffix(f"/{job_id}/retry"))


def cancel_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/cancel: 202 with `responses.Job`. Repeating it changes nothing."""
    require(request, WRITE)
    return Answer(202, responses.Job.of(control.cancel(env, request.tenant, job_id)).body())


def pause_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/pause: 202 with `responses.Job`. Repeating it changes nothing."""
    require(request, WRITE)
    return Answer(202, responses.Job.of(control.pause(env, request.tenant, job_id)).body())


def resume_job(env: Env, request: Request, job_id: str) -> Answer:
    """POST /jobs/{job_id}/resume: 202 with `responses.Job`. Repeating it changes nothing."""
    require(request, WRITE)
    return Answer(202, responses.Job.of(control.resume(env, request.tenant, job_id)).body())


def list_objects(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}/objects with `requests.ObjectsQuery`: `responses.ObjectList`."""
    require(request, READ)
    query = query_of(request, requests.ObjectsQuery)
    page = control.list_objects(env, request.tenant, job_id, query.outcome, query.cursor, query.limit)
    return Answer(200, responses.ObjectList.of(page).body())


def get_report(env: Env, request: Request, job_id: str) -> Answer:
    """GET /jobs/{job_id}/report with `requests.ReportQuery`: 200 with `reports.Report`, or 202 while it is made."""
    require(request, READ)
    wanted = query_of(request, requests.ReportQuery).format
    view = report_step.fetch(env, request.tenant, job_id, wanted)
    if view is not None:
        return Answer(200, reports.Report.of(view).body())
    waiting = reports.ReportInMaking(format=wanted, retry_after_seconds=problems.RETRY_AFTER_S)
    return Answer(202, waiting.body(), {"Retry-After": str(problems.RETRY_AFTER_S)})


def regions(env: Env, request: Request) -> Answer:
    """GET /regions: `operations.RegionList`, as the answering Region sees them."""
    require(request, OPERATE)
    return Answer(200, operations.RegionList.of(env.region, control.regions(env)).body())


def leases(env: Env, request: Request) -> Answer:
    """GET /leases: `operations.LeaseList`."""
    require(request, OPERATE)
    # The table alone knows the takeovers, and is asked before a storage that may hang: when a Region does, people look.
    takeovers = control.takeovers(env, TAKEOVERS_SHOWN)
    found = operations.LeaseList.of(control.leases(env), takeovers)
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
