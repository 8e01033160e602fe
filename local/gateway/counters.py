"""Count clients' requests by kind. The gateway's own requests to the emulator are not counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from local.gateway.classify import Call

DROPPED = "dropped"
"""Status class of a request that was never carried out because of a fault or a cut."""


@dataclass(frozen=True, slots=True, order=True)
class CountKey:
    caller: str
    service: str
    operation: str
    bucket: str
    status: str


class Counters:
    def __init__(self) -> None:
        self._counts: Counter[CountKey] = Counter()

    def count(self, call: Call, status: int | None) -> None:
        """Count a request. `status` None means that it was dropped before it was carried out."""
        status_class = DROPPED if status is None else f"{status // 100}xx"
        self._counts[CountKey(call.caller, call.service, call.operation, call.bucket, status_class)] += 1

    def reset(self) -> None:
        self._counts.clear()

    def report(self) -> dict[str, object]:
        """Return the rows, and totals by operation over all callers, buckets and outcomes."""
        totals: Counter[str] = Counter()
        rows = []
        for key in sorted(self._counts):
            count = self._counts[key]
            totals[key.operation] += count
            rows.append(
                {
                    "caller": key.caller,
                    "service": key.service,
                    "operation": key.operation,
                    "bucket": key.bucket,
                    "status": key.status,
                    "count": count,
                }
            )
        return {"requests": rows, "totals": dict(sorted(totals.items())), "total": totals.total()}
