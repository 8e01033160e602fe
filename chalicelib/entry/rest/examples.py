"""Examples of what is asked and answered, made by the models themselves, so that they can't be wrong."""

from typing import Any

from pydantic import BaseModel

from chalicelib.core.entries import Action, EntryKind
from chalicelib.core.leases import LeasePhase
from chalicelib.core.model import CancelMode, ChecksumType, JobKind, JobState, Outcome, OverwriteMode, Verification
from chalicelib.core.report import ReportFormat
from chalicelib.entry.rest import operations, places, reports, requests, responses
from chalicelib.entry.rest.problems import Kind, Problem, answer_of

JOB_ID = "job-aq5ho2ez6qsw4tdlhvqaqdrrgm"
PATH_IDS = {"job_id": JOB_ID, "endpoint_id": "west-source", "feed_id": "west-inbox"}
_WEST, _EAST = "us-gov-west-1", "us-gov-east-1"
_CHAIN = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SUBMITTED, _SETTLED = "2027-01-15T08:00:00.000Z", "2027-01-15T08:04:12.345Z"


def of(model: type[BaseModel]) -> dict[str, BaseModel]:
    """By name, examples of a body; none for a model that has no examples."""
    return {name: example for name, example in {**_requests(), **_responses()}.items() if isinstance(example, model)}


def problem(kind: Kind, path: str) -> dict[str, object]:
    """As it would be answered. What `detail` says differs from case to case."""
    return dict(answer_of(Problem(kind, _DETAILS.get(kind.code, kind.title)), path.format(**PATH_IDS)).body or {})


_DETAILS = {
    "InvalidFilter": "pattern 'report[': a '[' is not closed; '[[]' stands for the character",
    "InvalidRequest": "query.limit: Input should be less than or equal to 1000",
    "InvalidCursor": "cursor: take it unchanged from the previous page's answer",
    "UnknownEndpoint": "source: you have no endpoint 'west-sauce': GET /endpoints lists yours",
    "NotReadable": "endpoint 'east-target' may not be read from: choose another source",
    "NotWritable": "endpoint 'west-source' may not be written to: choose another target",
    "MissingScope": "this needs a token with the scope 'write'",
    "JobNotSettled": f"{JOB_ID} is not settled yet: ask again when GET /jobs/{{id}} shows one of the final states",
    "RateLimited": "your tenant has sent more than 600 requests to us-gov-west-1 in this minute: ask again in 9 s",
    "ConflictingInput": "send one of filter, keys and manifest: which objects are meant?",
    "ManifestUnreadable": "manifest 'lists/failures.csv' is not there",
    "UnknownJob": f"you have no job '{JOB_ID}': GET /jobs lists yours",
    "TryAgain": "AWS did not answer in time: try again; with the same Idempotency-Key nothing happens twice",
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
        "deleting": requests.JobRequest(
            source=source,
            target=target,
            delete=requests.DeleteRequest(consent="DELETE-AT-TARGET", max_objects=500),
        ),
        "endpoint": places.EndpointRequest(
            bucket="acme-drops", region=_WEST, owner_account="123456789012", prefix="inbox/", access="read"
        ),
        "labelled": requests.JobRequest(
            source=source, target=target, mode=OverwriteMode.NEVER, labels={"order": "4711", "by": "ann"}
        ),
    }


def _responses() -> dict[str, BaseModel]:
    listed = responses.JobSummary(**_job(), state=JobState.SUCCEEDED, settled_at=_SETTLED)
    return {
        "accepted": _accepted(),
        "settled": _settled(),
        "jobs": responses.JobList(jobs=[listed], next_cursor=None),
        "objects": responses.ObjectList(objects=_objects(), next_cursor="r-000001.2"),
        "report": _report(),
        "in-making": reports.ReportInMaking(format=ReportFormat.CSV, retry_after_seconds=5),
        "endpoints": places.EndpointList(endpoints=[_endpoint()]),
        "registered": _endpoint(),
        "checked": places.EndpointCheck(id="west-source", usable=True, findings=[]),
        "audit": places.AuditList(changes=[_change()], next_cursor=None),
        "feeds": responses.FeedList(
            feeds=[
                responses.Feed(
                    id="west-inbox", source="west-inbox", target="west-delivered", mode=OverwriteMode.IF_CHANGED
                )
            ]
        ),
        "regions": operations.RegionList(answered_by=_WEST, regions=[_region(_EAST), _region(_WEST)]),
        "leases": operations.LeaseList(leases=[_lease()], takeovers=[_takeover()]),
        "healthy": responses.Health(status="ok", region=_WEST),
    }


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
        managed_by="api",
        changed_at=_SUBMITTED,
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
        "retry_of": None,
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
