"""Jobs that delete in a bucket that keeps no deleted objects: versioning is suspended, or was never turned on."""

from dataclasses import replace

import pytest

from chalicelib.core.deletions import Consent, Deletion, Versioning
from chalicelib.core.errors import BadRequest, KeyReused
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.rows import Outcome
from simulation.memory.env import EAST, TARGET
from simulation.memory.faults import Rule
from simulation.memory.operations import Action, Operation
from tests.steps.calls import crash
from tests.steps.deleting import CAP, STRAYS, check, deletes, deletions, filled, nothing_deleted, source_of, submit
from tests.steps.world import SMALL, World

FOR_EVER = Deletion(len(STRAYS), Consent.FOR_EVER)
STATES = {
    Versioning.SUSPENDED: "the target bucket's versioning is suspended, so what is deleted there is gone for ever",
    Versioning.NEVER: "the target bucket keeps no versions, so what is deleted there is gone for ever",
}


def world_of(versioning: Versioning) -> World:
    """Return a world whose target bucket had this versioning from the beginning."""
    world = World()
    world.store.make_bucket(TARGET[EAST], versioned=versioning is not Versioning.NEVER)
    if versioning is Versioning.SUSPENDED:
        suspend(world)
    return filled(world)


def suspend(world: World) -> None:
    world.store.set_versioning(TARGET[EAST], Versioning.SUSPENDED)


def exists(world: World, key: str) -> bool:
    """Return whether the key has any version."""
    return bool(world.store.kept(TARGET[EAST], key))


@pytest.mark.parametrize("versioning", STATES, ids=lambda state: state.name)
def test_it_is_refused(versioning: Versioning) -> None:
    world = world_of(versioning)
    with pytest.raises(BadRequest, match=STATES[versioning]) as raised:
        submit(world)
    assert raised.value.code == "DeletesForEver"
    assert "turn its versioning on, or send the consent DELETE-AT-TARGET-FOR-EVER" in raised.value.message
    assert world.open_jobs() == []
    assert all(exists(world, key) for key in STRAYS)


@pytest.mark.parametrize("versioning", STATES, ids=lambda state: state.name)
def test_it_is_done_with_consent_to_just_that(versioning: Versioning) -> None:
    world = world_of(versioning)
    spec = submit(world, FOR_EVER)
    world.settle()
    check(world, spec)
    assert not any(exists(world, key) for key in STRAYS), "nothing brings it back"


def test_a_bucket_that_keeps_versions_takes_either_consent() -> None:
    world = filled(World())
    spec = submit(world, FOR_EVER)
    world.settle()
    check(world, spec)
    assert all(exists(world, key) for key in STRAYS)


def test_what_was_written_while_versions_were_kept_stays_under_a_marker() -> None:
    world = filled(World())
    suspend(world)
    spec = submit(world, FOR_EVER)
    world.settle()
    check(world, spec)
    assert all(exists(world, key) for key in STRAYS)
    assert {world.rows(spec)[source_of(key)].version_id for key in STRAYS} == {"null"}


def test_versioning_is_turned_on_and_the_job_submitted_again() -> None:
    world = world_of(Versioning.NEVER)
    with pytest.raises(BadRequest):
        submit(world)
    world.store.set_versioning(TARGET[EAST], Versioning.ENABLED)
    spec = submit(world)
    world.settle()
    check(world, spec)
    assert all(exists(world, key) for key in STRAYS)


def test_it_is_suspended_before_deletions_are_planned() -> None:
    world = filled(World())
    spec = submit(world)
    suspend(world)
    world.settle()
    reason = nothing_deleted(world, spec)
    assert reason.startswith(f"nothing was deleted: {STATES[Versioning.SUSPENDED]}; turn its versioning on, or send")
    assert deletions(world, spec) == dict.fromkeys(STRAYS, Outcome.KEPT)


def test_it_is_suspended_after_they_were_planned() -> None:
    world = filled(World())
    spec = submit(world)
    world.watch = lambda: suspend(world) if world.records(spec).entries_of_range("d") else None
    world.settle()
    _all_kept(world, spec)


def test_it_is_suspended_when_some_are_deleted() -> None:
    """The worker that deleted the first object dies. Its successor looks again whether a deleted object can be brought
    back."""
    world = filled(World())
    spec = submit(world)

    def die() -> None:
        suspend(world)
        crash(Operation.DELETE)

    world.faults.rule(Rule(operation=Operation.DELETE, bucket=TARGET[EAST].name, first=2, act=die, error=None))
    world.settle()
    outcomes = deletions(world, spec)
    assert sorted(outcomes.values()) == [Outcome.DELETED, Outcome.KEPT, Outcome.KEPT]
    assert {key: exists(world, key) for key in STRAYS} == dict.fromkeys(STRAYS, True)
    assert world.terminal(spec).state is JobState.PARTIAL


def _all_kept(world: World, spec: JobSpec) -> None:
    assert deletions(world, spec) == dict.fromkeys(STRAYS, Outcome.KEPT)
    for key in STRAYS:
        assert STATES[Versioning.SUSPENDED] in world.rows(spec)[source_of(key)].detail
        assert deletes(world, key) == 0
        assert exists(world, key)
    assert world.terminal(spec).state is JobState.PARTIAL


def test_a_bucket_that_does_not_say_is_taken_for_one_that_keeps_nothing() -> None:
    world = filled(World())
    world.store.deny(TARGET[EAST], Action.VERSIONING)
    with pytest.raises(BadRequest, match="allow s3:GetBucketVersioning for the service's roles"):
        submit(world)
    spec = submit(world, FOR_EVER)
    world.settle()
    check(world, spec)


def test_a_bucket_that_says_no_more_when_deletions_are_planned() -> None:
    world = filled(World())
    spec = submit(world)
    world.store.deny(TARGET[EAST], Action.VERSIONING)
    world.settle()
    assert "allow s3:GetBucketVersioning" in nothing_deleted(world, spec)


def test_where_nobody_answers_the_job_waits_for_the_answer() -> None:
    """The job waits when it is accepted, when its deletions are planned, and when they are carried out."""
    world = filled(World(policy=replace(SMALL, attempts=2)))
    silent = Rule(operation=Operation.BUCKET_VERSIONING, times=9)
    world.faults.rule(silent)
    spec = submit(world)
    world.settle()
    check(world, spec)


def test_a_job_without_delete_asks_nothing() -> None:
    world = world_of(Versioning.SUSPENDED)
    spec = submit(world, None)
    world.settle()
    assert world.terminal(spec).state is JobState.SUCCEEDED
    assert Operation.BUCKET_VERSIONING not in [operation for operation, _, _ in world.faults.calls]


def test_the_consent_is_part_of_what_was_asked() -> None:
    world = filled(World())
    submit(world)
    with pytest.raises(KeyReused):
        submit(world, replace(CAP, consent=Consent.FOR_EVER))
