"""Dividing a range of keys.

Keys are ordered by their UTF-8 bytes, which is the order of their code points. S3 lists only upwards, so nobody knows
where a range's keys lie; but whether any lies above a bound costs one LIST of one key.
"""

from collections.abc import Callable

from chalicelib.core.policy import KEY_MAX_BYTES

_SURROGATES = range(0xD800, 0xE000)
"""No key holds them, so characters are counted without them: every rank is a character."""
_LAST = 0x10FFFF - len(_SURROGATES)
_ASCII_LAST = 0x7F
_BELOW_PRINTABLE = 0x1F


def divide(low: str, any_above: Callable[[str], bool]) -> str | None:
    """A bound with keys on both sides: `low`, which is the range's first key, at or below it, and others above it. None
    if `low` is the only key. `any_above(bound)` says whether the range has keys greater than the bound.

    Two bisections: how many characters all the keys have in common, then which characters follow there. The bound is
    half way between those. About 20 questions for printable ASCII, 35 at most.
    """
    if not any_above(low):
        return None
    common = _bisect(0, len(low) + 1, lambda length: not _leaves(low[:length], any_above))
    # Where the keys part: after `common`. If `low` itself ends there, all others go on from it.
    floor = _rank(low[common]) if common < len(low) else _BELOW_PRINTABLE
    shared = low[:common]
    top = _ASCII_LAST if floor < _ASCII_LAST and not any_above(shared + _character(_ASCII_LAST)) else _LAST
    highest = _bisect(floor, top + 1, lambda rank: any_above(shared + _character(rank)))
    middle = floor + (highest - floor + 1) // 2
    return shared + _character(middle) if middle > floor else low


def just_below(key: str) -> str:
    """A bound below `key` with next to nothing between them: that of its neighbours before it, if they end in the same
    number of characters as it."""
    stem, rank = key[:-1], _rank(key[-1]) if key else 0
    below = stem + _character(rank - 1) + _character(_LAST) if rank else stem
    return below if len(below.encode()) <= KEY_MAX_BYTES else stem


def _bisect(true: int, false: int, holds: Callable[[int], bool]) -> int:
    """The greatest number for which it holds, if it holds from `true` up to somewhere below `false`."""
    while false - true > 1:
        middle = (true + false) // 2
        if holds(middle):
            true = middle
        else:
            false = middle
    return true


def _leaves(prefix: str, any_above: Callable[[str], bool]) -> bool:
    """Are there keys above all those that begin with `prefix`?"""
    stem = prefix.rstrip(_character(_LAST))
    return bool(stem) and any_above(stem[:-1] + _character(_rank(stem[-1]) + 1))


def _rank(character: str) -> int:
    code = ord(character)
    return code if code < _SURROGATES.start else code - len(_SURROGATES)


def _character(rank: int) -> str:
    return chr(rank if rank < _SURROGATES.start else rank + len(_SURROGATES))
