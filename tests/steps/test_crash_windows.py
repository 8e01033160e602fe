"""The code's own comments name windows off the ordinary path. A worker dies in each of them, at every call.

The ordinary path (accepting, planning, claiming, copying, recording, verifying, settling) is in test_crash.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from chalicelib.core.errors import Conflict, Retry
from chalicelib.core.ids import object_id
from chalicelib.core.jobs import JobState
from chalicelib.core.registers import Mark, Registration
from chalicelib.core.rows import Outcome
from chalicelib.protocol.records import ControlRecords
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.calls import crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import MINUTE, SMALL, World

LARGE = bytes(range(70))
KEYS = [f"in/a/{number:02d}" for number in range(14)]


def die_everywhere(make: Callable[[], World], *, least: int, keys: list[str]) -> None:
    """Die at each call, once with messages that come again and once with messages that are lost. Assert that each
    object arrives once."""
    for redeliver in (True, False):

        def remade(redeliver: bool = redeliver) -> World:
            world = make()
            world.redeliver = redeliver
            return world

        for world, spec, call in at_every_call(remade, prefix_job.run, lambda _: crash, least=least):
            assert world.outcomes(spec) == dict.fromkeys(keys, Outcome.COPIED), call
            assert [len(world.written(key.replace("in/a", "out/b"))) for key in keys] == [1] * len(keys), call
            assert world.terminal(spec).state is JobState.SUCCEEDED, call
            assert world.all_uploads() == [], call


def test_while_a_range_is_split() -> None:
    """split: nobody was started for the halves of a range split, or for an entry."""

    def make() -> World:
        world = World(policy=replace(SMALL, partition_rows=2, split_entries_per_run=1))
        for key in KEYS[:5]:
            world.put(key, key.encode())
        return world

    die_everywhere(make, least=80, keys=KEYS[:5])


def test_while_a_partition_is_given_back_for_lack_of_time() -> None:
    """copy: the partition was released, and nobody was started."""

    def make() -> World:
        world = World(policy=replace(SMALL, partition_rows=20))
        for key in KEYS:
            world.put(key, key.encode())

        def slow(operation: Operation, _bucket: str, _key: str) -> None:
            if operation is Operation.COPY:
                world.clock.advance(2 * MINUTE)

        world.store.before_call = slow
        return world

    die_everywhere(make, least=50, keys=KEYS)


def test_while_a_throttled_partition_is_given_back() -> None:
    def make() -> World:
        world = World(policy=replace(SMALL, partition_rows=20))
        for key in KEYS[:4]:
            world.put(key, key.encode())
        world.faults.rule(
            Rule(operation=Operation.COPY, key="out/b/01", times=SMALL.attempts, error=partial(Retry, "SlowDown"))
        )
        return world

    die_everywhere(make, least=30, keys=KEYS[:4])


def test_while_an_upload_that_can_not_be_completed_is_given_up() -> None:
    """multipart: Complete answers 409. The upload is marked dead and aborted, and the next generation is begun."""

    def make() -> World:
        world = World()
        world.put(KEYS[0], LARGE)
        world.faults.rule(Rule(operation=Operation.COMPLETE, error=partial(Conflict, "ConditionalRequestConflict")))
        return world

    die_everywhere(make, least=40, keys=KEYS[:1])


def test_while_an_upload_that_lost_its_generation_is_aborted() -> None:
    """multipart: a TOMBSTONE of somebody else fills the generation between CreateMultipartUpload and registration."""

    def make() -> World:
        world = World()
        world.put(KEYS[0], LARGE)

        def fence() -> None:
            tombstone = Registration(Mark.TOMBSTONE, "", "", "another", "tombstone")
            register = object_id(TARGET[EAST].name, KEYS[0].replace("in/a", "out/b"))
            ControlRecords(world.observer, EAST).registered(register, 1, tombstone)

        world.faults.rule(Rule(operation=Operation.CREATE_UPLOAD, act=fence, error=None))
        return world

    die_everywhere(make, least=40, keys=KEYS[:1])


def test_while_an_unregistered_upload_is_fenced_and_aborted() -> None:
    """sweep: it dies between the TOMBSTONE and the Abort, or before either."""

    def make() -> World:
        world = World()
        world.store.open_upload(TARGET[EAST], "out/b/00", world.store.principal)
        world.clock.advance(SMALL.stale_upload_ms)
        return world

    def run(world: World) -> None:
        world.run(5 * MINUTE)

    for world, _, call in at_every_call(make, run, lambda _: crash, least=20):
        assert world.all_uploads() == [], call


def test_while_every_row_is_decided_without_copying() -> None:
    """split: a manifest needs no copying, and has no receipt yet."""

    def make() -> World:
        world = World()
        for key in KEYS:
            world.put(key, b"same")
            world.put(key.replace("in/a", "out/b"), b"same", TARGET[EAST])
        return world

    for redeliver in (True, False):
        for world, spec, call in at_every_call(
            partial(with_redelivery, make, redeliver), prefix_job.run, lambda _: crash
        ):
            assert world.outcomes(spec) == dict.fromkeys(KEYS, Outcome.UNCHANGED), call
            assert world.terminal(spec).state is JobState.SUCCEEDED, call


def with_redelivery(make: Callable[[], World], redeliver: bool) -> World:
    world = make()
    world.redeliver = redeliver
    return world


def test_while_the_leftover_upload_of_a_failed_row_is_aborted() -> None:
    """verify: the row has its receipt, and its upload is still open."""

    def make() -> World:
        world = World(redeliver=False)
        world.put(KEYS[0], LARGE)
        world.put(KEYS[1], b"small")
        world.faults.rule(Rule(operation=Operation.COMPLETE, times=None, error=partial(RuntimeError, "a bug of ours")))
        return world

    for world, spec, call in at_every_call(make, prefix_job.run, lambda _: crash, least=40):
        assert world.outcomes(spec) == {KEYS[0]: Outcome.FAILED, KEYS[1]: Outcome.COPIED}, call
        assert world.all_uploads() == [], call


@pytest.mark.parametrize("count", [1, 3])
def test_while_the_feeds_of_a_dead_region_are_caught_up(count: int) -> None:
    """catch-up: events were sent, and this was not noted. Intake finds what it has delivered before."""

    def make() -> World:
        world = World()
        world.calls.paused = True
        world.sweep(WEST)
        world.calls.paused = False
        world.regions[WEST].next_sweep_ms += 10**12  # West is dead, and took none of these events.
        for number in range(count):
            world.put(f"in/inbox/{number}", b"x", SOURCE[WEST])
        return world

    def run(world: World) -> None:
        world.run(15 * MINUTE)

    for world, _, call in at_every_call(make, run, lambda _: crash, least=60):
        for number in range(count):
            assert len(world.written(f"out/inbox/{number}")) == 1, (call, number)


def test_the_client_gets_no_answer_and_asks_again() -> None:
    """control: the job is accepted, but is on no list, and nobody was started."""

    def submitting(label: str) -> bool:
        return label in ("store.create", "store.get", "ledger.put_job", "queue.send")

    for world, spec, call in at_every_call(
        lambda: prefix_job.filled(World(lose=True)), prefix_job.run, lambda _: crash, is_counted=submitting
    ):
        prefix_job.check(world, spec, call)
