"""A tenant uses another tenant's ids. The answer is, to the byte, the one for an unknown id, and it costs the same
calls."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.entry.rest.auth import ADMINISTER, OPERATE, READ, WRITE
from chalicelib.entry.rest.contract import Contract
from chalicelib.entry.rest.contracts import CONTRACTS
from simulation.memory.env import SOURCE, WEST
from simulation.memory.store import MemoryObjectStore
from tests.entry.api import Api, Reply, make_api
from tests.entry.environ import ENDPOINTS, FEEDS, THEIRS_TOO, environ
from tests.entry.paths import body_of, path_of
from tests.entry.tokens import Signer, auth_json
from tests.steps.calls import Calls
from tests.tasks import carry_out

FAR_MS = 2_000_000_000_000
SECURED = [contract for contract in CONTRACTS if contract.scope]
OF_A_JOB = [contract for contract in SECURED if "{job_id}" in contract.path or "{plan_id}" in contract.path]
OF_A_TENANT = [contract for contract in SECURED if contract.scope != OPERATE]
THEIRS: dict[str, Any] = {"source": {"endpoint": "theirs"}, "target": {"endpoint": "theirs-too"}}


def named(contracts: list[Contract]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("contract", contracts, ids=lambda contract: contract.name)


def reply_to(api: Api, contract: Contract, job_id: str) -> Reply:
    return api.call(contract.method, path_of(contract, job_id), body_of(contract, THEIRS))


@contextmanager
def counted(api: Api) -> Iterator[Calls]:
    """Record every call that requests make at the ports."""
    calls, env = Calls(), api.env
    tapped = replace(
        env,
        store=calls.tap("store", env.store),
        ledger=calls.tap("ledger", env.ledger),
        registry=calls.tap("registry", env.registry),
        queue=calls.tap("queue", env.queue),
        notifier=calls.tap("notifier", env.notifier),
    )
    with api.over(tapped):
        yield calls


@pytest.fixture
def empty(signer: Signer) -> Api:
    """Return another world, in which the other tenant has nothing and never had."""
    entries = [entry for entry in [*ENDPOINTS, THEIRS_TOO] if entry["tenant"] != "other"]
    feeds = [feed for feed in FEEDS if feed["tenant"] != "other"]
    auth = auth_json(signer)
    eft_settings = settings.read(environ(EFT_AUTH=auth, EFT_ENDPOINTS=json.dumps(entries), EFT_FEEDS=json.dumps(feeds)))
    return make_api(eft_settings, signer)


# --- scopes -------------------------------------------------------------------------------------------------------


@named(SECURED)
def test_without_its_scope_nothing_is_done(api: Api, contract: Contract) -> None:
    every = {READ, WRITE, ADMINISTER, OPERATE}
    assert contract.scope in every
    job_id = api.submit().json["id"]
    near_misses = {contract.scope.upper(), f"{contract.scope}s", f"eft:{contract.scope}", f"{contract.scope},"}
    for scopes in (every - {contract.scope}, near_misses, set()):
        api.scope = " ".join(sorted(scopes))
        with counted(api) as calls:
            detail = reply_to(api, contract, job_id).problem(403, "MissingScope")
        assert repr(contract.scope) in detail
        assert calls.labels == ["ledger.count_request"], "refused before anything else is asked or changed"


@named(SECURED)
def test_a_token_without_the_claim_may_nothing(api: Api, contract: Contract) -> None:
    header = {"Authorization": f"Bearer {api.signer.token(without=('scope',))}"}
    path = path_of(contract)
    api.plain(contract.method, path, b"", header).problem(403, "MissingScope")


@named(SECURED)
def test_without_a_token_nothing_is_asked(api: Api, contract: Contract) -> None:
    with counted(api) as calls:
        reply = api.plain(contract.method, path_of(contract))
        assert reply.status == 401
        bad = {"Authorization": f"Bearer {api.signer.token(exp=1)}"}
        assert api.plain(contract.method, path_of(contract), b"", bad).status == 403
    assert calls.labels == []


# --- ids ----------------------------------------------------------------------------------------------------------


def _planning(api: Api) -> str:
    return str(api.submit(**THEIRS).json["id"])


def _a_plan(api: Api) -> str:
    return str(api.call("POST", "/plans", THEIRS).json["id"])


def _cancelled(api: Api) -> str:
    job_id = _planning(api)
    assert api.call("POST", f"/jobs/{job_id}/cancel").status == 202
    return job_id


def _paused(api: Api) -> str:
    job_id = _planning(api)
    assert api.call("POST", f"/jobs/{job_id}/pause").status == 202
    return job_id


def _settled(api: Api) -> str:
    memory = api.store.store
    assert isinstance(memory, MemoryObjectStore)
    memory.put(replace(SOURCE[WEST], name="target-west"), "theirs/report", b"secret")
    job_id = _planning(api)
    while (task := api.queue.take()) is not None:
        carry_out(api.env, task, FAR_MS)
    assert api.get(f"/jobs/{job_id}").json["state"] == "SUCCEEDED"
    return job_id


def _not_replicated(api: Api) -> str:
    """Make a job that the other Region has just accepted: only the control bucket knows it."""
    job_id = _planning(api)
    api.ledger.jobs.clear()
    return job_id


def _seen(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    """Return all that a client sees, but for the time of day, since the two requests came at different times. The time
    is in the ETag of a new thing (as a nonce) and in its `changed_at`."""
    headers = {name: value for name, value in reply.headers.items() if name not in ("ratelimit-reset", "etag")}
    return reply.status, headers, re.sub(rb'"changed_at": *"[^"]*"', b"", reply.body)


@named(OF_A_JOB)
@pytest.mark.parametrize(
    "make", [_planning, _a_plan, _paused, _cancelled, _settled, _not_replicated], ids=lambda make: make.__name__
)
def test_another_tenants_job_is_one_that_never_was(
    api: Api, empty: Api, contract: Contract, make: Callable[[Api], str]
) -> None:
    api.tenant = "other"
    job_id = make(api)
    api.tenant = "acme"
    with counted(api) as calls_existing:
        existing = reply_to(api, contract, job_id)
    with empty.over(empty.env), counted(empty) as calls_missing:
        missing = reply_to(empty, contract, job_id)
    existing.problem(404, "UnknownPlan" if "{plan_id}" in contract.path else "UnknownJob")
    assert _seen(existing) == _seen(missing)
    assert calls_existing.labels == calls_missing.labels, "nor does the time that it takes tell"


@named(OF_A_TENANT)
def test_what_another_tenant_has_changes_no_answer(api: Api, empty: Api, contract: Contract) -> None:
    """The other tenant's jobs, endpoints and feeds do not change a list, and its endpoints are unknown in a
    submission."""
    api.tenant = "other"
    job_id = _settled(api)
    api.tenant = "acme"
    with counted(api) as calls_existing:
        existing = reply_to(api, contract, job_id)
    with empty.over(empty.env), counted(empty) as calls_missing:
        missing = reply_to(empty, contract, job_id)
    assert _seen(existing) == _seen(missing)
    assert calls_existing.labels == calls_missing.labels


@pytest.mark.parametrize("mine", ["source", "target"])
def test_one_end_of_a_job_may_not_be_another_tenants(api: Api, empty: Api, mine: str) -> None:
    ends = {"source": {"endpoint": "source-west"}, "target": {"endpoint": "target-east"}}
    their_end = "target" if mine == "source" else "source"
    body = {mine: ends[mine], their_end: THEIRS[their_end]}
    existing = api.call("POST", "/jobs", body)
    with empty.over(empty.env):
        missing = empty.call("POST", "/jobs", body)
    existing.problem(400, "UnknownEndpoint")
    assert existing.body == missing.body


@pytest.mark.parametrize("path", ["/jobs", "/jobs/{mine}/objects"])
def test_another_tenants_cursor_shows_nothing_of_it(api: Api, path: str) -> None:
    api.tenant = "other"
    theirs = [_planning(api) for _ in range(3)]
    cursor = api.get("/jobs?limit=1").json["next_cursor"]
    assert cursor
    api.tenant = "acme"
    mine = api.submit().json["id"]
    for tried_cursor in (cursor, f"9999999999999:{theirs[0]}", "r-000001.0"):
        reply = api.get(f"{path.format(mine=mine)}?cursor={tried_cursor.replace('#', '%23')}")
        assert reply.status in (200, 400)
        assert not any(job_id in reply.body.decode() for job_id in theirs if job_id not in tried_cursor)
