"""A prefix is a folder, or its writer learns what to send instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.prefixes import is_folder, nearest_folder, split_key, why_no_folder
from tests.entry.strategies import keys

PREFIXES = st.just("") | keys(64) | st.text("/ad-", max_size=6)


@pytest.mark.parametrize("prefix", ["", "data/", "data/2026/", "a//b/", "../", " /", "données/"])
def test_folders(prefix: str) -> None:
    assert is_folder(prefix)


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [
        ("data", "data/"),
        ("/data/", "data/"),
        ("/data", "data/"),
        ("//data//", "data/"),
        ("data/2026", "data/2026/"),
        ("/", ""),
        ("//", ""),
    ],
)
def test_what_is_none_and_what_was_meant(prefix: str, folder: str) -> None:
    assert not is_folder(prefix)
    assert nearest_folder(prefix) == folder
    why = why_no_folder(prefix)
    assert f"send {folder!r}" in why
    assert '"text_prefix": true' in why


def test_why() -> None:
    assert why_no_folder("data") == (
        "prefix 'data' doesn't end in '/', so it is also that of 'data-2026/': send 'data/', or, if all keys that "
        'begin so are meant, send "text_prefix": true beside it'
    )
    assert why_no_folder("/data/") == (
        "prefix '/data/' begins with '/', as hardly any key does: send 'data/', or, if keys do begin so, send "
        '"text_prefix": true beside it'
    )
    assert len(why_no_folder("x" * 1024)) < 400, "it says which, not all of it"


@given(PREFIXES)
def test_the_fix_is_a_folder(prefix: str) -> None:
    assert is_folder(nearest_folder(prefix))
    assert is_folder(prefix) or nearest_folder(prefix) != prefix


@given(PREFIXES, PREFIXES)
def test_a_folder_below_a_folder_is_one(outer: str, inner: str) -> None:
    """It holds for an endpoint's prefix and a job's prefix below it."""
    if is_folder(outer) and is_folder(inner):
        assert is_folder(outer + inner)


@given(PREFIXES, PREFIXES, keys(64))
def test_folders_are_the_same_or_apart_or_one_is_in_the_other(left: str, right: str, name: str) -> None:
    """No key lies in two of them because their names begin alike: `data/` and `data-2026/` have no key in common."""
    if is_folder(left) and is_folder(right) and name.startswith(left) and name.startswith(right):
        longer, shorter = max(left, right, key=len), min(left, right, key=len)
        assert longer.split("/")[: shorter.count("/")] == shorter.split("/")[:-1]


@given(keys(64))
def test_a_key_is_split_into_a_folder_and_a_name(key: str) -> None:
    folder, name = split_key(key)
    assert is_folder(folder)
    assert folder + name == key
    assert name or key.endswith("/")
