"""Schedules: each occurrence has one job, even if both Regions act on it at once, twice, late, or half."""

from dataclasses import replace

import pytest

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.entries import ANY, EntryKind
from chalicelib.core.errors import BadRequest, Denied, Retry
from chalicelib.core.inputs import Filters
from chalicelib.core.jobs import JobState
from chalicelib.core.rows import Outcome
from chalicelib.core.schedules import LOOK_BACK_MS, Overlap, RunState
from chalicelib.protocol.submitting import ListLocation
from chalicelib.steps import control, schedules
from simulation.memory.clock import START_MS
from simulation.memory.env import CONTROL, EAST, ENDPOINTS, SOURCE, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.calls import crash, lose_answer
from tests.steps.everywhere import at_every_call
from tests.steps.scheduling import (
    ANN,
    NINE,
    check,
    isolate_registry,
    jobs,
    put,
    run_states,
    runs,
    skew,
    sweep,
    wait_until,
    wanted,
)
from tests.steps.world import HOUR, MINUTE, SECOND, World

RUN, SKIPPED, MISSED, REFUSED = RunState.RUN, RunState.SKIPPED, RunState.MISSED, RunState.REFUSED


# --- one job --------------------------------------------------------------------------------------------------


def test_a_job_at_its_time_and_none_before() -> None:
    world = World()
    world.put("in/a", b"x")
    view = put(world)
    world.run(NINE - START_MS - MINUTE)
    assert jobs(world) == []
    world.run(3 * MINUTE)
    world.settle()
    [spec] = jobs(world)
    assert spec.scheduled is not None
    assert (spec.scheduled.name, spec.scheduled.occurrence_ms) == ("nightly", NINE)
    assert spec.scheduled.schedule_id == view.schedule.id
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert run_states(world) == [("09:00", RUN)]
    assert runs(world)[0].detail == ""
    world.run(25 * HOUR)
    assert run_states(world) == [("09:00", RUN), ("09:00", RUN)]
    check(world)


def test_both_regions_in_the_same_minute_make_one() -> None:
    world = World()
    put(world)
    wait_until(world, NINE)
    sweep(world, WEST, EAST, EAST, WEST)
    assert len(jobs(world)) == 1
    check(world)


@pytest.mark.parametrize("second", [WEST, EAST])
@pytest.mark.parametrize("at", range(1, 12))
def test_a_region_that_comes_in_between_makes_no_second(second: str, at: int) -> None:
    """At any call of the one Region to S3, the other Region does all of it."""
    world = World()
    put(world)
    wait_until(world, NINE)
    world.calls.plan(at, before=lambda _: sweep(world, second), is_counted=lambda label: label.startswith("store."))
    sweep(world, WEST)
    assert len(jobs(world)) == 1
    check(world)


def _due() -> World:
    world = World()
    world.put("in/a", b"x")
    put(world)
    wait_until(world, NINE)
    world.calls.labels.clear()
    return world


@pytest.mark.parametrize("act", [crash, lose_answer], ids=["crash", "lost-answer"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_trouble_at_any_call_leaves_one_job(act: object, after: bool) -> None:
    def run(world: World) -> None:
        world.sweep(WEST)
        world.settle()
        world.calls.paused = True
        world.run(3 * MINUTE)  # Both Regions sweep, and more than once.
        world.settle()

    for world, _, call in at_every_call(_due, run, lambda _: act, after=after, least=60):  # type: ignore[arg-type, return-value]
        [spec] = jobs(world)
        assert world.terminal(spec).state is JobState.SUCCEEDED, call
        assert world.outcomes(spec) == {"in/a": Outcome.COPIED}, call
        assert len(world.written("out/a")) == 1, call
        check(world)


def test_a_crash_between_record_and_job_is_made_good_by_the_other_region() -> None:
    world = World()
    put(world)
    wait_until(world, NINE)
    world.store.before_call = lambda operation, _bucket, key: (
        crash("spec") if operation is Operation.PUT and key.endswith("/spec") else None
    )
    world.sweep(WEST)
    world.store.before_call = None
    assert (run_states(world), jobs(world)) == ([("09:00", RUN)], [])
    view = schedules.get_schedule(world.west, TENANT, "nightly")
    assert view.runs is not None
    assert [run.accepted for run in view.runs] == [False]
    world.clock.advance(MINUTE)
    sweep(world, EAST)
    assert len(jobs(world)) == 1
    assert runs(world)[0].region == WEST
    check(world)


# --- Regions --------------------------------------------------------------------------------------------------


def test_one_region_alone_runs_all_on_time_and_the_other_nothing_when_it_returns() -> None:
    world = World()
    put(world, wanted("0 * * * *"))
    for hour in range(5):
        wait_until(world, NINE + hour * HOUR + 20 * SECOND)
        sweep(world, EAST)
        world.settle()
    assert run_states(world) == [(f"{hour:02}:00", RUN) for hour in range(9, 14)]
    assert all(run.detail == "" for run in runs(world))
    before = len(world.calls.labels)
    sweep(world, WEST)
    assert [label for label in world.calls.labels[before:] if label.startswith("store.")] == []
    # This holds even if it has lost its notes.
    world.ledger.observations.clear()
    sweep(world, WEST)
    assert len(jobs(world)) == 5
    check(world)


@pytest.mark.parametrize("ahead_ms", [-3 * MINUTE, -MINUTE, -30 * SECOND, 30 * SECOND, MINUTE, 3 * MINUTE])
def test_clocks_that_differ(ahead_ms: int) -> None:
    world = World()
    put(world, wanted("*/5 * * * *", overlap=Overlap.ALLOW))
    skew(world, EAST, ahead_ms)
    for _ in range(40):
        world.clock.advance(MINUTE)
        sweep(world, WEST, EAST)
    assert {run.state for run in runs(world)} == {RUN}
    # No occurrence is left out, up to the time that the clock that is ahead shows.
    occurrences_ms = [run.occurrence_ms for run in runs(world)]
    assert occurrences_ms == list(
        range(START_MS + 5 * MINUTE, START_MS + 40 * MINUTE + max(0, ahead_ms) + 1, 5 * MINUTE)
    )
    check(world)


def test_regions_that_know_different_bodies_make_one_job() -> None:
    """The change is under way to the other Region. The first Region to write the job decides."""
    world = World()
    put(world)
    isolate_registry(world, EAST)
    put(world, wanted(prefix="changed/"))
    wait_until(world, NINE)
    # East sweeps after West has judged, and just before West writes the job.
    at_spec = [len(_labels_until_spec(world))]
    world.calls.plan(at_spec[0], before=lambda _: sweep(world, EAST))
    sweep(world, WEST)
    [spec] = jobs(world)
    assert spec.source_prefix == "in/"
    assert world.events("schedule-changed-meanwhile")
    assert world.open_jobs() == [f"open/{spec.job_id}"]
    check(world)
    sweep(world)
    assert len(jobs(world)) == 1


def _labels_until_spec(world: World) -> list[str]:
    """Return the calls of a sweep in another world of this kind, until it writes the job."""
    other = World()
    put(other, wanted(prefix="changed/"))
    wait_until(other, NINE)
    labels: list[str] = []

    def look(operation: Operation, _bucket: str, key: str) -> None:
        if operation is Operation.PUT and key.endswith("/spec"):
            labels.extend(other.calls.labels)

    other.store.before_call = look
    other.calls.labels.clear()
    sweep(other, WEST)
    return labels


def test_a_region_that_does_not_know_of_it_yet_loses_nothing() -> None:
    """The schedule comes late to the only Region that lives. It is then run late."""
    world = World()
    mine = isolate_registry(world, EAST)
    put(world)
    wait_until(world, NINE + MINUTE)
    sweep(world, EAST)
    assert jobs(world) == []
    mine.entries |= world.registry.entries
    world.clock.advance(9 * MINUTE)
    sweep(world, EAST)
    assert runs(world)[0].detail == "10 minutes late: no Region could earlier"
    check(world)


def test_storage_that_is_away_is_waited_for() -> None:
    world = World()
    put(world)
    wait_until(world, NINE)
    away = Rule(region=EAST, times=None)
    world.faults.rule(away)
    world.run(3 * HOUR)
    assert (jobs(world), run_states(world)) == ([], [])
    view = schedules.get_schedule(world.west, TENANT, "nightly")
    assert view.runs is None
    assert view.upcoming[0] == NINE + 24 * HOUR
    world.faults.rules.remove(away)
    world.run(3 * MINUTE)
    assert run_states(world) == [("09:00", RUN)]
    assert runs(world)[0].detail.startswith("18")
    check(world)


# --- what is missed -------------------------------------------------------------------------------------------


def test_of_what_both_missed_the_last_is_run_and_the_rest_recorded() -> None:
    world = World()
    put(world, wanted("0 * * * *"))
    wait_until(world, NINE + 3 * HOUR + 10 * MINUTE)
    sweep(world)
    assert run_states(world) == [("09:00", MISSED), ("10:00", MISSED), ("11:00", MISSED), ("12:00", RUN)]
    assert "10 minutes late" in runs(world)[-1].detail
    check(world)
    sweep(world)
    assert len(runs(world)) == 4


def test_what_is_older_than_a_day_is_gone() -> None:
    world = World()
    put(world, wanted(overlap=Overlap.ALLOW))
    wait_until(world, NINE + LOOK_BACK_MS + 23 * HOUR)
    sweep(world)
    assert [run.occurrence_ms for run in runs(world)] == [NINE + 24 * HOUR]
    wait_until(world, NINE + 10 * 24 * HOUR - MINUTE)
    world.ledger.observations.clear()
    sweep(world)
    assert [(run.occurrence_ms, run.state) for run in runs(world)][1:] == [(NINE + 9 * 24 * HOUR, RUN)]


def test_lost_notes_run_nothing_again() -> None:
    world = World()
    put(world, wanted("0 * * * *"))
    for hour in range(4):
        wait_until(world, NINE + hour * HOUR)
        sweep(world, EAST)
        world.settle()
    specs = jobs(world)
    world.ledger.observations.clear()
    sweep(world, WEST, EAST)
    assert jobs(world) == specs
    assert world.open_jobs() == []
    check(world)


def test_disabled_it_misses_nothing_and_enabled_it_begins_anew() -> None:
    world = World()
    put(world, wanted("0 * * * *", enabled=False))
    wait_until(world, NINE + 2 * HOUR + MINUTE)
    sweep(world)
    put(world, wanted("0 * * * *"))
    sweep(world)
    assert runs(world) == []
    wait_until(world, NINE + 3 * HOUR)
    sweep(world)
    assert run_states(world) == [("12:00", RUN)]


def test_other_times_count_from_when_they_are_set() -> None:
    world = World()
    put(world, wanted("0 9 * * *"))
    wait_until(world, NINE + 30 * MINUTE)
    put(world, wanted("15,45 9 * * *"))
    sweep(world)
    assert runs(world) == []
    wait_until(world, NINE + 45 * MINUTE)
    sweep(world)
    assert run_states(world) == [("09:45", RUN)]


# --- the job before has not ended -------------------------------------------------------------------------------


def test_while_one_is_at_work_the_next_are_skipped() -> None:
    world = World()
    world.put("in/a", b"x")
    put(world, wanted("0 * * * *"))
    for hour in range(3):
        wait_until(world, NINE + hour * HOUR)
        sweep(world)
    assert run_states(world) == [("09:00", RUN), ("10:00", SKIPPED), ("11:00", SKIPPED)]
    [spec] = jobs(world)
    assert {run.detail for run in runs(world)[1:]} == {f"{spec.job_id} had not ended"}
    world.settle()
    wait_until(world, NINE + 3 * HOUR)
    sweep(world)
    assert run_states(world)[-1] == ("12:00", RUN)
    check(world)


def test_a_skip_is_decided_once() -> None:
    """The job ends between the looks of the two Regions."""
    world = World()
    world.put("in/a", b"x")
    put(world, wanted("0 * * * *"))
    wait_until(world, NINE)
    sweep(world, WEST)
    wait_until(world, NINE + HOUR)
    sweep(world, WEST)
    world.settle()
    world.ledger.observations.clear()
    sweep(world, EAST)
    assert run_states(world) == [("09:00", RUN), ("10:00", SKIPPED)]
    check(world)


def test_allowed_they_run_side_by_side() -> None:
    world = World()
    put(world, wanted("0 * * * *", overlap=Overlap.ALLOW))
    for hour in range(3):
        wait_until(world, NINE + hour * HOUR)
        sweep(world)
    assert [state for _, state in run_states(world)] == [RUN] * 3
    check(world)


def test_a_missed_one_in_between_hides_no_job_at_work() -> None:
    world = World()
    put(world, wanted("0 * * * *"))
    wait_until(world, NINE)
    sweep(world)
    wait_until(world, NINE + 3 * HOUR)
    sweep(world)
    assert [state for _, state in run_states(world)] == [RUN, MISSED, MISSED, SKIPPED]


# --- its job ----------------------------------------------------------------------------------------------------


def test_all_that_a_job_may_say_is_said_each_time() -> None:
    world = World()
    world.put("in/p/a.csv", b"x")
    world.put("in/p/b.txt", b"x")
    put(world, wanted(prefix="p/", labels={"by": "cron"}, filters=Filters(include=("*.csv",))))
    world.run(NINE - START_MS + 2 * MINUTE)
    world.settle()
    [spec] = jobs(world)
    assert world.outcomes(spec) == {"in/p/a.csv": Outcome.COPIED}
    assert spec.labels == {"by": "cron"}


def test_a_manifest_is_pinned_anew_each_time() -> None:
    world = World()
    put(world, wanted("0 * * * *", manifest=ListLocation("source-west", "list.csv")))
    wait_until(world, NINE)
    sweep(world)
    assert [(run.state, run.detail) for run in runs(world)] == [(REFUSED, "manifest 'list.csv' is not there")]
    world.put("in/a", b"x")
    world.put("in/list.csv", f"{SOURCE[WEST].name},in/a\n".encode())
    wait_until(world, NINE + HOUR)
    sweep(world)
    world.settle()
    [spec] = jobs(world)
    assert world.outcomes(spec) == {"in/a": Outcome.COPIED}


def test_an_endpoint_that_is_no_more_refuses_the_run_and_says_so() -> None:
    world = World()
    put(world)
    for region in world.regions.values():
        endpoints = {name: endpoint for name, endpoint in ENDPOINTS.items() if name != "source-west"}
        region.env = replace(region.env, declared_endpoints=endpoints)
    wait_until(world, NINE)
    sweep(world)
    [run] = runs(world)
    assert (run.state, run.detail) == (REFUSED, "source: you have no endpoint 'source-west'")
    check(world)


def test_a_job_that_was_accepted_is_finished_without_its_endpoints() -> None:
    """The process that accepted it died before the job was on the list of open jobs. Meanwhile its source was
    removed."""
    world = World()
    put(world)
    wait_until(world, NINE)
    world.store.before_call = lambda _operation, _bucket, key: crash("open") if key.startswith("open/job") else None
    world.sweep(WEST)
    world.store.before_call = None
    assert (len(jobs(world)), world.open_jobs()) == (1, [])
    world.regions[EAST].env = replace(world.east, declared_endpoints={})
    sweep(world, EAST)
    assert world.open_jobs() == [f"open/{jobs(world)[0].job_id}"]


def test_the_targets_region_is_for_ever() -> None:
    world = World()
    put(world)
    with pytest.raises(BadRequest, match=r"TargetRegionChanged.*make another schedule"):
        put(world, wanted(target="target-west"))
    # An endpoint that is elsewhere now doesn't move it either.
    moved: dict[str, Endpoint] = {**ENDPOINTS, "target-east": replace(ENDPOINTS["target-west"], id="target-east")}
    for region in world.regions.values():
        region.env = replace(region.env, declared_endpoints=moved)
    wait_until(world, NINE)
    sweep(world)
    assert run_states(world) == [("09:00", REFUSED)]
    assert jobs(world) == []


# --- many -------------------------------------------------------------------------------------------------------


def test_one_that_is_broken_holds_no_other_up() -> None:
    world = World()
    for name in ("a", "b", "c"):
        put(world, name=name)
    for key, entry in world.registry.entries.items():
        if key[2] == "a":
            world.registry.entries[key] = replace(entry, body="{}")
    b = schedules.get_schedule(world.west, TENANT, "b").schedule
    wait_until(world, NINE)
    name = f"schedules/{b.id}/{10**15 - NINE:015d}"
    world.store.create(CONTROL[EAST], name, b"no json")
    sweep(world)
    assert [spec.scheduled.name for spec in jobs(world) if spec.scheduled] == ["c"]
    assert world.events("schedule-unreadable")
    assert world.events("schedule-waits")


def test_a_thousand_cost_two_queries_while_nothing_is_due() -> None:
    world = World()
    put(world, name="s0")
    [entry] = world.registry.entries.values()
    for number in range(999):
        name = f"s{number}"
        world.registry.entries[EntryKind.SCHEDULE, f"tenant-{number % 10}", name] = replace(entry, name=name)
    world.calls.labels.clear()
    sweep(world, WEST)
    assert sorted(set(world.calls.labels)) == ["ledger.get_observation", "ledger.job_items", "registry.page"]
    assert len(world.calls.labels) == 4  # It also reads whether each Region's storage answered.


def test_what_there_was_no_time_for_is_done_a_minute_later() -> None:
    world = World()
    for number in range(30):
        put(world, wanted(prefix=f"{number}/"), name=f"s{number}")
    wait_until(world, NINE)
    world.store.before_call = lambda operation, _bucket, key: (
        world.clock.advance(5 * SECOND) if operation is Operation.PUT and key.endswith("/spec") else None
    )
    job_counts = []
    for _ in range(4):
        schedules.run(world.west, world.clock.now_ms() + 50 * SECOND)
        job_counts.append(len(jobs(world)))
    assert job_counts == [10, 20, 30, 30]
    check(world)


def test_refused_by_a_policy_it_waits() -> None:
    """An operator's mistake is no reason to lose an occurrence."""
    world = World()
    put(world)
    wait_until(world, NINE)
    refused = Rule(Operation.LIST, CONTROL[EAST].name, times=None, error=lambda: Denied("AccessDenied"))
    world.faults.rule(refused)
    sweep(world)
    assert jobs(world) == []
    world.faults.rules.remove(refused)
    sweep(world)
    assert len(jobs(world)) == 1


# --- the API's part -----------------------------------------------------------------------------------------------


def test_what_is_shown_of_it() -> None:
    world = World()
    world.put("in/a", b"x")
    put(world, wanted("0 * * * *"))
    for hour in range(3):
        wait_until(world, NINE + hour * HOUR)
        sweep(world)
    world.settle()
    wait_until(world, NINE + 3 * HOUR)
    sweep(world)
    view = schedules.get_schedule(world.east, TENANT, "nightly")
    now_ms = world.clock.now_ms()
    assert view.upcoming == tuple(NINE + hour * HOUR for hour in range(4, 9))
    assert all(at_ms > now_ms for at_ms in view.upcoming)
    assert view.runs is not None
    assert [(run.run.state, run.accepted, run.end and run.end.state) for run in view.runs] == [
        (RUN, True, None),
        (SKIPPED, False, None),
        (SKIPPED, False, None),
        (RUN, True, JobState.SUCCEEDED),
    ]


def test_only_the_latest_runs_are_shown() -> None:
    world = World()
    put(world, wanted("*/5 * * * *"))
    wait_until(world, NINE + 3 * HOUR)
    sweep(world)
    shown_runs = schedules.get_schedule(world.west, TENANT, "nightly").runs
    assert shown_runs is not None
    assert [run.run.occurrence_ms for run in shown_runs] == [NINE + 3 * HOUR - n * 5 * MINUTE for n in range(20)]


def test_removed_it_runs_no_more_and_made_again_it_is_another() -> None:
    world = World()
    first = put(world)
    wait_until(world, NINE)
    sweep(world)
    schedules.remove_schedule(world.west, ANN, "nightly", ANY)
    wait_until(world, NINE + 24 * HOUR)
    sweep(world)
    assert len(jobs(world)) == 1
    recreated = put(world)
    assert recreated.schedule.id != first.schedule.id
    shown_runs = schedules.get_schedule(world.west, TENANT, "nightly").runs
    assert shown_runs == ()
    wait_until(world, NINE + 48 * HOUR)
    sweep(world)
    # The first one's job has not ended. This doesn't matter to the second.
    assert [run.schedule_id for run in runs(world)] == [first.schedule.id, recreated.schedule.id]
    check(world)


def test_sending_the_same_again_changes_nothing() -> None:
    world = World()
    first = put(world)
    world.clock.advance(MINUTE)
    assert put(world).entry == first.entry
    changed = put(world, wanted(labels={"a": "b"}))
    assert (changed.entry.version, changed.schedule.since_ms) == (2, first.schedule.since_ms)


def test_a_job_by_schedule_is_shown_and_retried_like_any() -> None:
    world = World()
    put(world)
    world.run(NINE - START_MS + 2 * MINUTE)
    world.settle()
    [spec] = jobs(world)
    assert control.get_job(world.west, TENANT, spec.job_id).spec.scheduled == spec.scheduled
    [(listed, _)] = control.list_jobs(world.east, TENANT, None, 10).jobs
    assert listed == spec


def test_reading_needs_the_table() -> None:
    world = World()
    put(world)
    world.calls.plan(1, before=lose_answer, is_counted=lambda label: label == "registry.page")
    with pytest.raises(Retry):
        sweep(world, WEST)
