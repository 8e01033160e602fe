"""Represent errors as RFC 9457 problem details: the error, its object, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.core.errors import (
    BadRequest,
    Denied,
    EftError,
    InUse,
    KeyReused,
    NotYet,
    OutOfTime,
    Permanent,
    Retry,
    Stale,
    Unknown,
    Unusable,
)
from chalicelib.entry.rest.http import Answer
from chalicelib.entry.rest.responses import ProblemDetails

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:eft:problem:"
RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. Programs tell kinds apart by `type`."""

    status: int
    code: str
    title: str
    retry_after_s: int | None = None

    @property
    def type(self) -> str:
        return TYPE + self.code


_CANT = "The request can't be carried out"
NO_BODY = Kind(400, "NoBody", "There is no body")
NOT_JSON = Kind(400, "NotJson", "The body is not JSON")
NOT_AN_OBJECT = Kind(400, "NotAnObject", "The body is not a JSON object")
INVALID_REQUEST = Kind(400, "InvalidRequest", "The request is not valid")
INVALID_KEY = Kind(400, "InvalidIdempotencyKey", _CANT)
INVALID_CURSOR = Kind(400, "InvalidCursor", _CANT)
UNKNOWN_ENDPOINT = Kind(400, "UnknownEndpoint", _CANT)
NOT_READABLE = Kind(400, "NotReadable", _CANT)
NOT_WRITABLE = Kind(400, "NotWritable", _CANT)
PREFIX_NOT_A_FOLDER = Kind(400, "PrefixNotAFolder", _CANT)
NO_NAME_LEFT = Kind(400, "NoNameLeft", _CANT)
PREFIX_TOO_LONG = Kind(400, "PrefixTooLong", _CANT)
INVALID_FILTER = Kind(400, "InvalidFilter", _CANT)
ENDPOINT_CHANGED = Kind(400, "EndpointChanged", _CANT)
CONFLICTING_INPUT = Kind(400, "ConflictingInput", _CANT)
KEY_TOO_LONG = Kind(400, "KeyTooLong", _CANT)
MANIFEST_UNREADABLE = Kind(400, "ManifestUnreadable", _CANT)
DELETES_FOR_EVER = Kind(400, "DeletesForEver", _CANT)
OVERLAP = Kind(400, "Overlap", _CANT)
MISSING_SCOPE = Kind(403, "MissingScope", "Your token doesn't allow this")
UNKNOWN_JOB = Kind(404, "UnknownJob", "Not found")
UNKNOWN_PLAN = Kind(404, "UnknownPlan", "Not found")
PLAN_NOT_MADE = Kind(409, "PlanNotMade", "The plan is still being made")
PLAN_EXPIRED = Kind(409, "PlanExpired", "The plan is too old")
PLAN_CANCELLED = Kind(409, "PlanCancelled", "The plan was cancelled")
JOB_NOT_SETTLED = Kind(409, "JobNotSettled", "The job is not settled yet")
UNKNOWN_FEED = Kind(404, "UnknownFeed", "Not found")
FEED_LOOP = Kind(400, "FeedLoop", _CANT)
NO_SUCH_ENDPOINT = Kind(404, "NoSuchEndpoint", "Not found")
INVALID_NAME = Kind(400, "InvalidName", _CANT)
INVALID_URL = Kind(400, "InvalidUrl", _CANT)
UNKNOWN_WEBHOOK = Kind(404, "UnknownWebhook", "Not found")
INVALID_CONDITION = Kind(400, "InvalidCondition", _CANT)
IN_USE = Kind(409, "InUse", "Something else needs it")
TOO_MANY_REGISTERED = Kind(409, "TooManyRegistered", "You have as many as you may have")
DECLARED = Kind(409, "DeclaredByDeployment", "It came with the deployment")
ALREADY_THERE = Kind(412, "AlreadyThere", "It is there already")
HAS_CHANGED = Kind(412, "HasChanged", "It is not as you have seen it")
ENDPOINT_UNUSABLE = Kind(422, "EndpointUnusable", "The endpoint can't be used as it is")
UNKNOWN_SCHEDULE = Kind(404, "UnknownSchedule", "Not found")
INVALID_CRON = Kind(400, "InvalidCron", _CANT)
UNKNOWN_TIMEZONE = Kind(400, "UnknownTimezone", _CANT)
TOO_OFTEN = Kind(400, "TooOften", _CANT)
SCHEDULE_TOO_LARGE = Kind(400, "ScheduleTooLarge", _CANT)
TARGET_REGION_CHANGED = Kind(400, "TargetRegionChanged", _CANT)
BODY_TOO_LARGE = Kind(413, "BodyTooLarge", "The body is too large")
UNSUPPORTED_MEDIA_TYPE = Kind(415, "UnsupportedMediaType", "The body's type is not accepted")
KEY_REUSED = Kind(422, "IdempotencyKeyReused", "Idempotency-Key was used for something else")
RATE_LIMITED = Kind(429, "RateLimited", "Your tenant has asked too often", retry_after_s=60)
"""`retry_after_s` is the maximum; each answer says how long it is from then."""
INTERNAL = Kind(500, "Internal", "Something is wrong on our side")
MISCONFIGURED = Kind(500, "ServiceMisconfigured", "The service lacks a permission")
TRY_AGAIN = Kind(503, "TryAgain", "Temporarily unavailable", retry_after_s=RETRY_AFTER_S)
UNHEALTHY = Kind(503, "Unhealthy", "This Region can't serve now")

# API Gateway gives these answers by itself. template.yaml gives them the same form, and a test compares it with this
# list.
UNAUTHORIZED = Kind(401, "Unauthorized", "There is no token")
ACCESS_DENIED = Kind(403, "AccessDenied", "Your token is not accepted")
NO_SUCH_OPERATION = Kind(404, "NoSuchOperation", "Not found")
THROTTLED = Kind(429, "Throttled", "Too many requests", retry_after_s=RETRY_AFTER_S)
NO_ANSWER = Kind(504, "NoAnswer", "No answer in time", retry_after_s=RETRY_AFTER_S)

_ADVICE: Mapping[str, str] = {
    UNKNOWN_JOB.code: "GET /jobs lists yours",
    UNKNOWN_SCHEDULE.code: "GET /schedules lists yours",
    UNKNOWN_PLAN.code: "its id is in the answer to POST /plans",
    PLAN_NOT_MADE.code: "approve it when GET /plans/{id} shows PLANNED",
    PLAN_EXPIRED.code: "what it says may no longer be true; submit the same plan anew, under another Idempotency-Key",
    PLAN_CANCELLED.code: "submit it anew, under another Idempotency-Key",
    UNKNOWN_ENDPOINT.code: "GET /endpoints lists yours",
    NO_SUCH_ENDPOINT.code: "GET /endpoints lists yours",
    UNKNOWN_WEBHOOK.code: "GET /webhooks lists yours",
    UNKNOWN_FEED.code: "GET /feeds lists yours",
    JOB_NOT_SETTLED.code: "ask again when GET /jobs/{id} shows one of the final states; until then "
    "GET /jobs/{id}/objects shows what is decided",
}
"""Advice about the next step, for errors whose own message doesn't give it."""


_BY_CODE = {
    kind.code: kind
    for kind in (
        JOB_NOT_SETTLED,
        PLAN_NOT_MADE,
        PLAN_EXPIRED,
        PLAN_CANCELLED,
        ALREADY_THERE,
        HAS_CHANGED,
        IN_USE,
        TOO_MANY_REGISTERED,
        DECLARED,
    )
}
"""Kinds of the errors whose class alone doesn't determine the title."""


@dataclass(frozen=True, slots=True)
class Problem(Exception):
    """An error that becomes the answer to a request."""

    kind: Kind
    detail: str


def answer_of(problem: Problem, instance: str) -> Answer:
    kind = problem.kind
    body = ProblemDetails(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=_readable(problem.detail),
        instance=_readable(instance),
    )
    headers = {"Content-Type": MEDIA_TYPE}
    if kind.retry_after_s is not None:
        headers["Retry-After"] = str(kind.retry_after_s)
    return Answer(kind.status, body.body(), headers)


def _readable(text: str) -> str:
    """Replace half surrogate pairs, which a JSON escape may bring. They are no characters, and could not be sent in an
    answer."""
    return text.encode(errors="backslashreplace").decode()


def problem_of(error: EftError, request_id: str) -> Problem:
    """Return the problem that shows an error of the steps over HTTP."""
    advice = _ADVICE.get(error.code)
    detail = f"{error.message}: {advice}" if advice else error.message
    if isinstance(error, Unknown):
        return Problem(Kind(404, error.code, UNKNOWN_JOB.title), detail)
    if isinstance(error, NotYet | Stale | InUse):
        return Problem(_BY_CODE[error.code], detail)
    if isinstance(error, Unusable):
        return Problem(Kind(422, error.code, ENDPOINT_UNUSABLE.title), detail)
    if isinstance(error, KeyReused):
        return Problem(KEY_REUSED, detail)
    if isinstance(error, BadRequest) or (isinstance(error, Permanent) and error.code == INVALID_CURSOR.code):
        return Problem(Kind(400, error.code, _CANT), detail)
    if isinstance(error, Retry | OutOfTime):
        detail = "AWS did not answer in time: try again; with the same Idempotency-Key nothing happens twice"
        return Problem(TRY_AGAIN, detail)
    if isinstance(error, Denied):
        return Problem(MISCONFIGURED, _tell(request_id))
    return internal(request_id)


def internal(request_id: str) -> Problem:
    return Problem(INTERNAL, _tell(request_id))


def refused(status: int, why: str, request_id: str) -> Problem:
    """Return the problem for an answer that the framework gives before an operation, or instead of it."""
    if status == UNSUPPORTED_MEDIA_TYPE.status:
        return Problem(UNSUPPORTED_MEDIA_TYPE, f"{why}: send application/json")
    if status < 500:
        return Problem(Kind(status, "Refused", INVALID_REQUEST.title), why)
    return internal(request_id)


def _tell(request_id: str) -> str:
    return f"it was logged; tell the service's operators this request's id: {request_id or 'unknown'}"
