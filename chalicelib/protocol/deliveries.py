"""What a feed's delivery record says, and how keys map between the two ends of a feed."""

from chalicelib.core.model import Feed, Row, RowOutcome, Verification
from chalicelib.core.plan import target_key
from chalicelib.ports import Delivery, DeliveryStatus, Env


def pin_of(row: Row) -> str:
    """Which version of a key: its VersionId, or ETag and LastModified where the bucket keeps no versions (the same
    bytes dropped again are a new delivery)."""
    return row.version_id if row.version_id not in (None, "null") else f"{row.etag}@{row.modified_ms}"


def source_key_of(env: Env, feed: Feed, bucket: str, key: str) -> str | None:
    """The source key that a destination key of this feed comes from, or None if it isn't one."""
    source, target = env.endpoints[feed.source], env.endpoints[feed.target]
    if target.bucket.name != bucket or not key.startswith(target.prefix):
        return None
    return target_key(key, target.prefix, source.prefix)


def delivery_of(
    env: Env, feed_id: str, row: Row, outcome: RowOutcome | None, *, job_id: str | None, verified: bool
) -> Delivery:
    """The record of one row of a feed: queued (no outcome yet), delivered, or failed."""
    status = DeliveryStatus.QUEUED
    if outcome is not None:
        proven = verified and outcome.verification in (Verification.ETAG, Verification.CHECKSUM)
        good = DeliveryStatus.VERIFIED if proven else DeliveryStatus.COPIED
        status = good if outcome.outcome.good else DeliveryStatus.FAILED
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
