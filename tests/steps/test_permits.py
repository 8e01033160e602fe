"""Permits in use: a worker that waits claims nothing and comes again. A worker keeps its permit while it works, and no
longer."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.jobs import JobSpec
from chalicelib.core.permits import Permit
from chalicelib.core.rows import Outcome
from simulation.memory.env import ENDPOINTS, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.calls import crash, refuse
from tests.steps.pausing import slow_world
from tests.steps.world import MINUTE, SECOND, SMALL, World

POOL = f"tenant#{TENANT}"
ONE = replace(SMALL, partition_rows=1, tenant_partitions_max=1)
OTHER = "job-of-another"


def world_of(objects: int = 1) -> World:
    world = World(policy=ONE)
    for number in range(objects):
        world.put(f"in/a/{number}", b"x%d" % number)
    return world


def occupy(world: World, until_ms: int = 10**15, pool: str = POOL) -> None:
    """Let somebody hold the semaphore's only permit."""
    assert world.ledger.swap_permit(Permit(WEST, pool, 1, "another", OTHER, 4, until_ms), "")


def leave(world: World, pool: str = POOL) -> None:
    assert world.ledger.swap_permit(Permit(WEST, pool, 1, "", OTHER, 4, 0), "another")


def held(world: World) -> list[Permit]:
    return [permit for permit in world.ledger.permits.values() if permit.taken(world.clock.now_ms())]


def copies(world: World) -> list[dict[str, Any]]:
    world.collect()
    return [json.loads(mail.body) for mail in world.mail if mail.queue == "copy"]


def check(world: World, spec: JobSpec, objects: int = 1) -> None:
    assert world.terminal(spec).counts == {Outcome.COPIED: objects}
    assert held(world) == []
    assert world.dead_letters == []


def test_who_waits_claims_nothing_and_comes_again_ever_more_slowly() -> None:
    world = world_of()
    occupy(world)
    spec = world.submit("a/", "b/")
    delays_ms: list[int] = []
    world.pump()
    for waited in range(1, 12):
        (task,) = copies(world)
        assert task["permit_waits"] == waited
        due_ms = next(mail.due_ms for mail in world.mail if mail.queue == "copy")
        delays_ms.append(due_ms - world.clock.now_ms())
        world.clock.advance(delays_ms[-1])
        world.pump()
    assert world.records(spec).snapshot().claims == {}
    assert all(SECOND <= delay_ms <= 61 * SECOND for delay_ms in delays_ms)
    assert max(delays_ms[:2]) <= 5 * SECOND
    assert max(delays_ms[5:]) > 15 * SECOND
    leave(world)
    world.settle()
    check(world, spec)


def test_the_sweep_sends_nothing_anew_for_a_job_that_is_known_to_wait() -> None:
    """Otherwise its messages would breed for as long as it has to wait."""
    world = world_of(5)
    occupy(world)
    spec = world.submit("a/", "b/")
    world.run(300 * MINUTE)
    assert len(copies(world)) == 5
    leave(world)
    world.settle()
    check(world, spec, 5)


def test_a_waiting_message_that_is_lost_is_sent_anew() -> None:
    world = world_of()
    occupy(world)
    spec = world.submit("a/", "b/")
    world.pump()
    world.mail[:] = [mail for mail in world.mail if mail.queue != "copy"]
    leave(world)
    world.settle()
    check(world, spec)


def test_a_permit_is_kept_for_as_long_as_the_work_takes() -> None:
    """Nobody else takes the permit. Each object takes 20 s, and a permit would expire after 90 s."""
    world = slow_world(replace(SMALL, partition_rows=10, tenant_partitions_max=1))
    for number in range(20):
        world.put(f"in/a/{number:02d}", b"x")
    permits_held: set[int] = set()
    world.faults.rule(Rule(Operation.COPY, times=None, error=None, act=lambda: permits_held.add(len(held(world)))))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.terminal(spec).counts == {Outcome.COPIED: 20}
    assert permits_held == {1}
    assert held(world) == []


def test_the_permit_of_a_worker_that_died_expires() -> None:
    world = world_of(2)
    spec = world.submit("a/", "b/")
    world.calls.plan(1, before=crash, is_counted=lambda label: label == "store.copy")
    world.pump()
    assert world.crashes
    assert len(held(world)) == 1
    world.settle(30 * MINUTE)
    check(world, spec, 2)


def test_whoever_lost_his_permit_goes_on() -> None:
    world = slow_world(replace(ONE, partition_rows=10))
    for number in range(10):
        world.put(f"in/a/{number:02d}", b"x")

    def steal() -> None:
        (mine,) = held(world)
        assert world.ledger.swap_permit(replace(mine, holder="thief"), mine.holder)

    world.faults.rule(Rule(Operation.COPY, first=2, error=None, act=steal))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.terminal(spec).counts == {Outcome.COPIED: 10}
    assert world.records(spec).snapshot().claims == {"r-000001": 1}
    assert len(world.events("permit-lost")) == 1
    assert [permit.holder for permit in world.ledger.permits.values()] == ["thief"], "what is another's is left to it"


@pytest.mark.parametrize("call", ["ledger.get_semaphore", "ledger.swap_permit"])
def test_without_the_table_the_work_goes_on_without_a_permit_and_says_so(call: str) -> None:
    world = world_of()
    occupy(world)
    if call == "ledger.swap_permit":
        leave(world)
    spec = world.submit("a/", "b/")
    world.calls.plan(1, before=refuse, is_counted=lambda label: label == call)
    world.pump()
    assert world.terminal(spec).counts == {Outcome.COPIED: 1}
    assert len(world.events("without-a-permit")) == 1


def test_an_endpoint_with_a_limit() -> None:
    """While the endpoint is full, nothing is copied from it, and no permit of the tenant is kept."""
    limited = ENDPOINTS | {"source-west": replace(ENDPOINTS["source-west"], max_concurrency=1)}
    world = World(policy=ONE, endpoints=limited)
    world.put("in/a/0", b"x")
    world.put("out/a/0", b"x", ENDPOINTS["target-west"].bucket)
    pool = f"endpoint#{TENANT}#source-west"
    occupy(world, pool=pool)
    spec = world.submit("a/", "b/")
    world.run(2 * MINUTE)
    assert world.records(spec).snapshot().claims == {}
    assert [permit.semaphore for permit in held(world)] == [pool]
    # The tenant's other endpoints are free.
    other = world.submit("a/", "c/", token="other", endpoints=("target-west", "target-east"))
    world.run(2 * MINUTE)
    assert world.terminal(other).counts == {Outcome.COPIED: 1}
    leave(world, pool)
    world.settle()
    check(world, spec)


def test_a_feeds_job_waits_too_and_what_intake_delivers_on_the_spot_does_not() -> None:
    world = World(policy=replace(ONE, partition_rows=10))
    occupy(world)
    keys = [f"in/{number}" for number in range(world.policy.inline_objects + 1)]
    for key in keys:
        world.put(key, b"x")
    world.announce(*keys)
    world.drop("in/alone", b"x")
    world.pump()
    assert world.body("out/alone") == b"x"
    assert world.body("out/0") is None
    leave(world)
    world.settle()
    assert {world.body(key.replace("in/", "out/")) for key in keys} == {b"x"}


def test_a_takeover_goes_on_without_a_permit() -> None:
    """The worker died, and others have taken the permit since. The work is finished as soon as users are promised."""
    world = world_of()
    spec = world.submit("a/", "b/")
    world.calls.plan(1, before=crash, is_counted=lambda label: label == "store.copy")
    world.redeliver = False
    world.pump()
    (dead,) = held(world)
    assert world.ledger.swap_permit(replace(dead, holder="another", until_ms=10**15), dead.holder)
    world.run(4 * MINUTE)
    assert world.terminal(spec).counts == {Outcome.COPIED: 1}


def test_a_helper_without_a_permit_is_not_missed() -> None:
    world = World(policy=replace(ONE, parts_per_worker=2, workers_per_object=3))
    world.put("in/a/large", bytes(range(100)))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.written("out/b/large")[0].body == bytes(range(100))
    check(world, spec)
