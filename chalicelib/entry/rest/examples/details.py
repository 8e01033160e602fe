"""The `detail` of problems, by the code of their kind. It differs from case to case; these are examples."""

from chalicelib.entry.rest.examples.names import JOB_ID

DETAILS = {
    "InvalidFilter": "pattern 'report[': a '[' is not closed; '[[]' stands for the character",
    "InvalidRequest": "query.limit: Input should be less than or equal to 1000",
    "InvalidCursor": "cursor: take it unchanged from the previous page's answer",
    "NoSuchEndpoint": "you have no endpoint 'west-sauce': GET /endpoints lists yours",
    "UnknownEndpoint": "source: you have no endpoint 'west-sauce': GET /endpoints lists yours",
    "NotReadable": "endpoint 'east-target' may not be read from: choose another source",
    "NotWritable": "endpoint 'west-source' may not be written to: choose another target",
    "MissingScope": "this needs a token with the scope 'write'",
    "JobNotSettled": f"{JOB_ID} is not settled yet: ask again when GET /jobs/{{id}} shows one of the final states",
    "RateLimited": "your tenant has sent more than 600 requests to us-gov-west-1 in this minute: ask again in 9 s",
    "ConflictingInput": "send one of filter, keys and manifest: which objects are meant?",
    "PrefixNotAFolder": "source: prefix 'data' doesn't end in '/', so it is also that of 'data-2026/': send 'data/', "
    'or, if all keys that begin so are meant, send "text_prefix": true beside it',
    "NoNameLeft": "an object of the key 'data' would have no name at the target: choose a folder at either end",
    "DeletesForEver": "target 'east-target': the target bucket's versioning is suspended, so what is deleted there is "
    "gone for ever; turn its versioning on, or send the consent DELETE-AT-TARGET-FOR-EVER",
    "ManifestUnreadable": "manifest 'lists/failures.csv' is not there",
    "InvalidCron": "cron '0 25 * * *': Bad hour",
    "UnknownTimezone": "timezone 'EST5': send a name of the time zone database, such as America/New_York or UTC",
    "TooOften": "cron '* * * * *': it would run every 1 minutes at times; at least 5 must lie between",
    "UnknownSchedule": "you have no schedule 'nightly': GET /schedules lists yours",
    "UnknownJob": f"you have no job '{JOB_ID}': GET /jobs lists yours",
    "InvalidUrl": "url: port 22: use 443, or one from 1024 on",
    "TooManyRegistered": "you have 200 feeds, and may have 200: remove one first",
    "UnknownWebhook": "you have no webhook 'to-erp': GET /webhooks lists yours",
    "UnknownPlan": f"you have no plan '{JOB_ID}': its id is in the answer to POST /plans",
    "PlanNotMade": f"{JOB_ID} is still being made: approve it when GET /plans/{{id}} shows PLANNED",
    "UnknownFeed": "you have no feed 'west-inbox': GET /feeds lists yours",
    "FeedLoop": "what it writes would come back to its source: west-inbox -> back -> west-inbox; choose another target",
    "TryAgain": "AWS did not answer in time: try again; with the same Idempotency-Key nothing happens twice",
}
