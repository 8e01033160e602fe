"""Provide examples of requests and answers. The models themselves make them, so they can't be invalid."""

from typing import Any

from pydantic import BaseModel

from chalicelib.core.deletions import Consent
from chalicelib.core.entries import Action, EntryKind
from chalicelib.core.errors import ErrorCode
from chalicelib.core.feeds import FillState
from chalicelib.core.inputs import ListFormat
from chalicelib.core.leases import LeasePhase
from chalicelib.core.model import (
    CancelMode,
    ChecksumType,
    JobKind,
    JobState,
    Method,
    Outcome,
    OverwriteMode,
    Priority,
    Verification,
)
from chalicelib.core.planned import PlanState
from chalicelib.core.report import ReportFormat
from chalicelib.core.schedules import Overlap, RunState
from chalicelib.entry.rest import feeds, operations, places, plans, reports, requests, responses, schedules, webhooks
from chalicelib.entry.rest.problems import Problem, ProblemType, answer_of
from chalicelib.ports import DeliveryStatus

JOB_ID = "job-aq5ho2ez6qsw4tdlhvqaqdrrgm"
PATH_IDS = {
    "job_id": JOB_ID,
    "plan_id": JOB_ID,
    "endpoint_id": "west-source",
    "schedule_id": "nightly",
    "feed_id": "west-inbox",
    "webhook_id": "to-erp",
}
_WEST, _EAST = "us-gov-west-1", "us-gov-east-1"
_HOOK, _SECRET = "https://erp.acme.example/hooks/eft", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
_CHAIN = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_NEXT = ["2027-01-18T07:00:00.000Z", "2027-01-19T07:00:00.000Z"]
_SUBMITTED, _SETTLED = "2027-01-15T08:00:00.000Z", "2027-01-15T08:04:12.345Z"


def of(model: type[BaseModel]) -> dict[str, BaseModel]:
    """Return the examples of a body by name, or nothing for a model without examples."""
    return {name: example for name, example in {**_requests(), **_responses()}.items() if type(example) is model}


def problem(problem_type: ProblemType, path: str) -> dict[str, object]:
    """Return an example of a problem in the form of its answer. Its `detail` differs from case to case."""
    detail = _DETAILS.get(problem_type.code, problem_type.title)
    return dict(answer_of(Problem(problem_type, detail), path.format(**PATH_IDS)).body or {})


_DETAILS = {
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


def _requests() -> dict[str, BaseModel]:
    source = requests.PlaceRequest(endpoint="west-source", prefix="inbox/")
    target = requests.PlaceRequest(endpoint="east-target", prefix="from-west/")
    return {
        "least": requests.JobRequest(source=source, target=target),
        "filtered": requests.JobRequest(
            source=source,
            target=target,
            filter=requests.FilterRequest(
                include=["**/*.csv", "reports/**"], exclude=["**/tmp/**"], modified_since="2027-01-01T00:00:00Z"
            ),
        ),
        "keys": requests.JobRequest(source=source, target=target, keys=["a.csv", "2027/b c.csv"]),
        "manifest": requests.JobRequest(
            source=requests.PlaceRequest(endpoint="west-source"),
            target=target,
            manifest=requests.ManifestRequest(endpoint="west-source", key="lists/failures.csv"),
        ),
        "endpoint": places.EndpointRequest(
            bucket="acme-drops", region=_WEST, owner_account="123456789012", prefix="inbox/", access="read"
        ),
        "hook": webhooks.WebhookRequest(url=_HOOK, events=["job.settled", "delivery.failed"]),
        "plan": requests.PlanRequest(source=source, target=target, check="every-object"),
        "deleting": requests.JobRequest(
            source=source,
            target=target,
            delete=requests.DeleteRequest(consent=Consent.DELETE, max_objects=500),
        ),
        "new-feed": feeds.FeedRequest(source=source, target=target, labels={"team": "orders"}),
        "all": feeds.BackfillRequest(),
        "lately": feeds.BackfillRequest(since="2027-01-01T00:00:00Z"),
        "inventory": requests.JobRequest(
            source=source,
            target=target,
            manifest=requests.ManifestRequest(
                endpoint="west-source", key="inventory/2027-01-15T01-00Z/manifest.json", format=ListFormat.INVENTORY
            ),
        ),
        "labelled": requests.JobRequest(
            source=source, target=target, mode=OverwriteMode.NEVER, labels={"order": "4711", "by": "ann"}
        ),
        "nightly": schedules.ScheduleRequest(
            cron="0 2 * * *", timezone="America/New_York", job=requests.JobRequest(source=source, target=target)
        ),
        "urgent": requests.JobRequest(source=source, target=target, priority=Priority.HIGH),
    }


def _responses() -> dict[str, BaseModel]:
    listed = responses.JobSummary(**_job(), state=JobState.SUCCEEDED, settled_at=_SETTLED)
    return {
        "accepted": _accepted(),
        "settled": _settled(),
        "jobs": responses.JobList(jobs=[listed], next_cursor=None),
        "objects": responses.ObjectList(objects=_objects(), next_cursor="r-000001.2"),
        "report": _report(),
        "planning": _planning(),
        "planned": _planned(),
        "planned-objects": plans.PlannedList(objects=_planned_objects(), next_cursor=None),
        "in-making": reports.ReportInMaking(format=ReportFormat.CSV, retry_after_seconds=5),
        "schedules": schedules.ScheduleList(schedules=[schedules.ScheduleSummary(**_schedule(), next_at=_NEXT[0])]),
        "schedule": schedules.Schedule(**_schedule(), job=_scheduled_job(), upcoming=_NEXT, runs=_runs()),
        "endpoints": places.EndpointList(endpoints=[_endpoint()]),
        "registered": _endpoint(),
        "checked": places.EndpointCheck(id="west-source", usable=True, findings=[]),
        "audit": places.AuditList(changes=[_change()], next_cursor=None),
        "webhook": webhooks.Webhook(**_webhook(), replaced_secrets_until=None),
        "webhooks": webhooks.WebhookList(webhooks=[webhooks.Webhook(**_webhook(), replaced_secrets_until=None)]),
        "secret": webhooks.WebhookWithSecret(
            **_webhook(), replaced_secrets_until="2027-01-16T08:00:00.000Z", secret=_SECRET
        ),
        "test": webhooks.TestSent(message_id="msg_aq5ho2ez6qsw4tdlhvqaqdrrgm"),
        "feeds": feeds.FeedList(feeds=[feeds.Feed(**_feed())]),
        "set-up": feeds.Feed(**_feed()),
        "feed": feeds.FeedDetail(**_feed(), paused=False, paused_at=None, stopped=None, backfills=[_backfill()]),
        "running": _backfill(),
        "deliveries": feeds.DeliveryList(deliveries=[_delivery()], next_cursor=None),
        "regions": operations.RegionList(answered_by=_WEST, regions=[_region(_EAST), _region(_WEST)]),
        "leases": operations.LeaseList(leases=[_lease()], takeovers=[_takeover()]),
        "healthy": responses.Health(status="ok", region=_WEST),
    }


def _schedule() -> dict[str, Any]:
    return {
        "id": "nightly",
        "cron": "0 2 * * *",
        "timezone": "America/New_York",
        "enabled": True,
        "overlap": Overlap.SKIP,
        "changed_at": _SUBMITTED,
    }


def _scheduled_job() -> schedules.ScheduledJob:
    return schedules.ScheduledJob(
        source=responses.Place(endpoint="west-source", prefix="inbox/"),
        target=responses.Place(endpoint="east-target", prefix="from-west/"),
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
        region=_EAST,
    )
    skipped = schedules.ScheduleRun(
        occurrence_at="2027-01-17T07:00:00.000Z",
        state=RunState.SKIPPED,
        detail=f"{JOB_ID} had not ended",
        job=None,
        job_state=None,
        decided_at="2027-01-17T07:00:21.042Z",
        region=_WEST,
    )
    return [skipped, ran]


def _endpoint() -> places.Endpoint:
    return places.Endpoint(
        id="west-source",
        bucket="acme-drops",
        region=_WEST,
        owner_account="123456789012",
        prefix="inbox/",
        access="read",
        kms_key=None,
        requester_pays=False,
        website=False,
        max_concurrency=8,
        managed_by="api",
        changed_at=_SUBMITTED,
    )


def _feed() -> dict[str, Any]:
    return {
        "id": "west-inbox",
        "source": responses.Place(endpoint="west-source", prefix="inbox/"),
        "target": responses.Place(endpoint="east-target", prefix="from-west/"),
        "mode": OverwriteMode.IF_CHANGED,
        "labels": {"team": "orders"},
        "managed_by": "api",
        "changed_at": _SUBMITTED,
    }


def _backfill() -> feeds.Backfill:
    return feeds.Backfill(
        id="backfill-aq5ho2ez6qsw4tdlhvqaqdrrgm",
        state=FillState.RUNNING,
        since="1970-01-01T00:00:00.000Z",
        requested_at=_SUBMITTED,
        objects_seen=50_000,
        objects_handed_on=50_000,
        started_at="2027-01-15T08:00:41.000Z",
        finished_at=None,
    )


def _delivery() -> feeds.Delivery:
    return feeds.Delivery(
        key="inbox/2027/a.csv",
        target_key="from-west/2027/a.csv",
        version="3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo",
        size=7,
        source_etag="d41d8cd98f00b204e9800998ecf8427e",
        status=DeliveryStatus.VERIFIED,
        outcome=Outcome.COPIED,
        detail="",
        target_etag="d41d8cd98f00b204e9800998ecf8427e",
        checksum=responses.Checksum(algorithm="CRC64NVME", type=ChecksumType.FULL_OBJECT, value="AAAAAAAAAAA="),
        job_id=None,
        region=_EAST,
        at=_SUBMITTED,
    )


def _change() -> places.AuditEntry:
    return places.AuditEntry(
        at=_SUBMITTED,
        by="ann@acme.example",
        action=Action.CREATED,
        kind=EntryKind.ENDPOINT,
        id="west-source",
        version=1,
        region=_WEST,
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
        "created_at": _SUBMITTED,
        "changed_at": _SUBMITTED,
        "last_success_at": _SETTLED,
        "last_failure_at": None,
        "last_failure": None,
        "consecutive_failures": 0,
    }


def _job() -> dict[str, Any]:
    return {
        "id": JOB_ID,
        "source": responses.Place(endpoint="west-source", prefix="inbox/"),
        "target": responses.Place(endpoint="east-target", prefix="from-west/"),
        "kind": JobKind.PREFIX,
        "filter": None,
        "manifest": None,
        "delete": None,
        "mode": OverwriteMode.IF_CHANGED,
        "cancel": CancelMode.FAST,
        "labels": {"order": "4711"},
        "priority": Priority.NORMAL,
        "retry_of": None,
        "schedule": None,
        "home_region": _WEST,
        "created_at": _SUBMITTED,
    }


def _accepted() -> responses.Job:
    nothing = responses.Progress(
        planning_finished=False,
        objects_planned=0,
        objects_done=0,
        bytes_planned=0,
        bytes_done=0,
        partitions=0,
        partitions_done=0,
        eta_seconds=None,
    )
    return responses.Job(
        **_job(),
        state=JobState.PLANNING,
        phase="split",
        reason="",
        progress=nothing,
        waiting_for=[],
        outcomes={},
        filtered_out=None,
        settled_at=None,
        receipt_chain_sha256=None,
    )


def _settled() -> responses.Job:
    everything = responses.Progress(
        planning_finished=True,
        objects_planned=2,
        objects_done=2,
        bytes_planned=1_048_581,
        bytes_done=1_048_581,
        partitions=1,
        partitions_done=1,
        eta_seconds=0.0,
    )
    return responses.Job(
        **_job(),
        state=JobState.PARTIAL,
        phase="settled",
        reason="1 of 2 objects did not arrive",
        progress=everything,
        waiting_for=[],
        outcomes={Outcome.COPIED: 1, Outcome.DENIED: 1},
        filtered_out=0,
        settled_at=_SETTLED,
        receipt_chain_sha256=_CHAIN,
    )


def _objects() -> list[responses.ObjectStatus]:
    copied = responses.ObjectStatus(
        key="inbox/a.csv",
        target_key="from-west/a.csv",
        size=1_048_576,
        source_etag="b1946ac92492d2347c6235b4d2611184",
        partition="r-000001",
        outcome=Outcome.COPIED,
        detail="",
        target_etag="b1946ac92492d2347c6235b4d2611184",
        target_version_id="3sL4kqtJlcpXroDTDmJ",
        checksum=responses.Checksum(algorithm="CRC64NVME", type=ChecksumType.FULL_OBJECT, value="AAAAAAAAAAA="),
        verification=Verification.ETAG,
    )
    undecided = responses.ObjectStatus(
        key="inbox/b.csv",
        target_key="from-west/b.csv",
        size=5,
        source_etag="5d41402abc4b2a76b9719d911017c592",
        partition="r-000001",
        outcome=None,
        detail="",
        target_etag=None,
        target_version_id=None,
        checksum=None,
        verification=None,
    )
    return [copied, undecided]


def _report() -> reports.Report:
    return reports.Report(
        url=f"https://eft-control-123456789012-{_EAST}.s3.{_EAST}.amazonaws.com/report/{JOB_ID}/csv-1/whole?X-Amz-...",
        expires_at="2027-01-15T08:20:00.000Z",
        format=ReportFormat.CSV,
        rows=2,
        bytes=612,
        sha256="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        receipt_chain_sha256=_CHAIN,
    )


def _planning() -> plans.Plan:
    return plans.Plan(
        **_job(),
        state=PlanState.PLANNING,
        check="listing",
        objects_planned=0,
        bytes_planned=0,
        planned_at=None,
        approved_at=None,
        expires_at=None,
        totals=None,
        requests=None,
        costs=None,
        duration=None,
    )


def _planned() -> plans.Plan:
    copies = plans.CostLine(
        line="S3 writes of objects, STANDARD", quantity=0.001, unit="1,000", price=0.005, dollars=5e-06
    )
    storage = plans.CostLine(
        line="Storage of the copies, STANDARD", quantity=0.000977, unit="GB-month", price=0.023, dollars=2.2e-05
    )
    return _planning().model_copy(
        update={
            "state": PlanState.PLANNED,
            "objects_planned": 2,
            "bytes_planned": 1_048_581,
            "planned_at": _SETTLED,
            "expires_at": "2027-01-22T08:04:12.345Z",
            "totals": plans.PlanTotals(
                objects=2,
                bytes=1_048_581,
                objects_to_copy=1,
                bytes_to_copy=1_048_576,
                multipart_objects=0,
                unchanged=0,
                would_fail={Outcome.ARCHIVED: 1},
                filtered_out=0,
                partitions=1,
                error="",
            ),
            "requests": plans.PlanRequests(planning={"ListObjectsV2": 4}, copying={"CopyObject": 1, "PutObject": 6}),
            "costs": plans.PlanCosts(
                total=5e-06,
                lines=[copies],
                monthly=[storage],
                prices_dated="2025-06-01",
                prices_source="commercial list prices of us-east-1",
                region=_EAST,
            ),
            "duration": plans.PlanDuration(seconds=8.0, assumptions=["no throttling"]),
        }
    )


def _planned_objects() -> list[plans.PlannedObject]:
    copied = plans.PlannedObject(
        key="inbox/a.csv",
        target_key="from-west/a.csv",
        size=1_048_576,
        storage_class="STANDARD",
        source_etag="b1946ac92492d2347c6235b4d2611184",
        replaces_etag=None,
        partition="r-000001",
        action=Method.COPY,
        parts=None,
        outcome=Outcome.COPIED,
        detail="",
    )
    changes = {
        "key": "inbox/b.csv",
        "target_key": "from-west/b.csv",
        "size": 5,
        "storage_class": "GLACIER",
        "action": Method.NONE,
        "outcome": Outcome.ARCHIVED,
        "detail": "in GLACIER and not restored: restore it, then retry",
    }
    return [copied, copied.model_copy(update=changes)]


def _region(name: str) -> operations.Region:
    return operations.Region(
        region=name,
        alive=True,
        storage_reachable=True,
        beacon=4711,
        beacon_at=_SUBMITTED,
        beacon_still_seconds=12.3,
    )


def _lease() -> operations.Lease:
    return operations.Lease(
        job=JOB_ID,
        tenant="demo",
        partition="r-000002",
        region=_EAST,
        worker="2027/01/15/[$LATEST]0a1b2c",
        epoch=2,
        heartbeat=7,
        phase=LeasePhase.COPYING,
        rows=1000,
        rows_done=250,
        started_at=_SUBMITTED,
    )


def _takeover() -> operations.Takeover:
    return operations.Takeover(
        job=JOB_ID,
        partition="r-000002",
        epoch=2,
        from_region=_WEST,
        to_region=_EAST,
        worker="2027/01/15/[$LATEST]0a1b2c",
        waited_seconds=240.1,
        at=_SETTLED,
    )
