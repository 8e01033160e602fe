"""The simulation's monitor of transitions lets pass what the tables list, and nothing else."""

from typing import Any, cast

import pytest

from chalicelib.core import codec
from chalicelib.core.desired_state import PauseLogEntry, PauseLogKind
from chalicelib.core.errors import PreconditionFailed
from chalicelib.core.jobs import JobState
from chalicelib.core.registers import Mark, Registration
from chalicelib.ports import UploadRef, Written
from simulation.memory.env import CONTROL, TARGET, WEST
from simulation.run.scheduler import Process
from simulation.run.transitions import LISTED, Transitions

NOBODY = cast(Process, None)
UPLOAD = UploadRef(TARGET[WEST], "out/key", "upload-1")


class Judge:
    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def violated(self, invariant: str, what: str) -> None:
        self.found.append((invariant, what))


class Watched:
    def __init__(self) -> None:
        self.judge = Judge()
        self.transitions = Transitions(self.judge)
        self.watches = self.transitions.watches()

    def call(self, name: str, *args: Any, answer: Any = None) -> None:
        self.watches[name](NOBODY, name, args, answer)

    def create(self, key: str, record: Any = None, answer: Any = None) -> None:
        body = b"" if record is None else codec.dumps(record)
        self.call("store.create", CONTROL[WEST], key, body, answer=answer)

    def register(self, generation: int, mark: Mark, upload_id: str = UPLOAD.upload_id) -> None:
        self.create(f"reg/object/{generation:06d}", Registration(mark, "job", "r-000001/0", upload_id, "n"))


def entry(number: int, kind: PauseLogKind, reason: str = "") -> PauseLogEntry:
    return PauseLogEntry("feed", number, kind, WEST, 0, "n", reason=reason)


def test_a_partition_whose_worker_is_superseded() -> None:
    watched = Watched()
    names = ["manifest/p", "claim/p/000001", "tried/p/000001", "claim/p/000002", "copied/p/000002", "done/p"]
    for name in [*names, "copied/p/000001"]:
        watched.create(f"jobs/job/{name}")
    assert not watched.judge.found


@pytest.mark.parametrize("names", [["claim/p/000001"], ["manifest/p", "copied/p/000001"], ["manifest/p", "manifest/p"]])
def test_records_that_can_not_be(names: list[str]) -> None:
    watched = Watched()
    for name in names:
        watched.create(f"jobs/job/{name}")
    assert [invariant for invariant, _ in watched.judge.found] == [LISTED]


def test_what_was_refused_is_no_event() -> None:
    watched = Watched()
    watched.create("jobs/job/manifest/p")
    watched.create("jobs/job/manifest/p", answer=PreconditionFailed("PreconditionFailed"))
    assert not watched.judge.found


def test_an_upload_that_comes_into_use_after_its_fence() -> None:
    watched = Watched()
    watched.call("store.create_upload", answer=UPLOAD)
    watched.register(1, Mark.TOMBSTONE)
    assert not watched.judge.found
    watched.register(2, Mark.UPLOAD)
    assert len(watched.judge.found) == 1


def test_an_upload_that_is_closed_and_completed_all_the_same() -> None:
    watched = Watched()
    watched.call("store.create_upload", answer=UPLOAD)
    watched.register(1, Mark.UPLOAD)
    watched.register(2, Mark.CLOSED, "")
    watched.call("store.complete", UPLOAD, answer=Written("etag", None, None))
    watched.call("store.abort", UPLOAD)
    assert not watched.judge.found


def test_an_upload_whose_worker_aborts_it_before_the_sweep_has_fenced_it() -> None:
    """Simulation, seed 4795: another worker took the generation, so the upload was never registered."""
    watched = Watched()
    watched.call("store.create_upload", answer=UPLOAD)
    watched.call("store.abort", UPLOAD)
    watched.register(2, Mark.TOMBSTONE)
    assert not watched.judge.found


def test_other_applications_uploads_are_not_ours() -> None:
    watched = Watched()
    watched.register(1, Mark.TOMBSTONE, "theirs")
    watched.call("store.abort", UploadRef(TARGET[WEST], "out/key", "theirs"))
    assert not watched.judge.found


def test_pauses_and_resumes_of_a_feed_alternate() -> None:
    watched = Watched()
    watched.create("feeds/feed/desired/000001", entry(1, PauseLogKind.PAUSE))
    watched.create("feeds/feed/desired/000002", entry(2, PauseLogKind.RESUME))
    watched.create("feeds/feed/desired/000003", entry(3, PauseLogKind.PAUSE, "not yours any more"))
    assert not watched.judge.found
    watched.create("feeds/feed/desired/000004", entry(4, PauseLogKind.PAUSE))
    assert len(watched.judge.found) == 1


def test_the_states_that_a_region_shows() -> None:
    watched = Watched()
    for state in (JobState.PLANNING, JobState.RUNNING, JobState.RUNNING, JobState.PAUSED, JobState.PARTIAL):
        watched.transitions.shown(WEST, "job", state)
    watched.transitions.shown("another Region, which is late", "job", JobState.PLANNING)
    assert not watched.judge.found
    watched.transitions.shown(WEST, "job", JobState.SUCCEEDED)
    assert len(watched.judge.found) == 1
