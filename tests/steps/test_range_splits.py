"""Long ranges are split into halves that are listed side by side. Every key is in exactly one manifest."""

import random
from dataclasses import replace

import pytest

from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.manifests import Manifest, RangeSplit
from chalicelib.core.rows import Outcome
from chalicelib.ports import PlanRange
from chalicelib.steps import split
from simulation.memory.clock import SequentialIds
from simulation.memory.env import EAST, SOURCE, WEST
from tests.steps.turns import Turns
from tests.steps.world import MINUTE, SMALL, World

FORKING = replace(SMALL, partition_rows=3, split_entries_per_run=2)

SHAPES = {
    "numbers": [f"in/a/{number:04d}" for number in range(150)],
    "long-common-prefix": [f"in/a/2024/01/31/23/59/{number:04d}" for number in range(150)],
    "few-folders": [f"in/a/{folder}/{number:03d}" for folder in ("aa", "ab", "zz") for number in range(50)],
    "japanese": [f"in/a/日本語のファイル{chr(0x3042 + number)}" for number in range(80)],
    "astral": [f"in/a/{chr(0x1F300 + number)}{chr(0x1F600 + number)}" for number in range(80)],
    "surrogate-neighbours": [f"in/a/{a}{b}" for a in "\ud7ff\ue000\uffff\U00010000" for b in map(chr, range(40, 70))],
    "low-characters": [f"in/a/{chr(1 + number % 31)}{chr(1 + number // 31)}" for number in range(120)],
    "each-a-prefix-of-the-next": ["in/a/" + "x" * number for number in range(1, 100)],
    "highest-character": ["in/a/" + "\U0010ffff" * number for number in range(1, 60)],
}


def world_of(keys: list[str]) -> World:
    world = World(policy=FORKING)
    for key in keys:
        world.put(key, key.encode()[:20])
    return world


def check(world: World, spec: JobSpec, keys: list[str]) -> dict[str, Manifest | RangeSplit]:
    """Assert that every key is in exactly one manifest, that the entries of each range are in order, and that the job
    succeeded."""
    assert world.outcomes(spec) == dict.fromkeys(keys, Outcome.COPIED)
    assert world.terminal(spec).state is JobState.SUCCEEDED
    entries = {entry.partition_id: entry for entry in world.records(spec).entries_from("")}
    for entry in entries.values():
        if isinstance(entry, Manifest):
            assert all(entry.after < row.key for row in entry.rows)
            assert all(row.key <= entry.upto for row in entry.rows if entry.upto)
        else:
            assert entry.after < entry.middle
            assert not entry.upto or entry.middle < entry.upto
    assert world.terminal(spec).planned == len(keys)
    return entries


@pytest.mark.parametrize("keys", SHAPES.values(), ids=SHAPES)
def test_split_ranges_hold_every_key_once(keys: list[str]) -> None:
    world = world_of(keys)
    spec = world.submit("a/", "b/")
    world.settle()
    check(world, spec, keys)


@pytest.mark.parametrize(
    "name", ["numbers", "long-common-prefix", "few-folders", "japanese", "astral", "low-characters"]
)
def test_ranges_are_really_divided(name: str) -> None:
    keys = SHAPES[name]
    world = world_of(keys)
    spec = world.submit("a/", "b/")
    world.settle()
    entries = check(world, spec, keys)
    ranges = {partition_id.rpartition("-")[0] for partition_id in entries}
    assert max(len(name) for name in ranges) >= 4, "several levels deep"
    rows = dict.fromkeys(ranges, 0)
    for entry in entries.values():
        rows[entry.partition_id.rpartition("-")[0]] += len(entry.rows) if isinstance(entry, Manifest) else 0
    longest = max(rows.values())
    assert longest <= len(keys) // 3, f"one range holds {longest} of {len(keys)} keys"


@pytest.mark.parametrize("first", range(1, 40, 4))
def test_two_splitters_build_one_manifest_log(first: int) -> None:
    """They take turns at every call. Both list, and one of them wins each entry."""
    keys = SHAPES["numbers"][:40]
    for second in range(1, 30, 4):
        world = world_of(keys)
        spec = world.submit("a/", "b/")
        world.collect(lost=True)
        world.mail.clear()
        turns = Turns([first, second, 7, 3, 5, 2])
        turns.run((splitter(world, turns, 0, spec), splitter(world, turns, 1, spec)))
        world.settle()
        check(world, spec, keys)
        assert all(len(world.written(key.replace("in/a", "out/b"))) == 1 for key in keys)


def splitter(world: World, turns: Turns, number: int, spec: JobSpec):
    name = f"splitter-{number}"
    store = turns.tap(number, world.store, lambda _: True)
    env = replace(world.west if number else world.east, store=store, worker=name, ids=SequentialIds(name))

    def work() -> None:
        for range_id in ("r", "r0", "r1", "r00"):
            split.run(env, PlanRange(spec.job_id, EAST, range_id), world.clock.now_ms() + 15 * MINUTE)

    return work


def test_objects_that_come_and_go_while_the_range_is_listed() -> None:
    """A key that is there from the submission to the end is in exactly one manifest, whatever happens to other keys."""
    keys = SHAPES["numbers"]
    chance = random.Random(1)
    for seed in range(5):
        world = world_of(keys)

        def churn(operation: object, bucket: str, _key: str, world: World = world) -> None:
            if bucket == SOURCE[WEST].name and operation == "ListObjectsV2":
                number = chance.randrange(2000)
                world.put(f"in/a/{number:04d}x", b"new")
                removed = f"in/a/{chance.randrange(2000):04d}x"
                if world.body(removed, SOURCE[WEST]) is not None:
                    world.store.remove(SOURCE[WEST], removed)

        world.store.before_call = churn
        spec = world.submit("a/", "b/", token=str(seed))
        world.settle()
        outcomes = world.outcomes(spec)
        assert {key for key, outcome in outcomes.items() if outcome is Outcome.COPIED} >= set(keys)


def test_a_partition_ends_at_so_many_bytes() -> None:
    world = World(policy=replace(SMALL, partition_rows=100, partition_bytes=100))
    sizes = [30, 30, 30, 30, 250, 1, 99, 100, 0]
    for number, size in enumerate(sizes):
        world.put(f"in/a/{number}", b"x" * size)
    spec = world.submit("a/", "b/")
    world.settle()
    entries = [entry for entry in world.records(spec).entries_from("") if isinstance(entry, Manifest)]
    assert [[row.size for row in entry.rows] for entry in entries] == [[30, 30, 30], [30], [250], [1, 99], [100, 0]]
    assert world.terminal(spec).state is JobState.SUCCEEDED


def test_an_invocation_that_runs_out_of_time_hands_the_rest_over() -> None:
    """The range is not split, because a lack of time is no sign that the range is long."""
    world = World(policy=replace(SMALL, partition_rows=2))
    keys = [f"in/a/{number}" for number in range(9)]
    for key in keys:
        world.put(key, b"x")

    def slow(operation: object, bucket: str, _key: str) -> None:
        if bucket == SOURCE[WEST].name and operation == "ListObjectsV2":
            world.clock.advance(8 * MINUTE)

    world.store.before_call = slow
    spec = world.submit("a/", "b/")
    world.settle()
    entries = check(world, spec, keys)
    assert all(isinstance(entry, Manifest) for entry in entries.values())
    assert list(entries) == [f"r-{number:06d}" for number in range(1, 6)]


def test_a_range_that_is_closed_or_never_came_from_a_split_is_left_alone() -> None:
    keys = SHAPES["numbers"][:10]
    world = world_of(keys)
    spec = world.submit("a/", "b/")
    world.settle()
    before = set(world.store.keys(world.records(spec).control.bucket))
    for range_id in ("r", "r0", "r1", "r0101", ""):
        split.run(world.west, PlanRange(spec.job_id, EAST, range_id), world.clock.now_ms() + MINUTE * 15)
    assert set(world.store.keys(world.records(spec).control.bucket)) == before
