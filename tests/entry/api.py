"""A client of the whole API in one process: Chalice's own gateway and authorizer in front, memory behind."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chalice.test import Client

from app import app
from chalicelib.core.errors import ErrorCode
from chalicelib.entry.rest.keyring import Keyring
from chalicelib.entry.rest.problems import PROBLEM_TYPES
from chalicelib.ports import Env
from chalicelib.runtime import Composition, using
from chalicelib.settings import Settings
from simulation.memory.clock import CollectingLog
from simulation.memory.env import make_env, make_store
from simulation.memory.faults import FaultyStore
from simulation.memory.ledger import MemoryLedger
from simulation.memory.queue import MemoryQueue
from tests.entry.tokens import Signer

PROBLEM = "application/problem+json"
"""What `openapi` promises, and each answer has: RFC 9457, section 3.1.3."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int, code: str) -> str:
        """Its detail, after checking that it is a problem in full."""
        assert self.status == status, self.body
        assert self.headers["content-type"] == PROBLEM
        found = self.json
        assert {"type", "title", "status", "detail", "instance"} <= found.keys()
        assert found["type"] == f"urn:eft:problem:{code}", found
        assert found["status"] == status
        problem_type = PROBLEM_TYPES[ErrorCode(code)]
        assert found["title"] == problem_type.title
        assert problem_type.code is ErrorCode.REFUSED or status == problem_type.status
        detail: str = found["detail"]
        assert detail
        return detail


@dataclass
class Api:
    """The API of one Region, and what stands behind it."""

    env: Env
    store: FaultyStore
    ledger: MemoryLedger
    queue: MemoryQueue
    log: CollectingLog
    settings: Settings
    signer: Signer
    tenant: str = "acme"
    scope: str = "read write"

    def call(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None, raw: bytes = b""
    ) -> Reply:
        """A request with a token of `tenant` and `scope`. `body` goes as JSON, `raw` as it is."""
        token = self.signer.token(tenant=self.tenant, scope=self.scope)
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        payload = raw if body is None else json.dumps(body).encode()
        return self.plain(method, path, payload, sent)

    def plain(self, method: str, path: str, payload: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        """A request just as given, without a token. The next one comes a second later."""
        answer = Client(app, stage_name="prod").http.request(method, path, headers=headers or {}, body=payload)
        self.env.clock.sleep_ms(1000)
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, found, answer.body)

    @contextmanager
    def over(self, env: Env) -> Iterator[None]:
        """The same API over something else."""
        with using(composition(self.settings, env)):
            yield

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def submit(self, key: str | None = None, **changes: object) -> Reply:
        body = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}, **changes}
        return self.call("POST", "/jobs", body, headers=None if key is None else {"Idempotency-Key": key})


def composition(found: Settings, env: Env) -> Composition:
    """As the runtime makes it, over other adapters."""
    bucket = env.control_buckets[env.region]
    keyring = Keyring(found.issuers, env.store, bucket, env.clock, env.log, env.policy.keys_grace_ms)
    return Composition(env, keyring)


def make_api(found: Settings, signer: Signer) -> Api:
    store, ledger, queue, log = FaultyStore(make_store()), MemoryLedger(), MemoryQueue(), CollectingLog()
    env = make_env(
        found.region, store, ledger=ledger, queue=queue, log=log, endpoints=found.endpoints, feeds=found.feeds
    )
    return Api(env, store, ledger, queue, log, found, signer)
