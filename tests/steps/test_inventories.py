"""Jobs by an S3 Inventory: a manifest.json names files of gzip. A reader can find only the beginning of such a file."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.errors import BadRequest
from chalicelib.core.inputs import ListFormat
from chalicelib.core.jobs import JobKind, JobSpec, JobState
from chalicelib.core.keylist import Cursor
from chalicelib.core.manifests import Manifest
from chalicelib.core.rows import Outcome
from chalicelib.protocol import inventory as reading
from chalicelib.protocol.submitting import ListLocation
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.operations import Operation
from tests.steps.calls import Crash, crash
from tests.steps.everywhere import at_every_call
from tests.steps.splitters import split_side_by_side
from tests.steps.world import SMALL, World

LISTED = ListLocation("source-west", "inventory/manifest.json", ListFormat.INVENTORY)
KEYS = [f"in/a/{number}" for number in range(7)]
CURRENT = "Bucket, Key, Size"
ALL = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size"


def row(key: str, *more: str) -> str:
    return ",".join(f'"{field}"' for field in ("source-west", key, *more)) + "\n"


def current(keys: Sequence[str]) -> bytes:
    return gzip.compress("".join(row(key, "5") for key in keys).encode(), mtime=0)


def put_inventory(world: World, bodies: Sequence[bytes], schema: str = CURRENT, **changes: Any) -> None:
    files = []
    for number, body in enumerate(bodies):
        key = f"in/inventory/data/{number}.csv.gz"
        world.put(key, body)
        files.append({"key": key, "size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()})
    manifest = {
        "sourceBucket": "source-west",
        "destinationBucket": "arn:aws-us-gov:s3:::source-west",
        "fileFormat": "CSV",
        "fileSchema": schema,
        "files": files,
        **changes,
    }
    world.put("in/inventory/manifest.json", json.dumps(manifest).encode())


def filled(world: World, keys: Sequence[str] = KEYS) -> World:
    for key in keys:
        world.put(key, key.encode())
    return world


def submit(world: World) -> JobSpec:
    return world.submit("a/", "b/", manifest=LISTED)


def entries(world: World, spec: JobSpec) -> list[Manifest]:
    return [entry for entry in world.records(spec).entries_from("") if isinstance(entry, Manifest)]


def check(world: World, spec: JobSpec, keys: Sequence[str] = KEYS, call: str = "") -> None:
    end = world.terminal(spec)
    assert (end.state, end.reason, end.planned) == (JobState.SUCCEEDED, "", len(keys)), call
    assert world.outcomes(spec) == dict.fromkeys(keys, Outcome.COPIED), call
    assert all(len(world.written(key.replace("in/a/", "out/b/"))) == 1 for key in keys), call


# --- what it names is delivered -----------------------------------------------------------------------------------


def test_an_inventory_of_two_files() -> None:
    world = filled(World(), [*KEYS, "in/a/newer-than-the-inventory"])
    put_inventory(world, [current(KEYS[:5]), current(KEYS[5:])])
    spec = submit(world)
    world.settle()
    assert spec.kind is JobKind.MANIFEST
    check(world, spec)
    assert [len(entry.rows) for entry in entries(world, spec)] == [4, 3]


def test_files_without_lines_and_none_at_all() -> None:
    world = filled(World())
    put_inventory(world, [current([]), current(KEYS), current([])])
    spec = submit(world)
    world.settle()
    check(world, spec)
    put_inventory(world, [])
    empty = world.submit("a/", "c/", token="empty", manifest=LISTED)
    world.settle()
    end = world.terminal(empty)
    assert (end.state, end.planned, end.reason) == (JobState.SUCCEEDED, 0, "the manifest names no object")


def test_the_prefix_says_which_and_old_versions_and_delete_markers_are_none() -> None:
    world = filled(World(), [*KEYS, "in/other/1"])
    lines = [row("in/other/1", "v", "true", "false", "5"), row("in/a/gone", "m", "true", "true", "")]
    for key in KEYS:
        lines += [row(key, "new", "true", "false", "5"), row(key, "old", "false", "false", "5")]
    put_inventory(world, [gzip.compress("".join(lines).encode())], ALL)
    spec = submit(world)
    world.settle()
    check(world, spec)


def test_what_is_there_now_is_delivered_and_what_is_gone_is_a_row() -> None:
    world = filled(World(versioned_sources=True), KEYS[:2])
    lines = [row(key, "version-of-that-day", "true", "false", "5") for key in KEYS[:3]]
    put_inventory(world, [gzip.compress("".join(lines).encode())], ALL)
    spec = submit(world)
    world.settle()
    assert world.outcomes(spec) == {
        KEYS[0]: Outcome.COPIED,
        KEYS[1]: Outcome.COPIED,
        KEYS[2]: Outcome.SOURCE_GONE,
    }


def test_many_lines_that_name_nothing() -> None:
    """An entry is written even without rows, so that an invocation ends."""
    world = filled(World())
    nothing = row("in/a/0", "old", "false", "false", "5") * 1000
    lines = nothing + "".join(row(key, "new", "true", "false", "5") for key in KEYS) + nothing
    put_inventory(world, [gzip.compress(lines.encode())], ALL)
    spec = submit(world)
    world.settle()
    check(world, spec)
    assert [len(entry.rows) for entry in entries(world, spec)] == [0, 0, 4, 3, 0, 0]


def test_gzip_of_several_members() -> None:
    world = filled(World())
    body = "".join(row(key, "5") for key in KEYS).encode()
    members = [gzip.compress(body[start : start + 11]) for start in range(0, len(body), 11)]
    put_inventory(world, [b"".join(members)])
    spec = submit(world)
    world.settle()
    check(world, spec)


def two_files() -> World:
    world = filled(World())
    put_inventory(world, [current(KEYS[:5]), current(KEYS[5:])])
    return world


def test_a_death_at_any_call_loses_nothing_and_copies_nothing_twice() -> None:
    def run(world: World) -> JobSpec:
        spec = None
        while spec is None:
            try:
                spec = submit(world)
            except Crash as died:
                world.crashes.append(str(died))
        world.settle()
        return spec

    for world, spec, call in at_every_call(two_files, run, lambda _: crash, least=60):
        check(world, spec, call=call)


@pytest.mark.parametrize("first", range(1, 20, 3))
def test_two_splitters_build_one_manifest_log(first: int) -> None:
    world = two_files()
    spec = submit(world)
    world.collect(lost=True)
    split_side_by_side(world, spec, [first, 4, 7, 3, 5, 2])
    world.settle()
    check(world, spec)


# --- long ones ----------------------------------------------------------------------------------------------------


def test_a_long_file_is_decompressed_in_small_chunks_and_read_by_ranges() -> None:
    keys = [f"in/a/{number:07d}-{'x' * 40}" for number in range(60_000)]
    world = World()
    body = current(keys)
    put_inventory(world, [body])
    spec = submit(world)
    lines = reading.InventoryLines.open(world.west, spec)
    [file] = lines.inventory.files
    sizes = [len(chunk) for chunk in lines._decompressed(file, lines._pinned(file))]
    assert max(sizes) <= reading.CHUNK_BYTES
    assert sum(sizes) == len(gzip.decompress(body)) > 3 * reading.CHUNK_BYTES
    assert [name.key for raw, _ in lines.lines(Cursor()) if (name := lines.named(raw))] == keys


def test_any_position_can_be_gone_on_from() -> None:
    world = World()
    put_inventory(world, [current(KEYS[:5]), current([]), current(KEYS[5:])])
    lines = reading.InventoryLines.open(world.west, submit(world))
    lines_read = list(lines.lines(Cursor()))
    assert [lines.named(raw) for raw, _ in lines_read] != []
    for index, (_, cursor) in enumerate(lines_read):
        assert list(lines.lines(Cursor.parse(str(cursor)))) == lines_read[index + 1 :]
    positions = [cursor.position for _, cursor in lines_read]
    assert positions == sorted(set(positions))


# --- what is wrong with it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["changed", "removed"])
def test_a_data_file_that_is_not_there_any_more(how: str) -> None:
    """What was planned is delivered. The rest is not, and the job says so."""
    world = filled(World(policy=replace(SMALL, split_entries_per_run=1)))
    put_inventory(world, [current(KEYS)])
    spec = submit(world)
    world.collect()
    world.handle(world.mail.pop(0))
    assert len(entries(world, spec)) == 1
    if how == "changed":
        world.put("in/inventory/data/0.csv.gz", current(KEYS[::-1]))
    else:
        world.store.remove(SOURCE[WEST], "in/inventory/data/0.csv.gz")
    world.settle()
    end = world.terminal(spec)
    assert world.outcomes(spec) == dict.fromkeys(KEYS[:4], Outcome.COPIED)
    assert (end.state, end.reason[:44]) == (JobState.PARTIAL, "the manifest was changed or removed after th")


def damaged(how: str) -> bytes:
    body = current(KEYS)
    return {
        "not gzip": b"x" * len(body),
        "cut": body[:-20],
        "other content": current(["in/a/forged", *KEYS[1:]]),
        "too long": body + b"x",
    }[how]


@pytest.mark.parametrize("how", ["not gzip", "cut", "other content", "too long", "not there"])
def test_a_data_file_that_is_not_the_one_that_was_named(how: str) -> None:
    world = filled(World(policy=replace(SMALL, partition_rows=10)))
    put_inventory(world, [current(KEYS)])
    if how == "not there":
        world.store.remove(SOURCE[WEST], "in/inventory/data/0.csv.gz")
    else:
        world.put("in/inventory/data/0.csv.gz", damaged(how))
    spec = submit(world)
    world.settle()
    end = world.terminal(spec)
    assert end.state in (JobState.PARTIAL, JobState.FAILED)
    assert end.reason.startswith("the manifest can't be read on: its file 'in/inventory/data/0.csv.gz' ")


def test_bad_lines_are_named_and_the_others_delivered() -> None:
    world = filled(World())
    text = row("in/a/0", "5") + "nonsense\n" + row("in/a/1", "5")
    put_inventory(world, [current([]), gzip.compress(text.encode())])
    spec = submit(world)
    world.settle()
    assert world.outcomes(spec) == dict.fromkeys(KEYS[:2], Outcome.COPIED)
    end = world.terminal(spec)
    assert end.state is JobState.PARTIAL
    assert end.reason == "line 2 of file 2 of the inventory: it has 1 fields; manifest.json says 3"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sourceBucket": "source-east"}, "is an inventory of bucket 'source-east'; the source's is 'source-west'"),
        ({"destinationBucket": "arn:aws-us-gov:s3:::target-east"}, "its files are in bucket 'target-east'"),
        ({"fileFormat": "Parquet"}, "configure one in CSV"),
        (
            {"files": [{"key": "secret/0.csv.gz", "size": 1, "MD5checksum": "0" * 32}]},
            "'secret/0.csv.gz' is not under the prefix of endpoint 'source-west'",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_what_is_refused_at_once(changes: dict[str, Any], why: str) -> None:
    world = World()
    put_inventory(world, [], **changes)
    with pytest.raises(BadRequest) as error:
        submit(world)
    assert error.value.code == "ManifestUnreadable"
    assert why in error.value.message
    assert world.open_jobs() == []


def test_a_list_of_lines_is_no_inventory() -> None:
    world = World()
    world.put("in/inventory/manifest.json", b"source-west,in/a/1\n")
    with pytest.raises(BadRequest, match=r"no manifest\.json of an S3 Inventory"):
        submit(world)


def test_it_is_asked_of_s3_only_what_a_list_costs() -> None:
    world = filled(World())
    put_inventory(world, [current(KEYS)])
    spec = submit(world)
    before = world.store.requests[Operation.GET, SOURCE[WEST].name]
    assert before == 1, "the manifest.json, to say at once what is wrong with it"
    world.settle()
    check(world, spec)
    assert len(entries(world, spec)) == 2
    assert world.store.requests[Operation.GET, SOURCE[WEST].name] - before == 2 * 2, "it and the data file, each time"
    assert len(world.store.keys(TARGET[EAST])) == len(KEYS)
