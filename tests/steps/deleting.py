"""A job that also deletes: what is at its source, what strays are at its target, and what must be left in the end."""

from typing import Any

from chalicelib.core.deletions import Deletion
from chalicelib.core.ids import aside_of
from chalicelib.core.model import JobSpec, JobState, Outcome
from simulation.memory.env import CONTROL, EAST, TARGET
from tests.steps import prefix_job
from tests.steps.world import World

STRAYS = ("out/b/2-stray", "out/b/6/stray", "out/b/é")
ELSEWHERE = "out/c/not-below-the-target"
CAP = Deletion(len(STRAYS))


def filled(world: World) -> World:
    """What `prefix_job` delivers, and what has no counterpart at the source."""
    prefix_job.filled(world)
    for key in (*STRAYS, ELSEWHERE):
        world.put(key, key.encode(), TARGET[EAST])
    return world


def submit(world: World, deletion: Deletion | None = CAP, **more: Any) -> JobSpec:
    return world.submit("a/", "b/", deletion=deletion, **more)


def source_of(stray: str) -> str:
    return stray.replace("out/b/", "in/a/")


def deletes(world: World, key: str) -> int:
    """How often the key was deleted by us: in a bucket that keeps versions, each leaves a marker."""
    return sum(version.delete_marker for version in world.store.versions(TARGET[EAST], key))


def deletions(world: World, spec: JobSpec) -> dict[str, Outcome]:
    """Target key -> what became of it, of the rows that were to be deleted, those set aside included."""
    found: dict[str, Outcome] = {}
    records = world.records(spec)
    planned = records.links_of_range("d")
    for part in (*planned, *(aside for aside in map(aside_of, planned) if records.has_link(aside))):
        link, receipt = records.link(part), records.receipt(part)
        assert receipt is not None, f"{part} has no receipt"
        rows = zip(link.rows, receipt.rows, strict=True)  # type: ignore[union-attr]
        found |= {row.target: end.outcome for row, end in rows if end.outcome.is_end}
    return found


def check(world: World, spec: JobSpec, call: str = "") -> None:
    """All delivered, all strays gone, each deleted once; nothing else was touched."""
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
    """Every stray is still there; returns why the job is PARTIAL."""
    end = world.terminal(spec)
    assert end.state is JobState.PARTIAL
    assert Outcome.DELETED not in end.counts
    for key in STRAYS:
        assert world.body(key) == key.encode()
        assert deletes(world, key) == 0
    return end.reason
