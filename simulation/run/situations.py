"""What seeds must have met, by name: a situation counts when it occurs, not when it is drawn."""

from enum import StrEnum


class Situation(StrEnum):
    """Counted in `out/simulation.json`; a large run that never met one of them fails."""

    CONTENTS_AGAIN_VERSIONED = "contents-again-versioned"
    """A source key holds what it held before the last overwrite (A, B, A), in a bucket that keeps versions."""
    CONTENTS_AGAIN = "contents-again"
    """The same in a bucket that keeps none."""
    TARGET_EQUALS_OLDER = "target-equals-older"
    """A target object equals an older version of its source."""
    TAKEN_AT_ONCE = "taken-at-once"
    """A receiver took a file away from a feed's target within a minute of its publish."""
    TAKEN_LATER = "taken-later"
    TOLD_AGAIN_OF_TAKEN = "told-again-of-taken"
    """A feed was told of a file once more (a hint, a duplicate, a listing) when its receiver had taken it away."""
    CAME_TWICE = "came-twice"
    """A version was delivered again, and that is excused (`inbox`)."""
    UPLOAD_OLDER_THAN_ITS_EVENT = "upload-older-than-its-event"
    """S3 dates an object hours before it appeared: a multipart upload's beginning."""
    UPLOAD_WHOSE_EVENT_WAITS = "upload-whose-event-waits"
    """The same, in a Region that was dead by then."""
    FEED_REGISTERED = "feed-registered"
    FEED_REMOVED = "feed-removed"
    EVENT_BEFORE_ITS_FEED = "event-before-its-feed"
    """An event was read in a Region that didn't know the feed yet, which the other Region had registered."""
    PLANNED_BY_LIST = "planned-by-list"
    """The target was listed to plan rows, instead of asked key by key."""
    VERIFIED_BY_LIST = "verified-by-list"
    HUNDREDS_OF_ROWS = "hundreds-of-rows"
    """A job of at least 300 rows ended."""
    STUCK_KEY = "stuck-key"
    """An object was refused for ever, or never answered for, and its job ended without it."""
    STORAGE_HANGS = "storage-hangs"
    """A call to a Region's S3 got no answer until its caller's time was up."""
    TABLE_HANGS = "table-hangs"
    QUEUE_HANGS = "queue-hangs"
    SWEPT_WHILE_SOMETHING_HANGS = "swept-while-something-hangs"
    """A sweep that had met what hangs ended in its time."""
    ANSWERED_WHILE_SOMETHING_HANGS = "answered-while-something-hangs"
    """An API request that had met what hangs was answered in its time."""
    TAKEN_OVER_IN_TIME = "taken-over-in-time"
    """What a Region held that died, or hung as a whole, was another's within the promised time."""
    CUT_BY_BYTES = "cut-by-bytes"
    """A partition ended with fewer rows than it might have, at its number of bytes."""


HELD_BACK = frozenset(
    {
        Situation.UPLOAD_OLDER_THAN_ITS_EVENT,
        Situation.UPLOAD_WHOSE_EVENT_WAITS,
        Situation.TAKEN_AT_ONCE,
        Situation.TAKEN_LATER,
        Situation.TOLD_AGAIN_OF_TAKEN,
        Situation.CAME_TWICE,
    }
)
"""Not drawn: what the product doesn't survive yet."""
