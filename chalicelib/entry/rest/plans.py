"""What the API answers about plans."""

from collections.abc import Mapping
from typing import Literal, Self

from chalicelib.core import estimate
from chalicelib.core.model import JobSpec, Method, Outcome
from chalicelib.core.parts import parts_total
from chalicelib.core.planned import PlanState, PlanSummary
from chalicelib.core.policy import Policy
from chalicelib.core.prices import Prices
from chalicelib.entry.rest.ends import RowEnd
from chalicelib.entry.rest.responses import Count, JobBase, Response, Timestamp, base_of, timestamp
from chalicelib.steps.plan import PlannedRow, PlanView, RowPage


class PlanTotals(Response):
    """What all of it comes to."""

    objects: Count
    """Rows: all that is below this but what is filtered out."""
    bytes: Count
    objects_to_copy: Count
    bytes_to_copy: Count
    multipart_objects: Count
    """Of those to copy, the ones that go in parts."""
    unchanged: Count
    """They are at the target already."""
    would_fail: dict[RowEnd, Count]
    """How many objects can't be delivered, by what they would end as."""
    filtered_out: Count
    """Objects that were looked at and are not meant."""
    partitions: Count
    """Units of work, of up to 1,000 objects each."""
    error: str
    """Why something could not be planned at all; "" if everything was."""

    @classmethod
    def of(cls, summary: PlanSummary) -> Self:
        totals, wanted = summary.totals, summary.totals.to_copy
        decided = {Outcome(name): count for name, count in totals.decided.items()}
        return cls(
            objects=totals.objects,
            bytes=totals.bytes,
            objects_to_copy=wanted.copies + wanted.uploads,
            bytes_to_copy=wanted.bytes,
            multipart_objects=wanted.uploads,
            unchanged=decided.get(Outcome.UNCHANGED, 0),
            would_fail={outcome: count for outcome, count in decided.items() if not outcome.good},
            filtered_out=totals.filtered,
            partitions=totals.partitions,
            error=totals.error,
        )


class PlanRequests(Response):
    """Requests to S3, by operation. Those that publish objects are exact, others nearly so, if nothing has to be tried
    again."""

    planning: dict[str, Count]
    """Made already."""
    copying: dict[str, Count]
    """That carrying it out makes."""


class CostLine(Response):
    """One line of what it costs."""

    line: str
    quantity: float
    """How many units. It is the list price's unit, so it may be a small fraction."""
    unit: str
    price: float
    """Of a unit, in US dollars."""
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
    """What AWS will ask for carrying it out, in US dollars: an estimate, without taxes, free tiers and discounts."""

    total: float
    """Of `lines`."""
    lines: list[CostLine]
    monthly: list[CostLine]
    """What keeping the copies costs, every month. It is no part of the total."""
    prices_dated: str
    prices_source: str
    """Whose prices these are."""
    region: str
    """The prices are of the target's Region."""

    @classmethod
    def of(cls, summary: PlanSummary, spec: JobSpec, prices: Prices, policy: Policy) -> Self:
        found = estimate.cost_lines(summary, spec, prices, policy)
        return cls(
            total=round(sum(line.dollars for line in found if line.once), 6),
            lines=[CostLine.of(line) for line in found if line.once],
            monthly=[CostLine.of(line) for line in found if not line.once],
            prices_dated=prices.dated,
            prices_source=prices.source,
            region=spec.control_region,
        )


class PlanDuration(Response):
    """How long carrying it out takes."""

    seconds: float
    assumptions: list[str]
    """What this rests on."""


class Plan(JobBase):
    """A plan, as of now. Its id is that of the job that it becomes."""

    state: PlanState
    """PLANNING, then PLANNED: it waits for approval. APPROVED: see the job of the same id. EXPIRED, CANCELLED: it can't
    be approved any more."""
    check: Literal["listing", "every-object"]
    """How closely it looked."""
    objects_planned: Count
    """So far, while it is being made. It may lag behind a little."""
    bytes_planned: Count
    planned_at: Timestamp | None
    approved_at: Timestamp | None
    expires_at: Timestamp | None
    """Until then it can be approved."""
    totals: PlanTotals | None
    """This and what follows: null while it is being made."""
    requests: PlanRequests | None
    costs: PlanCosts | None
    duration: PlanDuration | None

    @classmethod
    def of(cls, view: PlanView, policy: Policy, prices: Mapping[str, Prices]) -> Self:
        spec, summary = view.spec, view.summary
        counted = estimate.requests(summary, spec) if summary else None
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
            requests=PlanRequests(planning=dict(counted.planning), copying=dict(counted.copying)) if counted else None,
            costs=PlanCosts.of(summary, spec, prices[spec.control_region], policy) if summary else None,
            duration=PlanDuration(
                seconds=round(estimate.duration_s(summary, policy), 1), assumptions=estimate.assumptions(policy)
            )
            if summary
            else None,
        )


class PlannedObject(Response):
    """One object, and what is going to happen with it."""

    key: str
    target_key: str
    size: Count
    storage_class: str
    source_etag: str
    """Of the version that is pinned: that one is copied, or none."""
    replaces_etag: str | None
    """Of what is at the target now, which is replaced if it is still that; null where nothing is there."""
    partition: str
    action: Method
    """COPY: by one request. MULTIPART: in parts. NONE: nothing is done."""
    parts: Count | None
    """Of MULTIPART."""
    outcome: RowEnd
    """What it will end as, if nothing changes until then."""
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
            source_etag=row.etag,
            replaces_etag=row.expect,
            partition=planned.part,
            action=row.method,
            parts=parts_total(row.parts) if row.parts else None,
            outcome=planned.outcome,
            detail=row.decided.detail if row.decided else "",
        )


class PlannedList(Response):
    """Objects in the order of partitions and keys. A page may hold fewer than `limit`, even none: only `next_cursor`
    says whether it is the last. While the plan is being made, it is the last of what is planned so far."""

    objects: list[PlannedObject]
    next_cursor: str | None
    """Null on the last page."""

    @classmethod
    def of(cls, page: RowPage) -> Self:
        return cls(objects=[PlannedObject.of(row) for row in page.rows], next_cursor=page.cursor)
