"""Make items for the tests of a ledger."""

from dataclasses import replace

from chalicelib.core import ids
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.jobs import JobKind, JobSpec, JobState, Terminal
from chalicelib.core.leases import LeasePhase, PartitionLease
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.objects import Bucket, Checksum, ChecksumType
from chalicelib.core.rows import Outcome, OverwriteMode, Verification
from chalicelib.ports import Delivery
from tests.contract.ledgers import EAST, WEST

LONG_KEYS = ["k" * 1024, "鍵" * 341, "\U0001f600" * 256, "new\nline\x07\x7f", "a#b#c", "\ufffe\uffff"]


def endpoint(name: str, region: str) -> Endpoint:
    return Endpoint(name, "acme", Bucket(f"bucket-{name}", region, "123"), "in/", readable=True, writable=True)


def spec(token: str, created_ms: int = 1, tenant: str = "acme", kind: JobKind = JobKind.PREFIX) -> JobSpec:
    return JobSpec(
        job_id=ids.job_id(tenant, token, EAST),
        tenant=tenant,
        kind=kind,
        source=endpoint("source", WEST),
        target=endpoint("target", EAST),
        source_prefix="in/données/",
        target_prefix="out/",
        mode=OverwriteMode.NEVER,
        home=WEST,
        created_ms=created_ms,
        request_sha256="0" * 64,
        labels={"order": "4711"},
    )


def terminal(job_id: str, region: str = WEST) -> Terminal:
    return Terminal(
        job_id=job_id,
        state=JobState.PARTIAL,
        reason="1 object failed",
        planned=3,
        counts={Outcome.COPIED: 2, Outcome.DENIED: 1},
        bytes_planned=30,
        bytes_copied=20,
        verification={Verification.ETAG: 2},
        partitions=1,
        chain_sha256="c0ffee",
        region=region,
        created_ms=1,
        settled_ms=2,
        nonce="n",
    )


def lease(job_id: str, partition_id: str = "r-000001", region: str = WEST, **changes: object) -> PartitionLease:
    right = PartitionLease(
        job_id=job_id,
        partition_id=partition_id,
        region=region,
        epoch=1,
        worker="w",
        heartbeat=1,
        phase=LeasePhase.COPYING,
        rows=1000,
        decided=(1 << 999) | 5,
        bytes_decided=5 * 1024**5,
        started_ms=1_800_000_000_000,
        counts={Outcome.COPIED: 3},
        verification={Verification.CHECKSUM: 3},
    )
    return replace(right, **changes)  # type: ignore[arg-type]


def delivery(key: str, pin: str = "v1", region: str = WEST, **changes: object) -> Delivery:
    right = Delivery(
        feed_id="feed",
        key=key,
        pin=pin,
        target=f"out/{key}"[:1024],
        size=5,
        etag="e",
        checksum=Checksum("CRC64NVME", ChecksumType.FULL_OBJECT, "AAAA"),
        status=DeliveryStatus.COPIED,
        outcome=Outcome.COPIED,
        detail="",
        destination_etag="e2",
        job_id=None,
        region=region,
        at_ms=1_800_000_000_000,
    )
    return replace(right, **changes)  # type: ignore[arg-type]


JOB = ids.job_id("acme", "token", EAST)
