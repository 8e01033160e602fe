"""A process dies at any call. Afterwards sweeps finish everything, and nothing is written twice.

Each test counts the calls of an undisturbed run and then runs once for each of them, dying just before it. (To die just
after a call is to die before the next one.)
"""

from collections.abc import Callable

import pytest

from tests.steps import prefix_job
from tests.steps.calls import crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import World

MAKERS: dict[str, Callable[[], World]] = {
    "message-comes-again": World,
    "message-is-lost": lambda: World(redeliver=False),
    "versioned-source": lambda: World(versioned_sources=True),
    "kms-target": lambda: World(encryption="aws:kms"),
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_job_survives_a_crash_at_any_call(maker: Callable[[], World]) -> None:
    everywhere = at_every_call(lambda: prefix_job.filled(maker()), prefix_job.run, lambda _: crash, least=80)
    for world, spec, call in everywhere:
        prefix_job.check(world, spec, call)
