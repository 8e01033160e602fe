"""Errors as RFC 9457 problem details: what went wrong, with what, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.core.errors import Denied, EftError, Permanent, Retry
from chalicelib.entry.rest.http import Answer
from chalicelib.steps.control import BadRequest, KeyReused, Unknown

MEDIA_TYPE = "application/problem+json"
_ADVICE: Mapping[str, str] = {
    "UnknownJob": "GET /jobs lists yours",
    "UnknownEndpoint": "GET /endpoints lists yours",
}
"""What to do next, where the error's own message doesn't say."""


@dataclass(frozen=True, slots=True)
class Problem(Exception):
    """An answer in the form of an error."""

    status: int
    code: str
    title: str
    detail: str
    headers: tuple[tuple[str, str], ...] = ()


def answer_of(problem: Problem, instance: str) -> Answer:
    body = {
        "type": f"urn:eft:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
    }
    return Answer(problem.status, body, {"Content-Type": MEDIA_TYPE, **dict(problem.headers)})


def problem_of(error: EftError, request_id: str) -> Problem:
    """How an error of the steps looks over HTTP."""
    advice = _ADVICE.get(error.code)
    detail = f"{error.message}: {advice}" if advice else error.message
    if isinstance(error, Unknown):
        return Problem(404, error.code, "Not found", detail)
    if isinstance(error, KeyReused):
        return Problem(422, error.code, "Idempotency-Key was used for something else", detail)
    if isinstance(error, BadRequest) or (isinstance(error, Permanent) and error.code == "InvalidCursor"):
        return Problem(400, error.code, "The request can't be carried out", detail)
    if isinstance(error, Retry):
        detail = "AWS did not answer in time: try again; with the same Idempotency-Key nothing happens twice"
        return Problem(503, "TryAgain", "Temporarily unavailable", detail, (("Retry-After", "5"),))
    if isinstance(error, Denied):
        return Problem(500, "ServiceMisconfigured", "The service lacks a permission", _tell(request_id))
    return internal(request_id)


def internal(request_id: str) -> Problem:
    return Problem(500, "Internal", "Something is wrong on our side", _tell(request_id))


def refused(status: int, why: str, request_id: str) -> Problem:
    """An answer of the framework's own, given before or instead of an operation's."""
    if status == 415:
        return Problem(415, "UnsupportedMediaType", "The body's type is not accepted", f"{why}: send application/json")
    if status < 500:
        return Problem(status, "Refused", "The request is not valid", why)
    return internal(request_id)


def _tell(request_id: str) -> str:
    return f"it was logged; tell the service's operators this request's id: {request_id or 'unknown'}"
