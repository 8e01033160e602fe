"""Adds up what a plan amounts to, entry by entry of its manifest logs.

Each entry of a plan carries the totals of the entries before it in its range. So the last entry of each range tells the
range's totals: reading them takes as many entries as there are ranges, however many objects there are. Totals are pure
sums over immutable entries, so every splitter, in either Region, gets the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol, Self, TypeVar


class _Summable(Protocol):
    def __add__(self, other: Self, /) -> Self: ...


T = TypeVar("T", bound=_Summable)


@dataclass(frozen=True, slots=True)
class ClassTotals:
    """The objects of one storage class that are to be copied, into the same class."""

    copies: int = 0
    """Objects copied by one CopyObject each."""
    uploads: int = 0
    """Objects copied by multipart uploads."""
    parts: int = 0
    """Upload parts of all of these."""
    bytes: int = 0
    compared: int = 0
    """Objects whose ETag changes in the copy, so that LIST can't tell afterwards whether the copy is the source."""

    def __add__(self, other: "ClassTotals") -> "ClassTotals":
        return ClassTotals(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of some entries of a manifest log."""

    objects: int = 0
    bytes: int = 0
    decided: dict[str, int] = field(default_factory=dict)
    """Outcome -> rows that are not to be copied."""
    classes: dict[str, ClassTotals] = field(default_factory=dict)
    """Storage class -> the objects of it that are to be copied."""
    partitions: int = 0
    partitions_to_copy: int = 0
    """Partitions of which at least one row is to be copied."""
    filtered: int = 0
    heads: int = 0
    """Number of HEADs that planning took, at either side."""
    error: str = ""
    """The first reason why something could not be planned, if there is one."""

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            objects=self.objects + other.objects,
            bytes=self.bytes + other.bytes,
            decided=_sum(self.decided, other.decided, 0),
            classes=_sum(self.classes, other.classes, ClassTotals()),
            partitions=self.partitions + other.partitions,
            partitions_to_copy=self.partitions_to_copy + other.partitions_to_copy,
            filtered=self.filtered + other.filtered,
            heads=self.heads + other.heads,
            error=self.error or other.error,
        )

    @property
    def to_copy(self) -> ClassTotals:
        """The sum over all storage classes."""
        return add_up(self.classes.values(), ClassTotals())


def add_up(items: Iterable[T], zero: T) -> T:
    total = zero
    for item in items:
        total = total + item
    return total


def _sum(left: Mapping[str, T], right: Mapping[str, T], zero: T) -> dict[str, T]:
    return {name: left.get(name, zero) + right.get(name, zero) for name in sorted({*left, *right})}
