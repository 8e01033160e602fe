"""Time, chance, threads, and all ports together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from chalicelib.core.keys import Issuer
from chalicelib.core.model import (
    Bucket,
    Endpoint,
    Feed,
)
from chalicelib.core.policy import Policy
from chalicelib.core.prices import Prices
from chalicelib.core.webhooks import Network
from chalicelib.ports.messages import Courier, KeySource, Notifier, Queue
from chalicelib.ports.store import ObjectStore
from chalicelib.ports.table import Ledger, Registry

T = TypeVar("T")
R = TypeVar("R")


class Clock(Protocol):
    def now_ms(self) -> int: ...
    def sleep_ms(self, duration_ms: int) -> None: ...


class Rng(Protocol):
    def uniform(self) -> float:
        """In [0, 1)."""
        ...


class Ids(Protocol):
    def nonce(self) -> str:
        """Unique for ever: tells a worker its own record from another's."""
        ...

    def secret(self) -> bytes:
        """32 bytes that nobody can guess."""
        ...


class Pool(Protocol):
    """Runs things side by side."""

    def map(self, work: Callable[[T], R], items: Iterable[T], tick: Callable[[], None] | None = None) -> list[R]:
        """`work` of every item, results in the items' order. `tick` is called from the calling thread about every
        second while it waits. The first exception (of work or tick) is raised after what runs has ended; what has not
        begun by then is not begun."""
        ...


class Log(Protocol):
    def __call__(self, event: str, **fields: object) -> None:
        """One structured line: what happened, to which job, partition, key."""
        ...


@dataclass(frozen=True, slots=True)
class Env:
    """All that a step may touch, and the settings it goes by. Made once by the composition root."""

    region: str
    control_buckets: dict[str, Bucket]
    """Region -> control bucket."""
    declared_endpoints: dict[str, Endpoint]
    declared_feeds: dict[str, Feed]
    """By id: what came with the deployment. What tenants have registered since is in the registry: `protocol.places`
    knows both."""
    issuers: tuple[Issuer, ...]
    policy: Policy
    webhook_networks: tuple[Network, ...]
    """Which addresses besides the public internet's webhooks may have."""
    store: ObjectStore
    ledger: Ledger
    registry: Registry
    queue: Queue
    notifier: Notifier
    key_source: KeySource
    courier: Courier
    clock: Clock
    rng: Rng
    ids: Ids
    pool: Pool
    part_pool: Pool
    """For the parts of large objects, whose rows already run in `pool`."""
    log: Log
    worker: str
    """Who this process is: shown to operators, never compared."""
    prices: dict[str, Prices]
    """Region -> what AWS asks for there."""
    own_roles: tuple[str, ...]
    """The ARNs of the IAM roles whose multipart uploads are ours, in both Regions: of copy, and of the API, which tries
    endpoints by them."""
