"""Collect evidence from outside: S3's versions, contents and uploads, and the API's answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from local.drill.model import Evidence, Held, Record, Takeover
from local.drill.stage import Stage, Work
from local.gateway.launch import EAST, WEST


def versions(stage: Stage, bucket: str, prefix: str) -> dict[str, tuple[str, ...]]:
    """Return version ids by key, the newest first. A delete marker counts as a version: nobody should have made one."""
    ids_by_key: dict[str, list[str]] = {}
    for page in stage.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            ids_by_key.setdefault(entry["Key"], []).append(entry["VersionId"])
    return {key: tuple(ids) for key, ids in ids_by_key.items()}


def writes(stage: Stage, bucket: str, prefix: str) -> dict[str, list[tuple[str, int]]]:
    """Return by key (version id, when it was written in epoch milliseconds), the newest first. Versions that have been
    deleted since are included."""
    writes_by_key: dict[str, list[tuple[str, int]]] = {}
    for page in stage.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Versions", ()):
            written = (entry["VersionId"], round(entry["LastModified"].timestamp() * 1000))
            writes_by_key.setdefault(entry["Key"], []).append(written)
    return writes_by_key


def uploads(stage: Stage, bucket: str, prefix: str = "") -> list[tuple[str, str]]:
    """Return (key, upload id) of every open multipart upload."""
    pages = stage.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    return [(entry["Key"], entry["UploadId"]) for page in pages for entry in page.get("Uploads", ())]


def parts(stage: Stage, bucket: str, key: str, upload_id: str) -> set[int]:
    pages = stage.s3.get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=upload_id)
    return {partition_id["PartNumber"] for page in pages for partition_id in page.get("Parts", ())}


def look_at_death(stage: Stage, record: Record, works: Sequence[Work]) -> None:
    """Record what the dead Region left at the target."""
    record.evidence.looked_at_death = True
    for work in works:
        record.evidence.there_at_death |= versions(stage, work.target.target_bucket, work.prefix)


def collect(stage: Stage, record: Record, works: Sequence[Work]) -> None:
    """Collect everything that can be seen at the end."""
    evidence = record.evidence
    for work in works:
        evidence.source |= work.digests  # source and target keys are the same
        evidence.target |= _target(stage, work)
        if work.key:
            evidence.asked |= set(work.digests)
            evidence.rows |= _rows(stage, work.job_id)
            evidence.states[work.job_id] = stage.api(stage.east.api_url, f"/jobs/{work.job_id}")["state"]
    for info in (stage.west, stage.east):
        foreign = set(stage.foreign.values())
        open_uploads = uploads(stage, info.target_bucket)
        evidence.uploads_left += [f"{key} {upload_id}" for key, upload_id in open_uploads if upload_id not in foreign]
    alive = [upload_id for info in (stage.west, stage.east) for _, upload_id in uploads(stage, info.target_bucket)]
    evidence.foreign_alive = set(stage.foreign.values()) <= set(alive)
    evidence.takeovers = takeovers(stage, [work.job_id for work in works if work.key])
    name_views(evidence, stage.resolver())


def settled_ms(works: Sequence[Work]) -> int | None:
    """Return when the last of the jobs was settled, as the service told their customers, in epoch milliseconds. None if
    a customer doesn't know it. A Region is not asked here instead: its replica of the table may lag behind the one that
    answered the customers."""
    settled_at = [work.customer.settled_at for work in works if work.customer is not None]
    times = [epoch_ms(at) for at in settled_at if at is not None]
    return max(times) if times and len(times) == len(settled_at) else None


def takeovers(stage: Stage, job_ids: Sequence[str]) -> list[Takeover]:
    records = [
        Takeover(
            entry["job"],
            entry["partition"],
            entry["from_region"],
            entry["to_region"],
            epoch_ms(entry["at"]),
            entry["waited_seconds"],
        )
        for entry in stage.operator("/leases")["takeovers"]
        if entry["job"] in job_ids
    ]
    return sorted(records, key=lambda takeover: takeover.at_ms)


def name_views(evidence: Evidence, resolver: Sequence[tuple[int, str]]) -> None:
    """Add to each view the Region that answered it: the one that the resolver returned at that time."""
    for key, views in evidence.views.items():
        evidence.views[key] = [
            type(view)(
                view.at_ms, view.job_id, view.state, view.objects_done, view.bytes_done, region_at(resolver, view.at_ms)
            )
            for view in views
        ]


def region_at(resolver: Sequence[tuple[int, str]], at_ms: int) -> str:
    return next((region for since, region in reversed(resolver) if since <= at_ms), "")


def claims(stage: Stage, work: Work) -> dict[str, str]:
    """Return the owner's Region by "<partition>/<epoch>", from the claims in the control bucket."""
    # The client is for the bucket's own Region: another one's storage may hang, and says where a bucket is only when it
    # answers.
    s3: Any = stage.cloud.client("s3", work.target.region)
    bucket, prefix = work.target.control_bucket, f"jobs/{work.job_id}/claim/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    regions = {}
    for page in pages:
        for entry in page.get("Contents", ()):
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().decode(errors="replace")
            regions[entry["Key"].removeprefix(prefix)] = WEST if WEST in body else EAST if EAST in body else "?"
    return regions


def _target(stage: Stage, work: Work) -> dict[str, Held]:
    bucket = work.target.target_bucket
    objects = {}
    for key, ids in versions(stage, bucket, work.prefix).items():
        digest = hashlib.sha256()
        for chunk in stage.s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1024 * 1024):
            digest.update(chunk)
        objects[key] = Held(ids, digest.hexdigest())
    return objects


def _rows(stage: Stage, job_id: str) -> dict[str, str]:
    rows: dict[str, str] = {}
    params: dict[str, Any] = {"limit": 1000}
    while True:
        page = stage.api(stage.east.api_url, f"/jobs/{job_id}/objects", **params)
        rows |= {row["target_key"]: row["outcome"] for row in page["objects"]}
        if page["next_cursor"] is None:
            return rows
        params["cursor"] = page["next_cursor"]


def epoch_ms(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)
