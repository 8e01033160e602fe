"""Define what an operation of the API promises: the row type of the table in `contracts`, from which `openapi` is
made."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest.problems import PROBLEM_TYPES, ProblemType

JOBS, PLANS, SCHEDULES, CATALOG = "jobs", "plans", "schedules", "catalog"
WEBHOOKS, OPERATIONS, SERVICE = "webhooks", "operations", "service"
TAGS = {
    JOBS: "Copy what is under one location to another, and watch it.",
    PLANS: "See first what a job would do, and cost. Then approve it, or leave it.",
    SCHEDULES: "Have a job submitted again and again.",
    CATALOG: "What your tenant may name in a job, and its standing feeds.",
    WEBHOOKS: "Be told what has happened, on a server of your own.",
    OPERATIONS: "For operators: Regions, leases, takeovers, of all tenants.",
    SERVICE: "About the service itself; needs no token.",
}


@dataclass(frozen=True, slots=True)
class Success:
    """An answer to a request that succeeded. `headers` lists its header names."""

    status: int
    model: type[BaseModel] | None
    """None for any JSON object, or for an empty 204."""
    description: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """One operation of the API. `path` names its path parameters. `scope` is empty if no token is needed."""

    method: str
    path: str
    name: str
    """Unique name, from which generated clients name their methods."""
    tag: str
    summary: str
    successes: tuple[Success, ...]
    scope: str = ""
    description: str = ""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_optional: bool = False
    idempotent: bool = False
    """Whether it accepts an Idempotency-Key."""
    conditional: bool = False
    """Whether it accepts If-Match or If-None-Match."""
    problems: tuple[ErrorCode, ...] = ()
    """The codes of its own problems. `all_problems` adds those that every operation may answer with."""
    links: dict[str, str] = field(default_factory=dict)
    """Operations that take the id in the answer as their path parameter: operation name -> what it does then."""

    @property
    def all_problems(self) -> tuple[ProblemType, ...]:
        with_body = (ErrorCode.UNSUPPORTED_MEDIA_TYPE,) if self.body else ()
        codes = (*(_WITH_TOKEN if self.scope else ()), *self.problems, *with_body, *_EVERYWHERE)
        return tuple(PROBLEM_TYPES[code] for code in codes)


_WITH_TOKEN = (ErrorCode.UNAUTHORIZED, ErrorCode.ACCESS_DENIED, ErrorCode.MISSING_SCOPE, ErrorCode.RATE_LIMITED)
_EVERYWHERE = (
    ErrorCode.THROTTLED,
    ErrorCode.INTERNAL,
    ErrorCode.SERVICE_MISCONFIGURED,
    ErrorCode.TRY_AGAIN,
    ErrorCode.NO_ANSWER,
)
