"""The main job: everything under a prefix, exactly once, verified; and again, for next to nothing."""

import unicodedata
from collections import Counter

import pytest

from chalicelib.core.model import JobState, Outcome, OverwriteMode, Verification
from chalicelib.core.policy import MIB, Policy
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
    wanted = bodies(2500)
    wanted |= {f"in/a/large/{number}": bytes(range(60 + number)) for number in range(5)}
    for key, body in wanted.items():
        world.put(key, body)
    world.put("in/before", b"not under the prefix")
    world.put("in/a", b"not under the prefix either")
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == dict.fromkeys(wanted, Outcome.COPIED)
    for key, body in wanted.items():
        target = "out/b/" + key.removeprefix("in/a/")
        assert [version.body for version in world.written(target)] == [body], key
    assert len(world.store.keys(TARGET[EAST])) == len(wanted)
    end = world.terminal(spec)
    assert (end.state, end.planned, end.parts) == (JobState.SUCCEEDED, 2505, 3)
    assert end.bytes_planned == end.bytes_copied == sum(len(body) for body in wanted.values())
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
    again = world.submit("a/", "b/", token="again")
    world.settle()
    made = requests(world) - before
    assert set(world.outcomes(again).values()) == {Outcome.UNCHANGED}
    assert len(world.outcomes(again)) == 3000
    assert made[Operation.LIST, SOURCE[WEST].name] == 3
    assert made[Operation.LIST, TARGET[EAST].name] == 3
    data = {name: count for name, count in made.items() if not name[1].startswith("control-")}
    assert sum(data.values()) == 6, "nothing else at the data buckets"
    assert world.terminal(first).state is world.terminal(again).state is JobState.SUCCEEDED


def test_an_unchanged_multipart_job_looks_only_at_the_rows_whose_etags_cant_agree() -> None:
    """Five objects that a client uploaded in parts: copied with one checksum, recognised by it."""
    world = World(policy=Policy(partition_rows=1000, multipart_threshold_bytes=40, part_size_bytes=16))
    for number in range(30):
        world.put(f"in/a/{number}", b"small")
    for number in range(5):
        world.put(f"in/a/large-{number}", bytes(range(60)), part_sizes=(30, 30))
    world.submit("a/", "b/", token="first")
    world.settle()
    before = requests(world)
    again = world.submit("a/", "b/", token="again")
    world.settle()
    made = requests(world) - before
    assert set(world.outcomes(again).values()) == {Outcome.UNCHANGED}
    assert made[Operation.HEAD, SOURCE[WEST].name] == made[Operation.HEAD, TARGET[EAST].name] == 5
    assert made[Operation.COPY, TARGET[EAST].name] == made[Operation.CREATE_UPLOAD, TARGET[EAST].name] == 0


def test_the_requests_of_ten_thousand_small_objects_are_within_the_budget() -> None:
    """At the destination bucket: at most 1.01 writes an object and 5 LISTs per 1,000."""
    world = World(policy=Policy())
    for number in range(10_000):
        world.put(f"in/a/{number:05d}", b"x")
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.terminal(spec).counts == {Outcome.COPIED: 10_000}
    made = requests(world)
    target = {operation: count for (operation, bucket), count in made.items() if bucket == TARGET[EAST].name}
    assert target[Operation.COPY] == 10_000
    assert target[Operation.LIST] <= 50
    writes = sum(count for operation, count in target.items() if operation not in (Operation.LIST, Operation.HEAD))
    assert writes <= 10_100
    assert target.get(Operation.HEAD, 0) == 0
    control = sum(count for (_, bucket), count in made.items() if bucket == "control-east")
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
    """Nothing there, the same there, another there; small and large."""
    world = World()
    large, other = bytes(range(80)), b"another object"
    for size, body in (("small", b"small"), ("large", large)):
        for there in (None, body, other):
            name = f"{size}-{'absent' if there is None else 'same' if there is body else 'other'}"
            world.put(f"in/a/{name}", body)
            if there is not None:
                world.put(f"out/b/{name}", there, TARGET[EAST])
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
        kept = world.body(f"out/b/{size}-other") == other
        assert kept == (changed is not Outcome.COPIED)
        assert bool(world.written(f"out/b/{size}-same")) == (same is Outcome.COPIED)


def test_a_job_between_two_places_of_one_region_and_back_from_the_other() -> None:
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
    """With AWS's own limits: 12 MiB in parts of 5 MiB."""
    world = World(policy=Policy(multipart_threshold_bytes=8 * MIB, part_size_bytes=5 * MIB), limits=Limits())
    body = bytes(range(256)) * (48 * 1024)
    world.put("in/a/large", body)
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {"in/a/large": Outcome.COPIED}
    written = world.written("out/b/large")
    assert [version.body for version in written] == [body]
    assert written[0].part_sizes == (5 * MIB, 5 * MIB, 2 * MIB)
