"""What a feed's delivery record says, how keys map between its two ends, and how the end of a feed job is noted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.core import ids
from chalicelib.core.errors import EftError
from chalicelib.core.keyrange import just_below
from chalicelib.core.model import (
    Endpoint,
    JobSpec,
    Manifest,
    ObjectFacts,
    Outcome,
    OverwriteMode,
    Receipt,
    Row,
    RowOutcome,
    Verification,
)
from chalicelib.core.plan import target_key
from chalicelib.core.verdict import pin_of
from chalicelib.ports import Arrival, Delivery, DeliveryStatus, Env
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.scan import look_at

FEED_PART = ids.part_id(ids.ROOT_RANGE, 1)
"""A feed job has one partition."""
AGAIN = (Outcome.SOURCE_CHANGED, Outcome.DESTINATION_CONFLICT)
"""A feed delivers what is there now: rows that met a newer source or another destination are planned again."""
REPLACING = (OverwriteMode.IF_CHANGED, OverwriteMode.ALWAYS)
"""Of feeds in these modes the destination ends up with the newest version."""
DELIVERED = (DeliveryStatus.COPIED, DeliveryStatus.VERIFIED)


def source_key_of(source: Endpoint, target: Endpoint, bucket: str, key: str) -> str | None:
    """The source key that a destination key of a feed between these comes from, or None if it isn't one."""
    if target.bucket.name != bucket or not key.startswith(target.prefix):
        return None
    return target_key(key, target.prefix, source.prefix)


def delivery_of(
    env: Env, feed_id: str, row: Row, outcome: RowOutcome | None, *, job_id: str | None, verified: bool
) -> Delivery:
    """The record of one row of a feed: queued (no outcome yet), delivered, gone at the source, or failed."""
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
        etag=row.etag,
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
    """What a feed job did about one key."""

    row: Row
    delivery: Delivery
    again: bool
    """Its key must be looked at again."""


def ended_rows(env: Env, records: JobRecords, feed_id: str) -> Iterator[Ended]:
    """What became of the rows of a feed job that has its receipt."""
    for part in (FEED_PART, ids.aside_of(FEED_PART)):
        manifest, receipt = records.link(part), records.receipt(part)
        if not isinstance(manifest, Manifest) or receipt is None:
            return
        yield from _ended_in(env, records, feed_id, manifest, receipt)
        if all(row.outcome.is_end for row in receipt.rows):
            return


def _ended_in(env: Env, records: JobRecords, feed_id: str, manifest: Manifest, receipt: Receipt) -> Iterator[Ended]:
    claimed = records.copied(manifest.part)
    for index, (row, outcome) in enumerate(zip(manifest.rows, receipt.rows, strict=True)):
        if not outcome.outcome.is_end:
            continue
        if outcome.outcome is Outcome.DESTINATION_CONFLICT and claimed and claimed.rows[index].outcome.good:
            # It was delivered, and then taken away or replaced before it was verified. The receiver may do that; it
            # must not bring the object back.
            outcome = replace(outcome, outcome=Outcome.COPIED)
        delivery = delivery_of(env, feed_id, row, outcome, job_id=records.job_id, verified=True)
        yield Ended(row, delivery, outcome.outcome in AGAIN)


def note_feed_job(env: Env, records: JobRecords, spec: JobSpec) -> None:
    """The delivery record of each row; rows to be looked at again go back to intake; failures are told. Safe to
    repeat."""
    ended = list(ended_rows(env, records, spec.feed_id or ""))
    newest = _newest(env, spec, ended)
    again = [Arrival(spec.source.bucket.name, row.row.key) for row in ended if row.again]
    again += [_replaced(spec, row) for row in ended if _is_behind(spec, row, newest.get(row.row.key))]
    # Before anything is called verified. Crash before this, or after it: the job is still listed as open, and is noted
    # once more.
    env.queue.send_arrivals(again)
    env.ledger.put_deliveries([_as_far_as_seen(row.delivery, newest) for row in ended])
    for row in ended:
        if row.delivery.status is DeliveryStatus.FAILED and not row.again:
            env.notifier.delivery_failed(spec.tenant, spec.feed_name or spec.feed_id or "", row.delivery)


def _newest(env: Env, spec: JobSpec, ended: Sequence[Ended]) -> dict[str, ObjectFacts | EftError]:
    """What is at the source now of what was delivered. All of it was verified at the destination before this look: what
    has become newer until now is seen here; what does so later has an event, and whoever handles that finds at the
    destination what this job has put there."""
    keys = sorted(row.row.key for row in ended if row.delivery.status in DELIVERED)
    if not keys:
        return {}
    try:
        return look_at(env, spec.source.bucket, spec.source_prefix, just_below(keys[0]), keys)
    except EftError as error:
        # Nobody waits for the source's Region: what isn't called verified is looked at again by a sweep.
        env.log("newest-not-looked-at", bucket=spec.source.bucket.name, key=keys[0], error=str(error))
        return dict.fromkeys(keys, error)


def _is_behind(spec: JobSpec, ended: Ended, newest: ObjectFacts | EftError | None) -> bool:
    """Another version is newest by now than was delivered."""
    return spec.mode in REPLACING and isinstance(newest, ObjectFacts) and newest.etag != ended.row.etag


def _replaced(spec: JobSpec, ended: Ended) -> Arrival:
    older = {ended.row.etag, ended.delivery.destination_etag or ended.row.etag}
    return Arrival(spec.source.bucket.name, ended.row.key, older=tuple(sorted(older)))


def _as_far_as_seen(delivery: Delivery, newest: Mapping[str, ObjectFacts | EftError]) -> Delivery:
    unseen = isinstance(newest.get(delivery.key), EftError) and delivery.status is DeliveryStatus.VERIFIED
    return replace(delivery, status=DeliveryStatus.COPIED) if unseen else delivery


def furthest(items: Iterable[Delivery]) -> Delivery:
    """What is to be believed of one version, of what each Region says about it: that it was delivered, whoever says so;
    else what was said last."""
    ranks = {DeliveryStatus.VERIFIED: 2, DeliveryStatus.COPIED: 1}
    return max(items, key=lambda d: (ranks.get(d.status, 0), d.at_ms, d.region))


def is_queued(env: Env, control_region: str, delivery: Delivery) -> bool:
    """A delivery that was noted as queued: is it still to come, or has it been made? Its job knows: a note may be older
    than the job's end, or another Region's."""
    records = ControlRecords(env, control_region).job(delivery.job_id or "")
    if records.terminal() is None:
        return True
    ended = (row.delivery for row in ended_rows(env, records, delivery.feed_id))
    return any(d.key == delivery.key and d.status in DELIVERED for d in ended)
