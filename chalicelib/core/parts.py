"""The part plan of a multipart copy: deterministic from pinned facts, so that any worker can go on with any other's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from chalicelib.core.model import PartPlan
from chalicelib.core.policy import MIB, PART_MAX_BYTES, PARTS_MAX


@dataclass(frozen=True, slots=True)
class PartRange:
    """Part `number` (from 1) holds bytes first..last, inclusive."""

    number: int
    first_byte: int
    last_byte: int

    @property
    def size(self) -> int:
        return self.last_byte - self.first_byte + 1


def even_plan(size: int, part_size: int) -> PartPlan:
    """Parts of `part_size`, or of as many whole MiB as 10,000 parts take. The last may be smaller."""
    smallest = -(-size // PARTS_MAX)
    chosen = max(part_size, -(-smallest // MIB) * MIB if smallest > part_size else part_size)
    if chosen > PART_MAX_BYTES:
        raise ValueError(f"{size} bytes don't fit into {PARTS_MAX} parts of at most {PART_MAX_BYTES} bytes")
    full, rest = divmod(size, chosen)
    runs = ((chosen, full),) if full else ()
    return PartPlan(runs + (((rest, 1),) if rest or not full else ()))


def plan_of_sizes(sizes: Sequence[int]) -> PartPlan:
    """The source's own boundaries, run-length coded."""
    return PartPlan(tuple((size, len(list(run))) for size, run in groupby(sizes)))


def part_ranges(plan: PartPlan) -> Iterator[PartRange]:
    number, offset = 1, 0
    for size, count in plan.runs:
        for _ in range(count):
            yield PartRange(number, offset, offset + size - 1)
            number, offset = number + 1, offset + size


def parts_total(plan: PartPlan) -> int:
    return sum(count for _, count in plan.runs)
