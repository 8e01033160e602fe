"""Define the port to S3, as the product needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.core.deletions import Versioning
from chalicelib.core.objects import Bucket, Checksum, ObjectFacts, ObjectHead, Properties


@dataclass(frozen=True, slots=True)
class Page:
    """One LIST page in UTF-8 byte order of keys. `truncated`: more keys follow the last one."""

    objects: tuple[ObjectFacts, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class SourceRef:
    """The pinned source of a copy. `etag` always becomes CopySourceIfMatch. Without `version_id`, the newest version
    must have this ETag."""

    bucket: Bucket
    key: str
    etag: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """S3's answer about an object that it has just published."""

    etag: str
    version_id: str | None = None
    checksum: Checksum | None = None
    source_version_id: str | None = None
    """The version of the source that CopyObject took. S3 names it only if the source bucket keeps versions."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How to store a destination object: the properties that neither CopyObject nor a multipart copy takes from the
    source."""

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
    """An open multipart upload, as ListMultipartUploads shows it. `age_ms` is measured by the store's own clock: the
    answer's Date header minus the upload's Initiated."""

    upload: UploadRef
    initiator: str
    age_ms: int


@dataclass(frozen=True, slots=True)
class Part:
    """An upload part that has arrived."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """The Region in which a bucket really is, and its tags."""

    region: str
    tags: Mapping[str, str]


class ObjectStore(Protocol):
    """S3. `expected_target_etag` is the precondition of a call that publishes. None means that nothing may be there
    (If-None-Match: *); an ETag means that exactly this object must be there (If-Match)."""

    def head(
        self,
        bucket: Bucket,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        part_number: int | None = None,
    ) -> ObjectHead | None:
        """Return the object's head, or None if there is no such key (or version).

        With `if_match`, another ETag raises PreconditionFailed. With `part_number`, the size in the facts is that
        upload part's, and `parts_count` is set. Checksums are always asked for.
        """
        ...

    def list(self, bucket: Bucket, prefix: str, *, start_after: str = "", limit: int = 1000) -> Page:
        """Return the keys under `prefix` that are greater than `start_after`, at most `limit` (never more than 1,000).
        The answer is strongly consistent."""
        ...

    def get(self, bucket: Bucket, key: str) -> bytes | None:
        """Return the whole body of a small object of ours, or None if there is no such key."""
        ...

    def presign(self, bucket: Bucket, key: str, *, expires_s: int, file_name: str, content_type: str) -> str:
        """Return a link by which anybody who has it may GET the object for `expires_s` seconds, as a file of that name
        and type. It is made without asking S3, so it doesn't prove that the object is there."""

    def read(
        self, bucket: Bucket, key: str, etag: str, first_byte: int, last_byte: int, *, version_id: str | None = None
    ) -> bytes:
        """Return bytes first..last (inclusive) of an object that is as pinned; fewer if the object ends before.

        Raises PreconditionFailed for another ETag, NotFound for a missing key (or version), Permanent if the first byte
        lies beyond the end.
        """
        ...

    def create(self, bucket: Bucket, key: str, body: bytes) -> None:
        """Publish a small object if nothing is there. Raises PreconditionFailed if something is there. After Retry,
        look whether it was written."""
        ...

    def overwrite(self, bucket: Bucket, key: str, body: bytes) -> None:
        """Publish a small object whatever is there. This is for region heartbeats, on which no decision about safety
        rests, and for stored issuers' keys, which only one writer changes."""
        ...

    def delete(self, bucket: Bucket, key: str) -> None:
        """Remove a key of ours, whatever is there. A missing key is no error."""
        ...

    def delete_pinned(self, bucket: Bucket, key: str, expected_target_etag: str) -> str | None:
        """Delete the current version if its ETag is `expected_target_etag`. Return the VersionId of the delete marker
        in a bucket that keeps versions: there the deleted version stays, under the marker.

        Raises PreconditionFailed if another object is there, NotFound if nothing is.
        """
        ...

    def tags(self, bucket: Bucket, key: str, version_id: str | None = None) -> dict[str, str]: ...

    def part_sizes(self, bucket: Bucket, key: str, version_id: str | None = None) -> Sequence[int]:
        """Return the sizes in bytes of the upload parts that the object was made of; empty where S3 doesn't know
        them."""
        ...

    def copy(
        self, source: SourceRef, bucket: Bucket, key: str, expected_target_etag: str | None, placement: Placement
    ) -> Written:
        """Call CopyObject with both sides pinned. PreconditionFailed doesn't say which side failed."""
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
        """Call CreateMultipartUpload. With an algorithm, the upload gets FULL_OBJECT checksums of that algorithm."""
        ...

    def upload_part_copy(
        self, upload: UploadRef, number: int, source: SourceRef, first_byte: int, last_byte: int, *, whole: bool
    ) -> Part:
        """Copy bytes first..last (inclusive) as upload part `number`. `whole` says that the part is the whole object:
        then no range is sent, because S3 takes ranges only on sources over 5 MB."""
        ...

    def list_parts(self, upload: UploadRef) -> Sequence[Part]: ...

    def complete(
        self,
        upload: UploadRef,
        parts: Sequence[Part],
        expected_target_etag: str | None,
        size: int,
        checksum: Checksum | None,
    ) -> Written:
        """Call CompleteMultipartUpload with the destination pinned and the size stated. If `checksum` is given, S3
        compares the whole object's checksum with it, so a wrong copy can't appear (Permanent BadDigest)."""
        ...

    def abort(self, upload: UploadRef) -> None:
        """Call AbortMultipartUpload. An upload that is gone is no error."""
        ...

    def list_uploads(self, bucket: Bucket, prefix: str) -> Sequence[UploadInfo]: ...

    def describe(self, bucket: Bucket) -> BucketFacts:
        """Return what S3 says about the bucket. Raises NoSuchBucket or Denied if there is no such bucket under this
        name, owner and Region, or we may not use it."""
        ...

    def versioning(self, bucket: Bucket) -> Versioning:
        """Return what happens to deleted objects in the bucket. Its owner may change this at any time, and S3 may take
        minutes to apply the change (S3 user guide, "Enabling versioning on buckets")."""
        ...
