"""Handle a seed's schedule: set it up, change it, and check that each of its occurrences had its one job."""

from collections.abc import Iterator
from dataclasses import replace

from chalicelib.core import codec
from chalicelib.core.entries import Entry, EntryKind
from chalicelib.core.jobs import JobSpec
from chalicelib.core.schedules import Run, RunState, Schedule
from simulation.memory.clock import START_MS
from simulation.memory.env import CONTROL, SOURCE, TARGET, TENANT, WEST
from simulation.run.story import MINUTE, REGIONS, Timetable
from simulation.run.world import World

NAME = "timetable"
_KEY = (EntryKind.SCHEDULE, TENANT, NAME)
ONE = "one occurrence, one job"


def set_up(world: World, timetable: Timetable) -> None:
    """Register the schedule in both Regions, and put an object for it to copy."""
    schedule = Schedule(
        id="schedule-timetable",
        cron=timetable.cron,
        timezone="UTC",
        job={
            "source": {"endpoint": SOURCE[WEST].name, "prefix": "s/"},
            "target": {"endpoint": TARGET[world.scenario.control_of].name, "prefix": "s/"},
        },
        control_region=world.scenario.control_of,
        since_ms=0,
        overlap=timetable.overlap,
    )
    entry = Entry(EntryKind.SCHEDULE, TENANT, NAME, 1, codec.dumps(schedule).decode(), "nonce", 0, 0)
    for registry in world.registries.values():
        registry.entries[_KEY] = entry
    world.store.put(SOURCE[WEST], "in/s/0", b"scheduled")


def change(world: World, region: str) -> None:
    entry = world.registries[region].entries[_KEY]
    schedule = codec.loads(entry.body.encode(), Schedule)
    labels = {"changed": f"{entry.version} {region}"}
    changed = replace(schedule, job={**schedule.job, "labels": labels})
    world.register(region, replace(entry, version=entry.version + 1, body=codec.dumps(changed).decode()))


def all_submitted(world: World) -> bool:
    """Return whether all occurrences are decided, and all jobs that are to run submitted."""
    if world.scenario.timetable is None:
        return True
    runs = list(_runs(world))
    jobs = {spec.job_id for spec in _jobs(world)}
    return len(runs) >= len(world.scenario.timetable.minutes) and all(
        run.state is not RunState.RUN or run.job_id in jobs for run in runs
    )


def judge_runs(world: World) -> None:
    """Check that each occurrence has one record, that each that ran has the job that its record names, and that there
    is no other job."""
    if world.scenario.timetable is None:
        return
    expected = [START_MS + minute * MINUTE for minute in world.scenario.timetable.minutes]
    runs = sorted(_runs(world), key=lambda run: run.occurrence_ms)
    if [run.occurrence_ms for run in runs] != expected:
        world.monitors.violated(ONE, f"decided: {runs}, due: {expected}")
    ran = sorted(run.job_id for run in runs if run.state is RunState.RUN)
    jobs = sorted(spec.job_id for spec in _jobs(world))
    if ran != jobs:
        world.monitors.violated(ONE, f"jobs: {jobs}, decided: {runs}")
    if {run.state for run in runs} - {RunState.RUN, RunState.SKIPPED, RunState.MISSED}:
        world.monitors.violated(ONE, f"what could be run was refused: {runs}")


def _runs(world: World) -> Iterator[Run]:
    for bucket in CONTROL.values():
        for key in world.store.keys(bucket):
            if key.startswith("schedules/") and (version := world.store.current(bucket, key)) is not None:
                yield codec.loads(version.body, Run)


def _jobs(world: World) -> Iterator[JobSpec]:
    for region in REGIONS:
        for key in world.store.keys(CONTROL[region]):
            if key.endswith("/spec") and (version := world.store.current(CONTROL[region], key)) is not None:
                spec = codec.loads(version.body, JobSpec)
                if spec.scheduled is not None:
                    yield spec
