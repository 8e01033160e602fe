"""Implement the ObjectStore that runs in production, through boto3.

A request goes to the Region of the bucket that it changes (CopyObject: the destination's). S3's answers are translated
once (`s3_errors`, `s3_shapes`). Writes are never retried in here: a hidden retry turns one's own success into a 412.
"""

import os
from collections.abc import Sequence
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from chalicelib.adapters import s3_shapes as shapes
from chalicelib.adapters.clients import TRIES, make_client
from chalicelib.adapters.s3_errors import translating
from chalicelib.adapters.s3_xml import make_readable
from chalicelib.core.budgets import CallBudgets, Caller
from chalicelib.core.deletions import Versioning
from chalicelib.core.errors import Denied, NoSuchBucket, NoSuchUpload, NotFound, Permanent
from chalicelib.core.objects import Bucket, Checksum, ObjectHead, Properties
from chalicelib.core.policy import LIST_PAGE_KEYS, Policy
from chalicelib.ports import BucketFacts, Page, Part, Placement, SourceRef, UploadInfo, UploadRef, Written

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

POOL_CONNECTIONS = 64
"""More connections than one worker has threads (rows and upload parts in flight), so that no thread waits for one."""


class RequestKind(Enum):
    """Kinds of requests, by what a client may do about a slow or failed one."""

    READ = "read"
    """Harmless to repeat. Includes writes that nothing depends on."""
    WRITE = "write"
    COPY = "copy"
    """Writes whose answer takes long."""


def config(*, path_style: bool) -> Config:
    return Config(
        # Otherwise botocore would ask for CRC32 in every upload that names no algorithm. This would be a composite
        # checksum, for which Complete needs each upload part's own. S3 itself adds a full-object CRC64NVME.
        request_checksum_calculation="when_required",
        s3={"addressing_style": "path"} if path_style else None,
        # Otherwise presigned links would use the old signature version wherever an endpoint is given.
        signature_version="s3v4",
        user_agent_extra="eft",
    )


class S3ObjectStore:
    """Implements `ports.ObjectStore`. Safe to share between threads."""

    def __init__(
        self,
        session: boto3.Session | None = None,
        endpoint_url: str | None = None,
        *,
        budgets: CallBudgets | None = None,
    ) -> None:
        """Make a store. Without `endpoint_url`, boto3 itself uses AWS_ENDPOINT_URL, and AWS where that is unset.
        `budgets` holds the timeouts; the default is a worker's."""
        self._budgets = budgets or CallBudgets(Policy(), Caller.WORKER, "")
        self._session = session
        self._endpoint_url = endpoint_url
        self._path_style = bool(
            endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        )
        self._clients: dict[tuple[str, RequestKind], S3Client] = {}
        self._lock = Lock()

    def _client(self, region: str, kind: RequestKind) -> "S3Client":
        client = self._clients.get((region, kind))
        if client is not None:
            return client
        with self._lock:  # Clients are thread-safe; making one isn't.
            if (region, kind) not in self._clients:
                self._session = self._session or boto3.Session()
                with translating():
                    client = make_client(
                        "s3",
                        region,
                        self._budgets.copy(region) if kind is RequestKind.COPY else self._budgets.call(region),
                        connections=POOL_CONNECTIONS,
                        tries=TRIES if kind is RequestKind.READ else 1,
                        session=self._session,
                        endpoint_url=self._endpoint_url,
                        more=config(path_style=self._path_style),
                    )
                    client.meta.events.register("before-parse.s3.*", make_readable)
                    self._clients[region, kind] = client
            return self._clients[region, kind]

    # --- looking ----------------------------------------------------------------------------------------------

    def head(
        self,
        bucket: Bucket,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        part_number: int | None = None,
    ) -> ObjectHead | None:
        """Return the object's head. HEAD answers have no body, so a missing bucket looks like a missing key here
        (None). Without permission to list the bucket, S3 answers 403 (Denied) for a missing key too."""
        request = shapes.at(
            bucket,
            Key=key,
            VersionId=version_id,
            IfMatch=None if if_match is None else shapes.quoted(if_match),
            PartNumber=part_number,
            ChecksumMode="ENABLED",
        )
        try:
            with translating():
                answer = self._client(bucket.region, RequestKind.READ).head_object(**request)
        except NotFound:
            return None
        return shapes.head_of(key, answer)

    def list(self, bucket: Bucket, prefix: str, *, start_after: str = "", limit: int = LIST_PAGE_KEYS) -> Page:
        """Send one ListObjectsV2 (botocore asks for url-encoded keys, and decodes them). Send more only after an empty
        page."""
        request = shapes.at(
            bucket,
            Prefix=prefix,
            StartAfter=start_after or None,
            MaxKeys=min(limit, LIST_PAGE_KEYS),
            OptionalObjectAttributes=["RestoreStatus"],
        )
        while True:
            with translating():
                answer = self._client(bucket.region, RequestKind.READ).list_objects_v2(**request)
            objects = tuple(shapes.listed(entry) for entry in answer.get("Contents", ()))
            if objects or not answer.get("IsTruncated"):
                return Page(objects, bool(answer.get("IsTruncated")))
            # S3 may answer an empty page with more behind it: only its token leads on.
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def get(self, bucket: Bucket, key: str) -> bytes | None:
        try:
            with translating():
                answer = self._client(bucket.region, RequestKind.READ).get_object(**shapes.at(bucket, Key=key))
                return answer["Body"].read()
        except NotFound:
            return None

    def presign(self, bucket: Bucket, key: str, *, expires_s: int, file_name: str, content_type: str) -> str:
        """Return a link. It expires with the credentials that sign it, if they end first: a function's last for
        hours."""
        # `shapes.at` can't be used: the expected owner would be a header, which a client that follows the link doesn't
        # send.
        request = {
            "Bucket": bucket.name,
            "Key": key,
            "ResponseContentType": content_type,
            "ResponseContentDisposition": f'attachment; filename="{file_name}"',
        }
        with translating():
            return self._client(bucket.region, RequestKind.READ).generate_presigned_url(
                "get_object", Params=request, ExpiresIn=expires_s
            )

    def read(
        self, bucket: Bucket, key: str, etag: str, first_byte: int, last_byte: int, *, version_id: str | None = None
    ) -> bytes:
        request = shapes.at(
            bucket,
            Key=key,
            VersionId=version_id,
            IfMatch=shapes.quoted(etag),
            Range=f"bytes={first_byte}-{last_byte}",
        )
        with translating():
            answer = self._client(bucket.region, RequestKind.READ).get_object(**request)
            body = answer["Body"].read()
        # HTTP lets a server ignore a range and answer with the whole object (RFC 9110, section 14.2).
        return body if answer.get("ContentRange") else body[first_byte : last_byte + 1]

    def tags(self, bucket: Bucket, key: str, version_id: str | None = None) -> dict[str, str]:
        request = shapes.at(bucket, Key=key, VersionId=version_id)
        with translating():
            answer = self._client(bucket.region, RequestKind.READ).get_object_tagging(**request)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def part_sizes(self, bucket: Bucket, key: str, version_id: str | None = None) -> Sequence[int]:
        """Return the upload parts' sizes. GetObjectAttributes knows the parts only of objects uploaded with part
        checksums. For others, HEAD by part number: the first and the last part, and the others only if they aren't all
        as large as the first."""
        return self._attributed_sizes(bucket, key, version_id) or self._headed_sizes(bucket, key, version_id)

    def _attributed_sizes(self, bucket: Bucket, key: str, version_id: str | None) -> Sequence[int]:
        request = shapes.at(bucket, Key=key, VersionId=version_id, ObjectAttributes=["ObjectParts", "ObjectSize"])
        sizes: list[int] = []
        while True:
            try:
                with translating():
                    answer = self._client(bucket.region, RequestKind.READ).get_object_attributes(**request)
            except (Denied, NotFound, Permanent):
                return ()  # It needs a permission of its own, and not every store has it.
            object_parts: dict[str, Any] = dict(answer.get("ObjectParts") or {})
            sizes.extend(part["Size"] for part in object_parts.get("Parts") or ())
            if not object_parts.get("IsTruncated") or not object_parts.get("Parts"):
                # Fewer than there are: S3 only counts this object's parts, and doesn't list them.
                return sizes if sum(sizes) == answer.get("ObjectSize") else ()
            request["PartNumberMarker"] = object_parts["NextPartNumberMarker"]

    def _headed_sizes(self, bucket: Bucket, key: str, version_id: str | None) -> Sequence[int]:
        whole, first = (self.head(bucket, key, version_id=version_id, part_number=n) for n in (None, 1))
        if whole is None or first is None or first.parts_count < 1 or first.facts.etag != whole.facts.etag:
            return ()

        def size(number: int) -> int:
            part = self.head(bucket, key, version_id=version_id, if_match=whole.facts.etag, part_number=number)
            return part.facts.size if part else 0

        count, total = first.parts_count, whole.facts.size
        last = size(count)
        sizes = [first.facts.size] * (count - 1) + [last]
        if sum(sizes) != total:
            sizes = [first.facts.size, *(size(number) for number in range(2, count)), last]
        return sizes if sum(sizes) == total else ()

    # --- writing ----------------------------------------------------------------------------------------------

    def create(self, bucket: Bucket, key: str, body: bytes) -> None:
        request = shapes.at(bucket, Key=key, Body=body, IfNoneMatch="*", ChecksumAlgorithm="CRC32")
        with translating():
            self._client(bucket.region, RequestKind.WRITE).put_object(**request)

    def overwrite(self, bucket: Bucket, key: str, body: bytes) -> None:
        request = shapes.at(bucket, Key=key, Body=body, ChecksumAlgorithm="CRC32")
        with translating():
            self._client(bucket.region, RequestKind.READ).put_object(**request)

    def delete(self, bucket: Bucket, key: str) -> None:
        try:
            with translating():
                self._client(bucket.region, RequestKind.WRITE).delete_object(**shapes.at(bucket, Key=key))
        except NotFound:
            return  # S3 answers 204 for a missing key; not every store does.

    def delete_pinned(self, bucket: Bucket, key: str, expected_target_etag: str) -> str | None:
        request = shapes.at(bucket, Key=key, IfMatch=shapes.quoted(expected_target_etag))
        with translating():
            answer = self._client(bucket.region, RequestKind.WRITE).delete_object(**request)
        return answer.get("VersionId")

    def copy(
        self, source: SourceRef, bucket: Bucket, key: str, expected_target_etag: str | None, placement: Placement
    ) -> Written:
        """Send CopyObject to the destination's Region. It copies metadata and tags; the placement restates the rest."""
        request = {
            **shapes.at(bucket, Key=key, MetadataDirective="COPY", TaggingDirective="COPY"),
            **shapes.copy_source(source),
            **shapes.destination_condition(expected_target_etag),
            **shapes.placed(placement),
        }
        with translating():
            answer = self._client(bucket.region, RequestKind.COPY).copy_object(**request)
        return shapes.written(answer["CopyObjectResult"], answer)

    def create_upload(
        self,
        bucket: Bucket,
        key: str,
        properties: Properties,
        tags: dict[str, str],
        placement: Placement,
        checksum_algorithm: str | None,
    ) -> UploadRef:
        request = {
            **shapes.at(bucket, Key=key),
            **shapes.restated(properties, tags),
            **shapes.placed(placement),
        }
        if checksum_algorithm is not None:
            request |= {"ChecksumAlgorithm": checksum_algorithm, "ChecksumType": "FULL_OBJECT"}
        with translating():
            answer = self._client(bucket.region, RequestKind.WRITE).create_multipart_upload(**request)
        return UploadRef(bucket, key, answer["UploadId"])

    def upload_part_copy(
        self, upload: UploadRef, number: int, source: SourceRef, first_byte: int, last_byte: int, *, whole: bool
    ) -> Part:
        request = {
            **shapes.at(upload.bucket, Key=upload.key, UploadId=upload.upload_id, PartNumber=number),
            **shapes.copy_source(source),
        }
        if not whole:
            request["CopySourceRange"] = f"bytes={first_byte}-{last_byte}"
        with translating():
            answer = self._client(upload.bucket.region, RequestKind.COPY).upload_part_copy(**request)
        return Part(number, shapes.unquoted(answer["CopyPartResult"].get("ETag")), last_byte - first_byte + 1)

    def list_parts(self, upload: UploadRef) -> Sequence[Part]:
        request = shapes.at(upload.bucket, Key=upload.key, UploadId=upload.upload_id)
        parts: list[Part] = []
        while True:
            with translating():
                answer = self._client(upload.bucket.region, RequestKind.READ).list_parts(**request)
            parts.extend(shapes.part_of(part) for part in answer.get("Parts", ()))
            if not answer.get("IsTruncated"):
                return parts
            request["PartNumberMarker"] = answer["NextPartNumberMarker"]

    def complete(
        self,
        upload: UploadRef,
        parts: Sequence[Part],
        expected_target_etag: str | None,
        size: int,
        checksum: Checksum | None,
    ) -> Written:
        listed = [{"PartNumber": part.number, "ETag": shapes.quoted(part.etag)} for part in parts]
        request = {
            **shapes.at(upload.bucket, Key=upload.key, UploadId=upload.upload_id, MpuObjectSize=size),
            **shapes.destination_condition(expected_target_etag),
            **shapes.checksum_fields(checksum),
            "MultipartUpload": {"Parts": listed},
        }
        with translating():
            answer = self._client(upload.bucket.region, RequestKind.COPY).complete_multipart_upload(**request)
        return shapes.written(answer, answer)

    def abort(self, upload: UploadRef) -> None:
        request = shapes.at(upload.bucket, Key=upload.key, UploadId=upload.upload_id)
        try:
            with translating():
                self._client(upload.bucket.region, RequestKind.WRITE).abort_multipart_upload(**request)
        except NoSuchUpload:
            return

    def list_uploads(self, bucket: Bucket, prefix: str) -> Sequence[UploadInfo]:
        request = shapes.at(bucket, Prefix=prefix, EncodingType="url")
        uploads: list[UploadInfo] = []
        while True:
            with translating():
                answer = self._client(bucket.region, RequestKind.READ).list_multipart_uploads(**request)
            for entry in answer.get("Uploads", ()):
                ref = UploadRef(bucket, shapes.decoded(answer, entry["Key"]), entry["UploadId"])
                initiator = entry.get("Initiator", {}).get("ID", "")
                uploads.append(UploadInfo(ref, initiator, shapes.age_ms(answer, entry["Initiated"])))
            if not answer.get("IsTruncated"):
                return uploads
            request["KeyMarker"] = shapes.decoded(answer, answer["NextKeyMarker"])
            request["UploadIdMarker"] = answer["NextUploadIdMarker"]

    def describe(self, bucket: Bucket) -> BucketFacts:
        """Return the bucket's Region and tags. HEAD answers have no body; the 404 of HeadBucket is about the bucket."""
        # Requests about a bucket cost the requester nothing, and botocore refuses the field.
        client, request = self._client(bucket.region, RequestKind.READ), shapes.at(bucket, RequestPayer=None)
        try:
            with translating():
                head = client.head_bucket(**request)
        except NotFound as error:
            raise NoSuchBucket(error.code, error.message) from error
        try:
            with translating():
                tags = client.get_bucket_tagging(**request)["TagSet"]
        except (NotFound, Permanent) as error:
            if error.code != "NoSuchTagSet":
                raise
            tags = []
        return BucketFacts(
            region=head.get("BucketRegion") or bucket.region,
            tags={tag["Key"]: tag["Value"] for tag in tags},
        )

    def versioning(self, bucket: Bucket) -> Versioning:
        with translating():
            request = shapes.at(bucket, RequestPayer=None)
            answer = self._client(bucket.region, RequestKind.READ).get_bucket_versioning(**request)
        return Versioning(answer.get("Status", ""))
