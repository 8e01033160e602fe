"""Make a client of the whole API in one process. Chalice's own gateway and authorizer are in front, and memory is
behind."""

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
"""`openapi` promises this type, and each answer has it: RFC 9457, section 3.1.3."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int, code: str) -> str:
        """Check that the reply is a complete problem with this status and code, and return its detail."""
        assert self.status == status, self.body
        assert self.headers["content-type"] == PROBLEM
        problem = self.json
        assert {"type", "title", "status", "detail", "instance"} <= problem.keys()
        assert problem["type"] == f"urn:eft:problem:{code}", problem
        assert problem["status"] == status
        problem_type = PROBLEM_TYPES[ErrorCode(code)]
        assert problem["title"] == problem_type.title
        assert problem_type.code is ErrorCode.REFUSED or status == problem_type.status
        detail: str = problem["detail"]
        assert detail
        return detail


@dataclass
class Api:
    """The API of one Region, with its store, table, queue and log."""

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
        """Send a request with a token of `tenant` and `scope`. `body` goes as JSON, `raw` as it is."""
        token = self.signer.token(tenant=self.tenant, scope=self.scope)
        all_headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        payload = raw if body is None else json.dumps(body).encode()
        return self.plain(method, path, payload, all_headers)

    def plain(self, method: str, path: str, payload: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        """Send a request just as given, without a token. The next one comes a second later."""
        response = Client(app, stage_name="prod").http.request(method, path, headers=headers or {}, body=payload)
        self.env.clock.sleep_ms(1000)
        lower_headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, lower_headers, response.body)

    @contextmanager
    def over(self, env: Env) -> Iterator[None]:
        """Run the same API over another Env."""
        with using(composition(self.settings, env)):
            yield

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def submit(self, key: str | None = None, **changes: object) -> Reply:
        body = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}, **changes}
        return self.call("POST", "/jobs", body, headers=None if key is None else {"Idempotency-Key": key})


def composition(eft_settings: Settings, env: Env) -> Composition:
    """Compose as the runtime does, over other adapters."""
    bucket = env.control_buckets[env.region]
    keyring = Keyring(eft_settings.issuers, env.store, bucket, env.clock, env.log, env.policy.keys_grace_ms)
    return Composition(env, keyring)


def make_api(eft_settings: Settings, signer: Signer) -> Api:
    store, ledger, queue, log = FaultyStore(make_store()), MemoryLedger(), MemoryQueue(), CollectingLog()
    env = make_env(
        eft_settings.region,
        store,
        ledger=ledger,
        queue=queue,
        log=log,
        endpoints=eft_settings.endpoints,
        feeds=eft_settings.feeds,
    )
    return Api(env, store, ledger, queue, log, eft_settings, signer)
