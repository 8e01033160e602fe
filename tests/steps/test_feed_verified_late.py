"""Deliveries whose message to verify was lost: the sweep verifies them after all."""

import pytest

from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.ports import Delivery
from simulation.memory.env import EAST, TARGET, WEST
from simulation.memory.operations import Operation
from tests.steps.calls import crash
from tests.steps.everywhere import at_every_call
from tests.steps.feeding import FEED, later
from tests.steps.world import HOUR, MINUTE, World


def deliveries_of(world: World, key: str) -> list[Delivery]:
    return list(world.ledger.get_deliveries(FEED, key))


@pytest.mark.parametrize("dead", [False, True], ids=["alive", "its Region is dead"])
def test_what_stays_copied_is_verified_after_all(dead: bool) -> None:
    """The worker died before it sent the message. The event was acknowledged, so it never came again."""
    world = World()
    world.sweep(WEST)
    if dead:
        world.regions[WEST].next_sweep_ms += 10**12
    world.drop("in/1", b"x")
    world.lose = True
    world.pump()
    assert [d.status for d in deliveries_of(world, "in/1")] == [DeliveryStatus.COPIED]
    world.lose = False
    world.run(40 * MINUTE if dead else 25 * MINUTE)
    assert DeliveryStatus.VERIFIED in {d.status for d in deliveries_of(world, "in/1")}


def test_what_was_taken_away_before_it_was_verified_is_looked_at_a_few_times_only() -> None:
    world = World()
    world.sweep(WEST)
    world.drop("in/1", b"x")
    world.lose = True
    world.pump()
    world.lose = False
    world.store.remove(TARGET[EAST], "out/1")
    world.run(30 * MINUTE)
    [delivery] = deliveries_of(world, "in/1")
    assert (delivery.status, delivery.detail) == (DeliveryStatus.COPIED, "taken away before it was verified")
    heads = world.store.requests[Operation.HEAD, TARGET[EAST].name]
    world.run(2 * HOUR)
    assert world.store.requests[Operation.HEAD, TARGET[EAST].name] - heads <= 2


def test_trouble_while_deliveries_are_gone_through() -> None:
    def make() -> World:
        world = World()
        world.sweep(WEST)
        world.drop("in/1", b"x")
        world.lose = True
        world.pump()
        world.lose = False
        world.calls.labels.clear()
        return world

    def run(world: World) -> None:
        world.clock.advance(11 * MINUTE)
        world.sweep(WEST)
        world.pump()
        later(world)

    def is_reading_or_sending(label: str) -> bool:
        return label.startswith(("ledger.list", "queue.", "ledger.put_observation"))

    for world, _, call in at_every_call(make, run, lambda _: crash, is_counted=is_reading_or_sending, least=3):
        assert DeliveryStatus.VERIFIED in {d.status for d in deliveries_of(world, "in/1")}, call
