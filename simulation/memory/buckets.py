"""Hold a bucket in memory: its versions, its open uploads, and S3's rules about both. Everything here runs under the
store's lock."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from chalicelib.core.deletions import Versioning
from chalicelib.core.errors import NotFound, Permanent, PreconditionFailed
from chalicelib.core.objects import Checksum, ObjectFacts, ObjectHead, Properties
from chalicelib.core.policy import COPY_OBJECT_MAX_BYTES, MIB, PART_MAX_BYTES, PART_MIN_BYTES, PARTS_MAX
from chalicelib.ports import Part, Placement
from simulation.memory.operations import Operation

METADATA_MAX_BYTES = 2048
TAGS_MAX = 10
ARCHIVE_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
NULL_VERSION = "null"
DEFAULT_CONTENT_TYPE = "binary/octet-stream"


@dataclass(frozen=True, slots=True)
class Limits:
    """S3's limits. A simulation makes them small, so that few bytes make a multipart copy."""

    part_min_bytes: int = PART_MIN_BYTES
    part_max_bytes: int = PART_MAX_BYTES
    parts_max: int = PARTS_MAX
    copy_max_bytes: int = COPY_OBJECT_MAX_BYTES
    range_source_min_bytes: int = 5 * MIB
    """UploadPartCopy takes a range only of larger sources."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key, or a delete marker. `started` and `sequence` are numbers of the store's writes. They differ
    for a multipart upload, which S3 dates by when it was begun."""

    key: str
    operation: Operation
    by: str
    sequence: int
    started: int
    at_ms: int
    version_id: str | None = None
    body: bytes = b""
    etag: str = ""
    properties: Properties = field(default_factory=Properties)
    tags: dict[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"
    encryption: str = "AES256"
    checksum: Checksum | None = None
    part_sizes: tuple[int, ...] = ()
    restored: bool = False
    delete_marker: bool = False
    _listed: list[ObjectFacts] = field(default_factory=list, init=False, compare=False, repr=False)
    """Filled when it is first listed, because jobs of many rows list the same objects again and again."""

    @property
    def archived(self) -> bool:
        return self.storage_class in ARCHIVE_CLASSES and not self.restored

    def listed(self) -> ObjectFacts:
        """Return the facts that LIST shows: which checksum there is but not its value, no version, no encryption."""
        if not self._listed:
            checksum = Checksum(self.checksum.algorithm, self.checksum.type) if self.checksum else None
            self._listed.append(
                ObjectFacts(
                    key=self.key,
                    size=len(self.body),
                    etag=self.etag,
                    storage_class=self.storage_class,
                    last_modified_ms=self.at_ms,
                    checksum=checksum,
                    restored=self.restored,
                )
            )
        return self._listed[0]

    def head(self, part_number: int | None, age_ms: int = 0) -> ObjectHead:
        facts = ObjectFacts(
            key=self.key,
            size=len(self.body),
            etag=self.etag,
            storage_class=self.storage_class,
            last_modified_ms=self.at_ms,
            checksum=self.checksum,
            version_id=self.version_id,
            encryption=self.encryption,
            restored=self.restored,
        )
        if part_number is None:
            return ObjectHead(facts, self.properties, tags_count=len(self.tags), age_ms=age_ms)
        sizes = self.part_sizes or (len(self.body),)
        if not 1 <= part_number <= len(sizes):
            raise Permanent("InvalidPartNumber", f"part {part_number} of {len(sizes)}")
        # PartsCount is returned for multipart-born objects only.
        part = replace(facts, size=sizes[part_number - 1], checksum=None if self.part_sizes else facts.checksum)
        return ObjectHead(part, self.properties, len(self.part_sizes), len(self.tags), age_ms)


@dataclass(frozen=True, slots=True)
class StoredPart:
    number: int
    etag: str
    body: bytes


@dataclass(slots=True)
class Upload:
    """An open multipart upload."""

    upload_id: str
    key: str
    initiator: str
    started: int
    initiated_ms: int
    properties: Properties
    tags: dict[str, str]
    placement: Placement
    checksum_algorithm: str | None
    parts: dict[int, StoredPart] = field(default_factory=dict)

    def chosen(self, named_parts: Sequence[Part], limits: Limits) -> list[StoredPart]:
        """Return the stored parts that a Complete names. Raises what S3 raises for a bad list."""
        if not named_parts:
            raise Permanent("MalformedXML", "a Complete must name at least one part")
        numbers = [part.number for part in named_parts]
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            raise Permanent("InvalidPartOrder", "parts must be named in ascending order")
        chosen = []
        for part in named_parts:
            stored = self.parts.get(part.number)
            if stored is None or stored.etag != part.etag:
                raise Permanent("InvalidPart", f"part {part.number} has not arrived, or has another ETag")
            chosen.append(stored)
        for stored in chosen[:-1]:
            if len(stored.body) < limits.part_min_bytes:
                raise Permanent("EntityTooSmall", f"part {stored.number} has {len(stored.body)} bytes")
        return chosen


@dataclass(slots=True)
class MemoryBucket:
    """The contents and settings of a bucket."""

    name: str
    region: str
    owner: str
    versioning: Versioning = Versioning.NEVER
    encryption: str = "AES256"
    """Default encryption: `AES256` or `aws:kms`."""
    requester_pays: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[Version]] = field(default_factory=dict)
    """Every version and delete marker a key ever had, in the order in which they appeared, also those replaced."""
    live: dict[str, list[Version]] = field(default_factory=dict)
    """The versions that exist now, the current one last."""
    keys: list[str] = field(default_factory=list)
    """Keys of current objects, in code point order: the order of their UTF-8 bytes, which is LIST's."""
    uploads: dict[str, Upload] = field(default_factory=dict)

    def current(self, key: str) -> Version | None:
        versions = self.live.get(key)
        return versions[-1] if versions and not versions[-1].delete_marker else None

    def find(self, key: str, version_id: str | None) -> Version | None:
        if version_id is None:
            return self.current(key)
        return next((v for v in self.live.get(key, ()) if v.version_id == version_id and not v.delete_marker), None)

    def expected_target_etag(self, key: str, etag: str | None) -> None:
        """Check a publish against its expected target ETag. A delete marker counts as nothing there. Raises what S3
        raises."""
        current = self.current(key)
        if etag is None and current is not None:
            raise PreconditionFailed("PreconditionFailed", f"{key} exists (If-None-Match: *)")
        if etag is not None and current is None:
            raise NotFound("NoSuchKey", f"{key} does not exist (If-Match)")
        if etag is not None and current is not None and current.etag != etag:
            raise PreconditionFailed("PreconditionFailed", f"{key} has another ETag (If-Match)")

    def publish(self, version: Version) -> None:
        """Add a version. In a versioned bucket the version that was begun last is the current one. In others it is the
        one published last; it replaces the version with the same version id ("null" where versioning is suspended)."""
        self.history.setdefault(version.key, []).append(version)
        versions = self.live.setdefault(version.key, [])
        if self.versioning is Versioning.ENABLED:
            insort(versions, version, key=lambda v: v.started)
        else:
            versions[:] = [v for v in versions if v.version_id != version.version_id]
            if self.versioning is Versioning.SUSPENDED or not version.delete_marker:
                versions.append(version)
        self._index(version.key)

    def set_versioning(self, versioning: Versioning) -> None:
        """Enable or suspend versioning. Versions written before have the version id "null" from then on. It can't be
        turned off again."""
        assert versioning is not Versioning.NEVER, "versioning can't be turned off, only suspended"
        if self.versioning is Versioning.NEVER:
            self.live = {
                key: [replace(version, version_id=NULL_VERSION) for version in versions]
                for key, versions in self.live.items()
            }
        self.versioning = versioning

    def next_version_id(self, sequence: int) -> str | None:
        ids = {Versioning.ENABLED: f"version-{sequence:06d}", Versioning.SUSPENDED: NULL_VERSION}
        return ids.get(self.versioning)

    def replace(self, version: Version, replacement: Version) -> None:
        """Replace a version in place, as S3 does when an object's restored copy comes and expires."""
        versions = self.live[version.key]
        versions[versions.index(version)] = replacement

    def forget(self, key: str, version_id: str) -> None:
        """Delete one version for good."""
        self.live[key] = [v for v in self.live.get(key, ()) if v.version_id != version_id]
        self._index(key)

    def page(self, prefix: str, start_after: str, limit: int) -> tuple[list[Version], bool]:
        index = bisect_left(self.keys, max(prefix, start_after))
        versions: list[Version] = []
        for key in self.keys[index : index + limit + 2]:
            if not key.startswith(prefix):
                break
            if key > start_after:
                versions.append(self.live[key][-1])
        return versions[:limit], len(versions) > limit

    def _index(self, key: str) -> None:
        index = bisect_left(self.keys, key)
        is_listed = index < len(self.keys) and self.keys[index] == key
        if self.current(key) is not None and not is_listed:
            self.keys.insert(index, key)
        elif self.current(key) is None and is_listed:
            del self.keys[index]


def stored_properties(properties: Properties, tags: dict[str, str], redirect: str | None) -> Properties:
    """Return the properties as S3 stores them: names in lower case, always a content type. Raises what S3 raises if
    they are too large."""
    metadata = {name.lower(): value for name, value in properties.metadata.items()}
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > METADATA_MAX_BYTES:
        raise Permanent("MetadataTooLarge", "user metadata is limited to 2 KB")
    if len(tags) > TAGS_MAX:
        raise Permanent("BadRequest", "object tags cannot be greater than 10")
    content_type = properties.content_type or DEFAULT_CONTENT_TYPE
    return replace(properties, content_type=content_type, metadata=metadata, redirect=redirect)


DEFAULT_PROPERTIES = stored_properties(Properties(), {}, None)
"""The properties of objects that are put without any. Made once, since nobody changes properties in place."""
