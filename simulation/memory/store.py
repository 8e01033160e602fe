"""Implement S3 in memory, with AWS's own semantics rather than any emulator's. It is the reference for the contract
suite, which compares the others with it, and the base of the simulation.

Every request is atomic and answered at once (one lock), so conditional writes are linearizable. Faults are wrapped
around it (`faults`), not put into it.
"""

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.core.deletions import Versioning
from chalicelib.core.errors import NoSuchBucket, Permanent, PreconditionFailed
from chalicelib.core.objects import Bucket, Checksum, ObjectHead, Properties
from chalicelib.core.policy import LIST_PAGE_KEYS
from chalicelib.ports import BucketFacts, Page, Part, Placement, SourceRef, UploadInfo, UploadRef, Written
from simulation.memory import digests
from simulation.memory.buckets import StoredPart, stored_properties
from simulation.memory.links import sign
from simulation.memory.operations import Operation
from simulation.memory.state import StoreState, found_or_raise, opened_or_raise, readable


class MemoryObjectStore(StoreState):
    """Implements `ports.ObjectStore`, all Regions' buckets in one place."""

    # --- looking ---------------------------------------------------------------------------

    def head(
        self,
        bucket: Bucket,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        part_number: int | None = None,
    ) -> ObjectHead | None:
        try:
            with self._request(Operation.HEAD, bucket, key) as store:
                version = store.find(key, version_id)
                if version is None:
                    return None
                if if_match is not None and version.etag != if_match:
                    raise PreconditionFailed("412", "Precondition Failed")
                return version.head(part_number, age_ms=self.clock.now_ms() - version.at_ms)
        except NoSuchBucket:
            return None  # A HEAD answer has no body that could say so.

    def list(self, bucket: Bucket, prefix: str, *, start_after: str = "", limit: int = LIST_PAGE_KEYS) -> Page:
        with self._request(Operation.LIST, bucket, "") as store:
            versions, truncated = store.page(prefix, start_after, min(limit, LIST_PAGE_KEYS))
            return Page(tuple(version.listed() for version in versions), truncated)

    def get(self, bucket: Bucket, key: str) -> bytes | None:
        with self._request(Operation.GET, bucket, key) as store:
            version = store.current(key)
            return None if version is None else readable(version).body

    def presign(self, bucket: Bucket, key: str, *, expires_s: int, file_name: str, content_type: str) -> str:
        return sign(bucket, key, self.clock.now_ms() + expires_s * 1000, file_name, content_type)

    def read(
        self, bucket: Bucket, key: str, etag: str, first_byte: int, last_byte: int, *, version_id: str | None = None
    ) -> bytes:
        with self._request(Operation.GET, bucket, key) as store:
            version = found_or_raise(store.find(key, version_id), key)
            if version.etag != etag:
                raise PreconditionFailed("PreconditionFailed", f"{key} has another ETag (If-Match)")
            body = readable(version).body
            if first_byte >= len(body):
                raise Permanent("InvalidRange", f"byte {first_byte} of {len(body)}")
            return body[first_byte : last_byte + 1]

    def tags(self, bucket: Bucket, key: str, version_id: str | None = None) -> dict[str, str]:
        with self._request(Operation.TAGS, bucket, key) as store:
            return dict(found_or_raise(store.find(key, version_id), key).tags)

    def part_sizes(self, bucket: Bucket, key: str, version_id: str | None = None) -> Sequence[int]:
        with self._request(Operation.ATTRIBUTES, bucket, key) as store:
            version = store.find(key, version_id)
            return version.part_sizes if version else ()

    # --- writing ---------------------------------------------------------------------------

    def create(self, bucket: Bucket, key: str, body: bytes) -> None:
        with self._request(Operation.PUT, bucket, key) as store:
            store.expected_target_etag(key, None)
            self._publish(store, self._object(Operation.PUT, store, key, body))

    def overwrite(self, bucket: Bucket, key: str, body: bytes) -> None:
        with self._request(Operation.PUT, bucket, key) as store:
            self._publish(store, self._object(Operation.PUT, store, key, body))

    def delete(self, bucket: Bucket, key: str) -> None:
        with self._request(Operation.DELETE, bucket, key) as store:
            self._delete(store, key, self.principal)

    def delete_pinned(self, bucket: Bucket, key: str, expected_target_etag: str) -> str | None:
        with self._request(Operation.DELETE, bucket, key) as store:
            store.expected_target_etag(key, expected_target_etag)
            return self._delete(store, key, self.principal)

    def copy(
        self, source: SourceRef, bucket: Bucket, key: str, expected_target_etag: str | None, placement: Placement
    ) -> Written:
        with self._request(Operation.COPY, bucket, key) as store:
            original = self._source(source)
            store.expected_target_etag(key, expected_target_etag)
            if len(original.body) > self.limits.copy_max_bytes:
                raise Permanent("InvalidRequest", "the copy source is larger than CopyObject takes")
            itself = (source.bucket.name, source.key, source.version_id) == (bucket.name, key, None)
            if itself and placement == Placement():
                raise Permanent("InvalidRequest", "an object can't be copied onto itself without a change")
            # CopyObject keeps content, properties and tags, but not class, encryption and redirect. A "-N" ETag becomes
            # a plain one.
            version = self._object(
                Operation.COPY,
                store,
                key,
                original.body,
                properties=replace(original.properties, redirect=placement.redirect),
                tags=original.tags,
                placement=placement,
                algorithm=original.checksum.algorithm if original.checksum else digests.DEFAULT_ALGORITHM,
            )
            return replace(self._publish(store, version), source_version_id=original.version_id)

    def create_upload(
        self,
        bucket: Bucket,
        key: str,
        properties: Properties,
        tags: dict[str, str],
        placement: Placement,
        checksum_algorithm: str | None,
    ) -> UploadRef:
        with self._request(Operation.CREATE_UPLOAD, bucket, key) as store:
            redirect = placement.redirect or properties.redirect
            return self._open_upload(
                store,
                bucket,
                key,
                stored_properties(properties, tags, redirect),
                tags,
                placement,
                checksum_algorithm,
                self.principal,
            )

    def upload_part_copy(
        self, upload: UploadRef, number: int, source: SourceRef, first_byte: int, last_byte: int, *, whole: bool
    ) -> Part:
        with self._request(Operation.UPLOAD_PART_COPY, upload.bucket, upload.key) as store:
            opened = opened_or_raise(store, upload)
            original = self._source(source)
            body = original.body if whole else self._range(original.body, first_byte, last_byte)
            if not 1 <= number <= self.limits.parts_max:
                raise Permanent("InvalidArgument", "part number out of range")
            if len(body) > self.limits.part_max_bytes:
                raise Permanent("EntityTooLarge", "a part is larger than S3 takes")
            opaque = self._encryption(store, opened.placement) != "AES256"
            etag = digests.opaque_etag(self._next()) if opaque else digests.etag(body)
            opened.parts[number] = StoredPart(number, etag, body)
            return Part(number, etag, len(body))

    def list_parts(self, upload: UploadRef) -> Sequence[Part]:
        with self._request(Operation.LIST_PARTS, upload.bucket, upload.key) as store:
            parts = opened_or_raise(store, upload).parts
            return [Part(number, parts[number].etag, len(parts[number].body)) for number in sorted(parts)]

    def complete(
        self,
        upload: UploadRef,
        parts: Sequence[Part],
        expected_target_etag: str | None,
        size: int,
        checksum: Checksum | None,
    ) -> Written:
        with self._request(Operation.COMPLETE, upload.bucket, upload.key) as store:
            opened = opened_or_raise(store, upload)
            bodies = [part.body for part in opened.chosen(parts, self.limits)]
            store.expected_target_etag(opened.key, expected_target_etag)
            version = self._assembled(store, opened, bodies)
            if len(version.body) != size:
                raise Permanent("InvalidRequest", f"MpuObjectSize is {size}, the parts have {len(version.body)} bytes")
            if checksum is not None and checksum != version.checksum:
                raise Permanent("BadDigest", f"the {checksum.algorithm} you specified did not match what we calculated")
            del store.uploads[opened.upload_id]
            return self._publish(store, version)

    def abort(self, upload: UploadRef) -> None:
        with self._request(Operation.ABORT, upload.bucket, upload.key) as store:
            store.uploads.pop(upload.upload_id, None)

    def list_uploads(self, bucket: Bucket, prefix: str) -> Sequence[UploadInfo]:
        with self._request(Operation.LIST_UPLOADS, bucket, prefix) as store:
            now_ms = self.clock.now_ms()
            uploads = [upload for upload in store.uploads.values() if upload.key.startswith(prefix)]
            uploads.sort(key=lambda upload: (upload.key, upload.started))
            return [
                UploadInfo(UploadRef(bucket, u.key, u.upload_id), u.initiator, now_ms - u.initiated_ms) for u in uploads
            ]

    def describe(self, bucket: Bucket) -> BucketFacts:
        with self._request(Operation.HEAD_BUCKET, bucket, "") as store:
            return BucketFacts(store.region, dict(store.tags))

    def versioning(self, bucket: Bucket) -> Versioning:
        with self._request(Operation.BUCKET_VERSIONING, bucket, "") as store:
            return store.versioning
