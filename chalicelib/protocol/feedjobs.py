"""Turn a batch of a feed's objects into a job. The job has one manifest, and is carried out like any other job."""

import hashlib
from collections.abc import Sequence

from chalicelib.core import ids
from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.jobs import JobKind, JobSpec
from chalicelib.core.manifests import Manifest
from chalicelib.core.progress import PlanProgress
from chalicelib.core.rows import Row
from chalicelib.core.verdict import pin_of
from chalicelib.ports import CopyPartition, Env
from chalicelib.protocol.deliveries import FEED_PARTITION, delivery_of
from chalicelib.protocol.records import JobRecords


def feed_job(env: Env, feed: Feed, source: Endpoint, target: Endpoint, rows: Sequence[Row], attempt: int) -> JobSpec:
    """Make the job of these rows. Its id follows from the versions that they pin, and from `attempt`."""
    pins = [(row.key, pin_of(row), row.expected_target_etag or "") for row in rows]
    job_id = ids.feed_job_id(feed.id, pins, attempt)
    return JobSpec(
        job_id=job_id,
        tenant=feed.tenant,
        kind=JobKind.FEED,
        source=source,
        target=target,
        source_prefix=source.prefix,
        target_prefix=target.prefix,
        mode=feed.mode,
        home=env.region,
        created_ms=env.clock.now_ms(),
        request_sha256=hashlib.sha256(job_id.encode()).hexdigest(),
        feed_id=feed.id,
        feed_name=feed.name,
    )


def open_feed_job(env: Env, spec: JobSpec, records: JobRecords, rows: Sequence[Row]) -> None:
    """Open the feed job of these rows: write its records, add it to the list of open jobs, and start copy."""
    feed_id = spec.feed_id or ""
    # The manifest comes first, so that every job on the list of open jobs has one. Crash here: no list names this
    # manifest, so it does nothing. The events come again. If they lead to the same rows, the job has the same id, and
    # this manifest counts.
    records.create_entry(_manifest(env, spec.job_id, rows))
    accepted = records.create_spec(spec)
    records.control.open_job(spec.job_id)
    # From here on the sweep would carry the job out. Crash before the events are acknowledged: they come again, and all
    # of this is done once more.
    env.ledger.put_job(accepted)
    size = sum(row.size for row in rows)
    env.ledger.put_plan(PlanProgress(spec.job_id, ids.ROOT_RANGE, env.region, 1, len(rows), size, closed=True))
    env.ledger.put_deliveries(
        [delivery_of(env, feed_id, row, None, job_id=spec.job_id, verified=False) for row in rows]
    )
    env.queue.send([CopyPartition.of(spec, FEED_PARTITION, fresh=True)])
    env.log("feed-job", feed=feed_id, job=spec.job_id, rows=len(rows))


def _manifest(env: Env, job_id: str, rows: Sequence[Row]) -> Manifest:
    ordered = sorted(rows, key=lambda row: row.key)
    return Manifest(
        job_id=job_id,
        partition_id=FEED_PARTITION,
        after="",
        upto=ordered[-1].key,
        last=True,
        rows=tuple(ordered),
        rows_before=0,
        bytes_before=0,
        region=env.region,
        nonce=env.ids.nonce(),
    )
