"""Jobs that have settled, and their owners, who want reports."""

from dataclasses import replace

from chalicelib.core import codec
from chalicelib.core.errors import Denied, Retry
from chalicelib.core.model import (
    JobSpec,
    JobState,
    Manifest,
    Method,
    Outcome,
    Receipt,
    Row,
    RowOutcome,
    Terminal,
    Verification,
)
from chalicelib.core.report import ReportFormat
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
"""A few rows make a piece."""
ROOMY = replace(TINY, part_max_bytes=10**6)
KEYS = [f"in/a/{number:02d}" for number in range(14)]
DENIED = "in/a/05"


def settled(world: World) -> JobSpec:
    """A job of four partitions, of which one object was denied. Not counted among the calls."""
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


def ask(world: World, spec: JobSpec, wanted: ReportFormat, region: str = EAST) -> ReportView | None:
    """One request. A client that gets no answer learns nothing."""
    try:
        return report.fetch(world.regions[region].env, TENANT, spec.job_id, wanted)
    except Crash as died:
        world.crashes.append(str(died))
    except Retry:
        pass
    return None


def wait_for(world: World, spec: JobSpec, wanted: ReportFormat, region: str = EAST) -> ReportView:
    """Asks until it is there, as a client does."""
    for _ in range(200):
        view = ask(world, spec, wanted, region)
        if view is not None:
            return view
        world.run(5 * SECOND)
    raise AssertionError(f"never made: {world.log_tail()}")


def fetched(world: World, spec: JobSpec, wanted: ReportFormat, region: str = EAST) -> bytes:
    found: Fetched = follow(world.store, wait_for(world, spec, wanted, region).url)
    assert found.status == 200
    return found.body


def synthetic(world: World, partitions: int, rows: int) -> JobSpec:
    """A settled job by its records alone, for reports of more rows than a test has time to copy."""
    spec = world.submit("a/", "b/", token=f"{partitions} of {rows}")
    records = ControlRecords(world.observer, EAST).job(spec.job_id)
    for ordinal in range(1, partitions + 1):
        keys = [f"in/a/{ordinal:06d}/{number:06d}" for number in range(rows)]
        part, last = f"r-{ordinal:06d}", ordinal == partitions
        planned = tuple(Row(key, f"out/b/{key}", 7, "0" * 32, None, Method.COPY) for key in keys)
        found = tuple(RowOutcome(key, Outcome.COPIED, etag="0" * 32, verification=Verification.ETAG) for key in keys)
        manifest = Manifest(spec.job_id, part, "", "", last, planned, 0, 0, WEST, "n")
        records.create_link(manifest)
        records.create_receipt(Receipt(spec.job_id, part, EAST, "", found, 0, 0, last, "", 1, 2, "n"))
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
    """Each partition's manifest and receipt, read by another way than the report's."""
    records = world.records(spec)
    found = []
    for link in records.links_from(""):
        receipt = records.receipt_bytes(link.part)
        if receipt is not None:
            found.append((codec.dumps(link), receipt))
    return found
