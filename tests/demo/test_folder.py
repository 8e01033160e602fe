import os

import pytest

from local.demo.folder import check_memory, take
from local.demo.model import MIB, NAME_MAX_BYTES, DemoError, Route
from local.demo.plan import FEED_SHARE


def names(folder):
    return [item.name for item in take(folder)]


def test_every_file_is_taken_by_its_path_below_the_folder(tmp_path):
    for name in ("b/c/d.txt", "a+b %2F.txt", "ü🚀", " spaces "):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert sorted(names(tmp_path)) == [" spaces ", "a+b %2F.txt", "b/c/d.txt", "ü🚀"]


def test_most_travel_by_the_job_and_some_by_the_feed(tmp_path):
    for number in range(3 * FEED_SHARE):
        (tmp_path / f"{number:03}").touch()
    routes = [item.route for item in take(tmp_path)]
    assert routes.count(Route.FEED) == 3
    assert routes[0] is Route.JOB


def test_types_are_guessed_and_large_files_uploaded_in_parts(tmp_path):
    (tmp_path / "a.json.gz").touch()
    with (tmp_path / "b").open("wb") as file:
        file.truncate(8 * MIB + 1)
    small, large = take(tmp_path)
    assert (small.properties.content_type, small.properties.content_encoding) == ("application/json", "gzip")
    assert small.upload.part_bytes is None
    assert large.upload.part_bytes == 8 * MIB


def test_links_are_followed_but_never_into_a_folder_that_they_are_in(tmp_path):
    inside, elsewhere = tmp_path / "in" / "deep", tmp_path / "else"
    inside.mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (inside / "to folder").symlink_to(elsewhere)
    (inside / "to file").symlink_to(elsewhere / "file")
    (inside / "loop").symlink_to(tmp_path / "in")
    (elsewhere / "self").symlink_to(".")
    assert names(tmp_path / "in") == ["deep/to file", "deep/to folder/file"]
    assert names(tmp_path) == ["else/file", "in/deep/to file", "in/deep/to folder/file"]


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path / "link") == ["file"]


def test_nothing_to_take(tmp_path):
    with pytest.raises(DemoError, match="there is no folder"):
        take(tmp_path / "missing")
    with pytest.raises(DemoError, match="there is no file below"):
        take(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="is no folder"):
        take(tmp_path / "file")


def test_everything_that_cannot_be_taken_is_named(tmp_path):
    (tmp_path / "good").touch()
    (tmp_path / "broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"latin-\xe9")).touch()
    with pytest.raises(DemoError) as raised:
        take(tmp_path)
    message = str(raised.value)
    assert "broken: a symbolic link to nothing (nowhere)" in message
    assert "pipe: neither a file nor a folder" in message
    assert "latin-\\xe9: its name is not UTF-8" in message
    assert "good" not in message


def test_names_of_1014_bytes_are_the_longest(tmp_path):
    folder = tmp_path.joinpath(*["d" * 200] * 4)
    folder.mkdir(parents=True)
    room = NAME_MAX_BYTES - len(str(folder.relative_to(tmp_path))) - 1
    (folder / ("x" * room)).touch()
    assert len(names(tmp_path)[0]) == NAME_MAX_BYTES == 1014
    (folder / ("y" * (room + 1))).touch()
    with pytest.raises(DemoError, match="its name has 1015 bytes"):
        take(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_and_folders_are_named(tmp_path):
    (tmp_path / "secret").touch(mode=0o000)
    (tmp_path / "closed").mkdir(mode=0o000)
    with pytest.raises(DemoError, match=r"closed: Permission denied\n.*secret: may not be read"):
        take(tmp_path)


def test_only_some_problems_are_shown(tmp_path):
    for number in range(15):
        (tmp_path / str(number)).symlink_to("nowhere")
    with pytest.raises(DemoError, match="and 5 more"):
        take(tmp_path)


def test_more_than_memory_holds_is_refused():
    check_memory(volume=100, available=400)
    with pytest.raises(DemoError, match="the emulator keeps objects in memory"):
        check_memory(volume=101, available=400)
