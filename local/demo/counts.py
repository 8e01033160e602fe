"""Add up the requests that the gateway counted. It is pure, except for reading them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

WRITES = frozenset(
    {
        "PutObject",
        "CopyObject",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
        "PutObjectTagging",
    }
)
"""Operations that S3 bills as writes, and the free ones that change something."""
LISTS = frozenset({"ListObjects", "ListObjectsV2", "ListObjectVersions"})
"""LISTs of objects. The sweep's LISTs of multipart uploads are not among them: they recur every minute, and don't
depend on the job."""


@dataclass(frozen=True)
class Request:
    """The kind of request that one counter counts."""

    caller: str
    service: str
    operation: str
    bucket: str


@dataclass(frozen=True)
class Counts:
    """Numbers of requests by kind."""

    counted: Counter[Request]

    @staticmethod
    def of(report: Mapping[str, Any]) -> Counts:
        """Make the counts from the gateway's report. Outcomes are added together."""
        counted: Counter[Request] = Counter()
        for row in report["requests"]:
            request = Request(row["caller"], row["service"], row["operation"], row["bucket"])
            counted[request] += row["count"]
        return Counts(counted)

    def since(self, earlier: Counts) -> Counts:
        return Counts(self.counted - earlier.counted)

    def s3(self, *, callers: Collection[str], buckets: Collection[str] | None = None) -> Counts:
        """Return the S3 requests of some callers, on some buckets or on all."""

        def wanted(request: Request) -> bool:
            in_buckets = buckets is None or request.bucket in buckets
            return request.service == "s3" and request.caller in callers and in_buckets

        return self._only(wanted)

    def by_operation(self) -> dict[str, int]:
        totals: Counter[str] = Counter()
        for request, count in self.counted.items():
            totals[request.operation] += count
        return dict(sorted(totals.items()))

    def total(self, operations: Collection[str] | None = None) -> int:
        return sum(count for r, count in self.counted.items() if operations is None or r.operation in operations)

    def _only(self, is_counted: Callable[[Request], bool]) -> Counts:
        return Counts(Counter({request: count for request, count in self.counted.items() if is_counted(request)}))


def read(endpoint_url: str) -> Counts:
    """Return the gateway's counts since it started."""
    answer = httpx.get(f"{endpoint_url}/_gateway/requests", timeout=10, trust_env=False)
    return Counts.of(answer.raise_for_status().json())
