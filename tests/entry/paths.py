"""Make a request that each operation understands, for tests that go through all operations."""

from typing import Any

from chalicelib.entry.rest import endpoints, feeds, requests, schedules, webhooks
from chalicelib.entry.rest.contract import Contract

NO_JOB = "job-" + "a" * 26
NAMES = {"feed_id": "not-there", "endpoint_id": "not-there", "schedule_id": "not-there", "webhook_id": "not-there"}
"""Nobody has registered things of these names. The keys are path parameters."""
JOB: dict[str, Any] = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}}
ENDPOINT: dict[str, Any] = {
    "bucket": "target-west",
    "region": "us-gov-west-1",
    "owner_account": "111122223333",
    "access": "read-write",
}
FEED: dict[str, Any] = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "not-there"}}
WEBHOOK: dict[str, Any] = {"url": "https://acme.example/hook", "events": ["job.settled"]}
SCHEDULE: dict[str, Any] = {"cron": "0 2 * * *", "job": JOB}
BODIES: dict[type, dict[str, Any]] = {
    requests.JobRequest: JOB,
    endpoints.EndpointRequest: ENDPOINT,
    schedules.ScheduleRequest: SCHEDULE,
    webhooks.WebhookRequest: WEBHOOK,
    feeds.FeedRequest: FEED,
    feeds.BackfillRequest: {},
}


def path_of(contract: Contract, job_id: str = NO_JOB) -> str:
    return contract.path.format(job_id=job_id, plan_id=job_id, **NAMES)


def body_of(contract: Contract, job: dict[str, Any] = JOB) -> dict[str, Any] | None:
    """Return a body for the operation. Where it needs a job, the body is `job`."""
    if contract.body is None:
        return None
    return job if issubclass(contract.body, requests.JobRequest) else BODIES[contract.body]
