"""What every operation of the API promises: the table that `openapi` is made from. Tests hold it against the routes,
against the scopes that they ask for, and, with generated requests, against every answer."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from chalicelib.entry.rest import operations, problems, reports, requests, responses
from chalicelib.entry.rest.auth import OPERATE, READ, WRITE
from chalicelib.entry.rest.problems import Kind

JOBS, PLACES, OPERATIONS, SERVICE = "jobs", "places", "operations", "service"
TAGS = {
    JOBS: "Copy what is under one place to another, and watch it.",
    PLACES: "What your tenant may name in a job, and its standing feeds.",
    OPERATIONS: "For operators: Regions, leases, takeovers, of all tenants.",
    SERVICE: "About the service itself; needs no token.",
}


@dataclass(frozen=True, slots=True)
class Success:
    """An answer to a request that was carried out. `headers` are the names of those in HEADERS."""

    status: int
    model: type[BaseModel] | None
    """None: any JSON object."""
    description: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """One operation. Path parameters are named in `path`; `scope` is "" where no token is asked for."""

    method: str
    path: str
    name: str
    """Unique: generated clients call it so."""
    tag: str
    summary: str
    successes: tuple[Success, ...]
    scope: str = ""
    description: str = ""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    idempotent: bool = False
    """Takes an Idempotency-Key."""
    problems: tuple[Kind, ...] = ()
    """Its own; `all_problems` adds those that every operation may answer with."""
    links: dict[str, str] = field(default_factory=dict)
    """Names of operations that take the id in the answer as their job_id, by what they do then."""

    @property
    def all_problems(self) -> tuple[Kind, ...]:
        token = (problems.UNAUTHORIZED, problems.ACCESS_DENIED, problems.MISSING_SCOPE) if self.scope else ()
        return (*token, *self.problems, *_EVERYWHERE)


_EVERYWHERE = (
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.THROTTLED,
    problems.INTERNAL,
    problems.MISCONFIGURED,
    problems.TRY_AGAIN,
    problems.NO_ANSWER,
)
_ABOUT_A_JOB = {
    "getJob": "Watch it.",
    "listObjects": "What became of each object.",
    "pauseJob": "Pause it.",
    "resumeJob": "Have it go on.",
    "cancelJob": "Cancel it.",
    "getReport": "Fetch its report, once it is settled.",
    "retryJob": "When it has settled: retry what it didn't deliver.",
}

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
        problems=(
            problems.NO_BODY,
            problems.NOT_JSON,
            problems.NOT_AN_OBJECT,
            problems.INVALID_REQUEST,
            problems.INVALID_KEY,
            problems.UNKNOWN_ENDPOINT,
            problems.NOT_READABLE,
            problems.NOT_WRITABLE,
            problems.PREFIX_TOO_LONG,
            problems.INVALID_FILTER,
            problems.CONFLICTING_INPUT,
            problems.KEY_TOO_LONG,
            problems.MANIFEST_UNREADABLE,
            problems.OVERLAP,
            problems.BODY_TOO_LARGE,
            problems.KEY_REUSED,
        ),
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
        problems=(problems.INVALID_REQUEST, problems.INVALID_CURSOR),
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
        problems=(problems.UNKNOWN_JOB,),
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
        problems=(problems.UNKNOWN_JOB,),
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
        problems=(problems.UNKNOWN_JOB,),
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
        problems=(problems.UNKNOWN_JOB,),
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
            problems.INVALID_KEY,
            problems.UNKNOWN_ENDPOINT,
            problems.NOT_READABLE,
            problems.NOT_WRITABLE,
            problems.ENDPOINT_CHANGED,
            problems.UNKNOWN_JOB,
            problems.JOB_NOT_SETTLED,
            problems.KEY_REUSED,
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
        problems=(problems.INVALID_REQUEST, problems.INVALID_CURSOR, problems.UNKNOWN_JOB),
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
        problems=(problems.INVALID_REQUEST, problems.UNKNOWN_JOB, problems.JOB_NOT_SETTLED),
    ),
    Contract(
        "GET",
        "/endpoints",
        "listEndpoints",
        PLACES,
        "What you may name in a job",
        scope=READ,
        successes=(Success(200, responses.EndpointList, "All of your tenant's."),),
    ),
    Contract(
        "GET",
        "/feeds",
        "listFeeds",
        PLACES,
        "Your standing feeds",
        scope=READ,
        successes=(Success(200, responses.FeedList, "All of your tenant's."),),
    ),
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
        problems=(problems.UNHEALTHY,),
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
