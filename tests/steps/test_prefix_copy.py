"""The main job: it delivers everything under a prefix exactly once, and verifies it. A second run costs next to
nothing."""

import unicodedata
from collections import Counter

import pytest

from chalicelib.core.jobs import JobState
from chalicelib.core.policy import MIB, Policy
from chalicelib.core.rows import Outcome, OverwriteMode, Verification
from simulation.memory.buckets import Limits
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.operations import Operation
from tests.steps.world import World

ODD = [
    "in/a/ leading and trailing ",
    "in/a/+plus%20percent%",
    "in/a//double//slash",
    "in/a/../dots/./x",
    "in/a/folder/",
    "in/a/\x7f\x01control",
    "in/a/" + unicodedata.normalize("NFD", "ü"),
    "in/a/ü",
    "in/a/日本語/ファイル",
    "in/a/\U0001f600 emoji",
    "in/a/\ud7ff below the surrogates",
    "in/a/\ue000 above the surrogates",
    "in/a/\uffff",
    "in/a/\U0010ffff",
    "in/a/quote\"'<>&",
    "in/a/" + "x" * 1018,
    "in/a/" + "€" * 339,
]


def bodies(count: int) -> dict[str, bytes]:
    keys = ODD + [f"in/a/{number:05d} +%ü" for number in range(count - len(ODD))]
    return {key: f"{number} {key}".encode()[: number % 40] for number, key in enumerate(keys)}


def test_thousands_of_odd_keys_arrive_exactly_once() -> None:
    world = World(policy=Policy(multipart_threshold_bytes=40, part_size_bytes=16))
    expected = bodies(2500)
    expected |= {f"in/a/large/{number}": bytes(range(60 + number)) for number in range(5)}
    for key, body in expected.items():
        world.put(key, body)
    world.put("in/before", b"not under the prefix")
    world.put("in/a", b"not under the prefix either")
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == dict.fromkeys(expected, Outcome.COPIED)
    for key, body in expected.items():
        target = "out/b/" + key.removeprefix("in/a/")
        assert [version.body for version in world.written(target)] == [body], key
    assert len(world.store.keys(TARGET[EAST])) == len(expected)
    end = world.terminal(spec)
    assert (end.state, end.planned, end.partitions) == (JobState.SUCCEEDED, 2505, 3)
    assert end.bytes_planned == end.bytes_copied == sum(len(body) for body in expected.values())
    assert end.verification == {Verification.ETAG: 2500, Verification.CHECKSUM: 5}


def requests(world: World) -> Counter[tuple[Operation, str]]:
    return Counter(world.store.requests)


def test_an_unchanged_job_costs_two_lists_a_thousand_and_no_write() -> None:
    world = World(policy=Policy())
    for key, body in bodies(3000).items():
        world.put(key, body)
    first = world.submit("a/", "b/", token="first")
    world.settle()
    before = requests(world)
    assert before[Operation.COPY, TARGET[EAST].name] == 3000
    assert before[Operation.LIST, TARGET[EAST].name] <= 2 * 3, "planning and verification"
    assert before[Operation.HEAD, TARGET[EAST].name] == 0
    second = world.submit("a/", "b/", token="again")
    world.settle()
    added = requests(world) - before
    assert set(world.outcomes(second).values()) == {Outcome.UNCHANGED}
    assert len(world.outcomes(second)) == 3000
    assert added[Operation.LIST, SOURCE[WEST].name] == 3
    assert added[Operation.LIST, TARGET[EAST].name] == 3
    data = {name: count for name, count in added.items() if not name[1].startswith("control-")}
    assert sum(data.values()) == 6, "nothing else at the data buckets"
    assert world.terminal(first).state is world.terminal(second).state is JobState.SUCCEEDED


def test_an_unchanged_multipart_job_looks_only_at_the_rows_whose_etags_cant_agree() -> None:
    """A client uploaded five objects in parts. They are copied with one checksum, and recognised by it."""
    world = World(policy=Policy(partition_rows=1000, multipart_threshold_bytes=40, part_size_bytes=16))
    for number in range(30):
        world.put(f"in/a/{number}", b"small")
    for number in range(5):
        world.put(f"in/a/large-{number}", bytes(range(60)), part_sizes=(30, 30))
    world.submit("a/", "b/", token="first")
    world.settle()
    before = requests(world)
    second = world.submit("a/", "b/", token="again")
    world.settle()
    added = requests(world) - before
    assert set(world.outcomes(second).values()) == {Outcome.UNCHANGED}
    assert added[Operation.HEAD, SOURCE[WEST].name] == added[Operation.HEAD, TARGET[EAST].name] == 5
    assert added[Operation.COPY, TARGET[EAST].name] == added[Operation.CREATE_UPLOAD, TARGET[EAST].name] == 0


def test_the_requests_of_ten_thousand_small_objects_are_within_the_budget() -> None:
    """The destination bucket gets at most 1.01 writes an object, and 5 LISTs per 1,000 objects."""
    world = World(policy=Policy())
    for number in range(10_000):
        world.put(f"in/a/{number:05d}", b"x")
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.terminal(spec).counts == {Outcome.COPIED: 10_000}
    counts = requests(world)
    target = {operation: count for (operation, bucket), count in counts.items() if bucket == TARGET[EAST].name}
    assert target[Operation.COPY] == 10_000
    assert target[Operation.LIST] <= 50
    writes = sum(count for operation, count in target.items() if operation not in (Operation.LIST, Operation.HEAD))
    assert writes <= 10_100
    assert target.get(Operation.HEAD, 0) == 0
    control = sum(count for (_, bucket), count in counts.items() if bucket == "control-east")
    assert control <= 250, "records cost little beside 10,000 objects"


def test_an_empty_prefix_succeeds_and_says_so() -> None:
    world = World()
    world.put("in/elsewhere", b"x")
    spec = world.submit("a/", "b/")
    world.settle()
    end = world.terminal(spec)
    assert (end.state, end.planned, end.reason) == (JobState.SUCCEEDED, 0, "there was nothing under this prefix")


def test_the_whole_endpoint_and_its_folder_marker() -> None:
    world = World()
    for key in ("in/", "in/x", "in/y/"):
        world.put(key, b"")
    spec = world.submit("", "")
    world.settle()
    assert set(world.store.keys(TARGET[EAST])) == {"out/", "out/x", "out/y/"}
    assert world.terminal(spec).state is JobState.SUCCEEDED


@pytest.mark.parametrize("mode", OverwriteMode)
def test_overwrite_modes(mode: OverwriteMode) -> None:
    """The target has nothing, the same object or another one, and the object is small or large."""
    world = World()
    large, other = bytes(range(80)), b"another object"
    for size, body in (("small", b"small"), ("large", large)):
        for at_target in (None, body, other):
            name = f"{size}-{'absent' if at_target is None else 'same' if at_target is body else 'other'}"
            world.put(f"in/a/{name}", body)
            if at_target is not None:
                world.put(f"out/b/{name}", at_target, TARGET[EAST])
    spec = world.submit("a/", "b/", mode=mode)
    world.settle()
    outcomes = {key.removeprefix("in/a/"): outcome for key, outcome in world.outcomes(spec).items()}
    same, changed = {
        OverwriteMode.IF_CHANGED: (Outcome.UNCHANGED, Outcome.COPIED),
        OverwriteMode.NEVER: (Outcome.UNCHANGED, Outcome.UNCHANGED),
        OverwriteMode.ALWAYS: (Outcome.COPIED, Outcome.COPIED),
        OverwriteMode.FAIL: (Outcome.UNCHANGED, Outcome.DESTINATION_CONFLICT),
    }[mode]
    for size in ("small", "large"):
        assert outcomes[f"{size}-absent"] is Outcome.COPIED
        assert outcomes[f"{size}-same"] is same
        assert outcomes[f"{size}-other"] is changed
        is_kept = world.body(f"out/b/{size}-other") == other
        assert is_kept == (changed is not Outcome.COPIED)
        assert bool(world.written(f"out/b/{size}-same")) == (same is Outcome.COPIED)


def test_a_job_between_two_locations_of_one_region_and_back_from_the_other() -> None:
    world = World()
    world.put("in/a/1", b"west to west")
    world.put("in/a/2", b"east to west", SOURCE[EAST])
    same = world.submit("a/", "b/", token="1", endpoints=("source-west", "target-west"))
    back = world.submit("a/", "b/", token="2", endpoints=("source-east", "target-west"), region=EAST)
    world.settle()
    assert {world.body("out/b/1", TARGET[WEST]), world.body("out/b/2", TARGET[WEST])} == {
        b"west to west",
        b"east to west",
    }
    assert same.control_region == back.control_region == WEST
    assert (same.home, back.home) == (WEST, EAST)


def test_real_sizes() -> None:
    """AWS's own limits hold: 12 MiB are copied in parts of 5 MiB."""
    world = World(policy=Policy(multipart_threshold_bytes=8 * MIB, part_size_bytes=5 * MIB), limits=Limits())
    body = bytes(range(256)) * (48 * 1024)
    world.put("in/a/large", body)
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {"in/a/large": Outcome.COPIED}
    written = world.written("out/b/large")
    assert [version.body for version in written] == [body]
    assert written[0].part_sizes == (5 * MIB, 5 * MIB, 2 * MIB)
