"""Rows that nothing decides: their job ends all the same, with bounded work, and says what was seen."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from chalicelib.core.errors import EftError, NoAnswer, NotFound, PreconditionFailed, Retry
from chalicelib.core.jobs import CancelMode, JobSpec, JobState
from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Outcome
from chalicelib.core.settle import is_void
from chalicelib.core.tries import REST_MAX_MS, REST_MIN_MS, rest_ms
from chalicelib.steps import control
from simulation.memory.env import EAST, TARGET, TENANT
from simulation.memory.faults import Rule, When
from simulation.memory.operations import Operation
from tests.steps import deleting, prefix_job
from tests.steps.calls import crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import HOUR, MINUTE, SMALL, World
from tools.verify_report import Verified

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
    """Let S3 answer each of these operations on a key with this error, for ever."""

    def before_call(operation: Operation, _bucket: str, called: str) -> None:
        if operation in operations and called == key:
            raise error()

    world.store.before_call = before_call


def claims(world: World, spec: JobSpec) -> int:
    return sum(world.records(spec).snapshot().claims.values())


def check_given_up(world: World, spec: JobSpec, error: str) -> None:
    rows = world.rows(spec)
    assert rows[STUCK].outcome is Outcome.FAILED
    assert error in rows[STUCK].detail
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
    """Before the bound on rounds, there were 462 claims in two hours, and no end."""
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
    """Each try takes so long that no round ever comes to its last try."""
    world = filled()

    def slow(operation: Operation, _bucket: str, key: str) -> None:
        if operation is Operation.COPY and key == "out/b/stuck":
            world.clock.advance(5 * MINUTE)
            raise NoAnswer("ReadTimeoutError")

    world.store.before_call = slow
    spec = world.submit("a/", "b/")
    world.settle()
    check_given_up(world, spec, "ReadTimeoutError")


@pytest.mark.parametrize("keys", [(STUCK,), (*NEIGHBOURS, STUCK)], ids=len)
def test_a_bucket_that_answers_nobody_fails_no_row(keys: tuple[str, ...]) -> None:
    """A Region is away for two days. The job waits, with bounded work, and then goes on by itself."""
    world = World(policy=replace(SMALL, row_rounds_max=4))
    for key in keys:
        world.put(key, b"x")
    away: set[str] = set()

    def before_call(_operation: Operation, bucket: str, _key: str) -> None:
        if bucket in away:
            raise NoAnswer("ConnectTimeoutError")

    spec = world.submit("a/", "b/")
    away |= {spec.source.bucket.name, spec.target.bucket.name}

    def plan_first(operation: Operation, bucket: str, key: str) -> None:
        if operation is Operation.COPY:  # The job is planned. From here on nobody answers.
            world.store.before_call = before_call
            raise NoAnswer("ConnectTimeoutError")

    world.store.before_call = plan_first
    world.run(48 * HOUR)
    assert world.records(spec).snapshot().done == frozenset()
    assert claims(world, spec) < 48 * 4 + 20
    world.store.before_call = None
    world.settle()
    assert set(world.outcomes(spec).values()) == {Outcome.COPIED}
    assert world.terminal(spec).state is JobState.SUCCEEDED


def test_objects_that_are_looked_at_wait_for_a_bucket_that_answers_nobody() -> None:
    """Objects that are planned one by one wait as well. A round that got no answer is no round in vain."""
    world = World(policy=replace(SMALL, row_rounds_max=4))
    world.put(STUCK, b"x")
    spec = world.submit("a/", "b/", keys=("stuck",))

    def before_call(_operation: Operation, bucket: str, _key: str) -> None:
        if bucket == spec.source.bucket.name:
            raise Retry("ServiceUnavailable")

    world.store.before_call = before_call
    world.run(24 * HOUR)
    assert world.records(spec).terminal() is None
    world.store.before_call = None
    world.settle()
    assert world.outcomes(spec) == {STUCK: Outcome.COPIED}


def test_a_last_try_whose_answer_was_lost_is_no_failure() -> None:
    """The row is looked at once more before it is given up."""
    world = filled()
    rule = world.faults.rule(Rule(Operation.COPY, key="out/b/stuck", times=None))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.rows(spec)[STUCK].outcome is Outcome.FAILED
    world = filled()
    world.faults.rule(Rule(Operation.COPY, key="out/b/stuck", times=rule.matched - 1))
    world.faults.rule(Rule(Operation.COPY, key="out/b/stuck", first=rule.matched, when=When.AFTER))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == dict.fromkeys((*NEIGHBOURS, STUCK), Outcome.COPIED)


def test_messages_that_come_twice_do_not_double_the_rounds() -> None:
    world = filled()
    world.deliver_times = 2
    always(world, {Operation.COPY}, lambda: Retry("SlowDown"))
    spec = world.submit("a/", "b/")
    world.run(2 * HOUR)
    assert claims(world, spec) < 20
    assert len([mail for mail in world.mail if mail.queue == "copy"]) <= 4


# --- set aside ----------------------------------------------------------------------------------------------------


def test_neighbours_get_their_receipt_at_once() -> None:
    """Formerly they got none for as long as the row was tried, which was for ever."""
    world = filled()
    always(world, {Operation.COPY}, lambda: Retry("SlowDown", "please reduce"))
    spec = world.submit("a/", "b/")
    world.run(3 * MINUTE)
    receipt = world.records(spec).receipt("r-000001")
    assert receipt is not None
    ends = {row.key: row.outcome for row in receipt.rows if row.outcome.is_end}
    assert ends == dict.fromkeys(NEIGHBOURS, Outcome.COPIED)
    progress = control.get_job(world.west, TENANT, spec.job_id).progress
    assert (progress.objects_planned, progress.objects_decided) == (4, 3)
    assert (progress.partitions, progress.partitions_done) == (2, 1)
    (waited,) = progress.awaited
    assert (waited.key, waited.rounds) == (STUCK, 4)
    assert "SlowDown: please reduce" in waited.seen
    page = control.list_objects(world.west, TENANT, spec.job_id, None, None, 100)
    assert [view.key for view in page.objects] == ["in/a/0", "in/a/1", "in/a/z", STUCK]
    world.settle()
    check_given_up(world, spec, "SlowDown")
    end = world.terminal(spec)
    assert (end.planned, end.partitions) == (4, 2)
    assert end.counts == {Outcome.COPIED: 3, Outcome.FAILED: 1}
    assert control.get_job(world.west, TENANT, spec.job_id).progress.awaited == ()


def test_rows_set_aside_go_on_with_their_parts() -> None:
    """The upload keeps its name. No part that was copied before is copied again, and nothing is left behind."""
    world = filled(LARGE)
    broken = True

    def before_call(operation: Operation, _bucket: str, key: str) -> None:
        if broken and operation is Operation.COMPLETE and key == "out/b/stuck":
            raise Retry("InternalError")

    world.store.before_call = before_call
    spec = world.submit("a/", "b/")
    world.run(10 * MINUTE)
    assert world.records(spec).snapshot().entries == {"r-000001", "r-000001w"}
    begun = [call for call in world.faults.calls if call[0] is Operation.CREATE_UPLOAD]
    broken = False
    world.settle()
    assert [call for call in world.faults.calls if call[0] is Operation.CREATE_UPLOAD] == begun
    assert len(begun) == 1
    assert set(world.outcomes(spec).values()) == {Outcome.COPIED}
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert world.all_uploads() == []


@pytest.mark.parametrize("mode", [CancelMode.FAST, CancelMode.STRICT])
def test_a_cancel_ends_rows_set_aside(mode: CancelMode) -> None:
    world = filled(LARGE)
    always(world, {Operation.COMPLETE}, lambda: Retry("InternalError"))
    spec = world.submit("a/", "b/", cancel_mode=mode)
    world.run(10 * MINUTE)
    control.cancel(world.west, TENANT, spec.job_id)
    world.run(5 * MINUTE)
    assert world.outcomes(spec)[STUCK] is Outcome.CANCELLED
    assert world.terminal(spec).state is JobState.CANCELLED
    assert world.all_uploads() == []


def test_a_resumed_job_goes_on_with_rows_set_aside_at_once() -> None:
    world = filled()
    always(world, {Operation.COPY}, lambda: Retry("SlowDown"))
    spec = world.submit("a/", "b/")
    world.run(2 * HOUR)
    control.pause(world.west, TENANT, spec.job_id)
    world.run(HOUR)
    world.store.before_call = None
    control.resume(world.west, TENANT, spec.job_id)
    world.run(2 * MINUTE)
    assert world.terminal(spec).state is JobState.SUCCEEDED


def test_a_retry_delivers_what_was_set_aside_and_given_up() -> None:
    world = filled()
    always(world, {Operation.COPY}, lambda: Retry("SlowDown"))
    spec = world.submit("a/", "b/")
    world.settle()
    world.store.before_call = None
    retry, _ = control.retry(world.west, TENANT, spec.job_id, "again")
    world.settle()
    assert world.outcomes(retry) == {STUCK: Outcome.COPIED}


@pytest.mark.parametrize("seed", range(12))
def test_whichever_rows_fail_and_whenever(seed: int) -> None:
    """Each row has one end: a row that fails for ever is FAILED, and all others arrive."""
    chance = random.Random(seed)
    world = World(policy=replace(SMALL, row_rounds_max=6))
    keys = [f"in/a/{number}" for number in range(10)]
    for key in keys:
        world.put(key, LARGE if chance.random() < 0.3 else b"x")
    failing_ms = {key: chance.choice((0, 0, 60_000, 300_000, 10**15)) for key in keys}
    begun_ms = world.clock.now_ms()
    operations = {Operation.COPY, chance.choice((Operation.CREATE_UPLOAD, Operation.COMPLETE))}

    def before_call(operation: Operation, _bucket: str, called: str) -> None:
        failing_for_ms = failing_ms.get(called.replace("out/b", "in/a"), 0)
        if operation in operations and world.clock.now_ms() - begun_ms < failing_for_ms:
            raise Retry("SlowDown")

    world.store.before_call = before_call
    world.shuffle = chance
    world.deliver_times = chance.choice((1, 2))
    spec = world.submit("a/", "b/")
    world.settle()
    expected = {key: Outcome.FAILED if failing_ms[key] == 10**15 else Outcome.COPIED for key in keys}
    assert {key: expected[key] for key in keys} == world.outcomes(spec)
    assert world.terminal(spec).planned == len(keys)
    assert world.all_uploads() == []
    check_report(world, spec)


def check_report(world: World, spec: JobSpec) -> None:
    """Assert that the report has each row once, and that its receipts are those of the hash chain."""
    verified_report = Verified()
    records = world.records(spec)
    for partition_id in records.receipts_after(""):
        receipt = records.receipt(partition_id)
        body = records.receipt_bytes(partition_id)
        assert receipt is not None
        assert body is not None
        if not is_void(receipt):
            verified_report.add(receipt, body)
    verified_report.end(world.terminal(spec).chain_sha256)
    assert verified_report.rows == world.terminal(spec).planned


# --- planning and verifying ---------------------------------------------------------------------------------------


def test_a_source_that_can_never_be_looked_at_fails_its_row_alone() -> None:
    """Planning needs a HEAD of the source. Formerly the range was never planned any further."""
    world = World(policy=replace(SMALL, row_rounds_max=8))
    for key in NEIGHBOURS:
        world.put(key, key.encode())
    world.put(STUCK, LARGE)
    always(world, {Operation.HEAD}, lambda: Retry("InternalError"), key=STUCK)
    spec = world.submit("a/", "b/")
    world.settle(10 * HOUR)
    rows = world.rows(spec)
    assert rows[STUCK].outcome is Outcome.FAILED
    assert "can't be looked at" in rows[STUCK].detail
    assert "after 8 rounds: InternalError" in rows[STUCK].detail
    assert {rows[key].outcome for key in NEIGHBOURS} == {Outcome.COPIED}
    assert world.terminal(spec).state is JobState.PARTIAL


def test_one_silence_in_the_last_round_gives_no_neighbour_up() -> None:
    """Found by simulation: a neighbour whose look got no answer just once, in that round, failed with the stuck row."""
    world = World(policy=replace(SMALL, row_rounds_max=3))
    neighbour = f"{STUCK}-neighbour"
    for key in (STUCK, neighbour):
        world.put(key, LARGE)
    silences: list[str] = []

    def before_call(operation: Operation, _bucket: str, key: str) -> None:
        if operation is Operation.HEAD and key == STUCK:
            raise Retry("InternalError")
        if operation is Operation.HEAD and key == neighbour and world.events("look-given-up") and not silences:
            silences.append(key)
            raise NoAnswer("ReadTimeoutError")

    world.store.before_call = before_call
    spec = world.submit("a/", "b/")
    world.settle(10 * HOUR)
    assert silences == [neighbour]
    assert {key: row.outcome for key, row in world.rows(spec).items()} == {
        STUCK: Outcome.FAILED,
        neighbour: Outcome.COPIED,
    }


def test_a_target_that_can_never_be_verified_fails_its_row_alone() -> None:
    world = World(policy=replace(SMALL, row_rounds_max=8))
    for key in (*NEIGHBOURS, STUCK):
        world.put(key, key.encode())
    copied: set[str] = set()

    def before_call(operation: Operation, _bucket: str, key: str) -> None:
        if operation is Operation.COPY:
            copied.add(key)
        if operation is Operation.HEAD and key == "out/b/stuck" and key in copied:
            raise Retry("InternalError")

    world.store.before_call = before_call
    spec = world.submit("a/", "b/")
    world.settle(10 * HOUR)
    rows = world.rows(spec)
    assert rows[STUCK].outcome is Outcome.FAILED
    assert "can't be read to verify it" in rows[STUCK].detail
    assert {rows[key].outcome for key in NEIGHBOURS} == {Outcome.COPIED}
    assert world.terminal(spec).state is JobState.PARTIAL


def test_a_list_that_can_never_be_read_ends_its_job() -> None:
    world = World(policy=replace(SMALL, row_rounds_max=8))
    world.put(STUCK, b"x")
    spec = world.submit("a/", "b/", keys=("stuck",))
    listed = spec.listed
    assert listed is not None

    def before_call(operation: Operation, bucket: str, key: str) -> None:
        if operation is Operation.GET and (bucket, key) == (listed.bucket.name, listed.key):
            raise Retry("InternalError")

    world.store.before_call = before_call
    world.settle(10 * HOUR)
    end = world.terminal(spec)
    assert end.state is JobState.FAILED
    assert "after 8 rounds" in end.reason


# --- feeds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [Operation.COPY, Operation.HEAD])
def test_an_object_event_that_is_never_delivered_ends_and_is_told(operation: Operation) -> None:
    """Formerly the event came again every ten seconds, for ever. Other objects of its feed don't wait for it."""
    world = World(policy=replace(SMALL, row_rounds_max=8))
    key = "in/inbox/stuck"
    refused = key if operation is Operation.HEAD else "out/inbox/stuck"
    tries = 0

    def before_call(called: Operation, _bucket: str, name: str) -> None:
        nonlocal tries
        if called is operation and name == refused:
            tries += 1
            raise Retry("InternalError")

    world.store.before_call = before_call
    world.drop(key, b"x")
    world.drop("in/inbox/other", b"x")
    world.run(10 * HOUR)
    assert world.body("out/inbox/other") == b"x"
    assert not [mail for mail in world.mail if mail.queue == "intake"]
    assert tries <= 8 * SMALL.attempts
    (failed,) = [d for region in world.regions.values() for d in region.notifier.failed]
    assert (failed.key, failed.status) == (key, DeliveryStatus.FAILED)
    assert "after 8 tries" in failed.detail


def test_an_object_event_waits_for_a_bucket_that_answers_nobody() -> None:
    world = World(policy=replace(SMALL, row_rounds_max=8))

    def away(_operation: Operation, bucket: str, _key: str) -> None:
        if bucket == TARGET[EAST].name:
            raise NoAnswer("ConnectTimeoutError")

    world.store.before_call = away
    world.drop("in/inbox/a", b"x")
    world.run(10 * HOUR)
    world.store.before_call = None
    world.run(MINUTE)
    assert world.body("out/inbox/a") == b"x"


# --- deletes, and death at any moment -----------------------------------------------------------------------------


def test_an_object_that_can_not_be_deleted_ends_and_keeps_no_others() -> None:
    world = deleting.filled(World(policy=replace(SMALL, row_rounds_max=6)))
    stray = deleting.STRAYS[0]
    always(world, {Operation.DELETE}, lambda: Retry("InternalError"), key=stray)
    spec = deleting.submit(world)
    world.settle()
    rows = world.rows(spec)
    assert rows[deleting.source_of(stray)].outcome is Outcome.FAILED
    assert {rows[deleting.source_of(key)].outcome for key in deleting.STRAYS[1:]} == {Outcome.DELETED}
    assert world.records(spec).snapshot().entries >= {"d-000001", "d-000001w"}
    end = world.terminal(spec)
    assert (end.state, end.counts[Outcome.DELETED]) == (JobState.PARTIAL, len(deleting.STRAYS) - 1)
    check_report(world, spec)


@pytest.mark.parametrize("redeliver", [True, False])
def test_whoever_dies_while_rows_are_set_aside(redeliver: bool) -> None:
    """A worker dies at every call. Each row has one end, and nothing is left."""

    def make() -> World:
        world = World(policy=replace(SMALL, row_rounds_max=4, set_aside_after_rounds=1), redeliver=redeliver)
        world.put("in/a/0", b"x")
        world.put(STUCK, LARGE)
        always(world, {Operation.COMPLETE}, lambda: Retry("InternalError"))
        return world

    for world, spec, call in at_every_call(make, prefix_job.run, lambda _: crash, least=60):
        assert world.outcomes(spec) == {"in/a/0": Outcome.COPIED, STUCK: Outcome.FAILED}, call
        assert world.terminal(spec).planned == 2, call
        assert len(world.written("out/b/0")) == 1, call
        assert world.all_uploads() == [], call
        check_report(world, spec)


def test_uploads_whose_answer_can_never_be_read_are_bounded_and_collected() -> None:
    """Each try leaves an upload that no record names. Formerly there were 924 of them in an hour."""
    world = World(policy=replace(SMALL, row_rounds_max=6))
    world.put(STUCK, LARGE)
    world.faults.rule(
        Rule(
            operation=Operation.CREATE_UPLOAD, times=None, when=When.AFTER, error=partial(Retry, "ResponseParserError")
        )
    )
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {STUCK: Outcome.FAILED}
    assert 0 < len(world.all_uploads()) <= 6 * SMALL.attempts
    world.tidy()
    assert world.all_uploads() == []
