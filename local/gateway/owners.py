"""Check the expected-bucket-owner headers, which every emulator ignores. This module is pure.

Source: S3 user guide, "Verifying bucket ownership with bucket owner condition": a wrong owner is 403 AccessDenied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.gateway.classify import Call, split_copy_source
from local.gateway.errors import S3Error

_EXPECTED = "x-amz-expected-bucket-owner"
_EXPECTED_SOURCE = "x-amz-source-expected-bucket-owner"


@dataclass
class Owners:
    """The owners of buckets. A bucket belongs to the account that was seen creating it, else to the emulator's
    `default`.

    So a bucket that a stack of another account creates inside the emulator counts as the default account's.
    """

    default: str
    _owners: dict[str, str] = field(default_factory=dict)

    def learn(self, call: Call) -> None:
        """Learn a bucket's owner from a request that succeeded."""
        if call.operation == "CreateBucket":
            # The emulator takes an access key of 12 digits for the account of that number.
            is_account = len(call.access_key) == 12 and call.access_key.isdigit()
            self._owners[call.bucket] = call.access_key if is_account else self.default

    def check(self, call: Call, headers: Mapping[str, str]) -> S3Error | None:
        expected = headers.get(_EXPECTED)
        if expected is not None and expected != self.owner(call.bucket):
            return _denied()
        expected = headers.get(_EXPECTED_SOURCE)
        source = headers.get("x-amz-copy-source")
        if expected is not None and source is not None and expected != self.owner(split_copy_source(source)[0]):
            return _denied()
        return None

    def owner(self, bucket: str) -> str:
        return self._owners.get(bucket, self.default)


def _denied() -> S3Error:
    return S3Error(403, "AccessDenied", "Access Denied")
