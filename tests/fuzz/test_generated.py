"""Test generated requests to the API, and show that they find planted faults."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import pytest

from chalicelib.entry.rest.contracts import CONTRACTS
from tests.fuzz.cases import boundaries, run
from tests.fuzz.faults import FAULTS
from tests.fuzz.world import World

T = TypeVar("T")
OPERATIONS = {f"{contract.method} {contract.path}" for contract in CONTRACTS}
CASES = 2000
SEED = 1
"""The seed is fixed, so that the findings of a test run depend on the product alone. `make fuzz` draws another each
time."""


def _alone(ask: Callable[..., T], *arguments: object) -> T:
    """Return what `ask` returns for `given` in a process of its own.

    Hypothesis draws constants of all modules that are loaded. In the process of the tests a seed would give other cases
    after other tests.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(ask, *arguments).result()


def test_every_answer_is_as_described() -> None:
    result = _alone(run, CASES, SEED)
    assert result.failures == {}
    assert result.cases >= CASES
    assert result.operations.keys() == OPERATIONS
    # The seed decides which of the other operations succeed. Each of them has its own tests.
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
    """Empty lists would be as described, whatever the description says."""
    world = World.make()
    with world.api.over(world.api.env):
        world.api.scope = "read write administer operate"
        lengths = {
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
    assert all(lengths.values()), lengths
    assert outcomes.keys() == {"COPIED", "UNCHANGED", "DENIED"}


def test_a_run_can_be_repeated() -> None:
    first, second = _alone(run, 60, SEED), _alone(run, 60, SEED)
    assert first == second


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_would_be_found(fault: str) -> None:
    failures = _alone(_failures_of, fault)
    assert any(FAULTS[fault][1] in name for name in failures), f"found: {sorted(failures)}"


def _failures_of(fault: str) -> set[str]:
    """Return the names of failures that 300 cases have where the answers are spoiled by `fault`."""
    return set(run(300, SEED, FAULTS[fault][0]).failures)
