"""A plan's predictions are compared with what its job then does: requests to S3, counted where they arrive."""

from collections import Counter
from dataclasses import replace

import pytest

from chalicelib.core.estimate import requests
from chalicelib.core.jobs import JobState
from chalicelib.protocol.scan import KEYS_A_LIST_IS_WORTH
from chalicelib.steps import plan
from simulation.memory.env import EAST, TARGET, TENANT
from tests.steps.world import SMALL, World

EXACT = ("CopyObject", "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload")
TOLERANCE = 0.1
"""The tolerance for all other operations. In addition, each range may differ by as many keys as are looked at one by
one, where a LIST isn't worth it."""
HANDFUL = KEYS_A_LIST_IS_WORTH


def counted(world: World) -> Counter[str]:
    """Return the requests since the last call, without those that sweeps send every minute."""
    requests_by_operation = Counter(
        str(operation) for operation, _, key in world.faults.calls if not key.startswith(("heartbeat/", "keys/"))
    )
    world.faults.calls.clear()
    return requests_by_operation


@pytest.mark.parametrize("small", [1, 7, 60, 600])
@pytest.mark.parametrize("large", [0, 9])
@pytest.mark.parametrize("same", [0, 40])
def test_requests_of_copying_are_as_predicted(small: int, large: int, same: int) -> None:
    world = World(policy=replace(SMALL, partition_rows=20, split_entries_per_run=10))
    for number in range(small):
        world.put(f"in/a/s{number:04d}", b"x" * (number % 30))
    for number in range(large):
        world.put(f"in/a/l{number:04d}", b"x" * (41 + 10 * number))
    for number in range(same):
        world.put(f"in/a/u{number:04d}", b"x")
        world.put(f"out/b/u{number:04d}", b"x", TARGET[EAST])
    spec = world.submit("a/", "b/", planned_first=True)
    world.pump()
    planning = counted(world)
    summary = plan.get_plan(world.observer, TENANT, spec.job_id).summary
    assert summary is not None
    predicted = requests(summary, spec)
    world.faults.calls.clear()
    plan.approve(world.west, TENANT, spec.job_id)
    world.pump()
    assert world.terminal(spec).state is JobState.SUCCEEDED, "no sweep was needed"
    copying = counted(world)
    for operation in EXACT:
        assert copying[operation] == predicted.copying.get(operation, 0)
    for operation in ("PutObject", "ListObjectsV2", "GetObject", "HeadObject"):
        for actual, prediction in ((copying, predicted.copying), (planning, predicted.planning)):
            assert (
                abs(actual[operation] - prediction.get(operation, 0))
                <= HANDFUL * summary.ranges + TOLERANCE * actual[operation]
            ), (
                operation,
                dict(actual),
                dict(prediction),
            )
