"""Decides which of a job's planned partitions may be in the copy queue: a window for each range.

A tenant with a million partitions must not fill the queue. So only the first W partitions of a range get their task
message when they are planned. Each later partition gets its message when the partition W before it is finished.
Partitions whose ordinals differ by multiples of W form one lane. So a range has W lanes, and one partition of each lane
is in the queue or being copied.

Safety does not depend on the window. A partition whose message is sent too early is merely copied early. A partition
whose message is never sent is found by the sweep.
"""

from collections.abc import Callable, Iterable

from chalicelib.core.ids import ROOT_RANGE, is_aside, partition_id_of, split_partition_id
from chalicelib.core.jobs import Priority
from chalicelib.core.policy import Policy


def partitions_ahead(policy: Policy, priority: Priority, range_id: str) -> int:
    """Return W, the window of a range. The job's priority scales W, so that the job gets its share of the queue beside
    others. Each range split above the range halves W, so that a job of many ranges has no full window for each of
    them."""
    whole = policy.partitions_ahead * priority.weight // Priority.NORMAL.weight
    return max(1, whole >> (len(range_id) - len(ROOT_RANGE)))


def next_in_lane(partition_id: str, ahead: int) -> str:
    """Return the partition whose task message is sent when `partition_id` is finished: the next one in its lane."""
    range_id, ordinal = split_partition_id(partition_id)
    return partition_id_of(range_id, ordinal + ahead)


def previous_in_lane(partition_id: str, ahead: int) -> str | None:
    """Return the partition that has to finish before the task message of `partition_id` is sent: the previous one in
    its lane. None for the first partitions of a range, which get their message when they are planned."""
    range_id, ordinal = split_partition_id(partition_id)
    return partition_id_of(range_id, ordinal - ahead) if ordinal > ahead else None


def first_of_each_lane(partition_ids: Iterable[str], ahead: Callable[[str], int]) -> tuple[str, ...]:
    """Return the first partition of each lane among `partition_ids`, which are not finished. When these get their task
    messages, all others will get theirs. `ahead(range)` returns the range's W. A partition of rows set aside is in no
    lane: no other partition sends its message, so each of them is returned."""
    first: dict[tuple[str, int], str] = {}
    asides: list[str] = []
    for partition_id in sorted(partition_ids):
        range_id, ordinal = split_partition_id(partition_id)
        if is_aside(partition_id):
            asides.append(partition_id)
        else:
            first.setdefault((range_id, ordinal % ahead(range_id)), partition_id)
    return tuple(sorted((*first.values(), *asides)))
