"""Each sweep reads some of the registered entries. Other steps read the entries that they need."""

from dataclasses import replace

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.entries import ANY, EntryKind
from chalicelib.protocol.catalog import WALK, prefixes_in, read_catalog
from chalicelib.steps import endpoints
from simulation.memory.env import EAST, SOURCE, TENANT, WEST
from tests.steps.feeding import OWNER
from tests.steps.test_recheck import give, make
from tests.steps.world import SMALL, World


def crowd(world: World, feeds: int) -> None:
    entry = world.registry.entries[EntryKind.FEED, TENANT, "inbox"]
    for number in range(feeds - 1):
        name = f"x{number}"
        body = entry.body.replace("inbox", name).replace('"id":"f-', f'"id":"f-{number}')
        pointers = tuple(
            replace(pointer, at=pointer.at.replace("id:f-", f"id:f-{number}")) for pointer in entry.found_by
        )
        world.registry.entries[EntryKind.FEED, TENANT, name] = replace(entry, name=name, body=body, found_by=pointers)


def test_all_have_their_turn() -> None:
    world = make()
    crowd(world, 7)
    env = replace(world.west, policy=replace(SMALL, catalog_entries_per_sweep=3))
    turns = [set(read_catalog(env).feeds) for _ in range(3)]
    assert [len(turn) for turn in turns] == [3, 3, 1]
    assert len(set().union(*turns)) == 7
    assert set(read_catalog(env).feeds) == turns[0]


def test_where_there_are_few_nothing_is_noted() -> None:
    world = make()
    assert len(read_catalog(world.west).feeds) == 1
    assert world.ledger.get_observation(WALK, WALK, WEST) is None
    assert world.ledger.get_observation(WALK, WALK, EAST) is None


def test_a_removed_endpoints_prefix_is_still_somebodys() -> None:
    """No other endpoint's job may delete what lies there."""
    world = make(feed=False)
    give(world, SOURCE[EAST])
    for name in ("a", "b"):
        end = Endpoint(name, TENANT, SOURCE[EAST], f"{name}/", readable=True, writable=False)
        endpoints.put_endpoint(world.west, OWNER, end, ANY)
    endpoints.remove_endpoint(world.west, OWNER, "a", ANY)
    assert sorted(prefixes_in(world.west, SOURCE[EAST].name)) == ["a/", "b/"]
