"""Write a partition's receipt, and put its result into the table."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from chalicelib.core import codec
from chalicelib.core.leases import LeasePhase, PartitionLease
from chalicelib.core.manifests import Manifest, Receipt
from chalicelib.core.rows import Outcome, Row, RowOutcome
from chalicelib.ports import Env
from chalicelib.protocol.records import JobRecords
from chalicelib.protocol.table import put_best_effort


def receipt_of(
    env: Env, records: JobRecords, manifest: Manifest, outcomes: Sequence[RowOutcome], *, started_ms: int
) -> Receipt:
    """Write the receipt. Return the receipt that counts: the first one written, which may be another verifier's."""
    assert len(outcomes) == len(manifest.rows), "every row has exactly one outcome"
    copied = sum(row.size for row, o in zip(manifest.rows, outcomes, strict=True) if o.outcome is Outcome.COPIED)
    receipt = records.create_receipt(
        Receipt(
            job_id=records.job_id,
            partition_id=manifest.partition_id,
            region=env.region,
            manifest_sha256=hashlib.sha256(codec.dumps(manifest)).hexdigest(),
            rows=tuple(outcomes),
            bytes_planned=sum(row.bytes_to_copy for row in _ended(manifest, outcomes)),
            bytes_copied=copied,
            last=manifest.last,
            error=manifest.error,
            started_ms=started_ms,
            finished_ms=env.clock.now_ms(),
            nonce=env.ids.nonce(),
            filtered=manifest.filtered,
        )
    )
    # Crash here: the partition has its receipt, but the table shows it as unfinished. Progress lags; the sweep settles
    # the job from the bucket.
    put_best_effort(env, env.ledger.put_lease, _done_lease(env, manifest, receipt))
    return receipt


def _ended(manifest: Manifest, outcomes: Sequence[RowOutcome]) -> list[Row]:
    """Return the rows that have their end in this receipt."""
    return [row for row, outcome in zip(manifest.rows, outcomes, strict=True) if outcome.outcome.is_end]


def _done_lease(env: Env, manifest: Manifest, receipt: Receipt) -> PartitionLease:
    rows = len(manifest.rows)
    return PartitionLease(
        job_id=receipt.job_id,
        partition_id=receipt.partition_id,
        region=env.region,
        epoch=0,
        worker=env.worker,
        heartbeat=0,
        phase=LeasePhase.DONE,
        rows=rows,
        decided=sum(1 << index for index, row in enumerate(receipt.rows) if row.outcome.is_end),
        bytes_decided=receipt.bytes_planned,
        started_ms=receipt.started_ms,
        counts=dict(Counter(row.outcome for row in receipt.rows if row.outcome.is_end)),
        verification=dict(Counter(row.verification for row in receipt.rows if row.outcome.is_end)),
    )
