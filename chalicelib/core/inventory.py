"""Reads S3 Inventory reports: S3 lists a bucket's objects daily or weekly in CSV files compressed with gzip, and names
these files in a manifest.json (S3 user guide, "Amazon S3 inventory": "Inventory manifest", "Locating your inventory
list")."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chalicelib.core.inputs import Named
from chalicelib.core.keylist import BadLine, NoList, fields_of, key_of
from chalicelib.core.policy import GIB, MIB
from chalicelib.core.prefixes import is_folder

MANIFEST_MAX_BYTES = 16 * MIB
"""Enough to name some 100,000 files."""
FILE_MAX_BYTES = GIB
"""A position in a data file is found by decompressing the file from its beginning. This limit keeps that to minutes."""
LINE_MAX_BYTES = 256 * 1024
"""A line may hold an access control list of 100 grants, in base64."""


class _Raw(BaseModel):
    model_config = ConfigDict(frozen=True)


class _RawFile(_Raw):
    key: str = Field(min_length=1)
    size: int = Field(ge=0)
    md5: str = Field(alias="MD5checksum", pattern="^[0-9a-f]{32}$")


class _RawManifest(_Raw):
    source_bucket: str = Field(alias="sourceBucket")
    destination_bucket: str = Field(alias="destinationBucket")
    """The bucket's ARN."""
    file_format: str = Field(alias="fileFormat")
    file_schema: str = Field(alias="fileSchema")
    files: list[_RawFile]


@dataclass(frozen=True, slots=True)
class InventoryFile:
    """A data file, in the bucket that the inventory was written to."""

    key: str
    size: int
    md5: str
    """MD5 of the file as stored, compressed."""


@dataclass(frozen=True, slots=True)
class Inventory:
    source_bucket: str
    destination_bucket: str
    columns: tuple[str, ...]
    files: tuple[InventoryFile, ...]

    def named(self, raw: bytes, prefix: str) -> Named | None:
        """Return the object that a line names, without a version: an inventory is days old, and the job is about what
        is there now.

        Return None if the line is empty, its object isn't under `prefix` or is that folder's own marker, or the line is
        about a delete marker or a version that was not the latest. Raises BadLine if the line does not fit the
        inventory.
        """
        fields = fields_of(raw)
        if not fields:
            return None
        if len(fields) != len(self.columns):
            raise BadLine(f"it has {len(fields)} fields; manifest.json says {len(self.columns)}")
        values = dict(zip(self.columns, fields, strict=True))
        if values["Bucket"] != self.source_bucket:
            raise BadLine(f"bucket {values['Bucket'][:64]!r} is not the inventory's, {self.source_bucket!r}")
        if values.get("IsLatest") == "false" or values.get("IsDeleteMarker") == "true":
            return None
        key = key_of(values["Key"])
        marker = key == prefix and is_folder(prefix)
        return Named(key) if key.startswith(prefix) and not marker else None


def read_manifest(raw: bytes) -> Inventory:
    """Parse a manifest.json. Raises NoList if it is none, or one of a kind that is not read here."""
    try:
        manifest = _RawManifest.model_validate_json(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        location = ".".join(["it", *map(str, fault["loc"])])
        raise NoList(f"it is no manifest.json of an S3 Inventory: {location}: {fault['msg']}") from None
    if manifest.file_format != "CSV":
        raise NoList(f"the inventory's format is {manifest.file_format[:16]!r}: configure one in CSV")
    columns = tuple(name.strip() for name in manifest.file_schema.split(","))
    missing = [name for name in ("Bucket", "Key") if name not in columns]
    if missing or len(set(columns)) < len(columns):
        raise NoList("its fileSchema must name each column once, Bucket and Key among them")
    for file in manifest.files:
        if file.size > FILE_MAX_BYTES:
            raise NoList(f"its file {file.key[-64:]!r} has {file.size} bytes; at most {FILE_MAX_BYTES} are read")
    files = tuple(InventoryFile(file.key, file.size, file.md5) for file in manifest.files)
    return Inventory(manifest.source_bucket, manifest.destination_bucket.rpartition(":")[2], columns, files)
