"""Decides about feeds without any I/O: whether a feed would trigger itself, and from which time on objects count when
its source is listed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.ids import digest_of, number_name, number_of
from chalicelib.core.lifecycles import FEED, FeedEvent, FeedState

MARGIN_MS = 3_600_000
"""How much older than a pause, or than a dead Region's last sign of life, an object may be and still be looked for. S3
may send an event minutes late, and a Region may leave messages unread for a while."""
LOOKED_AT_MAX = 100
"""In how many buckets the search for a loop looks for feeds, with one query for each."""


@dataclass(frozen=True, slots=True)
class FeedEnds:
    """A feed and its two endpoints as they were when it was registered. Their locations never change."""

    feed: Feed
    source: Endpoint
    target: Endpoint


@dataclass(frozen=True, slots=True)
class FeedLocation:
    """Where a feed reads and writes: the contents of a row of the feeds' index."""

    feed_id: str
    source: str
    """The endpoints' ids."""
    target: str
    source_bucket: str
    source_prefix: str
    target_bucket: str
    target_prefix: str

    @classmethod
    def of(cls, ends: FeedEnds) -> "FeedLocation":
        feed = ends.feed
        source, target = ends.source.below(feed.source_prefix), ends.target.below(feed.target_prefix)
        locations = (source.bucket.name, source.prefix, target.bucket.name, target.prefix)
        return cls(feed.id, feed.source, feed.target, *locations)


def reads_in(bucket: str) -> str:
    """Return the key of the index row for feeds that read in a bucket."""
    return f"source:{bucket}"


def writes_to(bucket: str) -> str:
    """Return the key of the index row for feeds that write to a bucket."""
    return f"target:{bucket}"


def by_id(feed_id: str) -> str:
    """Return the key of the index row that finds a feed by its id alone."""
    return f"id:{feed_id}"


CREATED = "created"
"""Name of the back-fill with which each registered feed begins."""
SKEW_MS = 1000
"""How far the S3 clocks of two Regions may differ, plus what LastModified loses by being in whole seconds."""


class BackfillState(StrEnum):
    """How far a listing of a feed's source has got."""

    WAITING = "WAITING"
    """Not begun, or interrupted while the feed is paused."""
    RUNNING = "RUNNING"
    DONE = "DONE"
    """The source was listed to its end, and every object that was found there was handed on for delivery."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Several object versions that a feed has delivered, each as a digest of its key and version."""

    feed_id: str
    digests: tuple[str, ...]
    region: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Backfill:
    """A request for a back-fill: list a feed's source, and deliver what is there."""

    feed_id: str
    name: str
    since_ms: int
    """Only objects that were last modified at this time or later count, by S3's own time."""
    region: str
    requested_ms: int
    nonce: str
    by: str = ""
    """The subject of the token that asked for it."""


@dataclass(frozen=True, slots=True)
class BackfillDone:
    """The record that one back-fill has listed a feed's source to its end. It is written once, by the first worker that
    gets there."""

    feed_id: str
    name: str
    objects_seen: int
    events_sent: int
    """Number of objects that were handed on. Intake skips those that were delivered before."""
    started_ms: int
    finished_ms: int
    region: str
    nonce: str


def backfill_name(feed_id: str, token: str) -> str:
    """Return the name of a requested back-fill. A request that is repeated with the same Idempotency-Key gets the same
    name, in either Region."""
    return f"backfill-{digest_of('backfill', feed_id, token)}"


def is_backfill(name: str) -> bool:
    """Tell whether a client asked for this back-fill. The others begin with the creation of a feed or the end of a
    pause."""
    return name.startswith("backfill-")


def since_of_creation_ms(recorded_ms: int) -> int:
    """Return from which time on a new feed delivers objects: the moment at which S3 recorded its creation, less a
    margin. The margin is as small as possible, since objects that were there before must not be delivered."""
    return max(0, recorded_ms - SKEW_MS)


def resume_name(number: int) -> str:
    """Return the name of the back-fill that belongs to the pause log entry by which a feed was resumed."""
    return f"resume-{number_name(number)}"


def resume_number(name: str) -> int | None:
    """Return the number of the pause log entry that a back-fill belongs to. None for all other back-fills."""
    kind, _, number = name.partition("-")
    return number_of(number) if kind == "resume" else None


def since_of_pause_ms(paused_ms: int) -> int:
    """Return from which time on objects are looked for when a pause ends. The margin is there for objects that are
    older than the pause and whose events arrive during it."""
    return max(0, paused_ms - MARGIN_MS)


def feed_state(*, paused: bool, stopped: bool) -> FeedState:
    """Return the state of a registered feed. `paused`: its pause log ends in a pause; `stopped`: the service wrote
    that pause."""
    pause = FeedEvent.STOPPED if stopped else FeedEvent.PAUSED
    return FEED.reached((FeedEvent.REGISTERED, pause) if paused else (FeedEvent.REGISTERED,))


def loop_from(start: FeedLocation, reading: Callable[[str], Iterable[FeedLocation]]) -> list[str] | None:
    """Return the feeds, from `start` back to `start`, by which it would trigger itself: each writes where the next one
    reads. Return an empty list if there is no such loop, and None if the search needs more than `LOOKED_AT_MAX`
    buckets. `reading` returns the feeds that read in a bucket."""
    came_from: dict[str, str] = {}
    readers: dict[str, list[FeedLocation]] = {}
    unexplored = [start]
    while unexplored:
        writer = unexplored.pop()
        bucket = writer.target_bucket
        if bucket not in readers:
            if len(readers) == LOOKED_AT_MAX:
                return None
            own = [start] if start.source_bucket == bucket else []
            readers[bucket] = [*own, *(location for location in reading(bucket) if location.feed_id != start.feed_id)]
        for reader in readers[bucket]:
            if reader.feed_id in came_from or not _overlap(writer.target_prefix, reader.source_prefix):
                continue
            came_from[reader.feed_id] = writer.feed_id
            if reader.feed_id == start.feed_id:
                return _path(came_from, start.feed_id)
            unexplored.append(reader)
    return []


def _path(came_from: Mapping[str, str], start: str) -> list[str]:
    path = [start, came_from[start]]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def _overlap(left: str, right: str) -> bool:
    return left.startswith(right) or right.startswith(left)
