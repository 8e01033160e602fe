"""Filters: which keys a glob matches, compared with a slow and obvious reading of it. No pattern takes long."""

from contextlib import suppress
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core.errors import BadRequest
from chalicelib.core.filters import PATTERN_MAX_CHARACTERS, PATTERNS_MAX, ObjectFilter
from chalicelib.core.inputs import Filters
from chalicelib.core.objects import ObjectFacts


def passes(name: str, size: int = 5, storage_class: str = "STANDARD", modified_ms: int = 1000, **filters: Any) -> bool:
    return ObjectFilter.of(Filters(**filters)).passes(name, ObjectFacts(name, size, "e", storage_class, modified_ms))


def matches(pattern: str, name: str) -> bool:
    return passes(name, include=(pattern,))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a.csv", ["a.csv"], ["A.csv", "a.csv ", "x/a.csv", "axcsv", ""]),
        ("*.csv", ["a.csv", ".csv", "a b.csv"], ["x/a.csv", "a.csv.gz", "a.CSV"]),
        ("*", ["a", ""], ["a/", "a/b"]),
        ("*/", ["a/", "/"], ["a", "a/b/"]),
        ("logs/*/x", ["logs/a/x", "logs//x"], ["logs/a/b/x", "logs/x"]),
        ("**", ["", "a", "a/b/", "/"], []),
        ("***", ["", "a/b"], []),
        ("logs/**", ["logs/", "logs/a", "logs/a/b"], ["logs", "xlogs/a"]),
        ("**/*.csv", ["a.csv", "x/a.csv", "x/y/a.csv", "/a.csv"], ["a.csv/", "a.csx"]),
        ("**/x", ["x", "a/x", "a/b/x"], ["ax", "a/bx", "x/"]),
        ("a/**/b", ["a/b", "a/c/b", "a/c/d/b", "a//b"], ["a/cb", "ab", "a/b/c"]),
        ("**/**/x", ["x", "a/x"], ["ax"]),
        ("**/****/***/x", ["x", "a/x", "a/b/c/x"], ["ax"]),
        ("**/", ["", "a/", "a/b/"], ["a"]),
        ("**.csv", [".csv", "x/a.csv"], ["a.csv/b"]),
        ("x**/y", ["x/y", "xa/b/y"], ["xy", "y"]),
        ("a**b", ["ab", "a/b", "axxb"], ["a", "abc"]),
        ("?", ["a", "鍵", "\U0001f600"], ["", "/", "ab"]),
        ("[abc]x", ["ax", "cx"], ["dx", "x", "[abc]x"]),
        ("[a-c]", ["a", "b", "c"], ["d", "-"]),
        ("[!a-c]", ["d", "-", "é"], ["a", "/", ""]),
        ("[^a]", ["b"], ["a", "/"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[-a]", ["a", "-"], ["b"]),
        ("[]]", ["]"], ["["]),
        ("[!]]", ["a"], ["]"]),
        ("[[]", ["["], ["]"]),
        ("[*]", ["*"], ["a", "**"]),
        ("[.-0]", [".", "0"], ["/"]),
        ("[/]", [], ["/"]),
        ("a\\*", ["a\\", "a\\b"], ["a*"]),
        ("{a,b}", ["{a,b}"], ["a", "b"]),
    ],
)
def test_globs(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [name for name in yes if not matches(pattern, name)] == []
    assert [name for name in no if matches(pattern, name)] == []


def slowly(pattern: str, name: str, begins: bool = True) -> bool:
    """Match a glob without classes, by the words of the language. `begins` says whether a name begins here."""
    if not pattern:
        return not name
    if pattern.startswith("**/") and begins:
        remainder = pattern[3:]
        ends = [index + 1 for index, character in enumerate(name) if character == "/"]
        return slowly(remainder, name) or any(slowly(remainder, name[index:]) for index in ends)
    if pattern.startswith("**"):
        return any(slowly(pattern[2:], name[index:], False) for index in range(len(name) + 1))
    if pattern[0] == "*":
        segment, _, _ = name.partition("/")
        return any(slowly(pattern[1:], name[index:], False) for index in range(len(segment) + 1))
    return bool(name) and fits(pattern[0], name[0]) and slowly(pattern[1:], name[1:], pattern[0] == "/")


def fits(special: str, character: str) -> bool:
    return character != "/" if special == "?" else character == special


def readable(pattern: str) -> bool:
    """Return whether both read the pattern alike. One reads three stars, and folders after them, from the left, the
    other from the right."""
    return "***" not in pattern


@given(
    st.lists(st.sampled_from(["*", "**", "**/", "/", "?", "a", "b"]), max_size=7).map("".join).filter(bool),
    st.text("ab/", max_size=8),
)
@example("**/**/a", "b/a")
@example("a**/**/b", "aa/b")
def test_globs_as_they_read(pattern: str, name: str) -> None:
    if readable(pattern):
        assert matches(pattern, name) is slowly(pattern, name)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_pattern_is_read_or_refused(pattern: str, name: str) -> None:
    with suppress(BadRequest):
        assert matches(pattern, name) in (True, False)


@given(st.text(st.characters(exclude_characters="/*?["), min_size=1, max_size=60))
def test_a_pattern_without_special_characters_matches_itself(name: str) -> None:
    assert matches(name, name)
    assert not matches(name, f"{name}x")
    assert matches("".join(f"[{c}]" if c not in "!^]" else c for c in name), name)


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 127 + "b", "**a" * 85, "**/" * 85, "a**/" * 64, "[!b]*" * 51, "?*" * 127 + "b", "*" * 256, "**/*" * 64],
    ids=lambda pattern: pattern[:8],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    """These patterns make a backtracking matcher try for ever. A page of 1,000 of the longest keys, under as many
    patterns as there may be, must not cost more than some seconds of a slow machine."""
    object_filter = ObjectFilter.of(Filters(include=(pattern,) * PATTERNS_MAX))
    begun_s = process_time()
    for name in ("a" * 1024, "a/" * 512, "ab" * 512):
        for _ in range(3):
            object_filter.passes(name, ObjectFacts(name, 1, "e"))
    assert process_time() - begun_s < 1


@given(st.lists(st.sampled_from(["*", "a*", "**/b", "[!a]", "b"]), max_size=3), st.text("ab/", max_size=5))
def test_several_patterns_are_as_each_by_itself(patterns: list[str], name: str) -> None:
    included = not patterns or any(matches(pattern, name) for pattern in patterns)
    assert passes(name, include=tuple(patterns)) is included
    assert passes(name, exclude=tuple(patterns)) is not any(matches(pattern, name) for pattern in patterns)


def test_excluded_wins() -> None:
    assert not passes("a", include=("a",), exclude=("a",))


def test_bounds() -> None:
    assert [passes("a", size, size_min_bytes=2, size_max_bytes=4) for size in range(1, 6)] == [
        False,
        *[True] * 3,
        False,
    ]
    bounds: dict[str, Any] = {"modified_since_ms": 10, "modified_before_ms": 12}
    assert [passes("a", modified_ms=at, **bounds) for at in range(9, 13)] == [False, True, True, False]
    assert [passes("a", storage_class=name, storage_classes=("GLACIER",)) for name in ("GLACIER", "STANDARD")] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "filters",
    [
        Filters(include=("[",)),
        Filters(include=("[]",)),
        Filters(exclude=("a[!]",)),
        Filters(include=("[z-a]",)),
        Filters(include=("",)),
        Filters(include=("a" * (PATTERN_MAX_CHARACTERS + 1),)),
        Filters(exclude=("a",) * (PATTERNS_MAX + 1)),
        Filters(size_min_bytes=5, size_max_bytes=4),
        Filters(modified_since_ms=5, modified_before_ms=5),
    ],
    ids=lambda filters: str(filters)[:60],
)
def test_what_is_no_filter(filters: Filters) -> None:
    with pytest.raises(BadRequest):
        ObjectFilter.of(filters)
