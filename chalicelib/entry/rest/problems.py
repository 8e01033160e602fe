"""Errors as RFC 9457 problem details: what went wrong, with what, and what to do."""

from dataclasses import dataclass

from chalicelib.core.errors import Denied, EftError, Permanent, Retry
from chalicelib.entry.rest.http import Answer
from chalicelib.steps.control import BadRequest, KeyReused, Unknown

MEDIA_TYPE = "application/problem+json"


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


def problem_of(error: EftError) -> Problem:
    """How an error of the steps looks over HTTP."""
    if isinstance(error, Unknown):
        return Problem(404, error.code, "Not found", error.message)
    if isinstance(error, KeyReused):
        return Problem(422, error.code, "Idempotency-Key was used for something else", error.message)
    if isinstance(error, BadRequest) or (isinstance(error, Permanent) and error.code == "InvalidCursor"):
        return Problem(400, error.code, "The request can't be carried out", error.message)
    if isinstance(error, Retry):
        detail = "AWS did not answer in time: try again; with the same Idempotency-Key nothing happens twice"
        return Problem(503, "TryAgain", "Temporarily unavailable", detail, (("Retry-After", "5"),))
    if isinstance(error, Denied):
        return Problem(500, "ServiceMisconfigured", "The service lacks a permission", "its operators can see which")
    return Problem(500, "Internal", "Something is wrong on our side", "its operators can see what")
