"""What the gateway remembers about objects because the emulator doesn't.

It is right as long as every write passes the gateway, and it is only ever believed for an object whose ETag still
agrees. It ends with the process: then such an object shows no checksum, as one from before checksums did on S3.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from local.gateway.checksums import Checksum

_OBJECTS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    etag: str
    """Without quotes."""
    size: int | None = None
    checksum: Checksum | None = None
    overrides: bool = False
    """The checksum is the gateway's own: the emulator shows none, or a wrong one, for this object."""


class ObjectMemory:
    """Bounded: the longest unused is forgotten first."""

    def __init__(self, capacity: int = _OBJECTS_MAX) -> None:
        self._capacity = capacity
        # (bucket, key, version id); "" is the current version of a key, whether its bucket has versions or not.
        self._facts: OrderedDict[tuple[str, str, str], ObjectFacts] = OrderedDict()
        self._checksums: Counter[str] = Counter()
        self._tagged: OrderedDict[tuple[str, str], None] = OrderedDict()

    def written(self, bucket: str, key: str, version: str, facts: ObjectFacts | None) -> None:
        """The key has a new current version. None: nothing is known about it."""
        for name in {"", version}:
            self._forget((bucket, key, name))
            if facts is not None:
                self._remember((bucket, key, name), facts)

    def deleted(self, bucket: str, key: str) -> None:
        """The current version is gone; older ones, if any, are still there."""
        self._forget((bucket, key, ""))

    def facts(self, bucket: str, key: str, version: str, etag: str) -> ObjectFacts | None:
        found = self.recall(bucket, key, version)
        return found if found is not None and found.etag == etag.strip('"') else None

    def recall(self, bucket: str, key: str, version: str = "") -> ObjectFacts | None:
        """Without comparing the ETag: for what is only a hint."""
        found = self._facts.get((bucket, key, version))
        if found is not None:
            self._facts.move_to_end((bucket, key, version))
        return found

    def has_checksums(self, bucket: str) -> bool:
        """Whether a listing of this bucket has any checksum to show."""
        return self._checksums[bucket] > 0

    def tag(self, bucket: str, key: str) -> None:
        """Some version of the key may have tags. Never taken back: it only costs a look."""
        self._tagged[(bucket, key)] = None
        self._tagged.move_to_end((bucket, key))
        if len(self._tagged) > self._capacity:
            self._tagged.popitem(last=False)

    def maybe_tagged(self, bucket: str, key: str) -> bool:
        return (bucket, key) in self._tagged

    def _remember(self, name: tuple[str, str, str], facts: ObjectFacts) -> None:
        self._facts[name] = facts
        if facts.checksum is not None:
            self._checksums[name[0]] += 1
        if len(self._facts) > self._capacity:
            self._forget(next(iter(self._facts)))

    def _forget(self, name: tuple[str, str, str]) -> None:
        facts = self._facts.pop(name, None)
        if facts is not None and facts.checksum is not None:
            self._checksums[name[0]] -= 1
