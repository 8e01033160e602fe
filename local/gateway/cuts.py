"""Cut Regions off. This module is pure.

A cut Region's functions reach nothing, its API answers nobody, and the other Region's functions reach none of its
services. Its S3 goes on for everyone else, unless that is cut too: then nobody reaches its buckets, and no copy reads
from them. Clients outside, on the `aws` listener, still reach its other services, so that they can be inspected.

A Region is cut off in one of two ways. Its connections close, or they are accepted and nothing is ever answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from local.gateway.classify import Call, split_copy_source

OUTSIDE = "aws"


class Fate(Enum):
    """How a cut affects a request."""

    PASSES = "passes"
    CLOSES = "closes"
    HANGS = "hangs"
    SOURCE_HANGS = "source hangs"
    """The copy's own S3 works, but waits in vain for the source that it would read."""


@dataclass(frozen=True, slots=True)
class Cut:
    s3: bool
    hangs: bool


@dataclass
class Cuts:
    regions: dict[str, Cut] = field(default_factory=dict)
    _home: dict[str, str] = field(default_factory=dict)
    """Bucket -> the Region that requests to it are signed for."""

    def cut(self, region: str, *, s3: bool, hangs: bool = False) -> None:
        self.regions[region] = Cut(s3, hangs)

    def restore(self, region: str) -> None:
        self.regions.pop(region, None)

    def learn(self, call: Call) -> None:
        """Learn a bucket's Region from a request that succeeded: the emulator refuses one that is signed for another
        Region."""
        if call.bucket and call.region:
            self._home[call.bucket] = call.region

    def fate(self, call: Call, api_region: str = "", copy_source: str = "") -> Fate:
        """Return a request's fate. `api_region` is the Region whose API is called, if any. If anything involved closes
        connections, the request closes at once and never hangs."""
        if not self.regions:
            return Fate.PASSES
        touched = {self.regions[name] for name in self._touched(call, api_region) if name in self.regions}
        source = self._cut_storage(split_copy_source(copy_source)[0]) if copy_source else None
        if any(not cut.hangs for cut in touched) or (source is not None and not source.hangs):
            return Fate.CLOSES
        if touched:
            return Fate.HANGS
        return Fate.PASSES if source is None else Fate.SOURCE_HANGS

    def _touched(self, call: Call, api_region: str) -> set[str]:
        """Return the Regions that this request needs for an answer, without the source of a copy."""
        if call.service == "s3":
            signed_for = self.regions.get(call.region)
            homes = {call.region} if signed_for is not None and signed_for.s3 else set()
            if self._cut_storage(call.bucket) is not None:
                homes.add(self._home[call.bucket])
            return {call.caller} | homes
        return {call.caller, api_region} | (set() if call.caller == OUTSIDE else {call.region})

    def _cut_storage(self, bucket: str) -> Cut | None:
        """Return the cut of the Region that a bucket is in, if its S3 is cut too."""
        cut = self.regions.get(self._home.get(bucket, ""))
        return cut if cut is not None and cut.s3 else None

    def report(self) -> dict[str, list[str]]:
        return {
            "regions": sorted(self.regions),
            "s3_regions": sorted(name for name, cut in self.regions.items() if cut.s3),
            "hanging": sorted(name for name, cut in self.regions.items() if cut.hangs),
        }
