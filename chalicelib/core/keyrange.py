"""Divides a range of keys into two.

Keys are ordered by their UTF-8 bytes, which is the order of their code points. S3 lists only upwards, so it is unknown
how a range's keys are distributed. However, one LIST of one key tells whether there is a key above a bound.
"""

from collections.abc import Callable

from chalicelib.core.policy import KEY_MAX_BYTES

_SURROGATES = range(0xD800, 0xE000)
"""Keys contain no surrogates. Characters are ranked without them, so that every rank is a character."""
_LAST = 0x10FFFF - len(_SURROGATES)
_ASCII_LAST = 0x7F
_BELOW_PRINTABLE = 0x1F


def divide(low: str, any_above: Callable[[str], bool]) -> str | None:
    """Return a bound that divides the range: `low`, the range's first key, is at or below it, and other keys are above
    it. Return None if `low` is the only key. `any_above(bound)` tells whether the range has keys greater than the
    bound.

    There are two bisections. The first finds how many characters all keys have in common. The second finds which
    characters follow there, and the bound is half way between those. This takes about 20 questions for printable ASCII,
    35 at most.
    """
    if not any_above(low):
        return None
    common = _bisect(0, len(low) + 1, lambda length: not _leaves(low[:length], any_above))
    # The keys diverge after `common`. If `low` ends there, all others are longer.
    floor = _rank(low[common]) if common < len(low) else _BELOW_PRINTABLE
    shared = low[:common]
    top = _ASCII_LAST if floor < _ASCII_LAST and not any_above(shared + _character(_ASCII_LAST)) else _LAST
    highest = _bisect(floor, top + 1, lambda rank: any_above(shared + _character(rank)))
    middle = floor + (highest - floor + 1) // 2
    return shared + _character(middle) if middle > floor else low


def just_below(key: str) -> str:
    """Return a bound below `key` with next to nothing in between: smaller keys of the same length are not above the
    bound. If such a bound would be too long for S3, return `key` without its last character."""
    stem, rank = key[:-1], _rank(key[-1]) if key else 0
    below = stem + _character(rank - 1) + _character(_LAST) if rank else stem
    return below if len(below.encode()) <= KEY_MAX_BYTES else stem


def _bisect(true: int, false: int, holds: Callable[[int], bool]) -> int:
    """Return the greatest number for which `holds` is true. It holds from `true` up to some number below `false`."""
    while false - true > 1:
        middle = (true + false) // 2
        if holds(middle):
            true = middle
        else:
            false = middle
    return true


def _leaves(prefix: str, any_above: Callable[[str], bool]) -> bool:
    """Tell whether there are keys above all those that begin with `prefix`."""
    stem = prefix.rstrip(_character(_LAST))
    return bool(stem) and any_above(stem[:-1] + _character(_rank(stem[-1]) + 1))


def _rank(character: str) -> int:
    code = ord(character)
    return code if code < _SURROGATES.start else code - len(_SURROGATES)


def _character(rank: int) -> str:
    return chr(rank if rank < _SURROGATES.start else rank + len(_SURROGATES))
