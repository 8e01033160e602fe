"""Hold the state behind the in-memory S3: its buckets and the rules of every request. The class also has methods for
tests, which set it up, act as somebody else, and look inside."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from chalicelib.core.deletions import Versioning
from chalicelib.core.errors import Archived, Denied, NoSuchBucket, NoSuchUpload, NotFound, Permanent, PreconditionFailed
from chalicelib.core.objects import Bucket, Properties
from chalicelib.core.policy import KEY_MAX_BYTES
from chalicelib.ports import Clock, Placement, SourceRef, UploadRef, Written
from simulation.memory import digests
from simulation.memory.buckets import DEFAULT_PROPERTIES, Limits, MemoryBucket, Upload, Version, stored_properties
from simulation.memory.clock import VirtualClock
from simulation.memory.operations import ACTIONS, Action, Operation

ACCOUNT = "111122223333"
WORKER = f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/eft-worker/memory"
OUTSIDER = f"arn:aws-us-gov:iam::{ACCOUNT}:user/partner"

BeforeCall = Callable[[Operation, str, str], None]


class StoreState:
    """The buckets. `before_call(operation, bucket, key)` runs before each request, outside the lock: it may change the
    store, or raise. `requests` counts requests by (operation, bucket name)."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        limits: Limits | None = None,
        principal: str = WORKER,
        before_call: BeforeCall | None = None,
    ) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.limits = limits or Limits()
        self.principal = principal
        self.before_call = before_call
        self.requests: Counter[tuple[Operation, str]] = Counter()
        self._buckets: dict[str, MemoryBucket] = {}
        self._denied: set[tuple[str, str | None, Action]] = set()
        self._sequence = 0
        self._lock = Lock()

    # --- for tests: setting up, acting as somebody else, looking inside ---------------------------------------

    def make_bucket(
        self,
        bucket: Bucket,
        *,
        versioned: bool = False,
        encryption: str = "AES256",
        tags: dict[str, str] | None = None,
    ) -> Bucket:
        """Make a bucket. `requester_pays` and `owner` are taken from the Bucket (no owner: this account)."""
        self._buckets[bucket.name] = MemoryBucket(
            name=bucket.name,
            region=bucket.region,
            owner=bucket.owner or ACCOUNT,
            versioning=Versioning.ENABLED if versioned else Versioning.NEVER,
            encryption=encryption,
            requester_pays=bucket.requester_pays,
            tags=tags or {},
        )
        return bucket

    def tag_bucket(self, bucket: Bucket, tags: dict[str, str]) -> None:
        """Set a bucket's tags, as its administrator."""
        self._buckets[bucket.name].tags = dict(tags)

    def set_versioning(self, bucket: Bucket, versioning: Versioning) -> None:
        """Enable or suspend versioning, as the bucket's administrator."""
        with self._lock:
            self._buckets[bucket.name].set_versioning(versioning)

    def drop_bucket(self, bucket: Bucket) -> None:
        del self._buckets[bucket.name]

    def deny(self, bucket: Bucket, *actions: Action, key: str | None = None) -> None:
        """Refuse these actions (all, if none is named) on a bucket, or on one key of it, until `allow`."""
        self._denied |= {(bucket.name, key, action) for action in actions or tuple(Action)}

    def allow(self, bucket: Bucket) -> None:
        self._denied = {rule for rule in self._denied if rule[0] != bucket.name}

    def put(
        self,
        bucket: Bucket,
        key: str,
        body: bytes,
        *,
        properties: Properties | None = None,
        tags: dict[str, str] | None = None,
        storage_class: str = "STANDARD",
        part_sizes: Sequence[int] = (),
        algorithm: str | None = digests.DEFAULT_ALGORITHM,
        composite: bool = False,
        begun_ms_ago: int = 0,
    ) -> Version:
        """Upload as an outside client: in one piece, or in parts of the given sizes. `algorithm` None makes an object
        without any checksum, like an old one. S3 dates an object of parts by when its upload was begun."""
        assert not part_sizes or sum(part_sizes) == len(body), "the parts must make up the body"
        with self._lock:
            store = self._buckets[bucket.name]
            requested = properties or Properties()
            version = self._object(
                Operation.PUT,
                store,
                key,
                body,
                properties=stored_properties(requested, tags or {}, requested.redirect),
                tags=tags or {},
                placement=Placement(storage_class),
                algorithm=None if composite else algorithm,
                part_sizes=tuple(part_sizes),
                by=OUTSIDER,
            )
            if composite and algorithm is not None:
                parts = list(digests.cut(body, part_sizes))
                version = replace(version, checksum=digests.composite(algorithm, parts))
            version = replace(version, at_ms=version.at_ms - begun_ms_ago) if begun_ms_ago else version
            self._publish(store, version)
            return version

    def remove(self, bucket: Bucket, key: str, version_id: str | None = None) -> None:
        """Delete a key, or one version for good, as an outside client."""
        with self._lock:
            store = self._buckets[bucket.name]
            if version_id is None:
                self._delete(store, key, OUTSIDER)
            else:
                store.forget(key, version_id)

    def restore(self, bucket: Bucket, key: str, *, restored: bool = True) -> None:
        """Let an archived object's restored copy come, or expire."""
        with self._lock:
            store = self._buckets[bucket.name]
            version = found_or_raise(store.current(key), key)
            store.replace(version, replace(version, restored=restored))

    def open_upload(self, bucket: Bucket, key: str, initiator: str = OUTSIDER) -> UploadRef:
        """Begin a multipart upload as an outside client."""
        with self._lock:
            store = self._buckets[bucket.name]
            return self._open_upload(store, bucket, key, Properties(), {}, Placement(), None, initiator)

    def versions(self, bucket: Bucket, key: str) -> Sequence[Version]:
        """Return every version and delete marker the key ever had, oldest first, also those replaced or deleted."""
        return list(self._buckets[bucket.name].history.get(key, ()))

    def kept(self, bucket: Bucket, key: str) -> Sequence[Version]:
        """Return the versions that there are now, without delete markers: those that can be brought back."""
        return [version for version in self._buckets[bucket.name].live.get(key, ()) if not version.delete_marker]

    def current(self, bucket: Bucket, key: str) -> Version | None:
        return self._buckets[bucket.name].current(key)

    @property
    def writes(self) -> int:
        """The number of the last version or upload that was made."""
        return self._sequence

    def keys(self, bucket: Bucket) -> Sequence[str]:
        return tuple(self._buckets[bucket.name].keys)

    def uploads(self, bucket: Bucket) -> Sequence[Upload]:
        return tuple(self._buckets[bucket.name].uploads.values())

    # --- inside -----------------------------------------------------------------------------------------------

    def _request(self, operation: Operation, bucket: Bucket, key: str) -> "_Request":
        return _Request(self, operation, bucket, key)

    def _begin(self, operation: Operation, bucket: Bucket, key: str) -> MemoryBucket:
        self.requests[operation, bucket.name] += 1
        if len(key.encode()) > KEY_MAX_BYTES:
            raise Permanent("KeyTooLongError", "Your key is too long")
        return self._permitted(bucket, key, ACTIONS[operation], pays=bucket.requester_pays)

    def _permitted(self, bucket: Bucket, key: str, action: Action, *, pays: bool) -> MemoryBucket:
        store = self._buckets.get(bucket.name)
        if store is None:
            raise NoSuchBucket("NoSuchBucket", f"The specified bucket does not exist: {bucket.name}")
        foreign = bucket.owner is not None and bucket.owner != store.owner
        refused = self._denied and {(bucket.name, None, action), (bucket.name, key, action)} & self._denied
        if foreign or refused or (store.requester_pays and not pays):
            raise Denied("AccessDenied", f"{action} {bucket.name}/{key}")
        return store

    def _source(self, source: SourceRef) -> Version:
        """Return the pinned source of a copy. Raises what S3 raises if it is not as pinned."""
        pays = source.bucket.requester_pays
        store = self._permitted(source.bucket, source.key, Action.READ, pays=pays)
        version = found_or_raise(store.find(source.key, source.version_id), source.key)
        if version.etag != source.etag:
            raise PreconditionFailed("PreconditionFailed", f"{source.key} has another ETag (CopySourceIfMatch)")
        return readable(version)

    def _range(self, body: bytes, first_byte: int, last_byte: int) -> bytes:
        if len(body) <= self.limits.range_source_min_bytes:
            raise Permanent("InvalidRequest", "the copy source is too small for a byte-range copy")
        if not 0 <= first_byte <= last_byte < len(body):
            raise Permanent("InvalidArgument", f"range {first_byte}-{last_byte} of {len(body)} bytes")
        return body[first_byte : last_byte + 1]

    def _open_upload(
        self,
        store: MemoryBucket,
        bucket: Bucket,
        key: str,
        properties: Properties,
        tags: dict[str, str],
        placement: Placement,
        algorithm: str | None,
        initiator: str,
    ) -> UploadRef:
        started = self._next()
        opened = Upload(
            upload_id=f"upload-{started:06d}",
            key=key,
            initiator=initiator,
            started=started,
            initiated_ms=self.clock.now_ms(),
            properties=properties,
            tags=dict(tags),
            placement=placement,
            checksum_algorithm=algorithm,
        )
        store.uploads[opened.upload_id] = opened
        return UploadRef(bucket, key, opened.upload_id)

    def _assembled(self, store: MemoryBucket, opened: Upload, bodies: Sequence[bytes]) -> Version:
        version = self._object(
            Operation.COMPLETE,
            store,
            opened.key,
            b"".join(bodies),
            properties=opened.properties,
            tags=opened.tags,
            placement=opened.placement,
            algorithm=opened.checksum_algorithm or digests.DEFAULT_ALGORITHM,
            part_sizes=tuple(len(body) for body in bodies),
        )
        return replace(version, started=opened.started, at_ms=opened.initiated_ms)

    def _object(
        self,
        operation: Operation,
        store: MemoryBucket,
        key: str,
        body: bytes,
        *,
        properties: Properties | None = None,
        tags: dict[str, str] | None = None,
        placement: Placement | None = None,
        algorithm: str | None = digests.DEFAULT_ALGORITHM,
        part_sizes: tuple[int, ...] = (),
        by: str | None = None,
    ) -> Version:
        sequence = self._next()
        placement = placement or Placement()
        encryption = self._encryption(store, placement)
        if encryption != "AES256":
            etag = digests.opaque_etag(sequence, len(part_sizes))
        elif part_sizes:
            etag = digests.multipart_etag(list(digests.cut(body, part_sizes)))
        else:
            etag = digests.etag(body)
        return Version(
            key=key,
            operation=operation,
            by=by or self.principal,
            sequence=sequence,
            started=sequence,
            at_ms=self.clock.now_ms(),
            version_id=store.next_version_id(sequence),
            body=body,
            etag=etag,
            properties=properties or DEFAULT_PROPERTIES,
            tags=dict(tags or {}),
            storage_class=placement.storage_class,
            encryption=encryption,
            checksum=digests.full(algorithm, body) if algorithm else None,
            part_sizes=part_sizes,
        )

    def _delete(self, store: MemoryBucket, key: str, by: str) -> str | None:
        """Delete a key. A bucket that has versions gets a delete marker even for a key that isn't there; in others
        nothing happens then."""
        if store.versioning is not Versioning.NEVER or store.current(key) is not None:
            sequence = self._next()
            version_id = store.next_version_id(sequence)
            at_ms = self.clock.now_ms()
            marker = Version(
                key, Operation.DELETE, by, sequence, sequence, at_ms, version_id=version_id, delete_marker=True
            )
            store.publish(marker)
            return version_id
        return None

    def _publish(self, store: MemoryBucket, version: Version) -> Written:
        store.publish(version)
        return Written(version.etag, version.version_id, version.checksum)

    def _encryption(self, store: MemoryBucket, placement: Placement) -> str:
        return "aws:kms" if placement.kms_key else store.encryption

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


class _Request:
    """One request: counted, checked, and atomic until it ends. A hand-written context manager, since a simulation makes
    millions of requests."""

    __slots__ = ("_bucket", "_key", "_operation", "_store")

    def __init__(self, store: StoreState, operation: Operation, bucket: Bucket, key: str) -> None:
        self._store, self._operation, self._bucket, self._key = store, operation, bucket, key

    def __enter__(self) -> MemoryBucket:
        store = self._store
        if store.before_call is not None:
            store.before_call(self._operation, self._bucket.name, self._key)
        store._lock.acquire()
        try:
            return store._begin(self._operation, self._bucket, self._key)
        except BaseException:
            store._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._store._lock.release()


def found_or_raise(version: Version | None, key: str) -> Version:
    if version is None:
        raise NotFound("NoSuchKey", f"The specified key does not exist: {key}")
    return version


def readable(version: Version) -> Version:
    if version.archived:
        raise Archived("InvalidObjectState", f"{version.key} is in {version.storage_class} and not restored")
    return version


def opened_or_raise(store: MemoryBucket, upload: UploadRef) -> Upload:
    opened = store.uploads.get(upload.upload_id)
    if opened is None or opened.key != upload.key:
        raise NoSuchUpload("NoSuchUpload", "The specified upload does not exist: completed or aborted")
    return opened
