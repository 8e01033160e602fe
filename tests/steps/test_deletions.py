"""Jobs that also delete: which objects go and which stay. Nothing goes unless all of it may."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.deletions import Deletion
from chalicelib.core.errors import BadRequest, KeyReused
from chalicelib.core.inputs import Filters
from chalicelib.core.jobs import JobKind, JobState
from chalicelib.core.progress import Progress
from chalicelib.core.report import ReportFormat, render
from chalicelib.core.rows import Outcome, Row
from chalicelib.protocol.submitting import ListLocation
from chalicelib.steps import control
from simulation.memory.env import EAST, ENDPOINTS, SOURCE, TARGET, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Action, Operation
from tests.steps.deleting import (
    CAP,
    ELSEWHERE,
    STRAYS,
    check,
    deletes,
    deletions,
    filled,
    nothing_deleted,
    source_of,
    submit,
)
from tests.steps.world import SMALL, World


def test_what_the_source_does_not_have_is_deleted_at_the_target() -> None:
    world = filled(World())
    spec = submit(world)
    world.pump()  # No sweep is needed.
    check(world, spec)


def test_a_delete_marker_hides_it_and_the_version_stays() -> None:
    world = filled(World())
    spec = submit(world)
    world.settle()
    hidden, marker = world.store.versions(TARGET[EAST], STRAYS[0])
    assert (hidden.body, marker.delete_marker) == (STRAYS[0].encode(), True)
    assert world.store.head(TARGET[EAST], STRAYS[0], version_id=hidden.version_id) is not None
    row = world.rows(spec)[source_of(STRAYS[0])]
    assert (row.etag, row.version_id) == (hidden.etag, marker.version_id), "what to look for, to bring it back"


def test_without_consent_nothing_is_deleted() -> None:
    world = filled(World())
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert [deletes(world, key) for key in STRAYS] == [0] * len(STRAYS)
    assert world.records(spec).entries_of_range("d") == []


def test_nothing_to_delete() -> None:
    world = World()
    world.put("in/a/1", b"one")
    spec = submit(world)
    world.pump()
    assert (world.terminal(spec).state, world.terminal(spec).reason) == (JobState.SUCCEEDED, "")


def test_many_partitions_of_deletions() -> None:
    world = World(policy=replace(SMALL, partition_rows=2, split_entries_per_run=2))
    world.put("in/a/here", b"here")
    for number in range(23):
        world.put(f"out/b/{number:02d}", b"stray", TARGET[EAST])
    spec = submit(world, Deletion(23))
    world.pump()
    assert world.terminal(spec).counts == {Outcome.COPIED: 1, Outcome.DELETED: 23}
    assert world.store.keys(TARGET[EAST]) == ("out/b/here",)
    assert len(world.records(spec).entries_of_range("d")) > 10
    assert {
        partition_id for partition_id in world.records(spec).snapshot().entries if partition_id.startswith("d")
    } == set(world.records(spec).entries_of_range("d")), "the range of deletions is never split"


def test_a_large_target_in_which_all_has_its_counterpart_costs_few_records() -> None:
    world = World(policy=replace(SMALL, partition_rows=10))
    for number in range(150):
        world.put(f"in/a/{number:03d}", b"x")
    spec = submit(world)
    world.pump()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.records(spec).entries_of_range("d") == ["d-000001"]


def test_more_than_the_cap_and_nothing_is_deleted() -> None:
    world = filled(World())
    spec = submit(world, Deletion(len(STRAYS) - 1))
    world.pump()
    assert nothing_deleted(world, spec).startswith(
        "nothing was deleted: 3 objects would be deleted, the cap is 2; if they are to go"
    )
    assert deletions(world, spec) == dict.fromkeys(STRAYS, Outcome.KEPT)
    assert [o for o in world.records(spec).snapshot().claims if o.startswith("d")] == [], "nobody works on them"
    assert "the cap is 2" in world.rows(spec)[source_of(STRAYS[0])].detail


def test_an_object_that_is_not_delivered_and_nothing_is_deleted() -> None:
    world = filled(World())
    world.store.deny(SOURCE[WEST], Action.READ, key="in/a/1-small")
    spec = submit(world)
    world.pump()
    reason = nothing_deleted(world, spec)
    assert reason.startswith("1 of 6 objects were not delivered; nothing was deleted: not every object was delivered")
    assert deletions(world, spec) == {}


def test_a_source_that_shows_nothing_does_not_empty_its_target() -> None:
    world = World()
    for key in STRAYS:
        world.put(key, key.encode(), TARGET[EAST])
    spec = submit(world)
    world.pump()
    assert "a source that has vanished must not empty its target" in nothing_deleted(world, spec)
    assert deletions(world, spec) == dict.fromkeys(STRAYS, Outcome.KEPT)


def test_a_source_that_shows_its_folder_marker_alone_is_empty() -> None:
    world = World()
    world.put("in/a/", b"")
    for key in STRAYS:
        world.put(key, key.encode(), TARGET[EAST])
    spec = submit(world)
    world.pump()
    assert "a source that has vanished" in nothing_deleted(world, spec)


def test_a_source_that_can_not_be_listed_any_more() -> None:
    """All is delivered, and then somebody takes the permission away."""
    world = filled(World(policy=replace(SMALL, partition_rows=1, split_entries_per_run=1)))
    spec = submit(world)

    def forbid() -> None:
        if world.records(spec).entries_of_range("d"):
            world.store.deny(SOURCE[WEST], Action.LIST)

    world.watch = forbid
    world.pump()
    assert nothing_deleted(world, spec).startswith("nothing was deleted: can't list source 'source-west'")


def test_a_filter_that_means_nothing_at_the_source_deletes_nothing() -> None:
    world = filled(World())
    spec = submit(world, filters=Filters(include=("*stray",)))
    world.pump()
    assert "a source that has vanished" in nothing_deleted(world, spec)


def test_an_empty_source_and_an_empty_target_are_alike() -> None:
    world = World()
    spec = submit(world)
    world.pump()
    assert world.terminal(spec).state is JobState.SUCCEEDED


def test_a_source_that_vanishes_when_all_is_delivered() -> None:
    world = filled(World())
    spec = submit(world, Deletion(100))

    def vanish() -> None:
        snapshot = world.records(spec).snapshot()
        if snapshot.entries and snapshot.entries == snapshot.done:
            for key in world.store.keys(SOURCE[WEST]):
                world.store.remove(SOURCE[WEST], key)

    world.watch = vanish
    world.pump()
    assert world.store.keys(SOURCE[WEST]) == ()
    assert "a source that has vanished must not empty its target" in nothing_deleted(world, spec)
    assert len(deletions(world, spec)) == len(STRAYS) + 6


def test_what_the_filter_does_not_mean_is_left_alone() -> None:
    world = filled(World())
    spec = submit(world, filters=Filters(exclude=("6/**",)))
    world.pump()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert deletions(world, spec) == {"out/b/2-stray": Outcome.DELETED, "out/b/é": Outcome.DELETED}
    assert world.body("out/b/6/stray") is not None


def test_what_lies_beneath_another_endpoint_is_left_alone() -> None:
    beneath = replace(ENDPOINTS["target-east"], id="other", tenant="other", prefix="out/b/6/")
    world = filled(World(endpoints=ENDPOINTS | {"other": beneath}))
    spec = submit(world)
    world.pump()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.body("out/b/6/stray") is not None
    assert world.body("out/b/2-stray") is None


def test_the_target_prefixs_own_folder_marker_stays() -> None:
    world = filled(World())
    world.put("out/b/", b"", TARGET[EAST])
    spec = submit(world)
    world.pump()
    check(world, spec)
    assert world.body("out/b/") == b""


def test_a_key_that_could_not_be_at_the_source_is_deleted() -> None:
    """The source's prefix is longer: with it, the key would have more bytes than S3 allows."""
    world = World()
    world.put("in/longer/1", b"one")
    stray = "out/" + "x" * 1020
    world.put(stray, b"stray", TARGET[EAST])
    spec = world.submit("longer/", "", deletion=Deletion(1))
    world.pump()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.body(stray) is None


def test_an_object_that_can_not_be_read_at_the_source_is_there_all_the_same() -> None:
    world = World()
    world.put("in/a/1", b"one")
    world.put("out/b/1", b"one", TARGET[EAST])
    world.store.deny(SOURCE[WEST], Action.READ, key="in/a/1")
    spec = submit(world)
    world.pump()
    assert world.terminal(spec).counts == {Outcome.UNCHANGED: 1}
    assert deletions(world, spec) == {}


def test_it_appears_at_the_source_before_it_is_deleted() -> None:
    world = filled(World())
    appears = Rule(operation=Operation.HEAD, key=source_of(STRAYS[0]), first=2, error=None)
    appears.act = lambda: world.put(source_of(STRAYS[0]), b"back again")
    world.faults.rule(appears)
    spec = submit(world)
    world.pump()
    assert deletions(world, spec)[STRAYS[0]] is Outcome.KEPT
    assert world.body(STRAYS[0]) is not None
    end = world.terminal(spec)
    assert end.state is JobState.PARTIAL
    assert end.reason == "1 of 3 objects that were to be deleted are still there, or others in their place"


def test_others_replace_it_before_it_is_deleted() -> None:
    world = filled(World())
    replaces = Rule(operation=Operation.DELETE, key=STRAYS[1], error=None)
    replaces.act = lambda: world.put(STRAYS[1], b"somebody else's", TARGET[EAST])
    world.faults.rule(replaces)
    spec = submit(world)
    world.pump()
    assert deletions(world, spec)[STRAYS[1]] is Outcome.DESTINATION_CONFLICT
    assert world.body(STRAYS[1]) == b"somebody else's"
    assert world.terminal(spec).state is JobState.PARTIAL


def test_others_delete_it_first() -> None:
    world = filled(World())
    removes = Rule(operation=Operation.DELETE, key=STRAYS[1], error=None)
    removes.act = lambda: world.store.remove(TARGET[EAST], STRAYS[1])
    world.faults.rule(removes)
    spec = submit(world)
    world.pump()
    check(world, spec)


def test_others_put_another_object_there_before_it_is_verified() -> None:
    world = filled(World())
    world.watch = lambda: _put_once(world)
    spec = submit(world)
    world.pump()
    row = world.rows(spec)[source_of(STRAYS[2])]
    assert row.outcome is Outcome.DELETED
    assert row.detail == "deleted; somebody has put another object there since"
    assert world.body(STRAYS[2]) == b"new"


def _put_once(world: World) -> None:
    if deletes(world, STRAYS[2]) and world.body(STRAYS[2]) is None:
        world.put(STRAYS[2], b"new", TARGET[EAST])


def test_a_delete_that_is_refused_is_its_rows_own_trouble() -> None:
    world = filled(World())
    world.store.deny(TARGET[EAST], Action.WRITE, key=STRAYS[0])
    spec = submit(world)
    world.pump()
    outcomes = deletions(world, spec)
    assert outcomes == dict.fromkeys(STRAYS, Outcome.DELETED) | {STRAYS[0]: Outcome.DENIED}
    assert world.terminal(spec).state is JobState.PARTIAL


# --- reports, retries, requests -----------------------------------------------------------------------------------


def test_what_was_not_deleted_is_no_failure_that_another_job_could_deliver() -> None:
    world = filled(World())
    spec = submit(world, Deletion(1))
    world.pump()
    records = world.records(spec)
    bodies = records.entry_bytes("d-000001"), records.receipt_bytes("d-000001")
    assert None not in bodies
    assert render(ReportFormat.FAILURES, "source-west", *bodies).rows == 0  # type: ignore[arg-type]
    assert b",KEPT," in render(ReportFormat.CSV, "source-west", *bodies).body  # type: ignore[arg-type]


def test_a_retry_has_nothing_to_do_for_what_was_not_deleted() -> None:
    world = filled(World())
    spec = submit(world, Deletion(1))
    world.pump()
    assert control.retry(world.east, TENANT, spec.job_id, "again") == (spec, False)


def test_a_retry_of_what_was_not_delivered_deletes_nothing() -> None:
    world = filled(World())
    world.store.deny(SOURCE[WEST], Action.READ, key="in/a/1-small")
    spec = submit(world)
    world.pump()
    retry, is_new = control.retry(world.east, TENANT, spec.job_id, "again")
    world.settle()
    assert (is_new, retry.kind, retry.deletion) == (True, JobKind.RETRY, None)
    assert set(world.outcomes(retry)) == {"in/a/1-small"}
    assert [deletes(world, key) for key in STRAYS] == [0] * len(STRAYS)


def test_a_row_to_delete_pins_what_it_deletes_and_copies_no_bytes() -> None:
    world = filled(World())
    spec = submit(world)
    world.pump()
    entry = world.records(spec).entry("d-000001")
    row: Row = entry.rows[0]  # type: ignore[union-attr]
    version = world.store.versions(TARGET[EAST], row.target)[0]
    assert (row.expected_target_etag, row.size, row.source_etag, row.bytes_to_copy) == (
        version.etag,
        len(version.body),
        "",
        0,
    )
    bodies = [world.body(key, SOURCE[WEST]) or b"" for key in world.store.keys(SOURCE[WEST])]
    assert world.terminal(spec).bytes_planned == sum(len(body) for body in bodies)


def test_progress_shows_the_deletions() -> None:
    world = filled(World())
    spec = submit(world)
    snapshots: list[Progress] = []
    world.watch = lambda: snapshots.append(control.get_job(world.east, TENANT, spec.job_id).progress)
    world.pump()
    phases = list(dict.fromkeys(progress.phase for progress in snapshots))
    assert phases[-2:] == ["delete", "settled"]
    assert [p.objects_decided for p in snapshots] == sorted(p.objects_decided for p in snapshots)
    assert not any(p.planned and p.phase in ("split", "copy", "verify") for p in snapshots), "there is more to plan"
    assert snapshots[-1].objects_decided == snapshots[-1].objects_planned == 9


@pytest.mark.parametrize(
    "options",
    [
        {"keys": ("1-small",)},
        {"manifest": ListLocation("source-west", "list")},
        {"filters": Filters(size_min_bytes=1)},
        {"filters": Filters(include=("*",), modified_since_ms=1)},
        {"filters": Filters(storage_classes=("STANDARD",))},
    ],
)
def test_what_can_not_be_judged_of_a_missing_object_is_refused(options: dict[str, Any]) -> None:
    world = filled(World())
    with pytest.raises(BadRequest, match="delete goes with a prefix") as raised:
        submit(world, **options)
    assert raised.value.code == "ConflictingInput"


def test_consent_is_part_of_what_was_asked() -> None:
    world = filled(World())
    submit(world)
    assert submit(world) == submit(world, region=EAST)
    for other in (replace(CAP, max_objects=100), None):
        with pytest.raises(KeyReused):
            submit(world, other)


def test_what_lies_elsewhere_is_not_looked_at() -> None:
    world = filled(World())
    submit(world)
    world.settle()
    assert all(key != ELSEWHERE for _, _, key in world.faults.calls)
