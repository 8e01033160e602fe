"""Describe what the operations on schedules promise."""

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest import schedules
from chalicelib.entry.rest.auth import READ, WRITE
from chalicelib.entry.rest.contract import SCHEDULES, Contract, Success
from chalicelib.entry.rest.contracts_endpoints import BAD_BODY, CHANGED

SUBMITTED = (
    ErrorCode.UNKNOWN_ENDPOINT,
    ErrorCode.NOT_READABLE,
    ErrorCode.NOT_WRITABLE,
    ErrorCode.PREFIX_NOT_A_FOLDER,
    ErrorCode.PREFIX_TOO_LONG,
    ErrorCode.INVALID_FILTER,
    ErrorCode.CONFLICTING_INPUT,
    ErrorCode.KEY_TOO_LONG,
    ErrorCode.OVERLAP,
    ErrorCode.DELETES_FOR_EVER,
    ErrorCode.ENDPOINT_UNUSABLE,
)
"""Problems that can be found in a job before its list of objects is read."""

CONTRACTS_OF_SCHEDULES = (
    Contract(
        "GET",
        "/schedules",
        "listSchedules",
        SCHEDULES,
        "Your schedules",
        scope=READ,
        successes=(Success(200, schedules.ScheduleList, "All of your tenant's."),),
    ),
    Contract(
        "GET",
        "/schedules/{schedule_id}",
        "getSchedule",
        SCHEDULES,
        "One schedule, what comes next, and what became of the last occurrences",
        scope=READ,
        successes=(Success(200, schedules.Schedule, "The schedule.", ("ETag",)),),
        problems=(ErrorCode.UNKNOWN_SCHEDULE,),
    ),
    Contract(
        "PUT",
        "/schedules/{schedule_id}",
        "putSchedule",
        SCHEDULES,
        "Make a schedule, or change it",
        scope=WRITE,
        description="The name is yours to choose: 1 to 64 letters, digits, dots, dashes and underscores. Its job must "
        "be one that `POST /jobs` would accept now, and is looked at again each time. Each occurrence is run once, "
        "whichever Regions are alive. Times that are changed, and a schedule that is enabled again, count from then "
        "on. With `If-None-Match: *` only a new one is made; with `If-Match` only what you have seen is changed. "
        "Sending the same again changes nothing.",
        body=schedules.ScheduleRequest,
        conditional=True,
        successes=(
            Success(201, schedules.Schedule, "Made: the other Region knows it within seconds.", ("ETag",)),
            Success(200, schedules.Schedule, "Changed, or as it was.", ("ETag",)),
        ),
        problems=(
            *BAD_BODY,
            *CHANGED,
            *SUBMITTED,
            ErrorCode.INVALID_NAME,
            ErrorCode.INVALID_CRON,
            ErrorCode.UNKNOWN_TIMEZONE,
            ErrorCode.TOO_OFTEN,
            ErrorCode.SCHEDULE_TOO_LARGE,
            ErrorCode.TARGET_REGION_CHANGED,
            ErrorCode.TOO_MANY_REGISTERED,
        ),
    ),
    Contract(
        "DELETE",
        "/schedules/{schedule_id}",
        "removeSchedule",
        SCHEDULES,
        "Remove a schedule",
        scope=WRITE,
        description="Jobs that it has submitted go on. One that is made again under its name is another schedule.",
        conditional=True,
        successes=(Success(204, None, "Removed."),),
        problems=(*CHANGED, ErrorCode.UNKNOWN_SCHEDULE),
    ),
)
