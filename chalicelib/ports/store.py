"""S3, as the product needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.core.deletions import Versioning
from chalicelib.core.model import (
    Bucket,
    Checksum,
    ObjectFacts,
    ObjectHead,
    Properties,
)


@dataclass(frozen=True, slots=True)
class Page:
    """One LIST page in UTF-8 byte order of keys. `truncated`: more keys follow the last one."""

    objects: tuple[ObjectFacts, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class SourceRef:
    """The pinned source of a copy. `etag` becomes CopySourceIfMatch, always. Without a version that means: the newest
    one must be it."""

    bucket: Bucket
    key: str
    etag: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What S3 said about an object it has just published."""

    etag: str
    version_id: str | None = None
    checksum: Checksum | None = None
    source_version_id: str | None = None
    """Which version of its source CopyObject took, where S3 says so: of a source that keeps versions."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a destination object is to be stored: what neither CopyObject nor a multipart copy takes from the source."""

    storage_class: str = "STANDARD"
    kms_key: str | None = None
    redirect: str | None = None


@dataclass(frozen=True, slots=True)
class UploadRef:
    """A multipart upload."""

    bucket: Bucket
    key: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """An open multipart upload as ListMultipartUploads shows it. `age_ms` is by the store's own clock: its answer's
    Date header less the upload's Initiated."""

    upload: UploadRef
    initiator: str
    age_ms: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part that has arrived."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """Where a bucket really is, and its tags."""

    region: str
    tags: Mapping[str, str]


class ObjectStore(Protocol):
    """S3. `expect` on a publishing call is the destination precondition: None = nothing may be there
    (If-None-Match: *), an ETag = exactly this must be there (If-Match)."""

    def head(
        self,
        bucket: Bucket,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        part_number: int | None = None,
    ) -> ObjectHead | None:
        """None if there is no such key (or version). With `if_match`, another ETag raises PreconditionFailed. With
        `part_number`, the size in the facts is that part's and `parts_count` is set. Checksums are always asked for."""
        ...

    def list(self, bucket: Bucket, prefix: str, *, start_after: str = "", limit: int = 1000) -> Page:
        """The keys under `prefix` greater than `start_after`, at most `limit` (never more than 1,000). Strongly
        consistent."""
        ...

    def get(self, bucket: Bucket, key: str) -> bytes | None:
        """A small object of ours, whole. None if there is no such key."""
        ...

    def presign(self, bucket: Bucket, key: str, *, expires_s: int, file_name: str, content_type: str) -> str:
        """A link by which anybody who has it may GET the object for so long, as a file of that name and type. Made
        without asking S3: nothing says that the object is there."""

    def read(
        self, bucket: Bucket, key: str, etag: str, first_byte: int, last_byte: int, *, version_id: str | None = None
    ) -> bytes:
        """Bytes first..last (inclusive) of an object that is as pinned; fewer where it ends before. Another ETag raises
        PreconditionFailed, a missing key (or version) NotFound, a first byte beyond the end Permanent."""
        ...

    def create(self, bucket: Bucket, key: str, body: bytes) -> None:
        """Publish a small object if nothing is there. PreconditionFailed: something is. Retry: look."""
        ...

    def overwrite(self, bucket: Bucket, key: str, body: bytes) -> None:
        """Publish a small object whatever is there. For beacons, which nothing rests on, and for what is kept of
        issuers' keys, which only one writer changes."""
        ...

    def delete(self, bucket: Bucket, key: str) -> None:
        """Remove a key of ours, whatever is there; no error if it is gone."""
        ...

    def delete_pinned(self, bucket: Bucket, key: str, expect: str) -> str | None:
        """DeleteObject of exactly what is pinned: the current version, if it has this ETag. PreconditionFailed: another
        one is there. NotFound: nothing is. In a bucket that keeps versions, that version stays, under a delete marker,
        whose VersionId is returned."""
        ...

    def tags(self, bucket: Bucket, key: str, version_id: str | None = None) -> dict[str, str]: ...

    def part_sizes(self, bucket: Bucket, key: str, version_id: str | None = None) -> Sequence[int]:
        """The sizes of the parts the object was made of; empty where S3 doesn't know them."""
        ...

    def copy(self, source: SourceRef, bucket: Bucket, key: str, expect: str | None, placement: Placement) -> Written:
        """CopyObject with both sides pinned. PreconditionFailed doesn't say which side failed."""
        ...

    def create_upload(
        self,
        bucket: Bucket,
        key: str,
        properties: Properties,
        tags: dict[str, str],
        placement: Placement,
        checksum_algorithm: str | None,
    ) -> UploadRef:
        """CreateMultipartUpload. With an algorithm: FULL_OBJECT checksums of it."""
        ...

    def upload_part_copy(
        self, upload: UploadRef, number: int, source: SourceRef, first_byte: int, last_byte: int, *, whole: bool
    ) -> Part:
        """Copy bytes first..last (inclusive) as part `number`. `whole`: the part is the whole object, so no range is
        sent (S3 takes ranges only on sources over 5 MB)."""
        ...

    def list_parts(self, upload: UploadRef) -> Sequence[Part]: ...

    def complete(
        self, upload: UploadRef, parts: Sequence[Part], expect: str | None, size: int, checksum: Checksum | None
    ) -> Written:
        """CompleteMultipartUpload with the destination pinned, the size stated and, where given, the whole object's
        checksum: a wrong copy can't appear (Permanent BadDigest)."""
        ...

    def abort(self, upload: UploadRef) -> None:
        """AbortMultipartUpload; no error if it is gone."""
        ...

    def list_uploads(self, bucket: Bucket, prefix: str) -> Sequence[UploadInfo]: ...

    def describe(self, bucket: Bucket) -> BucketFacts:
        """What the bucket says of itself. NoSuchBucket, or Denied: not under this name, owner and Region, or not for
        us."""
        ...

    def versioning(self, bucket: Bucket) -> Versioning:
        """What becomes of what is deleted in the bucket. It may be changed at any time, and S3 may take minutes to
        notice (S3 user guide, "Enabling versioning on buckets")."""
        ...
