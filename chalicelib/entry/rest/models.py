"""The API's bodies. Requests are strict: an unknown field is an error, not a silent wish."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from chalicelib.core.leases import Takeover
from chalicelib.core.model import Endpoint, Feed, JobSpec, Outcome, OverwriteMode, Terminal
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.protocol.regions import RegionView
from chalicelib.steps.control import JobView, LeaseView, ObjectView, Place, Submission

LABELS_MAX = 10
Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlaceBody(_Request):
    """An endpoint of yours and a prefix below its own."""

    endpoint: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    prefix: str = ""

    @field_validator("prefix")
    @classmethod
    def _fits_a_key(cls, prefix: str) -> str:
        if len(prefix.encode()) > KEY_MAX_BYTES:
            raise ValueError(f"a prefix may have at most {KEY_MAX_BYTES} bytes of UTF-8")
        return prefix


class SubmitBody(_Request):
    """POST /jobs."""

    source: PlaceBody
    target: PlaceBody
    mode: OverwriteMode = OverwriteMode.IF_CHANGED
    labels: dict[Label, Label] = Field(default_factory=dict, max_length=LABELS_MAX)

    def submission(self, tenant: str, token: str) -> Submission:
        return Submission(
            tenant=tenant,
            token=token,
            source=Place(self.source.endpoint, self.source.prefix),
            target=Place(self.target.endpoint, self.target.prefix),
            mode=self.mode,
            labels=self.labels,
        )


class PageQuery(_Request):
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None


class ObjectsQuery(PageQuery):
    outcome: Outcome | None = None


def timestamp(ms: int | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_body(spec: JobSpec) -> dict[str, Any]:
    return {
        "id": spec.job_id,
        "source": {"endpoint": spec.source.id, "prefix": spec.source_prefix.removeprefix(spec.source.prefix)},
        "target": {"endpoint": spec.target.id, "prefix": spec.target_prefix.removeprefix(spec.target.prefix)},
        "mode": spec.mode,
        "labels": spec.labels,
        "home_region": spec.home,
        "created_at": timestamp(spec.created_ms),
    }


def view_body(view: JobView) -> dict[str, Any]:
    progress = view.progress
    return {
        **job_body(view.spec),
        "state": progress.state,
        "phase": progress.phase,
        "reason": view.reason,
        "progress": {
            "planning_finished": progress.planned,
            "objects_planned": progress.objects_planned,
            "objects_done": progress.objects_decided,
            "bytes_planned": progress.bytes_planned,
            "bytes_done": progress.bytes_decided,
            "partitions": progress.partitions,
            "partitions_done": progress.partitions_done,
            "eta_seconds": None if progress.eta_ms is None else round(progress.eta_ms / 1000, 1),
        },
        "outcomes": progress.counts,
        "settled_at": timestamp(view.settled_ms),
        "receipt_chain_sha256": view.chain_sha256,
    }


def listed_body(spec: JobSpec, end: Terminal | None) -> dict[str, Any]:
    return {
        **job_body(spec),
        "state": end.state if end else "RUNNING",
        "settled_at": timestamp(end.settled_ms) if end else None,
    }


def object_body(view: ObjectView) -> dict[str, Any]:
    found = view.outcome
    return {
        "key": view.key,
        "target_key": view.target,
        "size": view.size,
        "source_etag": view.etag,
        "partition": view.part,
        "outcome": found.outcome if found else None,
        "detail": found.detail if found else "",
        "target_etag": found.etag if found else None,
        "target_version_id": found.version_id if found else None,
        "checksum": {"algorithm": found.checksum.algorithm, "value": found.checksum.value}
        if found and found.checksum
        else None,
        "verification": found.verification if found else None,
    }


def endpoint_body(endpoint: Endpoint) -> dict[str, Any]:
    access = [name for name, granted in (("read", endpoint.readable), ("write", endpoint.writable)) if granted]
    return {
        "id": endpoint.id,
        "bucket": endpoint.bucket.name,
        "region": endpoint.bucket.region,
        "prefix": endpoint.prefix,
        "access": "-".join(access),
    }


def feed_body(feed: Feed) -> dict[str, Any]:
    return {"id": feed.id, "source": feed.source, "target": feed.target, "mode": feed.mode}


def region_body(view: RegionView) -> dict[str, Any]:
    return {
        "region": view.region,
        "alive": view.alive,
        "storage_reachable": view.storage_reachable,
        "beacon": view.beacon.counter if view.beacon else None,
        "beacon_at": timestamp(view.beacon.at_ms) if view.beacon else None,
        "beacon_still_seconds": round(view.still_ms / 1000, 1),
    }


def lease_body(view: LeaseView) -> dict[str, Any]:
    lease = view.lease
    return {
        "job": lease.job_id,
        "tenant": view.tenant,
        "partition": lease.part,
        "region": lease.region,
        "worker": lease.worker,
        "epoch": lease.epoch,
        "heartbeat": lease.heartbeat,
        "phase": lease.phase,
        "rows": lease.rows,
        "rows_done": lease.decided.bit_count(),
        "started_at": timestamp(lease.started_ms),
    }


def takeover_body(found: Takeover) -> dict[str, Any]:
    return {
        "job": found.job_id,
        "partition": found.part,
        "epoch": found.epoch,
        "from_region": found.from_region,
        "to_region": found.to_region,
        "worker": found.worker,
        "waited_seconds": round(found.waited_ms / 1000, 1),
        "at": timestamp(found.at_ms),
    }
