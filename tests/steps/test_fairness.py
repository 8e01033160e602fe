"""A tenant with a lot of work and one with a little share a few workers: the little one has its turn soon, by the
policy's arithmetic, whatever the other one has."""

from collections import Counter
from dataclasses import replace

import pytest

from chalicelib.core.model import Priority
from chalicelib.core.policy import Policy
from simulation.run.story import SMALL
from tests.steps.crowd import Crowd

WORKERS = 8
FAIR = replace(SMALL, partition_rows=1, split_links_per_run=10_000, partitions_ahead=8, tenant_partitions_max=6)
WITHOUT = replace(FAIR, partitions_ahead=10**6, tenant_partitions_max=10**6)


def beside(policy: Policy, others: int) -> tuple[int, int]:
    """How many partitions of a noisy tenant were taken from when a quiet one asked until its own was, and how long its
    job took."""
    crowd = Crowd(policy, WORKERS)
    if others:
        crowd.submit("noisy", others)
        crowd.run_until(lambda: len(crowd.taken) == others // 3)
    before = len(crowd.taken)
    crowd.submit("quiet", 1)
    took_ms = crowd.run_until(lambda: crowd.settled("quiet"))
    return [spec.tenant for spec in crowd.taken[before:]].index("quiet"), took_ms


def test_a_quiet_tenant_is_served_within_a_window() -> None:
    _, alone_ms = beside(FAIR, 0)
    taken, took_ms = beside(FAIR, 600)
    # While its request is planned, others are taken; then those that were in the queue before it, at most.
    assert taken <= 2 * FAIR.partitions_ahead
    assert took_ms < 3 * alone_ms
    more, longer_ms = beside(FAIR, 1800)
    assert more <= 2 * FAIR.partitions_ahead, "however many there are"
    assert longer_ms < 3 * alone_ms


def test_without_lines_and_slots_it_waits_for_all() -> None:
    """What the figures above would be: this is not the queue's doing."""
    _, alone_ms = beside(WITHOUT, 0)
    taken, took_ms = beside(WITHOUT, 600)
    assert taken > 200
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
    """Whichever came first: both go on, one four times as fast as the other (of 10 slots 8 and 2)."""
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
