"""The composition root: makes the adapters, once a process, when first needed. Importing it touches nothing."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from chalice.app import Response

from chalicelib import settings
from chalicelib.adapters import http, tracing
from chalicelib.adapters.keysource import HttpsKeySource
from chalicelib.adapters.ledger import DynamoLedger
from chalicelib.adapters.queue import EventBridgeNotifier, SqsQueue
from chalicelib.adapters.registry import DynamoRegistry
from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.adapters.system import SystemClock, SystemRng, ThreadPool, UuidIds, log
from chalicelib.entry.rest.keyring import Keyring
from chalicelib.entry.rest.routes import Operation
from chalicelib.ports import Env

DEFAULT_BUDGET_MS = 60_000
"""Of an invocation without a context, as in tests."""
KEYS_TIMEOUT_S = 2
"""Of each of the authorizer's few tries to read keys: with all of them it still answers in its 10 s."""
Handler = Callable[[Env, Mapping[str, Any], int], Any]


@dataclass(frozen=True, slots=True)
class Composition:
    """All that the entry points need."""

    env: Env
    keyring: Keyring


_stand_ins: list[Composition] = []


@contextmanager
def using(stand_in: Composition) -> Iterator[None]:
    """Serve with this instead of what the process' environment describes: for tests."""
    _stand_ins.append(stand_in)
    try:
        yield
    finally:
        _stand_ins.pop()


def env() -> Env:
    return _stand_ins[-1].env if _stand_ins else _env_of_process()


def keyring() -> Keyring:
    return _stand_ins[-1].keyring if _stand_ins else _keyring_of_process()


@cache
def _settings_of_process() -> settings.Settings:
    return settings.read(os.environ)


@cache
def _env_of_process() -> Env:
    return compose(_settings_of_process(), os.environ)


@cache
def _keyring_of_process() -> Keyring:
    """By itself: the authorizer needs no table and no queue, and making their clients takes longer than its work."""
    found = _settings_of_process()
    store = S3ObjectStore(timeout_s=KEYS_TIMEOUT_S)
    bucket = found.control_buckets[found.region]
    return Keyring(found.issuers, store, bucket, SystemClock(), log, found.policy.keys_grace_ms)


def compose(found: settings.Settings, environ: Mapping[str, str]) -> Env:
    """The adapters that the settings ask for. Calls nobody."""
    return Env(
        region=found.region,
        control_buckets=found.control_buckets,
        declared_endpoints=found.endpoints,
        declared_feeds=found.feeds,
        issuers=found.issuers,
        policy=found.policy,
        store=S3ObjectStore(),
        ledger=DynamoLedger(found.table, found.region, sorted(found.control_buckets)),
        registry=DynamoRegistry(found.table, found.region),
        queue=SqsQueue(found.queue_urls, found.region),
        notifier=EventBridgeNotifier(found.event_bus, found.region),
        key_source=HttpsKeySource(),
        clock=SystemClock(),
        rng=SystemRng(),
        ids=UuidIds(),
        pool=ThreadPool(found.policy.rows_in_flight, "row"),
        part_pool=ThreadPool(found.policy.parts_in_flight, "part"),
        log=log,
        worker=environ.get("AWS_LAMBDA_LOG_STREAM_NAME", f"pid-{os.getpid()}"),
        own_roles=found.own_roles,
    )


def handle(handler: Handler, event: Any) -> Any:  # noqa: ANN401 - Chalice ships no types
    """Serve one invocation of a function: its event, by this process' adapters, in the time that is left for it."""
    left_ms = event.context.get_remaining_time_in_millis() if event.context is not None else DEFAULT_BUDGET_MS
    with tracing.step(handler.__name__):
        return handler(env(), event.to_dict(), env().clock.now_ms() + int(left_ms))


def respond(request: Any, operation: Operation) -> Response:  # noqa: ANN401 - Chalice ships no types
    """Serve one API request."""
    with tracing.step(getattr(operation, "func", operation).__name__):
        return http.respond(env(), request, operation)
