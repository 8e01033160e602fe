"""An inventory's manifest.json and its lines."""

import json
from typing import Any

import pytest

from chalicelib.core.inputs import Named
from chalicelib.core.inventory import FILE_MAX_BYTES, Inventory, InventoryFile, read_manifest
from chalicelib.core.keylist import BadLine, NoList

# This is the example for CSV of the S3 user guide, "Inventory manifest", except for the file's size.
EXAMPLE: dict[str, Any] = {
    "sourceBucket": "example-source-bucket",
    "destinationBucket": "arn:aws-us-gov:s3:::example-inventory-destination-bucket",
    "version": "2016-11-30",
    "creationTimestamp": "1514944800000",
    "fileFormat": "CSV",
    "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass",
    "files": [
        {
            "key": "Inventory/example-source-bucket/2016-11-06T21-32Z/files/0a1.csv.gz",
            "size": 30_000_000,
            "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc",
        }
    ],
}
FILE = EXAMPLE["files"][0]


def test_the_guides_example() -> None:
    inventory = read_manifest(json.dumps(EXAMPLE).encode())
    assert (inventory.source_bucket, inventory.destination_bucket) == (
        "example-source-bucket",
        "example-inventory-destination-bucket",
    )
    assert inventory.columns[:5] == ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker")
    assert inventory.files == (InventoryFile(FILE["key"], FILE["size"], FILE["MD5checksum"]),)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"fileFormat": "ORC"}, "format is 'ORC': configure one in CSV"),
        ({"fileFormat": None}, "fileFormat: Input should be a valid string"),
        ({"fileSchema": "Bucket, Size"}, "Bucket and Key among them"),
        ({"fileSchema": "message s3.inventory {  required binary bucket (UTF8);}"}, "Bucket and Key among them"),
        ({"fileSchema": "Bucket, Key, Key"}, "each column once"),
        ({"files": [{**FILE, "size": FILE_MAX_BYTES + 1}]}, "at most 1073741824 are read"),
        ({"files": [{**FILE, "size": -1}]}, "files.0.size"),
        ({"files": [{**FILE, "MD5checksum": "x"}]}, "files.0.MD5checksum"),
        ({"files": {}}, "it.files: Input should be a valid array"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_inventory_that_is_read_here(change: dict[str, Any], why: str) -> None:
    with pytest.raises(NoList) as error:
        read_manifest(json.dumps({**EXAMPLE, **change}).encode())
    assert why in str(error.value)


@pytest.mark.parametrize("raw", [b"", b"bucket,key\n", b"[]", b"null", b"\xff", b"[" * 100_000], ids=repr)
def test_what_is_no_manifest_json(raw: bytes) -> None:
    with pytest.raises(NoList, match=r"no manifest\.json of an S3 Inventory"):
        read_manifest(raw)


ALL = Inventory("b", "d", ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker"), ())
CURRENT = Inventory("b", "d", ("Bucket", "Key", "Size"), ())


@pytest.mark.parametrize(
    ("inventory", "line", "named"),
    [
        (CURRENT, '"b","a/1","5"\n', Named("a/1")),
        (CURRENT, '"b","a/x%2By+z%0A","5"\r\n', Named("a/x+y z\n")),
        (CURRENT, '"b","c/1","5"', None),
        (CURRENT, '"b","a/","0"', None),
        (CURRENT, "\n", None),
        (ALL, '"b","a/1","v2","true","false"', Named("a/1")),
        (ALL, '"b","a/1","v1","false","false"', None),
        (ALL, '"b","a/1","v3","true","true"', None),
        (ALL, '"b","a/1","","true","false"', Named("a/1")),
    ],
)
def test_lines(inventory: Inventory, line: str, named: Named | None) -> None:
    assert inventory.named(line.encode(), "a/") == named


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('"c","a/1","5"', "bucket 'c' is not the inventory's, 'b'"),
        ('"b","a/1"', "it has 2 fields; manifest.json says 3"),
        ('"b","a/%zz","5"', "encodes nothing"),
        ('"b","","5"', "0 bytes"),
        ('"b"x,"a/1","5"', "no line of CSV"),
    ],
)
def test_bad_lines(line: str, why: str) -> None:
    with pytest.raises(BadLine, match=why):
        CURRENT.named(line.encode(), "a/")


def test_the_folders_own_marker_is_left_out_and_an_object_of_a_texts_name_is_not() -> None:
    columns = Inventory("b", "i", ("Bucket", "Key"), ())
    assert columns.named(b"b,data/", "data/") is None
    assert columns.named(b"b,data", "data") == Named("data")
    assert columns.named(b"b,data", "") == Named("data")
