"""Derives names and ids deterministically, so that both Regions derive the same ones."""

import hashlib
import re
from base64 import b32encode

_JOB_ID = re.compile(r"(job|feed)-[a-z2-7]{26}")
_PARTITION_ID = re.compile(r"(r[01]*|d)-([0-9]{6})(w?)")
ROOT_RANGE = "r"
DELETE_RANGE = "d"
"""The manifest log of the objects that a job deletes at its target. It has no range splits, so its last entry knows
their number."""


def digest_of(*words: str) -> str:
    """Return 26 letters and digits that depend on the words alone. Other words give other digests."""
    joined = "\x00".join(f"{len(word)}:{word}" for word in words)
    return b32encode(hashlib.sha256(joined.encode()).digest()).decode().lower()[:26]


def job_id(tenant: str, token: str, control_region: str) -> str:
    """Return a job's id. A submission that is retried in the other Region with the same Idempotency-Key is the same
    job.

    The target's Region decides whether two submissions are the same. It can't compare a request with one for a target
    in another Region, so such a request must not get the same id.
    """
    return "job-" + digest_of("job", tenant, token, control_region)


def feed_job_id(feed_id: str, pins: list[tuple[str, str, str]], attempt: int) -> str:
    """Return a feed job's id. A batch of events that is delivered twice is the same job.

    A pin is (key, version, the destination's ETag or ""). The same versions planned against another destination object
    are a new job. They are also a new job at another `attempt` (from 0): after a job with exactly these pins has ended
    without delivering them.
    """
    return "feed-" + digest_of("feed", feed_id, str(attempt), *(word for pin in sorted(pins) for word in pin))


def schedule_id(tenant: str, name: str, nonce: str) -> str:
    """Return a schedule's id. A schedule that is removed and made again under its name gets another id."""
    return "schedule-" + digest_of("schedule", tenant, name, nonce)


def webhook_message_id(tenant: str, webhook: str, topic: str, identity: str) -> str:
    """Return a webhook message's id. It is the same whichever Region reports the event, and however often: receivers
    detect repeats by it. It contains no dot, since dots separate id, time and body in the signed text."""
    return "msg_" + digest_of("webhook", tenant, webhook, topic, identity)


def is_job_id(text: str) -> bool:
    return _JOB_ID.fullmatch(text) is not None


def number_name(number: int) -> str:
    """Return a number from 1 as it is written in keys and names: names of up to six digits sort as their numbers do."""
    return f"{number:06d}"


def number_of(name: str) -> int:
    """Return the number of which `number_name` made this name. Raises ValueError for anything that is no number."""
    return int(name)


def partition_id_of(range_id: str, ordinal: int) -> str:
    """Return the id of entry `ordinal` (from 1) of a range's manifest log."""
    return f"{range_id}-{number_name(ordinal)}"


def is_partition_id(text: str) -> bool:
    return _PARTITION_ID.fullmatch(text) is not None


def is_delete_partition(partition_id: str) -> bool:
    """Tell whether a partition is an entry of the manifest log of deletions."""
    return partition_id.startswith(DELETE_RANGE)


def aside_of(partition_id: str) -> str:
    """Return the id of the partition that takes a partition's rows that are set aside. It sorts right after this
    one."""
    return f"{partition_id}w"


def is_aside(partition_id: str) -> bool:
    return partition_id.endswith("w")


def parent_of(aside: str) -> str:
    return aside.removesuffix("w")


def split_partition_id(partition_id: str) -> tuple[str, int]:
    """Return a partition's range and ordinal. A partition of rows set aside has those of its parent. Raises ValueError
    if `partition_id` is no partition id."""
    match = _PARTITION_ID.fullmatch(partition_id)
    if not match:
        raise ValueError(f"not a partition id: {partition_id!r}")
    return match[1], number_of(match[2])


def object_id(bucket: str, key: str) -> str:
    """Return the id under which a destination object's uploads are registered: one register for all jobs."""
    return hashlib.sha256(f"{bucket}\x00{key}".encode()).hexdigest()[:40]


def feed_id(tenant: str, name: str, nonce: str) -> str:
    """Return a feed's id. A feed that is removed and made again gets another id, and has delivered nothing yet."""
    return "f-" + digest_of("feed-id", tenant, name, nonce)
