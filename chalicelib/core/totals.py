"""What a plan comes to, added up link by link.

Each link of a plan carries the totals of the links before it in its range, so that the last link of each range tells
all: whoever needs them reads as many links as there are ranges, however many objects there are. Pure sums over
immutable links, so every splitter, in either Region, arrives at the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol, Self, TypeVar


class _Summable(Protocol):
    def __add__(self, other: Self, /) -> Self: ...


T = TypeVar("T", bound=_Summable)


@dataclass(frozen=True, slots=True)
class ClassTotals:
    """What is to be copied of one storage class, into the same class."""

    copies: int = 0
    """By one CopyObject each."""
    uploads: int = 0
    """By multipart copies."""
    parts: int = 0
    """Of all of these."""
    bytes: int = 0
    compared: int = 0
    """Of which LIST won't tell, after the copy, whether it is the source: its ETag changes on the way."""

    def __add__(self, other: "ClassTotals") -> "ClassTotals":
        return ClassTotals(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Totals:
    """Of some links."""

    objects: int = 0
    bytes: int = 0
    decided: dict[str, int] = field(default_factory=dict)
    """Outcome -> rows that are not to be copied."""
    classes: dict[str, ClassTotals] = field(default_factory=dict)
    """Storage class -> what is to be copied of it."""
    partitions: int = 0
    partitions_to_copy: int = 0
    """Those of which at least one row is to be copied."""
    filtered: int = 0
    heads: int = 0
    """How many single looks planning took, at either side."""
    error: str = ""
    """Why something could not be planned, if so: the first reason."""

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
        """Of all storage classes."""
        return add_up(self.classes.values(), ClassTotals())


def add_up(items: Iterable[T], nothing: T) -> T:
    for item in items:
        nothing = nothing + item
    return nothing


def _sum(left: Mapping[str, T], right: Mapping[str, T], nothing: T) -> dict[str, T]:
    return {name: left.get(name, nothing) + right.get(name, nothing) for name in sorted({*left, *right})}
