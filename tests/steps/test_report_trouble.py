"""Reports while everything goes wrong: a process dies, or another one makes the same report. The result is the same
file, and it is written once."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from chalicelib.core.errors import Conflict, Retry
from chalicelib.core.jobs import JobSpec
from chalicelib.core.report import ReportFormat
from chalicelib.ports import MakeReport
from chalicelib.protocol.records import ControlRecords
from chalicelib.steps import report
from simulation.memory.buckets import Limits
from simulation.memory.env import CONTROL, EAST, WEST
from simulation.memory.faults import Rule, When
from simulation.memory.operations import Operation
from tests.steps.calls import Act, crash, lose_answer, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.reporting import KEYS, PIECES, ROOMY, ask, fetched, settled, synthetic, wait_for
from tests.steps.world import MINUTE, SECOND, SMALL, World

MAKERS: dict[str, Callable[[], World]] = {
    "one-piece": World,
    "many-pieces": lambda: World(policy=PIECES, limits=ROOMY),
    "message-is-lost": lambda: World(policy=PIECES, limits=ROOMY, redeliver=False),
}


def world_with_job(maker: Callable[[], World]) -> World:
    """Return a world with one settled job. Its keys, clock and nonces are always the same, and so are its reports."""
    world = maker()
    settled(world)
    return world


def spec_of(world: World) -> JobSpec:
    [key] = [key for key in world.store.keys(CONTROL[EAST]) if key.endswith("/spec")]
    spec = ControlRecords(world.observer, EAST).job(key.split("/")[1]).spec()
    assert spec is not None
    return spec


def report_of(world: World, report_format: ReportFormat) -> bytes:
    body = fetched(world, spec_of(world), report_format)
    world.calls.paused = True
    return body


def written_once(world: World, call: str) -> None:
    for key in world.store.keys(CONTROL[EAST]):
        if key.startswith("report/"):
            assert len(world.store.versions(CONTROL[EAST], key)) == 1, (call, key)


@pytest.mark.parametrize("report_format", [ReportFormat.CSV, ReportFormat.RECEIPTS])
@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_it_survives_a_crash_at_any_call(maker: Callable[[], World], report_format: ReportFormat) -> None:
    expected = report_of(world_with_job(maker), report_format)
    everywhere = at_every_call(
        partial(world_with_job, maker), partial(report_of, report_format=report_format), lambda _: crash, least=15
    )
    for world, body, call in everywhere:
        assert body == expected, call
        written_once(world, call)
        assert world.dead_letters == [], call


@pytest.mark.parametrize("act", [lose_answer, refuse])
def test_it_survives_no_answer_to_any_call(act: Act) -> None:
    expected = report_of(world_with_job(MAKERS["many-pieces"]), ReportFormat.CSV)
    for after in (False, True):
        for world, body, call in at_every_call(
            partial(world_with_job, MAKERS["many-pieces"]),
            partial(report_of, report_format=ReportFormat.CSV),
            lambda _: act,
            is_counted=lambda label: label != "store.presign",
            after=after,
        ):
            assert body == expected, call
            written_once(world, call)


def test_two_makers_at_once_in_either_region_make_one_report() -> None:
    """At every call of one of them, the other one makes the whole report."""
    expected = report_of(world_with_job(MAKERS["many-pieces"]), ReportFormat.CSV)

    def other(world: World) -> Act:
        spec = spec_of(world)
        deadline_ms = world.clock.now_ms() + 5 * MINUTE
        return lambda _: report.run(world.west, MakeReport(spec.job_id, EAST, ReportFormat.CSV), deadline_ms)

    for world, body, call in at_every_call(
        partial(world_with_job, MAKERS["many-pieces"]),
        partial(report_of, report_format=ReportFormat.CSV),
        other,
        least=15,
    ):
        assert body == expected, call
        written_once(world, call)
        assert world.store.uploads(CONTROL[EAST]) == (), call
        assert world.dead_letters == [], call


@pytest.mark.parametrize("when", When)
def test_an_upload_that_is_spent_is_given_up(when: When) -> None:
    world = world_with_job(MAKERS["many-pieces"])
    world.faults.rule(
        Rule(operation=Operation.COMPLETE, when=when, error=partial(Conflict, "ConditionalRequestConflict"))
    )
    report_of(world, ReportFormat.CSV)
    assert world.store.uploads(CONTROL[EAST]) == ()


def test_a_region_dies_in_the_middle_and_the_other_one_goes_on() -> None:
    world = world_with_job(MAKERS["many-pieces"])
    spec = spec_of(world)
    expected = report_of(world_with_job(MAKERS["many-pieces"]), ReportFormat.NDJSON)
    assert ask(world, spec, ReportFormat.NDJSON, WEST) is None
    world.calls.plan(12, before=crash)
    world.pump()
    assert world.calls.fired
    world.mail.clear()
    world.regions[WEST].next_sweep_ms += 10**12
    assert fetched(world, spec, ReportFormat.NDJSON, EAST) == expected


# --- long ones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("report_format", list(ReportFormat))
@pytest.mark.parametrize("piece_bytes", [300, 1000, 10**6])
def test_what_takes_long_is_made_in_turns(report_format: ReportFormat, piece_bytes: int) -> None:
    """Each run does one partition, so that other jobs are planned meanwhile. So does a run that adds nothing to the
    report."""
    plain = world_with_job(MAKERS["one-piece"])
    expected = report_of(plain, report_format)
    world = world_with_job(lambda: World(policy=replace(SMALL, report_piece_bytes=piece_bytes), limits=ROOMY))

    def slow(operation: Operation, _bucket: str, key: str) -> None:
        if operation is Operation.GET and "/manifest/" in key:
            world.clock.advance(report.RUN_MS)

    world.store.before_call = slow
    assert report_of(world, report_format) == expected
    written_once(world, "")
    runs = [name for name in world.calls.labels if name == "queue.send"]
    assert len(runs) > len(KEYS) // 4, "ordered once, and gone on with once for each partition"


def test_whoever_asks_while_it_is_made_orders_no_second_maker() -> None:
    """Each run of a minute says that it is at work, however long the report takes."""
    world = World(policy=replace(SMALL, report_piece_bytes=1000), limits=ROOMY)
    spec = synthetic(world, 20, 3)
    orders: list[int] = []

    def slow(operation: Operation, _bucket: str, key: str) -> None:
        if operation is Operation.GET and "/manifest/" in key:
            world.clock.advance(10 * SECOND)
            orders.append(len(world.events("report-ordered")))

    world.store.before_call = slow
    world.watch = lambda: ask(world, spec, ReportFormat.CSV)
    assert ask(world, spec, ReportFormat.CSV) is None
    world.pump()
    world.store.before_call = None
    assert len(orders) >= 20, "more than three minutes of work"
    assert set(orders) == {1}
    assert len(world.events("report-made")) == 1


def test_a_split_that_waits_comes_in_between() -> None:
    world = World(policy=replace(SMALL, report_piece_bytes=1000), limits=ROOMY)
    spec = synthetic(world, 40, 3)
    world.store.before_call = lambda operation, _bucket, key: (
        world.clock.advance(10 * SECOND) if operation is Operation.GET and "/manifest/" in key else None
    )
    assert ask(world, spec, ReportFormat.CSV) is None
    world.collect()
    world.put("in/other/1", b"one")
    world.submit("other/", "other/", token="other", region=EAST)
    world.pump()
    events = [name for name, _ in world.regions[EAST].log.lines]
    assert events.index("job-settled") < events.index("report-made")


def test_memory_is_flat() -> None:
    """60,000 rows take hardly more memory than 20,000 (the names of their partitions), and a fraction of the file's
    size."""
    (few, _), (many, file_bytes) = (peak_bytes(partitions) for partitions in (80, 240))
    assert many < 1.4 * few, (few, many)
    assert many < file_bytes / 3


def peak_bytes(partitions: int) -> tuple[int, int]:
    """Return the most bytes that making a report of so many partitions, of 250 rows each, holds at a time without the
    stored ones, and the size of the report in bytes."""
    world = World(policy=replace(SMALL, report_piece_bytes=200_000), limits=Limits(part_min_bytes=1))
    spec = synthetic(world, partitions, 250)
    peaks: list[int] = []
    before: list[Operation] = []

    def stored() -> int:
        versions = (world.store.current(CONTROL[EAST], key) for key in world.store.keys(CONTROL[EAST]))
        return sum(len(version.body) for version in versions if version is not None)

    def measure(operation: Operation, _bucket: str, _key: str) -> None:
        _, peak = tracemalloc.get_traced_memory()
        if before and before[-1] is not Operation.COMPLETE:  # Else the memory store joins the parts.
            peaks.append(peak - (stored() - stored_before))
        before.append(operation)
        tracemalloc.reset_peak()

    stored_before = stored()
    tracemalloc.start()
    world.store.before_call = measure
    try:
        report.run(world.east, MakeReport(spec.job_id, EAST, ReportFormat.CSV), world.clock.now_ms() + 5 * MINUTE)
    finally:
        world.store.before_call = None
        tracemalloc.stop()
    description = wait_for(world, spec, ReportFormat.CSV).made
    assert description.rows == partitions * 250
    return max(peaks), description.bytes


def test_a_report_too_large_to_be_read_again_has_no_digest() -> None:
    world = world_with_job(lambda: World(policy=replace(PIECES, report_digest_max_bytes=2000), limits=ROOMY))
    assert wait_for(world, spec_of(world), ReportFormat.CSV).made.sha256 == ""


def test_storage_that_can_not_be_reached_is_waited_for() -> None:
    world = world_with_job(MAKERS["many-pieces"])
    dead = world.faults.rule(Rule(region=EAST, times=None))
    with pytest.raises(Retry):
        report.fetch(world.west, "acme", spec_of(world).job_id, ReportFormat.CSV)
    world.faults.rules.remove(dead)
    assert fetched(world, spec_of(world), ReportFormat.CSV)
