"""Test the in-memory S3: the behaviour of AWS that no other store here can show, and the methods that tests use to
change the store."""

import pytest

from chalicelib.core.errors import Archived, Denied, NotFound, Permanent, PreconditionFailed, Retry
from chalicelib.core.identity import Match, recognise
from chalicelib.core.objects import Bucket, Checksum, ChecksumType, Properties
from chalicelib.ports import Placement, SourceRef, UploadRef
from simulation.memory.buckets import Limits
from simulation.memory.clock import VirtualClock
from simulation.memory.digests import composite, etag, full, multipart_etag
from simulation.memory.operations import Action, Operation
from simulation.memory.state import ACCOUNT, OUTSIDER, WORKER
from simulation.memory.store import MemoryObjectStore

SOURCE = Bucket("source", "us-gov-west-1")
TARGET = Bucket("target", "us-gov-east-1")
SMALL = Limits(part_min_bytes=4, part_max_bytes=8, parts_max=3, copy_max_bytes=16, range_source_min_bytes=4)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def store(clock: VirtualClock) -> MemoryObjectStore:
    store = MemoryObjectStore(clock, limits=SMALL)
    store.make_bucket(SOURCE)
    store.make_bucket(TARGET, versioned=True)
    return store


def begin(store: MemoryObjectStore, key: str = "copy", bucket: Bucket = TARGET) -> UploadRef:
    return store.create_upload(bucket, key, Properties(), {}, Placement(), None)


# --- digests ------------------------------------------------------------------------------------------------------


def test_known_checksums() -> None:
    """These are the check values of each algorithm for "123456789"."""
    body = b"123456789"
    assert full("CRC64NVME", body).value == "rosUhgp5mIg="
    assert full("CRC32", body).value == "y/Q5Jg=="
    assert full("CRC32C", body).value == "4waSgw=="
    assert etag(body) == "25f9e794323b453885f5181f1b624d0b"


def test_put_in_parts(store: MemoryObjectStore) -> None:
    body = b"aaaabbbbcc"
    version = store.put(SOURCE, "object", body, part_sizes=(4, 4, 2), algorithm="SHA256", composite=True)
    assert version.etag == multipart_etag([b"aaaa", b"bbbb", b"cc"])
    assert version.checksum == composite("SHA256", [b"aaaa", b"bbbb", b"cc"])
    assert version.checksum.value.endswith("-3")
    assert store.part_sizes(SOURCE, "object") == (4, 4, 2)


# --- what only AWS does -------------------------------------------------------------------------------------------


def test_copy_of_a_composite_checksum_is_full(store: MemoryObjectStore) -> None:
    source = store.put(SOURCE, "object", b"aaaabb", part_sizes=(4, 2), algorithm="CRC32", composite=True)
    written = store.copy(SourceRef(SOURCE, "object", source.etag), TARGET, "copy", None, Placement())
    assert written.checksum == full("CRC32", b"aaaabb")
    assert written.etag == etag(b"aaaabb")


def test_object_of_old_has_no_checksum_but_its_copy_has(store: MemoryObjectStore) -> None:
    source = store.put(SOURCE, "object", b"old", algorithm=None)
    assert source.checksum is None
    written = store.copy(SourceRef(SOURCE, "object", source.etag), TARGET, "copy", None, Placement())
    assert written.checksum == full("CRC64NVME", b"old")


def test_kms_makes_etags_opaque(store: MemoryObjectStore) -> None:
    """Equal bytes have different ETags, and every ETag looks like an MD5. Only the checksums show that the bytes are
    equal."""
    vault = store.make_bucket(Bucket("vault", "us-gov-west-1"), encryption="aws:kms")
    first, second = (store.put(vault, key, b"same") for key in ("first", "second"))
    assert len({first.etag, second.etag, etag(b"same")}) == 3
    plain = store.put(SOURCE, "object", b"same")
    store.copy(SourceRef(SOURCE, "object", plain.etag), TARGET, "copy", None, Placement(kms_key="key"))
    source, copied = store.head(SOURCE, "object"), store.head(TARGET, "copy")
    assert source is not None
    assert copied is not None
    assert copied.facts.encryption == "aws:kms"
    assert recognise(source.facts, copied.facts) is Match.SAME_BY_CHECKSUM


def test_archived_object_cannot_be_read_until_it_is_restored(store: MemoryObjectStore) -> None:
    archived = store.put(SOURCE, "object", b"cold", storage_class="GLACIER")
    pinned = SourceRef(SOURCE, "object", archived.etag)
    upload = begin(store)
    for read in (
        lambda: store.get(SOURCE, "object"),
        lambda: store.copy(pinned, TARGET, "copy", None, Placement()),
        lambda: store.upload_part_copy(upload, 1, pinned, 0, 3, whole=True),
    ):
        with pytest.raises(Archived):
            read()
    store.restore(SOURCE, "object")
    head = store.head(SOURCE, "object")
    assert head is not None
    assert head.facts.restored
    assert store.list(SOURCE, "").objects[0].restored
    store.copy(pinned, TARGET, "copy", None, Placement())
    assert store.get(TARGET, "copy") == b"cold"


def test_current_version_is_the_one_begun_last(store: MemoryObjectStore) -> None:
    source = store.put(SOURCE, "object", b"old!")
    replaced = store.put(TARGET, "copy", b"same")
    upload = begin(store)
    part = store.upload_part_copy(upload, 1, SourceRef(SOURCE, "object", source.etag), 0, 3, whole=True)
    store.put(TARGET, "copy", b"same")
    written = store.complete(upload, [part], replaced.etag, 4, None)
    assert store.get(TARGET, "copy") == b"same"
    assert store.head(TARGET, "copy", version_id=written.version_id) is not None


def test_limits(store: MemoryObjectStore) -> None:
    big = store.put(SOURCE, "big", b"x" * 17)
    pinned = SourceRef(SOURCE, "big", big.etag)
    upload = begin(store)
    for call in (
        lambda: store.copy(pinned, TARGET, "copy", None, Placement()),
        lambda: store.upload_part_copy(upload, 1, pinned, 0, 8, whole=False),
        lambda: store.upload_part_copy(upload, 4, pinned, 0, 7, whole=False),
        lambda: store.upload_part_copy(upload, 1, pinned, 16, 17, whole=False),
        lambda: store.complete(upload, [], None, 0, None),
        lambda: store.put(SOURCE, "object", b"", properties=Properties(metadata={"a": "x" * 2048})),
        lambda: store.put(SOURCE, "object", b"", tags={str(n): "" for n in range(11)}),
    ):
        with pytest.raises(Permanent):
            call()


def test_copy_onto_itself_must_change_something(store: MemoryObjectStore) -> None:
    version = store.put(SOURCE, "object", b"body")
    itself = SourceRef(SOURCE, "object", version.etag)
    with pytest.raises(Permanent):
        store.copy(itself, SOURCE, "object", version.etag, Placement())
    store.copy(itself, SOURCE, "object", version.etag, Placement("STANDARD_IA"))


def test_requester_pays(store: MemoryObjectStore) -> None:
    """Every request must say that the requester pays."""
    paying = store.make_bucket(Bucket("paying", "us-gov-west-1", requester_pays=True))
    unaware = Bucket("paying", "us-gov-west-1")
    version = store.put(paying, "object", b"body")
    with pytest.raises(Denied):
        store.head(unaware, "object")
    with pytest.raises(Denied):
        store.copy(SourceRef(unaware, "object", version.etag), TARGET, "copy", None, Placement())
    assert store.head(paying, "object") is not None
    store.copy(SourceRef(paying, "object", version.etag), TARGET, "copy", None, Placement())


# --- hands --------------------------------------------------------------------------------------------------------


def test_every_version_is_on_record(store: MemoryObjectStore) -> None:
    """The store records how often a key was published and by which client, even in a bucket that keeps no versions."""
    for bucket in (SOURCE, TARGET):
        replaced, source = store.put(bucket, "object", b"first"), store.put(bucket, "other", b"other")
        store.copy(SourceRef(bucket, "other", source.etag), bucket, "object", replaced.etag, Placement())
        store.remove(bucket, "object")
        store.create(bucket, "object", b"second")
        assert [(version.operation, version.by) for version in store.versions(bucket, "object")] == [
            (Operation.PUT, OUTSIDER),
            (Operation.COPY, WORKER),
            (Operation.DELETE, OUTSIDER),
            (Operation.PUT, WORKER),
        ]
    assert store.head(TARGET, "object", version_id=store.versions(TARGET, "object")[0].version_id) is not None


def test_version_deleted_for_good(store: MemoryObjectStore) -> None:
    first, second = store.put(TARGET, "object", b"first"), store.put(TARGET, "object", b"second")
    store.remove(TARGET, "object", second.version_id)
    current = store.current(TARGET, "object")
    assert current is not None
    assert current.version_id == first.version_id
    store.remove(TARGET, "object", first.version_id)
    assert store.keys(TARGET) == ()
    with pytest.raises(NotFound):
        store.tags(TARGET, "object")


def test_denied(store: MemoryObjectStore) -> None:
    version = store.put(SOURCE, "object", b"body")
    pinned = SourceRef(SOURCE, "object", version.etag)
    store.deny(SOURCE, Action.READ, key="object")
    with pytest.raises(Denied):
        store.copy(pinned, TARGET, "copy", None, Placement())
    assert len(store.list(SOURCE, "").objects) == 1
    store.allow(SOURCE)
    store.deny(TARGET, Action.WRITE)
    with pytest.raises(Denied):
        store.copy(pinned, TARGET, "copy", None, Placement())
    assert store.head(TARGET, "copy") is None
    foreign = Bucket("source", "us-gov-west-1", owner="999999999999")
    with pytest.raises(Denied):
        store.head(foreign, "object")
    assert store.head(Bucket("source", "us-gov-west-1", owner=ACCOUNT), "object") is not None


def test_requests_are_counted(store: MemoryObjectStore) -> None:
    store.put(SOURCE, "object", b"body")
    store.head(SOURCE, "object")
    store.head(SOURCE, "missing")
    with pytest.raises(PreconditionFailed):
        store.create(SOURCE, "object", b"")
    assert store.requests == {(Operation.HEAD, "source"): 2, (Operation.PUT, "source"): 1}


def test_before_call_may_change_the_store_or_raise(store: MemoryObjectStore) -> None:
    version = store.put(SOURCE, "object", b"old")

    def overwrite(operation: Operation, bucket: str, key: str) -> None:
        if operation is Operation.COPY:
            store.put(SOURCE, "object", b"new")
        if (bucket, key) == ("target", "cursed"):
            raise Retry("Injected", "by the test")

    store.before_call = overwrite
    with pytest.raises(PreconditionFailed):
        store.copy(SourceRef(SOURCE, "object", version.etag), TARGET, "copy", None, Placement())
    with pytest.raises(Retry):
        store.create(TARGET, "cursed", b"")
    assert store.versions(TARGET, "cursed") == []


def test_uploads_grow_old(store: MemoryObjectStore, clock: VirtualClock) -> None:
    ours = begin(store)
    clock.advance(60_000)
    theirs = store.open_upload(TARGET, "copy")
    uploads = store.list_uploads(TARGET, "")
    assert [(info.upload, info.initiator, info.age_ms) for info in uploads] == [
        (ours, WORKER, 60_000),
        (theirs, OUTSIDER, 0),
    ]
    assert [upload.upload_id for upload in store.uploads(TARGET)] == [ours.upload_id, theirs.upload_id]


def test_wrong_checksum_leaves_the_upload_open(store: MemoryObjectStore) -> None:
    source = store.put(SOURCE, "object", b"body")
    upload = store.create_upload(TARGET, "copy", Properties(), {}, Placement(), "CRC32C")
    part = store.upload_part_copy(upload, 1, SourceRef(SOURCE, "object", source.etag), 0, 3, whole=True)
    with pytest.raises(Permanent, match="BadDigest"):
        store.complete(upload, [part], None, 4, Checksum("CRC32C", ChecksumType.FULL_OBJECT, "AAAAAA=="))
    assert store.list_parts(upload) == [part]
    assert store.complete(upload, [part], None, 4, full("CRC32C", b"body")).checksum == full("CRC32C", b"body")
