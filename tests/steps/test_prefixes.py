"""A job's prefixes are folders. They are texts only if its client says so. No neighbour of a folder is touched."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.deletions import Deletion
from chalicelib.core.entries import ANY
from chalicelib.core.errors import BadRequest, Denied, EftError, NoAnswer
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.rows import Outcome, OverwriteMode
from chalicelib.protocol.submitting import Location, Submission
from chalicelib.steps import control, feeds
from simulation.memory.env import EAST, ENDPOINTS, TARGET, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps.feeding import OWNER
from tests.steps.world import MINUTE, World

WHOLE = {name: replace(endpoint, prefix="") for name, endpoint in ENDPOINTS.items()}
NEIGHBOURS = ("data-2026/ledger", "database/prod.db", "data", "dat/a", "other/data/x")


def submit(world: World, source: Location, target: Location, **options: Any) -> JobSpec:
    submission = Submission(TENANT, "token", source, target, **options)
    return control.submit(world.regions[WEST].env, submission)[0]


def text(endpoint: str, prefix: str) -> Location:
    return Location(endpoint, prefix, text_prefix=True)


def world_of(**options: Any) -> World:
    return World(endpoints=WHOLE, **options)


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefix", "fix"), [("data", "data/"), ("/data/", "data/"), ("/", ""), ("a/b", "a/b/")])
@pytest.mark.parametrize("role", ["source", "target"])
def test_a_prefix_that_is_no_folder(role: str, prefix: str, fix: str) -> None:
    world = world_of()
    ends = {"source": Location("source-west", "data/"), "target": Location("target-east", "data/")}
    ends[role] = replace(ends[role], prefix=prefix)
    with pytest.raises(BadRequest) as raised:
        submit(world, **ends)
    assert raised.value.code == "PrefixNotAFolder"
    assert raised.value.message.startswith(f"{role}: prefix {prefix!r}")
    assert f"send {fix!r}, or, " in raised.value.message
    assert 'send "text_prefix": true beside it' in raised.value.message
    assert world.open_jobs() == []


def test_a_prefix_that_is_one_objects_key() -> None:
    world = world_of()
    world.put("a/report.csv", b"one")
    with pytest.raises(BadRequest) as raised:
        submit(world, Location("source-west", "a/report.csv"), Location("target-east", ""))
    hint = 'There is an object of just this key: to copy that one, send "prefix": "a/" and "keys": ["report.csv"]'
    assert raised.value.message.endswith(hint)
    spec = submit(world, Location("source-west", "a/"), Location("target-east", ""), keys=("report.csv",))
    world.settle()
    assert world.outcomes(spec) == {"a/report.csv": Outcome.COPIED}


@pytest.mark.parametrize("error", [NoAnswer, Denied])
def test_whoever_can_not_look_for_that_object_gives_the_same_verdict(error: type[EftError]) -> None:
    world = world_of()
    world.put("data", b"one")
    world.faults.rule(Rule(operation=Operation.HEAD, key="data", times=1, error=lambda: error("No", "nobody says")))
    with pytest.raises(BadRequest) as raised:
        submit(world, Location("source-west", "data"), Location("target-east", ""))
    assert raised.value.code == "PrefixNotAFolder"
    assert "just this key" not in raised.value.message
    assert [operation for operation, _, _ in world.faults.calls].count(Operation.HEAD) == 1


# --- deletes ------------------------------------------------------------------------------------------------------


def test_a_mirror_of_a_folder_leaves_its_neighbours_alone() -> None:
    """Formerly, a job from `data` to `data` with `delete` removed `database/prod.db` and `data-2026/ledger`."""
    world = world_of()
    world.put("data/a", b"a")
    for key in ("data/a", "data/stray", *NEIGHBOURS):
        world.put(key, b"a", TARGET[EAST])
    spec = submit(world, Location("source-west", "data/"), Location("target-east", "data/"), deletion=Deletion(100))
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert set(world.store.keys(TARGET[EAST])) == {"data/a", *NEIGHBOURS}


@pytest.mark.parametrize(
    ("source", "target"), [("data", "data"), ("data/", "data"), ("data", "data/"), ("data/", "/x/")]
)
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_text_prefix_never_goes_with_delete(source: str, target: str, is_declared: bool) -> None:
    """It is refused, declared or not. With a text on one side only, a job once deleted a good mirror and rebuilt it as
    `mirror//a`."""
    world = world_of()
    world.put("data/a", b"a")
    for key in ("data/a", *NEIGHBOURS):
        world.put(key, b"a", TARGET[EAST])
    with pytest.raises(BadRequest) as raised:
        submit(
            world,
            Location("source-west", source, is_declared),
            Location("target-east", target, is_declared),
            deletion=Deletion(100),
        )
    assert raised.value.code == ("ConflictingInput" if is_declared else "PrefixNotAFolder")
    assert set(world.store.keys(TARGET[EAST])) == {"data/a", *NEIGHBOURS}


@pytest.mark.parametrize("role", ["source-west", "target-east"])
def test_an_endpoint_whose_prefix_is_a_text_takes_no_deletes(role: str) -> None:
    """The job's own prefix below it is a folder, but "inbox" and "x/" make "inboxx/"."""
    world = World(endpoints=WHOLE | {role: replace(WHOLE[role], prefix="inbox")})
    with pytest.raises(BadRequest, match=f"that of endpoint '{role}' is 'inbox'; choose a folder"):
        submit(world, Location("source-west", "x/"), Location("target-east", "x/"), deletion=Deletion(1))
    spec = submit(world, Location("source-west", "x/"), Location("target-east", "x/"))
    assert spec.deletion is None


NAMES = st.sampled_from(
    ["", "data/", "data-2026/", "database/", "data", "dat", "/data/", "data/x/", "data//", "data/x"]
)
KEYS = st.sets(
    st.sampled_from(
        [
            "data/a",
            "data/x/b",
            "data//c",
            "data-2026/ledger",
            "database/prod.db",
            "data",
            "/data/d",
            "dat/e",
            "data/xy/f",
        ]
    )
)


@settings(max_examples=150, deadline=None)
@given(NAMES, NAMES, NAMES, NAMES, KEYS, KEYS)
def test_a_job_with_delete_touches_no_key_outside_its_target_folder(
    outer: str, source: str, over: str, target: str, source_keys: set[str], target_keys: set[str]
) -> None:
    """This holds for any two prefixes that are accepted, below the prefixes of any two endpoints."""
    endpoints = {
        "source-west": replace(WHOLE["source-west"], prefix=outer),
        "target-east": replace(WHOLE["target-east"], prefix=over),
    }
    world = World(endpoints=WHOLE | endpoints)
    for key in source_keys:
        world.put(key, b"source")
    for key in target_keys:
        world.put(key, b"target", TARGET[EAST])
    try:
        spec = submit(world, Location("source-west", source), Location("target-east", target), deletion=Deletion(100))
    except BadRequest:
        return
    world.settle()
    path = (over + target).split("/")[:-1]
    for key in target_keys:
        is_inside = not path or key.split("/")[: len(path)] == path
        is_gone = world.body(key) is None
        assert is_inside or world.body(key) == b"target", f"{key} lies outside of {path}"
        assert not is_gone or spec.deletion is not None


# --- text prefixes ------------------------------------------------------------------------------------------------


def test_a_text_prefix_means_all_keys_that_begin_so() -> None:
    world = world_of()
    for key in ("data", "data-2026/ledger", "database/prod.db", "dat/a"):
        world.put(key, key.encode())
    spec = submit(world, text("source-west", "data"), text("target-east", "copy"))
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert set(world.store.keys(TARGET[EAST])) == {"copy", "copy-2026/ledger", "copybase/prod.db"}


def test_keys_that_begin_with_a_slash() -> None:
    world = world_of()
    for key in ("/data/a", "data/a"):
        world.put(key, key.encode())
    spec = submit(world, text("source-west", "/data/"), Location("target-east", "data/"))
    world.settle()
    assert world.outcomes(spec) == {"/data/a": Outcome.COPIED}


def test_an_object_whose_key_is_the_text_itself_is_never_left_out_silently() -> None:
    """Below an empty target prefix the object has no name."""
    world = world_of()
    for key in ("data", "data-2026/ledger"):
        world.put(key, b"x")
    spec = submit(world, text("source-west", "data"), Location("target-east", ""))
    world.settle()
    assert world.outcomes(spec) == {"data": Outcome.FAILED, "data-2026/ledger": Outcome.COPIED}
    assert "it has no name below an empty target prefix: copy it by keys" in world.rows(spec)["data"].detail
    assert world.terminal(spec).state is JobState.PARTIAL


def test_a_retry_of_it_says_the_same() -> None:
    world = world_of()
    world.put("data", b"x")
    spec = submit(world, text("source-west", "data"), Location("target-east", ""))
    world.settle()
    retry, is_new = control.retry(world.east, TENANT, spec.job_id, "again")
    world.settle()
    assert is_new
    assert world.outcomes(retry) == {"data": Outcome.FAILED}


def test_a_folder_marker_that_holds_something_is_an_object() -> None:
    world = world_of()
    world.put("a/", b"notes")
    world.put("a/1", b"one")
    spec = submit(world, Location("source-west", "a/"), Location("target-east", ""))
    world.settle()
    assert world.outcomes(spec) == {"a/": Outcome.FAILED, "a/1": Outcome.COPIED}


def test_an_empty_folder_marker_is_the_place_and_nothing_in_it() -> None:
    world = world_of()
    world.put("a/", b"")
    world.put("a/1", b"one")
    spec = submit(world, Location("source-west", "a/"), Location("target-east", ""))
    world.settle()
    assert world.outcomes(spec) == {"a/1": Outcome.COPIED}
    assert world.terminal(spec).state is JobState.SUCCEEDED


# --- feeds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["source", "target"])
def test_a_feeds_prefix_is_a_folder(role: str) -> None:
    world = world_of(feeds={})
    ends = {"source": Location("source-west", "data/"), "target": Location("target-east", "data/")}
    ends[role] = replace(ends[role], prefix="data")
    feed = feeds.WantedFeed(ends["source"], ends["target"], OverwriteMode.IF_CHANGED, {})
    with pytest.raises(BadRequest, match=f"^PrefixNotAFolder: {role}: prefix 'data'.*send 'data/'"):
        feeds.put_feed(world.west, OWNER, "mine", feed, ANY)


def test_a_feed_of_a_text_prefix_delivers_what_begins_so() -> None:
    world = world_of(feeds={})
    feed = feeds.WantedFeed(text("source-west", "data"), text("target-east", "copy"), OverwriteMode.IF_CHANGED, {})
    feeds.put_feed(world.west, OWNER, "mine", feed, ANY)
    repeated, is_new = feeds.put_feed(world.west, OWNER, "mine", feed, ANY)
    assert (repeated.feed.source_prefix, is_new) == ("data", False)
    for key in ("data", "data-2026/ledger", "dat/a"):
        world.drop(key, b"x")
    world.run(2 * MINUTE)
    assert set(world.store.keys(TARGET[EAST])) == {"copy", "copy-2026/ledger"}


def test_a_feed_that_could_not_name_what_it_delivers_is_refused() -> None:
    world = world_of(feeds={})
    feed = feeds.WantedFeed(text("source-west", "data"), Location("target-east"), OverwriteMode.IF_CHANGED, {})
    with pytest.raises(BadRequest, match=r"^NoNameLeft: an object of the key 'data' would have no name at the target"):
        feeds.put_feed(world.west, OWNER, "mine", feed, ANY)
