"""Which of a job's planned partitions may be in the copy queue: a window on each range's chain.

A tenant with a million partitions must not fill the queue. So only the first W partitions of a range are woken when
they are planned; each of the others is woken by the one W before it, when that is finished. Partitions whose ordinals
differ by multiples of W stand in one line: a range has W lines, and one partition of each is in the queue or at work.

Nothing is safe or unsafe by it: a partition that is woken too early is merely early, and one that nobody wakes is found
by the sweep.
"""

from collections.abc import Callable, Iterable

from chalicelib.core.ids import ROOT_RANGE, is_aside, part_id, split_part_id
from chalicelib.core.model import Priority
from chalicelib.core.policy import Policy


def partitions_ahead(policy: Policy, priority: Priority, range_id: str) -> int:
    """W of a range. Half as much for each fork above it, so that a job of many ranges has no window for each; and by
    the job's priority, so that beside others it has its share of the queue."""
    whole = policy.partitions_ahead * priority.weight // Priority.NORMAL.weight
    return max(1, whole >> (len(range_id) - len(ROOT_RANGE)))


def next_in_line(part: str, ahead: int) -> str:
    """Whom a finished partition wakes."""
    range_id, ordinal = split_part_id(part)
    return part_id(range_id, ordinal + ahead)


def before_in_line(part: str, ahead: int) -> str | None:
    """Who wakes a partition; None for those that are woken when they are planned."""
    range_id, ordinal = split_part_id(part)
    return part_id(range_id, ordinal - ahead) if ordinal > ahead else None


def heads(parts: Iterable[str], ahead: Callable[[str], int]) -> tuple[str, ...]:
    """The first of each line among partitions that are not finished: when these are woken, the others will be.
    `ahead(range)` is the range's W. Rows set aside stand in no line: nobody waits for them, and each is woken."""
    first: dict[tuple[str, int], str] = {}
    asides: list[str] = []
    for part in sorted(parts):
        range_id, ordinal = split_part_id(part)
        if is_aside(part):
            asides.append(part)
        else:
            first.setdefault((range_id, ordinal % ahead(range_id)), part)
    return tuple(sorted((*first.values(), *asides)))
