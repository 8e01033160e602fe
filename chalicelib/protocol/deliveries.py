"""Build the table's notes about a feed's deliveries, map keys between the two ends of a feed, and note how a feed job
ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.core import ids
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.errors import EftError
from chalicelib.core.jobs import JobSpec
from chalicelib.core.keyrange import just_below
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.manifests import Manifest, Receipt
from chalicelib.core.objects import ObjectFacts
from chalicelib.core.plan import target_key
from chalicelib.core.rows import Outcome, OverwriteMode, Row, RowOutcome, Verification
from chalicelib.core.verdict import pin_of
from chalicelib.ports import Delivery, Env, ObjectEvent
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.scan import look_at

FEED_PARTITION = ids.partition_id_of(ids.ROOT_RANGE, 1)
"""A feed job has one partition."""
AGAIN = (Outcome.SOURCE_CHANGED, Outcome.DESTINATION_CONFLICT)
"""Outcomes after which a key is planned again: the row met a newer source or another destination, and a feed delivers
the version that is there now."""
REPLACING = (OverwriteMode.IF_CHANGED, OverwriteMode.ALWAYS)
"""Modes that bring the newest version to the destination of a feed."""
DELIVERED = (DeliveryStatus.COPIED, DeliveryStatus.VERIFIED)


def source_key_of(source: Endpoint, target: Endpoint, bucket: str, key: str) -> str | None:
    """Return the source key for a destination key of a feed between these endpoints, or None for any other key."""
    if target.bucket.name != bucket or not key.startswith(target.prefix):
        return None
    return target_key(key, target.prefix, source.prefix)


def delivery_of(
    env: Env, feed_id: str, row: Row, outcome: RowOutcome | None, *, job_id: str | None, verified: bool
) -> Delivery:
    """Return the table's note about one row of a feed: queued (no outcome yet), delivered, gone at the source, or
    failed."""
    status = DeliveryStatus.QUEUED
    if outcome is not None:
        proven = verified and outcome.verification in (Verification.ETAG, Verification.CHECKSUM)
        good = DeliveryStatus.VERIFIED if proven else DeliveryStatus.COPIED
        bad = DeliveryStatus.GONE if outcome.outcome is Outcome.SOURCE_GONE else DeliveryStatus.FAILED
        status = good if outcome.outcome.good else bad
    return Delivery(
        feed_id=feed_id,
        key=row.key,
        pin=pin_of(row),
        target=row.target,
        size=row.size,
        etag=row.source_etag,
        checksum=(outcome.checksum if outcome else None) or row.checksum,
        status=status,
        outcome=outcome.outcome if outcome else None,
        detail=outcome.detail if outcome else "",
        destination_etag=outcome.etag if outcome else None,
        job_id=job_id,
        region=env.region,
        at_ms=env.clock.now_ms(),
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a feed job for one key."""

    row: Row
    delivery: Delivery
    again: bool
    """Intake must handle the key again."""


def ended_rows(env: Env, records: JobRecords, feed_id: str) -> Iterator[Ended]:
    """Yield the result of each row of a feed job that has its receipt."""
    for partition_id in (FEED_PARTITION, ids.aside_of(FEED_PARTITION)):
        manifest, receipt = records.entry(partition_id), records.receipt(partition_id)
        if not isinstance(manifest, Manifest) or receipt is None:
            return
        yield from _ended_in(env, records, feed_id, manifest, receipt)
        if all(row.outcome.is_end for row in receipt.rows):
            return


def _ended_in(env: Env, records: JobRecords, feed_id: str, manifest: Manifest, receipt: Receipt) -> Iterator[Ended]:
    copy_record = records.copied(manifest.partition_id)
    for index, (row, outcome) in enumerate(zip(manifest.rows, receipt.rows, strict=True)):
        if not outcome.outcome.is_end:
            continue
        if outcome.outcome is Outcome.DESTINATION_CONFLICT and copy_record and copy_record.rows[index].outcome.good:
            # It was delivered, and then the receiver removed or replaced it before it was verified. The receiver may do
            # that; it must not bring the object back.
            outcome = replace(outcome, outcome=Outcome.COPIED)
        delivery = delivery_of(env, feed_id, row, outcome, job_id=records.job_id, verified=True)
        yield Ended(row, delivery, outcome.outcome in AGAIN)


def note_feed_job(env: Env, records: JobRecords, spec: JobSpec) -> None:
    """Note the end of a feed job: put a delivery item for each row into the table, send keys that must be handled again
    back to intake, and report failures as events. Safe to repeat."""
    results = list(ended_rows(env, records, spec.feed_id or ""))
    newest = _newest(env, spec, results)
    again = [ObjectEvent(spec.source.bucket.name, result.row.key) for result in results if result.again]
    again += [_replaced(spec, result) for result in results if _is_behind(spec, result, newest.get(result.row.key))]
    # This comes before anything is noted as verified. Crash before or after it: the job is still on the list of open
    # jobs, so the sweep does all of this once more.
    env.queue.send_object_events(again)
    env.ledger.put_deliveries([_as_far_as_seen(result.delivery, newest) for result in results])
    for result in results:
        if result.delivery.status is DeliveryStatus.FAILED and not result.again:
            env.notifier.delivery_failed(spec.tenant, spec.feed_name or spec.feed_id or "", result.delivery)


def _newest(env: Env, spec: JobSpec, results: Sequence[Ended]) -> dict[str, ObjectFacts | EftError]:
    """Return the current source facts of the delivered keys.

    All of these rows were verified at the destination before the source is read here. So a newer version that appeared
    before this read is seen here. A newer version that appears later has an event of its own; the intake that handles
    it finds this job's object at the destination.
    """
    keys = sorted(result.row.key for result in results if result.delivery.status in DELIVERED)
    if not keys:
        return {}
    try:
        return look_at(env, spec.source.bucket, spec.source_prefix, just_below(keys[0]), keys)
    except EftError as error:
        # Don't wait for the source's Region. Deliveries that are not noted as verified are checked again by a sweep.
        env.log("newest-not-looked-at", bucket=spec.source.bucket.name, key=keys[0], error=str(error))
        return dict.fromkeys(keys, error)


def _is_behind(spec: JobSpec, result: Ended, newest: ObjectFacts | EftError | None) -> bool:
    """Tell whether the source has another version by now than the one that was delivered."""
    return spec.mode in REPLACING and isinstance(newest, ObjectFacts) and newest.etag != result.row.source_etag


def _replaced(spec: JobSpec, result: Ended) -> ObjectEvent:
    older = {result.row.source_etag, result.delivery.destination_etag or result.row.source_etag}
    return ObjectEvent(spec.source.bucket.name, result.row.key, older=tuple(sorted(older)))


def _as_far_as_seen(delivery: Delivery, newest: Mapping[str, ObjectFacts | EftError]) -> Delivery:
    unseen = isinstance(newest.get(delivery.key), EftError) and delivery.status is DeliveryStatus.VERIFIED
    return replace(delivery, status=DeliveryStatus.COPIED) if unseen else delivery


def furthest(items: Iterable[Delivery]) -> Delivery:
    """Return which of the Regions' notes about one version counts: a delivery, whichever Region notes it; otherwise the
    latest note."""
    ranks = {DeliveryStatus.VERIFIED: 2, DeliveryStatus.COPIED: 1}
    return max(items, key=lambda d: (ranks.get(d.status, 0), d.at_ms, d.region))


def is_queued(env: Env, control_region: str, delivery: Delivery) -> bool:
    """Tell whether a delivery that is noted as queued is still to come, or is done. Its job decides that: a note may be
    older than the job's end, or come from the other Region."""
    records = ControlRecords(env, control_region).job(delivery.job_id or "")
    if records.terminal() is None:
        return True
    deliveries = (result.delivery for result in ended_rows(env, records, delivery.feed_id))
    return any(d.key == delivery.key and d.status in DELIVERED for d in deliveries)
