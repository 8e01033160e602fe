"""Make the subjects that the suite runs over: a store, its buckets, and a client that isn't EFT."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import boto3
from botocore.config import Config

from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.core.deletions import Versioning
from chalicelib.core.objects import Bucket, Properties
from chalicelib.ports import ObjectStore
from simulation.memory.digests import DEFAULT_ALGORITHM
from simulation.memory.links import Fetched, follow
from simulation.memory.store import MemoryObjectStore

WEST = "us-gov-west-1"
EAST = "us-gov-east-1"
MIB = 1024 * 1024
PART_BYTES = 5 * MIB
"""This is the smallest size of a part that is not the last."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An object that an outside client has put."""

    key: str
    body: bytes
    etag: str
    version_id: str | None


class Outside(Protocol):
    """A client that knows nothing of EFT."""

    def put(
        self,
        bucket: Bucket,
        key: str,
        body: bytes,
        properties: Properties | None = None,
        tags: dict[str, str] | None = None,
        storage_class: str = "STANDARD",
        algorithm: str | None = None,
    ) -> Uploaded:
        """Put an object. The client asks for the checksum `algorithm`, or leaves the choice to the store."""
        ...

    def put_parts(self, bucket: Bucket, key: str, parts: Sequence[bytes]) -> Uploaded: ...
    def remove(self, bucket: Bucket, key: str) -> None: ...
    def tag(self, bucket: Bucket, tags: dict[str, str]) -> None:
        """Tag the bucket itself. An empty dict removes all tags."""
        ...

    def bodies(self, bucket: Bucket, key: str) -> list[bytes]:
        """Return the bodies of all versions of the key that the bucket has."""
        ...

    def follow(self, url: str) -> Fetched:
        """GET the URL without credentials."""
        ...


@dataclass(slots=True)
class Subject:
    """One implementation under test. `other` is a second client of the same store, `stranger` is one that the store
    must refuse. `prefix` makes keys unique, since servers live longer than one test."""

    store: ObjectStore
    other: ObjectStore
    stranger: ObjectStore
    outside: Outside
    plain: Bucket
    versioned: Bucket
    suspended: Bucket
    """This bucket once kept versions."""
    missing: Bucket
    root: str = f"run-{os.getpid()}/"
    """All objects that this run makes lie under this prefix."""
    prefix: str = ""
    _large: dict[str, Uploaded] = field(default_factory=dict)

    def key(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def put(self, name: str, body: bytes = b"content", bucket: Bucket | None = None, **options: Any) -> Uploaded:
        return self.outside.put(bucket or self.plain, self.key(name), body, **options)

    def large(self, *, multipart_born: bool = False) -> Uploaded:
        """Return an object of two upload parts in `plain`. It is made once and never changed."""
        name = f"{self.root}shared/{'parts' if multipart_born else 'whole'}"
        if name not in self._large:
            parts = (b"west" * (PART_BYTES // 4), b"the last part")
            if multipart_born:
                self._large[name] = self.outside.put_parts(self.plain, name, parts)
            else:
                self._large[name] = self.outside.put(self.plain, name, b"".join(parts))
        return self._large[name]


class MemoryOutside:
    def __init__(self, store: MemoryObjectStore) -> None:
        self._store = store

    def put(
        self,
        bucket: Bucket,
        key: str,
        body: bytes,
        properties: Properties | None = None,
        tags: dict[str, str] | None = None,
        storage_class: str = "STANDARD",
        algorithm: str | None = None,
    ) -> Uploaded:
        version = self._store.put(
            bucket,
            key,
            body,
            properties=properties,
            tags=tags,
            storage_class=storage_class,
            algorithm=algorithm or DEFAULT_ALGORITHM,
        )
        return Uploaded(key, body, version.etag, version.version_id)

    def put_parts(self, bucket: Bucket, key: str, parts: Sequence[bytes]) -> Uploaded:
        body = b"".join(parts)
        version = self._store.put(bucket, key, body, part_sizes=[len(part) for part in parts])
        return Uploaded(key, body, version.etag, version.version_id)

    def remove(self, bucket: Bucket, key: str) -> None:
        self._store.remove(bucket, key)

    def tag(self, bucket: Bucket, tags: dict[str, str]) -> None:
        self._store.tag_bucket(bucket, tags)

    def bodies(self, bucket: Bucket, key: str) -> list[bytes]:
        return [version.body for version in self._store.kept(bucket, key)]

    def follow(self, url: str) -> Fetched:
        return follow(self._store, url)


class S3Outside:
    """An outside client over boto3, which builds its own requests: nothing here goes through the adapter."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def put(
        self,
        bucket: Bucket,
        key: str,
        body: bytes,
        properties: Properties | None = None,
        tags: dict[str, str] | None = None,
        storage_class: str = "STANDARD",
        algorithm: str | None = None,
    ) -> Uploaded:
        kept_properties = properties or Properties()
        fields = {
            "ContentType": kept_properties.content_type,
            "ContentEncoding": kept_properties.content_encoding,
            "ContentLanguage": kept_properties.content_language,
            "ContentDisposition": kept_properties.content_disposition,
            "CacheControl": kept_properties.cache_control,
            "Expires": parsedate_to_datetime(kept_properties.expires) if kept_properties.expires else None,
            "Metadata": kept_properties.metadata or None,
            "WebsiteRedirectLocation": kept_properties.redirect,
            "Tagging": urlencode(tags, quote_via=quote) if tags else None,
            "ChecksumAlgorithm": algorithm,
            "StorageClass": None if storage_class == "STANDARD" else storage_class,
        }
        stated = {name: value for name, value in fields.items() if value is not None}
        response = self._client.put_object(Bucket=bucket.name, Key=key, Body=body, **stated)
        return Uploaded(key, body, response["ETag"].strip('"'), response.get("VersionId"))

    def put_parts(self, bucket: Bucket, key: str, parts: Sequence[bytes]) -> Uploaded:
        location = {"Bucket": bucket.name, "Key": key}
        upload_id = self._client.create_multipart_upload(**location)["UploadId"]
        entries = [
            {
                "PartNumber": n,
                "ETag": self._client.upload_part(**location, UploadId=upload_id, PartNumber=n, Body=part)["ETag"],
            }
            for n, part in enumerate(parts, start=1)
        ]
        response = self._client.complete_multipart_upload(
            **location, UploadId=upload_id, MultipartUpload={"Parts": entries}
        )
        return Uploaded(key, b"".join(parts), response["ETag"].strip('"'), response.get("VersionId"))

    def remove(self, bucket: Bucket, key: str) -> None:
        self._client.delete_object(Bucket=bucket.name, Key=key)

    def tag(self, bucket: Bucket, tags: dict[str, str]) -> None:
        if tags:
            tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
            self._client.put_bucket_tagging(Bucket=bucket.name, Tagging={"TagSet": tag_set})
        else:
            self._client.delete_bucket_tagging(Bucket=bucket.name)

    def bodies(self, bucket: Bucket, key: str) -> list[bytes]:
        versions = self._client.list_object_versions(Bucket=bucket.name, Prefix=key).get("Versions", [])
        references = [
            {"Bucket": bucket.name, "Key": key, "VersionId": v["VersionId"]} for v in versions if v["Key"] == key
        ]
        return [self._client.get_object(**version)["Body"].read() for version in references]

    def follow(self, url: str) -> Fetched:
        try:
            with urlopen(url, timeout=20) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Fetched(response.status, headers, response.read())
        except HTTPError as error:
            return Fetched(error.code, {}, error.read())

    def clear(self, bucket: Bucket, prefix: str) -> None:
        """Remove every version and every open upload."""
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=bucket.name, Prefix=prefix):
            for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
                self._client.delete_object(Bucket=bucket.name, Key=entry["Key"], VersionId=entry["VersionId"])
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket.name, Prefix=prefix):
            for entry in page.get("Uploads", []):
                self._client.abort_multipart_upload(Bucket=bucket.name, Key=entry["Key"], UploadId=entry["UploadId"])


def memory_subject() -> Subject:
    store = MemoryObjectStore()
    stranger = MemoryObjectStore()
    plain = store.make_bucket(Bucket("contract-plain", WEST))
    versioned = store.make_bucket(Bucket("contract-versioned", EAST), versioned=True)
    suspended = store.make_bucket(Bucket("contract-suspended", WEST), versioned=True)
    store.set_versioning(suspended, Versioning.SUSPENDED)
    # This is another store, in which the same bucket exists and every request is refused.
    stranger.deny(stranger.make_bucket(plain))
    return Subject(
        store,
        store,
        stranger,
        MemoryOutside(store),
        plain,
        versioned,
        suspended,
        missing=Bucket("contract-missing", WEST),
    )


def server_subject(url: str, keys: tuple[str, str], admin: tuple[str, str] | None = None) -> Subject:
    """Return a subject over a fresh server. The administrator makes its buckets here."""
    session = boto3.Session(*keys)
    plain, versioned = Bucket("contract-plain", WEST), Bucket("contract-versioned", EAST)
    suspended = Bucket("contract-suspended", EAST)
    for bucket in (plain, versioned, suspended):
        client = _client(boto3.Session(*admin or keys), url, bucket.region)
        client.create_bucket(Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": bucket.region})
    for bucket in (versioned, suspended):
        client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_versioning(Bucket=suspended.name, VersioningConfiguration={"Status": "Suspended"})
    return Subject(
        S3ObjectStore(session, url),
        S3ObjectStore(boto3.Session(*keys), url),
        S3ObjectStore(boto3.Session("stranger", "stranger-secret"), url),
        S3Outside(_client(session, url, WEST)),
        plain,
        versioned,
        suspended,
        missing=Bucket("contract-missing", WEST),
    )


AWS_VARIABLES = ("EFT_AWS_BUCKET", "EFT_AWS_VERSIONED_BUCKET", "EFT_AWS_SUSPENDED_BUCKET")


@contextmanager
def aws_subject() -> Iterator[Subject]:
    """Yield a subject over real AWS: three buckets in EFT_AWS_REGION. The first never kept versions, the second keeps
    them, and the third once did. They are cleaned up afterwards."""
    region = os.environ.get("EFT_AWS_REGION", WEST)
    plain, versioned, suspended = (Bucket(os.environ[name], region) for name in AWS_VARIABLES)
    session = boto3.Session(region_name=region)
    outside = S3Outside(session.client("s3", region_name=region))
    subject = Subject(
        S3ObjectStore(session),
        S3ObjectStore(boto3.Session(region_name=region)),
        S3ObjectStore(boto3.Session("AKIAIOSFODNN7EXAMPLE", "stranger-secret", region_name=region)),
        outside,
        plain,
        versioned,
        suspended,
        missing=Bucket(f"{plain.name}-missing", region),
    )
    yield subject
    for bucket in (plain, versioned, suspended):
        outside.clear(bucket, subject.root)


def _client(session: boto3.Session, url: str, region: str) -> Any:
    config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    return session.client("s3", region_name=region, endpoint_url=url, config=config)
