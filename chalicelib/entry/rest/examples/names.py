"""The names and times that the examples share."""

JOB_ID = "job-aq5ho2ez6qsw4tdlhvqaqdrrgm"
PATH_IDS = {
    "job_id": JOB_ID,
    "plan_id": JOB_ID,
    "endpoint_id": "west-source",
    "schedule_id": "nightly",
    "feed_id": "west-inbox",
    "webhook_id": "to-erp",
}
WEST, EAST = "us-gov-west-1", "us-gov-east-1"
CHAIN = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SUBMITTED, SETTLED = "2027-01-15T08:00:00.000Z", "2027-01-15T08:04:12.345Z"
