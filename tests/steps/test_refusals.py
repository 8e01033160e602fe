"""Things that can't be done at all: a bucket that isn't there, no permission, one poisonous object. Each has its
outcome, and holds nothing else up."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.core.errors import Denied, EftError, Permanent
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Outcome, Verification
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Action, Operation
from tests.steps.everywhere import at_every_call
from tests.steps.world import SMALL, World

KEYS = [f"in/a/{number:02d}" for number in range(20)]
LARGE = bytes(range(60))


def world_of(count: int = 20) -> World:
    """Return a world. A few keys are looked at one by one, many by LIST."""
    world = World(policy=replace(SMALL, partition_rows=100))
    for key in KEYS[:count]:
        world.put(key, key.encode())
    return world


def run(world: World) -> JobSpec:
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.dead_letters == []
    return spec


@pytest.mark.parametrize("count", [3, 20])
def test_the_source_bucket_is_not_there(count: int) -> None:
    world = world_of(count)
    world.store.drop_bucket(SOURCE[WEST])
    end = world.terminal(run(world))
    assert end.state is JobState.FAILED
    assert "NoSuchBucket" in end.reason
    assert "source-west" in end.reason


@pytest.mark.parametrize("count", [3, 20])
def test_the_target_bucket_is_not_there(count: int) -> None:
    world = world_of(count)
    world.store.drop_bucket(TARGET[EAST])
    spec = run(world)
    end = world.terminal(spec)
    assert end.state is JobState.FAILED
    assert "NoSuchBucket" in end.reason or all("NoSuchBucket" in row.detail for row in world.rows(spec).values())


@pytest.mark.parametrize("bucket", [SOURCE[WEST], TARGET[EAST]], ids=["source", "target"])
def test_listing_is_not_permitted(bucket: Bucket) -> None:
    world = world_of()
    world.store.deny(bucket, Action.LIST)
    end = world.terminal(run(world))
    assert end.state is JobState.FAILED
    assert "AccessDenied" in end.reason


@pytest.mark.parametrize("count", [3, 20])
def test_writing_is_not_permitted(count: int) -> None:
    world = world_of(count)
    world.store.deny(TARGET[EAST], Action.WRITE)
    spec = run(world)
    assert world.outcomes(spec) == dict.fromkeys(KEYS[:count], Outcome.DENIED)
    assert world.terminal(spec).state is JobState.FAILED


@pytest.mark.parametrize("count", [3, 20])
def test_one_source_object_may_not_be_read(count: int) -> None:
    world = world_of(count)
    world.store.deny(SOURCE[WEST], Action.READ, key=KEYS[1])
    spec = run(world)
    assert world.outcomes(spec) == {**dict.fromkeys(KEYS[:count], Outcome.COPIED), KEYS[1]: Outcome.DENIED}
    assert world.terminal(spec).state is JobState.PARTIAL


@pytest.mark.parametrize("count", [3, 20])
@pytest.mark.parametrize("is_there", [False, True], ids=["nothing-there", "old-object-there"])
def test_one_destination_object_may_not_be_looked_at(count: int, is_there: bool) -> None:
    world = world_of(count)
    if is_there:
        world.put("out/b/01", b"old", TARGET[EAST])
    world.store.deny(TARGET[EAST], Action.READ, key="out/b/01")
    spec = run(world)
    outcomes = world.outcomes(spec)
    others = [outcome for key, outcome in outcomes.items() if key != KEYS[1]]
    assert set(others) == {Outcome.COPIED}
    assert outcomes[KEYS[1]] in (Outcome.DENIED, Outcome.COPIED)


def test_reading_the_target_is_not_permitted() -> None:
    """Nothing can be verified, whether it was copied or not, so no row is COPIED."""
    world = world_of(3)
    world.store.deny(TARGET[EAST], Action.READ)
    spec = run(world)
    assert set(world.outcomes(spec).values()) == {Outcome.DENIED}
    assert world.terminal(spec).state is JobState.FAILED


def test_permission_is_withdrawn_at_any_moment() -> None:
    """Rows that were copied before are COPIED, or at least not FAILED. The job ends."""

    def make() -> World:
        world = world_of(5)
        world.put("in/a/large", LARGE)
        return world

    def withdraw(world: World) -> Callable[[str], object]:
        return lambda _: world.store.deny(TARGET[EAST])

    for world, spec, call in at_every_call(make, run, withdraw, least=40):
        for key, outcome in world.outcomes(spec).items():
            assert outcome in (Outcome.COPIED, Outcome.DENIED), (call, key)
            assert len(world.written(key.replace("in/a", "out/b"))) <= 1
        world.store.allow(TARGET[EAST])
        world.tidy()
        assert world.all_uploads() == []


def poison_errors() -> dict[str, Callable[[], Exception]]:
    return {
        "permanent": lambda: Permanent("InvalidRequest", "S3 will never take this"),
        "denied": lambda: Denied("KMS.DisabledException", "the key is disabled"),
        "unexpected": lambda: RuntimeError("a bug of ours"),
        "ours": lambda: EftError("Internal", "who knows"),
    }


OPERATIONS = {
    "copy": Operation.COPY,
    "create-upload": Operation.CREATE_UPLOAD,
    "part": Operation.UPLOAD_PART_COPY,
    "complete": Operation.COMPLETE,
    "list-parts": Operation.LIST_PARTS,
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.parametrize("error", poison_errors().values(), ids=poison_errors())
def test_writing_one_object_always_fails(error: Callable[[], Exception], operation: Operation) -> None:
    world = world_of(6)
    world.put("in/a/poison", LARGE if operation is not Operation.COPY else b"small")
    world.faults.rule(Rule(operation=operation, key="out/b/poison", times=None, error=error))
    if operation is Operation.LIST_PARTS:  # Only a successor lists parts.
        world.faults.rule(Rule(operation=Operation.UPLOAD_PART_COPY, key="out/b/poison", times=40))
    spec = run(world)
    outcomes = world.outcomes(spec)
    assert outcomes.pop("in/a/poison") in (Outcome.FAILED, Outcome.DENIED)
    assert outcomes == dict.fromkeys(KEYS[:6], Outcome.COPIED)
    assert world.terminal(spec).state is JobState.PARTIAL
    assert world.all_uploads() == [], "the upload of the failed row is aborted at once"


@pytest.mark.parametrize("side", [SOURCE[WEST], TARGET[EAST]], ids=["source", "target"])
@pytest.mark.parametrize("error", poison_errors().values(), ids=poison_errors())
@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("count", [5, 20])
def test_looking_at_one_object_always_fails(
    count: int, body: bytes, error: Callable[[], Exception], side: Bucket
) -> None:
    world = world_of(count)
    world.put("in/a/poison", body)
    key = "in/a/poison" if side is SOURCE[WEST] else "out/b/poison"
    world.faults.rule(Rule(operation=Operation.HEAD, bucket=side.name, key=key, times=None, error=error))
    spec = run(world)
    outcomes = world.outcomes(spec)
    assert outcomes.pop("in/a/poison") in (Outcome.FAILED, Outcome.DENIED, Outcome.COPIED)
    assert outcomes == dict.fromkeys(KEYS[:count], Outcome.COPIED)


def test_ten_thousand_keys_with_one_poison_object() -> None:
    world = World(policy=Policy())
    keys = [f"in/a/{number:05d}" for number in range(10_000)]
    for key in keys:
        world.put(key, b"x")
    poison = {keys[5000]: "unexpected", keys[7777]: "permanent"}
    for key, name in poison.items():
        error = poison_errors()[name]
        world.faults.rule(Rule(operation=Operation.COPY, key=key.replace("in/a", "out/b"), times=None, error=error))
    spec = run(world)
    end = world.terminal(spec)
    assert end.counts == {Outcome.COPIED: 9998, Outcome.FAILED: 2}
    assert end.verification[Verification.ETAG] == 9998
    assert {key for key, outcome in world.outcomes(spec).items() if outcome is Outcome.FAILED} == set(poison)
    assert end.state is JobState.PARTIAL
    assert end.reason == "2 of 10000 objects were not delivered"


@pytest.mark.parametrize("count", [3, 20])
def test_a_destination_key_that_would_be_too_long(count: int) -> None:
    """in/a/ + 1,019 bytes is a key; out/b/ + 1,019 bytes is not."""
    world = world_of(count)
    fits, too_long = "in/a/" + "ü" * 509, "in/a/" + "ü" * 509 + "x"
    world.put(fits, b"fits")
    world.put(too_long, b"too long")
    spec = run(world)
    outcomes = world.outcomes(spec)
    assert outcomes.pop(too_long) is Outcome.FAILED
    assert outcomes == dict.fromkeys([*KEYS[:count], fits], Outcome.COPIED)


def test_archived_objects_are_reported_and_restored_ones_are_copied() -> None:
    world = world_of(2)
    for name, storage_class in (("cold", "GLACIER"), ("frozen", "DEEP_ARCHIVE"), ("instant", "GLACIER_IR")):
        world.put(f"in/a/{name}", LARGE, storage_class=storage_class)
    world.put("in/a/restored", LARGE, storage_class="GLACIER")
    world.store.restore(SOURCE[WEST], "in/a/restored")
    spec = run(world)
    outcomes = world.outcomes(spec)
    assert {outcomes["in/a/cold"], outcomes["in/a/frozen"]} == {Outcome.ARCHIVED}
    assert {outcomes["in/a/instant"], outcomes["in/a/restored"]} == {Outcome.COPIED}
    assert world.terminal(spec).state is JobState.PARTIAL


def test_a_restored_copy_expires_between_plan_and_copy() -> None:
    world = world_of(2)
    world.put("in/a/restored", b"cold", storage_class="GLACIER")
    world.store.restore(SOURCE[WEST], "in/a/restored")

    def expire() -> None:
        world.store.restore(SOURCE[WEST], "in/a/restored", restored=False)

    world.faults.rule(Rule(operation=Operation.COPY, key="out/b/restored", act=expire, error=None))
    spec = run(world)
    assert world.outcomes(spec)["in/a/restored"] is Outcome.ARCHIVED
