"""Make the contents of objects: each unlike any other, or, where a seed wants it, the same few again and again."""

from random import Random

from simulation.memory.buckets import Version
from simulation.memory.env import SOURCE
from simulation.memory.store import MemoryObjectStore
from simulation.run.situations import Situation

_SIZES = (5, 20, 60)
"""Sizes in bytes of dropped objects. The last is copied by multipart."""


class Contents:
    """Makes bodies. `different` is how many contents there are for objects that are written later; 0 means that no two
    are alike."""

    def __init__(self, store: MemoryObjectStore, random: Random, different: int) -> None:
        self._store, self._random = store, random
        self.made = 0
        self._few = [self.new(_SIZES[number % 3]) for number in range(different)]

    def new(self, size: int) -> bytes:
        """Return a body of that size, unlike any other (except for the smallest)."""
        self.made += 1
        return (f"{self.made:03d}" * 40).encode()[:size] if size > 1 else b"x"[:size]

    def dropped(self) -> bytes:
        return self._random.choice(self._few) if self._few else self.new(self._random.choice(_SIZES))

    def overwriting(self, source_key: str, size: int) -> bytes:
        """Return a body for overwriting an object, at the source or at its target: perhaps one that the source held
        before."""
        if not self._few:
            return self.new(size)
        return self._random.choice([self._few[0], *dict.fromkeys(v.body for v in versions(self._store, source_key))])


def versions(store: MemoryObjectStore, source_key: str) -> list[Version]:
    """Return the versions of an object at a source, the oldest first, without delete markers."""
    return [v for bucket in SOURCE.values() for v in store.versions(bucket, source_key) if not v.delete_marker]


def repeated(store: MemoryObjectStore, source_key: str, *, versioned: bool) -> Situation | None:
    """Return a situation if the source now holds again what it held before the last overwrite."""
    bodies = [version.body for version in versions(store, source_key)]
    if len(bodies) < 3 or bodies[-1] == bodies[-2] or bodies[-1] not in bodies[:-2]:
        return None
    return Situation.CONTENTS_AGAIN_VERSIONED if versioned else Situation.CONTENTS_AGAIN


def shows_older(store: MemoryObjectStore, source_key: str, body: bytes) -> bool:
    """Return whether this is a body that the source held before, and doesn't now."""
    bodies = [version.body for version in versions(store, source_key)]
    return len(bodies) > 1 and body in bodies[:-1] and body != bodies[-1]
