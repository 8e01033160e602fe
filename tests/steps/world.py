"""Both Regions on one virtual clock. The real steps run behind the real handlers, and get the messages that they send.

Queues behave as SQS does: a message that was not acknowledged comes again when its visibility ends, and after five
receives it goes to the dead-letter queue. Sweeps run every minute.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus

from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.errors import EftError
from chalicelib.core.jobs import JobSpec, Terminal
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Outcome, OverwriteMode, RowOutcome
from chalicelib.entry import handlers
from chalicelib.ports import Env, ObjectEvent, Pool, queue_of
from chalicelib.protocol import messages
from chalicelib.protocol.records import ControlRecords, JobRecords
from chalicelib.protocol.submitting import Location, Submission
from chalicelib.steps import control
from simulation.memory.buckets import Limits, Version
from simulation.memory.clock import CollectingLog, MemoryNotifier, VirtualClock
from simulation.memory.env import CONTROL, EAST, SOURCE, TARGET, TENANT, WEST, make_env, make_store
from simulation.memory.faults import FaultyStore
from simulation.memory.ledger import MemoryLedger
from simulation.memory.queue import MemoryQueue
from simulation.memory.registry import MemoryRegistry
from simulation.memory.state import WORKER
from simulation.memory.store import MemoryObjectStore
from simulation.memory.webhook_client import MemoryWebhookClient
from tests.steps.calls import Calls, Crash

SMALL = Policy(
    multipart_threshold_bytes=40, part_size_bytes=16, partition_rows=4, inline_objects=2, attempts=4, backoff_max_ms=500
)
"""Few bytes make a multipart copy, few keys make several partitions."""
TINY = Limits(part_min_bytes=1, part_max_bytes=1000, parts_max=10_000, copy_max_bytes=1000, range_source_min_bytes=0)
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
VISIBILITY_MS = {
    "intake": 12 * MINUTE,
    "split": 18 * MINUTE,
    "copy": 20 * MINUTE,
    "verify": 18 * MINUTE,
    "notify": 6 * MINUTE,
}
"""They are shorter than the deployed ones, so that tests sweep less, but longer than an invocation and any lease."""
RUNTIME_MS = 15 * MINUTE
FOREVER_MS = 1000 * HOUR
"""The runtime of workers that wake up late and go on, as if an invocation had no end."""
RECEIVES = 5
DELAY_MAX_MS = 15 * MINUTE
"""SQS delays no message for longer."""


@dataclass(slots=True)
class Mail:
    """A message on one of a Region's queues."""

    region: str
    queue: str
    body: str
    due_ms: int
    receives: int = 0


@dataclass(slots=True)
class Region:
    env: Env
    queue: MemoryQueue
    notifier: MemoryNotifier
    log: CollectingLog
    next_sweep_ms: int


@dataclass(slots=True)
class World:
    policy: Policy = SMALL
    limits: Limits | None = field(default_factory=lambda: TINY)
    versioned_sources: bool = False
    encryption: str = "AES256"
    """The encryption of the target buckets."""
    feeds: dict[str, Feed] | None = None
    endpoints: dict[str, Endpoint] | None = None
    clock: VirtualClock = field(default_factory=VirtualClock)
    calls: Calls = field(default_factory=Calls)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    mail: list[Mail] = field(default_factory=list)
    dead_letters: list[Mail] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    deliver_times: int = 1
    """How often each message is delivered: 2 makes duplicates."""
    stalled: bool = False
    """The table's replication stands still: East sees nothing of what West writes, and West nothing of East's
    writes."""
    lose: bool = False
    """Every message is lost, except those that sweeps send."""
    redeliver: bool = True
    """Whether a message comes again when a crash left it unacknowledged. Object events always come again."""
    shuffle: random.Random | None = None
    runtime_ms: int = RUNTIME_MS
    """How long an invocation may last."""
    pool: Pool | None = None
    """Runs rows and parts in both Regions. None: one by one."""
    webhook_client: MemoryWebhookClient | None = None
    """Takes notifications to webhooks. None: nothing is posted."""
    watch: Callable[[], object] | None = None
    """Called after every message and sweep."""

    def __post_init__(self) -> None:
        self.store = make_store(self.clock, limits=self.limits)
        for region in (WEST, EAST):
            self.store.make_bucket(TARGET[region], versioned=True, encryption=self.encryption)
            self.store.make_bucket(SOURCE[region], versioned=self.versioned_sources)
        self.faults = FaultyStore(self.store)
        self.regions = {
            region: self._region(region, after) for region, after in ((WEST, MINUTE), (EAST, MINUTE + 30 * SECOND))
        }

        # This environment is for looking: its calls are not counted, and have no faults.
        self.observer = make_env(
            EAST, self.store, clock=self.clock, ledger=self.ledger, registry=self.registry, feeds=self.feeds
        )

    store: MemoryObjectStore = field(init=False)
    faults: FaultyStore = field(init=False)
    regions: dict[str, Region] = field(init=False)
    observer: Env = field(init=False)

    def _region(self, region: str, first_sweep_ms: int) -> Region:
        queue, notifier, log = MemoryQueue(), MemoryNotifier(), CollectingLog()
        env = make_env(
            region,
            self.calls.tap("store", self.faults),
            clock=self.clock,
            ledger=self.calls.tap("ledger", MemoryLedger() if self.stalled and region == EAST else self.ledger),
            registry=self.calls.tap("registry", self.registry),
            queue=self.calls.tap("queue", queue),
            notifier=self.calls.tap("notifier", notifier),
            log=log,
            policy=self.policy,
            endpoints=self.endpoints,
            feeds=self.feeds,
            pool=self.pool,
            webhook_client=self.webhook_client,
        )
        return Region(env, queue, notifier, log, self.clock.now_ms() + first_sweep_ms)

    @property
    def west(self) -> Env:
        return self.regions[WEST].env

    @property
    def east(self) -> Env:
        return self.regions[EAST].env

    # --- users' work ------------------------------------------------------------------------------------------

    def put(self, key: str, body: bytes, bucket: Bucket = SOURCE[WEST], **options: Any) -> Version:
        """Put an object, as a partner does."""
        return self.store.put(bucket, key, body, **options)

    def submit(
        self,
        source: str = "",
        target: str = "",
        *,
        token: str = "token",
        mode: OverwriteMode = OverwriteMode.IF_CHANGED,
        region: str = WEST,
        endpoints: tuple[str, str] = ("source-west", "target-east"),
        **options: Any,
    ) -> JobSpec:
        submission = Submission(
            TENANT, token, Location(endpoints[0], source), Location(endpoints[1], target), mode, **options
        )
        return control.submit(self.regions[region].env, submission)[0]

    def drop(self, key: str, body: bytes) -> Version:
        """Put an object, and announce it."""
        version = self.put(key, body)
        self.announce(key)
        return version

    def announce(self, *keys: str, bucket: Bucket = SOURCE[WEST], name: str = "ObjectCreated:Put") -> None:
        """Post one S3 notification about some keys."""
        records = [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": bucket.region,
                "eventName": name,
                "s3": {"bucket": {"name": bucket.name}, "object": {"key": quote_plus(key), **self._etag(bucket, key)}},
            }
            for key in keys
        ]
        self.post(bucket.region, "intake", json.dumps({"Records": records}))

    def _etag(self, bucket: Bucket, key: str) -> dict[str, str]:
        current = self.store.current(bucket, key)
        return {"eTag": current.etag} if current else {}

    def forward(self, *keys: str, delay_ms: int = 4 * MINUTE) -> None:
        """Forward the event of each key to East, as West's rule does. It waits there as a hint."""
        for key in keys:
            hint = ObjectEvent(SOURCE[WEST].name, key, tuple(self._etag(SOURCE[WEST], key).values()), hint=True)
            self.post(EAST, "intake", messages.dumps(hint), delay_ms)

    # --- messages ---------------------------------------------------------------------------------------------

    def post(self, region: str, queue: str, body: str, delay_ms: int = 0) -> None:
        delay_ms = min(delay_ms, DELAY_MAX_MS)
        for _ in range(self.deliver_times):
            self.mail.append(Mail(region, queue, body, self.clock.now_ms() + delay_ms))

    def collect(self, *, lost: bool = False) -> None:
        """Take the messages that the steps have sent, and put them on the queues."""
        for name, region in self.regions.items():
            queue = region.queue
            messages_sent: list[tuple[str, messages.Message]] = [(queue_of(task), task) for task in queue.tasks]
            messages_sent += [("verify", delivery) for delivery in queue.verify_deliveries]
            messages_sent += [("intake", event) for event in queue.events]
            messages_sent += [("notify", notice) for notice in queue.notices]
            delays = list(queue.delays)
            for target, message in messages_sent:
                delay_ms = _take_delay(delays, message)
                if not lost:
                    self.post(name, target, messages.dumps(message), delay_ms)
            if self.webhook_client is not None:
                for event in region.notifier.events:
                    self.post(name, "notify", event)
            now_ms = self.clock.now_ms()
            self.dead_letters += [Mail(name, "notify", messages.dumps(notice), now_ms) for notice in queue.given_up]
            queues = (queue.tasks, queue.verify_deliveries, queue.events, queue.notices, queue.delays, queue.given_up)
            for queued in (*queues, region.notifier.events):
                queued.clear()

    def handle(self, mail: Mail) -> None:
        """Invoke a function with one message. A message that it doesn't acknowledge comes again."""
        mail.receives += 1
        event = {"Records": [{"messageId": "m-1", "body": mail.body, "eventSource": "aws:sqs"}]}
        function: Callable[..., handlers.BatchResponse] = getattr(handlers, mail.queue)
        try:
            answer = function(self.regions[mail.region].env, event, self.clock.now_ms() + self.runtime_ms)
            acknowledged = not answer["batchItemFailures"]
        except Crash as crash:
            self.crashes.append(str(crash))
            acknowledged = not self.redeliver and mail.queue != "intake"
        if not acknowledged and mail.receives < RECEIVES:
            self.mail.append(replace(mail, due_ms=self.clock.now_ms() + VISIBILITY_MS[mail.queue]))
        elif not acknowledged:
            self.dead_letters.append(mail)
        self._watched()

    def pump(self) -> None:
        """Handle every message that is due, and those that are sent meanwhile and are due at once."""
        for _ in range(100_000):
            self.collect(lost=self.lose)
            due = [mail for mail in self.mail if mail.due_ms <= self.clock.now_ms()]
            if not due:
                return
            mail = self.shuffle.choice(due) if self.shuffle else due[0]
            self.mail.remove(mail)
            self.handle(mail)
        raise AssertionError("messages breed")

    def sweep(self, name: str) -> None:
        region = self.regions[name]
        self.collect(lost=self.lose)
        try:
            handlers.sweep(region.env, {}, self.clock.now_ms() + self.runtime_ms)
        except EftError as error:
            region.log("sweep-failed", error=str(error))  # Lambda reports it; in a minute it runs again.
        except Crash as crash:
            self.crashes.append(str(crash))
        self.collect()
        self._watched()
        region.next_sweep_ms = self.clock.now_ms() + MINUTE

    def _watched(self) -> None:
        if self.watch is not None:
            self.watch()

    # --- time -------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Advance the clock to the next moment at which anything happens, and let it happen."""
        moments_ms = [mail.due_ms for mail in self.mail] + [region.next_sweep_ms for region in self.regions.values()]
        self.clock.advance(max(0, min(moments_ms) - self.clock.now_ms()))
        for name, region in self.regions.items():
            if region.next_sweep_ms <= self.clock.now_ms():
                self.sweep(name)
        self.pump()

    def run(self, duration_ms: int) -> None:
        end_ms = self.clock.now_ms() + duration_ms
        self.pump()
        while self.clock.now_ms() < end_ms:
            self.step()

    def settle(self, limit_ms: int = 48 * HOUR) -> None:
        """Run until every message is handled and every job has ended."""
        end_ms = self.clock.now_ms() + limit_ms
        self.pump()
        while self.mail or self.open_jobs():
            assert self.clock.now_ms() < end_ms, f"not settled: {self.open_jobs()} {self.mail} {self.log_tail()}"
            if self.open_jobs():
                self.step()
            else:  # Sweeps would do nothing: only messages are left, and they may be due much later.
                self.clock.advance(max(0, min(mail.due_ms for mail in self.mail) - self.clock.now_ms()))
                self.pump()

    def tidy(self) -> None:
        """Let the time pass after which sweeps collect unused uploads, and sweep."""
        self.clock.advance(self.policy.stale_upload_ms)
        for name in (WEST, EAST):
            self.sweep(name)
        self.settle()

    # --- looking ----------------------------------------------------------------------------------------------

    def open_jobs(self) -> list[str]:
        return [key for bucket in CONTROL.values() for key in self.store.keys(bucket) if key.startswith("open/")]

    def records(self, spec: JobSpec) -> JobRecords:
        return ControlRecords(self.observer, spec.control_region).job(spec.job_id)

    def terminal(self, spec: JobSpec) -> Terminal:
        end = self.records(spec).terminal()
        assert end is not None, f"{spec.job_id} has not ended"
        return end

    def rows(self, spec: JobSpec) -> dict[str, RowOutcome]:
        """Return the outcome of each row by source key. Assert that each key was planned once and has an outcome."""
        outcomes: dict[str, RowOutcome] = {}
        for view in self._views(spec):
            assert view.key not in outcomes, f"{view.key} was planned twice"
            assert view.outcome is not None, f"{view.key} has no outcome"
            outcomes[view.key] = view.outcome
        return outcomes

    def _views(self, spec: JobSpec) -> Iterator[control.ObjectView]:
        cursor = None
        while True:
            page = control.list_objects(self.observer, TENANT, spec.job_id, None, cursor, 1000)
            yield from page.objects
            if page.cursor is None:
                return
            cursor = page.cursor

    def outcomes(self, spec: JobSpec) -> dict[str, Outcome]:
        return {key: row.outcome for key, row in self.rows(spec).items()}

    def written(self, key: str, bucket: Bucket = TARGET[EAST]) -> list[Version]:
        """Return the versions that we have published at a destination key."""
        return [
            version
            for version in self.store.versions(bucket, key)
            if version.by == WORKER and not version.delete_marker
        ]

    def body(self, key: str, bucket: Bucket = TARGET[EAST]) -> bytes | None:
        current = self.store.current(bucket, key)
        return None if current is None else current.body

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for region in self.regions.values() for fields in region.log.events(name)]

    def log_tail(self) -> list[tuple[str, dict[str, Any]]]:
        return [line for region in self.regions.values() for line in region.log.lines[-8:]]

    def all_uploads(self) -> list[str]:
        return [upload.key for bucket in TARGET.values() for upload in self.store.uploads(bucket)]


def _take_delay(delays: list[tuple[messages.Message, int]], message: messages.Message) -> int:
    """Take the delay of this message off the list. Return 0 if it has none."""
    delay = next((item for item in delays if item[0] == message), None)
    if delay is None:
        return 0
    delays.remove(delay)
    return delay[1]
