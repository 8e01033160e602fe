"""Names of things, derived so that both Regions derive the same."""

import hashlib
import re
from base64 import b32encode

_JOB_ID = re.compile(r"(job|feed)-[a-z2-7]{26}")
_PART = re.compile(r"(r[01]*|d)-([0-9]{6})(w?)")
ROOT_RANGE = "r"
DELETE_RANGE = "d"
"""The chain of what a job deletes at its target. It never forks, so that its last link knows how many that are."""


def digest_of(*words: str) -> str:
    """26 letters and digits that follow from the words, and from no others."""
    joined = "\x00".join(f"{len(word)}:{word}" for word in words)
    return b32encode(hashlib.sha256(joined.encode()).digest()).decode().lower()[:26]


def job_id(tenant: str, token: str, control_region: str) -> str:
    """A submission retried in the other Region, with the same Idempotency-Key, is the same job. The Region that decides
    whether it is the same is the target's: a request for another target's Region can't be told from it there, so it
    must not get the same name."""
    return "job-" + digest_of("job", tenant, token, control_region)


def feed_job_id(feed_id: str, pins: list[tuple[str, str, str]], attempt: int) -> str:
    """A batch of events delivered twice is the same job. A pin is (key, version, the destination's ETag or ""): planned
    against another destination, the same versions are a new job. So they are at another `attempt` (from 0), after a job
    of these very pins has ended without delivering them."""
    return "feed-" + digest_of("feed", feed_id, str(attempt), *(word for pin in sorted(pins) for word in pin))


def schedule_id(tenant: str, name: str, nonce: str) -> str:
    """One that is removed and made again under its name is another schedule."""
    return "schedule-" + digest_of("schedule", tenant, name, nonce)


def webhook_message_id(tenant: str, webhook: str, topic: str, identity: str) -> str:
    """The same whichever Region tells of the same thing, however often: receivers know repeats by it. It holds no dot,
    which in what is signed stands between id, time and body."""
    return "msg_" + digest_of("webhook", tenant, webhook, topic, identity)


def is_job_id(text: str) -> bool:
    return _JOB_ID.fullmatch(text) is not None


def part_id(range_id: str, ordinal: int) -> str:
    """Link `ordinal` (from 1) of a range's chain."""
    return f"{range_id}-{ordinal:06d}"


def is_part_id(text: str) -> bool:
    return _PART.fullmatch(text) is not None


def is_delete_part(part: str) -> bool:
    """A link of the chain of deletions?"""
    return part.startswith(DELETE_RANGE)


def aside_of(part: str) -> str:
    """Where a partition's rows go that are set aside: a partition of its own, right after this one by name."""
    return f"{part}w"


def is_aside(part: str) -> bool:
    return part.endswith("w")


def parent_of(aside: str) -> str:
    return aside.removesuffix("w")


def split_part_id(part: str) -> tuple[str, int]:
    """Its range and ordinal. Those of a partition of rows set aside are its parent's."""
    found = _PART.fullmatch(part)
    if not found:
        raise ValueError(f"not a partition id: {part!r}")
    return found[1], int(found[2])


def object_id(bucket: str, key: str) -> str:
    """The name under which a destination object's uploads are registered: one register for all jobs."""
    return hashlib.sha256(f"{bucket}\x00{key}".encode()).hexdigest()[:40]


def feed_id(tenant: str, name: str, nonce: str) -> str:
    """Of a feed that is registered: one that is removed and made again is another one, which has delivered nothing."""
    return "f-" + digest_of("feed-id", tenant, name, nonce)
