"""Open multipart uploads: nobody else's is ever aborted, and none of ours outlives its use by more than the
threshold."""

from dataclasses import replace

import pytest

from chalicelib.core.errors import Conflict, Permanent, Retry
from chalicelib.core.ids import object_id
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.registers import Mark, Registration
from chalicelib.core.rows import Outcome
from chalicelib.ports import SourceRef, UploadRef
from chalicelib.protocol.records import ControlRecords
from simulation.memory.env import EAST, SOURCE, TARGET, WEST
from simulation.memory.faults import Rule
from simulation.memory.operations import Operation
from simulation.memory.state import ACCOUNT, OUTSIDER, WORKER
from tests.steps.calls import crash
from tests.steps.world import HOUR, MINUTE, SMALL, World

KEY, TARGET_KEY, BODY = "in/a/large", "out/b/large", bytes(range(100))
DAY = 24 * HOUR


def world_of() -> World:
    world = World()
    world.put(KEY, BODY)
    return world


def register(world: World) -> dict[int, Registration]:
    return ControlRecords(world.observer, EAST).register(object_id(TARGET[EAST].name, TARGET_KEY))


def halted(world: World, at: Operation, nth: int = 1) -> JobSpec:
    """Submit a job whose first worker dies just before the n-th request of this operation."""

    def die() -> None:
        crash(at)

    world.faults.rule(Rule(operation=at, key=TARGET_KEY, first=nth, act=die, error=None))
    spec = world.submit("a/", "b/")
    world.pump()
    assert world.crashes
    return spec


def test_a_successor_adopts_the_upload_and_copies_only_what_is_missing() -> None:
    world = world_of()
    spec = halted(world, Operation.UPLOAD_PART_COPY, nth=5)
    world.settle()
    calls = [operation for operation, _, key in world.faults.calls if key == TARGET_KEY]
    assert calls.count(Operation.CREATE_UPLOAD) == 1
    assert calls.count(Operation.UPLOAD_PART_COPY) == 7 + 1, "seven parts, and the request that was never sent"
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert world.events("upload-adopted")[0]["kept"] == 4
    assert world.all_uploads() == []


def test_an_upload_that_was_completed_meanwhile_is_not_begun_anew() -> None:
    """The Complete of a superseded worker arrives between its successor's HEAD and ListParts. NoSuchUpload doesn't say
    that the upload was completed, but a HEAD does."""
    world = world_of()
    spec = halted(world, Operation.COMPLETE)

    def late_complete() -> None:
        (upload,) = world.store.uploads(TARGET[EAST])
        ref = UploadRef(TARGET[EAST], TARGET_KEY, upload.upload_id)
        world.store.complete(ref, world.store.list_parts(ref), None, len(BODY), None)

    world.faults.rule(Rule(operation=Operation.LIST_PARTS, key=TARGET_KEY, act=late_complete, error=None))
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert [operation for operation, _, _ in world.faults.calls].count(Operation.CREATE_UPLOAD) == 1
    assert len(world.written(TARGET_KEY)) == 1


def test_a_part_of_another_size_than_planned_is_copied_again() -> None:
    world = world_of()
    source = SourceRef(SOURCE[WEST], KEY, world.put(KEY, BODY).etag)
    spec = halted(world, Operation.UPLOAD_PART_COPY, nth=5)
    (upload,) = world.store.uploads(TARGET[EAST])
    ref = UploadRef(TARGET[EAST], TARGET_KEY, upload.upload_id)
    world.store.upload_part_copy(ref, 2, source, 0, 3, whole=False)
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert [version.body for version in world.written(TARGET_KEY)] == [BODY]
    assert world.events("upload-adopted")[0]["kept"] == 3


def test_the_other_region_adopts_it_too() -> None:
    world = world_of()
    spec = halted(world, Operation.COMPLETE)
    world.mail.clear()
    world.regions[next(iter(world.regions))].next_sweep_ms += DAY  # West is dead.
    world.settle()
    assert world.records(spec).snapshot().claims == {"r-000001": 2}
    claim = world.records(spec).claim("r-000001", 2)
    assert claim is not None
    assert claim.region == EAST
    begun = [key for operation, _, key in world.faults.calls if operation is Operation.CREATE_UPLOAD]
    assert begun.count(TARGET_KEY) == 1
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}


def test_the_partition_ends_within_the_promise_when_its_region_dies() -> None:
    world = world_of()
    spec = halted(world, Operation.COMPLETE)
    world.mail.clear()
    world.regions[next(iter(world.regions))].next_sweep_ms += DAY
    world.settle()
    assert world.terminal(spec).settled_ms - spec.created_ms <= 10 * MINUTE


def test_uploads_of_others_are_never_aborted() -> None:
    world = world_of()
    theirs = [
        world.store.open_upload(TARGET[EAST], TARGET_KEY, OUTSIDER),
        world.store.open_upload(TARGET[EAST], "out/other", OUTSIDER),
        world.store.open_upload(TARGET[EAST], "elsewhere/other", WORKER),
        world.store.open_upload(TARGET[EAST], "out/user", OUTSIDER.replace("partner", "eft-worker")),
        world.store.open_upload(TARGET[EAST], "out/role", WORKER.replace("eft-worker", "not-eft-worker")),
    ]
    spec = world.submit("a/", "b/")
    world.settle()
    for _ in range(3):
        world.tidy()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert len(world.all_uploads()) == len(theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ACCOUNT, "444455556666"),
        ("aws-us-gov", "aws"),
        ("eft-worker/", "eft-worker-2/"),
        ("eft-worker/", "eft/"),
    ],
)
def test_an_old_upload_of_another_deployment_is_never_aborted(ours: str, theirs: str) -> None:
    """The upload's role has the same name in another account or partition, or nearly the same name in this one."""
    world = world_of()
    world.store.open_upload(TARGET[EAST], TARGET_KEY, WORKER.replace(ours, theirs))
    world.run(DAY + 2 * MINUTE)
    assert world.all_uploads() == [TARGET_KEY]
    assert register(world) == {}


def test_our_stale_upload_that_nobody_registered_is_fenced_and_aborted() -> None:
    """Its creator died between CreateMultipartUpload and registration."""
    world = world_of()
    lost = world.store.open_upload(TARGET[EAST], TARGET_KEY, WORKER)
    world.run(DAY - MINUTE)
    assert world.all_uploads() == [TARGET_KEY], "it is kept until it is old"
    world.run(2 * MINUTE)
    assert world.all_uploads() == []
    assert [registration.mark for registration in register(world).values()] == [Mark.TOMBSTONE]
    late = Registration(Mark.UPLOAD, "job-late", "r-000001/0", lost.upload_id, "late")
    assert not ControlRecords(world.observer, EAST).registered(object_id("target-east", TARGET_KEY), 1, late)


def test_an_upload_that_can_not_be_aborted_is_fenced_once() -> None:
    """Each sweep tries to abort it again. If each one wrote a tombstone, the register, and each look at it, would grow
    for ever."""
    world = world_of()
    world.store.open_upload(TARGET[EAST], TARGET_KEY, WORKER)
    world.faults.rule(Rule(operation=Operation.ABORT, times=None))
    world.clock.advance(DAY)
    world.run(HOUR)
    assert len(world.events("upload-not-collected")) > 50
    assert [registration.mark for registration in register(world).values()] == [Mark.TOMBSTONE]
    world.faults.rules.clear()
    world.run(2 * MINUTE)
    assert world.all_uploads() == []


def test_its_creator_wakes_up_after_it_was_fenced_and_begins_anew() -> None:
    """The creator sleeps for a day between CreateMultipartUpload and registration. Everything else sleeps as long."""
    world = world_of()

    def sleep_for_a_day(_: str) -> None:
        world.clock.advance(DAY + MINUTE)
        world.sweep(EAST)

    world.calls.plan(1, after=sleep_for_a_day, is_counted=lambda label: label == "store.create_upload")
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.calls.fired
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert [version.body for version in world.written(TARGET_KEY)] == [BODY]
    assert Mark.TOMBSTONE in {registration.mark for registration in register(world).values()}
    world.tidy()
    assert world.all_uploads() == []


def test_an_upload_that_lost_its_generation_is_aborted_and_never_used() -> None:
    """The process that filled the generation took the upload for nobody's, and may abort it at any moment."""
    world = world_of()
    tombstone = Registration(Mark.TOMBSTONE, "", "", "another", "tombstone")

    def fence() -> None:
        assert ControlRecords(world.observer, EAST).registered(object_id("target-east", TARGET_KEY), 1, tombstone)

    world.faults.rule(Rule(operation=Operation.CREATE_UPLOAD, act=fence, error=None))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    operations = [operation for operation, _, key in world.faults.calls if key == TARGET_KEY]
    begun = operations.index(Operation.CREATE_UPLOAD)
    assert operations[begun + 1] is Operation.ABORT
    assert operations.count(Operation.CREATE_UPLOAD) == 2
    assert [registration.mark for _, registration in sorted(register(world).items())] == [Mark.TOMBSTONE, Mark.UPLOAD]


def test_a_tombstone_above_a_registered_upload_does_not_end_it() -> None:
    """The sweep fenced another upload of this object. The successor goes on with the registered one."""
    world = world_of()
    spec = halted(world, Operation.COMPLETE)
    tombstone = Registration(Mark.TOMBSTONE, "", "", "another", "tombstone")
    assert ControlRecords(world.observer, EAST).registered(object_id("target-east", TARGET_KEY), 2, tombstone)
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert [operation for operation, _, _ in world.faults.calls].count(Operation.CREATE_UPLOAD) == 1


def test_an_upload_that_is_registered_while_it_is_being_fenced_is_kept() -> None:
    world = world_of()
    upload = world.store.open_upload(TARGET[EAST], TARGET_KEY, WORKER)
    world.clock.advance(DAY)
    control = ControlRecords(world.observer, EAST)

    def register_it() -> None:
        mine = Registration(Mark.UPLOAD, "job-open", "r-000001/0", upload.upload_id, "in time")
        assert control.registered(object_id("target-east", TARGET_KEY), 1, mine)

    world.faults.rule(Rule(operation=Operation.PUT, bucket="control-east", act=register_it, error=None))
    world.sweep(EAST)
    assert world.all_uploads() == [TARGET_KEY]


def test_a_stale_upload_in_use_is_kept_and_completed() -> None:
    """The copy takes very long: its upload is older than the threshold and registered, and the partition has no
    receipt."""
    world = world_of()
    spec = halted(world, Operation.COMPLETE)
    world.clock.advance(3 * DAY)
    world.sweep(EAST)
    assert world.all_uploads() == [TARGET_KEY]
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert [operation for operation, _, _ in world.faults.calls].count(Operation.CREATE_UPLOAD) == 1


def test_a_stale_registered_upload_of_a_settled_partition_is_aborted() -> None:
    """Somebody else's copy of the same source settled the row. The upload could not be aborted then, and is left."""
    world = world_of()
    spec = halted(world, Operation.UPLOAD_PART_COPY, nth=3)
    world.faults.rule(Rule(operation=Operation.ABORT))
    world.store.put(TARGET[EAST], TARGET_KEY, BODY)
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert world.all_uploads() == [TARGET_KEY]
    world.tidy()
    assert world.all_uploads() == []


def test_a_superseded_generation_is_aborted() -> None:
    """The upload was registered and then given up (409 at Complete), and its Abort was lost."""
    world = world_of()
    world.faults.rule(Rule(operation=Operation.COMPLETE, error=lambda: Conflict("ConditionalRequestConflict")))
    world.faults.rule(Rule(operation=Operation.ABORT, error=lambda: Retry("SlowDown")))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    marks = [registration.mark for _, registration in sorted(register(world).items())]
    assert marks == [Mark.UPLOAD, Mark.DEAD, Mark.UPLOAD]
    world.tidy()
    assert world.all_uploads() == []
    assert len(world.written(TARGET_KEY)) == 1


def test_a_spent_upload_whose_mark_met_another_record_is_marked_all_the_same() -> None:
    """Found by simulation: another job takes the generation of the mark after a 409 at Complete. The upload was
    aborted, and the register went on naming it as the one to go on with."""
    world = world_of()
    world.faults.rule(Rule(operation=Operation.COMPLETE, times=2, error=lambda: Conflict("ConditionalRequestConflict")))

    def another() -> None:
        registration = Registration(Mark.UPLOAD, "another-job", "r-000001/0", "another-upload", "another")
        ControlRecords(world.observer, EAST).registered(object_id(TARGET[EAST].name, TARGET_KEY), 2, registration)

    key = f"reg/{object_id(TARGET[EAST].name, TARGET_KEY)}/000002"
    world.faults.rule(Rule(operation=Operation.PUT, key=key, act=another, error=None))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    mine = [r for _, r in sorted(register(world).items()) if r.job_id == spec.job_id]
    assert [registration.mark for registration in mine] == [Mark.UPLOAD, Mark.DEAD, Mark.UPLOAD]
    assert mine[0].upload_id == mine[1].upload_id
    world.tidy()
    assert world.all_uploads() == []


def test_a_part_that_lands_after_the_abort_is_aborted_again() -> None:
    """S3: "an in-progress part may still land". The upload is then open again, and the next sweep sees it."""
    world = world_of()
    upload = world.store.open_upload(TARGET[EAST], TARGET_KEY, WORKER)
    world.tidy()
    assert world.all_uploads() == []
    second_upload = world.store.open_upload(TARGET[EAST], TARGET_KEY, WORKER)
    assert second_upload != upload
    world.tidy()
    assert world.all_uploads() == []


@pytest.mark.parametrize("error", [Permanent("BadRequest"), Retry("SlowDown"), RuntimeError("a bug of ours")])
def test_one_upload_that_cant_be_aborted_keeps_no_other_from_it(error: Exception) -> None:
    world = world_of()
    for name in ("out/1", "out/2", "out/3"):
        world.store.open_upload(TARGET[EAST], name, WORKER)
    world.faults.rule(Rule(operation=Operation.ABORT, key="out/2", times=None, error=lambda: error))
    world.tidy()
    assert world.all_uploads() == ["out/2"]
    world.faults.rules.clear()
    world.tidy()
    assert world.all_uploads() == []


def test_the_upload_of_a_row_that_failed_is_aborted_at_once() -> None:
    world = world_of()
    world.faults.rule(
        Rule(operation=Operation.COMPLETE, times=None, error=lambda: Permanent("BadDigest", "the checksum is wrong"))
    )
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.terminal(spec).state is JobState.FAILED
    assert "BadDigest" in world.rows(spec)[KEY].detail
    assert world.all_uploads() == []


def test_two_jobs_that_copy_the_same_object_do_not_share_uploads() -> None:
    world = world_of()
    first = halted(world, Operation.COMPLETE)
    second = world.submit("a/", "b/", token="another")
    world.settle()
    assert {world.outcomes(spec)[KEY] for spec in (first, second)} <= {Outcome.COPIED, Outcome.UNCHANGED}
    assert [version.body for version in world.written(TARGET_KEY)] == [BODY]
    assert world.all_uploads() == [], "what the one left is not kept for a day because the other was faster"


def overtaken() -> World:
    """Return a world in which somebody else puts the same object there just before the upload is completed."""
    world = world_of()

    def put() -> None:
        world.store.put(TARGET[EAST], TARGET_KEY, BODY)

    world.faults.rule(Rule(operation=Operation.COMPLETE, key=TARGET_KEY, act=put, error=None))
    return world


def test_the_upload_of_a_row_that_another_job_delivered_is_aborted_at_once() -> None:
    """The other job completes its own upload just before this one's Complete, which gets a 412."""
    world = overtaken()
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert world.all_uploads() == []


def test_an_abort_that_fails_keeps_no_row_from_its_end() -> None:
    world = overtaken()
    world.faults.rule(Rule(operation=Operation.ABORT, times=None))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert world.events("abort-failed")
    world.faults.rules.clear()
    world.tidy()
    assert world.all_uploads() == []


def test_the_upload_of_a_row_that_was_given_up_and_is_there_is_aborted() -> None:
    """Each Complete fails, and somebody else puts the same object there before the last look."""
    world = World(policy=replace(SMALL, row_rounds_max=1))
    world.put(KEY, BODY)

    def be_faster() -> None:
        if sum(operation is Operation.COMPLETE for operation, _, _ in world.faults.calls) >= world.policy.attempts:
            world.store.put(TARGET[EAST], TARGET_KEY, BODY)

    world.faults.rule(Rule(operation=Operation.COMPLETE, key=TARGET_KEY, times=None, act=be_faster))
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.outcomes(spec) == {KEY: Outcome.COPIED}
    assert world.all_uploads() == []
