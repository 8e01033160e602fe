"""Define the fault model: the faults that the product must survive.

It must survive them in any number and combination, at every call that it makes:

- **processes** die before a request, after it, or while it is in progress (it may arrive long after); they are paused
  for 20 minutes in the middle of anything and go on as if nothing had happened; whole Regions die, for a while or for
  good, or fall asleep and wake up;
- **requests** are refused, throttled, delayed, carried out twice; their answers are lost; they are carried out after
  their sender has given up; conditional writes are answered 409;
- **messages** and events are late, out of order, duplicated; a Region's messages wait for as long as it is dead;
- **the table** replicates late or not at all for a while, and its Regions' clocks differ; it may be down in a Region;
- **storage** of a Region may be down for a while;
- **hanging services** answer nobody for a while, so that callers time out: a Region's storage, table or queues, or all;
- **one object** may be refused for ever, or requests for it never answered;
- **receivers** take away what a feed delivers;
- **others** overwrite and delete sources, write and delete at destinations, have multipart uploads of their own there.

These faults are not survived, and so not drawn: S3 breaks its own guarantees (a conditional write that isn't atomic, a
LIST that isn't consistent, an object lost); both Regions are dead for good; a queue loses a message for ever; nobody
looks at an alarm (a dead letter).
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """The fault at one call."""

    DIE_BEFORE = "die-before"
    """The process dies; the request was never sent."""
    DIE_AFTER = "die-after"
    """The process dies; the request was carried out."""
    DIE_LATE = "die-late"
    """The process dies; the request is carried out some time later."""
    REFUSE = "refuse"
    """Throttled: nothing happened."""
    LOSE_ANSWER = "lose-answer"
    LATE = "late"
    """No answer; the request is carried out long after its sender has gone on."""
    TWICE = "twice"
    """Carried out twice (a retry below the port); the second answer counts."""
    DELAY = "delay"
    PAUSE_BEFORE = "pause-before"
    """The process sleeps for 20 minutes, then sends the request."""
    PAUSE_AFTER = "pause-after"
    CONFLICT = "conflict"
    """409: another conditional write to the key is in progress. At Complete the upload is spent."""


CONDITIONAL = frozenset({"store.create", "store.copy", "store.complete", "store.delete_pinned"})
"""Calls that S3 may answer with 409."""
CALLS = (
    *(f"store.{name}" for name in ("head", "list", "get", "create", "overwrite", "delete", "tags", "part_sizes")),
    *(f"store.{name}" for name in ("copy", "create_upload", "upload_part_copy", "list_parts", "complete", "abort")),
    "store.list_uploads",
    "store.read",
    "store.delete_pinned",
    "store.versioning",
    *(f"ledger.{name}" for name in ("put_job", "list_jobs", "job_items", "put_lease", "get_leases")),
    *(f"ledger.{name}" for name in ("put_observation", "get_observation", "put_plan", "put_terminal")),
    *(f"ledger.{name}" for name in ("put_deliveries", "get_deliveries", "list_deliveries", "lock_delivery")),
    *(f"ledger.{name}" for name in ("put_takeover", "takeovers")),
    *(
        f"ledger.{name}"
        for name in ("put_region_heartbeat", "region_heartbeats", "get_semaphore", "swap_permit", "put_permit_request")
    ),
    *(f"registry.{name}" for name in ("get", "get_many", "of_tenant", "page", "count_removed", "find", "put")),
    *(f"queue.{name}" for name in ("send", "send_verify_deliveries", "send_object_events")),
    *(f"notifier.{name}" for name in ("job_settled", "delivery_failed")),
)
"""Every call of every port that has effects or answers. `store.presign` is missing, because it sends no request.
`ledger.count_request` is missing, because it belongs to the HTTP layer, which customers here don't use, and decides
nothing but an HTTP status."""
PAIRS = tuple((fault, call) for call in CALLS for fault in Fault if fault is not Fault.CONFLICT or call in CONDITIONAL)
PAIRS_THAT_PUBLISH = tuple(
    (fault, call)
    for fault, call in PAIRS
    if call in ("store.copy", "store.create_upload", "store.complete", "store.upload_part_copy", "store.create")
)
"""The calls where forgotten, repeated and late requests matter most."""


@dataclass(frozen=True, slots=True)
class Target:
    """One fault at the n-th call (from 1) of a kind, so that rare calls have their share too."""

    fault: Fault
    call: str
    nth: int


@dataclass(frozen=True, slots=True)
class Weather:
    """How often calls fail, and how. On average, one in `every` calls has a fault; 0 means never."""

    every: int
    kinds: tuple[Fault, ...]
    target: Target | None = None


class FaultPlan:
    """Draws the fault of each call, if any."""

    def __init__(self, weather: Weather, random: Random) -> None:
        self._weather, self._random = weather, random
        self._calm = False
        self._until_next = self._gap()
        self._target = weather.target
        self._matched = 0

    def end(self) -> None:
        """Let nothing fail from now on."""
        self._calm = True

    def draw(self, call: str) -> Fault | None:
        if self._calm:
            return None
        target = self._target
        if target is not None and target.call == call:
            self._matched += 1
            if self._matched == target.nth:
                return target.fault
        self._until_next -= 1
        if self._until_next:
            return None
        self._until_next = self._gap()
        fault = self._random.choice(self._weather.kinds)
        return None if fault is Fault.CONFLICT and call not in CONDITIONAL else fault

    def _gap(self) -> int:
        """Return the number of calls until the next fault; -1 for never."""
        mean_gap = self._weather.every
        return self._random.randint(1, 2 * mean_gap - 1) if mean_gap else -1
