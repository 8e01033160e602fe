"""Define the answers about plans."""

from collections.abc import Mapping
from typing import Literal, Self

from chalicelib.core import estimate
from chalicelib.core.jobs import JobSpec
from chalicelib.core.lifecycles import PlanState
from chalicelib.core.parts import parts_total
from chalicelib.core.planned import PlanSummary
from chalicelib.core.policy import Policy
from chalicelib.core.prices import Prices
from chalicelib.core.rows import Method, Outcome
from chalicelib.entry.rest.ends import RowEnd
from chalicelib.entry.rest.responses import Count, JobBase, Response, Timestamp, base_of, timestamp
from chalicelib.steps.plan import PlannedRow, PlanView, RowPage


class PlanTotals(Response):
    """The totals of a plan."""

    objects: Count
    """Number of rows: all objects except those that are filtered out."""
    bytes: Count
    objects_to_copy: Count
    bytes_to_copy: Count
    multipart_objects: Count
    """Number of objects to copy that are copied in parts."""
    unchanged: Count
    """Number of objects that are at the target already."""
    would_fail: dict[RowEnd, Count]
    """Number of objects that can't be delivered, by the outcome that they would get."""
    filtered_out: Count
    """Number of objects that were looked at and don't match the filter."""
    partitions: Count
    """Units of work, of up to 1,000 objects each."""
    error: str
    """Why some objects could not be planned at all; an empty string if all were."""

    @classmethod
    def of(cls, summary: PlanSummary) -> Self:
        totals, to_copy = summary.totals, summary.totals.to_copy
        decided = {Outcome(name): count for name, count in totals.decided.items()}
        return cls(
            objects=totals.objects,
            bytes=totals.bytes,
            objects_to_copy=to_copy.copies + to_copy.uploads,
            bytes_to_copy=to_copy.bytes,
            multipart_objects=to_copy.uploads,
            unchanged=decided.get(Outcome.UNCHANGED, 0),
            would_fail={outcome: count for outcome, count in decided.items() if not outcome.good},
            filtered_out=totals.filtered,
            partitions=totals.partitions,
            error=totals.error,
        )


class PlanRequests(Response):
    """Requests to S3, by operation. The number of requests that publish objects is exact. The other numbers are nearly
    exact if nothing has to be retried."""

    planning: dict[str, Count]
    """Requests that planning has made already."""
    copying: dict[str, Count]
    """Requests that carrying out the plan makes."""


class CostLine(Response):
    """One line of the cost estimate."""

    line: str
    quantity: float
    """Number of units. The unit is that of the list price, so this may be a small fraction."""
    unit: str
    price: float
    """Price of one unit, in US dollars."""
    dollars: float

    @classmethod
    def of(cls, line: estimate.CostLine) -> Self:
        return cls(
            line=line.line,
            quantity=round(line.quantity, 6),
            unit=line.unit,
            price=line.price,
            dollars=round(line.dollars, 6),
        )


class PlanCosts(Response):
    """An estimate of what AWS charges for carrying out the plan, in US dollars, without taxes, free tiers and
    discounts."""

    total: float
    """Sum of `lines`, in US dollars."""
    lines: list[CostLine]
    monthly: list[CostLine]
    """Cost of keeping the copies, for each month. It is not part of the total."""
    prices_dated: str
    prices_source: str
    """Where these prices come from."""
    region: str
    """The target's Region, whose prices these are."""

    @classmethod
    def of(cls, summary: PlanSummary, spec: JobSpec, prices: Prices, policy: Policy) -> Self:
        cost_lines = estimate.cost_lines(summary, spec, prices, policy)
        return cls(
            total=round(sum(line.dollars for line in cost_lines if line.once), 6),
            lines=[CostLine.of(line) for line in cost_lines if line.once],
            monthly=[CostLine.of(line) for line in cost_lines if not line.once],
            prices_dated=prices.dated,
            prices_source=prices.source,
            region=spec.control_region,
        )


class PlanDuration(Response):
    """An estimate of how long carrying out the plan takes."""

    seconds: float
    assumptions: list[str]
    """The assumptions of the estimate."""


class Plan(JobBase):
    """A plan as of now. The job that it becomes has the same id."""

    state: PlanState
    """PLANNING; PLANNED: it waits for approval; APPROVED: see the job of the same id; EXPIRED or CANCELLED: it can't be
    approved any more."""
    check: Literal["listing", "every-object"]
    """How closely the objects were checked."""
    objects_planned: Count
    """Number of objects planned so far. It may lag behind a little while the plan is being made."""
    bytes_planned: Count
    planned_at: Timestamp | None
    approved_at: Timestamp | None
    expires_at: Timestamp | None
    """It can be approved until then."""
    totals: PlanTotals | None
    """Null while the plan is being made, like `requests`, `costs` and `duration`."""
    requests: PlanRequests | None
    costs: PlanCosts | None
    duration: PlanDuration | None

    @classmethod
    def of(cls, view: PlanView, policy: Policy, prices: Mapping[str, Prices]) -> Self:
        spec, summary = view.spec, view.summary
        request_counts = estimate.requests(summary, spec) if summary else None
        return cls(
            **base_of(spec),
            state=view.state,
            check="every-object" if spec.every_object else "listing",
            objects_planned=summary.totals.objects if summary else view.progress.objects_planned,
            bytes_planned=summary.totals.bytes if summary else view.progress.bytes_planned,
            planned_at=timestamp(summary.planned_ms) if summary else None,
            approved_at=timestamp(view.approval.approved_ms) if view.approval else None,
            expires_at=timestamp(view.expires_ms) if view.expires_ms is not None else None,
            totals=PlanTotals.of(summary) if summary else None,
            requests=PlanRequests(planning=dict(request_counts.planning), copying=dict(request_counts.copying))
            if request_counts
            else None,
            costs=PlanCosts.of(summary, spec, prices[spec.control_region], policy) if summary else None,
            duration=PlanDuration(
                seconds=round(estimate.duration_s(summary, policy), 1), assumptions=estimate.assumptions(policy)
            )
            if summary
            else None,
        )


class PlannedObject(Response):
    """One object and what is going to happen to it."""

    key: str
    target_key: str
    size: Count
    storage_class: str
    source_etag: str
    """ETag of the pinned version. Only that version is copied."""
    replaces_etag: str | None
    """ETag of the object at the target now, which is replaced if it is still the same; null if there is none."""
    partition: str
    action: Method
    """COPY: one request copies it. MULTIPART: it is copied in parts. NONE: nothing is done."""
    parts: Count | None
    """Number of parts for MULTIPART, else null."""
    outcome: RowEnd
    """The outcome that it will get if nothing changes until then."""
    detail: str
    """Why it would fail."""

    @classmethod
    def of(cls, planned: PlannedRow) -> Self:
        row = planned.row
        return cls(
            key=row.key,
            target_key=row.target,
            size=row.size,
            storage_class=row.storage_class,
            source_etag=row.source_etag,
            replaces_etag=row.expected_target_etag,
            partition=planned.partition_id,
            action=row.method,
            parts=parts_total(row.parts) if row.parts else None,
            outcome=planned.outcome,
            detail=row.decided.detail if row.decided else "",
        )


class PlannedList(Response):
    """Planned objects in the order of partitions and keys. A page may hold fewer than `limit`, even none; only
    `next_cursor` says whether it is the last one. While the plan is being made, that means the last page of the objects
    planned so far."""

    objects: list[PlannedObject]
    next_cursor: str | None
    """Null on the last page."""

    @classmethod
    def of(cls, page: RowPage) -> Self:
        return cls(objects=[PlannedObject.of(row) for row in page.rows], next_cursor=page.cursor)
