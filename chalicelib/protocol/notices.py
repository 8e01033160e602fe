"""Build the EventBridge events that EFT sends to other systems, and parse them for its webhooks."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from chalicelib.core import webhooks
from chalicelib.core.jobs import JobSpec, Terminal
from chalicelib.core.webhooks import Notice
from chalicelib.ports import Delivery

SOURCE = "eft"
JOB_SETTLED, DELIVERY_FAILED, FEED_STOPPED = "Job Settled", "Delivery Failed", "Feed Stopped"
Text = Annotated[str, Field(min_length=1)]


def job_settled(spec: JobSpec, terminal: Terminal) -> dict[str, Any]:
    """Return the detail of "Job Settled"."""
    return {
        "jobId": spec.job_id,
        "tenant": spec.tenant,
        "feedId": spec.feed_name or spec.feed_id,
        "state": terminal.state,
        "reason": terminal.reason,
        "objectsPlanned": terminal.planned,
        "bytesCopied": terminal.bytes_copied,
        "counts": terminal.counts,
        "labels": spec.labels,
        "chainSha256": terminal.chain_sha256,
        "settledMs": terminal.settled_ms,
    }


def delivery_failed(tenant: str, feed: str, delivery: Delivery) -> dict[str, Any]:
    """Return the detail of "Delivery Failed". `feed` is the tenant's own name for the feed."""
    return {
        "tenant": tenant,
        "feedId": feed,
        "key": delivery.key,
        "version": delivery.pin,
        "target": delivery.target,
        "outcome": delivery.outcome,
        "detail": delivery.detail,
        "failedMs": delivery.at_ms,
    }


def feed_stopped(tenant: str, feed: str, pause: str, why: str, at_ms: int) -> dict[str, Any]:
    """Return the detail of "Feed Stopped". `feed` is the tenant's own name for the feed; `pause` identifies the
    pause."""
    return {"tenant": tenant, "feedId": feed, "pause": pause, "why": why, "stoppedMs": at_ms}


class _Settled(BaseModel):
    jobId: Text  # noqa: N815 - as in the event
    tenant: Text
    feedId: Text | None  # noqa: N815
    state: Text
    reason: str
    objectsPlanned: int  # noqa: N815
    bytesCopied: int  # noqa: N815
    counts: dict[str, int]
    labels: dict[str, str]
    chainSha256: str  # noqa: N815
    settledMs: int  # noqa: N815

    def notice(self) -> Notice:
        data: dict[str, object] = {
            "state": self.state,
            "reason": self.reason,
            "labels": self.labels,
            "objects_planned": self.objectsPlanned,
            "bytes_copied": self.bytesCopied,
            "outcomes": self.counts,
            "receipt_chain_sha256": self.chainSha256,
        }
        return webhooks.job_settled(self.tenant, self.jobId, self.settledMs, data)


class _DeliveryFailed(BaseModel):
    tenant: Text
    feedId: Text  # noqa: N815
    key: Text
    version: str
    target: str
    outcome: Text
    detail: str
    failedMs: int  # noqa: N815

    def notice(self) -> Notice:
        data = {"key": self.key, "target_key": self.target, "outcome": self.outcome, "detail": self.detail}
        return webhooks.delivery_failed(self.tenant, self.feedId, self.version, self.failedMs, data)


class _FeedStopped(BaseModel):
    tenant: Text
    feedId: Text  # noqa: N815
    pause: Text
    why: Text
    stoppedMs: int  # noqa: N815

    def notice(self) -> Notice:
        return webhooks.feed_stopped(self.tenant, self.feedId, self.pause, self.stoppedMs, self.why)


def read(detail_type: object, detail: object) -> Notice | None:
    """Return the notice for a tenant's webhooks that an event gives rise to, or None. Raises ValidationError if the
    detail isn't one of ours."""
    if detail_type == DELIVERY_FAILED:
        return _DeliveryFailed.model_validate(detail).notice()
    if detail_type == FEED_STOPPED:
        return _FeedStopped.model_validate(detail).notice()
    if detail_type != JOB_SETTLED:
        return None
    settled = _Settled.model_validate(detail)
    # A feed's jobs are an internal means of transport: the tenant has not asked for them.
    return None if settled.feedId is not None else settled.notice()
