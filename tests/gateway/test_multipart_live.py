"""Test multipart uploads through the gateway: S3's part checks, tags, and FULL_OBJECT checksums."""

from __future__ import annotations

import base64
import random
from typing import Any

import httpx
import pytest
from awscrt import checksums as crt

from tests.gateway.conftest import Cloud, code_of, failure

pytestmark = pytest.mark.cloud

PART = 5 * 1024 * 1024
LAST = 1024
DATA = random.Random(1).randbytes(2 * PART + LAST)
PIECES = [DATA[:PART], DATA[PART : 2 * PART], DATA[2 * PART :]]
CRCS = {"CRC32": (crt.crc32, 4), "CRC32C": (crt.crc32c, 4), "CRC64NVME": (crt.crc64nvme, 8)}


def checksum(algorithm: str, data: bytes) -> str:
    function, width = CRCS[algorithm]
    return base64.b64encode(function(data).to_bytes(width, "big")).decode()


class Upload:
    """One multipart upload under test."""

    def __init__(self, s3: Any, bucket: str, key: str = "big", **create: Any) -> None:
        self.s3 = s3
        self.target = {"Bucket": bucket, "Key": key}
        self.created = s3.create_multipart_upload(**self.target, **create)
        self.id = self.created["UploadId"]
        self.parts: list[dict[str, Any]] = []

    def put(self, number: int, body: bytes, **extra: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.upload_part(
            **self.target, UploadId=self.id, PartNumber=number, Body=body, **extra
        )
        self.parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        return answer

    def copy(
        self, number: int, source: dict[str, str], first_byte: int, last_byte: int, **extra: Any
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.upload_part_copy(
            **self.target,
            UploadId=self.id,
            PartNumber=number,
            CopySource=source,
            CopySourceRange=f"bytes={first_byte}-{last_byte}",
            **extra,
        )["CopyPartResult"]
        self.parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        return answer

    def completion(self, **extra: Any) -> dict[str, Any]:
        return {**self.target, "UploadId": self.id, "MultipartUpload": {"Parts": self.parts}, **extra}

    def complete(self, **extra: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.complete_multipart_upload(**self.completion(**extra))
        return answer


@pytest.fixture
def source(s3: Any, bucket: str) -> dict[str, str]:
    s3.put_object(Bucket=bucket, Key="source", Body=DATA)
    return {"Bucket": bucket, "Key": "source"}


def test_parts_must_be_in_ascending_order(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.put(1, PIECES[0])
    upload.put(2, PIECES[2])
    upload.parts.reverse()
    assert code_of(s3.complete_multipart_upload, **upload.completion()) == "InvalidPartOrder"
    upload.parts = [upload.parts[1], upload.parts[1]]
    assert code_of(s3.complete_multipart_upload, **upload.completion()) == "InvalidPartOrder"


def test_every_part_but_the_last_needs_5_mib(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.put(1, b"x" * (PART - 1))
    upload.put(2, b"y")
    error = failure(s3.complete_multipart_upload, **upload.completion())
    assert (error["Code"], error["status"], error["ProposedSize"]) == ("EntityTooSmall", 400, str(PART - 1))
    assert code_of(s3.head_object, **upload.target) == "404"


def test_a_single_short_part_is_enough(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.put(7, b"y")
    upload.complete()
    assert s3.get_object(**upload.target)["Body"].read() == b"y"


def test_wrong_and_missing_parts_are_invalid(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.put(1, b"y")
    good = upload.parts[0]
    upload.parts = [{"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}]
    assert code_of(s3.complete_multipart_upload, **upload.completion()) == "InvalidPart"
    upload.parts = [good, {"PartNumber": 2, "ETag": good["ETag"]}]
    assert code_of(s3.complete_multipart_upload, **upload.completion()) == "InvalidPart"


def test_an_empty_list_of_parts_is_malformed(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.put(1, b"y")
    upload.parts = []
    assert code_of(s3.complete_multipart_upload, **upload.completion()) == "MalformedXML"


def test_the_declared_size_must_be_the_sum(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket)
    upload.put(1, b"yy")
    error = failure(s3.complete_multipart_upload, **upload.completion(MpuObjectSize=3))
    assert (error["Code"], error["status"]) == ("InvalidRequest", 400)
    upload.complete(MpuObjectSize=2)


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_numbers_end_at_10_000(s3: Any, bucket: str, source: dict[str, str], number: int) -> None:
    upload = Upload(s3, bucket)
    arguments = {**upload.target, "UploadId": upload.id, "PartNumber": number}
    assert code_of(s3.upload_part, **arguments, Body=b"y") == "InvalidArgument"
    assert code_of(s3.upload_part_copy, **arguments, CopySource=source) == "InvalidArgument"


def test_ranges_are_copied_only_of_sources_over_5_mb(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="small", Body=DATA[:PART])
    upload = Upload(s3, bucket)
    source = {"Bucket": bucket, "Key": "small"}
    ranged = {**upload.target, "UploadId": upload.id, "PartNumber": 1, "CopySource": source}
    assert code_of(s3.upload_part_copy, **ranged, CopySourceRange="bytes=0-9") == "InvalidRequest"
    assert code_of(s3.upload_part_copy, **ranged) == ""


def test_a_complete_with_conditions(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="big", Body=b"old")
    upload = Upload(s3, bucket)
    upload.put(1, b"new")
    assert code_of(s3.complete_multipart_upload, **upload.completion(IfNoneMatch="*")) == "PreconditionFailed"
    assert code_of(s3.complete_multipart_upload, **upload.completion(IfMatch='"0"')) == "PreconditionFailed"
    upload.complete(IfMatch=s3.head_object(**upload.target)["ETag"])


def test_a_repeated_complete_gets_the_same_answer(s3: Any, versioned: str) -> None:
    upload = Upload(s3, versioned, ChecksumAlgorithm="CRC64NVME")
    upload.put(1, b"new", ChecksumAlgorithm="CRC64NVME")
    first, second = upload.complete(), upload.complete(IfNoneMatch="*")
    for answer in (first, second):
        del answer["ResponseMetadata"]
    assert first == second
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 1


def test_an_aborted_upload_is_gone(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    upload.put(1, b"new", ChecksumAlgorithm="CRC64NVME")
    s3.abort_multipart_upload(**upload.target, UploadId=upload.id)
    assert code_of(s3.complete_multipart_upload, **upload.completion()) == "NoSuchUpload"
    assert code_of(s3.list_parts, **upload.target, UploadId=upload.id) == "NoSuchUpload"


def test_tags_of_the_create_are_on_the_object(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, Tagging="team=a%26b&empty=")
    upload.put(1, b"y")
    upload.complete()
    tags = s3.get_object_tagging(**upload.target)["TagSet"]
    assert tags == [{"Key": "team", "Value": "a&b"}, {"Key": "empty", "Value": ""}]
    assert s3.head_object(**upload.target)["TagCount"] == 2


def test_a_new_object_does_not_inherit_the_old_ones_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="big", Body=b"old", Tagging="a=b")
    upload = Upload(s3, bucket)
    upload.put(1, b"y")
    upload.complete()
    assert s3.get_object_tagging(**upload.target)["TagSet"] == []
    s3.put_object(**upload.target, Body=b"old", Tagging="a=b")
    s3.put_object(**upload.target, Body=b"new")
    assert s3.get_object_tagging(**upload.target)["TagSet"] == []


def test_head_of_a_part(s3: Any, versioned: str) -> None:
    upload = Upload(s3, versioned)
    for number, piece in enumerate(PIECES, start=3):
        upload.put(number, piece)
    version = upload.complete()["VersionId"]
    s3.put_object(**upload.target, Body=b"newer")
    third = s3.head_object(**upload.target, PartNumber=5, VersionId=version)
    assert (third["ContentLength"], third["PartsCount"]) == (LAST, 3)
    assert third["ContentRange"] == f"bytes {2 * PART}-{2 * PART + LAST - 1}/{len(DATA)}"
    newer = s3.head_object(**upload.target, PartNumber=1)
    assert newer["ContentLength"] == 5
    assert "PartsCount" not in newer
    assert code_of(s3.head_object, **upload.target, PartNumber=2) == "416"


@pytest.mark.parametrize("algorithm", CRCS)
def test_a_full_object_checksum_over_copied_and_uploaded_parts(
    s3: Any, bucket: str, source: dict[str, str], algorithm: str
) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    assert (upload.created["ChecksumAlgorithm"], upload.created["ChecksumType"]) == (algorithm, "FULL_OBJECT")
    field = f"Checksum{algorithm}"
    assert upload.copy(1, source, 0, PART - 1)[field] == checksum(algorithm, PIECES[0])
    assert upload.put(2, PIECES[1], ChecksumAlgorithm=algorithm)[field] == checksum(algorithm, PIECES[1])
    assert upload.copy(3, source, 2 * PART, len(DATA) - 1)[field] == checksum(algorithm, PIECES[2])
    parts_list = s3.list_parts(**upload.target, UploadId=upload.id)
    assert (parts_list["ChecksumAlgorithm"], parts_list["ChecksumType"]) == (algorithm, "FULL_OBJECT")
    assert [part[field] for part in parts_list["Parts"]] == [checksum(algorithm, piece) for piece in PIECES]

    whole = checksum(algorithm, DATA)
    answer = upload.complete(**{field: whole}, ChecksumType="FULL_OBJECT", MpuObjectSize=len(DATA), IfNoneMatch="*")
    assert (answer[field], answer["ChecksumType"]) == (whole, "FULL_OBJECT")
    assert answer["ETag"].endswith('-3"')

    head = s3.head_object(**upload.target, ChecksumMode="ENABLED")
    assert (head[field], head["ChecksumType"]) == (whole, "FULL_OBJECT")
    assert field not in s3.head_object(**upload.target)
    fetched = s3.get_object(**upload.target)  # boto3 asks for the checksum and verifies it.
    assert fetched["Body"].read() == DATA
    assert fetched[field] == whole
    (entry,) = s3.list_objects_v2(Bucket=bucket, Prefix="big")["Contents"]
    assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == ([algorithm], "FULL_OBJECT")
    attributes = s3.get_object_attributes(**upload.target, ObjectAttributes=["Checksum", "ObjectParts"])
    assert attributes["Checksum"] == {field: whole, "ChecksumType": "FULL_OBJECT"}


def test_ranges_of_a_named_version_have_their_own_checksums(s3: Any, versioned: str) -> None:
    """The emulator ignores Range where a version is named."""
    version = s3.put_object(Bucket=versioned, Key="old", Body=DATA)["VersionId"]
    s3.put_object(Bucket=versioned, Key="old", Body=b"newer")
    source = {"Bucket": versioned, "Key": "old", "VersionId": version}
    upload = Upload(s3, versioned, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    for number, piece in enumerate(PIECES):
        first_byte = number * PART
        copied = upload.copy(number + 1, source, first_byte, first_byte + len(piece) - 1)
        assert copied["ChecksumCRC32"] == checksum("CRC32", piece)
    upload.complete(ChecksumCRC32=checksum("CRC32", DATA), ChecksumType="FULL_OBJECT", MpuObjectSize=len(DATA))
    assert s3.get_object(**upload.target)["Body"].read() == DATA


def test_a_wrong_full_object_checksum_publishes_nothing(s3: Any, bucket: str, source: dict[str, str]) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")
    upload.copy(1, source, 0, PART - 1)
    upload.copy(2, source, PART, len(DATA) - 1)
    completion = upload.completion(ChecksumCRC64NVME=checksum("CRC64NVME", DATA[1:]), ChecksumType="FULL_OBJECT")
    error = failure(s3.complete_multipart_upload, **completion)
    assert (error["Code"], error["status"]) == ("BadDigest", 400)
    assert code_of(s3.head_object, **upload.target) == "404"
    upload.complete(ChecksumCRC64NVME=checksum("CRC64NVME", DATA))


def test_part_checksums_in_the_complete_must_be_the_parts_own(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    upload.put(1, b"new", ChecksumAlgorithm="CRC64NVME")
    upload.parts[0]["ChecksumCRC64NVME"] = checksum("CRC64NVME", b"old")
    assert code_of(s3.complete_multipart_upload, **upload.completion()) == "InvalidPart"
    upload.parts[0]["ChecksumCRC64NVME"] = checksum("CRC64NVME", b"new")
    upload.complete()


@pytest.mark.parametrize("size", [3, PART])
def test_a_part_with_a_wrong_checksum_is_not_stored(s3: Any, bucket: str, size: int) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    arguments = {**upload.target, "UploadId": upload.id, "PartNumber": 1, "Body": DATA[:size]}
    wrong = checksum("CRC64NVME", b"something else")
    assert code_of(s3.upload_part, **arguments, ChecksumCRC64NVME=wrong) == "BadDigest"
    assert "Parts" not in s3.list_parts(**upload.target, UploadId=upload.id)
    right = checksum("CRC64NVME", DATA[:size])
    assert s3.upload_part(**arguments, ChecksumCRC64NVME=right)["ChecksumCRC64NVME"] == right


@pytest.mark.parametrize("good", [True, False])
def test_a_long_part_with_a_trailing_checksum(cloud: Cloud, s3: Any, bucket: str, good: bool) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    value = checksum("CRC64NVME", DATA if good else b"something else")
    body = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc64nvme:%s\r\n\r\n" % (len(DATA), DATA, value.encode())
    answer = httpx.put(
        f"{cloud.gateway.aws_url}/{bucket}/big?partNumber=1&uploadId={upload.id}",
        content=body,
        headers={
            "Content-Encoding": "aws-chunked",
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": str(len(DATA)),
            "x-amz-trailer": "x-amz-checksum-crc64nvme",
        },
        trust_env=False,
    )
    parts = s3.list_parts(**upload.target, UploadId=upload.id).get("Parts", [])
    if good:
        assert answer.headers["x-amz-checksum-crc64nvme"] == value
        assert [part["Size"] for part in parts] == [len(DATA)]
    else:
        assert (answer.status_code, "BadDigest" in answer.text, parts) == (400, True, [])


def test_a_part_with_another_algorithm_is_refused(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    arguments = {**upload.target, "UploadId": upload.id, "PartNumber": 1, "Body": b"y"}
    assert code_of(s3.upload_part, **arguments, ChecksumAlgorithm="CRC32") == "InvalidRequest"


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("SHA256", "FULL_OBJECT"), ("SHA1", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")]
)
def test_impossible_kinds_of_checksum(s3: Any, bucket: str, algorithm: str, kind: str) -> None:
    arguments = {"Bucket": bucket, "Key": "big", "ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    assert code_of(s3.create_multipart_upload, **arguments) == "InvalidRequest"


def test_a_part_uploaded_again_counts_with_its_new_checksum(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32C", ChecksumType="FULL_OBJECT")
    upload.put(1, b"first", ChecksumAlgorithm="CRC32C")
    upload.put(1, b"second", ChecksumAlgorithm="CRC32C")
    del upload.parts[0]
    upload.complete(ChecksumCRC32C=checksum("CRC32C", b"second"))


def test_a_copied_part_is_pinned_to_its_source(s3: Any, bucket: str, source: dict[str, str]) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    arguments = {**upload.target, "UploadId": upload.id, "PartNumber": 1, "CopySource": source}
    assert code_of(s3.upload_part_copy, **arguments, CopySourceIfMatch='"0"') == "PreconditionFailed"
    assert code_of(s3.upload_part_copy, **arguments, CopySourceRange="bytes=0-99999999") == "InvalidArgument"
    missing = arguments | {"CopySource": source | {"Key": "missing"}}
    assert code_of(s3.upload_part_copy, **missing) == "NoSuchKey"
    etag = s3.head_object(**source)["ETag"]
    assert code_of(s3.upload_part_copy, **arguments, CopySourceIfMatch=etag) == ""


def test_a_copy_carries_the_checksum(s3: Any, bucket: str, source: dict[str, str]) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    upload.copy(1, source, 0, len(DATA) - 1)
    upload.complete()
    whole = checksum("CRC64NVME", DATA)
    result = s3.copy_object(Bucket=bucket, Key="copy", CopySource=upload.target)["CopyObjectResult"]
    assert (result["ChecksumCRC64NVME"], result["ChecksumType"]) == (whole, "FULL_OBJECT")
    head = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC64NVME"], head["ChecksumType"]) == (whole, "FULL_OBJECT")


def test_a_copy_with_an_algorithm_of_its_own(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"data", ChecksumAlgorithm="SHA256")
    arguments = {"Bucket": bucket, "Key": "b", "CopySource": {"Bucket": bucket, "Key": "a"}}
    result = s3.copy_object(**arguments, ChecksumAlgorithm="CRC64NVME")["CopyObjectResult"]
    assert result["ChecksumCRC64NVME"] == checksum("CRC64NVME", b"data")
    head = s3.head_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED")
    assert head["ChecksumCRC64NVME"] == checksum("CRC64NVME", b"data")
    assert "ChecksumSHA256" not in head


def test_composite_checksums_are_the_emulators_own(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32")
    for number, piece in enumerate(PIECES, start=1):
        answer = upload.put(number, piece, ChecksumAlgorithm="CRC32")
        upload.parts[-1]["ChecksumCRC32"] = answer["ChecksumCRC32"]
    assert upload.complete()["ChecksumType"] == "COMPOSITE"
    head = s3.head_object(**upload.target, ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"].endswith("-3")
    (entry,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == (["CRC32"], "COMPOSITE")
    # A single copy of it is one piece: its checksum is the whole object's.
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=upload.target)
    copied = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert (copied["ChecksumCRC32"], copied["ChecksumType"]) == (checksum("CRC32", DATA), "FULL_OBJECT")


def test_a_composite_checksum_is_one_by_version_too(s3: Any, versioned: str) -> None:
    upload = Upload(s3, versioned, ChecksumAlgorithm="SHA256")
    for number, piece in enumerate(PIECES, start=1):
        answer = upload.put(number, piece, ChecksumAlgorithm="SHA256")
        upload.parts[-1]["ChecksumSHA256"] = answer["ChecksumSHA256"]
    version = upload.complete()["VersionId"]
    head = s3.head_object(**upload.target, VersionId=version, ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"].endswith("-3")
    assert head["ChecksumType"] == "COMPOSITE"


def test_single_puts_show_their_checksum_everywhere(s3: Any, bucket: str) -> None:
    answer = s3.put_object(Bucket=bucket, Key="a b", Body=b"data", ChecksumAlgorithm="CRC32C")
    assert (answer["ChecksumCRC32C"], answer["ChecksumType"]) == (checksum("CRC32C", b"data"), "FULL_OBJECT")
    head = s3.head_object(Bucket=bucket, Key="a b", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32C"], head["ChecksumType"]) == (checksum("CRC32C", b"data"), "FULL_OBJECT")
    (entry,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == (["CRC32C"], "FULL_OBJECT")


def test_a_refused_delete_leaves_the_checksum(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT")
    for number, piece in enumerate(PIECES, 1):
        upload.put(number, piece, ChecksumAlgorithm="CRC64NVME")
    upload.complete()
    assert code_of(s3.delete_object, **upload.target, IfMatch='"0"') == "PreconditionFailed"
    head = s3.head_object(**upload.target, ChecksumMode="ENABLED")
    assert (head["ChecksumType"], head["ChecksumCRC64NVME"]) == ("FULL_OBJECT", checksum("CRC64NVME", DATA))


def test_objects_over_the_old_value_forget_its_checksum(s3: Any, bucket: str) -> None:
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC64NVME")
    upload.put(1, b"new", ChecksumAlgorithm="CRC64NVME")
    upload.complete()
    s3.put_object(**upload.target, Body=b"newer", ChecksumAlgorithm="CRC32")
    head = s3.head_object(**upload.target, ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == checksum("CRC32", b"newer")
    assert "ChecksumCRC64NVME" not in head
