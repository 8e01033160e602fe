import os
from collections.abc import Iterator

import pytest

from local.run import Run, RunError, running


@pytest.fixture
def run() -> Iterator[Run]:
    run = Run(f"test-run-{os.getpid()}")
    yield run
    run.release()
    for path in run.folder.iterdir():
        path.unlink()
    run.folder.rmdir()


def test_one_cloud_for_each_run(run: Run) -> None:
    run.claim()
    with pytest.raises(RunError, match=f"up already .process {os.getpid()}.*make up RUN=name"):
        Run(run.name).claim()


def test_holder_is_known_while_it_is_up(run: Run) -> None:
    run.claim()
    assert Run(run.name).holder() == os.getpid()
    assert run.name in running()
    run.release()
    assert Run(run.name).holder() is None
    assert run.name not in running()


def test_a_run_begins_empty(run: Run) -> None:
    run.claim()
    (run.folder / "ministack.log").write_text("of the time before")
    run.release()
    run.claim()
    assert "ministack.log" not in [path.name for path in run.folder.iterdir()]


def test_release_keeps_logs_and_drops_data(run: Run) -> None:
    run.claim()
    (run.scratch / "code").mkdir()
    (run.folder / "gateway.log").touch()
    scratch = run.scratch
    run.release()
    run.release()
    assert not scratch.exists()
    assert sorted(path.name for path in run.folder.iterdir()) == ["gateway.log", "lock"]


def test_settings_files_do_not_collide() -> None:
    assert Run("main").settings_file.name == "local.json"
    assert Run("second").settings_file.name == "local-second.json"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", "x" * 60])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(RunError, match="a run's name is of letters"):
        Run(name)
