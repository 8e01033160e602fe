"""Computes the part plan of a multipart copy. It depends on pinned facts alone, so that any worker can continue the
upload of any other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from chalicelib.core.policy import MIB, PART_MAX_BYTES, PARTS_MAX
from chalicelib.core.rows import PartPlan


@dataclass(frozen=True, slots=True)
class PartRange:
    """Upload part `number` (from 1) with its bytes first..last, inclusive."""

    number: int
    first_byte: int
    last_byte: int

    @property
    def size(self) -> int:
        return self.last_byte - self.first_byte + 1


@dataclass(frozen=True, slots=True)
class PartShare:
    """The upload parts of one row that one of several workers copies: those whose number modulo `shares` is `index`.
    The row's owner has index 0, completes the upload, and copies the parts that helpers don't."""

    row: int
    index: int
    shares: int

    def takes(self, part_number: int) -> bool:
        return part_number % self.shares == self.index

    def __str__(self) -> str:
        return f"{self.row}/{self.index}/{self.shares}"


def shares_of(row: int, parts: int, per_worker: int, workers_max: int) -> list[PartShare]:
    """Return how the upload parts that are still to be copied are divided. The owner's share comes first."""
    shares = max(1, min(-(-parts // per_worker), workers_max))
    return [PartShare(row, index, shares) for index in range(shares)]


def even_plan(size_bytes: int, part_size_bytes: int) -> PartPlan:
    """Return a plan with upload parts of `part_size_bytes`, or of as many whole MiB as it takes to get by with 10,000
    parts. The last part may be smaller. Raises ValueError if the size does not fit."""
    needed_bytes = -(-size_bytes // PARTS_MAX)
    chosen_bytes = max(
        part_size_bytes, -(-needed_bytes // MIB) * MIB if needed_bytes > part_size_bytes else part_size_bytes
    )
    if chosen_bytes > PART_MAX_BYTES:
        raise ValueError(f"{size_bytes} bytes don't fit into {PARTS_MAX} parts of at most {PART_MAX_BYTES} bytes")
    full_parts, rest_bytes = divmod(size_bytes, chosen_bytes)
    runs = ((chosen_bytes, full_parts),) if full_parts else ()
    return PartPlan(runs + (((rest_bytes, 1),) if rest_bytes or not full_parts else ()))


def plan_of_sizes(sizes: Sequence[int]) -> PartPlan:
    """Return a plan with the source's own part boundaries, run-length coded."""
    return PartPlan(tuple((size, len(list(run))) for size, run in groupby(sizes)))


def part_ranges(plan: PartPlan) -> Iterator[PartRange]:
    number, offset = 1, 0
    for size, count in plan.runs:
        for _ in range(count):
            yield PartRange(number, offset, offset + size - 1)
            number, offset = number + 1, offset + size


def parts_total(plan: PartPlan) -> int:
    return sum(count for _, count in plan.runs)
