"""Remember facts about objects that the emulator doesn't keep.

The memory is right as long as every write passes the gateway. It is only used for an object whose ETag still agrees. It
ends with the process: then such an object shows no checksum, like an object on S3 from before checksums were
introduced.
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
    """True if the checksum is the gateway's own: the emulator shows none, or a wrong one, for this object."""


class ObjectMemory:
    """Facts about objects, bounded in number. The least recently used are forgotten first."""

    def __init__(self, capacity: int = _OBJECTS_MAX) -> None:
        self._capacity = capacity
        # (bucket, key, version id); "" is the current version of a key, whether its bucket has versions or not.
        self._facts: OrderedDict[tuple[str, str, str], ObjectFacts] = OrderedDict()
        self._checksums: Counter[str] = Counter()
        self._tagged: OrderedDict[tuple[str, str], None] = OrderedDict()

    def written(self, bucket: str, key: str, version: str, facts: ObjectFacts | None) -> None:
        """Record that the key has a new current version. None means that nothing is known about it."""
        for name in {"", version}:
            self._forget((bucket, key, name))
            if facts is not None:
                self._remember((bucket, key, name), facts)

    def deleted(self, bucket: str, key: str) -> None:
        """Record that the current version is deleted. Older ones, if any, are still there."""
        self._forget((bucket, key, ""))

    def facts(self, bucket: str, key: str, version: str, etag: str) -> ObjectFacts | None:
        facts = self.recall(bucket, key, version)
        return facts if facts is not None and facts.etag == etag.strip('"') else None

    def recall(self, bucket: str, key: str, version: str = "") -> ObjectFacts | None:
        """Return the facts without comparing the ETag: for uses that need only a hint."""
        facts = self._facts.get((bucket, key, version))
        if facts is not None:
            self._facts.move_to_end((bucket, key, version))
        return facts

    def has_checksums(self, bucket: str) -> bool:
        """Return whether a listing of this bucket has any checksum to show."""
        return self._checksums[bucket] > 0

    def tag(self, bucket: str, key: str) -> None:
        """Record that some version of the key may have tags. This is never unset: a wrong entry only costs one
        request."""
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
