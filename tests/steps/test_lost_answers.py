"""At any call, a request is carried out but its answer is lost, or it is refused. A look decides, and nothing is
written twice."""

from collections.abc import Callable

import pytest

from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.calls import Act, lose_answer, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.world import World

PORTS = ("store", "ledger", "queue", "notifier")
TARGETS: dict[str, Callable[[], World]] = {"sse-s3": World, "kms": lambda: World(encryption="aws:kms")}


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("make", TARGETS.values(), ids=TARGETS)
def test_an_answer_is_lost(make: Callable[[], World], port: str) -> None:
    everywhere(make, port, lose_answer, after=True)


@pytest.mark.parametrize("port", PORTS)
def test_a_call_is_refused(port: str) -> None:
    everywhere(World, port, refuse, after=False)


def everywhere(make: Callable[[], World], port: str, act: Act, *, after: bool) -> None:
    runs = at_every_call(
        lambda: prefix_job.filled(make()),
        prefix_job.run,
        lambda _: act,
        is_counted=lambda label: label.startswith(f"{port}."),
        after=after,
    )
    for world, spec, call in runs:
        prefix_job.check(world, spec, call)


def test_ones_own_record_is_recognised_though_its_answer_was_lost() -> None:
    """No claim is given up, no upload is begun anew, and no entry is left to the sweep. The job doesn't even take
    longer."""
    runs = at_every_call(
        lambda: prefix_job.filled(World()),
        prefix_job.run,
        lambda _: lose_answer,
        is_counted=lambda label: label == "store.create",
        after=True,
        least=10,
    )
    for world, spec, call in runs:
        assert set(world.records(spec).snapshot().claims.values()) == {1}, call
        assert [operation for operation, _, _ in world.faults.calls].count(Operation.CREATE_UPLOAD) == 1, call
        assert world.terminal(spec).settled_ms - spec.created_ms < 1000, call
