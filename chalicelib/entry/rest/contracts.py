"""Describe what every operation of the API promises: the table from which `openapi` is made. Tests compare it with the
routes, with the scopes that they require, and with every answer to generated requests."""

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest import operations, plans, reports, requests, responses
from chalicelib.entry.rest.auth import OPERATE, READ, WRITE
from chalicelib.entry.rest.contract import JOBS, OPERATIONS, PLANS, SERVICE, Contract, Success
from chalicelib.entry.rest.contracts_endpoints import CONTRACTS_OF_ENDPOINTS
from chalicelib.entry.rest.contracts_feeds import CONTRACTS_OF_FEEDS
from chalicelib.entry.rest.contracts_schedules import CONTRACTS_OF_SCHEDULES
from chalicelib.entry.rest.contracts_webhooks import CONTRACTS_OF_WEBHOOKS

_ABOUT_A_JOB = {
    "getJob": "Watch it.",
    "listObjects": "What became of each object.",
    "pauseJob": "Pause it.",
    "resumeJob": "Have it go on.",
    "cancelJob": "Cancel it.",
    "getReport": "Fetch its report, once it is settled.",
    "retryJob": "When it has settled: retry what it didn't deliver.",
}

_SUBMITTING = (
    ErrorCode.NO_BODY,
    ErrorCode.NOT_JSON,
    ErrorCode.NOT_AN_OBJECT,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.INVALID_IDEMPOTENCY_KEY,
    ErrorCode.UNKNOWN_ENDPOINT,
    ErrorCode.NOT_READABLE,
    ErrorCode.NOT_WRITABLE,
    ErrorCode.PREFIX_NOT_A_FOLDER,
    ErrorCode.PREFIX_TOO_LONG,
    ErrorCode.INVALID_FILTER,
    ErrorCode.CONFLICTING_INPUT,
    ErrorCode.KEY_TOO_LONG,
    ErrorCode.MANIFEST_UNREADABLE,
    ErrorCode.OVERLAP,
    ErrorCode.DELETES_FOR_EVER,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.ENDPOINT_UNUSABLE,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
)

CONTRACTS = (
    Contract(
        "POST",
        "/jobs",
        "submitJob",
        JOBS,
        "Submit a job",
        scope=WRITE,
        description="Send an Idempotency-Key, and the same again when no answer came, in either Region: it stays one "
        "job. Without a key each submission is a new job.",
        body=requests.JobRequest,
        idempotent=True,
        successes=(
            Success(201, responses.Job, "Accepted: it ends even if this Region dies now.", ("Location",)),
            Success(200, responses.Job, "This Idempotency-Key has brought the same job before.", ("Location",)),
        ),
        problems=_SUBMITTING,
        links=_ABOUT_A_JOB,
    ),
    Contract(
        "GET",
        "/jobs",
        "listJobs",
        JOBS,
        "List your jobs",
        scope=READ,
        query=requests.PageQuery,
        successes=(Success(200, responses.JobList, "A page of them, the newest first."),),
        problems=(ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CURSOR),
    ),
    Contract(
        "GET",
        "/jobs/{job_id}",
        "getJob",
        JOBS,
        "Watch a job",
        scope=READ,
        description="Its state, counts, bytes and time to go. Every few seconds is often enough.",
        successes=(Success(200, responses.Job, "The job, as of now."),),
        problems=(ErrorCode.UNKNOWN_JOB,),
    ),
    Contract(
        "POST",
        "/jobs/{job_id}/pause",
        "pauseJob",
        JOBS,
        "Pause a job",
        scope=WRITE,
        description="Nothing new of it is begun once its workers have looked, which they do every minute. What is "
        "under way may still arrive, and what has arrived stays. A settled job stays settled. Repeating it changes "
        "nothing.",
        successes=(Success(202, responses.Job, "It pauses, for as long as you like."),),
        problems=(ErrorCode.UNKNOWN_JOB,),
    ),
    Contract(
        "POST",
        "/jobs/{job_id}/resume",
        "resumeJob",
        JOBS,
        "Have a paused job go on",
        scope=WRITE,
        description="It goes on where it stopped: no part that has arrived is sent again. Repeating it changes "
        "nothing.",
        successes=(Success(202, responses.Job, "It goes on."),),
        problems=(ErrorCode.UNKNOWN_JOB, ErrorCode.ENDPOINT_UNUSABLE),
    ),
    Contract(
        "POST",
        "/jobs/{job_id}/cancel",
        "cancelJob",
        JOBS,
        "Cancel a job",
        scope=WRITE,
        description="What is under way may still arrive, and what has arrived stays. Repeating it changes nothing.",
        successes=(Success(202, responses.Job, "No more of it will be begun."),),
        problems=(ErrorCode.UNKNOWN_JOB,),
    ),
    Contract(
        "POST",
        "/jobs/{job_id}/retry",
        "retryJob",
        JOBS,
        "Retry what a settled job didn't deliver",
        scope=WRITE,
        description="A new job of the same source, target, mode, labels and priority, of just the objects that were "
        "planned and not delivered. They are looked at anew: what is there now is delivered, or the version that was "
        "named. "
        "What was never planned (the job was cancelled, or its source could not be listed) is not in it, and keeps it "
        "from succeeding: submit the job again. Send an Idempotency-Key, as to `POST /jobs`.",
        idempotent=True,
        successes=(
            Success(201, responses.Job, "Accepted. Its `retry_of` names the old one.", ("Location",)),
            Success(
                200,
                responses.Job,
                "Nothing is begun: this Idempotency-Key has brought this job before, or the old job (which is the "
                "answer then) has delivered all that it planned.",
                ("Location",),
            ),
        ),
        problems=(
            ErrorCode.INVALID_IDEMPOTENCY_KEY,
            ErrorCode.UNKNOWN_ENDPOINT,
            ErrorCode.NOT_READABLE,
            ErrorCode.NOT_WRITABLE,
            ErrorCode.ENDPOINT_CHANGED,
            ErrorCode.UNKNOWN_JOB,
            ErrorCode.JOB_NOT_SETTLED,
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ),
    ),
    Contract(
        "GET",
        "/jobs/{job_id}/objects",
        "listObjects",
        JOBS,
        "What became of each object",
        scope=READ,
        query=requests.ObjectsQuery,
        successes=(Success(200, responses.ObjectList, "A page of them, in the order of partitions and keys."),),
        problems=(ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CURSOR, ErrorCode.UNKNOWN_JOB),
    ),
    Contract(
        "GET",
        "/jobs/{job_id}/report",
        "getReport",
        JOBS,
        "Fetch the report of a settled job",
        scope=READ,
        description="A file with a row for each object, by a link that is good for some minutes. It is made when it is "
        "first asked for, and once made is there at once; after 30 days it is made again.",
        query=requests.ReportQuery,
        successes=(
            Success(200, reports.Report, "It is there."),
            Success(202, reports.ReportInMaking, "It is being made.", ("Retry-After",)),
        ),
        problems=(ErrorCode.INVALID_REQUEST, ErrorCode.UNKNOWN_JOB, ErrorCode.JOB_NOT_SETTLED),
    ),
    *CONTRACTS_OF_SCHEDULES,
    Contract(
        "POST",
        "/plans",
        "submitPlan",
        PLANS,
        "See what a job would do, without doing it",
        scope=WRITE,
        description="Nothing is copied. Every object is looked at and pinned, as for a job. Send an Idempotency-Key, "
        "as to `POST /jobs`: a job and a plan can't share one.",
        body=requests.PlanRequest,
        idempotent=True,
        successes=(
            Success(201, plans.Plan, "Accepted. It is being made.", ("Location",)),
            Success(200, plans.Plan, "This Idempotency-Key has brought the same plan before.", ("Location",)),
        ),
        problems=_SUBMITTING,
        links={
            "getPlan": "Watch it, and see what it comes to.",
            "listPlanned": "What is going to happen with each object.",
            "approvePlan": "Have it carried out.",
            "cancelJob": "Take it back.",
        },
    ),
    Contract(
        "GET",
        "/plans/{plan_id}",
        "getPlan",
        PLANS,
        "What a plan comes to",
        scope=READ,
        successes=(Success(200, plans.Plan, "As of now."),),
        problems=(ErrorCode.UNKNOWN_PLAN,),
    ),
    Contract(
        "GET",
        "/plans/{plan_id}/objects",
        "listPlanned",
        PLANS,
        "What is going to happen with each object",
        scope=READ,
        query=requests.PlannedQuery,
        successes=(Success(200, plans.PlannedList, "A page of them, in the order of partitions and keys."),),
        problems=(ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_CURSOR, ErrorCode.UNKNOWN_PLAN),
    ),
    Contract(
        "POST",
        "/plans/{plan_id}/approve",
        "approvePlan",
        PLANS,
        "Have a plan carried out",
        scope=WRITE,
        description="It becomes the job of the same id, which carries out exactly what is planned. What has changed "
        "since is not planned anew: such objects end as SOURCE_CHANGED, SOURCE_GONE or DESTINATION_CONFLICT. Repeating "
        "it changes nothing.",
        successes=(Success(202, responses.Job, "The job.", ("Location",)),),
        problems=(
            ErrorCode.UNKNOWN_PLAN,
            ErrorCode.PLAN_NOT_MADE,
            ErrorCode.PLAN_EXPIRED,
            ErrorCode.PLAN_CANCELLED,
            ErrorCode.ENDPOINT_UNUSABLE,
        ),
        links=_ABOUT_A_JOB,
    ),
    *CONTRACTS_OF_ENDPOINTS,
    *CONTRACTS_OF_FEEDS,
    *CONTRACTS_OF_WEBHOOKS,
    Contract(
        "GET",
        "/regions",
        "listRegions",
        OPERATIONS,
        "Which Region is alive",
        scope=OPERATE,
        successes=(Success(200, operations.RegionList, "As the Region that answers sees them."),),
    ),
    Contract(
        "GET",
        "/leases",
        "listLeases",
        OPERATIONS,
        "Who works on what, and what was taken over",
        scope=OPERATE,
        successes=(Success(200, operations.LeaseList, "Of open jobs, as the Region that answers knows them."),),
    ),
    Contract(
        "GET",
        "/health",
        "getHealth",
        SERVICE,
        "Can this Region serve?",
        description="Route 53 asks it. It looks at this Region's own hard dependencies, never at the other Region's.",
        successes=(Success(200, responses.Health, "It can."),),
        problems=(ErrorCode.UNHEALTHY,),
    ),
    Contract(
        "GET",
        "/openapi.json",
        "describe",
        SERVICE,
        "This description",
        successes=(Success(200, None, "OpenAPI 3.1."),),
    ),
)
