"""Play the partner's and the receiver's side of S3: upload, download and list objects as any tool would."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from botocore.config import Config

from local.cloud import Cloud
from local.demo import parallel
from local.demo.model import Facts, Found, Item, Properties
from local.deploy import CLIENT_CONFIG, session
from local.gateway.launch import WEST

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK_BYTES = 1024 * 1024
_CLIENT_CONFIG = CLIENT_CONFIG.merge(
    Config(
        max_pool_connections=2 * parallel.THREADS,
        retries={"mode": "standard", "total_max_attempts": 3},
        # Each upload names its own checksum, or none.
        request_checksum_calculation="when_required",
    )
)


class Store:
    """The source bucket of West, and the target buckets of both sides."""

    def __init__(self, cloud: Cloud) -> None:
        self._s3: S3Client = session(WEST).client("s3", endpoint_url=cloud.endpoint_url, config=_CLIENT_CONFIG)
        self._source = cloud.regions["west"].source_bucket
        self._targets = {side: info.target_bucket for side, info in cloud.regions.items()}

    # ---- upload ----------------------------------------------------------------------------------------------------

    def upload(self, item: Item) -> Facts:
        """Upload an object, and return the facts of what was sent. The digest is of the sent bytes."""
        digest = hashlib.sha256()
        if item.upload.part_bytes is not None:
            size = self._upload_parts(item, item.upload.part_bytes, digest)
        else:
            body = item.body if isinstance(item.body, bytes) else item.body.read_bytes()
            digest.update(body)
            size = len(body)
            fields = put_fields(item.properties) | _checksum(item)
            self._s3.put_object(Bucket=self._source, Key=item.source_key, Body=body, **fields)
        return Facts(size, digest.hexdigest(), item.properties)

    def _upload_parts(self, item: Item, part_bytes: int, digest: hashlib._Hash) -> int:
        fields = put_fields(item.properties) | _checksum(item)
        if item.upload.checksum == "CRC64NVME":
            fields["ChecksumType"] = "FULL_OBJECT"
        upload: dict[str, Any] = {"Bucket": self._source, "Key": item.source_key}
        upload["UploadId"] = self._s3.create_multipart_upload(**upload, **fields)["UploadId"]
        parts: list[dict[str, Any]] = []
        size = 0
        for number, body in enumerate(_pieces(item, part_bytes), start=1):
            digest.update(body)
            size += len(body)
            answer: Any = self._s3.upload_part(**upload, PartNumber=number, Body=body, **_checksum(item))
            checksum = f"Checksum{item.upload.checksum}"
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            if checksum in answer:
                parts[-1][checksum] = answer[checksum]
        self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})  # type: ignore[typeddict-item]
        return size

    # ---- what is at a target ---------------------------------------------------------------------------------------

    def download(self, target: tuple[str, str]) -> Found | None:
        """Return an object with everything that S3 keeps beside it; None if there is none."""
        side, key = target
        try:
            answer = self._s3.get_object(Bucket=self._targets[side], Key=key)
        except self._s3.exceptions.NoSuchKey:
            return None
        digest = hashlib.sha256()
        size = 0
        for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        properties = properties_of(answer, self._tags(side, key) if answer.get("TagCount") else {})
        return Found(Facts(size, digest.hexdigest(), properties), answer["ETag"].strip('"'))

    def versions(self, side: str) -> Counter[tuple[str, str]]:
        """Return how many versions and delete markers each key of a whole target bucket has."""
        counted: Counter[tuple[str, str]] = Counter()
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self._targets[side]):
            # The two lists have different types; only their keys are used.
            entries: list[Any] = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            counted.update((side, entry["Key"]) for entry in entries)
        return counted

    def count(self, side: str, prefix: str) -> int:
        """Return how many objects there are below a prefix of a target bucket."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._targets[side], Prefix=prefix)
        return sum(page["KeyCount"] for page in pages)

    def open_uploads(self, side: str) -> list[str]:
        """Return the keys of multipart uploads that were begun and neither completed nor aborted."""
        answer = self._s3.list_multipart_uploads(Bucket=self._targets[side])
        return [upload["Key"] for upload in answer.get("Uploads", ())]

    def _tags(self, side: str, key: str) -> dict[str, str]:
        answer = self._s3.get_object_tagging(Bucket=self._targets[side], Key=key)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def properties_of(answer: Mapping[str, Any], tags: Mapping[str, str]) -> Properties:
    """Return the properties in the answer to a GET."""
    return Properties(
        content_type=answer.get("ContentType", ""),
        content_encoding=answer.get("ContentEncoding"),
        content_language=answer.get("ContentLanguage"),
        content_disposition=answer.get("ContentDisposition"),
        cache_control=answer.get("CacheControl"),
        expires=answer.get("ExpiresString"),
        storage_class=answer.get("StorageClass", "STANDARD"),
        metadata={name.lower(): value for name, value in answer.get("Metadata", {}).items()},
        tags=tags,
    )


def put_fields(properties: Properties) -> dict[str, Any]:
    """Return the properties as arguments of PutObject and CreateMultipartUpload. Names of user metadata are sent in
    mixed case, as partners' tools write them."""
    fields = {
        "ContentType": properties.content_type,
        "ContentEncoding": properties.content_encoding,
        "ContentLanguage": properties.content_language,
        "ContentDisposition": properties.content_disposition,
        "CacheControl": properties.cache_control,
        "Expires": parsedate_to_datetime(properties.expires) if properties.expires else None,
        "StorageClass": None if properties.storage_class == "STANDARD" else properties.storage_class,
        "Metadata": {name.title(): value for name, value in properties.metadata.items()} or None,
        "Tagging": urlencode(properties.tags, quote_via=quote, safe="") if properties.tags else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _checksum(item: Item) -> dict[str, Any]:
    return {"ChecksumAlgorithm": item.upload.checksum} if item.upload.checksum else {}


def _pieces(item: Item, part_bytes: int) -> Iterator[bytes]:
    if isinstance(item.body, bytes):
        yield from (item.body[start : start + part_bytes] for start in range(0, len(item.body), part_bytes))
        return
    with item.body.open("rb") as file:
        while piece := file.read(part_bytes):
            yield piece
