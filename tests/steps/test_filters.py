"""A prefix job with filters: objects that pass are delivered, the others are no part of the job, and listing costs no
more."""

from dataclasses import replace

import pytest

from chalicelib.core.errors import KeyReused
from chalicelib.core.inputs import Filters
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.manifests import Manifest
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Outcome
from chalicelib.steps import control
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, TENANT, WEST
from simulation.memory.operations import Operation
from tests.steps.calls import Crash, crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import SMALL, World

CSV = Filters(include=("**/*.csv",), exclude=("tmp/**",))


def submit(world: World, filters: Filters = CSV, token: str = "token") -> JobSpec:
    return world.submit("a/", "b/", token=token, filters=filters)


def filled(world: World) -> World:
    for name in ("1.csv", "1.txt", "tmp/2.csv", "x/3.csv", "x/3.txt", "x/4.csv", "x/5.csv", "x/6.csv", "z.txt"):
        world.put(f"in/a/{name}", name.encode())
    return world


DELIVERED = {"in/a/1.csv", "in/a/x/3.csv", "in/a/x/4.csv", "in/a/x/5.csv", "in/a/x/6.csv"}


def run(world: World) -> JobSpec:
    spec = submit(world)
    world.settle()
    return spec


def check(world: World, spec: JobSpec, call: str = "") -> None:
    assert world.outcomes(spec) == dict.fromkeys(DELIVERED, Outcome.COPIED), call
    end = world.terminal(spec)
    assert (end.state, end.planned, end.filtered) == (JobState.SUCCEEDED, 5, 4), call
    assert len(world.store.keys(TARGET[EAST])) == 5
    assert all(len(world.written(key)) == 1 for key in world.store.keys(TARGET[EAST])), call


def test_what_passes_is_delivered_and_nothing_else() -> None:
    world = filled(World())
    spec = run(world)
    check(world, spec)
    assert control.get_job(world.observer, TENANT, spec.job_id).filtered == 4


def test_a_crash_at_any_call() -> None:
    def until_accepted(world: World) -> JobSpec:
        spec: JobSpec | None = None
        while spec is None:
            try:
                spec = submit(world)
            except Crash as died:
                world.crashes.append(str(died))
        world.settle()
        return spec

    for world, spec, call in at_every_call(lambda: filled(World()), until_accepted, lambda _: crash, least=40):
        check(world, spec, call)


def test_the_rest_is_no_part_of_the_job_whatever_it_is() -> None:
    """The others are archived, or their keys are too long for the target. They are not looked at."""
    world = filled(World())
    world.put("in/a/old", b"x", storage_class="GLACIER")
    world.put("in/a/" + "x" * 1019, b"x")
    spec = submit(world, Filters(exclude=("old", "xxx*")))
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.terminal(spec).filtered == 2


def test_nothing_passes() -> None:
    """There are 50 pages. Every 20 pages an entry is written, which is a position to go on from. Each page is one LIST
    of the source, and none of the destination."""
    world = World(policy=replace(SMALL, partition_rows=10))
    for number in range(500):
        world.put(f"in/a/{number:03d}", b"x")
    spec = submit(world)
    world.settle()
    end = world.terminal(spec)
    assert (end.state, end.planned, end.filtered) == (JobState.SUCCEEDED, 0, 500)
    assert end.reason == "none of the 500 objects under this prefix passed the filter"
    entries = list(world.records(spec).entries_from(""))
    assert [(entry.upto, entry.last) for entry in entries if isinstance(entry, Manifest)] == [
        ("in/a/199", False),
        ("in/a/399", False),
        ("in/a/499", True),
    ]
    requests = world.store.requests
    assert requests[Operation.LIST, SOURCE[WEST].name] == 50
    assert requests[Operation.LIST, TARGET[EAST].name] == requests[Operation.HEAD, TARGET[EAST].name] == 0
    assert requests[Operation.PUT, CONTROL[EAST].name] < 20


@pytest.mark.parametrize("share", [2, 3, 10, 97])
def test_what_listing_costs(share: int) -> None:
    """One key in `share` passes. Partitions are filled, and no page is listed twice."""
    world = World(policy=Policy())
    for number in range(20_000):
        world.put(f"in/a/{number:05d}{'.csv' if number % share == 0 else ''}", b"x")
    spec = submit(world, Filters(include=("*.csv",)))
    world.settle()
    end = world.terminal(spec)
    assert end.planned + end.filtered == 20_000
    assert end.planned == -(-20_000 // share)
    assert 20 <= world.store.requests[Operation.LIST, SOURCE[WEST].name] <= 32
    sizes = [len(entry.rows) for entry in world.records(spec).entries_from("") if isinstance(entry, Manifest)]
    assert all(size > 400 for size in sizes[:-1]) or share == 97
    assert all(size <= 1000 for size in sizes)


def test_a_partition_ends_at_so_many_bytes_with_what_was_filtered_before() -> None:
    world = World(policy=replace(SMALL, partition_rows=100, partition_bytes=100))
    for number, size in enumerate((60, 1, 60, 1, 60, 1)):
        world.put(f"in/a/{number}", b"x" * size)
    spec = submit(world, Filters(size_min_bytes=2))
    world.settle()
    entries = [entry for entry in world.records(spec).entries_from("") if isinstance(entry, Manifest)]
    assert [(len(entry.rows), entry.filtered, entry.upto) for entry in entries] == [
        (1, 0, "in/a/0"),
        (1, 1, "in/a/2"),
        (1, 2, "in/a/5"),
    ]
    assert world.terminal(spec).filtered == 3


def test_ranges_that_are_split() -> None:
    world = World(policy=replace(SMALL, partition_rows=3, split_entries_per_run=1))
    passing = []
    for number in range(120):
        key = f"in/a/{number:03d}{'.csv' if number % 3 == 0 else ''}"
        world.put(key, b"x")
        passing += [key] * (number % 3 == 0)
    spec = submit(world)
    world.settle()
    assert world.outcomes(spec) == dict.fromkeys(passing, Outcome.COPIED)
    assert world.terminal(spec).filtered == 80


def test_by_class_size_and_age() -> None:
    world = World()
    world.put("in/a/1", b"12345")
    world.put("in/a/2", b"12345", storage_class="STANDARD_IA")
    since_ms = world.clock.now_ms() + 1000
    world.clock.advance(1000)
    world.put("in/a/3", b"12345")
    world.put("in/a/4", b"1")
    for token, filters, passing in (
        ("class", Filters(storage_classes=("STANDARD_IA",)), {"2"}),
        ("size", Filters(size_max_bytes=4), {"4"}),
        ("since", Filters(modified_since_ms=since_ms), {"3", "4"}),
        ("before", Filters(modified_before_ms=since_ms), {"1", "2"}),
    ):
        spec = submit(world, filters, token)
        world.settle()
        assert set(world.outcomes(spec)) == {f"in/a/{name}" for name in passing}, token


def test_the_same_key_with_another_filter_is_another_request() -> None:
    world = World()
    spec = submit(world)
    assert submit(world).job_id == spec.job_id
    for filters in (Filters(), Filters(include=("**/*.csv",))):
        with pytest.raises(KeyReused):
            submit(world, filters)


def test_what_was_asked_for_without_a_filter_has_the_digest_it_always_had() -> None:
    spec = World().submit("a/", "b/")
    assert spec.request_sha256 == "997af82b0691595e3fd3716f3965878950259f1d19fbc6ae15d1d428e88b9c38"


def test_cancelling() -> None:
    world = filled(World())
    spec = submit(world)
    control.cancel(world.west, TENANT, spec.job_id)
    world.settle()
    assert world.terminal(spec).state is JobState.CANCELLED
