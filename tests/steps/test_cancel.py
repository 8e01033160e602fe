"""A cancelled job: nothing more is copied, everything that was copied is accounted for, and the job ends."""

import pytest

from chalicelib.core.errors import NoSuchUpload
from chalicelib.core.ids import object_id
from chalicelib.core.jobs import CancelMode, JobSpec, JobState
from chalicelib.core.manifests import Manifest
from chalicelib.core.registers import Mark, Registration
from chalicelib.core.rows import Method, Outcome
from chalicelib.ports import UploadRef
from chalicelib.protocol.records import ControlRecords
from chalicelib.steps import control
from simulation.memory.env import EAST, TARGET, TENANT
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from tests.steps import prefix_job
from tests.steps.calls import Act, Crash, crash
from tests.steps.everywhere import at_every_call
from tests.steps.world import FOREVER_MS, MINUTE, World


def run(world: World) -> JobSpec:
    spec = prefix_job.submit_until_accepted(world)
    world.settle()
    world.calls.paused = True
    world.tidy()
    return spec


def cancel(world: World) -> Act:
    """Return an act that cancels each accepted job, because a client knows a job's id only then."""

    def act(_: str) -> None:
        for job_id in world.ledger.jobs:
            control.cancel(world.observer, TENANT, job_id)

    return act


def check(world: World, spec: JobSpec, call: str) -> JobState:
    end = world.terminal(spec)
    for key, outcome in world.outcomes(spec).items():
        written = world.written(key.replace("in/a", "out/b"))
        assert outcome in (Outcome.COPIED, Outcome.UNCHANGED, Outcome.CANCELLED), (call, key)
        assert len(written) == (outcome is Outcome.COPIED), (call, key, outcome)
    cancelled = Outcome.CANCELLED in world.outcomes(spec).values() or len(world.outcomes(spec)) < 6
    assert end.state is (JobState.CANCELLED if cancelled else JobState.SUCCEEDED), call
    assert world.all_uploads() == [], call
    assert world.dead_letters == [], call
    return end.state


def test_a_job_is_cancelled_at_any_moment() -> None:
    states = {
        check(world, spec, call)
        for world, spec, call in at_every_call(lambda: prefix_job.filled(World()), run, cancel, least=80)
    }
    assert states == {JobState.CANCELLED, JobState.SUCCEEDED}


def cancel_and_let_others_end_it(world: World) -> Act:
    def act(_: str) -> None:
        cancel(world)("")
        world.run(45 * MINUTE)

    return act


def test_a_worker_that_wakes_up_after_the_cancel_can_not_complete_an_upload() -> None:
    """The worker is paused at any call. Meanwhile the job is cancelled, and others end it. (A CopyObject can't be
    recalled: it is only known that its object was not there when the row was decided.)"""

    outcomes = set()

    def make() -> World:
        return prefix_job.filled(World(runtime_ms=FOREVER_MS))

    for world, spec, call in at_every_call(make, run, cancel_and_let_others_end_it, least=80):
        outcome = world.outcomes(spec).get("in/a/2-large")
        assert len(world.written("out/b/2-large")) == (outcome is Outcome.COPIED), call
        assert all(len(world.written(key)) <= 1 for key in prefix_job.DELIVERED), call
        assert world.all_uploads() == [], call
        outcomes.add(outcome)
    assert outcomes == {None, Outcome.COPIED, Outcome.CANCELLED}  # None: it was cancelled before it was planned.


def test_once_a_row_is_cancelled_its_upload_can_not_be_completed_any_more() -> None:
    """The Complete of a worker that seems dead arrives when the row has just been decided."""
    world = World()
    world.put("in/a/large", bytes(range(90)))
    world.faults.rule(Rule(operation=Operation.COMPLETE, act=lambda: crash("before Complete"), error=None))
    spec = world.submit("a/", "b/")
    world.pump()
    (upload,) = world.store.uploads(TARGET[EAST])
    ref = UploadRef(TARGET[EAST], upload.key, upload.upload_id)
    parts = world.store.list_parts(ref)
    refused: list[NoSuchUpload] = []

    def late_complete() -> None:
        with pytest.raises(NoSuchUpload) as raised:
            world.store.complete(ref, parts, None, 90, None)
        refused.append(raised.value)

    decided = f"jobs/{spec.job_id}/copied/r-000001/000002"
    world.faults.rule(Rule(operation=Operation.PUT, key=decided, act=late_complete, error=None))
    cancel(world)("")
    world.settle()
    assert len(refused) == 1
    assert world.outcomes(spec) == {"in/a/large": Outcome.CANCELLED}
    assert world.written("out/b/large") == []


def test_a_worker_that_finds_the_register_closed_aborts_before_it_decides() -> None:
    """Found by the model (CLOSED_NO_ABORT): the worker that closed the register died before its abort. The next worker
    had begun before the cancel and only found the register closed. The first one's Complete is still under way."""
    world = World(redeliver=False)
    world.put("in/a/large", bytes(range(90)))
    world.faults.rule(Rule(operation=Operation.COMPLETE, act=lambda: crash("before Complete"), error=None))
    spec = world.submit("a/", "b/")
    world.pump()
    (upload,) = world.store.uploads(TARGET[EAST])
    ref, row = UploadRef(TARGET[EAST], upload.key, upload.upload_id), "r-000001/0"
    parts = world.store.list_parts(ref)
    register = object_id(TARGET[EAST].name, upload.key)

    def cancelled_and_closed() -> None:
        cancel(world)("")
        closed = Registration(Mark.CLOSED, spec.job_id, row, "", "another")
        ControlRecords(world.observer, EAST).registered(register, 2, closed)

    refused: list[NoSuchUpload] = []

    def late_complete() -> None:
        with pytest.raises(NoSuchUpload) as raised:
            world.store.complete(ref, parts, None, 90, None)
        refused.append(raised.value)

    world.faults.rule(Rule(operation=Operation.LIST, key=f"reg/{register}/", act=cancelled_and_closed, error=None))
    receipt = f"jobs/{spec.job_id}/done/r-000001"
    world.faults.rule(Rule(operation=Operation.PUT, key=receipt, act=late_complete, error=None))
    world.settle()
    assert len(refused) == 1
    assert world.outcomes(spec) == {"in/a/large": Outcome.CANCELLED}
    assert world.written("out/b/large") == []


@pytest.mark.parametrize("lose", [False, True], ids=["messages", "no-messages"])
def test_a_cancelled_job_ends_soon(lose: bool) -> None:
    world = prefix_job.filled(World(lose=lose))
    spec = world.submit("a/", "b/")
    cancel(world)("")
    world.settle()
    assert world.terminal(spec).state is JobState.CANCELLED
    assert world.terminal(spec).settled_ms - spec.created_ms <= 15 * MINUTE


@pytest.mark.parametrize("at", [6, 16, 30, 45, 60])
def test_a_worker_dies_while_the_job_is_being_cancelled(at: int) -> None:
    """The job is cancelled at some call, and a worker dies at any later one."""

    def cancelled_run(world: World) -> JobSpec:
        """Cancel at the `at`-th call, then count anew, and let the planned act happen at a later call."""
        planned_at, planned_act = world.calls.at, world.calls.before

        def cancel_and_count(_: str) -> None:
            cancel(world)("")
            world.calls.plan(planned_at, before=planned_act)

        world.calls.plan(at, before=cancel_and_count)
        return run(world)

    for world, spec, call in at_every_call(
        lambda: prefix_job.filled(World(redeliver=False)), cancelled_run, lambda _: crash, least=15
    ):
        check(world, spec, call)


def test_cancelling_twice_and_in_both_regions_and_when_it_has_ended() -> None:
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")
    for region in world.regions.values():
        for _ in range(2):
            control.cancel(region.env, TENANT, spec.job_id)
    world.settle()
    assert control.cancel(world.west, TENANT, spec.job_id).progress.state is JobState.CANCELLED
    world.settle()
    assert len(world.store.versions(world.records(spec).control.bucket, f"jobs/{spec.job_id}/terminal")) == 1


def test_the_answer_to_a_cancel_is_lost() -> None:
    world = prefix_job.filled(World())
    spec = world.submit("a/", "b/")
    world.calls.plan(1, after=crash, is_counted=lambda label: label == "store.create")
    with pytest.raises(Crash):
        control.cancel(world.east, TENANT, spec.job_id)
    world.settle()
    assert world.terminal(spec).state is JobState.CANCELLED
    assert world.records(spec).control.region == EAST


# --- strict -------------------------------------------------------------------------------------------------------


def run_strict(world: World) -> JobSpec:
    spec = prefix_job.submit_until_accepted(world, cancel_mode=CancelMode.STRICT)
    world.settle()
    world.calls.paused = True
    world.tidy()
    return spec


def test_what_a_strict_job_calls_cancelled_never_arrives() -> None:
    """A worker sleeps at any call, and wakes up when the job has long ended. Empty objects don't count, because their
    upload has no part that could be recalled."""
    outcomes = set()

    def make() -> World:
        return prefix_job.filled(World(runtime_ms=FOREVER_MS))

    for world, spec, call in at_every_call(make, run_strict, cancel_and_let_others_end_it, least=80):
        for key, outcome in world.outcomes(spec).items():
            if not key.endswith("0-empty"):
                assert len(world.written(key.replace("in/a", "out/b"))) == (outcome is Outcome.COPIED), (call, key)
            outcomes.add(outcome)
        assert world.all_uploads() == [], call
    assert {Outcome.COPIED, Outcome.CANCELLED} <= outcomes


def test_a_strict_job_delivers_the_same() -> None:
    world = prefix_job.filled(World())
    spec = run_strict(world)
    prefix_job.check(world, spec)
    entries = ControlRecords(world.observer, EAST).job(spec.job_id).entries_from("")
    methods = {row.key: row.method for entry in entries if isinstance(entry, Manifest) for row in entry.rows}
    assert methods == {
        "in/a/0-empty": Method.COPY,
        "in/a/1-small": Method.MULTIPART,
        "in/a/2-large": Method.MULTIPART,
        "in/a/3-same": Method.NONE,
        "in/a/4-changed": Method.MULTIPART,
        "in/a/5-more": Method.MULTIPART,
    }


def test_what_a_strict_job_could_not_verify_it_does_not_copy() -> None:
    world = World()
    world.put("in/a/old", b"from before S3 added checksums", algorithm=None)
    world.put("in/a/new", b"today's")
    spec = run_strict(world)
    assert world.outcomes(spec) == {"in/a/old": Outcome.FAILED, "in/a/new": Outcome.COPIED}
    assert world.terminal(spec).state is JobState.PARTIAL
    assert world.written("out/b/old") == []
