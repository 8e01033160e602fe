"""Hold both Regions: functions, queues, schedules and ports, and what is done to them. The handlers are the product's
own."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, cast
from urllib.parse import quote_plus

from chalicelib.core.endpoints import Feed
from chalicelib.core.entries import Change, Entry
from chalicelib.core.errors import EftError
from chalicelib.core.jobs import JobSpec, Terminal
from chalicelib.core.objects import Bucket
from chalicelib.entry import handlers
from chalicelib.ports import CopyPartition, Delivery, Env, Log, ObjectEvent, Task, VerifyDelivery, queue_of
from chalicelib.protocol import messages
from simulation.memory.clock import START_MS, SeededRng, SequentialIds
from simulation.memory.env import EAST, ENDPOINTS, SOURCE, TARGET, TENANT, WEST, make_env, make_store
from simulation.memory.registry import MemoryRegistry
from simulation.run.calls import Calls, PoolOfThreads
from simulation.run.faults import CALLS, FaultPlan
from simulation.run.monitors import Monitors
from simulation.run.promises import SWEEP_MS, Promises
from simulation.run.scheduler import Process, Scheduler
from simulation.run.story import HOUR, MINUTE, SECOND, TINY, Scenario
from simulation.run.table import Replica, Table
from simulation.run.trace import Trace
from simulation.run.transitions import Transitions

VISIBILITY_MS = {"intake": 12 * MINUTE, "split": 18 * MINUTE, "copy": 20 * MINUTE, "verify": 18 * MINUTE}
"""In milliseconds. Shorter than the deployed ones (of hours), so that fewer sweeps lie between; longer than any
lease."""
RECEIVES = 5
DUPLICATES_MAX = 20
"""The most messages that arrive twice. Each message that is sent again while something is down may be doubled again,
but SQS doubles few."""
HINT_DELAY_MS = 240 * SECOND
_ENDPOINTS = ENDPOINTS | {
    "drop": replace(ENDPOINTS["source-west"], id="drop", prefix="in/f/"),
    "delivery": replace(ENDPOINTS["target-east"], id="delivery", prefix="out/f/"),
}
FEED = "drops"
FEED_TARGET = EAST
"""The Region to which feeds deliver, and in which they keep their logs."""
_FEEDS = {FEED: Feed(FEED, TENANT, "drop", "delivery", name=FEED)}
_READS = (
    "list_jobs",
    "job_items",
    "get_leases",
    "get_observation",
    "get_deliveries",
    "list_deliveries",
    "get_semaphore",
)
_READS_OF_ALL = ("takeovers", "region_heartbeats")
_REGISTRY = tuple(name for name in vars(MemoryRegistry) if callable(getattr(MemoryRegistry, name)) and name[0] != "_")


@dataclass(slots=True)
class Mail:
    """A message on one of a Region's queues."""

    region: str
    queue: str
    body: str
    receives: int = 0


@dataclass(slots=True)
class Stack:
    """The deployment in one Region."""

    region: str
    env: Env
    asleep: bool = False
    """Dead or frozen: no function is invoked; messages wait."""
    waiting: list[Mail] = field(default_factory=list)


class _Clock:
    """Implements `ports.Clock` for one Region, whose clock may be wrong."""

    def __init__(self, scheduler: Scheduler, skew_ms: int) -> None:
        self._scheduler, self._ahead_ms = scheduler, START_MS + skew_ms

    def now_ms(self) -> int:
        return self._scheduler.now_ms + self._ahead_ms

    def sleep_ms(self, duration_ms: int) -> None:
        self._scheduler.wait(duration_ms)


class World:
    def __init__(self, scenario: Scenario, *, traced: bool) -> None:
        self.scenario = scenario
        self.scheduler = Scheduler()
        self.random = Random(f"run {scenario.seed}")
        self.trace = Trace(lambda: self.scheduler.now_ms, kept=traced)
        self.plan = FaultPlan(scenario.weather, Random(f"faults {scenario.seed}"))
        self.store = make_store(_Clock(self.scheduler, 0), limits=TINY)
        for region in (WEST, EAST):
            self.store.make_bucket(TARGET[region], versioned=True, encryption=scenario.encryption)
            self.store.make_bucket(SOURCE[region], versioned=scenario.versioned_sources)
        self.monitors = Monitors(self.scheduler, self.store, scenario.policy, self.trace)
        self.happened, self.inbox = self.monitors.happened, self.monitors.inbox
        self.promises = Promises(self.scheduler, self.store, scenario.policy, self.monitors)
        self.calls = Calls(self.scheduler, self.plan, self.random, scenario, self.happened, self.trace)
        self.calls.watch(self.monitors.watches())
        self.transitions = Transitions(self.monitors)
        self.calls.watch(self.transitions.watches())
        self.monitors.deleting = any(job.delete for job in scenario.jobs)
        self.event_read: Callable[[str, str], None] = lambda _region, _body: None
        """Called with each message that intake reads, and its Region."""
        if scenario.target_events:
            self.monitors.appeared = partial(self.announce, queue="verify", forwarded=False)
        clocks = {region: _Clock(self.scheduler, scenario.skew_ms[region]) for region in (WEST, EAST)}
        self.table = Table(
            {region: Replica(region, clocks[region].now_ms) for region in (WEST, EAST)},
            self._replicate_later,
            self.monitors.written,
        )
        self.registries = {region: MemoryRegistry() for region in (WEST, EAST)}
        self.stacks = {region: Stack(region, self._env(region, clocks[region])) for region in (WEST, EAST)}
        self.dead_letters: list[Mail] = []
        self.failed: list[Delivery] = []
        self.copy_tasks: Counter[tuple[str, str]] = Counter()
        """(job, partition) -> messages that were sent to copy it, without those that only wait for a permit."""
        self.sweeping = True
        self._duplicates_left = DUPLICATES_MAX
        for number, region in enumerate((WEST, EAST)):
            self._sweep_at(region, (1 + number) * 30 * SECOND)

    @property
    def awake(self) -> list[str]:
        return [region for region, stack in self.stacks.items() if not stack.asleep]

    # --- ports ------------------------------------------------------------------------------------------------

    def _env(self, region: str, clock: _Clock) -> Env:
        pool: Any = PoolOfThreads(self.scheduler, self.scenario.pool_width)

        def methods(port: str) -> tuple[str, ...]:
            return tuple(call.split(".")[1] for call in CALLS if call.startswith(port))

        table = partial(_table_of, region)
        return make_env(
            region,
            self.calls.port("store", self.store, methods("store."), _storage_of),
            clock=clock,
            ledger=self.calls.port("ledger", _LedgerOf(self.table, region), methods("ledger."), table),
            registry=self.calls.port("registry", _RegistryOf(self, region), _REGISTRY, table),
            queue=self.calls.port("queue", _QueueOf(self, region), methods("queue."), lambda *_: (f"queue {region}",)),
            notifier=self.calls.port("notifier", _NotifierOf(self), methods("notifier."), _nothing),
            rng=SeededRng(self.random.randrange(2**32)),
            ids=SequentialIds(f"nonce-{region}"),
            pool=pool,
            log=cast(Log, self._log),
            policy=self.scenario.policy,
            endpoints={
                name: replace(end, max_concurrency=self.scenario.endpoint_max) for name, end in _ENDPOINTS.items()
            },
            feeds=_FEEDS,
            worker=f"worker-{region}",
        )

    def _log(self, event: str, /, **fields: object) -> None:
        process = self.scheduler.current().process
        self.trace.log(process, event, fields)
        if fields.get("trace"):
            error = sys.exc_info()[1]
            if error is not None and not isinstance(error, EftError):
                self.monitors.violated("no bug of ours shows", f"{event}: {error!r} in {process.label}")

    def _replicate_later(self, act: Callable[[], None]) -> None:
        self.scheduler.at(self.scheduler.now_ms + int(self.random.random() * self.scenario.lag_ms) + 1, act)

    def register(self, region: str, entry: Entry) -> None:
        """Change an entry in a Region. The other one sees it when it is replicated, and the last writer wins."""
        written_ms = self.scheduler.now_ms
        self.registries[region].apply(entry, written_ms)

        def arrive() -> None:
            for peer, registry in self.registries.items():
                if peer != region:
                    registry.apply(entry, written_ms)

        self.table.carry(region, arrive)

    # --- messages ---------------------------------------------------------------------------------------------

    def post(self, region: str, queue: str, body: str, delay_ms: int = 0) -> None:
        """Send a message. It arrives once or twice, some time after its delay."""
        duplicated = self._duplicates_left > 0 and self.random.random() < self.scenario.duplicates
        self._duplicates_left -= duplicated
        for _ in range(1 + duplicated):
            transit = int(self.random.random() * self.scenario.transit_ms) + 1
            mail = Mail(region, queue, body)
            self.scheduler.at(self.scheduler.now_ms + delay_ms + transit, partial(self._arrived, mail))

    def announce(self, bucket: Bucket, key: str, queue: str, *, forwarded: bool) -> None:
        """Send S3's event that an object was created."""
        version = self.store.versions(bucket, key)[-1]
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": bucket.region,
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket.name}, "object": {"key": quote_plus(key), "eTag": version.etag}},
        }
        body = json.dumps({"Records": [record]})
        self.post(bucket.region, queue, body)
        if forwarded:
            peer = EAST if bucket.region == WEST else WEST
            self.post(peer, queue, body, HINT_DELAY_MS)

    def _arrived(self, mail: Mail) -> None:
        stack = self.stacks[mail.region]
        if stack.asleep:
            stack.waiting.append(mail)
            return
        mail.receives += 1
        if mail.queue == "intake":
            self.event_read(mail.region, mail.body)
        event = {"Records": [{"messageId": "m", "body": mail.body, "eventSource": "aws:sqs"}]}
        function: Callable[..., handlers.BatchResponse] = getattr(handlers, mail.queue)
        deadline = stack.env.clock.now_ms() + self.scenario.runtime_ms
        acknowledged = False

        def invoke() -> None:
            nonlocal acknowledged
            acknowledged = not function(stack.env, event, deadline)["batchItemFailures"]

        def ended(by_itself: bool) -> None:
            if not (by_itself and acknowledged):
                self._not_acknowledged(mail)

        process = self.scheduler.start(mail.queue, mail.region, self.safely(invoke), ended)
        process.job = json.loads(mail.body).get("job_id", "")

    def _not_acknowledged(self, mail: Mail) -> None:
        if mail.receives < RECEIVES:
            at_ms = self.scheduler.now_ms + VISIBILITY_MS[mail.queue]
            self.scheduler.at(at_ms, partial(self._arrived, mail))
        else:
            self.dead_letters.append(mail)

    def redrive_dead_letters(self) -> None:
        """Try dead letters again, as an operator does who sees the alarm."""
        letters, self.dead_letters = self.dead_letters, []
        for mail in letters:
            self._arrived(Mail(mail.region, mail.queue, mail.body))

    # --- schedules --------------------------------------------------------------------------------------------

    def _sweep_at(self, region: str, at_ms: int) -> None:
        def due() -> None:
            if not self.sweeping:
                return
            self.sweep(region)
            self._sweep_at(region, at_ms + MINUTE)

        self.scheduler.at(at_ms, due)

    def sweep(self, region: str) -> None:
        stack = self.stacks[region]
        if stack.asleep:
            return
        deadline = stack.env.clock.now_ms() + SWEEP_MS

        def work() -> None:
            handlers.sweep(stack.env, {}, deadline)
            self.promises.swept(process)

        process = self.scheduler.start("sweep", region, self.safely(work))
        if self.scenario.runtime_ms < HOUR:  # Else it may go on for ever, as a zombie.
            self.scheduler.at(self.scheduler.now_ms + SWEEP_MS, lambda: self._cut_short(process))

    def _cut_short(self, process: Process) -> None:
        """End a sweep that is not done in its time, as Lambda does."""
        if process.alive:
            self.promises.sweep_cut(process)
            self.calls.still_arrive(process)
            self.scheduler.kill(process)

    def safely(self, work: Callable[[], object]) -> Callable[[], None]:
        """Return a function that ends an invocation, and nothing else, on an exception, as Lambda does. Only exceptions
        that are raised on purpose are allowed."""

        def run() -> None:
            try:
                work()
            except EftError as error:
                self.trace.event(f"{self.scheduler.current().process.label} failed: {error}")
            except Exception as error:  # noqa: BLE001 - reported as what it is
                self.monitors.violated("no bug of ours shows", f"{self.scheduler.current().process.label}: {error!r}")

        return run

    # --- a Region dies, sleeps, returns -----------------------------------------------------------------------

    def kill(self, region: str) -> None:
        self.stacks[region].asleep = True
        for process in self._processes(region):
            self.calls.still_arrive(process)
            self.scheduler.kill(process)
        self.table.stalled.add(region)

    def freeze(self, region: str) -> None:
        self.stacks[region].asleep = True
        for process in self._processes(region):
            process.faulted = True
            self.scheduler.freeze(process)

    def resume(self, region: str) -> None:
        """Let a Region return, or wake up: old messages and old workers go on."""
        stack = self.stacks[region]
        stack.asleep = False
        self.table.release(region)
        for process in self._processes(region):
            self.scheduler.thaw(process)
        waiting, stack.waiting = stack.waiting, []
        for mail in waiting:
            self._arrived(mail)

    def _processes(self, region: str) -> list[Process]:
        return [process for process in self.scheduler.processes if process.region == region]


def _storage_of(*args: Any) -> tuple[str, ...]:
    """Return which Regions' S3 a call needs: those of the buckets among its arguments."""
    needed = []
    for arg in args:
        if isinstance(arg, Bucket):
            needed.append(f"storage {arg.region}")
        elif isinstance(getattr(arg, "bucket", None), Bucket):
            needed.append(f"storage {arg.bucket.region}")
    return tuple(needed)


def _table_of(region: str, *_args: Any) -> tuple[str, ...]:
    return (f"table {region}",)


def _nothing(*_args: Any) -> tuple[str, ...]:
    return ()


class _LedgerOf:
    """One Region's end of the table. Implements `ports.Ledger`."""

    def __init__(self, table: Table, region: str) -> None:
        self._table, self._region = table, region

    def __getattr__(self, method: str) -> Any:
        if method in _READS + _READS_OF_ALL:
            return getattr(self._table.replicas[self._region].ledger, method)
        return lambda *args: self._table.write(self._region, method, args)


class _RegistryOf:
    """One Region's end of the registry. Implements `ports.Registry`."""

    def __init__(self, world: World, region: str) -> None:
        self._world, self._region, self._real = world, region, world.registries[region]

    def __getattr__(self, method: str) -> Any:
        return getattr(self._real, method)

    def put(self, entry: Entry, change: Change, before: Entry | None) -> bool:
        accepted = self._real.put(entry, change, before)
        if accepted:
            self._world.register(self._region, entry)
        return accepted


class _QueueOf:
    """Implements `ports.Queue` for one Region."""

    def __init__(self, world: World, region: str) -> None:
        self._world, self._region = world, region

    def send(self, tasks: Sequence[Task], delay_ms: int = 0) -> None:
        for task in tasks:
            if isinstance(task, CopyPartition) and not task.permit_waits:
                self._world.copy_tasks[task.job_id, task.partition_id] += 1
            self._world.post(self._region, queue_of(task), messages.dumps(task), delay_ms)

    def send_verify_deliveries(self, deliveries: Sequence[VerifyDelivery], delay_ms: int = 0) -> None:
        for delivery in deliveries:
            self._world.post(self._region, "verify", messages.dumps(delivery), delay_ms)

    def send_object_events(self, events: Sequence[ObjectEvent], delay_ms: int = 0) -> None:
        for event in events:
            self._world.post(self._region, "intake", messages.dumps(event), delay_ms)


class _NotifierOf:
    """Implements `ports.Notifier`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def job_settled(self, spec: JobSpec, terminal: Terminal) -> None:
        self._world.trace.event(f"told: {spec.job_id} {terminal.state}")

    def feed_stopped(self, tenant: str, feed: str, pause: str, why: str, at_ms: int) -> None:
        self._world.trace.event(f"told: {feed} of {tenant} is stopped ({pause}, {at_ms}): {why}")

    def delivery_failed(self, tenant: str, feed: str, delivery: Delivery) -> None:
        self._world.failed.append(delivery)
        self._world.trace.event(f"delivery failed: {tenant} {feed} {delivery.key} {delivery.detail}")
