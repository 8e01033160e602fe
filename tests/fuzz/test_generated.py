"""Generated requests to the API, and that they would find something."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.entry.rest.contracts import CONTRACTS
from tests.entry.api import Reply
from tests.fuzz.application import Spoil
from tests.fuzz.cases import boundaries, run
from tests.fuzz.world import World

OPERATIONS = {f"{contract.method} {contract.path}" for contract in CONTRACTS}
CASES = 2000
SEED = 1
"""Fixed: what a test run finds depends on the product alone. `make fuzz` draws another each time."""


def test_every_answer_is_as_described() -> None:
    result = run(CASES, SEED)
    assert result.failures == {}
    assert result.cases >= CASES
    assert result.operations.keys() == OPERATIONS
    # Of the others, which succeed depends on the seed: each has its own tests.
    assert {
        "POST /jobs 201",
        "POST /jobs/{job_id}/cancel 202",
        "GET /jobs/{job_id}/objects 200",
    } <= result.statuses.keys()


def test_every_boundary_is_where_it_is_said_to_be() -> None:
    result = boundaries()
    assert result.failures == {}
    assert result.cases > 200
    assert result.operations.keys() == OPERATIONS


def test_there_is_something_to_answer_with() -> None:
    """Empty lists would be as described whatever is described."""
    world = World.make()
    with world.api.over(world.api.env):
        world.api.scope = "read write administer operate"
        found = {
            name: len(rows)
            for path in (
                "/jobs",
                f"/jobs/{world.job_ids[2]}/objects",
                "/endpoints",
                "/audit",
                "/feeds",
                "/webhooks",
                "/regions",
                "/leases",
            )
            for name, rows in world.api.get(path).json.items()
            if isinstance(rows, list)
        }
        outcomes = world.api.get(f"/jobs/{world.job_ids[2]}").json["outcomes"]
    assert all(found.values()), found
    assert outcomes.keys() == {"COPIED", "UNCHANGED", "DENIED"}


def test_a_run_can_be_repeated() -> None:
    first, second = run(60, SEED), run(60, SEED)
    assert first == second


def _changed(status: int, change: Callable[[Reply], Reply]) -> Spoil:
    return lambda reply: change(reply) if reply.status == status else reply


def _body(change: Callable[[Any], object]) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, body=json.dumps(change(reply.json)).encode())


def _header(name: str, value: str) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, headers={**reply.headers, name: value})


BARE = {"content-type": "application/json"}
UNKNOWN = {"type": "urn:eft:problem:Unheard"}
FAULTS = {
    "a crash": (_changed(202, lambda reply: replace(reply, status=500)), "Server error"),
    "an unknown status": (_changed(202, lambda reply: replace(reply, status=299)), "Undocumented status code"),
    "another type": (_changed(404, _header("content-type", "text/plain")), "Undocumented Content-Type"),
    "no JSON": (_changed(202, lambda reply: replace(reply, body=b"{")), "JSON deserialization error"),
    "an unknown problem": (_changed(404, _body(lambda body: {**body, **UNKNOWN})), "Response violates schema"),
    "no id": (_changed(201, _body(lambda body: {**body, "id": None})), "Response violates schema"),
    "no location": (_changed(201, lambda reply: replace(reply, headers=BARE)), "Missing required response headers"),
    "all accepted": (_changed(400, lambda _: Reply(200, BARE, b"{}")), "Schema-violating request accepted"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_would_be_found(fault: str) -> None:
    # Hypothesis draws from constants of the modules that are loaded. So which cases a seed gives depends on the tests
    # that ran before, and one run of 200 cases may lack the kind that shows the fault.
    spoil, said = FAULTS[fault]
    found: set[str] = set()
    for seed in range(SEED, SEED + 8):
        found |= run(200, seed, spoil).failures.keys()
        if any(said in name for name in found):
            return
    pytest.fail(f"not found in 8 runs; found: {sorted(found)}")
