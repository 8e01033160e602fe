"""Define the answers for operators."""

from collections.abc import Iterable
from typing import Self

from chalicelib.core import leases as lease_model
from chalicelib.entry.rest.responses import Count, Response, Timestamp, timestamp
from chalicelib.protocol.regions import RegionView
from chalicelib.steps.control import LeaseView


class Region(Response):
    """A Region as seen by the Region that answers."""

    region: str
    alive: bool
    storage_reachable: bool
    heartbeat: int | None
    """Heartbeat counter, increased by each of its sweeps; null if no heartbeat was ever seen."""
    heartbeat_at: Timestamp | None
    heartbeat_still_seconds: float
    """How long its heartbeat has not changed, in seconds."""

    @classmethod
    def of(cls, view: RegionView) -> Self:
        return cls(
            region=view.region,
            alive=view.alive,
            storage_reachable=view.storage_reachable,
            heartbeat=view.heartbeat.counter if view.heartbeat else None,
            heartbeat_at=timestamp(view.heartbeat.at_ms) if view.heartbeat else None,
            heartbeat_still_seconds=round(view.still_ms / 1000, 1),
        )


class RegionList(Response):
    """Both Regions, ordered by name."""

    answered_by: str
    regions: list[Region]

    @classmethod
    def of(cls, answered_by: str, views: Iterable[RegionView]) -> Self:
        return cls(answered_by=answered_by, regions=[Region.of(view) for view in views])


class Lease(Response):
    """The lease of a worker on a partition of an open job."""

    job: str
    tenant: str
    partition: str
    region: str
    worker: str
    epoch: int
    """The fencing token: it grows by one whenever the partition changes hands."""
    heartbeat: int
    phase: lease_model.LeasePhase
    rows: Count
    rows_done: Count
    started_at: Timestamp

    @classmethod
    def of(cls, view: LeaseView) -> Self:
        lease = view.lease
        return cls(
            job=lease.job_id,
            tenant=view.tenant,
            partition=lease.partition_id,
            region=lease.region,
            worker=lease.worker,
            epoch=lease.epoch,
            heartbeat=lease.heartbeat,
            phase=lease.phase,
            rows=lease.rows,
            rows_done=lease.decided.bit_count(),
            started_at=timestamp(lease.started_ms),
        )


class Takeover(Response):
    """A change of a partition's owner from one Region to the other."""

    job: str
    partition: str
    epoch: int
    from_region: str
    to_region: str
    worker: str
    waited_seconds: float
    """How long the new owner's Region had seen no sign of life from the old owner, in seconds."""
    at: Timestamp

    @classmethod
    def of(cls, takeover: lease_model.Takeover) -> Self:
        return cls(
            job=takeover.job_id,
            partition=takeover.partition_id,
            epoch=takeover.epoch,
            from_region=takeover.from_region,
            to_region=takeover.to_region,
            worker=takeover.worker,
            waited_seconds=round(takeover.waited_ms / 1000, 1),
            at=timestamp(takeover.at_ms),
        )


class LeaseList(Response):
    """The current leases, and the latest takeovers."""

    leases: list[Lease]
    takeovers: list[Takeover]
    """Newest first."""

    @classmethod
    def of(cls, leases: Iterable[LeaseView], takeovers: Iterable[lease_model.Takeover]) -> Self:
        return cls(
            leases=[Lease.of(view) for view in leases], takeovers=[Takeover.of(takeover) for takeover in takeovers]
        )
