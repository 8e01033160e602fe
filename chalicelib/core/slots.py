"""Slots: how many partitions are copied at once, of a tenant or at an endpoint, in one Region.

A pool's slots are numbered items of the table, which only workers of their own Region read and write, by conditions on
its own replica and by its own clock. They keep the peace between tenants and protect buckets; they protect no data: a
worker whose slot was taken from it goes on, and so does one that can't read the table.
"""

from dataclasses import dataclass
from itertools import count, islice

CHOICE = 8
"""Among how many free slots a worker chooses: so that workers that look at the same moment rarely want the same one."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What is divided into slots: `name` is a tenant's or an endpoint's."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in a pool."""

    region: str
    pool: str
    number: int
    """From 1."""
    holder: str
    """The holder's nonce; "" when it is free."""
    job_id: str
    weight: int
    """Of the job."""
    until_ms: int
    """When it expires unless it is renewed, by its Region's clock."""

    def taken(self, now_ms: int) -> bool:
        return bool(self.holder) and now_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class Waiter:
    """A job of which a partition found no free slot. It counts until then, which is when it will have come again."""

    region: str
    pool: str
    job_id: str
    weight: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class SlotPool:
    """What a Region's table says of a pool."""

    slots: tuple[Slot, ...] = ()
    waiters: tuple[Waiter, ...] = ()


def choose(there: SlotPool, size: int, job_id: str, weight: int, now_ms: int, uniform: float) -> tuple[int, str] | None:
    """The number of a slot that the job may take, and who holds it (nobody that lives); None: it has to wait.

    Jobs that compete share a pool by their weights. Without that, the one whose partition finishes would at once take
    its own slot again, and the others would never have any. A job with less than its share takes any free slot. One
    that has its share leaves a free slot for each other job that waits, and takes the rest: so no slot is idle for more
    than the time until they come again.
    """
    taken = [slot for slot in there.slots if slot.taken(now_ms)]
    numbers = {slot.number for slot in taken}
    left = size - len(taken)
    if left <= 0:
        return None
    waiting = {w.job_id: w.weight for w in there.waiters if w.job_id != job_id and now_ms < w.until_ms}
    competing = waiting | {slot.job_id: slot.weight for slot in taken if slot.job_id != job_id}
    share = size * weight / (weight + sum(competing.values()))
    held = sum(slot.job_id == job_id for slot in taken)
    if held + 1 > max(1.0, share) and left <= len(waiting):
        return None
    free = list(islice((number for number in count(1) if number not in numbers), min(CHOICE, left)))
    number = free[int(uniform * len(free))]
    return number, next((slot.holder for slot in there.slots if slot.number == number), "")
