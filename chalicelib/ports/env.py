"""Define the ports for time, randomness, ids, threads and the log, and `Env`, which holds all ports together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from chalicelib.core.endpoints import Endpoint, Feed
from chalicelib.core.keys import Issuer
from chalicelib.core.objects import Bucket
from chalicelib.core.policy import Policy
from chalicelib.core.prices import Prices
from chalicelib.core.webhooks import Network
from chalicelib.ports.messages import KeySource, Notifier, Queue, WebhookClient
from chalicelib.ports.store import ObjectStore
from chalicelib.ports.table import Ledger, Registry

T = TypeVar("T")
R = TypeVar("R")


class Clock(Protocol):
    def now_ms(self) -> int: ...
    def sleep_ms(self, duration_ms: int) -> None: ...


class Rng(Protocol):
    def uniform(self) -> float:
        """Return a random number in [0, 1)."""
        ...


class Ids(Protocol):
    def nonce(self) -> str:
        """Return a string that is unique for ever. A worker tells its own record from another worker's by it."""
        ...

    def secret(self) -> bytes:
        """Return 32 bytes that nobody can guess."""
        ...


class Pool(Protocol):
    """Runs work items concurrently."""

    def map(self, work: Callable[[T], R], items: Iterable[T], tick: Callable[[], None] | None = None) -> list[R]:
        """Call `work` on every item and return the results in the items' order.

        While it waits, it calls `tick` from the calling thread about once a second. If `work` or `tick` raises, no
        further item is started. The first exception is raised once the running items have ended.
        """
        ...


class Log(Protocol):
    def __call__(self, event: str, **fields: object) -> None:
        """Write one structured line: an event, and the job, partition or key that it concerns."""
        ...


@dataclass(frozen=True, slots=True)
class Env:
    """All that a step may touch, and the settings that it uses. The composition root makes one per process and
    caller."""

    region: str
    control_buckets: dict[str, Bucket]
    """Region -> control bucket."""
    declared_endpoints: dict[str, Endpoint]
    declared_feeds: dict[str, Feed]
    """The endpoints and feeds of the deployment, by id. Those that tenants have registered since are in the registry;
    `protocol.catalog` knows both."""
    issuers: tuple[Issuer, ...]
    policy: Policy
    webhook_networks: tuple[Network, ...]
    """The networks, besides the public internet, in which a webhook's address may lie."""
    store: ObjectStore
    ledger: Ledger
    registry: Registry
    queue: Queue
    notifier: Notifier
    key_source: KeySource
    webhook_client: WebhookClient
    clock: Clock
    rng: Rng
    ids: Ids
    pool: Pool
    part_pool: Pool
    """The pool for upload parts of large objects. The rows themselves already run in `pool`."""
    log: Log
    worker: str
    """The name of this process. It is shown to operators and never compared."""
    prices: dict[str, Prices]
    """Region -> AWS's prices there."""
    own_roles: tuple[str, ...]
    """The ARNs of the IAM roles whose multipart uploads are ours, in both Regions: the role of copy, and the role of
    the API, which tries endpoints with multipart uploads."""
