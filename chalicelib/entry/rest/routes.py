"""The API's operations: each turns a request into an answer. Every error becomes a problem, and none shows a stack
trace. The operations on everything that tenants register are in `routes_registry`."""

from collections.abc import Callable
from dataclasses import replace

from chalicelib.core.errors import EftError, ErrorCode
from chalicelib.core.jobs import JobSpec
from chalicelib.core.progress import derive
from chalicelib.entry.rest import (
    limits,
    openapi,
    operations,
    plans,
    reports,
    requests,
    responses,
)
from chalicelib.entry.rest.auth import OPERATE, READ, WRITE
from chalicelib.entry.rest.http import Answer, Request
from chalicelib.entry.rest.problems import RETRY_AFTER_S, Problem, answer_of, internal, problem_of
from chalicelib.entry.rest.reading import body_of, query_of, require, token_of
from chalicelib.ports import Env
from chalicelib.protocol.breaker import for_request
from chalicelib.steps import control, plan
from chalicelib.steps import report as report_step

TAKEOVERS_SHOWN = 1000
Operation = Callable[[Env, Request], Answer]


def serve(env: Env, request: Request, operation: Operation) -> Answer:
    """Run an operation within its tenant's rate limit, and within its time budget even if a dependency hangs. Routes
    without a token have no tenant, and no limit."""
    env = for_request(env)
    allowance = limits.count(env, request.tenant) if request.tenant else None
    if allowance is None:
        return _carry_out(env, request, operation)
    if allowance.exceeded:
        answer = answer_of(limits.refusal(env, allowance), request.path)
    else:
        answer = _carry_out(env, request, operation)
    return replace(answer, headers={**allowance.headers, **answer.headers})


def _carry_out(env: Env, request: Request, operation: Operation) -> Answer:
    """Run an operation, and turn every error into an answer. Errors of ours are logged, and no error is shown raw."""
    try:
        return operation(env, request)
    except Problem as refusal:
        return answer_of(refusal, request.path)
    except EftError as error:
        problem = problem_of(error, request.request_id)
        if problem.type.status >= 500:
            env.log("request-failed", path=request.path, request=request.request_id, error=str(error), trace=True)
        return answer_of(problem, request.path)
    except Exception as error:  # noqa: BLE001 - the edge of the service
        env.log("request-crashed", path=request.path, request=request.request_id, error=repr(error), trace=True)
        return answer_of(internal(request.request_id), request.path)


def submit_job(env: Env, request: Request) -> Answer:
    """Answer POST /jobs with `requests.JobRequest`: 201, or 200 if the same job was submitted with this Idempotency-Key
    before. Both have its Location, and show what GET on it shows now."""
    require(request, WRITE)
    body = body_of(request, requests.JobRequest)
    spec, new = control.submit(env, body.submission(request.tenant, token_of(env, request)))
    return _accepted(env, request, spec, new, request.path.rstrip("/"))


def submit_plan(env: Env, request: Request) -> Answer:
    """Answer POST /plans with `requests.PlanRequest`: 201, or 200 if the same plan was submitted with this
    Idempotency-Key before. Both have its Location, and show what GET on it shows now."""
    require(request, WRITE)
    body = body_of(request, requests.PlanRequest)
    spec, new = control.submit(env, body.submission(request.tenant, token_of(env, request)))
    location = f"{request.path.rstrip('/')}/{spec.job_id}"
    return Answer(201 if new else 200, _plan(env, request, spec.job_id).body(), {"Location": location})


def get_plan(env: Env, request: Request, plan_id: str) -> Answer:
    """Answer GET /plans/{plan_id} with `plans.Plan`."""
    require(request, READ)
    return Answer(200, _plan(env, request, plan_id).body())


def _plan(env: Env, request: Request, plan_id: str) -> plans.Plan:
    return plans.Plan.of(plan.get_plan(env, request.tenant, plan_id), env.policy, env.prices)


def list_planned(env: Env, request: Request, plan_id: str) -> Answer:
    """Answer GET /plans/{plan_id}/objects (`requests.PlannedQuery`) with `plans.PlannedList`."""
    require(request, READ)
    query = query_of(request, requests.PlannedQuery)
    page = plan.list_planned(env, request.tenant, plan_id, query.outcome, query.cursor, query.limit)
    return Answer(200, plans.PlannedList.of(page).body())


def approve_plan(env: Env, request: Request, plan_id: str) -> Answer:
    """Answer POST /plans/{plan_id}/approve with 202, `responses.Job` and its Location. Repeating it changes nothing."""
    require(request, WRITE)
    plan.approve(env, request.tenant, plan_id)
    view = control.get_job(env, request.tenant, plan_id)
    location = request.path.rstrip("/").removesuffix(f"/plans/{plan_id}/approve") + f"/jobs/{plan_id}"
    return Answer(202, responses.Job.of(view).body(), {"Location": location})


def _accepted(env: Env, request: Request, spec: JobSpec, new: bool, jobs: str) -> Answer:
    view = _new_view(env, spec) if new else control.get_job(env, request.tenant, spec.job_id)
    return Answer(201 if new else 200, responses.Job.of(view).body(), {"Location": f"{jobs}/{spec.job_id}"})


def _new_view(env: Env, spec: JobSpec) -> control.JobView:
    """Return the view of a job without planned objects, without reading the table."""
    return control.JobView(spec, derive((), (), None, env.clock.now_ms()), "", None, None)


def list_jobs(env: Env, request: Request) -> Answer:
    """Answer GET /jobs (`requests.PageQuery`) with `responses.JobList`."""
    require(request, READ)
    query = query_of(request, requests.PageQuery)
    page = control.list_jobs(env, request.tenant, query.cursor, query.limit)
    return Answer(200, responses.JobList.of(control.glances(env, page), page.cursor).body())


def get_job(env: Env, request: Request, job_id: str) -> Answer:
    """Answer GET /jobs/{job_id} with `responses.Job`."""
    require(request, READ)
    return Answer(200, responses.Job.of(control.get_job(env, request.tenant, job_id)).body())


def retry_job(env: Env, request: Request, job_id: str) -> Answer:
    """Answer POST /jobs/{job_id}/retry: 201 with the new `responses.Job`; 200 with it if this Idempotency-Key was used
    for it before, or with the old job if that has delivered everything. All have the Location of the job that they
    show."""
    require(request, WRITE)
    spec, new = control.retry(env, request.tenant, job_id, token_of(env, request))
    return _accepted(env, request, spec, new, request.path.rstrip("/").removesuffix(f"/{job_id}/retry"))


def cancel_job(env: Env, request: Request, job_id: str) -> Answer:
    """Answer POST /jobs/{job_id}/cancel with 202 and `responses.Job`. Repeating it changes nothing."""
    require(request, WRITE)
    return Answer(202, responses.Job.of(control.cancel(env, request.tenant, job_id)).body())


def pause_job(env: Env, request: Request, job_id: str) -> Answer:
    """Answer POST /jobs/{job_id}/pause with 202 and `responses.Job`. Repeating it changes nothing."""
    require(request, WRITE)
    return Answer(202, responses.Job.of(control.pause(env, request.tenant, job_id)).body())


def resume_job(env: Env, request: Request, job_id: str) -> Answer:
    """Answer POST /jobs/{job_id}/resume with 202 and `responses.Job`. Repeating it changes nothing."""
    require(request, WRITE)
    return Answer(202, responses.Job.of(control.resume(env, request.tenant, job_id)).body())


def list_objects(env: Env, request: Request, job_id: str) -> Answer:
    """Answer GET /jobs/{job_id}/objects (`requests.ObjectsQuery`) with `responses.ObjectList`."""
    require(request, READ)
    query = query_of(request, requests.ObjectsQuery)
    page = control.list_objects(env, request.tenant, job_id, query.outcome, query.cursor, query.limit)
    return Answer(200, responses.ObjectList.of(page).body())


def get_report(env: Env, request: Request, job_id: str) -> Answer:
    """Answer GET /jobs/{job_id}/report with `requests.ReportQuery`: 200 with `reports.Report`, or 202 while the report
    is being made."""
    require(request, READ)
    report_format = query_of(request, requests.ReportQuery).format
    view = report_step.fetch(env, request.tenant, job_id, report_format)
    if view is not None:
        return Answer(200, reports.Report.of(view).body())
    in_making = reports.ReportInMaking(format=report_format, retry_after_seconds=RETRY_AFTER_S)
    return Answer(202, in_making.body(), {"Retry-After": str(RETRY_AFTER_S)})


def regions(env: Env, request: Request) -> Answer:
    """Answer GET /regions with `operations.RegionList`, as this Region sees them."""
    require(request, OPERATE)
    return Answer(200, operations.RegionList.of(env.region, control.regions(env)).body())


def leases(env: Env, request: Request) -> Answer:
    """Answer GET /leases with `operations.LeaseList`."""
    require(request, OPERATE)
    # Read the takeovers first: they are in the table, which must be asked before a storage that may hang. Operators
    # look here when a Region hangs.
    takeovers = control.takeovers(env, TAKEOVERS_SHOWN)
    body = operations.LeaseList.of(control.leases(env), takeovers)
    return Answer(200, body.body())


def health(env: Env, _: Request) -> Answer:
    """Answer GET /health, for Route 53: 200 with `responses.Health`, or 503. The check is shallow, and includes this
    Region's own hard dependencies."""
    try:
        control.health(env)
    except EftError as error:
        env.log("unhealthy", error=str(error))
        detail = f"what {env.region} depends on doesn't answer: use the other Region until this says 200"
        raise Problem.of(ErrorCode.UNHEALTHY, detail) from None
    return Answer(200, responses.Health(status="ok", region=env.region).body())


def describe(_: Env, request: Request) -> Answer:
    """Answer GET /openapi.json with the description of all operations, for programs. It stays the same until the next
    deployment."""
    server = request.path.removesuffix(openapi.PATH) or "/"
    return Answer(200, openapi.document(server), {"Cache-Control": "public, max-age=300"})
