"""Estimates what it takes to carry out a plan: requests, dollars and time. The estimates are computed from the plan's
totals.

The numbers of requests per partition and per row are those of a clean run: no worker dies, nothing is throttled, and
nothing has changed since planning. A test compares them with the requests that such a run makes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from chalicelib.core.jobs import JobSpec
from chalicelib.core.planned import PlanSummary
from chalicelib.core.policy import LIST_PAGE_KEYS, MIB, Policy
from chalicelib.core.prices import Prices, of_class

WRITES = frozenset(
    {
        "PutObject",
        "CopyObject",
        "CreateMultipartUpload",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "ListObjectsV2",
    }
)
"""The operations that S3 bills as writes; it bills all others as reads (S3 pricing: "PUT, COPY, POST, LIST
requests")."""
GB = 1024**3
"""Bytes in a GB, as AWS bills it."""
LISTS_PER_SPLIT = 16
"""About how many LISTs of one key it takes to find the middle of a range."""

REQUEST_S = 0.15
"""Duration of an S3 request that moves no data, from a Lambda in the same Region, in seconds. CopyObject between
Regions takes longer."""
COPY_BYTES_PER_S = 100 * MIB
"""Throughput of S3 within one CopyObject or UploadPartCopy."""
COPY_WORKERS = 32
"""Number of Lambdas that copy in parallel: template.yaml's CopyConcurrency."""
PARTITION_S = 3.0
"""Time for a partition's records, its verification and its messages, in seconds."""
START_S = 5.0
COPY_MEMORY_GB = 1.0
"""Memory of the copy, verify and split functions, as in .chalice/config.json."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Numbers of requests to S3, by operation."""

    planning: Mapping[str, int]
    """Requests that planning has made, approximately: if planning was interrupted, some of them were made twice."""
    copying: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CostLine:
    line: str
    quantity: float
    unit: str
    price: float
    """Price of one unit, in dollars."""
    once: bool = True
    """False: the cost recurs every month for as long as the copies are kept, and is not part of the total."""

    @property
    def dollars(self) -> float:
        return self.quantity * self.price


def requests(summary: PlanSummary, spec: JobSpec) -> Requests:
    totals, to_copy = summary.totals, summary.totals.to_copy
    range_splits = (summary.ranges - 1) // 2
    entries, partitions_to_copy = totals.partitions + range_splits, totals.partitions_to_copy
    others = entries - partitions_to_copy
    planning = {
        # Source and destination, a page each; and a look at where each range stands when its turn comes.
        "ListObjectsV2": 2 * totals.partitions + range_splits * LISTS_PER_SPLIT + 2 * summary.ranges,
        "HeadObject": totals.heads + 4 * summary.ranges,
        # Entries of the manifest logs, receipts of partitions with nothing to copy, spec, summary.
        "PutObject": entries + totals.partitions - partitions_to_copy + 3,
        "GetObject": 5 * summary.ranges,
    }
    # LISTs: each partition's destination, each upload's register, and the job's records before it settles. There are
    # four records for each partition that is copied, and two or one for the others.
    records = 4 * partitions_to_copy + 2 * others + 5
    copying = {
        "CopyObject": to_copy.copies,
        "CreateMultipartUpload": to_copy.uploads,
        "UploadPartCopy": to_copy.parts,
        "CompleteMultipartUpload": to_copy.uploads,
        # Claim, copy record and receipt of each partition; approval, entry in the list of open jobs, end; the uploads'
        # registers.
        "PutObject": 3 * partitions_to_copy + 3 + to_copy.uploads,
        "ListObjectsV2": partitions_to_copy + to_copy.uploads + 2 * ceil(records / LIST_PAGE_KEYS) + 2,
        # Copy reads spec and manifest. Verify reads those, the copy record, and whether there is a receipt. Settling
        # reads all receipts and the range splits.
        "GetObject": 6 * partitions_to_copy + totals.partitions + range_splits + 10,
        # Whether it is approved, cancelled or paused, and which partition is next; the sources of uploads; after the
        # copy, what LIST can't tell.
        "HeadObject": 5 * partitions_to_copy + to_copy.uploads + _comparing_heads(summary, spec) + 6,
    }
    return Requests(_nonzero(planning), _nonzero(copying))


def _comparing_heads(summary: PlanSummary, spec: JobSpec) -> int:
    """Return how many HEADs are needed because LIST can't compare the ETags. Each such row takes one HEAD when it is
    verified. Under KMS no ETags agree, so both sides also take one after each copy."""
    return summary.totals.to_copy.compared * (3 if spec.target.kms_key else 1)


def _nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def cost_lines(summary: PlanSummary, spec: JobSpec, prices: Prices, policy: Policy) -> list[CostLine]:
    """Return the costs of carrying out the plan; planning is already paid for. `prices` are those of the target's
    Region."""
    return [line for line in _lines(summary, spec, prices, policy) if line.quantity > 0]


def _lines(summary: PlanSummary, spec: JobSpec, prices: Prices, policy: Policy) -> Iterator[CostLine]:
    to_copy, copy_requests = summary.totals.to_copy, requests(summary, spec).copying
    for name, class_totals in summary.totals.classes.items():
        publishing = class_totals.copies + class_totals.parts + 2 * class_totals.uploads
        yield CostLine(
            f"S3 writes of objects, {name}", publishing / 1000, "1,000", of_class(prices.write_per_1000, name)
        )
    publishing = to_copy.copies + to_copy.parts + 2 * to_copy.uploads
    control = sum(count for operation, count in copy_requests.items() if operation in WRITES) - publishing
    yield CostLine("S3 writes and LISTs of records", control / 1000, "1,000", of_class(prices.write_per_1000, ""))
    reads = sum(count for operation, count in copy_requests.items() if operation not in WRITES)
    yield CostLine("S3 reads", reads / 1000, "1,000", of_class(prices.read_per_1000, ""))
    for name, class_totals in summary.totals.classes.items():
        # For a copy, S3 reads the source, and bills a GET of its storage class.
        reading = class_totals.copies + class_totals.parts
        yield CostLine(f"S3 reads of sources, {name}", reading / 1000, "1,000", of_class(prices.read_per_1000, name))
        yield CostLine(f"S3 retrieval, {name}", class_totals.bytes / GB, "GB", of_class(prices.retrieval_per_gb, name))
    if spec.source.bucket.region != spec.target.bucket.region:
        yield CostLine("Transfer between Regions", to_copy.bytes / GB, "GB", prices.transfer_per_gb)
    partitions = summary.totals.partitions_to_copy
    yield CostLine("Lambda, time", _busy_s(summary, policy) * COPY_MEMORY_GB, "GB-second", prices.lambda_per_gb_second)
    yield CostLine("Lambda, invocations", 2 * partitions / 1e6, "1,000,000", prices.lambda_per_million)
    # Each message is sent, received and deleted.
    yield CostLine("SQS requests", 3 * 2 * partitions / 1e6, "1,000,000", prices.sqs_per_million)
    # Lease writes when a partition is claimed, copied and receipted, and a permit that is taken and given back. They go
    # to both replicas, and each has 1 or 2 KB.
    yield CostLine("DynamoDB writes", 2 * 6 * partitions / 1e6, "1,000,000", prices.table_write_per_million)
    yield CostLine("DynamoDB reads", 13 * partitions / 1e6, "1,000,000", prices.table_read_per_million)
    if spec.target.kms_key:
        kms_requests = to_copy.copies + to_copy.parts + to_copy.uploads
        yield CostLine("KMS requests, without a bucket key", kms_requests / 10_000, "10,000", prices.kms_per_10000)
    for name, class_totals in summary.totals.classes.items():
        price = of_class(prices.storage_per_gb_month, name)
        yield CostLine(f"Storage of the copies, {name}", class_totals.bytes / GB, "GB-month", price, once=False)


def duration_s(summary: PlanSummary, policy: Policy) -> float:
    """Return the seconds from the approval to the end if no other job is running. The partitions are spread over as
    many workers as there may be, and each worker handles its own one after the other."""
    partitions = summary.totals.partitions_to_copy
    return START_S if partitions == 0 else START_S + _busy_s(summary, policy) / min(partitions, COPY_WORKERS)


def assumptions(policy: Policy) -> list[str]:
    return [
        f"{COPY_WORKERS} workers, each with {policy.rows_in_flight} objects or {policy.parts_in_flight} parts at once",
        f"{REQUEST_S:g} s a request, and {COPY_BYTES_PER_S // MIB} MiB a second within each copy",
        f"{PARTITION_S:g} s a partition for its records and its verification",
        "no throttling, nobody else at work, and objects divided evenly among partitions",
    ]


def _busy_s(summary: PlanSummary, policy: Policy) -> float:
    """Return the seconds of work of all workers together."""
    to_copy = summary.totals.to_copy
    small_s = to_copy.copies * REQUEST_S / policy.rows_in_flight
    large_s = (to_copy.parts + 2 * to_copy.uploads) * REQUEST_S / policy.parts_in_flight
    copies_at_once = policy.parts_in_flight if to_copy.parts > to_copy.copies else policy.rows_in_flight
    moving_s = to_copy.bytes / COPY_BYTES_PER_S / copies_at_once
    return small_s + large_s + moving_s + summary.totals.partitions_to_copy * PARTITION_S
