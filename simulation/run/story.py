"""Define the data of a seed's story: objects, requests, and events with their times."""

from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.jobs import Priority
from chalicelib.core.policy import Policy
from chalicelib.core.rows import OverwriteMode
from chalicelib.core.schedules import Overlap
from simulation.memory.buckets import Limits
from simulation.memory.env import EAST, WEST
from simulation.run.faults import Weather
from simulation.run.inputs import EVERYTHING, Input
from simulation.run.stuck import Stuck

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
REGIONS = (WEST, EAST)
SMALL = Policy(
    multipart_threshold_bytes=40,
    part_size_bytes=16,
    partition_rows=3,
    inline_objects=2,
    attempts=4,
    backoff_max_ms=500,
    rows_in_flight=4,
)
"""Sizes so small that few bytes make a multipart copy, and few keys several partitions. All times are the real
defaults."""
TINY = Limits(part_min_bytes=1, part_max_bytes=1000, parts_max=10_000, copy_max_bytes=1000, range_source_min_bytes=0)


class Act(StrEnum):
    """An event in the world, at a time of its own."""

    KILL_REGION = "kill-region"
    RETURN_REGION = "return-region"
    FREEZE_REGION = "freeze-region"
    THAW_REGION = "thaw-region"
    CUT_STORAGE = "cut-storage"
    JOIN_STORAGE = "join-storage"
    CUT_TABLE = "cut-table"
    JOIN_TABLE = "join-table"
    HANG = "hang"
    """The service that the subject names, "storage <region>" or the like, answers nobody."""
    UNHANG = "unhang"
    DIE_ALONE = "die-alone"
    """A Region dies, and nothing else is wrong."""
    STALL_REPLICATION = "stall-replication"
    RELEASE_REPLICATION = "release-replication"
    SUBMIT = "submit"
    CANCEL = "cancel"
    APPROVE = "approve"
    """Have a plan carried out."""
    PAUSE = "pause"
    RESUME = "resume"
    PUT_SOURCE = "put-source"
    DELETE_SOURCE = "delete-source"
    DROP = "drop"
    """A partner uploads under the feed's source, and S3 sends an event."""
    PAUSE_FEED = "pause-feed"
    RESUME_FEED = "resume-feed"
    BACKFILL_FEED = "backfill-feed"
    """The feed's owner asks for a back-fill; the subject is the Idempotency-Key."""
    DROP_ARCHIVED = "drop-archived"
    """The same with an object that can't be delivered."""
    DROP_UPLOAD = "drop-upload"
    """The same with a multipart upload that was begun hours before, by which S3 dates it."""
    REGISTER_FEED = "register-feed"
    REMOVE_FEED = "remove-feed"
    PUT_TARGET = "put-target"
    DELETE_TARGET = "delete-target"
    CHANGE_SCHEDULE = "change-schedule"
    """The schedule's owner changes the labels of its jobs, by the API of the subject's Region."""
    CHANGE_MANIFEST = "change-manifest"
    """The owner overwrites the manifest of a job; the subject is the job's number."""
    BEGIN_FOREIGN_UPLOAD = "begin-foreign-upload"
    OPERATE = "operate"
    """An operator looks at jobs, objects, leases and Regions."""


@dataclass(frozen=True, slots=True)
class Event:
    at_ms: int
    act: Act
    subject: str = ""
    """A Region, a key below the endpoint's prefix, or the number of a job."""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An object that is there from the beginning, at the source or (`target`) at the destination of the jobs."""

    key: str
    size: int
    target: bool = False
    same: bool = False
    """At the destination: it has the source's content."""
    older: bool = False
    """At the destination: it has the source's content from before the last overwrite."""
    part_sizes: tuple[int, ...] = ()
    checksum: bool = True
    tags: tuple[tuple[str, str], ...] = ()
    archived: bool = False
    """In a class that can't be read without a restore."""
    denied: bool = False
    """A policy forbids us to read it."""


@dataclass(frozen=True, slots=True)
class Job:
    mode: OverwriteMode
    source: str
    """Prefix below the endpoint's own."""
    target: str
    input: Input = EVERYTHING
    planned_first: bool = False
    every_object: bool = False
    """For a plan: look at each object."""
    approved: bool = True
    """False for a plan that nobody approves. It is never carried out."""
    delete: int = 0
    """The number of objects, missing at the source, that it may delete; 0: it deletes nothing."""
    priority: Priority = Priority.NORMAL
    strict: bool = False
    """Rows that a cancel marks CANCELLED must never arrive."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A schedule that is there from the beginning."""

    minutes: tuple[int, ...]
    """Its occurrences, in minutes after the world's time begins (at a full hour)."""
    overlap: Overlap

    @property
    def cron(self) -> str:
        """The cron expression of that one day: no other day may fall into the time that a scenario takes."""
        return f"{','.join(map(str, self.minutes))} 8 15 1 *"


@dataclass(frozen=True, slots=True)
class Scenario:
    seed: int
    policy: Policy
    weather: Weather
    encryption: str
    versioned_sources: bool
    control_of: str
    """The Region of the jobs' target."""
    skew_ms: dict[str, int]
    latency_ms: int
    lag_ms: int
    transit_ms: int
    duplicates: float
    """The share of messages that arrive twice."""
    pool_width: int
    endpoint_max: int | None
    """How many partitions at once may read from, or write to, each endpoint in a Region."""
    runtime_ms: int
    """How long an invocation may last, in milliseconds. A zombie's is endless."""
    target_events: bool
    """True if the destination's own events start verify."""
    forwards: bool
    """True if events are forwarded to the other Region, where they wait as hints."""
    items: tuple[Item, ...]
    jobs: tuple[Job, ...]
    events: tuple[Event, ...]
    calm_at_ms: int
    """When faults stop."""
    dead_for_good: str
    """A Region that never returns, or ""."""
    timetable: Timetable | None = None
    stuck: Stuck | None = None
    alone: str = ""
    """A Region that dies, or hangs, while nothing else is wrong."""
    contents: int = 0
    """How many different contents later writes have; 0: no two are alike."""
    receiver_ms: int = 0
    """How often, in milliseconds, the feed's receiver takes away the files that it finds; 0: never."""
