"""Regions that are cut off. Pure.

A cut Region's functions reach nothing, and its API answers nobody: both show as connections that close. Its S3 goes on
for everyone else, unless that is cut too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local.gateway.classify import Call, split_copy_source


@dataclass
class Cuts:
    regions: set[str] = field(default_factory=set)
    s3_regions: set[str] = field(default_factory=set)
    _home: dict[str, str] = field(default_factory=dict)
    """Bucket -> the Region that requests to it are signed for."""

    def cut(self, region: str, *, s3: bool) -> None:
        self.regions.add(region)
        if s3:
            self.s3_regions.add(region)

    def restore(self, region: str) -> None:
        self.regions.discard(region)
        self.s3_regions.discard(region)

    def learn(self, call: Call) -> None:
        """From a request that succeeded: the emulator refuses one that is signed for another Region."""
        if call.bucket and call.region:
            self._home[call.bucket] = call.region

    def drops(self, call: Call, copy_source: str = "") -> bool:
        if not self.regions:
            return False
        if call.caller in self.regions:
            return True
        if call.service != "s3" or not self.s3_regions:
            return False
        buckets = {call.bucket, split_copy_source(copy_source)[0]} if copy_source else {call.bucket}
        return call.region in self.s3_regions or any(self._home.get(name) in self.s3_regions for name in buckets)

    def report(self) -> dict[str, list[str]]:
        return {"regions": sorted(self.regions), "s3_regions": sorted(self.s3_regions)}
