"""Running something once for every call that an undisturbed run makes."""

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
    wanted: Callable[[str], bool] = lambda label: True,
    after: bool = False,
    least: int = 1,
) -> Iterator[tuple[World, R, str]]:
    """For every call that `wanted` picks: a new world, in which `act` happens just before it (or after), run to its
    end. Yields the world, what `run` returned, and which call it was."""
    first = make()
    first.calls.labels.clear()  # What making it called.
    first.calls.wanted = wanted
    run(first)
    labels = list(first.calls.labels)
    assert len(labels) >= least, f"only {len(labels)} calls: {labels}"
    for at, label in enumerate(labels, start=1):
        world = make()
        doing = act(world)
        world.calls.plan(at, before=None if after else doing, after=doing if after else None, wanted=wanted)
        result = run(world)
        assert world.calls.fired, f"call {at} ({label}) never came"
        yield world, result, f"{at} {label}"
