"""Test the decisions of replication: queues, stamps, last writer wins, lag, stalls. There is no clock and no I/O."""

import json
import random
from typing import Any

import pytest

from local.gateway.launch import EAST, WEST
from local.gateway.replication import BadReplication, Change, ItemId, Replication, direction

WE, EW = direction(WEST, EAST), direction(EAST, WEST)
ITEM = ItemId("t", '{"pk": {"S": "a"}}')


class Tables:
    """Both Regions' tables, and the deliveries between them."""

    def __init__(self, **settings: Any) -> None:
        self.replication = Replication([WEST, EAST])
        self.configure(**({"lag_ms": 100, "jitter_ms": 0} | settings))
        self.items: dict[str, dict[ItemId, Any]] = {WEST: {}, EAST: {}}

    def configure(self, **settings: Any) -> None:
        self.replication.configure(json.dumps(settings).encode())

    def write(self, region: str, value: str | None, now_ms: int, item: ItemId = ITEM) -> None:
        image = None if value is None else {"v": {"S": value}}
        self.items[region][item] = image
        self.replication.written(region, item, {}, image, now_ms)

    def deliver(self, now_ms: int, limit: int = 25) -> None:
        for name, (_, target) in self.replication.directions.items():
            while changes := self.replication.take(name, now_ms, limit):
                winning = self.replication.winning(name, changes)
                for change in winning:
                    self.items[target][change.item] = change.image
                self.replication.settle(name, changes, winning)

    def value(self, region: str, item: ItemId = ITEM) -> str | None:
        image = self.items[region].get(item)
        return None if image is None else str(image["v"]["S"])

    def queue(self, name: str, now_ms: int = 0) -> dict[str, int]:
        queues: Any = self.replication.report(now_ms)["queues"]
        return dict(queues[name])


def test_a_write_shows_in_the_other_region_after_the_lag_only() -> None:
    tables = Tables()
    tables.write(WEST, "1", 1000)
    tables.deliver(1099)
    assert tables.value(EAST) is None
    assert tables.queue(WE, 1099) == {"waiting": 1, "oldest_ms": 99, "delivered": 0, "superseded": 0}
    tables.deliver(1100)
    assert tables.value(EAST) == "1"
    assert tables.queue(WE, 1100) == {"waiting": 0, "oldest_ms": 0, "delivered": 1, "superseded": 0}
    assert tables.queue(EW)["delivered"] == 0, "what came from elsewhere isn't sent back"


def test_the_last_writer_wins_in_both_regions() -> None:
    tables = Tables()
    tables.write(WEST, "west", 1000)
    tables.write(EAST, "east", 1001)
    tables.deliver(1101)
    assert tables.value(WEST) == tables.value(EAST) == "east"
    assert tables.queue(WE)["superseded"] == 1


def test_at_the_same_moment_the_name_of_the_region_decides() -> None:
    tables = Tables()
    tables.write(WEST, "west", 1000)
    tables.write(EAST, "east", 1000)
    tables.deliver(1100)
    assert tables.value(WEST) == tables.value(EAST) == "west"


def test_within_a_region_the_order_of_writing_decides() -> None:
    tables = Tables(jitter_ms=500)
    for number in range(50):
        tables.write(WEST, str(number), 1000)
    for now_ms in range(1100, 1601):
        tables.deliver(now_ms, limit=1)
    assert tables.value(EAST) == "49"


def test_a_write_is_later_than_what_its_region_has_seen() -> None:
    """East writes at the very moment of a write of West that it already has. East's own write must not lose against
    it."""
    tables = Tables(lag_ms=0)
    tables.write(WEST, "west", 1000)
    tables.deliver(1000)
    tables.write(EAST, "east", 1000)
    tables.deliver(1000)
    assert tables.value(WEST) == tables.value(EAST) == "east"


def test_a_delete_replicates_and_an_older_write_does_not_undo_it() -> None:
    tables = Tables()
    tables.write(WEST, "1", 1000)
    tables.deliver(1100)
    tables.configure(stalled=[EW])
    tables.write(EAST, "2", 1200)
    tables.write(WEST, None, 1300)
    tables.deliver(1400)
    assert tables.value(EAST) is None
    tables.configure(stalled=[])
    tables.deliver(1500)
    assert tables.value(WEST) is tables.value(EAST) is None


def test_a_stalled_direction_keeps_all_and_delivers_on_release() -> None:
    tables = Tables(stalled=[WE])
    items = [ItemId("t", str(number)) for number in range(60)]
    for item in items:
        tables.write(WEST, "1", 1000, item)
    tables.write(EAST, "east", 1000)
    tables.deliver(9000)
    assert tables.queue(WE, 9000) == {"waiting": 60, "oldest_ms": 8000, "delivered": 0, "superseded": 0}
    assert tables.value(WEST) == "east", "the other direction goes on"
    assert tables.replication.due_ms(WE) is None
    tables.configure(stalled=[])
    assert tables.replication.due_ms(WE) == 1100
    tables.deliver(9000)
    assert {tables.value(EAST, item) for item in items} == {"1"}


def test_a_returning_regions_last_writes_lose_against_later_ones() -> None:
    tables = Tables()
    tables.write(WEST, "before its death", 1000)
    tables.configure(stalled=[WE])
    tables.write(EAST, "by the survivor", 5000)
    tables.deliver(6000)
    tables.configure(stalled=[])
    tables.deliver(60_000)
    assert tables.value(WEST) == tables.value(EAST) == "by the survivor"


def test_of_one_item_only_the_last_due_write_is_sent() -> None:
    tables = Tables()
    for number in range(10):
        tables.write(WEST, str(number), 1000 + number)
    (change,) = tables.replication.take(WE, 2000, 25)
    assert change.image == {"v": {"S": "9"}}
    assert tables.queue(WE)["superseded"] == 9


def test_what_could_not_be_delivered_is_tried_again() -> None:
    tables = Tables()
    tables.write(WEST, "1", 1000)
    changes: list[Change] = tables.replication.take(WE, 1100, 25)
    assert tables.queue(WE)["waiting"] == 1, "what is under way still counts as waiting"
    tables.replication.put_back(WE, changes, 2000)
    assert tables.replication.due_ms(WE) == 2000
    tables.deliver(2000)
    assert tables.value(EAST) == "1"


def test_jitter_is_drawn_from_the_seed() -> None:
    def dues(seed: int) -> list[int | None]:
        due_times = []
        for number in range(20):
            tables = Tables(jitter_ms=1000, seed=seed + number)
            tables.write(WEST, "1", 0)
            due_times.append(tables.replication.due_ms(WE))
        return due_times

    assert dues(7) == dues(7)
    assert len(set(dues(7))) > 10
    assert all(due is not None and 100 <= due <= 1100 for due in dues(7))


@pytest.mark.parametrize("seed", range(20))
def test_both_tables_are_alike_once_everything_is_delivered(seed: int) -> None:
    rng = random.Random(seed)
    tables = Tables(lag_ms=50, jitter_ms=200, seed=seed)
    items = [ItemId("t", str(number)) for number in range(3)]
    now_ms = 0
    for number in range(300):
        now_ms += rng.choice([0, 0, 1, 20])
        value = None if rng.random() < 0.1 else str(number)
        tables.write(rng.choice([WEST, EAST]), value, now_ms, rng.choice(items))
        if rng.random() < 0.3:
            tables.deliver(now_ms, limit=rng.choice([1, 25]))
        if rng.random() < 0.05:
            tables.configure(stalled=rng.sample([WE, EW], rng.randint(0, 2)))
    tables.configure(stalled=[])
    tables.deliver(now_ms + 1000)
    assert tables.items[WEST] == tables.items[EAST]


def test_memory_is_bounded_and_what_is_still_to_come_is_remembered() -> None:
    """Other items are written and delivered meanwhile. The version of the contested item must outlast them."""
    replication = Replication([WEST, EAST], versions_max=100)
    replication.configure(b'{"lag_ms": 0, "jitter_ms": 0, "stalled": ["%s"]}' % WE.encode())
    replication.written(WEST, ITEM, {}, {"v": {"S": "old"}}, 1000)
    replication.written(EAST, ITEM, {}, {"v": {"S": "new"}}, 1001)
    for number in range(300):
        replication.written(EAST, ItemId("t", str(number)), {}, None, 1002 + number)
        changes = replication.take(EW, 2000, 100)
        replication.settle(EW, changes, changes)
    replication.configure(b'{"stalled": []}')
    (old_write,) = replication.take(WE, 2000, 100)
    assert replication.winning(WE, [old_write]) == []
    replication.settle(WE, [old_write], [])
    for number in range(300):
        replication.written(EAST, ItemId("t", str(number)), {}, None, 2000 + number)
        changes = replication.take(EW, 3000, 100)
        replication.settle(EW, changes, changes)
    assert len(replication._versions) <= 1200, "bounded once nothing old waits"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body: Invalid JSON"),
        (b'{"lag_ms": -1}', "lag_ms: Input should be greater"),
        (b'{"lag": 1}', "lag: Extra inputs"),
        (b'{"stalled": ["west->east"]}', "stalled: no such direction: west->east; us-gov-west-1->us-gov-east-1"),
    ],
)
def test_wrong_settings_are_refused_in_words(body: bytes, message: str) -> None:
    replication = Replication([WEST, EAST])
    with pytest.raises(BadReplication, match=message):
        replication.configure(body)


def test_settings_that_are_not_given_stay() -> None:
    tables = Tables(lag_ms=7, stalled=[WE])
    tables.configure(jitter_ms=3)
    report = tables.replication.report(0)
    assert (report["lag_ms"], report["jitter_ms"], report["stalled"]) == (7, 3, [WE])
