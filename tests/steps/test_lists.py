"""Jobs by a list: keys in the request, or an object that names them."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from chalicelib.core.errors import BadRequest, KeyReused, Retry
from chalicelib.core.inputs import Filters, Named
from chalicelib.core.jobs import JobKind, JobSpec, JobState
from chalicelib.core.keylist import write_line
from chalicelib.core.manifests import Manifest
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Outcome, OverwriteMode
from chalicelib.protocol.submitting import ListLocation
from chalicelib.steps import control
from simulation.memory.env import CONTROL, EAST, ENDPOINTS, SOURCE, TARGET, TENANT, WEST
from simulation.memory.operations import Action, Operation
from tests.steps.calls import Crash, crash
from tests.steps.everywhere import at_every_call
from tests.steps.splitters import split_side_by_side
from tests.steps.world import MINUTE, SMALL, World

LIST = "in/lists/today.csv"
LISTED = ListLocation("source-west", "lists/today.csv")
ODD = ["in/a/1 +%,\"'", "in/a/日本語", "in/a/x\ny", "in/a/\U0001f600", "in/a/folder/", "in/a/9"]


def line(key: str, version: str | None = None, bucket: str = "source-west") -> str:
    return write_line(bucket, Named(key, version))


def filled(world: World, keys: list[str]) -> World:
    for key in keys:
        world.put(key, key.encode()[:30] * (4 if key.endswith("9") else 1))
    return world


def submit(
    world: World, text: str | bytes, token: str = "token", mode: OverwriteMode = OverwriteMode.IF_CHANGED
) -> JobSpec:
    world.put(LIST, text if isinstance(text, bytes) else text.encode())
    return world.submit("a/", "b/", token=token, mode=mode, manifest=LISTED)


def target(key: str) -> str:
    return key.replace("in/a/", "out/b/", 1)


def check(world: World, spec: JobSpec, keys: list[str], call: str = "") -> None:
    assert world.outcomes(spec) == dict.fromkeys(keys, Outcome.COPIED), call
    end = world.terminal(spec)
    assert (end.state, end.reason, end.planned) == (JobState.SUCCEEDED, "", len(keys)), call
    assert all(len(world.written(target(key))) == 1 for key in keys), call
    assert len(world.store.keys(TARGET[EAST])) == len(keys), call
    assert world.dead_letters == [], call


def entries(world: World, spec: JobSpec) -> list[Manifest]:
    return [entry for entry in world.records(spec).entries_from("") if isinstance(entry, Manifest)]


# --- what is named is delivered -----------------------------------------------------------------------------------


@pytest.mark.parametrize("region", [WEST, EAST])
def test_keys(region: str) -> None:
    world = filled(World(), [*ODD, "in/a/not-named"])
    keys = tuple(key.removeprefix("in/a/") for key in ODD)
    spec = world.submit("a/", "b/", keys=keys, region=region)
    world.settle()
    assert spec.kind is JobKind.KEYS
    check(world, spec, ODD)


def test_a_manifest() -> None:
    world = filled(World(), [*ODD, "in/a/not-named"])
    spec = submit(world, "".join(line(key) for key in ODD))
    world.settle()
    assert spec.kind is JobKind.MANIFEST
    check(world, spec, ODD)
    assert [len(entry.rows) for entry in entries(world, spec)] == [4, 2]


def test_a_manifest_in_another_endpoint_and_region() -> None:
    world = filled(World(), ODD)
    world.put("out/list", line(ODD[0]).encode(), TARGET[WEST])
    spec = world.submit("a/", "b/", manifest=ListLocation("target-west", "list"))
    world.settle()
    check(world, spec, ODD[:1])


def test_an_inventorys_quotes_windows_line_ends_and_no_last_one() -> None:
    world = filled(World(), ODD)
    spec = submit(
        world, "\ufeff" + "\r\n".join(f'"source-west","{key.replace("in/a/", "in%2Fa/")}"' for key in ("in/a/9",))
    )
    world.settle()
    check(world, spec, ["in/a/9"])


@pytest.mark.parametrize("text", ["", "\n", "\n\r\n\n" * 100])
def test_an_empty_manifest(text: str) -> None:
    world = World()
    spec = submit(world, text)
    world.settle()
    end = world.terminal(spec)
    assert (end.state, end.planned, end.reason) == (JobState.SUCCEEDED, 0, "the manifest names no object")


def test_what_is_missing_is_a_row() -> None:
    world = filled(World(), ODD)
    world.store.deny(SOURCE[WEST], Action.READ, key=ODD[1])
    spec = world.submit("a/", "b/", keys=("9", "nowhere", ODD[1].removeprefix("in/a/")))
    world.settle()
    assert world.outcomes(spec) == {
        "in/a/9": Outcome.COPIED,
        "in/a/nowhere": Outcome.SOURCE_GONE,
        ODD[1]: Outcome.DENIED,
    }
    assert world.terminal(spec).state is JobState.PARTIAL


def test_versions_that_are_named() -> None:
    world = World(versioned_sources=True)
    old = world.put("in/a/1", b"old")
    world.put("in/a/1", b"new")
    world.put("in/a/2", b"two")
    removed = world.put("in/a/3", b"three")
    world.store.remove(SOURCE[WEST], "in/a/3")
    text = line("in/a/1", old.version_id) + line("in/a/2", "version-none") + line("in/a/3", removed.version_id)
    spec = submit(world, text)
    world.settle()
    assert world.outcomes(spec) == {
        "in/a/1": Outcome.COPIED,
        "in/a/2": Outcome.SOURCE_GONE,
        "in/a/3": Outcome.COPIED,
    }
    assert (world.body("out/b/1"), world.body("out/b/3")) == (b"old", b"three")


def test_a_retry_delivers_the_version_that_was_named() -> None:
    world = World(versioned_sources=True)
    old = world.put("in/a/1", b"old")
    world.put("in/a/1", b"new")
    world.put("in/a/2", b"first")
    world.store.deny(SOURCE[WEST], Action.READ)
    world.store.allow(SOURCE[WEST])
    spec = submit(world, line("in/a/1", old.version_id) + line("in/a/2"))
    for key in ("in/a/1", "in/a/2"):
        world.store.deny(SOURCE[WEST], Action.READ, key=key)
    world.settle()
    assert set(world.outcomes(spec).values()) == {Outcome.DENIED}
    world.store.allow(SOURCE[WEST])
    world.put("in/a/2", b"second")
    retry = control.retry(world.west, TENANT, spec.job_id, "again")[0]
    world.settle()
    assert set(world.outcomes(retry).values()) == {Outcome.COPIED}
    assert (world.body("out/b/1"), world.body("out/b/2")) == (b"old", b"second")


# --- long ones ----------------------------------------------------------------------------------------------------


def test_a_long_manifest_is_read_in_pieces() -> None:
    """The list is shuffled, so its neighbours are not neighbours in the bucket. Still each key is planned once, and
    each byte is read about once."""
    keys = [f"in/a/{number:05d}/{'x' * 60}" for number in range(6000)]
    world = World(policy=Policy())
    for key in keys:
        world.put(key, b"x")
    Random(1).shuffle(keys)
    text = "".join(line(key) for key in keys)
    spec = submit(world, text)
    world.settle()
    check(world, spec, keys)
    assert len(entries(world, spec)) == 6
    reads = world.store.requests[Operation.GET, SOURCE[WEST].name]
    assert reads <= 2 + 3 * len(text) / (128 * 1024)


def test_neighbours_are_looked_at_by_list() -> None:
    keys = [f"in/a/{number:05d}" for number in range(3000)]
    world = World(policy=Policy())
    for key in keys:
        world.put(key, b"x")
    spec = submit(world, "".join(line(key) for key in keys))
    world.settle()
    check(world, spec, keys)
    requests = world.store.requests
    assert requests[Operation.HEAD, SOURCE[WEST].name] == 1, "the manifest itself"
    assert requests[Operation.LIST, SOURCE[WEST].name] == 3
    assert requests[Operation.LIST, TARGET[EAST].name] <= 9
    assert requests[Operation.HEAD, TARGET[EAST].name] == 0


def test_it_goes_on_by_itself_when_time_or_entries_run_out() -> None:
    world = filled(World(policy=replace(SMALL, partition_rows=1, split_entries_per_run=2)), ODD)
    spec = submit(world, "".join(line(key) for key in ODD))
    world.settle()
    check(world, spec, ODD)
    assert [entry.partition_id for entry in entries(world, spec)] == [f"r-{number:06d}" for number in range(1, 7)]


def test_partitions_end_at_so_many_bytes() -> None:
    world = World(policy=replace(SMALL, partition_rows=10, partition_bytes=100))
    text = ""
    for number, size in enumerate((30, 60, 30, 250, 1)):
        world.put(f"in/a/{number}", b"x" * size)
        text += line(f"in/a/{number}") + ("bad\n" if number == 2 else "")
    spec = submit(world, text)
    world.settle()
    assert [[row.size for row in entry.rows] for entry in entries(world, spec)] == [[30, 60], [30], [250], [1]]
    assert world.terminal(spec).reason.startswith("line 4 of the manifest: it has 1 fields")


# --- what is wrong with it ----------------------------------------------------------------------------------------


def test_bad_lines_are_named_and_the_others_delivered() -> None:
    world = filled(World(), [*ODD, "in/secret", "in/ax"])
    text = line(ODD[0]) + "nonsense\n" + line("in/secret") + line(ODD[5]) + line(ODD[5], bucket="control-west")
    spec = submit(world, text)
    world.settle()
    assert world.outcomes(spec) == {ODD[0]: Outcome.COPIED, ODD[5]: Outcome.COPIED}
    end = world.terminal(spec)
    assert end.state is JobState.PARTIAL
    assert (
        end.reason
        == "line 2 of the manifest: it has 1 fields: send bucket,key or bucket,key,version (and 1 more near it)"
    )
    errors = [entry.error for entry in entries(world, spec)]
    assert errors[1].startswith("line 5 of the manifest: bucket 'control-west' is not the source's")
    assert len(world.store.keys(TARGET[EAST])) == 2


def test_nothing_but_bad_lines() -> None:
    world = World()
    spec = submit(world, "nonsense\n" * 100)
    world.settle()
    end = world.terminal(spec)
    assert (end.state, end.planned, end.partitions) == (JobState.FAILED, 0, 25)


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08" + b"z" * 50, b"\xff" * 20_000], ids=["gzip", "binary"])
def test_no_list_at_all(body: bytes) -> None:
    world = World()
    spec = submit(world, body)
    world.settle()
    assert world.terminal(spec).state is JobState.FAILED
    assert world.terminal(spec).reason.startswith("the manifest can't be read on: ")


@pytest.mark.parametrize("how", ["changed", "removed", "denied", "archived"])
def test_a_manifest_that_is_not_there_any_more(how: str) -> None:
    """What was planned is delivered. What the list named further is not, and the job says so."""
    world = filled(World(policy=replace(SMALL, split_entries_per_run=1)), ODD)
    spec = submit(world, "".join(line(key) for key in ODD))
    world.collect()
    world.handle(world.mail.pop(0))
    assert len(entries(world, spec)) == 1
    if how == "changed":
        world.put(LIST, line("in/a/9").encode() * 100)
    elif how == "removed":
        world.store.remove(SOURCE[WEST], LIST)
    elif how == "denied":
        world.store.deny(SOURCE[WEST], Action.READ, key=LIST)
    else:
        world.put(LIST, "".join(line(key) for key in ODD).encode(), storage_class="GLACIER")
    world.settle()
    end = world.terminal(spec)
    assert world.outcomes(spec) == dict.fromkeys(ODD[:4], Outcome.COPIED)
    assert end.state is JobState.PARTIAL
    assert end.reason.startswith(
        "the manifest was changed or removed" if how in ("changed", "removed") else "the manifest"
    )


def test_a_version_of_the_manifest_stays_pinned() -> None:
    world = filled(World(versioned_sources=True), ODD)
    spec = submit(world, "".join(line(key) for key in ODD))
    world.put(LIST, b"another")
    world.settle()
    check(world, spec, ODD)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"manifest": ListLocation("source-west", "nowhere")}, "ManifestUnreadable"),
        ({"manifest": ListLocation("nowhere", "x")}, "UnknownEndpoint"),
        ({"manifest": ListLocation("theirs", "x")}, "UnknownEndpoint"),
        ({"manifest": ListLocation("write-only", "x")}, "NotReadable"),
        ({"manifest": ListLocation("source-west", "x" * 1022)}, "KeyTooLong"),
        ({"keys": ("x" * 1020,)}, "KeyTooLong"),
        ({"keys": ("a",), "manifest": LISTED}, "ConflictingInput"),
        ({"keys": ("a",), "filters": Filters(include=("a",))}, "ConflictingInput"),
        ({"manifest": LISTED, "filters": Filters(include=("a",))}, "ConflictingInput"),
    ],
    ids=str,
)
def test_what_is_refused(options: dict[str, Any], code: str) -> None:
    endpoints = ENDPOINTS | {
        "theirs": replace(ENDPOINTS["source-west"], id="theirs", tenant="other"),
        "write-only": replace(ENDPOINTS["target-west"], id="write-only", readable=False),
    }
    world = World(endpoints=endpoints)
    world.put(LIST, b"")
    with pytest.raises(BadRequest) as error:
        world.submit("a/", "b/", **options)
    assert error.value.code == code
    assert world.open_jobs() == []


def test_a_manifest_that_is_denied_or_in_a_region_that_is_down() -> None:
    world = World()
    world.put(LIST, b"")
    world.store.deny(SOURCE[WEST], Action.READ)
    with pytest.raises(BadRequest, match="can't be read"):
        world.submit("a/", "b/", manifest=LISTED)
    world.store.before_call = down
    with pytest.raises(Retry):
        world.submit("a/", "b/", manifest=LISTED)


def down(operation: Operation, bucket: str, _key: str) -> None:
    raise Retry("Down", f"{operation} {bucket}")


# --- the same request ---------------------------------------------------------------------------------------------


def test_a_request_that_is_repeated_when_its_manifest_is_gone() -> None:
    world = filled(World(), ODD)
    spec = submit(world, line(ODD[0]))
    world.store.remove(SOURCE[WEST], LIST)
    assert world.submit("a/", "b/", manifest=LISTED, region=EAST) == spec


def test_the_same_key_for_something_else() -> None:
    world = filled(World(), ODD)
    spec = world.submit("a/", "b/", keys=("1", "2"))
    assert world.submit("a/", "b/", keys=("1", "2"), region=EAST) == spec
    for keys in (("2", "1"), ("1",), ()):
        with pytest.raises(KeyReused):
            world.submit("a/", "b/", keys=keys)
    submit(world, "", token="m")
    with pytest.raises(KeyReused):
        world.submit("a/", "b/", token="m", manifest=ListLocation("source-west", "lists/tomorrow.csv"))


def test_the_table_does_not_hold_the_keys() -> None:
    world = World()
    keys = tuple(f"{number:03d}{'x' * 1000}" for number in range(1000))
    spec = world.submit("a/", "b/", keys=keys)
    assert len(str(spec)) < 2000
    world.settle()
    assert world.terminal(spec).counts == {Outcome.SOURCE_GONE: 1000}


# --- a key that is named twice ------------------------------------------------------------------------------------


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
@pytest.mark.parametrize("mode", OverwriteMode)
def test_keys_that_are_named_again_and_again(mode: OverwriteMode, encryption: str) -> None:
    """They are in one partition or in several. Each key is published at most once, in any mode, and is delivered."""
    world = World(encryption=encryption)
    keys = [f"in/a/{number}" for number in range(3)]
    for key in keys:
        world.put(key, key.encode())
    world.put("in/a/parted", bytes(range(60)), part_sizes=(25, 35))
    world.put("out/b/1", b"before", TARGET[EAST])
    spec = submit(world, "".join(line(key) for key in [*keys, "in/a/parted"] * 5 + [keys[0]] * 9), mode=mode)
    world.settle()
    rows = Counter(row.key for entry in entries(world, spec) for row in entry.rows)
    assert max(rows.values()) > 1
    for key in (*keys, "in/a/parted"):
        assert len(world.written(target(key))) <= 1, key
    changed = mode in (OverwriteMode.IF_CHANGED, OverwriteMode.ALWAYS)
    assert world.body("out/b/1") == (b"in/a/1" if changed else b"before")
    assert world.terminal(spec).state is (JobState.PARTIAL if mode is OverwriteMode.FAIL else JobState.SUCCEEDED)


def test_another_version_in_one_partition_is_a_bad_line() -> None:
    world = World(versioned_sources=True)
    first, second = world.put("in/a/1", b"1"), world.put("in/a/1", b"2")
    spec = submit(world, line("in/a/1", first.version_id) + line("in/a/1", second.version_id))
    world.settle()
    assert world.body("out/b/1") == b"1"
    assert "line 2 of the manifest: it names another version" in world.terminal(spec).reason


# --- trouble ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [JobKind.KEYS, JobKind.MANIFEST])
def test_a_crash_at_any_call(kind: JobKind) -> None:
    def make() -> World:
        world = filled(World(), ODD)
        world.put(LIST, "".join(line(key) for key in ODD).encode())
        return world

    def run(world: World) -> JobSpec:
        keys = tuple(key.removeprefix("in/a/") for key in ODD)
        spec = None
        while spec is None:
            try:
                if kind is JobKind.KEYS:
                    spec = world.submit("a/", "b/", keys=keys)
                else:
                    spec = world.submit("a/", "b/", manifest=LISTED)
            except Crash as died:
                world.crashes.append(str(died))
        world.settle()
        return spec

    for world, spec, call in at_every_call(make, run, lambda _: crash, least=60):
        check(world, spec, ODD, call)


@pytest.mark.parametrize("first", range(1, 20, 3))
def test_two_splitters_build_one_manifest_log(first: int) -> None:
    world = filled(World(policy=replace(SMALL, partition_rows=2)), ODD)
    spec = submit(world, "".join(line(key) for key in ODD))
    world.collect(lost=True)
    split_side_by_side(world, spec, [first, 4, 7, 3, 5, 2])
    world.settle()
    check(world, spec, ODD)


def test_paused_cancelled_and_lost_messages() -> None:
    world = filled(World(lose=True), ODD)
    spec = submit(world, "".join(line(key) for key in ODD))
    control.pause(world.east, TENANT, spec.job_id)
    world.run(10 * MINUTE)
    assert entries(world, spec) == []
    control.resume(world.west, TENANT, spec.job_id)
    world.settle()
    check(world, spec, ODD)
    other = submit(world, line(ODD[0]), token="other")
    control.cancel(world.west, TENANT, other.job_id)
    world.settle()
    assert world.terminal(other).state is JobState.CANCELLED


def test_records_of_a_job_by_keys() -> None:
    world = filled(World(), ODD)
    spec = world.submit("a/", "b/", keys=("9",))
    world.settle()
    names = [key for key in world.store.keys(CONTROL[EAST]) if "/keys/" in key]
    assert names == [f"jobs/{spec.job_id}/keys/{spec.request_sha256}"]
