"""A dropped file arrives, on the spot or by a job. It is verified either way."""

import json

import pytest

from chalicelib.core.jobs import JobKind, JobState
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.objects import Properties
from chalicelib.core.rows import Outcome
from chalicelib.ports import VerifyDelivery
from chalicelib.protocol import messages
from chalicelib.steps import control
from simulation.memory.env import EAST, SOURCE, TARGET, TENANT, WEST
from simulation.memory.operations import Operation
from tests.steps.world import MINUTE, World

LARGE = bytes(range(100))


def dropped(world: World, count: int, body: bytes = b"body") -> list[str]:
    keys = [f"in/inbox/{number} ü+%" for number in range(count)]
    for key in keys:
        world.put(key, body)
    world.announce(*keys)
    return keys


def statuses(world: World, keys: list[str]) -> set[DeliveryStatus]:
    return {delivery.status for key in keys for delivery in world.ledger.get_deliveries("west-to-east", key)}


@pytest.mark.parametrize("versioned", [False, True], ids=["unversioned", "versioned"])
@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
@pytest.mark.parametrize("body", [b"", b"small", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_what_is_dropped_arrives_verified(count: int, body: bytes, encryption: str, versioned: bool) -> None:
    world = World(encryption=encryption, versioned_sources=versioned)
    keys = dropped(world, count, body)
    world.settle()
    for key in keys:
        assert [version.body for version in world.written(key.replace("in/", "out/"))] == [body]
    assert statuses(world, keys) == {DeliveryStatus.VERIFIED}
    assert world.dead_letters == []


def test_a_few_small_objects_are_delivered_without_a_job() -> None:
    world = World()
    keys = dropped(world, 2)
    world.pump()
    assert statuses(world, keys) == {DeliveryStatus.VERIFIED}
    assert world.ledger.jobs == {}
    assert world.store.requests[Operation.COPY, TARGET[EAST].name] == 2
    assert world.store.requests[Operation.PUT, "control-east"] == 2, "one record of both, and that there is one"


def test_what_one_object_by_itself_costs() -> None:
    world = World()
    dropped(world, 1)
    world.pump()
    requests = world.store.requests.items()
    control_requests = {operation: count for (operation, bucket), count in requests if bucket == "control-east"}
    assert control_requests == {Operation.PUT: 1, Operation.HEAD: 5}, (
        "one record; two looks for it, twice, and one at a pause"
    )


def test_many_or_large_objects_are_one_job() -> None:
    world = World()
    keys = dropped(world, 4)
    world.pump()
    (spec,) = world.ledger.jobs.values()
    assert (spec.kind, spec.feed_id, spec.tenant) == (JobKind.FEED, "west-to-east", TENANT)
    end = world.terminal(spec)
    assert (end.state, end.planned, end.counts) == (JobState.SUCCEEDED, 4, {Outcome.COPIED: 4})
    assert statuses(world, keys) == {DeliveryStatus.VERIFIED}
    assert world.open_jobs() == []
    assert len([end for region in world.regions.values() for _, end in region.notifier.settled]) == 1


def test_a_batch_larger_than_a_partition_is_several_jobs() -> None:
    world = World()
    keys = dropped(world, 11)
    world.settle()
    assert sorted(world.terminal(spec).planned for spec in world.ledger.jobs.values()) == [3, 4, 4]
    assert statuses(world, keys) == {DeliveryStatus.VERIFIED}


def test_the_same_batch_twice_is_one_job() -> None:
    world = World()
    keys = dropped(world, 4)
    world.announce(*reversed(keys))
    world.settle()
    assert len(world.ledger.jobs) == 1


def test_an_eventbridge_event_does_the_same() -> None:
    world = World()
    world.put("in/inbox/a b+c%ü", b"x")
    detail = {"bucket": {"name": SOURCE[WEST].name}, "object": {"key": "in/inbox/a b+c%ü"}, "reason": "PutObject"}
    event = {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    world.post(WEST, "intake", json.dumps(event))
    world.settle()
    assert world.body("out/inbox/a b+c%ü") == b"x"


def test_metadata_and_tags_come_along() -> None:
    world = World()
    properties = Properties(content_type="text/csv", metadata={"owner": "me"}, cache_control="no-store")
    for key, body in (("in/inbox/small", b"x"), ("in/inbox/large", LARGE)):
        world.put(key, body, properties=properties, tags={"a": "1"})
    world.announce("in/inbox/small", "in/inbox/large")
    world.settle()
    for key in ("out/inbox/small", "out/inbox/large"):
        (version,) = world.written(key)
        assert (version.properties, version.tags) == (properties, {"a": "1"})


def test_what_is_there_already_is_noted_and_not_copied() -> None:
    world = World()
    world.put("out/inbox/0 ü+%", b"body", TARGET[EAST])
    keys = dropped(world, 1)
    world.settle()
    assert world.written("out/inbox/0 ü+%") == []
    (delivery,) = world.ledger.get_deliveries("west-to-east", keys[0])
    assert (delivery.status, delivery.outcome) == (DeliveryStatus.VERIFIED, Outcome.UNCHANGED)


# --- verification of what was delivered on the spot ---------------------------------------------------------------


def delivered(world: World) -> str:
    """Deliver a file, and lose its message to verify. Return its key."""
    keys = dropped(world, 1)
    world.handle(world.mail.pop(0))
    world.collect()
    world.mail.clear()
    assert statuses(world, keys) == {DeliveryStatus.COPIED}
    return keys[0]


def test_the_destinations_own_event_verifies_it() -> None:
    world = World()
    key = delivered(world)
    world.post(EAST, "verify", created(TARGET[EAST].name, key.replace("in/", "out/")))
    world.settle()
    assert DeliveryStatus.VERIFIED in statuses(world, [key]), "each Region has an item of its own"
    world.store.remove(TARGET[EAST], key.replace("in/", "out/"))
    world.announce(key)
    world.settle()
    assert DeliveryStatus.VERIFIED in statuses(world, [key])
    assert len(world.written(key.replace("in/", "out/"))) == 1
    assert not world.events("message-failed")


def test_other_events_of_the_destination_mean_nothing() -> None:
    world = World()
    key = delivered(world)
    for bucket, name in ((TARGET[EAST].name, "elsewhere/x"), (TARGET[EAST].name, "out/other"), ("unknown", "out/x")):
        world.post(EAST, "verify", created(bucket, name))
    world.settle()
    assert statuses(world, [key]) == {DeliveryStatus.COPIED}
    assert world.dead_letters == []


def created(bucket: str, key: str) -> str:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


def test_its_event_comes_again_and_starts_the_verification_that_was_lost() -> None:
    world = World()
    key = delivered(world)
    world.announce(key)
    world.settle()
    assert statuses(world, [key]) == {DeliveryStatus.VERIFIED}
    assert len(world.written(key.replace("in/", "out/"))) == 1


@pytest.mark.parametrize(("then", "word"), [(None, "taken away"), (b"other", "replaced")])
def test_an_object_that_is_not_there_any_more_is_not_called_verified(then: bytes | None, word: str) -> None:
    world = World()
    key = delivered(world)
    target = key.replace("in/", "out/")
    if then is None:
        world.store.remove(TARGET[EAST], target)
    else:
        world.put(target, then, TARGET[EAST])
    world.announce(key)
    world.settle()
    (delivery,) = world.ledger.get_deliveries("west-to-east", key)
    assert (delivery.status, delivery.detail) == (DeliveryStatus.COPIED, f"{word} before it was verified")
    assert world.body(target) == then, "and is not delivered again"


def test_verifying_a_delivery_that_is_not_known_does_nothing() -> None:
    world = World()
    world.post(WEST, "verify", messages.dumps(VerifyDelivery("west-to-east", "in/unknown", "pin")))
    world.settle()
    assert world.ledger.deliveries == {}
    assert world.dead_letters == []


def test_feed_jobs_are_not_in_a_tenants_list_of_jobs() -> None:
    world = World()
    dropped(world, 5)
    world.settle()
    assert control.list_jobs(world.west, TENANT, None, 10).jobs == ()
    world.run(MINUTE)
