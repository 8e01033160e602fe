"""Test what each function does with a batch, through Chalice's own wrappers. One bad message never costs its
neighbours."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

import app
from chalicelib.core.errors import Denied, EftError, Permanent, Retry
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.rows import Outcome
from chalicelib.entry.handlers import AGAIN_MS
from chalicelib.ports import (
    CopyPartition,
    ObjectEvent,
    PlanRange,
    QueueName,
    Task,
    VerifyDelivery,
    queue_of,
)
from chalicelib.protocol import messages
from simulation.memory.env import EAST, SOURCE, TARGET, WEST, make_env
from simulation.memory.faults import Rule
from simulation.memory.ledger import MemoryLedger
from simulation.memory.operations import Operation
from simulation.memory.queue import MemoryQueue
from simulation.memory.store import MemoryObjectStore
from tests.entry import sqs
from tests.entry.api import Api
from tests.tasks import task_on


@dataclass
class Context:
    """Lambda's context, as far as it is used."""

    left_ms: int = 600_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@dataclass
class Flaky(MemoryLedger):
    """A table that fails for all calls about deliveries, or only for the key `poison`."""

    error: Callable[[], EftError] | None = None
    poison: str = ""

    def put_deliveries(self, deliveries: Any) -> None:
        if self.error is not None and (not self.poison or self.poison in {d.key for d in deliveries}):
            raise self.error()
        MemoryLedger.put_deliveries(self, deliveries)

    def get_deliveries(self, feed_id: str, key: str) -> Any:
        if self.error is not None and not self.poison:
            raise self.error()
        return MemoryLedger.get_deliveries(self, feed_id, key)


def invoke(function: Any, event: dict[str, Any], left_ms: int = 600_000) -> list[str]:
    """Invoke the function and return the messages that it reports as failed."""
    return sqs.failures(function(event, Context(left_ms)))


def drop(api: Api, *names: str) -> list[str]:
    """Put objects into the feed's source, and return S3's message about each."""
    memory = api.store.store
    assert isinstance(memory, MemoryObjectStore)
    for name in names:
        memory.put(SOURCE[WEST], f"in/{name}", f"content of {name}".encode())
    return [sqs.notification(sqs.s3_record("source-west", f"in/{name}")) for name in names]


def delivered(api: Api) -> dict[str, DeliveryStatus]:
    return {d.key: d.status for d in api.ledger.deliveries.values()}


# --- intake -------------------------------------------------------------------------------------------------------


def test_an_object_that_arrives_is_delivered(api: Api) -> None:
    assert invoke(app.intake, sqs.event(*drop(api, "données 1+1.csv"))) == []
    assert delivered(api) == {"in/données 1+1.csv": DeliveryStatus.COPIED}
    assert api.store.head(TARGET[EAST], "out/données 1+1.csv") is not None


def test_both_ways_and_twice_is_one_delivery(api: Api) -> None:
    [notification] = drop(api, "a")
    bodies = [
        notification,
        sqs.bridge("source-west", "in/a"),
        notification,
        messages.dumps(ObjectEvent("source-west", "in/a")),
    ]
    assert invoke(app.intake, sqs.event(*bodies)) == []
    assert invoke(app.intake, sqs.event(*bodies)) == []
    assert len([call for call in api.store.calls if call[0] is Operation.COPY]) == 1


def test_events_that_need_no_action(api: Api) -> None:
    removed = sqs.notification(sqs.s3_record("source-west", "in/a", "ObjectRemoved:Delete"))
    elsewhere = sqs.notification(sqs.s3_record("source-west", "other/a"), sqs.s3_record("nobodys", "in/a"))
    missing = sqs.notification(sqs.s3_record("source-west", "in/never-there"))
    own = sqs.notification(sqs.s3_record("target-east", "out/a"))
    assert invoke(app.intake, sqs.event(sqs.TEST_EVENT, removed, elsewhere, missing, own)) == []
    assert api.ledger.deliveries == {}


@pytest.mark.parametrize(
    "bad", ["garbage", "[" * 50_000, '{"Records": [{}]}', messages.dumps(CopyPartition("j", WEST, "r-000001"))]
)
def test_intake_reports_exactly_the_bad_message(api: Api, bad: str) -> None:
    first, second = drop(api, "a", "b")
    assert invoke(app.intake, sqs.event(first, bad, second)) == ["m1"]
    assert delivered(api).keys() == {"in/a", "in/b"}
    assert api.log.events("unreadable-message")[0]["message"] == "m1"


def test_an_object_that_may_not_be_read_fails_by_itself(api: Api) -> None:
    bodies = drop(api, "a", "secret")
    api.store.rule(Rule(Operation.HEAD, key="in/secret", times=None, error=lambda: Denied("AccessDenied")))
    assert invoke(app.intake, sqs.event(*bodies)) == []
    assert delivered(api) == {"in/a": DeliveryStatus.COPIED, "in/secret": DeliveryStatus.FAILED}
    assert {d.outcome for d in api.ledger.deliveries.values()} == {Outcome.COPIED, Outcome.DENIED}


def test_a_throttled_object_comes_again_by_itself(api: Api) -> None:
    bodies = drop(api, "a", "slow")
    api.store.rule(Rule(Operation.HEAD, key="in/slow", times=None, error=lambda: Retry("SlowDown")))
    assert invoke(app.intake, sqs.event(*bodies)) == []
    second_try = ObjectEvent("source-west", "in/slow", older=("e",), tries=1)
    assert api.queue.events == [second_try]
    assert api.queue.delays == [(second_try, AGAIN_MS)]
    assert delivered(api) == {"in/a": DeliveryStatus.COPIED}


def flaky_env(api: Api, ledger: MemoryLedger, queue: MemoryQueue | None = None) -> Any:
    env = api.env
    return make_env(
        store=api.store,
        ledger=ledger,
        queue=queue or api.queue,
        log=api.log,
        endpoints=env.declared_endpoints,
        feeds=env.declared_feeds,
    )


def test_without_the_table_the_batch_comes_again_soon(api: Api) -> None:
    """A message that stayed on the queue would be hidden for the whole visibility timeout, and would be given up after
    five tries."""
    bodies = drop(api, "a", "b")
    ledger = Flaky(error=lambda: Retry("TableUnreachable"))
    with api.over(flaky_env(api, ledger)):
        assert invoke(app.intake, sqs.event(*bodies)) == []
        resent = api.queue.events[:]
        assert resent == [ObjectEvent("source-west", key, older=("e",)) for key in ("in/a", "in/b")]
        assert {delay for _, delay in api.queue.delays} == {AGAIN_MS}
        ledger.error = None
        assert invoke(app.intake, sqs.ours(*resent)) == []
    assert {d.key for d in ledger.deliveries.values()} == {"in/a", "in/b"}


def test_one_poison_object_does_not_hold_up_its_batch(api: Api) -> None:
    """The table refuses the object's record for ever. Its message ends in the dead-letter queue, alone."""
    bodies = drop(api, "0", "1", "poison", "3", "4")
    ledger = Flaky(error=lambda: Permanent("ValidationException"), poison="in/poison")
    with api.over(flaky_env(api, ledger)):
        assert invoke(app.intake, sqs.event(*bodies)) == ["m2"]
    assert {d.key for d in ledger.deliveries.values()} == {f"in/{n}" for n in (0, 1, 3, 4)}
    assert api.queue.events == []


class Closed(MemoryQueue):
    """A queue that takes no message."""

    def send(self, tasks: object, delay_ms: int = 0) -> None:
        raise Retry("QueueUnreachable")

    def send_object_events(self, events: object, delay_ms: int = 0) -> None:
        raise Retry("QueueUnreachable")

    def send_verify_deliveries(self, deliveries: object, delay_ms: int = 0) -> None:
        raise Retry("QueueUnreachable")


def test_when_nothing_can_be_sent_the_messages_stay(api: Api) -> None:
    bodies = drop(api, "a", "b")
    with api.over(flaky_env(api, Flaky(error=lambda: Retry("TableUnreachable")), Closed())):
        assert invoke(app.intake, sqs.event(*bodies)) == ["m0", "m1"]


def test_one_by_one_only_while_there_is_time(api: Api) -> None:
    bodies = drop(api, "a", "b")
    with api.over(flaky_env(api, Flaky(error=lambda: Permanent("ValidationException")))):
        assert invoke(app.intake, sqs.event(*bodies), left_ms=10_000) == ["m0", "m1"]
    assert {line["error"] for line in api.log.events("message-failed")} == {
        "OutOfTime('OutOfTime: left for the next invocation')"
    }


# --- split, copy, verify ------------------------------------------------------------------------------------------


@pytest.fixture
def job(api: Api) -> str:
    """Return a job of two objects, of which nothing is copied yet."""
    drop(api, "a", "b")
    job_id: str = api.submit().json["id"]
    api.queue.tasks.clear()
    return job_id


def test_a_job_goes_through_all_queues(api: Api, job: str) -> None:
    functions = {QueueName.SPLIT: app.split, QueueName.COPY: app.copy, QueueName.VERIFY: app.verify}
    task: Task | None = PlanRange(job, EAST, "r")
    queues = []
    while task is not None:
        queues.append(queue_of(task))
        assert invoke(functions[queue_of(task)], sqs.ours(task)) == []
        task = api.queue.take()
    assert queues == [QueueName.SPLIT, QueueName.COPY, QueueName.VERIFY]
    assert api.get(f"/jobs/{job}").json["state"] == "SUCCEEDED"


STEPS = [
    (app.split, QueueName.SPLIT, "r"),
    (app.copy, QueueName.COPY, "r-000001"),
    (app.verify, QueueName.VERIFY, "r-000001"),
]


@pytest.mark.parametrize(("function", "queue", "partition_id"), STEPS, ids=["split", "copy", "verify"])
def test_one_bad_message_in_a_batch(api: Api, job: str, function: Any, queue: QueueName, partition_id: str) -> None:
    good = messages.dumps(task_on(queue, job, EAST, partition_id))
    nowhere = messages.dumps(task_on(queue, job, "us-west-2", partition_id))
    arrival_elsewhere = "{}" if queue is QueueName.VERIFY else messages.dumps(ObjectEvent("b", "k"))
    assert invoke(function, sqs.event(good, "garbage", nowhere, arrival_elsewhere, good)) == ["m1", "m2", "m3"]
    if queue is QueueName.SPLIT:
        assert api.queue.of(QueueName.COPY)


@pytest.mark.parametrize(("function", "queue", "partition_id"), STEPS, ids=["split", "copy", "verify"])
def test_a_task_on_the_wrong_queue(api: Api, job: str, function: Any, queue: QueueName, partition_id: str) -> None:
    """Split would take a partition for a range of keys. An operator must see that a message went astray."""
    astray = [task_on(wrong_queue, job, EAST, "r-000001") for wrong_queue in QueueName if wrong_queue is not queue]
    calls_before = len(api.store.calls)
    assert invoke(function, sqs.ours(*astray)) == ["m0", "m1"]
    assert len(api.store.calls) == calls_before
    assert "WrongQueue" in api.log.events("message-failed")[0]["error"]


@pytest.mark.parametrize(("function", "queue", "partition_id"), STEPS, ids=["split", "copy", "verify"])
def test_a_task_that_must_wait_is_sent_anew(
    api: Api, job: str, function: Any, queue: QueueName, partition_id: str
) -> None:
    api.store.rule(Rule(Operation.GET, times=None, error=lambda: Retry("SlowDown")))
    resent = task_on(queue, job, EAST, partition_id)
    task = replace(resent, fresh=True) if isinstance(resent, CopyPartition) else resent
    assert invoke(function, sqs.ours(task)) == []
    assert api.queue.tasks == [resent]
    assert api.queue.delays == [(resent, AGAIN_MS)]


@pytest.mark.parametrize(("function", "queue", "partition_id"), STEPS, ids=["split", "copy", "verify"])
def test_a_task_that_can_not_be_sent_anew_stays(
    api: Api, job: str, function: Any, queue: QueueName, partition_id: str
) -> None:
    api.store.rule(Rule(Operation.GET, times=None, error=lambda: Retry("SlowDown")))
    with api.over(flaky_env(api, api.ledger, Closed())):
        assert invoke(function, sqs.ours(task_on(queue, job, EAST, partition_id))) == ["m0"]


@pytest.mark.parametrize(("function", "queue", "partition_id"), STEPS, ids=["split", "copy", "verify"])
def test_a_task_for_a_job_that_is_not_there(api: Api, function: Any, queue: QueueName, partition_id: str) -> None:
    """The other Region wrote the job a moment ago, or it is long gone: the task has no effect and no error."""
    assert invoke(function, sqs.ours(task_on(queue, f"job-{'a' * 26}", EAST, partition_id))) == []


def test_verify_looks_at_single_deliveries(api: Api) -> None:
    invoke(app.intake, sqs.event(*drop(api, "a")))
    assert invoke(app.verify, sqs.ours(*api.queue.verify_deliveries)) == []
    assert delivered(api) == {"in/a": DeliveryStatus.VERIFIED}


def test_verify_believes_the_destinations_own_event(api: Api) -> None:
    invoke(app.intake, sqs.event(*drop(api, "a+b")))
    events = [sqs.bridge("target-east", "out/a+b"), sqs.bridge("target-east", "out/strangers"), sqs.bridge("x", "y")]
    assert invoke(app.verify, sqs.event(*events)) == []
    assert delivered(api) == {"in/a+b": DeliveryStatus.VERIFIED}


def test_a_delivery_whose_verification_must_wait_is_sent_anew(api: Api) -> None:
    invoke(app.intake, sqs.event(*drop(api, "a")))
    [task] = api.queue.verify_deliveries
    api.queue.verify_deliveries.clear()
    api.store.rule(Rule(Operation.HEAD, times=None, error=lambda: Retry("SlowDown")))
    assert invoke(app.verify, sqs.ours(task)) == []
    assert api.queue.verify_deliveries == [task]
    assert (task, AGAIN_MS) in api.queue.delays


@pytest.mark.parametrize(
    "command",
    [ObjectEvent("target-east", "out/a"), VerifyDelivery("west-to-east", "in/a", "v")],
    ids=["object_event", "delivery"],
)
@pytest.mark.parametrize("function", [app.split, app.copy], ids=["split", "copy"])
def test_what_only_verify_understands(api: Api, function: Any, command: messages.Message) -> None:
    assert invoke(function, sqs.ours(command)) == ["m0"]


# --- events that are no batch -------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [app.intake, app.split, app.copy, app.verify])
@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": None}, {"test": "event"}], ids=str)
@pytest.mark.usefixtures("api")
def test_an_event_without_messages(function: Any, event: dict[str, Any]) -> None:
    assert invoke(function, event) == []


def test_a_record_without_an_id_costs_nobody_anything(api: Api) -> None:
    """Lambda takes an empty identifier for "all of them": the neighbours would come again for ever."""
    [good] = drop(api, "a")
    nameless = {"Records": [{"body": "garbage"}, sqs.record("m1", good), {"messageId": "", "body": "garbage"}]}
    assert invoke(app.intake, nameless) == []
    assert delivered(api).keys() == {"in/a"}
    assert len(api.log.events("unreadable-message")) == 2


# --- sweep --------------------------------------------------------------------------------------------------------

TICK = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-11-12T00:00:00Z",
    "region": WEST,
    "resources": ["arn:aws-us-gov:events:us-gov-west-1:123456789012:rule/eft-sweep"],
    "detail": {},
}


def test_sweep_beats(api: Api) -> None:
    assert app.sweep(TICK, Context()) is None
    app.sweep(TICK, Context())
    [heartbeat] = api.ledger.region_heartbeats()
    assert (heartbeat.region, heartbeat.counter) == (WEST, 2)


def test_sweep_starts_what_lost_its_message(api: Api, job: str) -> None:
    for _ in range(3):
        app.sweep(TICK, Context())
        api.env.clock.sleep_ms(61_000)
    assert PlanRange(job, EAST, "r", tenant="acme") in api.queue.tasks
