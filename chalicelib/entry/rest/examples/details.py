"""The `detail` of problems, by their code. It differs from case to case; these are examples."""

from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest.examples.names import JOB_ID

DETAILS = {
    ErrorCode.INVALID_FILTER: "pattern 'report[': a '[' is not closed; '[[]' stands for the character",
    ErrorCode.INVALID_REQUEST: "query.limit: Input should be less than or equal to 1000",
    ErrorCode.INVALID_CURSOR: "cursor: take it unchanged from the previous page's answer",
    ErrorCode.NO_SUCH_ENDPOINT: "you have no endpoint 'west-sauce': GET /endpoints lists yours",
    ErrorCode.UNKNOWN_ENDPOINT: "source: you have no endpoint 'west-sauce': GET /endpoints lists yours",
    ErrorCode.NOT_READABLE: "endpoint 'east-target' may not be read from: choose another source",
    ErrorCode.NOT_WRITABLE: "endpoint 'west-source' may not be written to: choose another target",
    ErrorCode.MISSING_SCOPE: "this needs a token with the scope 'write'",
    ErrorCode.JOB_NOT_SETTLED: f"{JOB_ID} is not settled yet: ask again when GET /jobs/{{id}} shows one of the final "
    "states",
    ErrorCode.RATE_LIMITED: "your tenant has sent more than 600 requests to us-gov-west-1 in this minute: ask again in "
    "9 s",
    ErrorCode.CONFLICTING_INPUT: "send one of filter, keys and manifest: which objects are meant?",
    ErrorCode.PREFIX_NOT_A_FOLDER: "source: prefix 'data' doesn't end in '/', so it is also that of 'data-2026/': "
    "send 'data/', or, if all keys that begin so are meant, send \"text_prefix\": true beside it",
    ErrorCode.NO_NAME_LEFT: "an object of the key 'data' would have no name at the target: choose a "
    "folder at either end",
    ErrorCode.DELETES_FOR_EVER: "target 'east-target': the target bucket's versioning is suspended, so what is deleted "
    "there is gone for ever; turn its versioning on, or send the consent DELETE-AT-TARGET-FOR-EVER",
    ErrorCode.MANIFEST_UNREADABLE: "manifest 'lists/failures.csv' is not there",
    ErrorCode.INVALID_CRON: "cron '0 25 * * *': Bad hour",
    ErrorCode.UNKNOWN_TIMEZONE: "timezone 'EST5': send a name of the time zone database, such as "
    "America/New_York or UTC",
    ErrorCode.TOO_OFTEN: "cron '* * * * *': it would run every 1 minutes at times; at least 5 must lie between",
    ErrorCode.UNKNOWN_SCHEDULE: "you have no schedule 'nightly': GET /schedules lists yours",
    ErrorCode.UNKNOWN_JOB: f"you have no job '{JOB_ID}': GET /jobs lists yours",
    ErrorCode.INVALID_URL: "url: port 22: use 443, or one from 1024 on",
    ErrorCode.TOO_MANY_REGISTERED: "you have 200 feeds, and may have 200: remove one first",
    ErrorCode.UNKNOWN_WEBHOOK: "you have no webhook 'to-erp': GET /webhooks lists yours",
    ErrorCode.UNKNOWN_PLAN: f"you have no plan '{JOB_ID}': its id is in the answer to POST /plans",
    ErrorCode.PLAN_NOT_MADE: f"{JOB_ID} is still being made: approve it when GET /plans/{{id}} shows PLANNED",
    ErrorCode.UNKNOWN_FEED: "you have no feed 'west-inbox': GET /feeds lists yours",
    ErrorCode.FEED_LOOP: "what it writes would come back to its source: west-inbox -> back -> west-inbox; "
    "choose another target",
    ErrorCode.TRY_AGAIN: "AWS did not answer in time: try again; with the same Idempotency-Key nothing happens twice",
}
