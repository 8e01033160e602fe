"""Jobs that have settled, and requests for their reports."""

from dataclasses import replace

from chalicelib.core import codec
from chalicelib.core.errors import Denied, Retry
from chalicelib.core.jobs import JobSpec, JobState, Terminal
from chalicelib.core.manifests import Manifest, Receipt
from chalicelib.core.report import ReportFormat
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome, Verification
from chalicelib.protocol.records import ControlRecords
from chalicelib.steps import report
from chalicelib.steps.report import ReportView
from simulation.memory.env import EAST, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.links import Fetched, follow
from simulation.memory.operations import Operation
from tests.steps.calls import Crash
from tests.steps.world import SECOND, SMALL, TINY, World

PIECES = replace(SMALL, report_piece_bytes=1000)
"""The piece size is so small that a few rows make a piece."""
ROOMY = replace(TINY, part_max_bytes=10**6)
KEYS = [f"in/a/{number:02d}" for number in range(14)]
DENIED = "in/a/05"


def settled(world: World) -> JobSpec:
    """Return a settled job of four partitions, of which one object was denied. Its calls are not counted."""
    world.calls.paused = True
    for key in KEYS:
        world.put(key, key.encode())
    world.faults.rule(
        Rule(operation=Operation.COPY, key="out/b/05", times=None, error=lambda: Denied("AccessDenied", "no"))
    )
    spec = world.submit("a/", "b/")
    world.settle()
    world.faults.rules.clear()
    world.calls.paused = False
    return spec


def ask(world: World, spec: JobSpec, report_format: ReportFormat, region: str = EAST) -> ReportView | None:
    """Send one request. Return None if the client gets no answer."""
    try:
        return report.fetch(world.regions[region].env, TENANT, spec.job_id, report_format)
    except Crash as died:
        world.crashes.append(str(died))
    except Retry:
        pass
    return None


def wait_for(world: World, spec: JobSpec, report_format: ReportFormat, region: str = EAST) -> ReportView:
    """Request the report until it is made, as a client does."""
    for _ in range(200):
        view = ask(world, spec, report_format, region)
        if view is not None:
            return view
        world.run(5 * SECOND)
    raise AssertionError(f"never made: {world.log_tail()}")


def fetched(world: World, spec: JobSpec, report_format: ReportFormat, region: str = EAST) -> bytes:
    answer: Fetched = follow(world.store, wait_for(world, spec, report_format, region).url)
    assert answer.status == 200
    return answer.body


def synthetic(world: World, partitions: int, rows: int) -> JobSpec:
    """Write the records of a settled job, for reports of more rows than a test has time to copy."""
    spec = world.submit("a/", "b/", token=f"{partitions} of {rows}")
    records = ControlRecords(world.observer, EAST).job(spec.job_id)
    for ordinal in range(1, partitions + 1):
        keys = [f"in/a/{ordinal:06d}/{number:06d}" for number in range(rows)]
        partition_id, last = f"r-{ordinal:06d}", ordinal == partitions
        planned = tuple(Row(key, f"out/b/{key}", 7, "0" * 32, None, Method.COPY) for key in keys)
        outcomes = tuple(RowOutcome(key, Outcome.COPIED, etag="0" * 32, verification=Verification.ETAG) for key in keys)
        manifest = Manifest(spec.job_id, partition_id, "", "", last, planned, 0, 0, WEST, "n")
        records.create_entry(manifest)
        records.create_receipt(Receipt(spec.job_id, partition_id, EAST, "", outcomes, 0, 0, last, "", 1, 2, "n"))
    total = partitions * rows
    records.create_terminal(
        Terminal(
            spec.job_id,
            JobState.SUCCEEDED,
            "",
            total,
            {Outcome.COPIED: total},
            0,
            0,
            {},
            partitions,
            "",
            EAST,
            1,
            2,
            "n",
        )
    )
    world.regions[WEST].queue.tasks.clear()
    return spec


def receipts_of(world: World, spec: JobSpec) -> list[tuple[bytes, bytes]]:
    """Return each partition's manifest and receipt. They are read in another way than the report reads them."""
    records = world.records(spec)
    pairs = []
    for entry in records.entries_from(""):
        receipt = records.receipt_bytes(entry.partition_id)
        if receipt is not None:
            pairs.append((codec.dumps(entry), receipt))
    return pairs
