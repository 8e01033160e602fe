"""A numbered log: the first writer of a number has it, even if answers are lost. Readers find the last entry, however
many pages there are."""

from dataclasses import replace

import pytest

from chalicelib.core.errors import NotFound, Retry
from chalicelib.core.tries import Waited
from chalicelib.protocol.numbered_log import NumberedLog
from chalicelib.protocol.records import ControlRecords
from simulation.memory.env import CONTROL, EAST
from simulation.memory.faults import Rule, When
from simulation.memory.operations import Operation
from tests.steps.test_feed_backfill import ShortPages
from tests.steps.world import World


def log_of(world: World) -> NumberedLog[Waited]:
    control = ControlRecords(replace(world.observer, store=ShortPages(world.faults)), EAST)
    return NumberedLog(control, "log/", Waited)


def entry(number: int, worker: str = "a") -> Waited:
    return Waited("job", "subject", number, EAST, 5, worker)


def test_an_empty_log() -> None:
    log = log_of(World())
    assert (log.last_number(), log.last_position(), log.last(), log.get(1)) == (0, None, None, None)
    assert not log.has(1)
    assert log.written_ms(1) is None
    assert (log.positions(), log.entries()) == ([], {})


def test_a_lost_race_is_an_answer() -> None:
    log = log_of(World())
    assert log.append(1, entry(1, "a"))
    assert not log.append(1, entry(1, "b"))
    assert log.get(1) == entry(1, "a")
    assert log.append(2, entry(2, "b"))
    assert log.last() == entry(2, "b")


def test_a_log_of_many_pages_with_gaps() -> None:
    world = World()
    log = log_of(world)
    numbers = [1, 2, 5, 9, 10, 100, 99_999]
    for number in reversed(numbers):
        world.clock.sleep_ms(1000)
        assert log.append(number, entry(number))
    assert [position.number for position in log.positions()] == numbers
    assert all(log.written_ms(position.number) == position.written_ms for position in log.positions())
    assert log.last_number() == 99_999
    assert log.entries() == {number: entry(number) for number in numbers}


@pytest.mark.parametrize("when", list(When))
def test_a_lost_answer_is_looked_up(when: When) -> None:
    world = World()
    log = log_of(world)
    world.faults.rule(Rule(Operation.PUT, CONTROL[EAST].name, when=when))
    assert log.append(1, entry(1, "a")), "whether it was written or not, it is one's own"
    assert not log.append(1, entry(1, "b"))


def test_a_rivals_entry_behind_a_lost_answer() -> None:
    world = World()
    log = log_of(world)
    rule = Rule(Operation.PUT, CONTROL[EAST].name, act=lambda: world.store.put(CONTROL[EAST], log.key(1), b"another"))
    world.faults.rule(rule)
    assert not log.append(1, entry(1))


def test_a_bucket_that_is_away() -> None:
    world = World()
    log = log_of(world)
    world.faults.rule(Rule(Operation.PUT, CONTROL[EAST].name, times=None))
    with pytest.raises(Retry):
        log.append(1, entry(1))


def test_an_entry_that_vanishes_is_no_shorter_log() -> None:
    world = World()
    log = log_of(world)
    for number in (1, 2):
        log.append(number, entry(number))

    def vanish() -> None:
        world.observer.store.delete(CONTROL[EAST], log.key(2))

    world.faults.rule(Rule(Operation.GET, CONTROL[EAST].name, log.key(1), error=None, act=vanish))
    with pytest.raises(NotFound, match=log.key(2)):
        log.entries()
