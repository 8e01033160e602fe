"""A feed's owner, for tests: asks, and asks again when no answer came."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.core.errors import Retry
from chalicelib.ports import Env
from chalicelib.protocol.feedlog import feeds_to_be_filled
from chalicelib.protocol.records import ControlRecords
from chalicelib.protocol.registering import Author
from chalicelib.steps import feeds
from simulation.memory.env import EAST, TARGET, TENANT, WEST
from tests.steps.calls import Crash
from tests.steps.world import MINUTE, World

T = TypeVar("T")
FEED = "west-to-east"
OWNER = Author(TENANT, "ann", "request-1")


def ask(world: World, work: Callable[[Env], T], region: str = WEST) -> T:
    for _ in range(3):
        try:
            return work(world.regions[region].env)
        except (Crash, Retry):
            continue
    raise AssertionError("no answer")


def pause(world: World, region: str = WEST) -> None:
    assert ask(world, lambda env: feeds.pause_feed(env, OWNER, FEED), region).paused


def resume(world: World, region: str = WEST) -> None:
    assert not ask(world, lambda env: feeds.resume_feed(env, OWNER, FEED), region).paused


def back_fill(world: World, since_ms: int = 0, token: str = "token", region: str = WEST) -> feeds.FillView:
    return ask(world, lambda env: feeds.back_fill(env, OWNER, FEED, since_ms, token), region)


def fills(world: World, region: str = EAST) -> tuple[feeds.FillView, ...]:
    return feeds.get_feed(world.regions[region].env, TENANT, FEED).fills


def to_be_filled(world: World) -> list[tuple[str, list[str]]]:
    return [found for region in (WEST, EAST) for found in feeds_to_be_filled(ControlRecords(world.observer, region))]


def arrived(world: World) -> dict[str, int]:
    """What is at the target, and how often it was written."""
    return {key: len(world.written(key)) for key in world.store.keys(TARGET[EAST])}


def later(world: World, times: int = 4) -> None:
    """An hour, in which sweeps come now and then. Nothing fails in it that is counted."""
    world.calls.paused = True
    for _ in range(times):
        for region in (WEST, EAST):
            world.sweep(region)
        world.pump()
        world.clock.advance(16 * MINUTE)
        world.pump()
    world.calls.paused = False
