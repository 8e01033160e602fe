"""Provide the examples of plans."""

from pydantic import BaseModel

from chalicelib.core.lifecycles import PlanState
from chalicelib.core.rows import Method, Outcome
from chalicelib.entry.rest import plans, requests
from chalicelib.entry.rest.examples.jobs import job
from chalicelib.entry.rest.examples.names import EAST, SETTLED


def examples() -> dict[str, BaseModel]:
    source = requests.LocationRequest(endpoint="west-source", prefix="inbox/")
    target = requests.LocationRequest(endpoint="east-target", prefix="from-west/")
    return {
        "plan": requests.PlanRequest(source=source, target=target, check="every-object"),
        "planning": _planning(),
        "planned": _planned(),
        "planned-objects": plans.PlannedList(objects=_planned_objects(), next_cursor=None),
    }


def _planning() -> plans.Plan:
    return plans.Plan(
        **job(),
        state=PlanState.PLANNING,
        check="listing",
        objects_planned=0,
        bytes_planned=0,
        planned_at=None,
        approved_at=None,
        expires_at=None,
        totals=None,
        requests=None,
        costs=None,
        duration=None,
    )


def _planned() -> plans.Plan:
    copies = plans.CostLine(
        line="S3 writes of objects, STANDARD", quantity=0.001, unit="1,000", price=0.005, dollars=5e-06
    )
    storage = plans.CostLine(
        line="Storage of the copies, STANDARD", quantity=0.000977, unit="GB-month", price=0.023, dollars=2.2e-05
    )
    return _planning().model_copy(
        update={
            "state": PlanState.PLANNED,
            "objects_planned": 2,
            "bytes_planned": 1_048_581,
            "planned_at": SETTLED,
            "expires_at": "2027-01-22T08:04:12.345Z",
            "totals": plans.PlanTotals(
                objects=2,
                bytes=1_048_581,
                objects_to_copy=1,
                bytes_to_copy=1_048_576,
                multipart_objects=0,
                unchanged=0,
                would_fail={Outcome.ARCHIVED: 1},
                filtered_out=0,
                partitions=1,
                error="",
            ),
            "requests": plans.PlanRequests(planning={"ListObjectsV2": 4}, copying={"CopyObject": 1, "PutObject": 6}),
            "costs": plans.PlanCosts(
                total=5e-06,
                lines=[copies],
                monthly=[storage],
                prices_dated="2025-06-01",
                prices_source="commercial list prices of us-east-1",
                region=EAST,
            ),
            "duration": plans.PlanDuration(seconds=8.0, assumptions=["no throttling"]),
        }
    )


def _planned_objects() -> list[plans.PlannedObject]:
    copied = plans.PlannedObject(
        key="inbox/a.csv",
        target_key="from-west/a.csv",
        size=1_048_576,
        storage_class="STANDARD",
        source_etag="b1946ac92492d2347c6235b4d2611184",
        replaces_etag=None,
        partition="r-000001",
        action=Method.COPY,
        parts=None,
        outcome=Outcome.COPIED,
        detail="",
    )
    changes = {
        "key": "inbox/b.csv",
        "target_key": "from-west/b.csv",
        "size": 5,
        "storage_class": "GLACIER",
        "action": Method.NONE,
        "outcome": Outcome.ARCHIVED,
        "detail": "in GLACIER and not restored: restore it, then retry",
    }
    return [copied, copied.model_copy(update=changes)]
