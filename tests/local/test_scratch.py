from pathlib import Path

import pytest

from local import scratch


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    folder = tmp_path / "memory"
    folder.mkdir()
    return folder


def up(_run_folder: Path) -> bool:
    return False


def test_each_run_has_an_empty_folder_of_its_own(memory: Path, tmp_path: Path) -> None:
    folder = scratch.make(tmp_path / "one", up, memory)
    (folder / "left over").touch()
    assert scratch.make(tmp_path / "two", up, memory) != folder
    assert scratch.make(tmp_path / "one", up, memory) == folder
    assert [path.name for path in folder.iterdir()] == ["owner"]


def test_what_a_killed_cloud_left_is_deleted_and_a_living_ones_is_not(memory: Path, tmp_path: Path) -> None:
    killed, alive = scratch.make(tmp_path / "killed", up, memory), scratch.make(tmp_path / "alive", up, memory)
    scratch.make(tmp_path / "new", lambda run_folder: run_folder.name == "killed", memory)
    assert (killed.exists(), alive.exists()) == (False, True)


def test_without_such_memory_it_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert scratch.make(tmp_path / "run", up, tmp_path / "nothing") == tmp_path / "run" / "tmp"
    assert (tmp_path / "run" / "tmp").is_dir()
