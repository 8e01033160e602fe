from collections import Counter
from dataclasses import replace

import pytest

from local.demo import compare
from local.demo.model import Facts, Found, Item, Properties, Route

PROPERTIES = Properties("text/plain", metadata={"a": "b"}, tags={"c": "d"})
FACTS = Facts(3, "0" * 64, PROPERTIES)
TARGET = ("east", "from-west/k")
ITEM = Item("k", Route.JOB, b"abc", 3, PROPERTIES)
ROW = {
    "key": "outbox/k",
    "target_key": "from-west/k",
    "size": 3,
    "outcome": "COPIED",
    "detail": "",
    "target_etag": "e",
    "verification": "etag",
}


def as_tuples(differences):
    return [(difference.key, difference.what, difference.expected, difference.found) for difference in differences]


def objects(facts):
    return as_tuples(compare.objects({TARGET: FACTS}, {TARGET: Found(facts, "e")}))


def rows(*rows):
    return [
        kind for _, kind, _, _ in as_tuples(compare.rows([ITEM], rows, {TARGET: FACTS}, {TARGET: Found(FACTS, "e")}))
    ]


def test_equal_objects_do_not_differ():
    assert objects(FACTS) == []


def test_missing_and_extra_objects():
    assert as_tuples(compare.objects({TARGET: FACTS}, {})) == [
        ("east target: from-west/k", "object", "there", "missing")
    ]
    (extra,) = compare.objects({}, {TARGET: Found(FACTS, "e")})
    assert extra.found == "an object nobody sent"


def test_size_and_digest():
    assert objects(replace(FACTS, size=4))[0][1:] == ("size", 3, 4)
    assert objects(replace(FACTS, sha256="1" * 64))[0][1:] == ("SHA-256", "0" * 64, "1" * 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content_type", "text/html"),
        ("content_encoding", "gzip"),
        ("content_language", "en"),
        ("content_disposition", "inline"),
        ("cache_control", "no-cache"),
        ("expires", "Fri, 01 Jan 2038 12:34:56 GMT"),
        ("storage_class", "STANDARD_IA"),
        ("metadata", {"a": "B"}),
        ("tags", {}),
    ],
)
def test_every_property_is_compared(name, value):
    ((_, kind, expected, actual),) = objects(replace(FACTS, properties=replace(PROPERTIES, **{name: value})))
    assert (kind, expected, actual) == (name.replace("_", " "), getattr(PROPERTIES, name), value)


def test_no_property_is_forgotten_in_the_test_above():
    assert len(Properties.__dataclass_fields__) == 9


def test_each_key_once_and_no_other_keys():
    expected = [("east", "a"), ("west", "b"), ("west", "c")]
    assert as_tuples(compare.versions(expected, Counter(expected))) == []
    counted = Counter({("east", "a"): 2, ("west", "b"): 1, ("west", "x"): 1})
    assert as_tuples(compare.versions(expected, counted)) == [
        ("east target: a", "versions", 1, 2),
        ("west target: c", "versions", 1, 0),
        ("west target: x", "versions", 0, 1),
    ]


def test_rows_that_are_right():
    assert rows(ROW) == []
    assert rows({**ROW, "verification": "checksum"}) == []


def test_rows_missing_twice_or_of_nothing():
    assert rows() == ["rows of the API"]
    assert rows(ROW, ROW) == ["rows of the API"]
    assert rows(ROW, {**ROW, "key": "outbox/other"}) == ["rows of the API"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outcome", "UNCHANGED"),
        ("target_key", "x"),
        ("size", 4),
        ("target_etag", "x"),
        ("verification", "size"),
        ("verification", None),
    ],
)
def test_rows_that_are_wrong(name, value):
    assert rows({**ROW, name: value}) == [f"the API's {name}"]


def test_a_failed_row_says_why():
    (failed,) = compare.rows(
        [ITEM],
        [{**ROW, "outcome": "FAILED", "detail": "because"}],
        {TARGET: FACTS},
        {TARGET: Found(FACTS, "e")},
    )
    assert failed.told() == "'outbox/k': the API's outcome: expected 'COPIED', found 'FAILED (because)'"


def job(state="SUCCEEDED", done=5, **outcomes):
    progress = {"objects_planned": 5, "objects_done": done}
    return {"id": "j", "state": state, "reason": "why", "outcomes": outcomes, "progress": progress}


def test_outcomes_of_a_job():
    assert as_tuples(compare.outcomes(job(COPIED=5, FAILED=0), "COPIED", 5)) == []
    assert [kind for _, kind, _, _ in as_tuples(compare.outcomes(job("PARTIAL", COPIED=4, FAILED=1), "COPIED", 5))] == [
        "state",
        "outcomes",
    ]
    assert as_tuples(compare.outcomes(job(done=4, COPIED=5), "COPIED", 5)) == [("job j", "objects_done", 5, 4)]
