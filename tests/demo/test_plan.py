from collections import Counter

import pytest

from local.demo.making import make
from local.demo.model import KEY_MAX_BYTES, MIB, Route
from local.demo.plan import content, plan


def test_as_many_small_objects_as_asked_for_and_all_the_special_ones():
    assert len(plan(100)) - len(plan(0)) == 100
    assert {planned.route for planned in plan(0)} == set(Route)


def test_the_same_every_time():
    assert plan(50) == plan(50)
    planned = plan(1)[0]
    assert content(planned) == content(planned)
    assert len(content(planned)) == planned.size


def test_no_two_objects_of_a_route_have_one_key():
    counted = Counter((planned.route, planned.name) for planned in plan(500))
    assert counted.most_common(1)[0][1] == 1


@pytest.mark.parametrize("route", Route)
def test_one_key_is_as_long_as_s3_allows_and_none_is_longer(route):
    lengths = [len(route.value.target_key(item.name).encode()) for item in plan(10) if item.route is route]
    assert max(lengths) == KEY_MAX_BYTES
    assert lengths.count(KEY_MAX_BYTES) == 1
    assert all(len(item.route.value.source_key(item.name).encode()) <= KEY_MAX_BYTES for item in plan(10))


@pytest.mark.parametrize("route", Route)
def test_zero_bytes_and_a_folder_marker_on_each_route(route):
    empty = {planned.name for planned in plan(0) if planned.route is route and planned.size == 0}
    assert empty == {"odd/zero bytes", "odd/folder/"}


def test_names_that_tell_byte_order_from_others():
    names = [planned.name for planned in plan(0) if planned.name.startswith("odd/order/")]
    by_bytes = sorted(names, key=str.encode)
    assert by_bytes != sorted(names, key=lambda name: name.encode("utf-16-be"))
    assert by_bytes != sorted(names, key=lambda name: name.split("/"))


def test_large_objects_are_above_the_threshold_and_of_every_kind():
    large = [planned for planned in plan(0) if planned.size > 8 * MIB]
    assert len(large) >= 3
    assert {(file.upload.part_bytes is None, file.upload.checksum) for file in large} >= {
        (True, "CRC32"),
        (True, "SHA256"),
        (False, "CRC64NVME"),
        (False, None),
    }


def test_every_planned_file_can_be_made(tmp_path):
    planned = [file for file in plan(3) if file.size < MIB]
    items = make(tmp_path, planned)
    for file, item in zip(planned, items, strict=True):
        body = item.body if isinstance(item.body, bytes) else item.body.read_bytes()
        assert body == content(file)
        assert isinstance(item.body, bytes) == (not file.file)
