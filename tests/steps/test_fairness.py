"""A tenant with much work and one with little share a few workers. The one with little has its turn soon, as the
policy's numbers say, however much the other one has."""

from collections import Counter
from dataclasses import replace

import pytest

from chalicelib.core.jobs import Priority
from chalicelib.core.policy import Policy
from simulation.run.story import SMALL
from tests.steps.crowd import Crowd

WORKERS = 8
FAIR = replace(SMALL, partition_rows=1, split_entries_per_run=10_000, partitions_ahead=8, tenant_partitions_max=6)
WITHOUT = replace(FAIR, partitions_ahead=10**6, tenant_partitions_max=10**6)


def beside(policy: Policy, partitions: int) -> tuple[int, int]:
    """Submit a noisy tenant's job, and then a quiet one's. Return how many of the noisy one's partitions were claimed
    before the quiet one's, and how long the quiet job took, in ms."""
    crowd = Crowd(policy, WORKERS)
    if partitions:
        crowd.submit("noisy", partitions)
        crowd.run_until(lambda: len(crowd.taken) == partitions // 3)
    claimed_before = len(crowd.taken)
    crowd.submit("quiet", 1)
    took_ms = crowd.run_until(lambda: crowd.settled("quiet"))
    return [spec.tenant for spec in crowd.taken[claimed_before:]].index("quiet"), took_ms


def test_a_quiet_tenant_is_served_within_a_window() -> None:
    _, alone_ms = beside(FAIR, 0)
    claimed, took_ms = beside(FAIR, 600)
    # Some are claimed while its request is planned, then at most those that were in the queue before it.
    assert claimed <= 2 * FAIR.partitions_ahead
    assert took_ms < 3 * alone_ms
    claimed_beside_more, longer_ms = beside(FAIR, 1800)
    assert claimed_beside_more <= 2 * FAIR.partitions_ahead, "however many there are"
    assert longer_ms < 3 * alone_ms


def test_without_lanes_and_permits_it_waits_for_all() -> None:
    """The other tests' figures are due to lanes and permits. The queue alone does not give them."""
    _, alone_ms = beside(WITHOUT, 0)
    claimed, took_ms = beside(WITHOUT, 600)
    assert claimed > 200
    assert took_ms > 8 * alone_ms


def test_no_tenant_has_all_workers() -> None:
    crowd = Crowd(FAIR, WORKERS)
    for name in ("a", "b", "c"):
        crowd.submit("noisy", 60, name=name)
    crowd.run_until(lambda: crowd.settled("noisy"))
    assert crowd.most["noisy"] == FAIR.tenant_partitions_max
    assert len(crowd.taken) == 180, "each partition is claimed once"


def test_the_queue_stays_short() -> None:
    crowd = Crowd(FAIR, WORKERS)
    crowd.submit("noisy", 400)
    longest = 0

    def done() -> bool:
        nonlocal longest
        longest = max(longest, crowd.waiting)
        return crowd.settled("noisy")

    crowd.run_until(done)
    assert longest <= FAIR.partitions_ahead
    without = Crowd(WITHOUT, WORKERS)
    without.submit("noisy", 400)
    without.run_until(lambda: without.waiting > 200)


def test_an_endpoint_is_spared() -> None:
    crowd = Crowd(FAIR, WORKERS, endpoint_max=2)
    for name in ("a", "b"):
        crowd.submit("acme", 20, name=name)
    crowd.run_until(lambda: crowd.settled("acme"))
    assert crowd.most["acme"] == 2


@pytest.mark.parametrize("first", [Priority.LOW, Priority.HIGH])
def test_priority_is_a_share_and_no_order(first: Priority) -> None:
    """Both jobs go on, whichever came first. One is four times as fast as the other (8 and 2 of 10 permits)."""
    policy = replace(FAIR, tenant_partitions_max=10, partitions_ahead=16)
    crowd = Crowd(policy, 12)
    order = (Priority.HIGH, Priority.NORMAL) if first is Priority.HIGH else (Priority.NORMAL, Priority.HIGH)
    for priority in order:
        crowd.submit("acme", 600, priority, name=priority)
    crowd.run_until(lambda: len(crowd.taken) == 100)
    crowd.run_until(lambda: len(crowd.taken) == 500)
    shares = Counter(spec.priority for spec in crowd.taken[100:])
    assert 2.5 < shares[Priority.HIGH] / shares[Priority.NORMAL] < 6, shares


def test_a_tenants_second_job_does_not_wait_for_its_first() -> None:
    crowd = Crowd(FAIR, WORKERS)
    crowd.submit("acme", 500, name="large")
    crowd.run_until(lambda: len(crowd.taken) == 100)
    crowd.submit("acme", 1, name="small")
    crowd.run_until(lambda: crowd.taken[-1].source_prefix.endswith("small/"))
    assert len(crowd.taken) < 160
