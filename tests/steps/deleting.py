"""A job that also deletes: the objects at its source, the stray objects at its target, and a check of the result."""

from typing import Any

from chalicelib.core.deletions import Deletion
from chalicelib.core.ids import aside_of
from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.rows import Outcome
from simulation.memory.env import CONTROL, EAST, TARGET
from tests.steps import prefix_job
from tests.steps.world import World

STRAYS = ("out/b/2-stray", "out/b/6/stray", "out/b/é")
ELSEWHERE = "out/c/not-below-the-target"
CAP = Deletion(len(STRAYS))


def filled(world: World) -> World:
    """Put what `prefix_job` delivers at the source, and stray objects without a counterpart at the target."""
    prefix_job.filled(world)
    for key in (*STRAYS, ELSEWHERE):
        world.put(key, key.encode(), TARGET[EAST])
    return world


def submit(world: World, deletion: Deletion | None = CAP, **options: Any) -> JobSpec:
    return world.submit("a/", "b/", deletion=deletion, **options)


def source_of(stray: str) -> str:
    return stray.replace("out/b/", "in/a/")


def deletes(world: World, key: str) -> int:
    """Return how often we deleted the key. In a bucket that keeps versions, each delete leaves a marker."""
    return sum(version.delete_marker for version in world.store.versions(TARGET[EAST], key))


def deletions(world: World, spec: JobSpec) -> dict[str, Outcome]:
    """Return the outcome of each row that was to be deleted, by target key. Rows that were set aside are included."""
    outcomes: dict[str, Outcome] = {}
    records = world.records(spec)
    planned = records.entries_of_range("d")
    for partition_id in (*planned, *(aside for aside in map(aside_of, planned) if records.has_entry(aside))):
        entry, receipt = records.entry(partition_id), records.receipt(partition_id)
        assert receipt is not None, f"{partition_id} has no receipt"
        rows = zip(entry.rows, receipt.rows, strict=True)  # type: ignore[union-attr]
        outcomes |= {row.target: end.outcome for row, end in rows if end.outcome.is_end}
    return outcomes


def check(world: World, spec: JobSpec, call: str = "") -> None:
    """Assert that all is delivered, that each stray was deleted once, and that nothing else was touched."""
    end = world.terminal(spec)
    assert (end.state, end.reason) == (JobState.SUCCEEDED, ""), call
    delivered = {Outcome.COPIED: len(prefix_job.DELIVERED), Outcome.UNCHANGED: 1}
    assert end.counts == delivered | {Outcome.DELETED: len(STRAYS)}, call
    assert deletions(world, spec) == dict.fromkeys(STRAYS, Outcome.DELETED), call
    for key in STRAYS:
        assert world.body(key) is None, f"{key}, {call}"
        assert deletes(world, key) == 1, f"{key}, {call}"
    for key, body in prefix_job.DELIVERED.items():
        assert world.body(key) == body, f"{key}, {call}"
        assert deletes(world, key) == 0, f"{key}, {call}"
    assert world.body(ELSEWHERE) == ELSEWHERE.encode(), call
    assert len(world.store.versions(CONTROL[EAST], f"jobs/{spec.job_id}/terminal")) == 1, call
    assert world.dead_letters == [], call


def nothing_deleted(world: World, spec: JobSpec) -> str:
    """Assert that every stray is still there. Return why the job is PARTIAL."""
    end = world.terminal(spec)
    assert end.state is JobState.PARTIAL
    assert Outcome.DELETED not in end.counts
    for key in STRAYS:
        assert world.body(key) == key.encode()
        assert deletes(world, key) == 0
    return end.reason
