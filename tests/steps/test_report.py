"""A settled job's report has every object once, with its outcome, from either Region."""

import csv
import hashlib
import io
import json

import pytest

from chalicelib.core.errors import NotYet, Unknown
from chalicelib.core.jobs import JobSpec
from chalicelib.core.report import ReportFormat, unguarded
from chalicelib.core.rows import Outcome
from chalicelib.ports import MakeReport
from chalicelib.steps import report
from simulation.memory.env import CONTROL, EAST, TARGET, TENANT, WEST
from simulation.memory.links import follow
from tests.steps.reporting import DENIED, KEYS, PIECES, ROOMY, ask, fetched, receipts_of, settled, wait_for
from tests.steps.world import HOUR, MINUTE, SMALL, World

FORMATS = list(ReportFormat)
SIZES = {"one piece": SMALL, "many pieces": PIECES}


@pytest.fixture(params=list(SIZES.values()), ids=list(SIZES))
def world(request: pytest.FixtureRequest) -> World:
    return World(policy=request.param, limits=ROOMY)


def checked(world: World, spec: JobSpec, body: bytes) -> None:
    """Assert that the report has every row of the job, in order, as its receipts have it."""
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    outcomes = world.rows(spec)
    assert [unguarded(row["key"]) for row in rows] == list(outcomes) == KEYS
    for row in rows:
        outcome = outcomes[row["key"]]
        assert (row["outcome"], row["target_etag"], row["detail"]) == (
            outcome.outcome,
            outcome.etag or "",
            outcome.detail,
        )
        assert row["target_key"] == row["key"].replace("in/a", "out/b")
        version = world.store.current(TARGET[EAST], row["target_key"])
        assert (version is None) is (row["key"] == DENIED)
        if version is not None:
            assert (row["outcome"], row["target_etag"], row["verification"]) == ("COPIED", version.etag, "etag")
            assert int(row["size"]) == len(version.body)
    assert {row["verified_region"] for row in rows} <= {WEST, EAST}
    assert all(row["verified_at"].startswith("20") and row["verified_at"].endswith("Z") for row in rows)


def test_it_has_every_object_once(world: World) -> None:
    spec = settled(world)
    checked(world, spec, fetched(world, spec, ReportFormat.CSV))
    lines = [json.loads(line) for line in fetched(world, spec, ReportFormat.NDJSON).splitlines()]
    assert {line["key"]: Outcome(line["outcome"]) for line in lines} == world.outcomes(spec)
    assert [line["key"] for line in lines] == KEYS


@pytest.mark.parametrize("report_format", FORMATS)
def test_the_answer_describes_what_is_fetched(world: World, report_format: ReportFormat) -> None:
    spec = settled(world)
    view = wait_for(world, spec, report_format)
    body = follow(world.store, view.url).body
    assert (view.made.bytes, view.made.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert view.made.rows == {"csv": 14, "ndjson": 14, "failures": 1, "receipts": 8}[report_format]
    assert body.count(b"\n") == view.made.rows + (report_format is ReportFormat.CSV)
    assert view.end == world.terminal(spec)


@pytest.mark.parametrize("report_format", FORMATS)
def test_both_regions_give_the_same(world: World, report_format: ReportFormat) -> None:
    spec = settled(world)
    assert fetched(world, spec, report_format, WEST) == fetched(world, spec, report_format, EAST)
    assert len(world.events("report-made")) == 1


def test_failures_are_what_was_not_delivered(world: World) -> None:
    spec = settled(world)
    assert fetched(world, spec, ReportFormat.FAILURES) == f"source-west,{DENIED}\n".encode()


def test_a_job_without_failures_has_an_empty_manifest_of_them() -> None:
    world = World(policy=PIECES, limits=ROOMY)
    world.put("in/a/1", b"one")
    spec = world.submit("a/", "b/")
    world.settle()
    assert fetched(world, spec, ReportFormat.FAILURES) == b""
    assert wait_for(world, spec, ReportFormat.FAILURES).made.rows == 0


def test_a_job_of_nothing_has_a_report_of_nothing() -> None:
    world = World()
    spec = world.submit("a/", "b/")
    world.settle()
    assert fetched(world, spec, ReportFormat.CSV).startswith(b"key,target_key,")
    assert fetched(world, spec, ReportFormat.NDJSON) == b""


def test_receipts_are_all_records_in_their_order(world: World) -> None:
    spec = settled(world)
    expected = b"".join(manifest + b"\n" + receipt + b"\n" for manifest, receipt in receipts_of(world, spec))
    assert expected.count(b"\n") == 8
    assert fetched(world, spec, ReportFormat.RECEIPTS) == expected


def test_many_pieces_are_many_and_one_is_one() -> None:
    for policy, least in ((PIECES, 2), (SMALL, 0)):
        world = World(policy=policy, limits=ROOMY)
        fetched(world, settled(world), ReportFormat.CSV)
        pieces = [key for key in world.store.keys(CONTROL[EAST]) if "/piece/" in key]
        assert len(pieces) >= least
        assert bool(pieces) is bool(least)
        assert world.store.uploads(CONTROL[EAST]) == ()


def test_a_feeds_job_has_one_too() -> None:
    world = World(policy=PIECES, limits=ROOMY)
    keys = [f"in/{number}" for number in range(4)]
    for key in keys:
        world.put(key, b"x")
    world.announce(*keys)
    world.run(MINUTE)
    world.settle()
    [(spec, _)] = [pair for region in world.regions.values() for pair in region.notifier.settled]
    assert spec.feed_id
    rows = csv.DictReader(io.StringIO(fetched(world, spec, ReportFormat.CSV).decode(), newline=""))
    assert [(row["key"], row["outcome"]) for row in rows] == [(key, "COPIED") for key in keys]


# --- when ---------------------------------------------------------------------------------------------------------


def test_not_before_the_job_is_settled(world: World) -> None:
    for key in KEYS:
        world.put(key, b"x")
    spec = world.submit("a/", "b/")
    with pytest.raises(NotYet, match="not settled yet"):
        report.fetch(world.east, TENANT, spec.job_id, ReportFormat.CSV)
    world.run(MINUTE)
    world.settle()
    assert fetched(world, spec, ReportFormat.CSV)


def test_settled_though_this_regions_table_does_not_know(world: World) -> None:
    spec = settled(world)
    world.ledger.terminals.clear()
    assert fetched(world, spec, ReportFormat.CSV)


def test_nobody_elses(world: World) -> None:
    spec = settled(world)
    with pytest.raises(Unknown):
        report.fetch(world.east, "other", spec.job_id, ReportFormat.CSV)


def test_it_is_made_once_however_often_it_is_asked_for(world: World) -> None:
    spec = settled(world)
    for _ in range(5):
        assert ask(world, spec, ReportFormat.CSV) is None
    assert len(world.regions[EAST].queue.tasks) == 1
    world.run(MINUTE)
    for _ in range(5):
        assert ask(world, spec, ReportFormat.CSV) is not None
    assert world.regions[EAST].queue.tasks == []
    world.run(MINUTE)
    assert len(world.events("report-made")) == 1


def test_a_lost_message_is_sent_again(world: World) -> None:
    spec = settled(world)
    assert ask(world, spec, ReportFormat.CSV) is None
    world.collect(lost=True)
    world.clock.advance(2 * MINUTE)
    assert fetched(world, spec, ReportFormat.CSV)


def test_a_link_expires_and_another_one_is_to_be_had(world: World) -> None:
    spec = settled(world)
    view = wait_for(world, spec, ReportFormat.CSV)
    assert view.expires_ms == world.clock.now_ms() + 15 * MINUTE
    world.clock.advance(15 * MINUTE)
    assert follow(world.store, view.url).status == 403
    assert fetched(world, spec, ReportFormat.CSV)


@pytest.mark.parametrize("name_part", ["whole", "made", "/piece/000001", ""])
def test_what_the_lifecycle_rule_takes_is_made_again(world: World, name_part: str) -> None:
    """The rule takes them one by one, in any order."""
    spec = settled(world)
    for report_format in FORMATS:
        before = fetched(world, spec, report_format)
        for key in world.store.keys(CONTROL[EAST]):
            if key.startswith("report/") and name_part in key:
                world.store.remove(CONTROL[EAST], key)
        world.clock.advance(HOUR)
        assert fetched(world, spec, report_format) == before


def test_a_message_about_nothing_does_nothing(world: World) -> None:
    world.put("in/a/1", b"one")
    spec = world.submit("a/", "b/")
    report.run(world.east, MakeReport(spec.job_id, EAST, ReportFormat.CSV), world.clock.now_ms() + MINUTE)
    report.run(world.east, MakeReport("job-" + "a" * 26, EAST, ReportFormat.CSV), world.clock.now_ms() + MINUTE)
    assert [key for key in world.store.keys(CONTROL[EAST]) if key.startswith("report/")] == []
