"""Feeds, decided purely: whether one can wake itself, and which objects are looked for when a source is listed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.ids import digest_of
from chalicelib.core.model import Endpoint, Feed

MARGIN_MS = 3_600_000
"""How much earlier than a pause, or than a dead Region's last sign of life, an object may have been written that is
still looked for: S3 may send an event minutes late, and a Region may leave messages unread for a while."""
LOOKED_AT_MAX = 100
"""Buckets that are looked at for feeds that go on with what a new one writes, one query each."""


@dataclass(frozen=True, slots=True)
class FeedEnds:
    """A feed and its ends as they were when it was registered: where they are never changes."""

    feed: Feed
    source: Endpoint
    target: Endpoint


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """Where a feed reads and writes: what a row of the feeds' index says."""

    feed_id: str
    source: str
    """The endpoints' ids."""
    target: str
    source_bucket: str
    source_prefix: str
    target_bucket: str
    target_prefix: str

    @classmethod
    def of(cls, ends: FeedEnds) -> "FeedPlace":
        feed = ends.feed
        source, target = ends.source.below(feed.source_prefix), ends.target.below(feed.target_prefix)
        places = (source.bucket.name, source.prefix, target.bucket.name, target.prefix)
        return cls(feed.id, feed.source, feed.target, *places)


def reads_in(bucket: str) -> str:
    """The row of the index of feeds that read in a bucket."""
    return f"source:{bucket}"


def writes_to(bucket: str) -> str:
    """The row of the index of feeds that write to a bucket."""
    return f"target:{bucket}"


def by_id(feed_id: str) -> str:
    """The row of the index by which a feed is found that only its id is known of."""
    return f"id:{feed_id}"


CREATED = "created"
"""The fill that each registered feed begins with."""
SKEW_MS = 1000
"""How far two Regions' S3 clocks may be apart, and what S3 leaves out of LastModified, which is in whole seconds."""


class FillState(StrEnum):
    """How far a listing of a feed's source is."""

    WAITING = "WAITING"
    """Not begun, or not to be gone on with: while the feed is paused."""
    RUNNING = "RUNNING"
    DONE = "DONE"
    """The source was listed to its end, and all that was found there was handed on to be delivered."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Several versions of objects that a feed has delivered, each by a digest of its key and version."""

    feed_id: str
    digests: tuple[str, ...]
    region: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Fill:
    """Somebody wants a feed's source listed, and what lies there delivered."""

    feed_id: str
    name: str
    since_ms: int
    """Objects last modified then or later, by S3's own time."""
    region: str
    requested_ms: int
    nonce: str
    by: str = ""
    """Whose token asked for it: its subject."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A feed's source was listed to its end for one fill. Written once, by whoever came to the end first."""

    feed_id: str
    name: str
    objects_seen: int
    arrivals_sent: int
    """Objects that were handed on. Intake leaves alone what was delivered before."""
    started_ms: int
    finished_ms: int
    region: str
    nonce: str


def backfill_name(feed_id: str, token: str) -> str:
    """Asked for again with the same Idempotency-Key, it is the same back-fill, in either Region."""
    return f"backfill-{digest_of('backfill', feed_id, token)}"


def is_backfill(name: str) -> bool:
    """Has somebody asked for it, rather than the making of the feed or the end of a pause?"""
    return name.startswith("backfill-")


def since_of_creation_ms(recorded_ms: int) -> int:
    """A feed delivers what appears from the moment on at which its making was recorded in S3. The margin is no larger
    than that: what was there before is not to be delivered."""
    return max(0, recorded_ms - SKEW_MS)


def resume_name(number: int) -> str:
    """Of the fill that belongs to the intent by which a feed was resumed."""
    return f"resume-{number:06d}"


def resume_number(name: str) -> int | None:
    """The intent that a fill belongs to; None for all others."""
    kind, _, number = name.partition("-")
    return int(number) if kind == "resume" else None


def since_of_pause_ms(paused_ms: int) -> int:
    """What was written since then is looked for when the pause ends. Whatever arrives during the pause and is older
    must not be forgotten."""
    return max(0, paused_ms - MARGIN_MS)


def loop_from(start: FeedPlace, reading: Callable[[str], Iterable[FeedPlace]]) -> list[str] | None:
    """The feeds, from `start` to `start`, by which it wakes itself: what one writes lies where the next one reads.
    Empty if there is no such loop; None if that takes looking at more than `LOOKED_AT_MAX` buckets. `reading` says
    which feeds read in a bucket."""
    came_from: dict[str, str] = {}
    readers: dict[str, list[FeedPlace]] = {}
    todo = [start]
    while todo:
        at = todo.pop()
        bucket = at.target_bucket
        if bucket not in readers:
            if len(readers) == LOOKED_AT_MAX:
                return None
            own = [start] if start.source_bucket == bucket else []
            readers[bucket] = [*own, *(place for place in reading(bucket) if place.feed_id != start.feed_id)]
        for following in readers[bucket]:
            if following.feed_id in came_from or not _overlap(at.target_prefix, following.source_prefix):
                continue
            came_from[following.feed_id] = at.feed_id
            if following.feed_id == start.feed_id:
                return _path(came_from, start.feed_id)
            todo.append(following)
    return []


def _path(came_from: Mapping[str, str], start: str) -> list[str]:
    path = [start, came_from[start]]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def _overlap(left: str, right: str) -> bool:
    return left.startswith(right) or right.startswith(left)
