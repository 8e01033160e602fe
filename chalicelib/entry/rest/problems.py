"""Represent errors as RFC 9457 problem details: the error, its object, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chalicelib.core.errors import (
    BadRequest,
    Denied,
    EftError,
    ErrorCode,
    InUse,
    KeyReused,
    NotYet,
    OutOfTime,
    RequestError,
    Retry,
    Unknown,
    Unusable,
    VersionMismatch,
)
from chalicelib.entry.rest.http import Answer
from chalicelib.entry.rest.responses import ProblemDetails

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:eft:problem:"
RETRY_AFTER_S = 5
_NO_ANSWER_IN_TIME = "AWS did not answer in time: try again; with the same Idempotency-Key nothing happens twice"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A problem type (RFC 9457, section 3.1.1). Programs tell types apart by `uri`."""

    code: ErrorCode
    status: int
    title: str
    error: type[RequestError] | None = None
    """The class of the errors that carry the code. None if only this layer answers with it, or only API Gateway."""
    advice: str = ""
    """The next step, where the message of the error doesn't give it."""
    retry_after_s: int | None = None

    @property
    def uri(self) -> str:
        return TYPE + self.code


_CANT = "The request can't be carried out"
_NOT_FOUND = "Not found"
_INVALID = "The request is not valid"
TABLE = (
    ProblemType(ErrorCode.NO_BODY, 400, "There is no body"),
    ProblemType(ErrorCode.NOT_JSON, 400, "The body is not JSON"),
    ProblemType(ErrorCode.NOT_AN_OBJECT, 400, "The body is not a JSON object"),
    ProblemType(ErrorCode.INVALID_REQUEST, 400, _INVALID),
    ProblemType(ErrorCode.INVALID_IDEMPOTENCY_KEY, 400, _CANT),
    ProblemType(ErrorCode.INVALID_CONDITION, 400, _CANT),
    ProblemType(ErrorCode.INVALID_CURSOR, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.UNKNOWN_ENDPOINT, 400, _CANT, BadRequest, "GET /endpoints lists yours"),
    ProblemType(ErrorCode.NOT_READABLE, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.NOT_WRITABLE, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.PREFIX_NOT_A_FOLDER, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.PREFIX_TOO_LONG, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.NO_NAME_LEFT, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.INVALID_FILTER, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.CONFLICTING_INPUT, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.KEY_TOO_LONG, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.MANIFEST_UNREADABLE, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.OVERLAP, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.DELETES_FOR_EVER, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.ENDPOINT_CHANGED, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.INVALID_NAME, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.INVALID_URL, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.FEED_LOOP, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.INVALID_CRON, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.UNKNOWN_TIMEZONE, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.TOO_OFTEN, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.SCHEDULE_TOO_LARGE, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.TARGET_REGION_CHANGED, 400, _CANT, BadRequest),
    ProblemType(ErrorCode.MISSING_SCOPE, 403, "Your token doesn't allow this"),
    ProblemType(ErrorCode.UNKNOWN_JOB, 404, _NOT_FOUND, Unknown, "GET /jobs lists yours"),
    ProblemType(ErrorCode.UNKNOWN_PLAN, 404, _NOT_FOUND, Unknown, "its id is in the answer to POST /plans"),
    ProblemType(ErrorCode.UNKNOWN_FEED, 404, _NOT_FOUND, Unknown, "GET /feeds lists yours"),
    ProblemType(ErrorCode.UNKNOWN_SCHEDULE, 404, _NOT_FOUND, Unknown, "GET /schedules lists yours"),
    ProblemType(ErrorCode.UNKNOWN_WEBHOOK, 404, _NOT_FOUND, Unknown, "GET /webhooks lists yours"),
    ProblemType(ErrorCode.NO_SUCH_ENDPOINT, 404, _NOT_FOUND, Unknown, "GET /endpoints lists yours"),
    ProblemType(
        ErrorCode.JOB_NOT_SETTLED,
        409,
        "The job is not settled yet",
        NotYet,
        "ask again when GET /jobs/{id} shows one of the final states; until then GET /jobs/{id}/objects shows what is "
        "decided",
    ),
    ProblemType(
        ErrorCode.PLAN_NOT_MADE,
        409,
        "The plan is still being made",
        NotYet,
        "approve it when GET /plans/{id} shows PLANNED",
    ),
    ProblemType(
        ErrorCode.PLAN_EXPIRED,
        409,
        "The plan is too old",
        NotYet,
        "what it says may no longer be true; submit the same plan anew, under another Idempotency-Key",
    ),
    ProblemType(
        ErrorCode.PLAN_CANCELLED,
        409,
        "The plan was cancelled",
        NotYet,
        "submit it anew, under another Idempotency-Key",
    ),
    ProblemType(ErrorCode.IN_USE, 409, "Something else needs it", InUse),
    ProblemType(ErrorCode.TOO_MANY_REGISTERED, 409, "You have as many as you may have", InUse),
    ProblemType(ErrorCode.DECLARED_BY_DEPLOYMENT, 409, "It came with the deployment", InUse),
    ProblemType(ErrorCode.ALREADY_THERE, 412, "It is there already", VersionMismatch),
    ProblemType(ErrorCode.HAS_CHANGED, 412, "It is not as you have seen it", VersionMismatch),
    ProblemType(ErrorCode.BODY_TOO_LARGE, 413, "The body is too large"),
    ProblemType(ErrorCode.UNSUPPORTED_MEDIA_TYPE, 415, "The body's type is not accepted"),
    ProblemType(ErrorCode.ENDPOINT_UNUSABLE, 422, "The endpoint can't be used as it is", Unusable),
    ProblemType(ErrorCode.IDEMPOTENCY_KEY_REUSED, 422, "Idempotency-Key was used for something else", KeyReused),
    # The maximum. Each answer says how long it is from then.
    ProblemType(ErrorCode.RATE_LIMITED, 429, "Your tenant has asked too often", retry_after_s=60),
    ProblemType(ErrorCode.INTERNAL, 500, "Something is wrong on our side"),
    ProblemType(ErrorCode.SERVICE_MISCONFIGURED, 500, "The service lacks a permission"),
    ProblemType(ErrorCode.TRY_AGAIN, 503, "Temporarily unavailable", retry_after_s=RETRY_AFTER_S),
    ProblemType(ErrorCode.UNHEALTHY, 503, "This Region can't serve now"),
    # Chalice or API Gateway refuses the request for a reason that has no type of its own. The status is theirs.
    ProblemType(ErrorCode.REFUSED, 400, _INVALID),
    # API Gateway gives these answers by itself. template.yaml gives them the same form, and a test compares it with
    # this table.
    ProblemType(ErrorCode.UNAUTHORIZED, 401, "There is no token"),
    ProblemType(ErrorCode.ACCESS_DENIED, 403, "Your token is not accepted"),
    ProblemType(ErrorCode.NO_SUCH_OPERATION, 404, _NOT_FOUND),
    ProblemType(ErrorCode.THROTTLED, 429, "Too many requests", retry_after_s=RETRY_AFTER_S),
    ProblemType(ErrorCode.NO_ANSWER, 504, "No answer in time", retry_after_s=RETRY_AFTER_S),
)
"""All problem types, one for each error code. A new code gets its row here. Each code belongs to one class of errors:
`tests/entry/test_problems.py` finds a raise with a code of another class."""
PROBLEM_TYPES: Mapping[ErrorCode, ProblemType] = {row.code: row for row in TABLE}
"""The table by code. It is total: `tests/entry/test_problems.py` finds a code that has no row."""


@dataclass(frozen=True, slots=True)
class Problem(Exception):
    """An error that becomes the answer to a request."""

    type: ProblemType
    detail: str

    @classmethod
    def of(cls, code: ErrorCode, detail: str) -> "Problem":
        return cls(PROBLEM_TYPES[code], detail)


def answer_of(problem: Problem, instance: str) -> Answer:
    body = ProblemDetails(
        type=problem.type.uri,
        title=problem.type.title,
        status=problem.type.status,
        detail=_readable(problem.detail),
        instance=_readable(instance),
    )
    headers = {"Content-Type": MEDIA_TYPE}
    if problem.type.retry_after_s is not None:
        headers["Retry-After"] = str(problem.type.retry_after_s)
    return Answer(problem.type.status, body.body(), headers)


def _readable(text: str) -> str:
    """Replace half surrogate pairs, which a JSON escape may bring. They are no characters, and could not be sent in an
    answer."""
    return text.encode(errors="backslashreplace").decode()


def problem_of(error: EftError, request_id: str) -> Problem:
    """Return the problem that shows an error of the steps over HTTP. A client sees the message of an error that is
    about its request. For any other error it only learns whether to try again."""
    if isinstance(error, RequestError):
        advice = PROBLEM_TYPES[error.code].advice
        return Problem.of(error.code, f"{error.message}: {advice}" if advice else error.message)
    if isinstance(error, Retry | OutOfTime):
        return Problem.of(ErrorCode.TRY_AGAIN, _NO_ANSWER_IN_TIME)
    if isinstance(error, Denied):
        return Problem.of(ErrorCode.SERVICE_MISCONFIGURED, _logged_detail(request_id))
    return internal(request_id)


def internal(request_id: str) -> Problem:
    return Problem.of(ErrorCode.INTERNAL, _logged_detail(request_id))


def refused(status: int, reason: str, request_id: str) -> Problem:
    """Return the problem for an answer that the framework gives before an operation, or instead of it."""
    if status == PROBLEM_TYPES[ErrorCode.UNSUPPORTED_MEDIA_TYPE].status:
        return Problem.of(ErrorCode.UNSUPPORTED_MEDIA_TYPE, f"{reason}: send application/json")
    if status < 500:
        return Problem(replace(PROBLEM_TYPES[ErrorCode.REFUSED], status=status), reason)
    return internal(request_id)


def _logged_detail(request_id: str) -> str:
    return f"it was logged; tell the service's operators this request's id: {request_id or 'unknown'}"
