"""Parse a Complete of a multipart upload, check whether S3 would accept it, and remember facts about uploads. This
module is pure.

Source: S3 API reference, CompleteMultipartUpload ("Special errors") and S3 user guide, "Multipart upload limits".
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from multidict import CIMultiDict

from local.gateway.checksums import combined
from local.gateway.errors import S3Error
from local.gateway.limits import SizeLimits

_UPLOADS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class WantedPart:
    """One part named in a Complete. The keys of `checksums` are algorithms."""

    number: int
    etag: str
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part as the emulator lists it."""

    etag: str
    size: int


@dataclass(slots=True)
class Upload:
    """An upload. `algorithm` is the CRC of a FULL_OBJECT upload, else empty. CRCs are by part number and ETag, since a
    part may be uploaded again while a Complete checks the previous one."""

    bucket: str
    key: str
    algorithm: str
    tagging: str
    crcs: dict[tuple[int, str], str] = field(default_factory=dict)
    answer: tuple[int, CIMultiDict[str], bytes] | None = None
    """The answer to its Complete; a repeated Complete gets the same."""
    initiator: str = ""
    """ARN of the initiator."""
    older_by_s: float = 0.0
    """The listed start time is this many seconds earlier: nobody can wait two days for an upload to become stale."""


class Uploads:
    """Uploads about which the gateway knows more than the emulator, bounded in number. The least recently used are
    forgotten first."""

    def __init__(self, capacity: int = _UPLOADS_MAX) -> None:
        self._capacity = capacity
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    def add(self, upload_id: str, upload: Upload) -> None:
        self._uploads[upload_id] = upload
        if len(self._uploads) > self._capacity:
            self._uploads.popitem(last=False)

    def get(self, upload_id: str) -> Upload | None:
        upload = self._uploads.get(upload_id)
        if upload is not None:
            self._uploads.move_to_end(upload_id)
        return upload

    def remove(self, upload_id: str) -> None:
        self._uploads.pop(upload_id, None)


def parse_complete(body: bytes) -> list[WantedPart]:
    """Return the parts that a Complete names, in its order. Raises S3Error for an empty list, as on S3."""
    try:
        root = ElementTree.fromstring(body)
        parts = [_wanted_part(element) for element in root if _name(element) == "Part"]
    except (ElementTree.ParseError, KeyError, ValueError):
        raise malformed_xml() from None
    if not parts:
        raise malformed_xml()
    return parts


def check_parts(named_parts: Sequence[WantedPart], stored: Mapping[int, StoredPart], limits: SizeLimits) -> None:
    """Raise the error that S3 answers to a Complete of the `named_parts` when the upload holds the `stored` ones."""
    if any(later.number <= earlier.number for earlier, later in pairwise(named_parts)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise S3Error(400, "InvalidPartOrder", message)
    for part in named_parts:
        stored_part = stored.get(part.number)
        if stored_part is None or stored_part.etag != part.etag:
            raise invalid_part(part)
    for part in named_parts[:-1]:
        size = stored[part.number].size
        if size < limits.part_min:
            raise S3Error(
                400,
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                {
                    "ProposedSize": str(size),
                    "MinSizeAllowed": str(limits.part_min),
                    "PartNumber": str(part.number),
                    "ETag": part.etag,
                },
            )


def full_object_value(upload: Upload, named_parts: Sequence[WantedPart], stored: Mapping[int, StoredPart]) -> str:
    """Return the whole object's CRC. Raises S3Error if the Complete names a part checksum that is not the part's."""
    parts = []
    for part in named_parts:
        value = upload.crcs.get((part.number, part.etag))
        named_checksum = part.checksums.get(upload.algorithm)
        if value is None or (named_checksum is not None and named_checksum != value):
            raise invalid_part(part)
        parts.append((value, stored[part.number].size))
    return combined(upload.algorithm, parts)


def complete_body(named_parts: Sequence[WantedPart]) -> bytes:
    """Return a Complete without any checksum: the emulator knows none of these parts' CRCs and would refuse them."""
    parts = "".join(
        f"<Part><PartNumber>{part.number}</PartNumber><ETag>&quot;{escape(part.etag)}&quot;</ETag></Part>"
        for part in named_parts
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()


def parse_list_parts(body: bytes) -> tuple[dict[int, StoredPart], str]:
    """Parse one page of ListParts: return its parts, and the marker of the next page ("" if it is the last)."""
    root = ElementTree.fromstring(body)
    parts: dict[int, StoredPart] = {}
    marker = ""
    for element in root:
        if _name(element) == "Part":
            texts = _texts(element)
            parts[int(texts["PartNumber"])] = StoredPart(texts["ETag"].strip('"'), int(texts["Size"]))
        elif _name(element) == "NextPartNumberMarker":
            marker = element.text or ""
    return parts, marker


def upload_id_in(body: bytes) -> str | None:
    match = re.search(rb"<UploadId>([^<]+)</UploadId>", body)
    return match.group(1).decode() if match else None


def invalid_part(part: WantedPart) -> S3Error:
    message = (
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag."
    )
    return S3Error(400, "InvalidPart", message, {"PartNumber": str(part.number), "ETag": part.etag})


def malformed_xml() -> S3Error:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return S3Error(400, "MalformedXML", message)


def _wanted_part(element: ElementTree.Element) -> WantedPart:
    texts = _texts(element)
    checksums = {name.removeprefix("Checksum"): value for name, value in texts.items() if name.startswith("Checksum")}
    return WantedPart(int(texts["PartNumber"]), texts["ETag"].strip('"'), checksums)


def _texts(element: ElementTree.Element) -> dict[str, str]:
    return {_name(child): (child.text or "").strip() for child in element}


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
