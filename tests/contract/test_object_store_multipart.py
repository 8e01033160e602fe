"""Test the ObjectStore contract: any client can go on with a multipart copy, and its object appears whole or not at
all."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.core.errors import NoSuchUpload, NotFound, Permanent, PreconditionFailed
from chalicelib.core.objects import Checksum, Properties
from chalicelib.ports import ObjectStore, Part, Placement, SourceRef, UploadRef, Written
from simulation.memory.digests import full, multipart_etag
from tests.contract.subjects import PART_BYTES, Subject
from tests.contract.test_object_store_copy import KEPT, OTHER_ETAG, PROPERTIES, TAGS, content, ref


def begin(subject: Subject, name: str = "copy", checksum_algorithm: str | None = None) -> UploadRef:
    key = subject.key(name)
    return subject.store.create_upload(subject.plain, key, Properties(), {}, Placement(), checksum_algorithm)


def copy_part(store: ObjectStore, subject: Subject, upload: UploadRef, number: int) -> Part:
    """Copy one of the two parts of the large object."""
    large = subject.large()
    first_byte, last_byte = (0, PART_BYTES - 1) if number == 1 else (PART_BYTES, len(large.body) - 1)
    return store.upload_part_copy(upload, number, ref(subject, large), first_byte, last_byte, whole=False)


def small_part(store: ObjectStore, upload: UploadRef, source: SourceRef, size: int, number: int = 1) -> Part:
    return store.upload_part_copy(upload, number, source, 0, size - 1, whole=True)


def complete(
    subject: Subject,
    upload: UploadRef,
    parts: list[Part],
    expected_target_etag: str | None = None,
    checksum: Checksum | None = None,
) -> Written:
    return subject.store.complete(upload, parts, expected_target_etag, sum(part.size for part in parts), checksum)


# --- from begin to end --------------------------------------------------------------------------------------------


def test_multipart_copy(subject: Subject) -> None:
    large = subject.large()
    upload = begin(subject)
    parts = [copy_part(subject.store, subject, upload, number) for number in (1, 2)]
    assert [(part.number, part.size) for part in parts] == [(1, PART_BYTES), (2, len(large.body) - PART_BYTES)]
    # The object does not appear until the upload is complete.
    assert subject.store.head(subject.plain, upload.key) is None
    assert subject.store.list(subject.plain, subject.prefix).objects == ()
    written = complete(subject, upload, parts)
    assert content(subject, upload.key) == large.body
    head = subject.store.head(subject.plain, upload.key)
    assert head is not None
    assert (head.facts.size, head.facts.etag) == (len(large.body), written.etag)
    assert written.etag.endswith("-2")


def test_equal_boundaries_make_equal_etags(subject: Subject) -> None:
    """The copy of a source without a checksum depends on this."""
    large = subject.large(multipart_born=True)
    upload = begin(subject)
    first = subject.store.upload_part_copy(upload, 1, ref(subject, large), 0, PART_BYTES - 1, whole=False)
    last = subject.store.upload_part_copy(upload, 2, ref(subject, large), PART_BYTES, len(large.body) - 1, whole=False)
    assert complete(subject, upload, [first, last]).etag == large.etag
    assert multipart_etag([large.body[:PART_BYTES], large.body[PART_BYTES:]]) == large.etag


def test_one_part_that_is_the_whole_object(subject: Subject) -> None:
    source = subject.put("source", b"small")
    upload = begin(subject)
    part = small_part(subject.store, upload, ref(subject, source), 5)
    written = complete(subject, upload, [part])
    assert content(subject, upload.key) == b"small"
    assert written.etag.endswith("-1")


def test_part_of_a_pinned_version(subject: Subject) -> None:
    pinned = subject.put("source", b"pinned", subject.versioned)
    newer = subject.put("source", b"newer!", subject.versioned)
    upload = begin(subject)
    part = small_part(subject.store, upload, ref(subject, pinned), 6)
    with pytest.raises(PreconditionFailed):
        small_part(subject.store, upload, replace(ref(subject, newer), etag=pinned.etag), 6)
    complete(subject, upload, [part])
    assert content(subject, upload.key) == b"pinned"


def test_part_of_an_overwritten_source(subject: Subject) -> None:
    source = subject.put("source", b"old")
    subject.put("source", b"new")
    upload = begin(subject)
    with pytest.raises(PreconditionFailed):
        small_part(subject.store, upload, ref(subject, source), 3)
    assert list(subject.store.list_parts(upload)) == []


def test_multipart_copy_is_as_stated(subject: Subject) -> None:
    """All properties come from the request and none from the source."""
    source = subject.put("source", properties=Properties(content_type="text/plain", metadata={"lost": "yes"}))
    key = subject.key("copy")
    upload = subject.store.create_upload(subject.plain, key, PROPERTIES, TAGS, Placement("STANDARD_IA"), None)
    complete(subject, upload, [small_part(subject.store, upload, ref(subject, source), 7)])
    head = subject.store.head(subject.plain, key)
    assert head is not None
    assert head.properties == KEPT
    assert head.facts.storage_class == "STANDARD_IA"
    assert subject.store.tags(subject.plain, key) == TAGS


def test_multipart_copy_into_a_versioned_bucket_names_its_version(subject: Subject) -> None:
    source = subject.put("source", b"small")
    key = subject.key("copy")
    upload = subject.store.create_upload(subject.versioned, key, Properties(), {}, Placement(), None)
    written = complete(subject, upload, [small_part(subject.store, upload, ref(subject, source), 5)])
    head = subject.store.head(subject.versioned, key)
    assert head is not None
    assert written.version_id is not None
    assert head.facts.version_id == written.version_id


# --- conditions at Complete ---------------------------------------------------------------------------------------


def uploaded(subject: Subject, body: bytes = b"new") -> tuple[UploadRef, list[Part]]:
    """Return an upload of one small part that is not complete."""
    source = subject.put("source", body)
    upload = begin(subject)
    return upload, [small_part(subject.store, upload, ref(subject, source), len(body))]


def test_complete_where_something_is(subject: Subject) -> None:
    target = subject.put("copy", b"old")
    upload, parts = uploaded(subject)
    with pytest.raises(PreconditionFailed):
        complete(subject, upload, parts)
    assert content(subject, target.key) == b"old"
    # The upload stays as it was until a client aborts it.
    assert list(subject.store.list_parts(upload)) == parts


def test_complete_over_the_expected_object(subject: Subject) -> None:
    target = subject.put("copy", b"old")
    upload, parts = uploaded(subject)
    complete(subject, upload, parts, expected_target_etag=target.etag)
    assert content(subject, target.key) == b"new"


def test_complete_over_another_object_than_expected(subject: Subject) -> None:
    target = subject.put("copy", b"old")
    upload, parts = uploaded(subject)
    with pytest.raises(PreconditionFailed):
        complete(subject, upload, parts, expected_target_etag=OTHER_ETAG)
    assert content(subject, target.key) == b"old"


def test_complete_over_an_expected_object_that_is_gone(subject: Subject) -> None:
    upload, parts = uploaded(subject)
    with pytest.raises(NotFound):
        complete(subject, upload, parts, expected_target_etag=OTHER_ETAG)
    assert content(subject, upload.key) is None


# --- what Complete checks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32C", "CRC32"])
def test_complete_with_the_right_checksum(subject: Subject, algorithm: str) -> None:
    large = subject.large()
    upload = begin(subject, checksum_algorithm=algorithm)
    parts = [copy_part(subject.store, subject, upload, number) for number in (1, 2)]
    complete(subject, upload, parts, checksum=full(algorithm, large.body))
    head = subject.store.head(subject.plain, upload.key)
    assert head is not None
    assert head.facts.checksum == full(algorithm, large.body)


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32C", "CRC32"])
def test_complete_with_a_wrong_checksum(subject: Subject, algorithm: str) -> None:
    source = subject.put("source", b"content")
    upload = begin(subject, checksum_algorithm=algorithm)
    part = small_part(subject.store, upload, ref(subject, source), 7)
    with pytest.raises(Permanent):
        complete(subject, upload, [part], checksum=full(algorithm, b"another"))
    assert subject.store.head(subject.plain, upload.key) is None


def test_complete_with_a_wrong_size(subject: Subject) -> None:
    upload, parts = uploaded(subject)
    with pytest.raises(Permanent):
        subject.store.complete(upload, parts, None, 4, None)
    assert subject.store.head(subject.plain, upload.key) is None


def test_complete_with_a_part_that_is_not_there(subject: Subject) -> None:
    upload, parts = uploaded(subject)
    with pytest.raises(Permanent):
        complete(subject, upload, [*parts, Part(2, OTHER_ETAG, 3)])
    with pytest.raises(Permanent):
        complete(subject, upload, [replace(parts[0], etag=OTHER_ETAG)])
    assert subject.store.head(subject.plain, upload.key) is None


def test_complete_in_the_wrong_order(subject: Subject) -> None:
    upload = begin(subject)
    parts = [copy_part(subject.store, subject, upload, number) for number in (1, 2)]
    with pytest.raises(Permanent):
        complete(subject, upload, parts[::-1])
    assert subject.store.head(subject.plain, upload.key) is None


def test_complete_with_a_part_that_is_too_small(subject: Subject) -> None:
    source = subject.put("source", b"small")
    upload = begin(subject)
    parts = [small_part(subject.store, upload, ref(subject, source), 5, number) for number in (1, 2)]
    with pytest.raises(Permanent):
        complete(subject, upload, parts)
    assert subject.store.head(subject.plain, upload.key) is None


def test_range_of_a_small_source(subject: Subject) -> None:
    """S3 copies ranges only of sources over 5 MB. That is the reason for `whole`."""
    source = subject.put("source", b"small")
    upload = begin(subject)
    with pytest.raises(Permanent):
        subject.store.upload_part_copy(upload, 1, ref(subject, source), 0, 2, whole=False)


# --- adoption, abort ----------------------------------------------------------------------------------------------


def test_upload_is_adopted_by_another_client(subject: Subject) -> None:
    upload = begin(subject)
    first = copy_part(subject.store, subject, upload, 1)
    adopted = UploadRef(upload.bucket, upload.key, upload.upload_id)
    assert list(subject.other.list_parts(adopted)) == [first]
    copy_part(subject.other, subject, adopted, 2)
    parts = list(subject.other.list_parts(adopted))
    assert [part.number for part in parts] == [1, 2]
    subject.other.complete(adopted, parts, None, sum(part.size for part in parts), None)
    assert content(subject, upload.key) == subject.large().body


def test_part_copied_twice_is_one_part(subject: Subject) -> None:
    upload = begin(subject)
    once, twice = (copy_part(store, subject, upload, 2) for store in (subject.store, subject.other))
    assert once == twice
    assert list(subject.store.list_parts(upload)) == [twice]


@pytest.mark.parametrize("end", ["complete", "abort"])
def test_upload_that_has_ended(subject: Subject, end: str) -> None:
    upload, parts = uploaded(subject)
    source = SourceRef(subject.plain, subject.key("source"), parts[0].etag)
    if end == "complete":
        complete(subject, upload, parts)
    else:
        subject.store.abort(upload)
    calls: list[Callable[[], object]] = [
        lambda: subject.other.list_parts(upload),
        lambda: small_part(subject.other, upload, source, 3),
    ]
    for call in calls:
        with pytest.raises(NoSuchUpload):
            call()
    assert content(subject, upload.key) == (b"new" if end == "complete" else None)


def test_complete_after_abort(subject: Subject) -> None:
    upload, parts = uploaded(subject)
    subject.store.abort(upload)
    with pytest.raises(NoSuchUpload):
        complete(subject, upload, parts)
    assert content(subject, upload.key) is None


def test_repeated_complete_publishes_nothing_twice(subject: Subject) -> None:
    """Stores differ in the answer (200, 404 or 412), and the caller sends a HEAD after each of them. None may publish
    again."""
    source = subject.put("source", b"new")
    key = subject.key("copy")
    upload = subject.store.create_upload(subject.versioned, key, Properties(), {}, Placement(), None)
    parts = [small_part(subject.store, upload, ref(subject, source), 3)]
    written = complete(subject, upload, parts)
    try:
        again = complete(subject, upload, parts)
    except (NoSuchUpload, PreconditionFailed):
        again = written
    head = subject.store.head(subject.versioned, key)
    assert head is not None
    assert written.version_id == again.version_id == head.facts.version_id


def test_abort_of_what_is_gone_is_no_error(subject: Subject) -> None:
    upload, _ = uploaded(subject)
    subject.store.abort(upload)
    subject.other.abort(upload)


# --- open uploads -------------------------------------------------------------------------------------------------


def test_open_uploads_are_listed(subject: Subject) -> None:
    uploads = [begin(subject, name) for name in ("in/a", "in/b", "in/b", "out/a")]
    open_uploads = subject.other.list_uploads(subject.plain, subject.key("in/"))
    assert len(open_uploads) == 3
    assert {info.upload for info in open_uploads} == set(uploads[:3])
    assert all(-5_000 <= info.age_ms < 300_000 for info in open_uploads)
    for upload in uploads:
        subject.store.abort(upload)
    assert list(subject.store.list_uploads(subject.plain, subject.prefix)) == []


def test_open_upload_names_its_initiator(subject: Subject) -> None:
    upload = begin(subject)
    (info,) = subject.store.list_uploads(subject.plain, upload.key)
    assert info.initiator


@pytest.mark.parametrize("name", ["two words", "a+b", "100%25", "ключ", "a&b=c?d#e"])
def test_open_upload_of_an_odd_key(subject: Subject, name: str) -> None:
    upload = begin(subject, name)
    assert [info.upload for info in subject.store.list_uploads(subject.plain, subject.prefix)] == [upload]
    assert [info.upload for info in subject.store.list_uploads(subject.plain, upload.key)] == [upload]


def test_completed_upload_is_not_listed(subject: Subject) -> None:
    upload, parts = uploaded(subject)
    complete(subject, upload, parts)
    assert list(subject.store.list_uploads(subject.plain, upload.key)) == []
