"""Run something once for each call that an undisturbed run makes."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from tests.steps.calls import Act
from tests.steps.world import World

R = TypeVar("R")


def at_every_call(
    make: Callable[[], World],
    run: Callable[[World], R],
    act: Callable[[World], Act],
    *,
    is_counted: Callable[[str], bool] = lambda label: True,
    after: bool = False,
    least: int = 1,
) -> Iterator[tuple[World, R, str]]:
    """For each call that is counted, make a new world, run it to its end, and let `act` happen just before the call
    (or after it). Yield the world, the result of `run`, and the call's number and label."""
    first = make()
    first.calls.labels.clear()  # The calls that making it made don't count.
    first.calls.is_counted = is_counted
    run(first)
    labels = list(first.calls.labels)
    assert len(labels) >= least, f"only {len(labels)} calls: {labels}"
    for number, label in enumerate(labels, start=1):
        world = make()
        planned_act = act(world)
        world.calls.plan(
            number, before=None if after else planned_act, after=planned_act if after else None, is_counted=is_counted
        )
        result = run(world)
        assert world.calls.fired, f"call {number} ({label}) never came"
        yield world, result, f"{number} {label}"
