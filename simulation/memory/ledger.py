"""Keep the table in memory, without replication lag: every put is visible everywhere at once.

Items are keyed as in the real table: one item has one writing Region, and a put replaces the item as a whole.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from chalicelib.core.errors import BadRequest, ErrorCode
from chalicelib.core.ids import is_job_id
from chalicelib.core.jobs import JobKind, JobSpec, Terminal
from chalicelib.core.leases import Observation, PartitionLease, RegionHeartbeat, Takeover
from chalicelib.core.permits import Permit, PermitRequest, SemaphoreState
from chalicelib.core.progress import PlanProgress
from chalicelib.core.webhooks import WebhookHealth
from chalicelib.ports import Delivery, DeliveryLock, DeliveryPage, JobItems, JobPage, Said

T = TypeVar("T")
Ranked = TypeVar("Ranked", PartitionLease, PlanProgress)


@dataclass(slots=True)
class MemoryLedger:
    """Implements `ports.Ledger`."""

    jobs: dict[str, JobSpec] = field(default_factory=dict)
    leases: dict[tuple[str, str, str], PartitionLease] = field(default_factory=dict)
    """By job, partition, Region."""
    observations: dict[tuple[str, str, str], Observation] = field(default_factory=dict)
    """By job, subject, Region."""
    plans: dict[tuple[str, str, str], PlanProgress] = field(default_factory=dict)
    """By job, range, Region."""
    terminals: dict[tuple[str, str], Terminal] = field(default_factory=dict)
    """By job, Region."""
    deliveries: dict[tuple[str, str, str, str], Delivery] = field(default_factory=dict)
    """By feed, key, pin, Region."""
    delivery_locks: dict[tuple[str, str, str, str], DeliveryLock] = field(default_factory=dict)
    """By feed, key, pin, Region."""
    webhook_healths: dict[tuple[str, str, str], WebhookHealth] = field(default_factory=dict)
    """By tenant, webhook, Region."""
    permits: dict[tuple[str, str, int], Permit] = field(default_factory=dict)
    """By Region, semaphore, number."""
    requests: dict[tuple[str, str, str], PermitRequest] = field(default_factory=dict)
    """By Region, semaphore, job."""
    _heartbeats: dict[str, RegionHeartbeat] = field(default_factory=dict)
    _takeovers: dict[tuple[int, str, str, str], Takeover] = field(default_factory=dict)
    _requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """By tenant, Region, window."""

    def put_job(self, spec: JobSpec) -> None:
        self.jobs[spec.job_id] = spec

    def get_job(self, job_id: str) -> JobSpec | None:
        return self.jobs.get(job_id)

    def list_jobs(self, tenant: str, cursor: str | None, limit: int) -> JobPage:
        specs = sorted(
            (spec for spec in self.jobs.values() if spec.tenant == tenant and spec.kind is not JobKind.FEED),
            key=lambda spec: (spec.created_ms, spec.job_id),
            reverse=True,
        )
        if cursor is not None:
            position = _read_cursor(cursor)
            specs = [spec for spec in specs if (spec.created_ms, spec.job_id) < position]
        page = specs[:limit]
        has_more = len(specs) > limit and bool(page)
        return JobPage(
            tuple((spec, self._terminal(spec.job_id)) for spec in page),
            f"{page[-1].created_ms}:{page[-1].job_id}" if has_more else None,
        )

    def job_items(self, job_id: str, limit: int | None = None) -> JobItems:
        """Return a job's items. With a limit, return the first ones in the order of the real table's keys: terminal,
        leases, plans, spec, observations."""
        end, spec = self._terminal(job_id), self.jobs.get(job_id)
        items: list[Terminal | PartitionLease | PlanProgress | JobSpec | Observation] = [
            *([end] if end else []),
            *_of_job(self.leases, job_id),
            *_of_job(self.plans, job_id),
            *([spec] if spec else []),
            *_of_job(self.observations, job_id),
        ]
        page = items[:limit]
        return JobItems(
            spec=next(_of_type(JobSpec, page), None),
            leases=tuple(_of_type(PartitionLease, page)),
            observations=tuple(_of_type(Observation, page)),
            plans=tuple(_of_type(PlanProgress, page)),
            terminal=next(_of_type(Terminal, page), None),
            truncated=len(page) < len(items),
        )

    def put_lease(self, lease: PartitionLease) -> None:
        _put_newer(self.leases, (lease.job_id, lease.partition_id, lease.region), lease)

    def get_leases(self, job_id: str, partition_id: str) -> Sequence[PartitionLease]:
        return [self.leases[key] for key in sorted(self.leases) if key[:2] == (job_id, partition_id)]

    def put_observation(self, observation: Observation) -> None:
        self.observations[observation.job_id, observation.subject, observation.region] = observation

    def get_observation(self, job_id: str, subject: str, region: str) -> Observation | None:
        return self.observations.get((job_id, subject, region))

    def put_plan(self, plan: PlanProgress) -> None:
        _put_newer(self.plans, (plan.job_id, plan.range_id, plan.region), plan)

    def put_terminal(self, spec: JobSpec, terminal: Terminal, region: str) -> None:
        self.terminals[spec.job_id, region] = terminal

    def put_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.deliveries[delivery.feed_id, delivery.key, delivery.pin, delivery.region] = delivery

    def get_deliveries(self, feed_id: str, key: str) -> Sequence[Delivery]:
        return [self.deliveries[item] for item in sorted(self.deliveries) if item[:2] == (feed_id, key)]

    def lock_delivery(self, lock: DeliveryLock, now_ms: int) -> bool:
        key = (lock.feed_id, lock.key, lock.pin, lock.region)
        current = self.delivery_locks.get(key)
        if current is not None and current.until_ms > now_ms and current.holder != lock.holder:
            return False
        self.delivery_locks[key] = lock
        return True

    def list_deliveries(
        self, feed_id: str, since_ms: int, until_ms: int, cursor: str | None, limit: int
    ) -> DeliveryPage:
        position = None if cursor is None else _read_delivery_cursor(cursor)
        deliveries = [d for d in self.deliveries.values() if d.feed_id == feed_id and since_ms <= d.at_ms < until_ms]
        deliveries.sort(key=_delivery_position, reverse=True)
        remaining = [d for d in deliveries if position is None or _delivery_position(d) < position]
        page = tuple(
            Said(d, tuple(self.deliveries[k] for k in sorted(self.deliveries) if k[:3] == (feed_id, d.key, d.pin)))
            for d in remaining[:limit]
        )
        has_more = len(remaining) > limit and bool(page)
        return DeliveryPage(page, "{}:{}".format(*_delivery_position(page[-1].delivery)) if has_more else None)

    def put_takeover(self, takeover: Takeover) -> None:
        self._takeovers[takeover.at_ms, takeover.job_id, takeover.partition_id, takeover.to_region] = takeover

    def takeovers(self, limit: int) -> Sequence[Takeover]:
        return [self._takeovers[key] for key in sorted(self._takeovers, reverse=True)[:limit]]

    def get_semaphore(self, region: str, pool: str) -> SemaphoreState:
        return SemaphoreState(
            tuple(self.permits[key] for key in sorted(self.permits) if key[:2] == (region, pool)),
            tuple(self.requests[key] for key in sorted(self.requests) if key[:2] == (region, pool)),
        )

    def swap_permit(self, permit: Permit, holder: str) -> bool:
        key = (permit.region, permit.semaphore, permit.number)
        if key in self.permits and self.permits[key].holder not in (holder, permit.holder):
            return False
        self.permits[key] = permit
        return True

    def put_permit_request(self, permit_request: PermitRequest) -> None:
        self.requests[permit_request.region, permit_request.semaphore, permit_request.job_id] = permit_request

    def put_region_heartbeat(self, heartbeat: RegionHeartbeat) -> None:
        self._heartbeats[heartbeat.region] = heartbeat

    def region_heartbeats(self) -> Sequence[RegionHeartbeat]:
        return [self._heartbeats[region] for region in sorted(self._heartbeats)]

    def put_webhook_health(self, health: WebhookHealth) -> None:
        self.webhook_healths[health.tenant, health.webhook, health.region] = health

    def get_webhook_health(self, tenant: str, webhook: str) -> Sequence[WebhookHealth]:
        return [self.webhook_healths[key] for key in sorted(self.webhook_healths) if key[:2] == (tenant, webhook)]

    def count_request(self, tenant: str, region: str, window_start_ms: int) -> int:
        self._requests[tenant, region, window_start_ms] += 1
        return self._requests[tenant, region, window_start_ms]

    def _terminal(self, job_id: str) -> Terminal | None:
        """Return the terminal record. All Regions copy the one record of the control bucket, so any Region's copy will
        do."""
        return next((self.terminals[key] for key in sorted(self.terminals) if key[0] == job_id), None)


def _of_job(items: dict[tuple[str, str, str], T], job_id: str) -> list[T]:
    """Return a job's items, in the order of their keys."""
    return [items[key] for key in sorted(items) if key[0] == job_id]


def _of_type(kind: type[T], items: Iterable[object]) -> Iterator[T]:
    return (item for item in items if isinstance(item, kind))


def _put_newer(items: dict[tuple[str, str, str], Ranked], key: tuple[str, str, str], item: Ranked) -> None:
    current = items.get(key)
    if current is None or current.rank <= item.rank:
        items[key] = item


def _read_cursor(cursor: str) -> tuple[int, str]:
    created, _, job_id = cursor.partition(":")
    if not (created.isascii() and created.isdigit() and is_job_id(job_id)):
        raise BadRequest(ErrorCode.INVALID_CURSOR, "this cursor was not made by this list")
    return int(created), job_id


def _delivery_position(delivery: Delivery) -> tuple[int, str]:
    """Return the sort key of a delivery in the list of its feed's deliveries."""
    identity = repr((delivery.key, delivery.pin, delivery.region)).encode()
    return delivery.at_ms, hashlib.sha256(identity).hexdigest()


def _read_delivery_cursor(cursor: str) -> tuple[int, str]:
    at, _, position = cursor.partition(":")
    if not (at.isascii() and at.isdigit() and len(position) == 64):
        raise BadRequest(ErrorCode.INVALID_CURSOR, "this cursor was not made by this list")
    return int(at), position
