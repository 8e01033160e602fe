"""Provide the examples of what operators see: Regions, leases, takeovers, health."""

from pydantic import BaseModel

from chalicelib.core.leases import LeasePhase
from chalicelib.entry.rest import operations, responses
from chalicelib.entry.rest.examples.names import EAST, JOB_ID, SETTLED, SUBMITTED, WEST


def examples() -> dict[str, BaseModel]:
    return {
        "regions": operations.RegionList(answered_by=WEST, regions=[_region(EAST), _region(WEST)]),
        "leases": operations.LeaseList(leases=[_lease()], takeovers=[_takeover()]),
        "healthy": responses.Health(status="ok", region=WEST),
    }


def _region(name: str) -> operations.Region:
    return operations.Region(
        region=name,
        alive=True,
        storage_reachable=True,
        heartbeat=4711,
        heartbeat_at=SUBMITTED,
        heartbeat_still_seconds=12.3,
    )


def _lease() -> operations.Lease:
    return operations.Lease(
        job=JOB_ID,
        tenant="demo",
        partition="r-000002",
        region=EAST,
        worker="2027/01/15/[$LATEST]0a1b2c",
        epoch=2,
        heartbeat=7,
        phase=LeasePhase.COPYING,
        rows=1000,
        rows_done=250,
        started_at=SUBMITTED,
    )


def _takeover() -> operations.Takeover:
    return operations.Takeover(
        job=JOB_ID,
        partition="r-000002",
        epoch=2,
        from_region=WEST,
        to_region=EAST,
        worker="2027/01/15/[$LATEST]0a1b2c",
        waited_seconds=240.1,
        at=SETTLED,
    )
