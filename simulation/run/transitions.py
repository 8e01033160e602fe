"""Check that jobs, plans, partitions, uploads, feeds and deliveries only make transitions that the product's tables
list (`chalicelib.core.lifecycles`).

The events are the requests that were carried out: records that were created, uploads that S3 has begun, completed or
aborted, items that were put. A plan's expiry is no request, so it is not seen here. A job's states are those that each
Region's own API shows.
"""

from collections.abc import Callable
from typing import Any, Protocol

from chalicelib.core import codec
from chalicelib.core.desired_state import PauseLogEntry, PauseLogKind
from chalicelib.core.endpoints import Feed
from chalicelib.core.entries import Entry, EntryKind
from chalicelib.core.errors import EftError
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.lifecycles import (
    DELIVERY,
    DELIVERY_EVENTS,
    FEED,
    JOB,
    PARTITION,
    PLAN,
    UPLOAD,
    FeedEvent,
    PartitionEvent,
    PlanEvent,
    UploadEvent,
)
from chalicelib.core.registers import Mark, Registration
from chalicelib.core.transitions import LifeCycle, Unlisted
from chalicelib.ports import Delivery, UploadRef, Written
from simulation.run.calls import Watch
from simulation.run.scheduler import Process

LISTED = "only listed transitions"
_OF_PARTITION = {
    "claim": PartitionEvent.CLAIMED,
    "tried": PartitionEvent.TRIED,
    "copied": PartitionEvent.COPIED,
    "done": PartitionEvent.RECEIPTED,
}
_OF_PLAN = {"planned": PlanEvent.SUMMED_UP, "cancel": PlanEvent.CANCELLED, "approved": PlanEvent.APPROVED}


class Judge(Protocol):
    def violated(self, invariant: str, detail: str) -> None: ...


class Transitions:
    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._states: dict[tuple[str, ...], Any] = {}
        """Name of the life cycle and of the thing -> its state."""
        self._plans: set[str] = set()
        """Jobs that are planned first."""
        self._registered: dict[tuple[str, str], set[str]] = {}
        """(register, job) -> ids of the uploads that it has registered there."""

    def watches(self) -> dict[str, Watch]:
        return {
            "store.create": self._created,
            "store.create_upload": self._upload_created,
            "store.complete": self._upload_completed,
            "store.abort": self._upload_aborted,
            "ledger.put_deliveries": self._deliveries_put,
            "registry.put": self._entry_put,
        }

    def shown(self, region: str, job_id: str, state: JobState) -> None:
        """Check the state of a job that the API of a Region shows, against the one that it showed before."""
        name = (JOB.name, job_id, region)
        previous = self._states.get(name, JobState.PLANNING)
        if not JOB.leads(previous, state):
            self._judge.violated(LISTED, f"{region} shows {job_id} as {state} after {previous}")
        self._states[name] = state

    def _happens(self, cycle: LifeCycle[Any, Any], event: Any, *name: str) -> None:
        previous = self._states.get((cycle.name, *name))
        try:
            self._states[cycle.name, *name] = cycle.after(previous, event)
        except Unlisted as error:
            self._judge.violated(LISTED, f"{'/'.join(name)}: {error}")

    # --- records ----------------------------------------------------------------------------------------------

    def _created(self, _process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        if isinstance(answer, EftError):
            return
        _bucket, key, body = args
        path = key.split("/")
        handler = _RECORDS.get(path[0])
        if handler is not None:
            handler(self, path, body)

    def _job_record(self, path: list[str], body: bytes) -> None:
        job_id, kind = path[1], path[2]
        if kind == "manifest":
            # A range split begins like a partition, and has no further records.
            self._happens(PARTITION, PartitionEvent.CUT, job_id, path[3])
        elif kind in _OF_PARTITION:
            self._happens(PARTITION, _OF_PARTITION[kind], job_id, path[3])
        elif kind == "spec":
            if codec.loads(body, JobSpec).planned_first:
                self._plans.add(job_id)
                self._happens(PLAN, PlanEvent.REQUESTED, job_id)
        elif kind in _OF_PLAN and job_id in self._plans:
            self._happens(PLAN, _OF_PLAN[kind], job_id)

    def _registration(self, path: list[str], body: bytes) -> None:
        record = codec.loads(body, Registration)
        registered = self._registered.setdefault((path[1], record.job_id), set())
        match record.mark:
            case Mark.UPLOAD:
                registered.add(record.upload_id)
                self._happens(UPLOAD, UploadEvent.REGISTERED, record.upload_id)
            case Mark.TOMBSTONE:
                if (UPLOAD.name, record.upload_id) in self._states:  # Else another application's.
                    self._happens(UPLOAD, UploadEvent.FENCED, record.upload_id)
            case Mark.DEAD:
                self._happens(UPLOAD, UploadEvent.DEAD, record.upload_id)
            case Mark.CLOSED:
                for upload_id in registered:
                    self._happens(UPLOAD, UploadEvent.CLOSED, upload_id)

    def _feed_record(self, path: list[str], body: bytes) -> None:
        feed_id, kind = path[1], path[2]
        if kind != "desired":
            return
        entry = codec.loads(body, PauseLogEntry)
        if (FEED.name, feed_id) not in self._states:
            self._happens(FEED, FeedEvent.REGISTERED, feed_id)  # It came with the deployment.
        paused = FeedEvent.STOPPED if entry.reason else FeedEvent.PAUSED
        self._happens(FEED, paused if entry.kind is PauseLogKind.PAUSE else FeedEvent.RESUMED, feed_id)

    # --- uploads, items ---------------------------------------------------------------------------------------

    def _upload_created(self, _process: Process, _: str, _args: tuple[Any, ...], answer: Any) -> None:
        if isinstance(answer, UploadRef):
            self._happens(UPLOAD, UploadEvent.CREATED, answer.upload_id)

    def _upload_completed(self, _process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        if isinstance(answer, Written):
            self._happens(UPLOAD, UploadEvent.COMPLETED, args[0].upload_id)

    def _upload_aborted(self, _process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        if not isinstance(answer, EftError) and (UPLOAD.name, args[0].upload_id) in self._states:
            self._happens(UPLOAD, UploadEvent.ABORTED, args[0].upload_id)

    def _deliveries_put(self, _process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        if isinstance(answer, EftError):
            return
        noted: list[Delivery] = args[0]
        for note in noted:
            self._happens(DELIVERY, DELIVERY_EVENTS[note.status], note.feed_id, note.key, note.pin, note.region)

    def _entry_put(self, _process: Process, _: str, args: tuple[Any, ...], answer: Any) -> None:
        entry: Entry = args[0]
        if answer is not True or entry.kind is not EntryKind.FEED:
            return
        feed_id = codec.loads(entry.body.encode(), Feed).id
        if entry.removed:
            self._happens(FEED, FeedEvent.REMOVED, feed_id)
        elif (FEED.name, feed_id) not in self._states:
            self._happens(FEED, FeedEvent.REGISTERED, feed_id)


_RECORDS: dict[str, Callable[[Transitions, list[str], bytes], None]] = {
    "jobs": Transitions._job_record,
    "reg": Transitions._registration,
    "feeds": Transitions._feed_record,
}
