"""Generate data such as strangers send."""

from hypothesis import strategies as st

TEXT = st.text(st.characters(), max_size=30)
"""This is any text that Python can hold, so half surrogate pairs too."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
"""This is any JSON value, and what Python's json adds to it: NaN, half surrogate pairs."""


def keys(max_bytes: int) -> st.SearchStrategy[str]:
    """Generate names that an object may have, from 1 to `max_bytes` bytes of UTF-8. Among them are names that encodings
    often break, and the longest possible ones."""
    tricky = st.sampled_from(
        [
            *("a+b", "a b", "a%2Bb", "%", "%zz", "%C3%28", "+", " ", "  ", "/", "//", ".", "..", "../x", "a/", "a//b"),
            *("\x00", "\x07\n\r\t", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe\uffff", "\U0010ffff", "é", "e\u0301"),
            *('"', "\\", "\\u0041", "{}", "&amp;", "<Key>", "?versionId=x", "#", "鍵", "\U0001f600", "İ", "ß"),
        ]
    )
    longest = st.sampled_from("xé鍵\U0001f600").map(lambda letter: letter * (max_bytes // len(letter.encode())))
    anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
    joined = st.lists(tricky | anything, min_size=1, max_size=4).map("".join)
    return (tricky | longest | anything | joined).filter(lambda key: 0 < len(key.encode()) <= max_bytes)
