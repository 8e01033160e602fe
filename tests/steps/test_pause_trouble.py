"""A job is paused at any moment, a process dies at any call of a pause or a resume, answers are lost, and both Regions
get requests at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from chalicelib.core.desired_state import PauseLogKind
from chalicelib.core.errors import Retry
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.ports import Env
from chalicelib.steps import control
from simulation.memory.env import EAST, TENANT, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.calls import Act, Crash, crash, lose_answer, refuse
from tests.steps.everywhere import at_every_call
from tests.steps.pausing import LOOK_MS, begun, log_of, pause, pausing, resume, slow_world, state
from tests.steps.turns import Turns
from tests.steps.world import HOUR, MINUTE, World

Ask = Callable[[World, JobSpec, str], JobState]
WORLDS: dict[str, Callable[[], World]] = {"quick": World, "slow": slow_world}


def ended(world: World, spec: JobSpec) -> JobSpec:
    """Let the job end, as `prefix_job.run` does."""
    world.calls.paused = True
    world.settle()
    world.tidy()
    return spec


def is_open(world: World, spec: JobSpec) -> bool:
    return world.records(spec).terminal() is None


# --- at every moment ----------------------------------------------------------------------------------------------


def paused_for_an_hour(world: World) -> JobSpec:
    """Pause the job once an act has paused it at some call. What is under way ends, and then nothing may move for an
    hour."""
    spec = prefix_job.submit_until_accepted(world)
    world.run(LOOK_MS)
    if world.calls.fired and is_open(world, spec):
        world.calls.paused = True
        pausing(world)("")  # It counts only if the first one came before the job was accepted.
        world.run(LOOK_MS)
        moved = begun(world), world.records(spec).snapshot()
        world.run(HOUR)
        assert (begun(world), world.records(spec).snapshot()) == moved
        assert {state(world, spec, region) for region in (WEST, EAST)} == {JobState.PAUSED}
        resume(world, spec, EAST)
    return ended(world, spec)


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
def test_a_job_is_paused_at_any_moment_and_resumed(make: Callable[[], World]) -> None:
    paused_runs = 0
    for world, spec, call in at_every_call(lambda: prefix_job.filled(make()), paused_for_an_hour, pausing, least=80):
        prefix_job.check(world, spec, call)
        kinds = [entry.kind for entry in log_of(world, spec)]
        assert kinds == [PauseLogKind.PAUSE, PauseLogKind.RESUME][: len(kinds)], call
        paused_runs += len(kinds) == 2
    assert paused_runs >= 20


# --- at every call of pausing and of resuming ---------------------------------------------------------------------


def half_way() -> World:
    """Return a world in which copying takes time, so that there is something left to pause. Calls are not counted
    yet."""
    world = prefix_job.filled(slow_world())
    world.calls.paused = True
    return world


def request_until_answered(world: World, spec: JobSpec, ask: Ask, region: str) -> None:
    """Send the request until it is answered, as a client does. The process that answers may die at one of these
    calls."""
    world.calls.paused = False
    try:
        for _ in range(5):
            try:
                ask(world, spec, region)
                break
            except Retry:
                world.clock.advance(1000)
    except Crash as died:
        world.crashes.append(str(died))
    finally:
        world.calls.paused = True


def pausing_in_trouble(world: World) -> JobSpec:
    spec = world.submit("a/", "b/")
    second = Rule(
        operation=Operation.COPY, first=2, act=lambda: request_until_answered(world, spec, pause, WEST), error=None
    )
    world.faults.rule(second)
    world.run(10 * MINUTE)
    if is_open(world, spec):
        assert world.records(spec).desired_state().paused
        assert {state(world, spec, region) for region in (WEST, EAST)} == {JobState.PAUSED}
        resume(world, spec, EAST)
    return ended(world, spec)


def resuming_in_trouble(world: World) -> JobSpec:
    spec = world.submit("a/", "b/")
    world.faults.rule(Rule(operation=Operation.COPY, first=2, act=lambda: pause(world, spec), error=None))
    world.run(HOUR)
    request_until_answered(world, spec, resume, EAST)
    if world.records(spec).desired_state().paused:
        resume(world, spec, EAST)  # Its owner sees that it is still paused.
    resumed_ms = world.clock.now_ms()
    world.settle()
    assert world.terminal(spec).settled_ms - resumed_ms <= 6 * MINUTE, "copying alone takes two"
    return ended(world, spec)


def consistent(world: World, spec: JobSpec, call: str) -> list[PauseLogKind]:
    prefix_job.check(world, spec, call)
    kinds = [entry.kind for entry in log_of(world, spec)]
    assert kinds == [PauseLogKind.PAUSE, PauseLogKind.RESUME][: len(kinds)], call
    return kinds


@pytest.mark.parametrize("run", [pausing_in_trouble, resuming_in_trouble], ids=["pausing", "resuming"])
def test_a_crash_at_any_call(run: Callable[[World], JobSpec]) -> None:
    for world, spec, call in at_every_call(half_way, run, lambda _: crash, least=7):
        consistent(world, spec, call)
        assert world.crashes, call


@pytest.mark.parametrize(("act", "after"), [(lose_answer, True), (refuse, False)], ids=["answer-lost", "refused"])
@pytest.mark.parametrize("run", [pausing_in_trouble, resuming_in_trouble], ids=["pausing", "resuming"])
def test_an_answer_is_lost_at_any_call_and_the_client_asks_again(
    run: Callable[[World], JobSpec], act: Act, after: bool
) -> None:
    for world, spec, call in at_every_call(half_way, run, lambda _: act, after=after, least=7):
        assert consistent(world, spec, call) == [PauseLogKind.PAUSE, PauseLogKind.RESUME], call


def test_a_worker_dies_after_the_job_was_resumed() -> None:
    """The job is paused half way and resumed, and then a worker dies at any call."""

    def run(world: World) -> JobSpec:
        spec = world.submit("a/", "b/")
        world.faults.rule(Rule(operation=Operation.COPY, first=2, act=lambda: pause(world, spec), error=None))
        world.run(HOUR)
        resume(world, spec, EAST)
        world.calls.paused = False
        world.settle()
        return ended(world, spec)

    for world, spec, call in at_every_call(half_way, run, lambda _: crash, least=60):
        consistent(world, spec, call)


# --- both Regions at once -----------------------------------------------------------------------------------------

WATCHED = frozenset({"head", "list", "create", "get", "put_observation"})
WISHES: dict[str, tuple[str, str]] = {
    "pause-and-pause": ("p", "p"),
    "pause-and-resume": ("p", "r"),
    "to-and-fro": ("prp", "rpr"),
    "many": ("prprprpr", "pprrpprr"),
}


@pytest.mark.parametrize("wishes", WISHES.values(), ids=WISHES)
@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_both_regions_are_asked_at_once(wishes: tuple[str, str], paused: bool) -> None:
    """In each of twenty interleavings, the pause log has no gaps, and pauses and resumes alternate. Both Regions show
    what its last entry says, and the job goes on from there."""
    lasts = set()
    for turn in range(20):
        world = prefix_job.filled(slow_world())
        spec = world.submit("a/", "b/")
        if paused:
            pause(world, spec)
        lengths = [1 + turn % 7, 1 + turn // 3, 1 + turn % 3, 2, 1, 3, 1, 1, 2, 4, 1]
        turns = Turns(lengths)
        turns.run((asking(world, turns, 0, spec, wishes[0]), asking(world, turns, 1, spec, wishes[1])))
        kinds = [entry.kind for entry in log_of(world, spec)]
        assert [entry.number for entry in log_of(world, spec)] == list(range(1, len(kinds) + 1)), turn
        assert kinds == [PauseLogKind.PAUSE, PauseLogKind.RESUME] * (len(kinds) // 2) + [PauseLogKind.PAUSE] * (
            len(kinds) % 2
        )
        last = world.records(spec).desired_state().paused
        assert last is (len(kinds) % 2 == 1), turn
        world.run(10 * MINUTE)
        assert is_open(world, spec) is last, turn
        if last:
            assert {state(world, spec, region) for region in (WEST, EAST)} == {JobState.PAUSED}, turn
            resume(world, spec)
        prefix_job.check(world, ended(world, spec))
        lasts.add((last, len(kinds)))
    assert len(lasts) == 1 if wishes == ("p", "p") else lasts


def asking(world: World, turns: Turns, number: int, spec: JobSpec, wishes: Sequence[str]) -> Callable[[], None]:
    env: Env = (world.west, world.east)[number]
    store = turns.tap(number, world.store, WATCHED.__contains__)
    ledger = turns.tap(number, world.ledger, WATCHED.__contains__)
    tapped = replace(env, store=store, ledger=ledger)

    def work() -> None:
        for wish in wishes:
            (control.pause if wish == "p" else control.resume)(tapped, TENANT, spec.job_id)

    return work
