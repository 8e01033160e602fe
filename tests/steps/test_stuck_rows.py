"""Rows that nothing decides: their job ends all the same, in bounded work, and says what was seen."""

from collections.abc import Callable

import pytest

from chalicelib.core.errors import EftError, NoAnswer, NotFound, PreconditionFailed, Retry
from chalicelib.core.model import JobSpec, JobState, Outcome
from chalicelib.core.policy import Policy
from chalicelib.core.tries import REST_MAX_MS, REST_MIN_MS, rest_ms
from simulation.memory.operations import Operation
from tests.steps.world import HOUR, MINUTE, SMALL, World

STUCK = "in/a/stuck"
NEIGHBOURS = ("in/a/0", "in/a/1", "in/a/z")
LARGE = b"0123456789" * 5


def filled(body: bytes = b"x") -> World:
    world = World()
    for key in NEIGHBOURS:
        world.put(key, key.encode())
    world.put(STUCK, body)
    return world


def always(world: World, operations: set[Operation], error: Callable[[], EftError], key: str = "out/b/stuck") -> None:
    """S3 answers each of these operations on a key so, for ever."""

    def before_call(operation: Operation, _bucket: str, called: str) -> None:
        if operation in operations and called == key:
            raise error()

    world.store.before_call = before_call


def claims(world: World, spec: JobSpec) -> int:
    return sum(world.records(spec).survey().claims.values())


def check_given_up(world: World, spec: JobSpec, seen: str) -> None:
    rows = world.rows(spec)
    assert rows[STUCK].outcome is Outcome.FAILED
    assert seen in rows[STUCK].detail
    assert f"after {SMALL.row_rounds_max} rounds" in rows[STUCK].detail
    assert {rows[key].outcome for key in NEIGHBOURS} == {Outcome.COPIED}
    assert world.terminal(spec).state is JobState.PARTIAL
    assert world.all_uploads() == []
    assert world.open_jobs() == []


def test_at_defaults_a_row_is_tried_for_some_six_hours() -> None:
    policy = Policy()
    rests = sum(rest_ms(rounds) for rounds in range(1, policy.row_rounds_max))
    assert 6 * HOUR <= rests <= 6.5 * HOUR
    assert rest_ms(1) == REST_MIN_MS
    assert rest_ms(policy.row_rounds_max) == REST_MAX_MS


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (Operation.COPY, b"x"),
        (Operation.CREATE_UPLOAD, LARGE),
        (Operation.UPLOAD_PART_COPY, LARGE),
        (Operation.COMPLETE, LARGE),
    ],
)
def test_an_object_that_always_answers_503_ends_its_job(operation: Operation, body: bytes) -> None:
    """Before: 462 claims in two hours, and no end."""
    world = filled(body)
    always(world, {operation}, lambda: Retry("SlowDown", "please reduce"))
    spec = world.submit("a/", "b/")
    world.run(2 * HOUR)
    assert claims(world, spec) < 20, "rests grow"
    world.settle()
    check_given_up(world, spec, "SlowDown")
    assert claims(world, spec) <= SMALL.row_rounds_max + 2


@pytest.mark.parametrize("error", [NotFound("NoSuchKey"), PreconditionFailed("PreconditionFailed")])
def test_a_refusal_while_both_sides_look_as_planned_ends(error: EftError) -> None:
    world = filled()
    always(world, {Operation.COPY}, lambda: error)
    spec = world.submit("a/", "b/")
    world.settle()
    check_given_up(world, spec, "RefusedAsPlanned")


def test_an_object_that_hangs_while_its_bucket_answers_ends() -> None:
    world = filled()
    always(world, {Operation.COPY}, lambda: NoAnswer("ReadTimeoutError"))
    spec = world.submit("a/", "b/")
    world.settle()
    check_given_up(world, spec, "ReadTimeoutError")


def test_an_object_that_uses_up_every_invocation_ends() -> None:
    """Each try takes so long that no round ever comes to its last one."""
    world = filled()

    def slow(operation: Operation, _bucket: str, key: str) -> None:
        if operation is Operation.COPY and key == "out/b/stuck":
            world.clock.advance(5 * MINUTE)
            raise NoAnswer("ReadTimeoutError")

    world.store.before_call = slow
    spec = world.submit("a/", "b/")
    world.settle()
    check_given_up(world, spec, "ReadTimeoutError")


def test_a_bucket_that_answers_nobody_fails_no_row() -> None:
    """A Region is away for two days: the job waits, in bounded work, and then goes on by itself."""
    world = filled()
    away: set[str] = set()

    def before_call(_operation: Operation, bucket: str, _key: str) -> None:
        if bucket in away:
            raise NoAnswer("ConnectTimeoutError")

    spec = world.submit("a/", "b/")
    away |= {spec.source.bucket.name, spec.target.bucket.name}

    def fill_first(operation: Operation, bucket: str, key: str) -> None:
        if operation is Operation.COPY:  # Planned; from here on nobody answers.
            world.store.before_call = before_call
            raise NoAnswer("ConnectTimeoutError")

    world.store.before_call = fill_first
    world.run(48 * HOUR)
    assert world.records(spec).survey().done == frozenset()
    assert claims(world, spec) < 48 * 4 + 20
    world.store.before_call = None
    world.settle()
    assert set(world.outcomes(spec).values()) == {Outcome.COPIED}
    assert world.terminal(spec).state is JobState.SUCCEEDED


def test_messages_that_come_twice_do_not_double_the_rounds() -> None:
    world = filled()
    world.deliver_times = 2
    always(world, {Operation.COPY}, lambda: Retry("SlowDown"))
    spec = world.submit("a/", "b/")
    world.run(2 * HOUR)
    assert claims(world, spec) < 20
    assert len([mail for mail in world.mail if mail.queue == "copy"]) <= 4
