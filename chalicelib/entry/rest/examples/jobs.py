"""Provide the examples of jobs, their objects and their reports."""

from typing import Any

from pydantic import BaseModel

from chalicelib.core.deletions import Consent
from chalicelib.core.inputs import ListFormat
from chalicelib.core.jobs import CancelMode, JobKind, JobState, Priority
from chalicelib.core.objects import ChecksumType
from chalicelib.core.report import ReportFormat
from chalicelib.core.rows import Outcome, OverwriteMode, Verification
from chalicelib.entry.rest import reports, requests, responses
from chalicelib.entry.rest.examples.names import CHAIN, EAST, JOB_ID, SETTLED, SUBMITTED, WEST


def examples() -> dict[str, BaseModel]:
    return {**_requests(), **_answers()}


def _requests() -> dict[str, BaseModel]:
    source = requests.LocationRequest(endpoint="west-source", prefix="inbox/")
    target = requests.LocationRequest(endpoint="east-target", prefix="from-west/")
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
            source=requests.LocationRequest(endpoint="west-source"),
            target=target,
            manifest=requests.ManifestRequest(endpoint="west-source", key="lists/failures.csv"),
        ),
        "deleting": requests.JobRequest(
            source=source,
            target=target,
            delete=requests.DeleteRequest(consent=Consent.DELETE, max_objects=500),
        ),
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
        "urgent": requests.JobRequest(source=source, target=target, priority=Priority.HIGH),
    }


def _answers() -> dict[str, BaseModel]:
    summary = responses.JobSummary(**job(), state=JobState.SUCCEEDED, settled_at=SETTLED)
    return {
        "accepted": _accepted(),
        "settled": _settled(),
        "jobs": responses.JobList(jobs=[summary], next_cursor=None),
        "objects": responses.ObjectList(objects=_objects(), next_cursor="r-000001.2"),
        "report": _report(),
        "in-making": reports.ReportInMaking(format=ReportFormat.CSV, retry_after_seconds=5),
    }


def job() -> dict[str, Any]:
    return {
        "id": JOB_ID,
        "source": responses.Location(endpoint="west-source", prefix="inbox/"),
        "target": responses.Location(endpoint="east-target", prefix="from-west/"),
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
        "home_region": WEST,
        "created_at": SUBMITTED,
    }


def _accepted() -> responses.Job:
    no_progress = responses.Progress(
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
        **job(),
        state=JobState.PLANNING,
        phase="split",
        reason="",
        progress=no_progress,
        waiting_for=[],
        outcomes={},
        filtered_out=None,
        settled_at=None,
        receipt_chain_sha256=None,
    )


def _settled() -> responses.Job:
    full_progress = responses.Progress(
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
        **job(),
        state=JobState.PARTIAL,
        phase="settled",
        reason="1 of 2 objects did not arrive",
        progress=full_progress,
        waiting_for=[],
        outcomes={Outcome.COPIED: 1, Outcome.DENIED: 1},
        filtered_out=0,
        settled_at=SETTLED,
        receipt_chain_sha256=CHAIN,
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
        url=f"https://eft-control-123456789012-{EAST}.s3.{EAST}.amazonaws.com/report/{JOB_ID}/csv-1/whole?X-Amz-...",
        expires_at="2027-01-15T08:20:00.000Z",
        format=ReportFormat.CSV,
        rows=2,
        bytes=612,
        sha256="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        receipt_chain_sha256=CHAIN,
    )
