"""Convert between the product's types and S3's requests and answers. This module is pure: nothing here makes a call.

ETags lose their quotes on the way in and get them back in conditions. Field names and defaults are those of the S3 API
reference.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode

from chalicelib.core.objects import Bucket, Checksum, ChecksumType, ObjectFacts, ObjectHead, Properties
from chalicelib.ports import Part, Placement, SourceRef, Written

CHECKSUM_ALGORITHMS = (
    "CRC64NVME",
    "CRC32C",
    "CRC32",
    "SHA256",
    "SHA1",
    "SHA512",
    "MD5",
    "XXHASH128",
    "XXHASH3",
    "XXHASH64",
)
_MULTIPART_ETAG = re.compile(r"-\d+$")
_PROPERTIES = {
    "content_type": "ContentType",
    "content_encoding": "ContentEncoding",
    "content_language": "ContentLanguage",
    "content_disposition": "ContentDisposition",
    "cache_control": "CacheControl",
}


# --- requests -----------------------------------------------------------------------------------------------------


def quoted(etag: str) -> str:
    return f'"{etag}"'


def unquoted(etag: str | None) -> str:
    return (etag or "").strip('"')


def at(bucket: Bucket, **fields: object) -> dict[str, Any]:
    """Return the fields that every request has about its bucket: the expected owner, and who pays. Fields that are None
    are left out."""
    common = {
        "Bucket": bucket.name,
        "ExpectedBucketOwner": bucket.owner,
        "RequestPayer": "requester" if bucket.requester_pays else None,
    }
    return present({**common, **fields})


def present(fields: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def destination_condition(expected_target_etag: str | None) -> dict[str, Any]:
    return {"IfNoneMatch": "*"} if expected_target_etag is None else {"IfMatch": quoted(expected_target_etag)}


def copy_source(source: SourceRef) -> dict[str, Any]:
    """Return the fields for the source, pinned in every way that S3 offers."""
    reference = {"Bucket": source.bucket.name, "Key": source.key, "VersionId": source.version_id}
    return present(
        {
            "CopySource": present(reference),
            "CopySourceIfMatch": quoted(source.etag),
            "ExpectedSourceBucketOwner": source.bucket.owner,
            "RequestPayer": "requester" if source.bucket.requester_pays else None,
        }
    )


def placed(placement: Placement) -> dict[str, Any]:
    return present(
        {
            "StorageClass": None if placement.storage_class == "STANDARD" else placement.storage_class,
            "ServerSideEncryption": "aws:kms" if placement.kms_key else None,
            "SSEKMSKeyId": placement.kms_key,
            "WebsiteRedirectLocation": placement.redirect,
        }
    )


def restated(properties: Properties, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return CreateMultipartUpload's fields for the properties that a multipart copy would lose."""
    fields: dict[str, object] = {field: getattr(properties, name) for name, field in _PROPERTIES.items()}
    fields["Expires"] = _expires(properties.expires)
    fields["Metadata"] = properties.metadata or None
    fields["Tagging"] = urlencode(tags, quote_via=quote, safe="") if tags else None
    fields["WebsiteRedirectLocation"] = properties.redirect
    return present(fields)


def _expires(text: str | None) -> datetime | None:
    """Parse the Expires header. S3 keeps any text here, but botocore sends only dates: other texts can't be
    restated."""
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def checksum_fields(checksum: Checksum | None) -> dict[str, Any]:
    if checksum is None:
        return {}
    return {f"Checksum{checksum.algorithm}": checksum.value, "ChecksumType": checksum.type.value}


# --- answers ------------------------------------------------------------------------------------------------------


def millis(moment: datetime | None) -> int:
    return round(moment.timestamp() * 1000) if moment else 0


def checksum_of(answer: Mapping[str, Any], etag: str) -> Checksum | None:
    """Return the checksum in a HEAD, Copy or Complete answer.

    If S3 doesn't name its type, an object that isn't multipart-born has a full-object one. For others the answer proves
    no more than a checksum of the upload parts.
    """
    for algorithm in CHECKSUM_ALGORITHMS:
        value = answer.get(f"Checksum{algorithm}")
        if value:
            born_whole = not _MULTIPART_ETAG.search(etag) and not _MULTIPART_ETAG.search(value)
            assumed = ChecksumType.FULL_OBJECT if born_whole else ChecksumType.COMPOSITE
            return Checksum(algorithm, ChecksumType(answer.get("ChecksumType") or assumed), value)
    return None


def head_of(key: str, answer: Mapping[str, Any]) -> ObjectHead:
    etag = unquoted(answer.get("ETag"))
    facts = ObjectFacts(
        key=key,
        size=answer.get("ContentLength", 0),
        etag=etag,
        storage_class=answer.get("StorageClass") or "STANDARD",  # HEAD names every class but this one
        last_modified_ms=millis(answer.get("LastModified")),
        checksum=checksum_of(answer, etag),
        version_id=_version(answer),
        encryption=answer.get("ServerSideEncryption") or "",
        restored='ongoing-request="false"' in (answer.get("Restore") or ""),
    )
    return ObjectHead(
        facts, _properties(answer), answer.get("PartsCount", 0), answer.get("TagCount", 0), _age_ms_of_head(answer)
    )


def _age_ms_of_head(answer: Mapping[str, Any]) -> int:
    modified = answer.get("LastModified")
    return age_ms(answer, modified) if modified and "date" in _headers(answer) else 0


def _headers(answer: Mapping[str, Any]) -> Mapping[str, str]:
    headers: Mapping[str, str] = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _properties(answer: Mapping[str, Any]) -> Properties:
    return Properties(
        **{name: answer.get(field) for name, field in _PROPERTIES.items()},
        expires=answer.get("ExpiresString"),
        # S3 lower-cases names. Header names are case-insensitive, so a store that keeps their case means the same.
        metadata={name.lower(): value for name, value in (answer.get("Metadata") or {}).items()},
        redirect=answer.get("WebsiteRedirectLocation"),
    )


def listed(entry: Mapping[str, Any]) -> ObjectFacts:
    """Return the facts in one entry of ListObjectsV2. LIST shows which checksum there is, never its value."""
    etag = unquoted(entry.get("ETag"))
    algorithms = entry.get("ChecksumAlgorithm") or []
    assumed = ChecksumType.COMPOSITE if _MULTIPART_ETAG.search(etag) else ChecksumType.FULL_OBJECT
    kind = ChecksumType(entry.get("ChecksumType") or assumed)
    restore = entry.get("RestoreStatus") or {}
    return ObjectFacts(
        key=entry["Key"],
        size=entry.get("Size", 0),
        etag=etag,
        storage_class=entry.get("StorageClass") or "STANDARD",
        last_modified_ms=millis(entry.get("LastModified")),
        checksum=Checksum(algorithms[0], kind) if algorithms else None,
        restored=bool(restore.get("RestoreExpiryDate")) and not restore.get("IsRestoreInProgress"),
    )


def written(result: Mapping[str, Any], answer: Mapping[str, Any]) -> Written:
    """Return the result of a publish that succeeded. CopyObject nests its ETag in a result; Complete doesn't."""
    etag = unquoted(result.get("ETag"))
    return Written(etag, _version(answer), checksum_of(result, etag), answer.get("CopySourceVersionId") or None)


def part_of(entry: Mapping[str, Any]) -> Part:
    return Part(entry["PartNumber"], unquoted(entry.get("ETag")), entry.get("Size", 0))


def _version(answer: Mapping[str, Any]) -> str | None:
    """Return the VersionId, or None in a bucket that never was versioned. "null" stays: it names the version that was
    written while the bucket was not versioned."""
    return answer.get("VersionId") or None


def age_ms(answer: Mapping[str, Any], since: datetime) -> int:
    """Return the age in milliseconds by the store's own clock: its answer's Date header. No clock of ours is
    compared."""
    date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
    return millis(parsedate_to_datetime(date)) - millis(since)


def decoded(answer: Mapping[str, Any], text: str | None) -> str:
    """Decode a key or marker of an answer whose EncodingType botocore does not decode by itself."""
    return unquote_plus(text or "") if answer.get("EncodingType") == "url" else text or ""
