"""The verify step looks at the destination again, independently of what copy reported, and writes the receipt."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from chalicelib.core import ids
from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.errors import Denied, EftError, NoSuchBucket, Permanent
from chalicelib.core.identity import recognise
from chalicelib.core.ids import is_delete_partition, object_id
from chalicelib.core.jobs import JobSpec
from chalicelib.core.keyrange import just_below
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.manifests import CopyRecord, Manifest, Receipt
from chalicelib.core.objects import ObjectFacts, ObjectHead
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome, Verification
from chalicelib.core.verdict import verified, verified_deletion
from chalicelib.ports import Delivery, Env, ObjectEvent, VerifyDelivery, VerifyPartition
from chalicelib.protocol.catalog import catalog_of_feed, catalog_writing
from chalicelib.protocol.deliveries import REPLACING, source_key_of
from chalicelib.protocol.multipart import abort_registered, upload_name
from chalicelib.protocol.poison import outcome_of, safely
from chalicelib.protocol.publish import with_checksum
from chalicelib.protocol.receipts import receipt_of
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.retry_budget import with_retry_budget
from chalicelib.protocol.scan import first_bound, look_at
from chalicelib.protocol.settling import settle_if_due

_KEEP_UPLOAD = (Outcome.COPIED, Outcome.SET_ASIDE)
"""Outcomes whose uploads are left alone here: copy has completed or abandoned them, or another partition continues with
them."""
LOOKED_AT = (Outcome.COPIED, Outcome.DELETED, Outcome.KEPT)


def run(env: Env, task: VerifyPartition) -> None:
    """Verify a copied partition and write its receipt. Paused jobs are verified too, since nothing is copied by that.
    Objects that have arrived are best checked before somebody changes them, and a job whose objects are all copied can
    settle."""
    job_id, partition_id = task.job_id, task.partition_id
    control = ControlRecords(env, task.control_region)
    records = control.job(job_id)
    spec, manifest, copied = records.spec(), records.entry(partition_id), records.copied(partition_id)
    if spec is None or copied is None or not isinstance(manifest, Manifest):
        env.log("verify-nothing-to-do", job=job_id, partition_id=partition_id)
        return
    receipt = records.receipt(partition_id)
    if receipt is None:
        outcomes = with_retry_budget(
            env,
            records,
            spec,
            f"verify-{partition_id}",
            task,
            lambda seeing: _verify_rows(seeing, spec, manifest, copied),
        )
        if outcomes is None:
            return
        if manifest.aside:
            parent = records.receipt(ids.parent_of(partition_id))
            if parent is None:
                # Drop the message. The worker that writes the parent's receipt sends another, or the sweep does.
                env.log("verify-parent-first", job=job_id, partition_id=partition_id)
                return
            outcomes = _not_ended(manifest, parent, outcomes)
        receipt = receipt_of(env, records, manifest, outcomes, started_ms=copied.started_ms)
    # Crash here, or a second verifier: the next task message repeats what follows, which is safe.
    _abort_leftovers(env, control, spec, manifest, receipt)
    if any(not row.outcome.is_end for row in receipt.rows) and not manifest.aside:
        # Crash before this: the sweep sees a copy record without a receipt, and starts verify.
        env.queue.send([VerifyPartition.of(spec, ids.aside_of(partition_id))])
    settle_if_due(env, records, spec)


def _not_ended(manifest: Manifest, parent: Receipt, outcomes: Sequence[RowOutcome]) -> list[RowOutcome]:
    """Return the outcomes of set-aside rows. A row that has its final outcome in the parent's receipt becomes SET_ASIDE
    here: a slow worker of the parent may have decided it after it was set aside. The parent's receipt never changes, so
    it decides which partition holds a row's only final outcome."""
    return [
        RowOutcome(outcome.key, Outcome.SET_ASIDE) if parent.rows[index].outcome.is_end else outcome
        for index, outcome in zip(manifest.aside, outcomes, strict=True)
    ]


def _verify_rows(env: Env, spec: JobSpec, manifest: Manifest, copied: CopyRecord) -> list[RowOutcome]:
    claimed = {
        row.target: (row, outcome)
        for row, outcome in zip(manifest.rows, copied.rows, strict=True)
        if outcome.outcome in LOOKED_AT
    }
    targets = sorted(claimed)
    try:
        after = _first_bound(spec, manifest, targets)
        looks = look_at(env, spec.target.bucket, spec.target_prefix, after, targets)
    except (Denied, NoSuchBucket, Permanent) as error:
        detail = f"done, but the destination can't be read to verify it: {error}"
        return [
            replace(outcome, outcome=Outcome.DENIED, detail=detail) if row.target in claimed else outcome
            for row, outcome in zip(manifest.rows, copied.rows, strict=True)
        ]
    checked_outcomes = env.pool.map(
        lambda pair: _verify_row(env, spec, *pair, looks.get(pair[0].target)), claimed.values()
    )
    checked = dict(zip(claimed, checked_outcomes, strict=True))
    return [checked.get(row.target, outcome) for row, outcome in zip(manifest.rows, copied.rows, strict=True)]


def _first_bound(spec: JobSpec, manifest: Manifest, targets: Sequence[str]) -> str:
    if is_delete_partition(manifest.partition_id):
        return just_below(targets[0]) if targets else ""
    return first_bound(spec, manifest.after, targets)


def _verify_row(
    env: Env, spec: JobSpec, row: Row, claimed: RowOutcome, look: ObjectFacts | EftError | None
) -> RowOutcome:
    if not isinstance(look, EftError):
        facts = look
        if row.method is Method.DELETE:
            return verified_deletion(row, claimed, facts)
        compared = safely(env, row.target, lambda: _compare(env, spec, row, claimed, facts))
        if not isinstance(compared, EftError):
            return compared
        look = compared
    return replace(claimed, outcome=outcome_of(look), detail=f"done, but can't be read to verify it: {look}")


def _compare(env: Env, spec: JobSpec, row: Row, claimed: RowOutcome, destination: ObjectFacts | None) -> RowOutcome:
    # The row pins the source's checksum, or copy read it and compared it with the destination's.
    pinned = row if row.checksum else replace(row, checksum=claimed.checksum)
    outcome = verified(pinned, claimed, destination)
    if outcome is None:
        # LIST can't tell, because the two ETags can't be compared. HEAD shows the checksum.
        head = env.store.head(spec.target.bucket, row.target)
        destination = head.facts if head else None
        outcome = verified(pinned, claimed, destination)
    assert outcome is not None, "a HEAD always decides"
    if outcome.verification is Verification.SIZE and pinned.checksum is None:
        # Copy couldn't look at the source. If the source is still there, it may have a checksum to compare.
        outcome = verified(with_checksum(env, spec.source, row), claimed, destination) or outcome
    return outcome


def _abort_leftovers(env: Env, control: ControlRecords, spec: JobSpec, manifest: Manifest, receipt: Receipt) -> None:
    """Abort the uploads of rows that ended without completing them. The partition has its receipt, so nobody needs
    these uploads any more. If an abort fails, the sweep repeats it."""
    for index, (row, outcome) in enumerate(zip(manifest.rows, receipt.rows, strict=True)):
        if row.method is not Method.MULTIPART or outcome.outcome in _KEEP_UPLOAD:
            continue
        location = (spec.target.bucket, row.target)
        try:
            generations = control.register(object_id(spec.target.bucket.name, row.target))
            abort_registered(env.store, location, generations, spec.job_id, upload_name(manifest, index))
        except EftError as error:
            env.log("abort-failed", job=spec.job_id, key=row.target, error=str(error))


def verify_delivery(env: Env, task: VerifyDelivery) -> None:
    """Verify one object that intake delivered inline."""
    catalog = catalog_of_feed(env, task.feed_id)
    feed = catalog.feeds.get(task.feed_id) or catalog.removed.get(task.feed_id)
    if feed is None:
        env.log("verify-unknown-feed", feed=task.feed_id, key=task.key)
        return
    deliveries = env.ledger.get_deliveries(task.feed_id, task.key)
    unverified = _unverified([delivery for delivery in deliveries if delivery.pin == task.pin])
    if unverified:
        _look_again(env, feed, catalog.source(feed), catalog.target(feed), deliveries, unverified)


def destination_created(env: Env, bucket: str, key: str) -> None:
    """Handle an event of the destination that says that an object was created. If the object is a delivery of ours,
    verify it now. If several versions of its key are known, check for the newest one too: the object may be a late copy
    of an older version, whose worker is dead."""
    catalog = catalog_writing(env, bucket, key)
    for feed in catalog.feeds.values():
        source, target = catalog.source(feed), catalog.target(feed)
        source_key = source_key_of(source, target, bucket, key)
        if source_key is not None:
            deliveries = [
                delivery for delivery in env.ledger.get_deliveries(feed.id, source_key) if delivery.target == key
            ]
            unverified = _unverified(deliveries)
            if unverified or len({delivery.pin for delivery in deliveries}) > 1:
                _look_again(env, feed, source, target, deliveries, unverified)


def _unverified(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Return the deliveries that are copied and not verified, one for each version. Each Region has an item of its own
    for a version, so a version that either Region has verified is left out."""
    verified_pins = {delivery.pin for delivery in deliveries if delivery.status is DeliveryStatus.VERIFIED}
    copied = {
        delivery.pin: delivery
        for delivery in deliveries
        if delivery.status is DeliveryStatus.COPIED and delivery.pin not in verified_pins
    }
    return list(copied.values())


def _look_again(
    env: Env,
    feed: Feed,
    source: Endpoint,
    target: Endpoint,
    deliveries: Sequence[Delivery],
    unverified: Sequence[Delivery],
) -> None:
    """Look at one destination key. Verify its unverified deliveries, and make sure that the newest version is
    delivered. `deliveries` holds those of all versions of its source key."""
    head = env.store.head(target.bucket, deliveries[0].target)
    checked = [_verified(env, delivery, head) for delivery in unverified]
    shown = [delivery for delivery in deliveries if head is not None and recognise(_pinned(delivery), head.facts).same]
    if head is not None and shown and feed.mode in REPLACING:
        # Look at the source after the destination, which shows this version. If the source has a newer version by now,
        # it is seen here. A version that comes later has an event, and the worker that handles the event finds this
        # version at the destination.
        _newest_again(env, source, deliveries[0].key, head.facts, {delivery.etag for delivery in shown})
    # Crash before this: these deliveries stay COPIED, and are verified later.
    env.ledger.put_deliveries(checked)


def _newest_again(env: Env, source: Endpoint, key: str, destination: ObjectFacts, shown: Collection[str]) -> None:
    """Have the newest version of a key delivered, if the destination shows an older one that we delivered. The copy of
    the older version was late. Before it arrived, the newest version may have counted as unchanged, because its own
    content was still at the destination."""
    newest = safely(env, key, lambda: env.store.head(source.bucket, key))
    if isinstance(newest, EftError):
        env.log("newest-not-looked-at", bucket=source.bucket.name, key=key, error=str(newest))
    elif newest is not None and newest.facts.etag not in shown and not recognise(newest.facts, destination).same:
        env.log("older-delivered", bucket=source.bucket.name, key=key, shown=destination.etag, newest=newest.facts.etag)
        env.queue.send_object_events([ObjectEvent(source.bucket.name, key, older=(destination.etag,))])


def _pinned(delivery: Delivery) -> ObjectFacts:
    return ObjectFacts(delivery.key, delivery.size, delivery.etag, checksum=delivery.checksum)


def _verified(env: Env, delivery: Delivery, head: ObjectHead | None) -> Delivery:
    if head is not None and recognise(_pinned(delivery), head.facts).same:
        return replace(delivery, status=DeliveryStatus.VERIFIED, region=env.region, at_ms=env.clock.now_ms())
    # S3 answered the copy with 200, so the object was there, and somebody has removed or replaced it since. It is not
    # called verified.
    change = "taken away" if head is None else "replaced"
    return replace(delivery, detail=f"{change} before it was verified", region=env.region)
