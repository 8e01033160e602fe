"""Test the rest of the in-memory world: planned faults, ledger, queue, clock, env."""

import pytest

from chalicelib.core.errors import Denied, Retry
from chalicelib.core.jobs import JobKind, JobSpec, JobState, Terminal
from chalicelib.core.leases import LeasePhase, PartitionLease
from chalicelib.core.rows import OverwriteMode
from chalicelib.ports import (
    CopyPartition,
    Env,
    ObjectEvent,
    ObjectStore,
    Placement,
    PlanRange,
    QueueName,
    SourceRef,
    Task,
    VerifyDelivery,
)
from simulation.memory.clock import SeededRng, SequentialIds, SerialPool, VirtualClock
from simulation.memory.env import EAST, ENDPOINTS, SOURCE, TARGET, TENANT, WEST, make_env, make_store
from simulation.memory.faults import FaultyStore, Rule, When
from simulation.memory.ledger import MemoryLedger
from simulation.memory.operations import Operation
from simulation.memory.queue import MemoryQueue

SPEC = JobSpec(
    job_id="job-1",
    tenant=TENANT,
    kind=JobKind.PREFIX,
    source=ENDPOINTS["source-west"],
    target=ENDPOINTS["target-east"],
    source_prefix="in/",
    target_prefix="out/",
    mode=OverwriteMode.IF_CHANGED,
    home=WEST,
    created_ms=1,
    request_sha256="",
)
TERMINAL = Terminal("job-1", JobState.SUCCEEDED, "", 0, {}, 0, 0, {}, 0, "", EAST, 1, 2, "nonce")


def lease(part: str, region: str, epoch: int = 1) -> PartitionLease:
    return PartitionLease("job-1", part, region, epoch, "worker", 1, LeasePhase.COPYING, 0, 0, 0, 0, {}, {})


# --- faults -------------------------------------------------------------------------------------------------------


def test_refused_request_has_no_effect() -> None:
    store = make_store()
    faulty = FaultyStore(store, [Rule(Operation.PUT)])
    with pytest.raises(Retry):
        faulty.create(TARGET[WEST], "key", b"body")
    assert store.versions(TARGET[WEST], "key") == []
    faulty.create(TARGET[WEST], "key", b"body")
    assert store.get(TARGET[WEST], "key") == b"body"


def test_lost_answer_has_its_effect() -> None:
    store = make_store()
    faulty = FaultyStore(store, [Rule(Operation.PUT, when=When.AFTER)])
    with pytest.raises(Retry):
        faulty.create(TARGET[WEST], "key", b"body")
    assert store.get(TARGET[WEST], "key") == b"body"


def test_rule_counts_what_it_concerns() -> None:
    faulty = FaultyStore(make_store())
    rule = faulty.rule(Rule(Operation.HEAD, bucket="target-west", key="key", first=2, times=2))
    outcomes = []
    for bucket, key in [("west", "key"), ("east", "key"), ("west", "other")] + [("west", "key")] * 3:
        try:
            faulty.head(TARGET[WEST if bucket == "west" else EAST], key)
            outcomes.append("answered")
        except Retry:
            outcomes.append("lost")
    assert outcomes == ["answered", "answered", "answered", "lost", "lost", "answered"]
    assert rule.matched == 4
    assert len(faulty.calls) == 6


def test_region_that_is_cut() -> None:
    faulty = FaultyStore(make_store(), [Rule(region=EAST, times=None)])
    for _ in range(3):
        with pytest.raises(Retry):
            faulty.list(TARGET[EAST], "")
    faulty.list(TARGET[WEST], "")


def test_somebody_acts_just_before_a_request() -> None:
    store = make_store()
    source = store.put(SOURCE[WEST], "in/a", b"ours")

    def intrude() -> None:
        store.put(TARGET[EAST], "out/a", b"theirs")

    denied = Rule(Operation.DELETE, error=lambda: Denied("AccessDenied"))
    faulty = FaultyStore(store, [Rule(Operation.COPY, act=intrude, error=None), denied])
    with pytest.raises(Exception, match="PreconditionFailed"):
        faulty.copy(SourceRef(SOURCE[WEST], "in/a", source.etag), TARGET[EAST], "out/a", None, Placement())
    with pytest.raises(Denied):
        faulty.delete(TARGET[EAST], "out/a")
    assert store.get(TARGET[EAST], "out/a") == b"theirs"


# --- queue, clock, pool, env --------------------------------------------------------------------------------------


def test_queue_keeps_what_is_sent_until_it_is_taken() -> None:
    queue = MemoryQueue()
    first, second = PlanRange("job-1", WEST, "r"), CopyPartition("job-1", WEST, "p1")
    queue.send([first, second])
    queue.send_object_events([ObjectEvent("source-west", "in/a")], delay_ms=5_000)
    queue.send_verify_deliveries([VerifyDelivery("feed", "in/a", "pin")])
    assert queue.take(QueueName.COPY) == second
    assert queue.of(QueueName.SPLIT) == [first]
    assert queue.delays == [(ObjectEvent("source-west", "in/a"), 5_000)]
    handled: list[Task] = []

    def handle(task: Task) -> None:
        handled.append(task)
        if task == first:
            queue.send([second])

    assert queue.drain(handle) == 2
    assert handled == [first, second]


def test_time_passes_by_sleeping_only() -> None:
    clock = VirtualClock(1_000)
    assert clock.now_ms() == clock.now_ms() == 1_000
    clock.sleep_ms(500)
    clock.advance(1)
    assert clock.now_ms() == 1_501


def test_same_seed_same_numbers() -> None:
    first, second = SeededRng(7), SeededRng(7)
    numbers = [first.uniform() for _ in range(10)]
    assert numbers == [second.uniform() for _ in range(10)]
    assert all(0 <= number < 1 for number in numbers)
    ids = SequentialIds("a")
    assert ids.nonce() != ids.nonce()


def test_serial_pool_ticks_and_stops_at_the_first_error() -> None:
    ticks: list[int] = []
    done: list[int] = []

    def work(number: int) -> int:
        if number == 3:
            raise Denied("AccessDenied")
        done.append(number)
        return number * 2

    pool = SerialPool()
    assert pool.map(work, [1, 2], lambda: ticks.append(len(done))) == [2, 4]
    assert ticks == [0, 1, 2]
    with pytest.raises(Denied):
        pool.map(work, [1, 3, 4])
    assert 4 not in done


def test_env_of_two_regions_over_one_world() -> None:
    clock = VirtualClock()
    store: ObjectStore = FaultyStore(make_store(clock))
    ledger = MemoryLedger()
    envs: list[Env] = [make_env(region, store, clock=clock, ledger=ledger) for region in (WEST, EAST)]
    west, east = envs
    west.store.create(west.control_buckets[EAST], "record", west.ids.nonce().encode())
    assert east.store.get(east.control_buckets[EAST], "record") == b"worker-us-gov-west-1-000001"
    assert west.ids.nonce() != east.ids.nonce()
    assert west.queue is not east.queue
