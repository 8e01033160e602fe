"""Things that strangers send."""

from hypothesis import strategies as st

TEXT = st.text(st.characters(), max_size=30)
"""Any text that Python can hold, so half surrogate pairs too."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
"""Any JSON value, and what Python's json adds to it: NaN, half surrogate pairs."""
