"""A feed's owner, for tests. The owner repeats a request that got no answer."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.core.errors import Retry
from chalicelib.ports import Env
from chalicelib.protocol.feedlog import feeds_to_backfill
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


def request_backfill(world: World, since_ms: int = 0, token: str = "token", region: str = WEST) -> feeds.BackfillView:
    return ask(world, lambda env: feeds.request_backfill(env, OWNER, FEED, since_ms, token), region)


def backfills(world: World, region: str = EAST) -> tuple[feeds.BackfillView, ...]:
    return feeds.get_feed(world.regions[region].env, TENANT, FEED).backfills


def to_backfill(world: World) -> list[tuple[str, list[str]]]:
    return [
        backfill_names
        for region in (WEST, EAST)
        for backfill_names in feeds_to_backfill(ControlRecords(world.observer, region))
    ]


def arrived(world: World) -> dict[str, int]:
    """Return how often each key at the target was written."""
    return {key: len(world.written(key)) for key in world.store.keys(TARGET[EAST])}


def later(world: World, times: int = 4) -> None:
    """Let about an hour pass, with a sweep now and then. Its calls are not counted, so no fault is put there."""
    world.calls.paused = True
    for _ in range(times):
        for region in (WEST, EAST):
            world.sweep(region)
        world.pump()
        world.clock.advance(16 * MINUTE)
        world.pump()
    world.calls.paused = False
