"""The newest version wins, whoever is asleep meanwhile."""

import pytest

from simulation.memory.env import EAST, TARGET
from tests.steps.calls import Act
from tests.steps.everywhere import at_every_call
from tests.steps.world import FOREVER_MS, World

KEY, TARGET_KEY = "in/inbox/report", "out/inbox/report"


@pytest.mark.parametrize("newer", [b"v2", b"v2" * 30], ids=["small", "large"])
@pytest.mark.parametrize("older", [b"old", b"old" * 20], ids=["small", "large"])
@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_a_worker_that_was_asleep_does_not_bring_an_older_version_back(
    encryption: str, older: bytes, newer: bytes
) -> None:
    """Found by simulation: asleep between its looks at source and destination, it pinned the older version, and that it
    might replace what others had delivered of the newer one meanwhile."""

    def others_deliver_the_newer_one(world: World) -> Act:
        def act(_: str) -> None:
            world.drop(KEY, newer)
            world.settle()

        return act

    def make() -> World:
        return World(versioned_sources=True, encryption=encryption, runtime_ms=FOREVER_MS)

    def run(world: World) -> None:
        world.drop(KEY, older)
        world.settle()

    for world, _, call in at_every_call(make, run, others_deliver_the_newer_one, least=8):
        assert world.body(TARGET_KEY) == newer, call
        bodies = [version.body for version in world.written(TARGET_KEY)]
        assert bodies in ([newer], [older, newer]), call
        assert world.store.current(TARGET[EAST], TARGET_KEY) is not None
