"""The sweep goes round all open jobs, even if one of them is broken."""

from dataclasses import replace

import pytest

from chalicelib.core.errors import Retry
from chalicelib.core.jobs import JobState
from chalicelib.core.rows import Outcome
from chalicelib.core.sweep import worst_takeover_ms
from chalicelib.ports import CopyPartition
from chalicelib.protocol import messages
from chalicelib.protocol.regions import storage_reachable
from simulation.memory.env import CONTROL, EAST, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.calls import crash
from tests.steps.world import MINUTE, SMALL, World


def test_every_open_job_gets_its_turn() -> None:
    """There are seven jobs, a sweep handles two, and every message is lost."""
    world = World(policy=replace(SMALL, sweep_jobs_per_run=2), lose=True)
    for number in range(7):
        world.put(f"in/{number}/object", b"x")
    specs = [world.submit(f"{number}/", f"{number}/", token=f"{number}") for number in range(7)]
    world.settle()
    assert {world.terminal(spec).state for spec in specs} == {JobState.SUCCEEDED}


def test_a_sweep_that_runs_out_of_time_goes_on_where_it_stopped() -> None:
    world = World(lose=True)
    for number in range(5):
        world.put(f"in/{number}/object", b"x")
    specs = [world.submit(f"{number}/", f"{number}/", token=f"{number}") for number in range(5)]

    def slow(_operation: object, bucket: str, key: str) -> None:
        if bucket == CONTROL[EAST].name and key.endswith("/spec"):
            world.clock.advance(8_000)  # Two or three jobs fit in one sweep's share.

    world.store.before_call = slow
    world.settle()
    assert {world.terminal(spec).state for spec in specs} == {JobState.SUCCEEDED}


def test_a_job_whose_records_are_broken_holds_no_other_up() -> None:
    world = World(lose=True)
    world.put("in/a/object", b"x")
    good = world.submit("a/", "a/", token="good")
    for name, key, body in (
        ("a", "spec", b"no json"),
        ("b", "spec", b"{}"),
        ("c", "claim/r-000001/epoch", b""),
        ("d", "manifest/nonsense", b""),
    ):
        broken = f"job-{name * 26}"
        world.store.create(CONTROL[EAST], f"open/{broken}", b"")
        if key != "spec":
            world.store.create(CONTROL[EAST], f"jobs/{broken}/spec", spec_bytes(world, good.job_id))
        world.store.create(CONTROL[EAST], f"jobs/{broken}/{key}", body)
    world.store.create(CONTROL[EAST], "open/job-" + "e" * 26, b"")  # This marker has no record.
    world.run(30 * MINUTE)
    assert world.terminal(good).state is JobState.SUCCEEDED
    assert {fields["job"] for fields in world.events("sweep-job-failed")} == {f"job-{name * 26}" for name in "abcd"}


def spec_bytes(world: World, job_id: str) -> bytes:
    body = world.store.get(CONTROL[EAST], f"jobs/{job_id}/spec")
    assert body is not None
    return body


def test_each_region_writes_its_own_heartbeat() -> None:
    world = World()
    world.run(10 * MINUTE)
    heartbeats = {heartbeat.region: heartbeat for heartbeat in world.ledger.region_heartbeats()}
    assert set(heartbeats) == {WEST, EAST}
    assert all(9 <= heartbeat.counter <= 11 for heartbeat in heartbeats.values())
    assert heartbeats[WEST].at_ms <= world.clock.now_ms()


def test_a_dead_region_whose_storage_answers_now_and_then_is_taken_over_in_time() -> None:
    """Found by the model (UNKNOWN_IS_MOVEMENT): an unreadable heartbeat counted as one that moved."""
    world = World()
    world.put("in/a/1", b"small")
    world.run(2 * MINUTE)
    spec = world.submit("a/", "b/")
    world.faults.rule(Rule(operation=Operation.COPY, act=lambda: crash("West"), error=None))
    world.pump()
    died_ms = world.clock.now_ms()
    world.regions[WEST].next_sweep_ms += 10**12
    world.mail.clear()

    def now_and_then(_operation: Operation, bucket: str, _key: str) -> None:
        if bucket == "control-west" and world.clock.now_ms() // MINUTE % 2:
            raise Retry("Timeout", "the storage of a dying Region")

    world.store.before_call = now_and_then
    world.run(10 * MINUTE)
    assert world.outcomes(spec) == {"in/a/1": Outcome.COPIED}
    (takeover,) = world.ledger.takeovers(10)
    assert takeover.at_ms - died_ms <= worst_takeover_ms(SMALL)


@pytest.mark.parametrize("wrong", ["denied", "missing"])
def test_a_control_bucket_that_refuses_us_stops_nothing_elsewhere(wrong: str) -> None:
    """A wrong policy in West is no reason for East's own jobs to wait."""
    world = World(lose=True)
    world.put("in/a/1", b"small")
    spec = world.submit("a/", "b/", region=EAST)
    if wrong == "denied":
        world.store.deny(CONTROL[WEST])
    else:
        world.store.drop_bucket(CONTROL[WEST])
    world.run(30 * MINUTE)
    assert world.outcomes(spec) == {"in/a/1": Outcome.COPIED}
    assert not storage_reachable(world.east, WEST)


def test_a_job_at_rest_costs_a_few_requests_a_minute() -> None:
    """It reads and writes region heartbeats (two writes, two reads), lists the open jobs and the uploads of both
    Regions, and reads a waiting job's spec and one LIST of its records."""
    world = prefix_job.filled(World(lose=True))
    world.submit("a/", "b/")
    world.sweep(EAST)
    before = sum(world.store.requests.values())
    world.sweep(EAST)
    assert sum(world.store.requests.values()) - before <= 12


def test_a_job_that_merely_takes_long_is_not_disturbed() -> None:
    """Each object takes half a minute. Meanwhile both Regions sweep, and its message comes again and again. The
    worker's heart beats, so no other worker takes its partition over."""
    world = World(policy=replace(SMALL, partition_rows=30))
    keys = [f"in/a/{number:02d}" for number in range(20)]
    for key in keys:
        world.put(key, b"x")
    working = False

    def slow(operation: object, _bucket: str, _key: str) -> None:
        nonlocal working
        if operation == "CopyObject" and not working:
            working = True
            world.run(20_000)
            for _ in range(2):
                world.post(WEST, "copy", messages.dumps(CopyPartition(spec.job_id, EAST, "r-000001")))
                world.pump()
            working = False

    spec = world.submit("a/", "b/")
    world.store.before_call = slow
    world.settle()
    assert world.records(spec).snapshot().claims == {"r-000001": 1}
    assert set(world.outcomes(spec).values()) == {Outcome.COPIED}
    assert world.store.requests[Operation.COPY, "target-east"] == len(keys)


def test_the_terminal_record_is_told_at_least_once_and_the_marker_goes_last() -> None:
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")
    world.settle()
    ends = [end for region in world.regions.values() for _, end in region.notifier.settled]
    assert [end.job_id for end in ends] == [spec.job_id]
    assert ends[0] == world.terminal(spec)
    listed = world.ledger.list_jobs(TENANT, None, 10).jobs
    assert listed[0] == (spec, world.terminal(spec))
