"""A plan's sums: over its entries, of requests, dollars and time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import estimate
from chalicelib.core.endpoints import Endpoint
from chalicelib.core.jobs import JobKind, JobSpec
from chalicelib.core.manifests import Manifest
from chalicelib.core.objects import Bucket
from chalicelib.core.planned import PlanSummary, predicted, totals_of, totals_with
from chalicelib.core.policy import GIB, MIB, Policy
from chalicelib.core.prices import LIST_PRICES, with_overrides
from chalicelib.core.rows import Method, Outcome, OverwriteMode, PartPlan, Row, RowOutcome
from chalicelib.core.totals import ClassTotals, Totals, add_up

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
POLICY = Policy()
PLAIN, BORN_OF_PARTS = "a" * 32, "a" * 32 + "-2"


def endpoint(region: str, kms_key: str | None = None) -> Endpoint:
    return Endpoint("e", "acme", Bucket("b", region), "", readable=True, writable=True, kms_key=kms_key)


SPEC = JobSpec(
    "job", "acme", JobKind.PREFIX, endpoint(WEST), endpoint(EAST), "", "", OverwriteMode.IF_CHANGED, WEST, 5, "digest"
)
COPY = Row("k", "k", 100, PLAIN, None, Method.COPY)
LARGE = Row("l", "l", GIB, BORN_OF_PARTS, None, Method.MULTIPART, parts=PartPlan(((512 * MIB, 2),)))
RARE = replace(COPY, storage_class="STANDARD_IA")
SAME = replace(COPY, method=Method.NONE, decided=RowOutcome("k", Outcome.UNCHANGED))
COLD = replace(COPY, method=Method.NONE, decided=RowOutcome("k", Outcome.ARCHIVED))


def manifest(*rows: Row, before: Totals | None = None, filtered: int = 0) -> Manifest:
    return Manifest("job", "r-000001", "", "", True, rows, 0, 0, WEST, "n", filtered=filtered, totals_before=before)


def summary(*rows: Row, spec: JobSpec = SPEC, ranges: int = 1) -> PlanSummary:
    return PlanSummary("job", totals_of(manifest(*rows), spec, POLICY), ranges, WEST, 5, "n")


def test_what_becomes_of_a_row() -> None:
    assert [predicted(row) for row in (COPY, SAME, COLD)] == [Outcome.COPIED, Outcome.UNCHANGED, Outcome.ARCHIVED]


def test_totals_of_an_entry() -> None:
    totals = totals_of(manifest(COPY, COPY, LARGE, RARE, SAME, COLD, filtered=7), SPEC, POLICY)
    assert (totals.objects, totals.bytes, totals.filtered) == (6, GIB + 500, 7)
    assert totals.decided == {"UNCHANGED": 1, "ARCHIVED": 1}
    assert totals.classes == {
        "STANDARD": ClassTotals(copies=2, uploads=1, parts=2, bytes=GIB + 200),
        "STANDARD_IA": ClassTotals(copies=1, bytes=100),
    }
    assert (totals.partitions, totals.partitions_to_copy) == (1, 1)
    assert totals_of(manifest(SAME, COLD), SPEC, POLICY).partitions_to_copy == 0


COUNTS = st.integers(0, 10**6)
CLASSES = st.dictionaries(st.sampled_from(["STANDARD", "GLACIER_IR"]), st.builds(ClassTotals, COUNTS, COUNTS, COUNTS))
TOTALS = st.builds(Totals, COUNTS, COUNTS, st.dictionaries(st.sampled_from(Outcome), COUNTS), CLASSES, COUNTS)


@given(st.lists(TOTALS))
def test_the_order_of_ranges_makes_no_difference(parts: list[Totals]) -> None:
    assert add_up(parts, Totals()) == add_up(reversed(parts), Totals())
    assert add_up(parts, Totals()).objects == sum(part.objects for part in parts)


@given(TOTALS)
def test_an_entry_counts_on_from_those_before_it(before: Totals) -> None:
    assert totals_with(manifest(COPY, before=before), SPEC, POLICY) == before + totals_of(manifest(COPY), SPEC, POLICY)


def test_looking_at_every_object_is_counted() -> None:
    every = replace(SPEC, every_object=True)
    assert totals_of(manifest(COPY, SAME, COLD), every, POLICY).heads == 1
    assert totals_of(manifest(COPY, SAME, COLD), SPEC, POLICY).heads == 0


# --- dollars ------------------------------------------------------------------------------------------------------


def lines(*rows: Row, spec: JobSpec = SPEC) -> dict[str, estimate.CostLine]:
    cost_lines = estimate.cost_lines(summary(*rows, spec=spec), spec, LIST_PRICES, POLICY)
    assert len({line.line for line in cost_lines}) == len(cost_lines)
    return {line.line: line for line in cost_lines}


def test_a_million_small_objects() -> None:
    """S3 gets $5 for the copies themselves. The rest is for the control plane."""
    totals = Totals(
        objects=10**6,
        bytes=10**6,
        classes={"STANDARD": ClassTotals(copies=10**6, bytes=10**6)},
        partitions=1000,
        partitions_to_copy=1000,
    )
    cost_lines = estimate.cost_lines(PlanSummary("job", totals, 1, WEST, 5, "n"), SPEC, LIST_PRICES, POLICY)
    by_line = {line.line: line.dollars for line in cost_lines if line.once}
    assert by_line["S3 writes of objects, STANDARD"] == pytest.approx(5.0)
    assert by_line["S3 reads of sources, STANDARD"] == pytest.approx(0.4)
    control = sum(by_line.values()) - 5.4 - by_line["Transfer between Regions"]
    assert control < 0.2


def test_transfer_only_between_regions() -> None:
    assert lines(LARGE)["Transfer between Regions"].dollars == pytest.approx(0.02)
    assert "Transfer between Regions" not in lines(LARGE, spec=replace(SPEC, source=endpoint(EAST)))


def test_what_is_rarely_read_costs_its_retrieval() -> None:
    by_line = lines(replace(RARE, size=GIB))
    assert by_line["S3 retrieval, STANDARD_IA"].dollars == pytest.approx(0.01)
    assert by_line["S3 writes of objects, STANDARD_IA"].dollars == pytest.approx(0.01 / 1000)
    assert "S3 retrieval, STANDARD" not in by_line


def test_storage_is_by_the_month_and_not_in_the_total() -> None:
    line = lines(LARGE)["Storage of the copies, STANDARD"]
    assert not line.once
    assert line.dollars == pytest.approx(0.023)


def test_keys_only_where_the_target_has_one() -> None:
    assert "KMS requests, without a bucket key" not in lines(COPY)
    assert "KMS requests, without a bucket key" in lines(COPY, spec=replace(SPEC, target=endpoint(EAST, "key")))


def test_nothing_to_copy_costs_nothing_to_speak_of() -> None:
    assert sum(line.dollars for line in lines(SAME, COLD).values()) < 0.0002


def test_other_prices() -> None:
    prices = with_overrides(LIST_PRICES, {"dated": "2026-10-01", "write_per_1000": {"GLACIER_IR": 1.0}})
    assert prices.write_per_1000["GLACIER_IR"] == 1.0
    assert prices.write_per_1000["STANDARD"] == LIST_PRICES.write_per_1000["STANDARD"]
    assert prices.read_per_1000 == LIST_PRICES.read_per_1000


# --- time ---------------------------------------------------------------------------------------------------------


def test_more_takes_longer() -> None:
    nothing, little, much = (
        estimate.duration_s(summary(*rows), POLICY) for rows in ((SAME,), (COPY,), (COPY,) * 1000 + (LARGE,))
    )
    assert 0 < nothing < little < much
