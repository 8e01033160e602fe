"""This module is the composition root. It makes the adapters once a process, when they are first needed. Importing it
has no effects."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from chalice.app import Response

from chalicelib import settings
from chalicelib.adapters import http, tracing
from chalicelib.adapters.clients import make_client
from chalicelib.adapters.keysource import HttpsKeySource
from chalicelib.adapters.ledger import DynamoLedger, make_counting_client
from chalicelib.adapters.ledger import make_client as make_table_client
from chalicelib.adapters.queue import EventBridgeNotifier, SqsQueue
from chalicelib.adapters.registry import DynamoRegistry
from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.adapters.system import SystemClock, SystemRng, ThreadPool, UuidIds, log
from chalicelib.adapters.webhook_client import HttpsWebhookClient
from chalicelib.core.budgets import CallBudgets, Caller, count_budget
from chalicelib.entry import handlers
from chalicelib.entry.rest.keyring import Keyring
from chalicelib.entry.rest.routes import Operation
from chalicelib.ports import Env

DEFAULT_BUDGET_MS = 60_000
"""Time budget, in milliseconds, of an invocation without a context, as in tests."""
Handler = Callable[[Env, Mapping[str, Any], int], Any]


@dataclass(frozen=True, slots=True)
class Composition:
    """All that the entry points need."""

    env: Env
    keyring: Keyring


_stand_ins: list[Composition] = []


@contextmanager
def using(stand_in: Composition) -> Iterator[None]:
    """Serve with this composition instead of the one that the process' environment describes. For tests."""
    _stand_ins.append(stand_in)
    try:
        yield
    finally:
        _stand_ins.pop()


def env(caller: Caller) -> Env:
    """Return the ports and settings for a function of this kind."""
    return _stand_ins[-1].env if _stand_ins else _env_of_process(caller)


def keyring() -> Keyring:
    return _stand_ins[-1].keyring if _stand_ins else _keyring_of_process()


@cache
def _settings_of_process() -> settings.Settings:
    return settings.read(os.environ)


@cache
def _env_of_process(caller: Caller) -> Env:
    return compose(_settings_of_process(), os.environ, caller)


@cache
def _keyring_of_process() -> Keyring:
    """Make the keyring without the rest of `Env`: the authorizer needs no table and no queue, and making their clients
    takes longer than its own work."""
    service_settings = _settings_of_process()
    store = S3ObjectStore(budgets=CallBudgets(service_settings.policy, Caller.AUTHORIZER, service_settings.region))
    bucket = service_settings.control_buckets[service_settings.region]
    return Keyring(service_settings.issuers, store, bucket, SystemClock(), log, service_settings.policy.keys_grace_ms)


def compose(service_settings: settings.Settings, environ: Mapping[str, str], caller: Caller) -> Env:
    """Make the adapters that the settings describe, with the timeouts for this kind of caller. Calls no service."""
    region, policy = service_settings.region, service_settings.policy
    budgets = CallBudgets(policy, caller, region)
    table = make_table_client(region, budgets.own)
    return Env(
        region=region,
        control_buckets=service_settings.control_buckets,
        declared_endpoints=service_settings.endpoints,
        declared_feeds=service_settings.feeds,
        issuers=service_settings.issuers,
        policy=policy,
        webhook_networks=service_settings.webhook_networks,
        store=S3ObjectStore(budgets=budgets),
        ledger=DynamoLedger(
            service_settings.table,
            sorted(service_settings.control_buckets),
            table,
            make_counting=lambda: make_counting_client(region, count_budget(policy)),
        ),
        registry=DynamoRegistry(service_settings.table, table),
        queue=SqsQueue(service_settings.queue_urls, make_client("sqs", region, budgets.own)),
        notifier=EventBridgeNotifier(service_settings.event_bus, make_client("events", region, budgets.own)),
        key_source=HttpsKeySource(policy.key_source_ms / 1000),
        webhook_client=HttpsWebhookClient(service_settings.webhook_networks),
        clock=SystemClock(),
        rng=SystemRng(),
        ids=UuidIds(),
        pool=ThreadPool(policy.rows_in_flight, "row"),
        part_pool=ThreadPool(policy.parts_in_flight, "part"),
        log=log,
        worker=environ.get("AWS_LAMBDA_LOG_STREAM_NAME", f"pid-{os.getpid()}"),
        prices=service_settings.prices,
        own_roles=service_settings.own_roles,
    )


def handle(handler: Handler, event: Any) -> Any:  # noqa: ANN401 - Chalice ships no types
    """Serve one invocation of a function: handle its event with this process' adapters, until its time is over."""
    left_ms = event.context.get_remaining_time_in_millis() if event.context is not None else DEFAULT_BUDGET_MS
    ports = env(Caller.SWEEP if handler is handlers.sweep else Caller.WORKER)
    with tracing.step(handler.__name__):
        return handler(ports, event.to_dict(), ports.clock.now_ms() + int(left_ms))


def respond(request: Any, operation: Operation) -> Response:  # noqa: ANN401 - Chalice ships no types
    """Serve one API request."""
    with tracing.step(getattr(operation, "func", operation).__name__):
        return http.respond(env(Caller.API), request, operation)
