"""Decides about permits: they limit how many partitions of a tenant, or at an endpoint, one Region copies at once.

The permits of a pool are numbered items of the table. Only workers of their own Region read and write them, with
conditions on its own replica and by its own clock. Permits give tenants fair shares and protect buckets from overload.
They protect no data: a worker that loses its permit to another goes on, and so does a worker that can't read the table.
"""

from dataclasses import dataclass
from itertools import count, islice

CHOICE = 8
"""The number of free permits among which a worker chooses. Workers that look at the same moment then rarely choose the
same one."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of permits: a tenant's or an endpoint's, by `name`."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One permit of a pool."""

    region: str
    pool: str
    number: int
    """From 1."""
    holder: str
    """The holder's nonce; "" when it is free."""
    job_id: str
    weight: int
    """The weight of the job's priority."""
    until_ms: int
    """When it expires unless it is renewed, by its Region's clock."""

    def taken(self, now_ms: int) -> bool:
        return bool(self.holder) and now_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class Waiter:
    """A job with a partition that found no free permit. It counts until `until_ms`, when the partition's message should
    have arrived again."""

    region: str
    pool: str
    job_id: str
    weight: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class SlotPool:
    """The state of a pool in one Region's table."""

    slots: tuple[Slot, ...] = ()
    waiters: tuple[Waiter, ...] = ()


def choose(there: SlotPool, size: int, job_id: str, weight: int, now_ms: int, uniform: float) -> tuple[int, str] | None:
    """Return the number of a permit that the job may take, and its expired holder's nonce, or "". None if the job has
    to wait.

    Jobs that compete share a pool by their weights. Without that, a job whose partition finishes would take its own
    permit again at once, and the others would never get one. A job with less than its share takes any free permit. A
    job that has its share leaves one free permit for each other waiting job, and takes the rest. So a permit is idle
    only until the waiting jobs try again.
    """
    taken = [slot for slot in there.slots if slot.taken(now_ms)]
    left = size - len(taken)
    if left <= 0:
        return None
    waiting = {w.job_id: w.weight for w in there.waiters if w.job_id != job_id and now_ms < w.until_ms}
    competing = waiting | {slot.job_id: slot.weight for slot in taken if slot.job_id != job_id}
    share = size * weight / (weight + sum(competing.values()))
    held = sum(slot.job_id == job_id for slot in taken)
    if held + 1 > max(1.0, share) and left <= len(waiting):
        return None
    number = _any_free({slot.number for slot in taken}, min(CHOICE, left), uniform)
    return number, next((slot.holder for slot in there.slots if slot.number == number), "")


def _any_free(taken: set[int], choice: int, uniform: float) -> int:
    """Return one of the `choice` lowest numbers that are not taken."""
    free = list(islice((number for number in count(1) if number not in taken), choice))
    return free[int(uniform * len(free))]
