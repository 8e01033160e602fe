"""Decides which objects under a prefix a job includes: by globs on the key, by size, age and storage class. The
decision is made once, when a row is planned.

Globs are matched against the whole key below the job's prefix, character by character, case-sensitive. Their language:

    *        any characters but "/", also none
    **       any characters, also none, also "/"
    **/      at the beginning of the pattern or after "/": any number of whole folders, also none
    ?        one character but "/"
    [a-z_]   one of these characters; [!a-z] (or [^a-z]) one that is not; neither matches "/"; "]" may come first

Everything else stands for itself; "[*]" is a star. An object is included if any `include` matches (or there is none),
no `exclude` matches, and every bound holds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.core.errors import BadRequest, ErrorCode
from chalicelib.core.inputs import Filters
from chalicelib.core.objects import ObjectFacts

PATTERNS_MAX = 20
PATTERN_MAX_CHARACTERS = 256
_CACHED_CHARACTERS = 4096
_SLASH = "/"
_FOLDERS = re.compile(r"\*\*+/")


@dataclass(frozen=True, slots=True)
class _CharacterSet:
    """A set of characters: those in any of these ranges or, if negated, those in none of them. It never contains "/",
    unless it consists of that alone."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def accepts(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) is not self.negated


@dataclass(slots=True)
class _Globs:
    """Any number of patterns as one automaton whose states are the bits of an integer. A character costs a handful of
    integer operations, whatever the patterns are. There is no backtracking, so no pattern takes long."""

    start: int = 0
    accepting: int = 0
    loops: int = 0
    """States that stay active at any character (`**`)."""
    segment_loops: int = 0
    """States that stay active at any character but "/" (`*`)."""
    skips: int = 0
    """States before `**/`. From each of them, the next two are reached without a character: the folders, and what
    follows them."""
    width: int = 0
    steps: list[tuple[int, _CharacterSet]] = field(default_factory=list)
    """Pairs of a state and the characters that lead to the next one."""
    cache: dict[str, int] = field(default_factory=dict)

    def add(self, pattern: str) -> None:
        self.start |= 1 << self.width
        at = 0
        while at < len(pattern):
            at = self._add_piece(pattern, at)
        self.accepting |= 1 << self.width
        self.width += 1

    def _add_piece(self, pattern: str, at: int) -> int:
        """Add one piece of the pattern, which begins at `at`. Return where the next piece begins."""
        if pattern[at] == "*":
            end = at
            while end < len(pattern) and pattern[end] == "*":
                end += 1
            if end - at == 1:
                self.segment_loops |= 1 << self.width
            elif pattern[end : end + 1] == _SLASH and (at == 0 or pattern[at - 1] == _SLASH):
                while repeated := _FOLDERS.match(pattern, end + 1):  # Repeating it adds nothing.
                    end = repeated.end() - 1
                self._add_folders()
                return end + 1
            else:
                self.loops |= 1 << self.width
            return end
        if pattern[at] == "[":
            characters, at = _read_class(pattern, at)
        elif pattern[at] == "?":
            characters, at = _CharacterSet(((_SLASH, _SLASH),), negated=True), at + 1
        else:
            characters, at = _CharacterSet(((pattern[at], pattern[at]),)), at + 1
        self._step(characters)
        return at

    def _add_folders(self) -> None:
        # The state before is a state of its own that no character keeps active. So what follows begins with the pattern
        # or after a "/", never in the middle of a name.
        self.skips |= 1 << self.width
        self.width += 1
        self.loops |= 1 << self.width
        self._step(_CharacterSet(((_SLASH, _SLASH),)))

    def _step(self, characters: _CharacterSet) -> None:
        self.steps.append((self.width, characters))
        self.width += 1

    def match(self, text: str) -> bool:
        states = self._skipped(self.start)
        for character in text:
            staying = states & self.loops
            if character != _SLASH:
                staying |= states & self.segment_loops
            states = self._skipped((states & self._leaving(character)) << 1 | staying)
            if not states:
                return False
        return bool(states & self.accepting)

    def _skipped(self, states: int) -> int:
        skippable = states & self.skips
        return states | skippable << 1 | skippable << 2 if skippable else states

    def _leaving(self, character: str) -> int:
        """Return the states from which a character leads on."""
        cached = self.cache.get(character)
        if cached is not None:
            return cached
        states = 0
        for state, characters in self.steps:
            if characters.accepts(character):
                states |= 1 << state
        if len(self.cache) < _CACHED_CHARACTERS:
            self.cache[character] = states
        return states


def _read_class(pattern: str, at: int) -> tuple[_CharacterSet, int]:
    """Return the character class that begins at `at`, and where the next piece begins. Raises BadRequest if the class
    is not closed or a range in it is reversed."""
    begin = at + 1
    negated = pattern[begin : begin + 1] in ("!", "^")
    begin += negated
    end = pattern.find("]", begin + 1)
    if end < 0:
        raise BadRequest(
            ErrorCode.INVALID_FILTER, f"pattern {pattern!r}: a '[' is not closed; '[[]' stands for the character"
        )
    ranges = [(_SLASH, _SLASH)] if negated else []
    while begin < end:
        low = high = pattern[begin]
        if pattern[begin + 1] == "-" and begin + 2 < end:
            high = pattern[begin + 2]
            begin += 2
        begin += 1
        if low > high:
            raise BadRequest(
                ErrorCode.INVALID_FILTER, f"pattern {pattern!r}: the range {low}-{high} is the wrong way round"
            )
        # A range across "/" becomes two ranges.
        ranges += [(low, "."), ("0", high)] if not negated and low <= _SLASH <= high else [(low, high)]
    return _CharacterSet(tuple(ranges), negated), end + 1


def _globs(role: str, patterns: Sequence[str]) -> _Globs:
    if len(patterns) > PATTERNS_MAX:
        raise BadRequest(
            ErrorCode.INVALID_FILTER, f"{role}: there are {len(patterns)} patterns; at most {PATTERNS_MAX}"
        )
    globs = _Globs()
    for pattern in patterns:
        if not 1 <= len(pattern) <= PATTERN_MAX_CHARACTERS:
            detail = f"{role}: a pattern has 1 to {PATTERN_MAX_CHARACTERS} characters, not {len(pattern)}"
            raise BadRequest(ErrorCode.INVALID_FILTER, detail)
        globs.add(pattern)
    return globs


@dataclass(frozen=True, slots=True)
class ObjectFilter:
    """A compiled object filter. `of` checks it while compiling, and raises BadRequest with what is wrong."""

    filters: Filters
    include: _Globs
    exclude: _Globs

    @classmethod
    def of(cls, filters: Filters) -> "ObjectFilter":
        size_min, size_max = filters.size_min_bytes, filters.size_max_bytes
        if size_min is not None and size_max is not None and size_min > size_max:
            raise BadRequest(
                ErrorCode.INVALID_FILTER, f"no object has at least {size_min} and at most {size_max} bytes"
            )
        since, before = filters.modified_since_ms, filters.modified_before_ms
        if since is not None and before is not None and since >= before:
            raise BadRequest(
                ErrorCode.INVALID_FILTER, "modified_since is not before modified_before: no object is between them"
            )
        return cls(filters, _globs("include", filters.include), _globs("exclude", filters.exclude))

    def passes(self, name: str, facts: ObjectFacts) -> bool:
        """Tell whether the job includes this object. `name` is its key below the job's prefix."""
        filters = self.filters
        return (
            (filters.size_min_bytes is None or facts.size >= filters.size_min_bytes)
            and (filters.size_max_bytes is None or facts.size <= filters.size_max_bytes)
            and (filters.modified_since_ms is None or facts.last_modified_ms >= filters.modified_since_ms)
            and (filters.modified_before_ms is None or facts.last_modified_ms < filters.modified_before_ms)
            and (not filters.storage_classes or facts.storage_class in filters.storage_classes)
            and not (filters.exclude and self.exclude.match(name))
            and (not filters.include or self.include.match(name))
        )
