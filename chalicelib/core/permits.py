"""Decides about permits: they limit how many partitions of a tenant, or at an endpoint, one Region copies at once.

The permits of a semaphore are numbered items of the table. Only workers of their own Region read and write them, with
conditions on its own replica and by its own clock. Permits give tenants fair shares and protect buckets from overload.
They protect no data: a worker that loses its permit to another goes on, and so does a worker that can't read the table.
"""

from dataclasses import dataclass
from itertools import count, islice

CHOICE = 8
"""The number of free permits among which a worker chooses. Workers that look at the same moment then rarely choose the
same one."""


@dataclass(frozen=True, slots=True)
class Semaphore:
    """A semaphore of permits: a tenant's or an endpoint's, by `name`."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Permit:
    """One permit of a semaphore."""

    region: str
    semaphore: str
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
class PermitRequest:
    """A job with a partition that found no free permit. It counts until `until_ms`, when the partition's message should
    have arrived again."""

    region: str
    semaphore: str
    job_id: str
    weight: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class SemaphoreState:
    """The state of a semaphore in one Region's table."""

    permits: tuple[Permit, ...] = ()
    requests: tuple[PermitRequest, ...] = ()


def choose(
    state: SemaphoreState, size: int, job_id: str, weight: int, now_ms: int, uniform: float
) -> tuple[int, str] | None:
    """Return the number of a permit that the job may take, and its expired holder's nonce, or "". None if the job has
    to wait.

    Jobs that compete share a semaphore by their weights. Without that, a job whose partition finishes would take its
    own permit again at once, and the others would never get one. A job with less than its share takes any free permit.
    A job that has its share leaves one free permit for each other waiting job, and takes the rest. So a permit is idle
    only until the waiting jobs try again.
    """
    taken = [permit for permit in state.permits if permit.taken(now_ms)]
    free = size - len(taken)
    if free <= 0:
        return None
    waiting = {
        request.job_id: request.weight
        for request in state.requests
        if request.job_id != job_id and now_ms < request.until_ms
    }
    competing = waiting | {permit.job_id: permit.weight for permit in taken if permit.job_id != job_id}
    share = size * weight / (weight + sum(competing.values()))
    held = sum(permit.job_id == job_id for permit in taken)
    if held + 1 > max(1.0, share) and free <= len(waiting):
        return None
    number = _any_free({permit.number for permit in taken}, min(CHOICE, free), uniform)
    return number, next((permit.holder for permit in state.permits if permit.number == number), "")


def _any_free(taken: set[int], choice: int, uniform: float) -> int:
    """Return one of the `choice` lowest numbers that are not taken."""
    free = list(islice((number for number in count(1) if number not in taken), choice))
    return free[int(uniform * len(free))]
