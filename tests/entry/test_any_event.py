"""Put any message on a queue, and run the functions themselves. A bad message fails alone. The object of a good message
is delivered under exactly its key, with exactly its bytes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import example, given, settings
from hypothesis import strategies as st

import app
from chalicelib import settings as product_settings
from chalicelib.adapters.system import log
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.objects import Bucket
from chalicelib.core.parts import PartShare
from chalicelib.core.policy import KEY_MAX_BYTES, Policy
from chalicelib.core.report import ReportFormat
from chalicelib.ports import (
    CopyPartition,
    CopyUploadParts,
    Env,
    MakeReport,
    ObjectEvent,
    PlanRange,
    QueueName,
    Task,
    VerifyDelivery,
    VerifyPartition,
    queue_of,
)
from chalicelib.protocol import messages
from chalicelib.runtime import using
from chalicelib.settings import Settings
from simulation.memory.env import EAST, SOURCE, TARGET, WEST, make_env, make_store
from simulation.memory.ledger import MemoryLedger
from simulation.memory.queue import MemoryQueue
from simulation.memory.store import MemoryObjectStore
from tests.entry import sqs
from tests.entry.api import composition
from tests.entry.environ import ENDPOINTS, FEEDS, environ
from tests.entry.strategies import JSON, TEXT, keys
from tests.entry.test_handlers import Context

PREFIXES = [("in/", "out/"), ("", ""), ("a b+c/", "données/"), ("%2F/", ""), ("longer/", "x/")]
FUNCTIONS: dict[QueueName, Any] = {QueueName.SPLIT: app.split, QueueName.COPY: app.copy, QueueName.VERIFY: app.verify}


@cache
def with_prefixes(source: str, target: str) -> Settings:
    prefixes = {"source-west": source, "target-east": target}
    endpoints = [{**entry, "prefix": prefixes.get(entry["id"], entry["prefix"])} for entry in ENDPOINTS]
    [feed] = [entry for entry in FEEDS if entry["id"] == "west-to-east"]
    return product_settings.read(environ(EFT_ENDPOINTS=json.dumps(endpoints), EFT_FEEDS=json.dumps([feed])))


@dataclass
class World:
    """West's functions over memory. Batches of more than three objects become feed jobs, of partitions of four."""

    eft_settings: Settings
    store: MemoryObjectStore
    ledger: MemoryLedger
    queue: MemoryQueue
    env: Env

    @staticmethod
    def make(source_prefix: str = "in/", target_prefix: str = "out/") -> "World":
        eft_settings = with_prefixes(source_prefix, target_prefix)
        store, ledger, queue = make_store(), MemoryLedger(), MemoryQueue()
        env = make_env(
            WEST,
            store,
            ledger=ledger,
            queue=queue,
            log=log,  # This is the real log: no value that it is given may cost the work that it describes.
            endpoints=eft_settings.endpoints,
            feeds=eft_settings.feeds,
            policy=Policy(inline_objects=3, partition_rows=4),
        )
        return World(eft_settings, store, ledger, queue, env)

    def invoke(self, function: Any, event: dict[str, Any]) -> list[str]:
        """Invoke a function, and return the ids of the messages that it reports as failed."""
        with using(composition(self.eft_settings, self.env)):
            return sqs.failures(function(event, Context()))

    def work_off(self) -> None:
        """Carry out tasks until no function sends one to another any more."""
        while (task := self.queue.take()) is not None:
            assert self.invoke(FUNCTIONS[queue_of(task)], sqs.ours(task)) == []
        while self.queue.verify_deliveries:
            assert self.invoke(app.verify, sqs.ours(self.queue.verify_deliveries.pop())) == []

    def published(self, bucket: Bucket = TARGET[EAST]) -> dict[str, bytes | None]:
        objects = self.store.list(bucket, "").objects
        return {facts.key: self.store.get(bucket, facts.key) for facts in objects}


def content(key: str) -> bytes:
    return f"content of {key}".encode()


# --- how a key is told --------------------------------------------------------------------------------------------


def _notified(bucket: str, key: str, encoded: Callable[[str], str]) -> str:
    record = sqs.s3_record(bucket, key)
    record["s3"]["object"]["key"] = encoded(key)
    return sqs.notification(record)


def _lower(key: str) -> str:
    return quote(key, safe="").lower() if key.lower() == key else quote(key)


FORMS: dict[str, Callable[[str, str], str]] = {
    "as S3 does": lambda bucket, key: _notified(bucket, key, lambda k: quote_plus(k, safe="/")),
    "all encoded": lambda bucket, key: _notified(bucket, key, lambda k: "".join(f"%{b:02X}" for b in k.encode())),
    "spaces as %20": lambda bucket, key: _notified(bucket, key, quote),
    "small hex digits": lambda bucket, key: _notified(bucket, key, _lower),
    "EventBridge": sqs.bridge,
    "EventBridge, in UTF-8": lambda bucket, key: json.dumps(json.loads(sqs.bridge(bucket, key)), ensure_ascii=False),
    "ours": lambda bucket, key: messages.dumps(ObjectEvent(bucket, key)),
}
FORM_NAMES = st.sampled_from(sorted(FORMS))


@given(key=keys(KEY_MAX_BYTES), form=FORM_NAMES, prefixes=st.sampled_from(PREFIXES))
@example(key="x" * KEY_MAX_BYTES, form="as S3 does", prefixes=("", ""))
@example(key="鍵" * (KEY_MAX_BYTES // 3), form="EventBridge", prefixes=("", ""))
@example(key="/", form="as S3 does", prefixes=("", ""))
@settings(max_examples=150)
def test_any_key_is_delivered_under_exactly_that_key(key: str, form: str, prefixes: tuple[str, str]) -> None:
    source, target = prefixes
    key = key if len((source + key).encode()) <= KEY_MAX_BYTES else "shorter"
    world = World.make(source, target)
    world.store.put(SOURCE[WEST], source + key, content(key))
    assert world.invoke(app.intake, sqs.event(FORMS[form]("source-west", source + key))) == []
    world.work_off()
    [delivery] = world.ledger.deliveries.values()
    assert delivery.key == source + key
    if len((target + key).encode()) > KEY_MAX_BYTES:
        assert (delivery.status, world.published()) == (DeliveryStatus.FAILED, {})
        return
    assert world.published() == {target + key: content(key)}
    assert (delivery.status, delivery.target) == (DeliveryStatus.VERIFIED, target + key)


@given(names=st.sets(keys(60), min_size=1, max_size=9), prefixes=st.sampled_from(PREFIXES))
@settings(max_examples=40)
def test_any_keys_of_one_notification(names: set[str], prefixes: tuple[str, str]) -> None:
    """Three objects at most are copied at once; more become a job."""
    source, target = prefixes
    world = World.make(source, target)
    for name in names:
        world.store.put(SOURCE[WEST], source + name, content(name))
    notification = sqs.notification(*(sqs.s3_record("source-west", source + name) for name in names))
    assert world.invoke(app.intake, sqs.event(notification, notification)) == []
    world.work_off()
    assert world.published() == {target + name: content(name) for name in names}


@given(key=st.text(st.characters(), min_size=1, max_size=400).map(lambda text: text * 4), form=FORM_NAMES)
@example(key="x" * 100_000, form="EventBridge")
@example(key="\x00", form="as S3 does")
@settings(max_examples=60)
def test_an_event_about_what_no_object_can_be_called(key: str, form: str) -> None:
    """The key holds half surrogate pairs, or thousands of bytes. Its message may fail alone, and no such object is
    delivered."""
    try:
        body = FORMS[form]("source-west", f"in/{key}")
    except UnicodeEncodeError:
        return  # Such a key has no form in a message.
    world = World.make()
    world.store.put(SOURCE[WEST], "in/good", b"good")
    assert set(world.invoke(app.intake, sqs.event(body, sqs.bridge("source-west", "in/good")))) <= {"m0"}
    world.work_off()
    assert world.published() == {"out/good": b"good"}


# --- batches ------------------------------------------------------------------------------------------------------


def _broken(draw: st.DrawFn) -> str:
    """Return a notification of which one value has an impossible type."""
    record = sqs.s3_record("source-west", "in/never")
    value: Any = draw(st.sampled_from([None, 5, [], {}, True, 1.5]))
    member = draw(st.sampled_from(["eventName", "s3", "bucket", "name", "object", "key"]))
    inner: Any = {"eventName": record, "s3": record, "bucket": record["s3"], "object": record["s3"]}.get(member)
    if inner is None:
        inner = record["s3"]["bucket" if member == "name" else "object"]
    inner[member] = value
    good = sqs.s3_record("source-west", "in/never")
    return sqs.notification(*draw(st.permutations([record, good])))


@st.composite
def bad_bodies(draw: st.DrawFn) -> str:
    """Generate messages that name no work that a function could carry out."""
    kind = draw(st.sampled_from(["text", "value", "deep", "huge", "broken", "astray", "odd", "undecodable", "twice"]))
    if kind == "text":
        return "?" + draw(TEXT)
    if kind == "value":
        return json.dumps(draw(JSON.filter(lambda value: not isinstance(value, dict))))
    if kind == "deep":
        opening = draw(st.sampled_from(["[", '{"Records":', '{"detail":[', '{"type":{"key":']))
        return opening * draw(st.sampled_from([3_000, 30_000]))
    if kind == "huge":
        return json.dumps({"Message": "x" * 1_000_000, "Records": None})
    if kind == "broken":
        return _broken(draw)
    if kind == "astray":
        task = CopyPartition(draw(TEXT), WEST, "r-000001")
        delivery = VerifyDelivery("west-to-east", "in/never", "p")
        return messages.dumps(task if draw(st.booleans()) else delivery)
    if kind == "odd":
        name = draw(st.sampled_from(["object_event", "copy_partition", "verify_delivery"]))
        return json.dumps({"type": name, "key": draw(JSON.filter(lambda value: not isinstance(value, str)))})
    if kind == "undecodable":
        key = draw(st.sampled_from(["a%FFb", "%C3%28", "%ED%A0%80", "\ud800"]))
        return _notified("source-west", "x", lambda _: key)
    return '{"Records": [], "Records": []}'


@given(
    good=st.lists(st.tuples(keys(100), FORM_NAMES), max_size=7, unique_by=lambda form: form[0]),
    bad=st.lists(bad_bodies(), max_size=7),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=120)
def test_any_batch(good: list[tuple[str, str]], bad: list[str], order: Any) -> None:
    world = World.make()
    for key, _ in good:
        world.store.put(SOURCE[WEST], f"in/{key}", content(key))
    bodies = [(FORMS[form]("source-west", f"in/{key}"), True) for key, form in good] + [(body, False) for body in bad]
    order.shuffle(bodies)
    reported = world.invoke(app.intake, sqs.event(*(body for body, _ in bodies)))
    assert reported == [f"m{n}" for n, (_, is_good) in enumerate(bodies) if not is_good]
    world.work_off()
    assert world.published() == {f"out/{key}": content(key) for key, _ in good}
    assert {d.status for d in world.ledger.deliveries.values()} <= {DeliveryStatus.VERIFIED}


RECORDS = st.fixed_dictionaries({}, optional={"messageId": TEXT | JSON, "body": bad_bodies() | JSON}) | JSON


@given(raw=st.lists(RECORDS, max_size=4), function=st.sampled_from([app.intake, *FUNCTIONS.values()]))
@settings(max_examples=100)
def test_records_that_are_none(raw: list[Any], function: Any) -> None:
    """Lambda may hand over anything beside a good message. Only records that have an id can be reported."""
    world = World.make()
    world.store.put(SOURCE[WEST], "in/good", b"good")
    event = {"Records": [*raw, sqs.record("good", sqs.bridge("source-west", "in/good")), *raw]}
    ids = [record.get("messageId") for record in raw if isinstance(record, dict)]
    named = {message_id for message_id in ids if isinstance(message_id, str)}
    reported = world.invoke(function, event)
    expected = {"good"} if function in (app.split, app.copy) else set()
    assert set(reported) - named == expected - named
    world.work_off()
    assert world.published() == ({"out/good": b"good"} if function is app.intake else {})


# --- our own messages ---------------------------------------------------------------------------------------------

REGIONS = st.sampled_from([WEST, EAST]) | TEXT
PARTS = st.sampled_from(["r", "r0", "r-000001", "r-000002", "r01-000001", "r-999999", "r-1", "", "../r", "r/x"]) | TEXT
NUMBERS = st.sampled_from([(0, 0, 1), (0, 1, 2), (1, 0, 0), (0, 0, 0), (-1, 0, 1), (0, -1, -1), (99, 0, 1)])
SHARES = st.builds(lambda numbers: PartShare(*numbers), NUMBERS)
FORMATS = st.sampled_from(list(ReportFormat))


def tasks(job_id: str) -> st.SearchStrategy[Task]:
    jobs = st.just(job_id) | st.sampled_from(["", "..", "job-" + "a" * 26, "x" * 2000]) | TEXT
    return (
        st.builds(PlanRange, jobs, REGIONS, PARTS)
        | st.builds(MakeReport, jobs, REGIONS, FORMATS)
        | st.builds(CopyPartition, jobs, REGIONS, PARTS, fresh=st.booleans())
        | st.builds(CopyUploadParts, jobs, REGIONS, PARTS, SHARES)
        | st.builds(VerifyPartition, jobs, REGIONS, PARTS)
    )


ODD = st.sampled_from(
    [
        {"type": "copy_upload_parts", "job_id": "j", "control_region": WEST, "partition": "r-000001", "share": "a/b/c"},
        {"type": "copy_upload_parts", "job_id": "j", "control_region": WEST, "partition": "r-000001", "share": {}},
        {"type": "make_report", "job_id": "j", "control_region": WEST, "format": ""},
        {"type": "plan_range", "job_id": "j", "control_region": WEST},
    ]
)
"""These look like tasks but are none."""


@given(data=st.data(), queue=st.sampled_from(list(QueueName)))
@settings(max_examples=120)
def test_any_task(data: st.DataObject, queue: QueueName) -> None:
    """Invented tasks name parts, shares, Regions and jobs that do not exist. A real job goes on between them, to its
    end."""
    world = World.make()
    for name in ("a", "b", "c", "d", "e"):
        world.store.put(SOURCE[WEST], f"in/{name}", content(name))
    notification = sqs.notification(*(sqs.s3_record("source-west", f"in/{name}") for name in "abcde"))
    assert world.invoke(app.intake, sqs.event(notification)) == []
    [real] = world.queue.tasks
    strange = tasks(real.job_id).map(messages.dumps) | ODD.map(json.dumps)
    while True:
        bodies = data.draw(st.lists(strange, max_size=3))
        task = world.queue.take()
        good = [] if task is None else [messages.dumps(task)]
        function = FUNCTIONS[queue if task is None else queue_of(task)]
        reported = world.invoke(function, sqs.event(*bodies, *good, *bodies))
        assert f"m{len(bodies)}" not in reported or not good
        if task is None:
            break
    world.work_off()
    assert world.published() == {f"out/{name}": content(name) for name in "abcde"}


@given(st.lists(st.builds(VerifyDelivery, st.just("west-to-east") | TEXT, st.just("in/a") | TEXT, TEXT), max_size=5))
@settings(max_examples=60)
def test_any_delivery_to_be_verified(strange: list[VerifyDelivery]) -> None:
    world = World.make()
    world.store.put(SOURCE[WEST], "in/a", b"a")
    assert world.invoke(app.intake, sqs.event(sqs.bridge("source-west", "in/a"))) == []
    [real] = world.queue.verify_deliveries
    world.queue.verify_deliveries.clear()
    bodies = [messages.dumps(delivery) for delivery in strange]
    reported = world.invoke(app.verify, sqs.event(*bodies, messages.dumps(real), *bodies))
    assert f"m{len(bodies)}" not in reported
    assert {d.status for d in world.ledger.deliveries.values()} == {DeliveryStatus.VERIFIED}
