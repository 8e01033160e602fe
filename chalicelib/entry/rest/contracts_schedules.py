"""Describe what the operations on schedules promise."""

from chalicelib.entry.rest import problems, schedules
from chalicelib.entry.rest.auth import READ, WRITE
from chalicelib.entry.rest.contract import SCHEDULES, Contract, Success
from chalicelib.entry.rest.contracts_places import BAD_BODY, CHANGED

SUBMITTED = (
    problems.UNKNOWN_ENDPOINT,
    problems.NOT_READABLE,
    problems.NOT_WRITABLE,
    problems.PREFIX_NOT_A_FOLDER,
    problems.PREFIX_TOO_LONG,
    problems.INVALID_FILTER,
    problems.CONFLICTING_INPUT,
    problems.KEY_TOO_LONG,
    problems.OVERLAP,
    problems.DELETES_FOR_EVER,
    problems.ENDPOINT_UNUSABLE,
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
        problems=(problems.UNKNOWN_SCHEDULE,),
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
            problems.INVALID_NAME,
            problems.INVALID_CRON,
            problems.UNKNOWN_TIMEZONE,
            problems.TOO_OFTEN,
            problems.SCHEDULE_TOO_LARGE,
            problems.TARGET_REGION_CHANGED,
            problems.TOO_MANY_REGISTERED,
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
        problems=(*CHANGED, problems.UNKNOWN_SCHEDULE),
    ),
)
