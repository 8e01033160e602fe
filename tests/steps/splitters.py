"""Both Regions split one job at once. They take turns at chosen calls."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from chalicelib.core.jobs import JobSpec
from chalicelib.ports import PlanRange
from chalicelib.steps import split
from simulation.memory.clock import SequentialIds
from simulation.memory.env import EAST
from tests.steps.turns import Turns
from tests.steps.world import MINUTE, World


def split_side_by_side(world: World, spec: JobSpec, lengths: Sequence[int]) -> None:
    """Let two splitters split the job's first range. `lengths` is that of `Turns`."""
    turns = Turns(lengths)

    def splitter(number: int) -> Callable[[], None]:
        name = f"splitter-{number}"
        store = turns.tap(number, world.store, lambda _: True)
        env = replace(world.west if number else world.east, store=store, worker=name, ids=SequentialIds(name))
        return lambda: split.run(env, PlanRange(spec.job_id, EAST, "r"), world.clock.now_ms() + 15 * MINUTE)

    turns.run((splitter(0), splitter(1)))
