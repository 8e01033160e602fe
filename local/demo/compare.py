"""Find the differences between what was sent and what is at the targets. This module is pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from local.demo.model import Facts, Found, Item, Properties

Target = tuple[str, str]
"""A side and a key."""
Row = Mapping[str, Any]
"""An object's row as the API returns it."""

VERIFIED = ("etag", "checksum")
"""Verification methods that the demo accepts. "size" would be no verification."""


@dataclass(frozen=True)
class Difference:
    """One difference between an expected and a found value."""

    key: str
    what: str
    expected: object
    found: object

    def told(self) -> str:
        return f"{self.key!r}: {self.what}: expected {self.expected!r}, found {self.found!r}"

    def as_json(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items()}


def objects(sent: Mapping[Target, Facts], found: Mapping[Target, Found]) -> Iterator[Difference]:
    """Yield missing objects, objects that nobody sent, and all differences in the others."""
    for target, expected in sent.items():
        if target not in found:
            yield Difference(_location(target), "object", "there", "missing")
        else:
            yield from _facts(_location(target), expected, found[target].facts)
    for target in found.keys() - sent.keys():
        yield Difference(_location(target), "object", "nothing", "an object nobody sent")


def versions(expected: Iterable[Target], counted: Mapping[Target, int]) -> Iterator[Difference]:
    """Yield keys that were not written exactly once. Each must have one version and no delete marker, and there must be
    no other keys."""
    expected_targets = set(expected)
    for target in sorted(expected_targets | counted.keys()):
        expected_count, count = int(target in expected_targets), counted.get(target, 0)
        if count != expected_count:
            yield Difference(_location(target), "versions", expected_count, count)


def rows(
    items: Iterable[Item], api_rows: Iterable[Row], sent: Mapping[Target, Facts], found: Mapping[Target, Found]
) -> Iterator[Difference]:
    """Yield rows of GET /jobs/{id}/objects that are wrong. Every object must be there once, copied, verified, and
    described as it really is."""
    all_rows = list(api_rows)
    expected = {item.source_key: item for item in items}
    times = Counter(row["key"] for row in all_rows)
    for key in sorted(expected.keys() | times.keys()):
        if times[key] != int(key in expected):
            yield Difference(key, "rows of the API", int(key in expected), times[key])
    for row in all_rows:
        if row["key"] in expected:
            item = expected[row["key"]]
            yield from _row(item, row, sent[item.target].size, found.get(item.target))


def outcomes(job: Row, outcome: str, count: int) -> Iterator[Difference]:
    """Yield the differences between `job` and one that succeeded with this one outcome for all its objects."""
    name = f"job {job['id']}"
    if job["state"] != "SUCCEEDED":
        yield Difference(name, "state", "SUCCEEDED", f"{job['state']} {job.get('reason') or ''}".rstrip())
    counts = {outcome: count for outcome, count in job["outcomes"].items() if count}
    if counts != {outcome: count}:
        yield Difference(name, "outcomes", {outcome: count}, counts)
    for counter in ("objects_planned", "objects_done"):
        if job["progress"][counter] != count:
            yield Difference(name, counter, count, job["progress"][counter])


def _location(target: Target) -> str:
    return f"{target[0]} target: {target[1]}"


def _facts(key: str, expected: Facts, found: Facts) -> Iterator[Difference]:
    if expected.size != found.size:
        yield Difference(key, "size", expected.size, found.size)
    elif expected.sha256 != found.sha256:
        yield Difference(key, "SHA-256", expected.sha256, found.sha256)
    for property_field in fields(Properties):
        expected_value, found_value = (
            getattr(expected.properties, property_field.name),
            getattr(found.properties, property_field.name),
        )
        if expected_value != found_value:
            yield Difference(key, property_field.name.replace("_", " "), expected_value, found_value)


def _row(item: Item, row: Row, size: int, found: Found | None) -> Iterator[Difference]:
    values: dict[str, tuple[object, object]] = {
        "outcome": ("COPIED", row["outcome"]),
        "target_key": (item.target[1], row["target_key"]),
        "size": (size, row["size"]),
        "target_etag": (found.etag if found else None, row["target_etag"]),
    }
    for column, (expected, actual) in values.items():
        if expected != actual:
            detail = f" ({row['detail']})" if column == "outcome" and row["detail"] else ""
            yield Difference(item.source_key, f"the API's {column}", expected, f"{actual}{detail}")
    if row["verification"] not in VERIFIED:
        yield Difference(item.source_key, "the API's verification", " or ".join(VERIFIED), row["verification"])
