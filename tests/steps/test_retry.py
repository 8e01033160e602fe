"""The retry of a settled job is a new job of exactly the rows that were not delivered."""

from dataclasses import replace

import pytest

from chalicelib.core.errors import BadRequest, KeyReused, NotYet, Retry, Unknown
from chalicelib.core.jobs import JobKind, JobSpec, JobState
from chalicelib.core.manifests import Manifest
from chalicelib.core.rows import Outcome, OverwriteMode
from chalicelib.steps import control
from simulation.memory.env import EAST, ENDPOINTS, SOURCE, TARGET, TENANT, WEST
from simulation.memory.operations import Action
from tests.steps.calls import Crash, crash
from tests.steps.everywhere import at_every_call
from tests.steps.splitters import split_side_by_side
from tests.steps.world import MINUTE, SMALL, World

KEYS = [f"in/a/{number:02d}" for number in range(22)]
FAILED = [*KEYS[3:6], KEYS[9], *KEYS[18:]]
LARGE = bytes(range(90))


def settled(world: World, mode: OverwriteMode = OverwriteMode.IF_CHANGED) -> JobSpec:
    """Return a job of six partitions, of which some rows failed. The cause of the failures is over."""
    for key in KEYS:
        world.put(key, LARGE if key == KEYS[9] else key.encode())
    for key in FAILED:
        world.store.deny(SOURCE[WEST], Action.READ, key=key)
    spec = world.submit("a/", "b/", mode=mode, labels={"order": "4711"})
    world.settle()
    assert world.terminal(spec).state is JobState.PARTIAL
    world.store.allow(SOURCE[WEST])
    return spec


def retry(world: World, spec: JobSpec, token: str = "again", region: str = WEST) -> JobSpec:
    return control.retry(world.regions[region].env, TENANT, spec.job_id, token)[0]


def check(world: World, old: JobSpec, spec: JobSpec, call: str = "") -> None:
    assert (spec.kind, spec.retry_of, spec.job_id != old.job_id) == (JobKind.RETRY, old.job_id, True), call
    assert (spec.labels, spec.mode, spec.source, spec.target) == (old.labels, old.mode, old.source, old.target), call
    assert world.outcomes(spec) == dict.fromkeys(FAILED, Outcome.COPIED), call
    end = world.terminal(spec)
    assert (end.state, end.reason, end.planned) == (JobState.SUCCEEDED, "", len(FAILED)), call
    for key in KEYS:
        assert len(world.written(key.replace("in/a/", "out/b/"))) == 1, f"{key} {call}"
    assert world.body(KEYS[9].replace("in/a/", "out/b/")) == LARGE, call
    assert world.dead_letters == []


@pytest.mark.parametrize("region", [WEST, EAST])
@pytest.mark.parametrize("mode", OverwriteMode)
def test_exactly_what_was_not_delivered(region: str, mode: OverwriteMode) -> None:
    world = World()
    old = settled(world, mode)
    spec = retry(world, old, region=region)
    world.settle()
    check(world, old, spec)
    assert control.get_job(world.observer, TENANT, spec.job_id).spec.retry_of == old.job_id
    assert [listed.job_id for listed, _ in control.list_jobs(world.observer, TENANT, None, 10).jobs] == [
        spec.job_id,
        old.job_id,
    ]


def test_failed_rows_of_several_partitions_make_one() -> None:
    world = World(policy=replace(SMALL, partition_rows=10))
    old = settled(world)
    spec = retry(world, old)
    world.settle()
    check(world, old, spec)
    entries = [entry for entry in world.records(spec).entries_from("") if isinstance(entry, Manifest)]
    assert [len(entry.rows) for entry in entries] == [8]


def test_a_crash_at_any_call() -> None:
    def run(world: World) -> tuple[JobSpec, JobSpec]:
        world.calls.paused = True
        old = settled(world)
        world.calls.paused = False
        spec = None
        while spec is None:
            try:
                spec = retry(world, old)
            except Crash as died:
                world.crashes.append(str(died))
        world.settle()
        return old, spec

    for world, (old, spec), call in at_every_call(World, run, lambda _: crash, least=60):
        check(world, old, spec, call)


@pytest.mark.parametrize("first", range(1, 20, 3))
def test_two_splitters_build_one_manifest_log(first: int) -> None:
    world = World()
    old = settled(world)
    spec = retry(world, old)
    world.collect(lost=True)
    split_side_by_side(world, spec, [first, 4, 7, 3, 5, 2])
    world.settle()
    check(world, old, spec)


def test_the_old_jobs_partitions_are_read_once_however_many_they_are() -> None:
    """The last of 120 partitions failed. Entries without rows keep the position."""
    world = World(policy=replace(SMALL, partition_rows=1))
    for number in range(120):
        world.put(f"in/a/{number:03d}", b"x")
    world.store.deny(SOURCE[WEST], Action.READ, key="in/a/119")
    old = world.submit("a/", "b/")
    world.settle()
    world.store.allow(SOURCE[WEST])
    spec = retry(world, old)
    world.settle()
    assert world.outcomes(spec) == {"in/a/119": Outcome.COPIED}
    entries = [entry for entry in world.records(spec).entries_from("") if isinstance(entry, Manifest)]
    assert [len(entry.rows) for entry in entries] in ([0, 0, 1], [0, 0, 0, 1])


def test_of_a_job_whose_range_was_split() -> None:
    world = World(policy=replace(SMALL, partition_rows=2, split_entries_per_run=1))
    old = settled(world)
    spec = retry(world, old)
    world.settle()
    check(world, old, spec)


def test_what_fails_again_can_be_retried_again() -> None:
    world = World()
    old = settled(world)
    world.store.deny(SOURCE[WEST], Action.READ, key=FAILED[0])
    second = retry(world, old)
    world.settle()
    assert world.terminal(second).state is JobState.PARTIAL
    world.store.allow(SOURCE[WEST])
    third = retry(world, second, "third")
    world.settle()
    assert third.retry_of == second.job_id
    assert world.outcomes(third) == {FAILED[0]: Outcome.COPIED}


def test_what_is_there_now_is_delivered() -> None:
    """Since then one object was overwritten, one was deleted, and one was archived."""
    world = World(versioned_sources=True)
    old = settled(world)
    world.put(FAILED[0], b"new")
    world.store.remove(SOURCE[WEST], FAILED[1])
    world.put(FAILED[2], b"cold", storage_class="GLACIER")
    spec = retry(world, old)
    world.settle()
    outcomes = world.outcomes(spec)
    assert [outcomes[key] for key in FAILED[:3]] == [Outcome.COPIED, Outcome.SOURCE_GONE, Outcome.ARCHIVED]
    assert world.body(FAILED[0].replace("in/a/", "out/b/")) == b"new"
    assert world.terminal(spec).state is JobState.PARTIAL


def test_of_a_job_that_has_not_settled() -> None:
    world = World()
    world.put("in/a/1", b"x")
    spec = world.submit("a/", "b/")
    with pytest.raises(NotYet):
        retry(world, spec)


def test_of_a_job_that_delivered_everything() -> None:
    world = World()
    world.put("in/a/1", b"x")
    spec = world.submit("a/", "b/")
    world.settle()
    assert control.retry(world.west, TENANT, spec.job_id, "again") == (spec, False)
    assert world.open_jobs() == []


def test_of_another_tenants_job() -> None:
    world = World()
    old = settled(world)
    with pytest.raises(Unknown):
        control.retry(world.west, "other", old.job_id, "again")


def test_of_a_job_that_settled_a_moment_ago_in_the_other_region() -> None:
    """The table doesn't know of the end yet, but the control bucket does."""
    world = World()
    old = settled(world)
    world.ledger.terminals.clear()
    spec = retry(world, old)
    world.settle()
    check(world, old, spec)


def test_the_same_key_is_the_same_retry() -> None:
    world = World()
    old = settled(world)
    assert retry(world, old).job_id == retry(world, old, region=EAST).job_id
    with pytest.raises(KeyReused):
        world.submit("a/", "b/", token="again")
    assert retry(world, old, "another").job_id != retry(world, old).job_id


def test_a_cancelled_job_is_retried_but_what_was_never_planned_is_not() -> None:
    world = World(policy=replace(SMALL, split_entries_per_run=2))
    for key in KEYS:
        world.put(key, b"x")
    old = world.submit("a/", "b/")
    world.collect()
    world.handle(world.mail.pop(0))
    control.cancel(world.west, TENANT, old.job_id)
    world.settle()
    end = world.terminal(old)
    assert end.state is JobState.CANCELLED
    assert 0 < end.counts[Outcome.CANCELLED] < len(KEYS)
    spec = retry(world, old)
    world.settle()
    retry_end = world.terminal(spec)
    assert retry_end.counts == {Outcome.COPIED: end.counts[Outcome.CANCELLED]}
    assert retry_end.state is JobState.PARTIAL
    assert "not planned to its end (cancelled): submit it again" in retry_end.reason


def test_paused_cancelled_and_lost_messages() -> None:
    world = World(lose=True)
    old = settled(world)
    spec = retry(world, old)
    control.pause(world.west, TENANT, spec.job_id)
    world.run(10 * MINUTE)
    assert world.records(spec).entries_of_range("r") == []
    control.resume(world.east, TENANT, spec.job_id)
    world.settle()
    check(world, old, spec)
    other = retry(world, old, "other")
    control.cancel(world.west, TENANT, other.job_id)
    world.settle()
    assert world.terminal(other).state is JobState.CANCELLED


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("source-west", {"prefix": "in/other/"}),
        ("source-west", {"bucket": SOURCE[EAST]}),
        ("target-east", {"bucket": TARGET[WEST]}),
        ("target-east", {"writable": False}),
        ("source-west", {"readable": False}),
        ("source-west", {"tenant": "other"}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_endpoints_allow_today_counts(name: str, change: dict[str, object]) -> None:
    world = World()
    old = settled(world)
    endpoints = ENDPOINTS | {name: replace(ENDPOINTS[name], **change)}  # type: ignore[arg-type] # one field of it
    with pytest.raises(BadRequest):
        control.retry(replace(world.west, declared_endpoints=endpoints), TENANT, old.job_id, "again")
    assert world.open_jobs() == []


def test_the_control_bucket_does_not_answer() -> None:
    world = World()
    old = settled(world)
    world.ledger.terminals.clear()
    with pytest.raises(Retry):
        control.retry(replace(world.west, store=Down()), TENANT, old.job_id, "again")


class Down:
    def __getattr__(self, name: str):
        def fail(*_args: object, **_more: object) -> None:
            raise Retry("Down", name)

        return fail
