"""Make a small world for tests: two Regions, their control buckets, and a tenant with a source and a target in each."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.keys import Issuer
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import Policy
from chalicelib.core.prices import LIST_PRICES
from chalicelib.core.webhooks import Network
from chalicelib.ports import (
    Clock,
    Env,
    Ids,
    KeySource,
    Ledger,
    Log,
    Notifier,
    ObjectStore,
    Pool,
    Queue,
    Registry,
    Rng,
    WebhookClient,
)
from simulation.memory.buckets import Limits
from simulation.memory.clock import (
    CollectingLog,
    MemoryNotifier,
    SeededRng,
    SequentialIds,
    SerialPool,
    VirtualClock,
)
from simulation.memory.keysource import MemoryKeySource
from simulation.memory.ledger import MemoryLedger
from simulation.memory.queue import MemoryQueue
from simulation.memory.registry import MemoryRegistry
from simulation.memory.state import ACCOUNT
from simulation.memory.store import MemoryObjectStore
from simulation.memory.webhook_client import MemoryWebhookClient

T = TypeVar("T")
WEST = "us-gov-west-1"
EAST = "us-gov-east-1"
TENANT = "acme"
OWN_ROLES = (f"arn:aws-us-gov:iam::{ACCOUNT}:role/eft-worker",)

CONTROL = {WEST: Bucket("control-west", WEST), EAST: Bucket("control-east", EAST)}
SOURCE = {WEST: Bucket("source-west", WEST), EAST: Bucket("source-east", EAST)}
TARGET = {WEST: Bucket("target-west", WEST), EAST: Bucket("target-east", EAST)}


def _endpoint(bucket: Bucket, prefix: str, *, writable: bool) -> Endpoint:
    return Endpoint(bucket.name, TENANT, bucket, prefix, readable=True, writable=writable)


ENDPOINTS = {
    endpoint.id: endpoint
    for region in (WEST, EAST)
    for endpoint in (
        _endpoint(SOURCE[region], "in/", writable=False),
        _endpoint(TARGET[region], "out/", writable=True),
    )
}
FEEDS = {"west-to-east": Feed("west-to-east", TENANT, "source-west", "target-east", name="west-to-east")}


def make_store(
    clock: Clock | None = None, *, versioned_targets: bool = True, limits: Limits | None = None
) -> MemoryObjectStore:
    """Make a store with all buckets of the world. Targets keep versions, so that every publish stays on record
    there."""
    store = MemoryObjectStore(clock, limits=limits)
    for region in (WEST, EAST):
        store.make_bucket(CONTROL[region])
        store.make_bucket(SOURCE[region])
        store.make_bucket(TARGET[region], versioned=versioned_targets)
    return store


def _value_or_new(value: T | None, make: Callable[[], T]) -> T:
    return make() if value is None else value


def make_env(
    region: str = WEST,
    store: ObjectStore | None = None,
    *,
    clock: Clock | None = None,
    ledger: Ledger | None = None,
    registry: Registry | None = None,
    queue: Queue | None = None,
    notifier: Notifier | None = None,
    rng: Rng | None = None,
    ids: Ids | None = None,
    pool: Pool | None = None,
    log: Log | None = None,
    policy: Policy | None = None,
    endpoints: dict[str, Endpoint] | None = None,
    feeds: dict[str, Feed] | None = None,
    issuers: tuple[Issuer, ...] = (),
    key_source: KeySource | None = None,
    webhook_client: WebhookClient | None = None,
    webhook_networks: tuple[Network, ...] = (),
    worker: str | None = None,
) -> Env:
    """Make one Region's Env. Two Regions (or two workers) share a store, a clock and a ledger if they get the same
    ones. They need names of their own, so that their nonces never collide."""
    clock = _value_or_new(clock, VirtualClock)
    worker = worker or f"worker-{region}"
    pool = _value_or_new(pool, SerialPool)
    return Env(
        region=region,
        control_buckets=dict(CONTROL),
        declared_endpoints=dict(_value_or_new(endpoints, lambda: ENDPOINTS)),
        declared_feeds=dict(_value_or_new(feeds, lambda: FEEDS)),
        issuers=issuers,
        policy=_value_or_new(policy, Policy),
        webhook_networks=webhook_networks,
        store=_value_or_new(store, partial(make_store, clock)),
        ledger=_value_or_new(ledger, MemoryLedger),
        registry=_value_or_new(registry, MemoryRegistry),
        queue=_value_or_new(queue, MemoryQueue),
        notifier=_value_or_new(notifier, MemoryNotifier),
        key_source=_value_or_new(key_source, MemoryKeySource),
        webhook_client=_value_or_new(webhook_client, MemoryWebhookClient),
        clock=clock,
        rng=_value_or_new(rng, SeededRng),
        ids=_value_or_new(ids, partial(SequentialIds, worker)),
        pool=pool,
        part_pool=pool,
        log=_value_or_new(log, CollectingLog),
        worker=worker,
        prices=dict.fromkeys((WEST, EAST), LIST_PRICES),
        own_roles=OWN_ROLES,
    )
