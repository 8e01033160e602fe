"""Make an ObjectStore fail on cue, with the faults that a store can have towards its caller, and no others.

It can refuse (nothing happened), lose the answer (it happened, and the caller doesn't know), answer with any error of
`core.errors`, or let somebody else act just before the request arrives. It never lies and never tears an object.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from chalicelib.core.deletions import Versioning
from chalicelib.core.errors import EftError, Retry
from chalicelib.core.objects import Bucket, Checksum, ObjectHead, Properties
from chalicelib.core.policy import LIST_PAGE_KEYS
from chalicelib.ports import BucketFacts, ObjectStore, Page, Part, Placement, SourceRef, UploadInfo, UploadRef, Written
from simulation.memory.operations import Operation

T = TypeVar("T")


class When(Enum):
    BEFORE = "before"
    """The request never arrives."""
    AFTER = "after"
    """The request is carried out, and the answer is lost."""


def lost() -> EftError:
    return Retry("Injected", "no answer")


@dataclass(slots=True)
class Rule:
    """Which requests fail, and how. A field that is None matches all. `first`: the rule begins with the n-th match
    (from 1). `times`: it applies to so many matches, None for ever. `act` runs before the request. With `error` None
    nothing fails."""

    operation: Operation | None = None
    bucket: str | None = None
    key: str | None = None
    region: str | None = None
    first: int = 1
    times: int | None = 1
    when: When = When.BEFORE
    error: Callable[[], Exception] | None = lost
    act: Callable[[], object] | None = None
    matched: int = 0

    def fires(self, operation: Operation, bucket: Bucket, key: str) -> bool:
        """Return whether the rule applies to this request. Counts the matches."""
        pattern = (self.operation, self.bucket, self.key, self.region)
        if any(
            expected not in (None, actual)
            for expected, actual in zip(pattern, (operation, bucket.name, key, bucket.region), strict=True)
        ):
            return False
        self.matched += 1
        return self.first <= self.matched and (self.times is None or self.matched < self.first + self.times)


@dataclass(slots=True)
class FaultyStore:
    """Implements `ports.ObjectStore` around another. Every rule that matches a request has its effect, in order.
    `calls` holds all requests, carried out or not."""

    store: ObjectStore
    rules: list[Rule] = field(default_factory=list)
    calls: list[tuple[Operation, str, str]] = field(default_factory=list)

    def rule(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def _call(self, operation: Operation, bucket: Bucket, key: str, carry_out: Callable[[], T]) -> T:
        self.calls.append((operation, bucket.name, key))
        firing = [rule for rule in self.rules if rule.fires(operation, bucket, key)]
        for rule in firing:
            if rule.act is not None:
                rule.act()
            if rule.when is When.BEFORE and rule.error is not None:
                raise rule.error()
        answer = carry_out()
        for rule in firing:
            if rule.when is When.AFTER and rule.error is not None:
                raise rule.error()
        return answer

    def head(
        self,
        bucket: Bucket,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        part_number: int | None = None,
    ) -> ObjectHead | None:
        def ask() -> ObjectHead | None:
            return self.store.head(bucket, key, version_id=version_id, if_match=if_match, part_number=part_number)

        return self._call(Operation.HEAD, bucket, key, ask)

    def list(self, bucket: Bucket, prefix: str, *, start_after: str = "", limit: int = LIST_PAGE_KEYS) -> Page:
        def ask() -> Page:
            return self.store.list(bucket, prefix, start_after=start_after, limit=limit)

        return self._call(Operation.LIST, bucket, prefix, ask)

    def get(self, bucket: Bucket, key: str) -> bytes | None:
        return self._call(Operation.GET, bucket, key, lambda: self.store.get(bucket, key))

    def presign(self, bucket: Bucket, key: str, *, expires_s: int, file_name: str, content_type: str) -> str:
        # No request is made, so none can fail.
        return self.store.presign(bucket, key, expires_s=expires_s, file_name=file_name, content_type=content_type)

    def read(
        self, bucket: Bucket, key: str, etag: str, first_byte: int, last_byte: int, *, version_id: str | None = None
    ) -> bytes:
        def ask() -> bytes:
            return self.store.read(bucket, key, etag, first_byte, last_byte, version_id=version_id)

        return self._call(Operation.GET, bucket, key, ask)

    def create(self, bucket: Bucket, key: str, body: bytes) -> None:
        return self._call(Operation.PUT, bucket, key, lambda: self.store.create(bucket, key, body))

    def overwrite(self, bucket: Bucket, key: str, body: bytes) -> None:
        return self._call(Operation.PUT, bucket, key, lambda: self.store.overwrite(bucket, key, body))

    def delete(self, bucket: Bucket, key: str) -> None:
        return self._call(Operation.DELETE, bucket, key, lambda: self.store.delete(bucket, key))

    def delete_pinned(self, bucket: Bucket, key: str, expected_target_etag: str) -> str | None:
        return self._call(
            Operation.DELETE, bucket, key, lambda: self.store.delete_pinned(bucket, key, expected_target_etag)
        )

    def tags(self, bucket: Bucket, key: str, version_id: str | None = None) -> dict[str, str]:
        return self._call(Operation.TAGS, bucket, key, lambda: self.store.tags(bucket, key, version_id))

    def part_sizes(self, bucket: Bucket, key: str, version_id: str | None = None) -> Sequence[int]:
        return self._call(Operation.ATTRIBUTES, bucket, key, lambda: self.store.part_sizes(bucket, key, version_id))

    def copy(
        self, source: SourceRef, bucket: Bucket, key: str, expected_target_etag: str | None, placement: Placement
    ) -> Written:
        def ask() -> Written:
            return self.store.copy(source, bucket, key, expected_target_etag, placement)

        return self._call(Operation.COPY, bucket, key, ask)

    def create_upload(
        self,
        bucket: Bucket,
        key: str,
        properties: Properties,
        tags: dict[str, str],
        placement: Placement,
        checksum_algorithm: str | None,
    ) -> UploadRef:
        def ask() -> UploadRef:
            return self.store.create_upload(bucket, key, properties, tags, placement, checksum_algorithm)

        return self._call(Operation.CREATE_UPLOAD, bucket, key, ask)

    def upload_part_copy(
        self, upload: UploadRef, number: int, source: SourceRef, first_byte: int, last_byte: int, *, whole: bool
    ) -> Part:
        def ask() -> Part:
            return self.store.upload_part_copy(upload, number, source, first_byte, last_byte, whole=whole)

        return self._call(Operation.UPLOAD_PART_COPY, upload.bucket, upload.key, ask)

    def list_parts(self, upload: UploadRef) -> Sequence[Part]:
        return self._call(Operation.LIST_PARTS, upload.bucket, upload.key, lambda: self.store.list_parts(upload))

    def complete(
        self,
        upload: UploadRef,
        parts: Sequence[Part],
        expected_target_etag: str | None,
        size: int,
        checksum: Checksum | None,
    ) -> Written:
        def ask() -> Written:
            return self.store.complete(upload, parts, expected_target_etag, size, checksum)

        return self._call(Operation.COMPLETE, upload.bucket, upload.key, ask)

    def abort(self, upload: UploadRef) -> None:
        return self._call(Operation.ABORT, upload.bucket, upload.key, lambda: self.store.abort(upload))

    def list_uploads(self, bucket: Bucket, prefix: str) -> Sequence[UploadInfo]:
        return self._call(Operation.LIST_UPLOADS, bucket, prefix, lambda: self.store.list_uploads(bucket, prefix))

    def describe(self, bucket: Bucket) -> BucketFacts:
        return self._call(Operation.HEAD_BUCKET, bucket, "", lambda: self.store.describe(bucket))

    def versioning(self, bucket: Bucket) -> Versioning:
        return self._call(Operation.BUCKET_VERSIONING, bucket, "", lambda: self.store.versioning(bucket))
