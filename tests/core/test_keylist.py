"""Lists of objects: which lines are permitted, and that any way of cutting the list into pieces gives the same
lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.inputs import Named
from chalicelib.core.keylist import LINE_MAX_BYTES, BadLine, Cursor, Lines, NoList, read_line, write_line

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def read(text: str, prefix: str = "") -> Named | None:
    return read_line(text.encode(), "source-west", prefix)


@given(KEYS, st.none() | st.text("abcXYZ012._-", min_size=1, max_size=30))
def test_what_is_written_is_read(key: str, version: str | None) -> None:
    line = write_line("source-west", Named(key, version))
    assert line.endswith("\n")
    assert line.isascii()
    assert line.count("\n") == 1
    assert read(line) == Named(key, version)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("source-west,a", Named("a")),
        ("source-west,a,", Named("a")),
        ("source-west,a,v1\n", Named("a", "v1")),
        ('"source-west","a b/c","v1"\r\n', Named("a b/c", "v1")),
        ("source-west,a%20b", Named("a b")),
        ("source-west,a+b", Named("a b")),
        ("source-west,a%2Bb", Named("a+b")),
        ("source-west,a%2cb%22%0A", Named('a,b"\n')),
        ("source-west,%E9%8D%B5", Named("鍵")),
        ("source-west,鍵", Named("鍵")),
        ("source-west,folder/", Named("folder/")),
        ("\n", None),
        ("\r\n", None),
        ("", None),
    ],
)
def test_lines(line: str, named: Named | None) -> None:
    assert read(line) == named


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a", "1 fields"),
        ("bucket,key", "is not the source's"),
        ("source-east,a", "is not the source's"),
        ("Source-west,a", "is not the source's"),
        ("source-west,a,v,STANDARD", "4 fields"),
        ("source-west,", "0 bytes"),
        ("source-west,%zz", "encodes nothing"),
        ("source-west,100%", "encodes nothing"),
        ("source-west,%FF", "not UTF-8"),
        ("source-west," + "x" * 1025, "1025 bytes"),
        ('source-west,"a', "no line of CSV"),
        ('source-west,"a"b', "no line of CSV"),
    ],
)
def test_bad_lines(line: str, why: str) -> None:
    with pytest.raises(BadLine, match=why):
        read(line)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(BadLine):
        read_line(b"source-west,\xff", "source-west", "")


@pytest.mark.parametrize("key", ["b", "in", "in/b", "inx", "in%2f%2e%2e/b/x", "../in/a/x", "IN/a/x", "in/a/"])
def test_keys_elsewhere_are_nobodys_way_in(key: str) -> None:
    """The service may read more than the tenant, so a list must not name such keys."""
    with pytest.raises(BadLine, match="prefix"):
        read(f"source-west,{key}", prefix="in/a/")


@given(st.binary(max_size=40))
def test_any_bytes(raw: bytes) -> None:
    try:
        named = read_line(raw, "source-west", "in/")
    except BadLine:
        return
    assert named is None or named.key.startswith("in/")


def lines_of(body: bytes, cuts: list[int], cursor: Cursor | None = None) -> list[tuple[bytes, Cursor]]:
    lines = Lines(cursor or Cursor())
    ends = [*sorted(cut for cut in cuts if lines.cursor.offset < cut < len(body)), len(body)]
    lines_read, position = [], lines.cursor.offset
    for end in ends:
        lines_read += list(lines.feed(body[position:end], end=end == len(body)))
        position = end
    return lines_read


@given(st.lists(st.text("ab,\r", max_size=6), max_size=8), st.booleans(), st.lists(st.integers(0, 60)), st.data())
def test_any_pieces_give_the_same_lines(texts: list[str], ended: bool, cuts: list[int], data: st.DataObject) -> None:
    body = "\n".join(texts).encode() + (b"\n" if ended else b"")
    lines = lines_of(body, cuts)
    assert b"".join(line for line, _ in lines) == body
    assert lines == lines_of(body, [])
    assert [cursor.lines for _, cursor in lines] == list(range(1, len(lines) + 1))
    if lines:  # It can go on from any line.
        index = data.draw(st.integers(0, len(lines) - 1))
        assert lines_of(body, cuts, lines[index][1]) == lines[index + 1 :]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert [line for line, _ in lines_of(b"\xef\xbb\xbfa,b\nc,d", [])] == [b"a,b\n", b"c,d"]


def test_what_is_no_list() -> None:
    with pytest.raises(NoList, match="gzip"):
        lines_of(b"\x1f\x8b\x08rest", [])
    with pytest.raises(NoList, match="line 2 has more than"):
        lines_of(b"a,b\n" + b"x" * (LINE_MAX_BYTES + 1), [])
    with pytest.raises(NoList, match="line 1 has more than"):
        lines_of(b"x" * (LINE_MAX_BYTES + 1) + b"\n", [100])
    assert len(lines_of(b"x" * (LINE_MAX_BYTES - 1) + b"\n", [])) == 1


def test_cursors() -> None:
    assert Cursor.parse("") == Cursor()
    assert Cursor.parse(str(Cursor(7, 2))) == Cursor(7, 2)
