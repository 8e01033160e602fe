"""A list of jobs says the same of each job as a request for that job, and its cost doesn't grow with the job."""

from dataclasses import replace

import pytest

from chalicelib.core.jobs import JobState
from chalicelib.protocol.regions import note_storage
from chalicelib.steps import control
from simulation.memory.env import EAST, TENANT, WEST
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.pausing import many, pause, paused_at, resume, slow_world
from tests.steps.world import HOUR, SMALL, World


class Comparison:
    """Compares the list with each of its jobs, in both Regions, after every step."""

    def __init__(self, world: World) -> None:
        self.world, self.seen = world, set[JobState]()

    def __call__(self) -> None:
        for region in (WEST, EAST):
            env = self.world.regions[region].env
            for glance in control.glances(env, control.list_jobs(env, TENANT, None, 50)):
                view = control.get_job(env, TENANT, glance.spec.job_id)
                assert (glance.state, glance.settled_ms) == (view.progress.state, view.settled_ms)
                self.seen.add(glance.state)


def compared(world: World) -> tuple[World, Comparison]:
    world.watch = comparison = Comparison(world)
    return world, comparison


def test_a_job_that_runs_through() -> None:
    world, comparison = compared(prefix_job.filled(World()))
    prefix_job.run(world)
    assert comparison.seen == {JobState.PLANNING, JobState.RUNNING, JobState.SUCCEEDED}


def test_jobs_that_are_paused_resumed_and_cancelled() -> None:
    world, comparison = compared(many(slow_world(SMALL)))
    first, second = world.submit("a/", "b/"), world.submit("a/", "c/", token="second")
    pause(world, first)
    comparison()
    assert comparison.seen == {JobState.PAUSED, JobState.PLANNING}
    control.cancel(world.east, TENANT, second.job_id)
    world.run(HOUR)
    resume(world, first, EAST)
    world.settle()
    assert comparison.seen == {
        JobState.PAUSED,
        JobState.PLANNING,
        JobState.RUNNING,
        JobState.SUCCEEDED,
        JobState.CANCELLED,
    }


def test_a_job_whose_destination_can_not_be_reached() -> None:
    world, comparison = compared(prefix_job.filled(World()))
    world.submit("a/", "b/")
    for region in world.regions.values():
        note_storage(region.env, EAST, reachable=False)
    comparison()
    assert comparison.seen == {JobState.WAITING_FOR_REGION}


@pytest.mark.parametrize("rows", [1, 14])
def test_what_a_list_costs_does_not_depend_on_how_large_its_jobs_are(rows: int) -> None:
    world = many(slow_world(replace(SMALL, partition_rows=rows)))
    spec = paused_at(world, Operation.COPY, 3)
    assert control.get_job(world.observer, TENANT, spec.job_id).progress.partitions == 14 // rows
    page = control.list_jobs(world.west, TENANT, None, 50)
    before = len(world.calls.labels)
    control.glances(world.west, page)
    of_storage, of_the_job = 2, 3
    assert len(world.calls.labels) - before == of_storage + of_the_job
