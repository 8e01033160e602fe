"""What the API answers operators."""

from collections.abc import Iterable
from typing import Self

from chalicelib.core import leases as lease_model
from chalicelib.entry.rest.responses import Count, Response, Timestamp, timestamp
from chalicelib.protocol.regions import RegionView
from chalicelib.steps.control import LeaseView


class Region(Response):
    """A Region as the one that answers sees it."""

    region: str
    alive: bool
    storage_reachable: bool
    beacon: int | None
    """A counter that its sweep moves on; null if none was ever seen."""
    beacon_at: Timestamp | None
    beacon_still_seconds: float
    """For how long its beacons have looked the same."""

    @classmethod
    def of(cls, view: RegionView) -> Self:
        return cls(
            region=view.region,
            alive=view.alive,
            storage_reachable=view.storage_reachable,
            beacon=view.beacon.counter if view.beacon else None,
            beacon_at=timestamp(view.beacon.at_ms) if view.beacon else None,
            beacon_still_seconds=round(view.still_ms / 1000, 1),
        )


class RegionList(Response):
    """Both Regions, by name."""

    answered_by: str
    regions: list[Region]

    @classmethod
    def of(cls, answered_by: str, views: Iterable[RegionView]) -> Self:
        return cls(answered_by=answered_by, regions=[Region.of(view) for view in views])


class Lease(Response):
    """Who works on a partition of an open job."""

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
            partition=lease.part,
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
    """A partition changed hands from one Region to the other."""

    job: str
    partition: str
    epoch: int
    from_region: str
    to_region: str
    worker: str
    waited_seconds: float
    """How long the new owner's Region had seen the old one's sign of life stand still."""
    at: Timestamp

    @classmethod
    def of(cls, found: lease_model.Takeover) -> Self:
        return cls(
            job=found.job_id,
            partition=found.part,
            epoch=found.epoch,
            from_region=found.from_region,
            to_region=found.to_region,
            worker=found.worker,
            waited_seconds=round(found.waited_ms / 1000, 1),
            at=timestamp(found.at_ms),
        )


class LeaseList(Response):
    """Who works on what."""

    leases: list[Lease]
    takeovers: list[Takeover]
    """The newest first."""

    @classmethod
    def of(cls, held: Iterable[LeaseView], taken: Iterable[lease_model.Takeover]) -> Self:
        return cls(leases=[Lease.of(view) for view in held], takeovers=[Takeover.of(found) for found in taken])
