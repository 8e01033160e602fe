"""Provide the examples of endpoints, schedules and webhooks, and of the audit of what is registered."""

from typing import Any

from pydantic import BaseModel

from chalicelib.core.entries import Action, EntryKind
from chalicelib.core.jobs import CancelMode, JobState, Priority
from chalicelib.core.rows import OverwriteMode
from chalicelib.core.schedules import Overlap, RunState
from chalicelib.entry.rest import endpoints, requests, responses, schedules, webhooks
from chalicelib.entry.rest.examples.names import EAST, JOB_ID, SETTLED, SUBMITTED, WEST

_HOOK, _SECRET = "https://erp.acme.example/hooks/eft", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
_NEXT = ["2027-01-18T07:00:00.000Z", "2027-01-19T07:00:00.000Z"]


def examples() -> dict[str, BaseModel]:
    return {**_requests(), **_answers()}


def _requests() -> dict[str, BaseModel]:
    source = requests.LocationRequest(endpoint="west-source", prefix="inbox/")
    target = requests.LocationRequest(endpoint="east-target", prefix="from-west/")
    return {
        "endpoint": endpoints.EndpointRequest(
            bucket="acme-drops", region=WEST, owner_account="123456789012", prefix="inbox/", access="read"
        ),
        "hook": webhooks.WebhookRequest(url=_HOOK, events=["job.settled", "delivery.failed"]),
        "nightly": schedules.ScheduleRequest(
            cron="0 2 * * *", timezone="America/New_York", job=requests.JobRequest(source=source, target=target)
        ),
    }


def _answers() -> dict[str, BaseModel]:
    return {
        "schedules": schedules.ScheduleList(schedules=[schedules.ScheduleSummary(**_schedule(), next_at=_NEXT[0])]),
        "schedule": schedules.Schedule(**_schedule(), job=_scheduled_job(), upcoming=_NEXT, runs=_runs()),
        "endpoints": endpoints.EndpointList(endpoints=[_endpoint()]),
        "registered": _endpoint(),
        "checked": endpoints.EndpointCheck(id="west-source", usable=True, findings=[]),
        "audit": endpoints.AuditList(changes=[_change()], next_cursor=None),
        "webhook": webhooks.Webhook(**_webhook(), replaced_secrets_until=None),
        "webhooks": webhooks.WebhookList(webhooks=[webhooks.Webhook(**_webhook(), replaced_secrets_until=None)]),
        "secret": webhooks.WebhookWithSecret(
            **_webhook(), replaced_secrets_until="2027-01-16T08:00:00.000Z", secret=_SECRET
        ),
        "test": webhooks.TestSent(message_id="msg_aq5ho2ez6qsw4tdlhvqaqdrrgm"),
    }


def _schedule() -> dict[str, Any]:
    return {
        "id": "nightly",
        "cron": "0 2 * * *",
        "timezone": "America/New_York",
        "enabled": True,
        "overlap": Overlap.SKIP,
        "changed_at": SUBMITTED,
    }


def _scheduled_job() -> schedules.ScheduledJob:
    return schedules.ScheduledJob(
        source=responses.Location(endpoint="west-source", prefix="inbox/"),
        target=responses.Location(endpoint="east-target", prefix="from-west/"),
        filter=None,
        keys=[],
        manifest=None,
        mode=OverwriteMode.IF_CHANGED,
        delete=None,
        cancel=CancelMode.FAST,
        priority=Priority.NORMAL,
        labels={},
    )


def _runs() -> list[schedules.ScheduleRun]:
    ran = schedules.ScheduleRun(
        occurrence_at="2027-01-16T07:00:00.000Z",
        state=RunState.RUN,
        detail="",
        job=JOB_ID,
        job_state=JobState.SUCCEEDED,
        decided_at="2027-01-16T07:00:21.042Z",
        region=EAST,
    )
    skipped = schedules.ScheduleRun(
        occurrence_at="2027-01-17T07:00:00.000Z",
        state=RunState.SKIPPED,
        detail=f"{JOB_ID} had not ended",
        job=None,
        job_state=None,
        decided_at="2027-01-17T07:00:21.042Z",
        region=WEST,
    )
    return [skipped, ran]


def _endpoint() -> endpoints.Endpoint:
    return endpoints.Endpoint(
        id="west-source",
        bucket="acme-drops",
        region=WEST,
        owner_account="123456789012",
        prefix="inbox/",
        access="read",
        kms_key=None,
        requester_pays=False,
        website=False,
        max_concurrency=8,
        managed_by="api",
        changed_at=SUBMITTED,
    )


def _change() -> endpoints.AuditEntry:
    return endpoints.AuditEntry(
        at=SUBMITTED,
        by="ann@acme.example",
        action=Action.CREATED,
        kind=EntryKind.ENDPOINT,
        id="west-source",
        version=1,
        region=WEST,
        request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        before=None,
        after={"id": "west-source", "prefix": "inbox/"},
    )


def _webhook() -> dict[str, Any]:
    return {
        "id": "to-erp",
        "url": _HOOK,
        "events": ["delivery.failed", "job.settled"],
        "state": "active",
        "created_at": SUBMITTED,
        "changed_at": SUBMITTED,
        "last_success_at": SETTLED,
        "last_failure_at": None,
        "last_failure": None,
        "consecutive_failures": 0,
    }
