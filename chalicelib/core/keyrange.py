"""Dividing a range of keys.

Keys are ordered by their UTF-8 bytes, which is the order of their code points. A midpoint need not exist as a key and
need not be in the middle of anything: it only has to lie strictly between two keys that do exist.
"""

_LOW, _HIGH = 0x20, 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
LAST_CHARACTER = chr(_HIGH)


def range_end(prefix: str) -> str:
    """A string above every key under `prefix`: no key holds the last code point so often."""
    return prefix + LAST_CHARACTER * 4


def midpoint(low: str, high: str) -> str | None:
    """A string m with low <= m < high, about half way by code points, or None if low and high leave no room.

    `low` may be m itself: a fork at m puts the keys up to and including m into its first child.
    """
    if not low < high:
        return None
    at = 0
    while at < len(low) and low[at] == high[at]:
        at += 1
    floor = ord(low[at]) if at < len(low) else _LOW
    ceiling = ord(high[at])
    # Within printable ASCII where both sides are, so that real keys lie around it.
    if ceiling > 0x7F and floor < 0x7F:
        ceiling = 0x7F
    middle = _character((floor + ceiling) // 2)
    candidate = high[:at] + middle
    if low < candidate < high:
        return candidate
    # Neighbouring characters: go on inside low's branch, half way between its rest and the top.
    rest = low[at + 1 : at + 2]
    deeper = (ord(rest) if rest else _LOW) + 0x7F
    candidate = low[: at + 1] + _character(min(deeper // 2 + 1, _HIGH))
    return candidate if low <= candidate < high else (low if low < high else None)


def _character(code: int) -> str:
    return chr(0xD7FF) if code in _SURROGATES else chr(code)
