"""Test the ObjectStore contract: a CopyObject with both sides pinned, and the properties that it keeps."""

from dataclasses import replace

import pytest

from chalicelib.core.errors import NotFound, PreconditionFailed
from chalicelib.core.objects import Properties
from chalicelib.ports import ObjectStore, Placement, SourceRef
from simulation.memory.digests import etag, full
from tests.contract.subjects import Subject, Uploaded

OTHER_ETAG = "0" * 32
PROPERTIES = Properties(
    content_type="text/csv; charset=utf-8",
    content_encoding="gzip",
    content_language="en-US",
    content_disposition='attachment; filename="report.csv"',
    cache_control="max-age=60, private",
    expires="Thu, 01 Dec 2033 16:00:00 GMT",
    metadata={"Department": "Finance", "x-trace": "a/b+c=%20", "lower": "case"},
)
KEPT = replace(PROPERTIES, metadata={name.lower(): value for name, value in PROPERTIES.metadata.items()})
"""S3 keeps the names of user metadata in lower case."""
TAGS = {"owner": "EFT", "class": "daily report", "path": "a/b+c=d"}


def ref(subject: Subject, source: Uploaded) -> SourceRef:
    """Return a reference to the source, pinned by its ETag, and by its version where it has one."""
    bucket = subject.versioned if source.version_id else subject.plain
    return SourceRef(bucket, source.key, source.etag, source.version_id)


def copy(
    store: ObjectStore, subject: Subject, source: SourceRef, key: str, expected_target_etag: str | None = None
) -> str:
    return store.copy(source, subject.plain, key, expected_target_etag, Placement()).etag


def content(subject: Subject, key: str) -> bytes | None:
    return subject.other.get(subject.plain, key)


# --- the destination's condition ----------------------------------------------------------------------------------


def test_copy_to_where_nothing_is(subject: Subject) -> None:
    source = subject.put("source", b"content")
    key = subject.key("copy")
    assert copy(subject.store, subject, ref(subject, source), key) == source.etag
    assert content(subject, key) == b"content"
    head = subject.store.head(subject.plain, key)
    assert head is not None
    assert (head.facts.size, head.facts.etag) == (7, source.etag)


def test_copy_to_where_something_is(subject: Subject) -> None:
    source, target = subject.put("source", b"new"), subject.put("copy", b"old")
    with pytest.raises(PreconditionFailed):
        copy(subject.store, subject, ref(subject, source), target.key)
    assert content(subject, target.key) == b"old"


def test_repeated_copy_is_refused(subject: Subject) -> None:
    """A client that repeats its own success gets a 412, and then it sends a HEAD."""
    source = subject.put("source")
    key = subject.key("copy")
    copy(subject.store, subject, ref(subject, source), key)
    with pytest.raises(PreconditionFailed):
        copy(subject.other, subject, ref(subject, source), key)


def test_copy_over_the_expected_object(subject: Subject) -> None:
    source, target = subject.put("source", b"new"), subject.put("copy", b"old")
    copy(subject.store, subject, ref(subject, source), target.key, expected_target_etag=target.etag)
    assert content(subject, target.key) == b"new"


def test_copy_over_another_object_than_expected(subject: Subject) -> None:
    source, target = subject.put("source", b"new"), subject.put("copy", b"old")
    with pytest.raises(PreconditionFailed):
        copy(subject.store, subject, ref(subject, source), target.key, expected_target_etag=OTHER_ETAG)
    assert content(subject, target.key) == b"old"


def test_copy_over_an_expected_object_that_is_gone(subject: Subject) -> None:
    source = subject.put("source", b"new")
    key = subject.key("copy")
    with pytest.raises(NotFound):
        copy(subject.store, subject, ref(subject, source), key, expected_target_etag=OTHER_ETAG)
    assert content(subject, key) is None


def test_copy_over_a_delete_marker(subject: Subject) -> None:
    source, target = subject.put("source", b"new"), subject.put("copy", b"old", subject.versioned)
    subject.outside.remove(subject.versioned, target.key)
    written = subject.store.copy(ref(subject, source), subject.versioned, target.key, None, Placement())
    head = subject.store.head(subject.versioned, target.key)
    assert head is not None
    assert (head.facts.version_id, head.facts.etag) == (written.version_id, source.etag)
    assert written.version_id not in (None, target.version_id)


# --- the source's pins --------------------------------------------------------------------------------------------


def test_copy_of_an_overwritten_source(subject: Subject) -> None:
    source = subject.put("source", b"old")
    subject.put("source", b"new")
    key = subject.key("copy")
    with pytest.raises(PreconditionFailed):
        copy(subject.store, subject, ref(subject, source), key)
    assert content(subject, key) is None


def test_refused_source_leaves_the_expected_destination(subject: Subject) -> None:
    source, target = subject.put("source", b"old"), subject.put("copy", b"there")
    subject.put("source", b"new")
    with pytest.raises(PreconditionFailed):
        copy(subject.store, subject, ref(subject, source), target.key, expected_target_etag=target.etag)
    assert content(subject, target.key) == b"there"


def test_copy_of_a_deleted_source(subject: Subject) -> None:
    source = subject.put("source")
    subject.outside.remove(subject.plain, source.key)
    key = subject.key("copy")
    with pytest.raises(NotFound):
        copy(subject.store, subject, ref(subject, source), key)
    assert content(subject, key) is None


def test_copy_of_a_pinned_version(subject: Subject) -> None:
    pinned = subject.put("source", b"pinned", subject.versioned)
    newer = subject.put("source", b"newer", subject.versioned)
    key = subject.key("copy")
    copy(subject.store, subject, ref(subject, pinned), key)
    assert content(subject, key) == b"pinned"
    with pytest.raises(PreconditionFailed):
        copy(subject.store, subject, replace(ref(subject, newer), etag=pinned.etag), subject.key("other"))


def test_pinned_version_is_copied_after_a_delete_marker(subject: Subject) -> None:
    pinned = subject.put("source", b"pinned", subject.versioned)
    subject.outside.remove(subject.versioned, pinned.key)
    copy(subject.store, subject, ref(subject, pinned), subject.key("copy"))
    assert content(subject, subject.key("copy")) == b"pinned"
    unpinned = replace(ref(subject, pinned), version_id=None)
    with pytest.raises(NotFound):
        copy(subject.store, subject, unpinned, subject.key("other"))


# --- what comes along ---------------------------------------------------------------------------------------------


def test_copy_keeps_properties_and_metadata(subject: Subject) -> None:
    source = subject.put("source", properties=PROPERTIES)
    copy(subject.store, subject, ref(subject, source), subject.key("copy"))
    head = subject.store.head(subject.plain, subject.key("copy"))
    assert head is not None
    assert head.properties == KEPT


def test_copy_keeps_tags(subject: Subject) -> None:
    source = subject.put("source", tags=TAGS)
    copy(subject.store, subject, ref(subject, source), subject.key("copy"))
    assert subject.store.tags(subject.plain, subject.key("copy")) == TAGS


@pytest.mark.parametrize("restated", ["STANDARD", "STANDARD_IA"])
def test_copy_has_the_storage_class_that_is_stated(subject: Subject, restated: str) -> None:
    source = subject.put("source", storage_class="STANDARD_IA")
    key = subject.key("copy")
    subject.store.copy(ref(subject, source), subject.plain, key, None, Placement(restated))
    head = subject.store.head(subject.plain, key)
    assert head is not None
    assert head.facts.storage_class == restated
    (facts,) = subject.store.list(subject.plain, key).objects
    assert facts.storage_class == restated


@pytest.mark.parametrize("restated", [None, "/elsewhere"])
def test_copy_has_the_redirect_that_is_stated(subject: Subject, restated: str | None) -> None:
    source = subject.put("source", properties=Properties(redirect="/elsewhere"))
    key = subject.key("copy")
    subject.store.copy(ref(subject, source), subject.plain, key, None, Placement(redirect=restated))
    head = subject.store.head(subject.plain, key)
    assert head is not None
    assert head.properties.redirect == restated


@pytest.mark.parametrize("name", ["empty", "folder/"])
def test_copy_of_nothing(subject: Subject, name: str) -> None:
    source = subject.put(name, b"")
    key = subject.key(f"copied/{name}")
    copy(subject.store, subject, ref(subject, source), key)
    head = subject.store.head(subject.plain, key)
    assert head is not None
    assert (head.facts.size, head.facts.etag) == (0, etag(b""))


def test_copy_into_a_versioned_bucket_names_its_version(subject: Subject) -> None:
    source = subject.put("source")
    written = subject.store.copy(ref(subject, source), subject.versioned, subject.key("copy"), None, Placement())
    head = subject.store.head(subject.versioned, subject.key("copy"))
    assert head is not None
    assert written.version_id is not None
    assert (written.version_id, written.etag) == (head.facts.version_id, head.facts.etag)


def test_copy_of_a_multipart_object_has_a_plain_etag(subject: Subject) -> None:
    """A comparison by ETag would fail here: source and copy have the same bytes and different ETags."""
    source = subject.large(multipart_born=True)
    key = subject.key("copy")
    assert source.etag.endswith("-2")
    assert copy(subject.store, subject, ref(subject, source), key) == etag(source.body)
    (facts,) = subject.store.list(subject.plain, key).objects
    assert facts.etag == etag(source.body)


def test_copy_has_a_full_object_checksum(subject: Subject) -> None:
    source = subject.put("source", b"content")
    key = subject.key("copy")
    subject.store.copy(ref(subject, source), subject.plain, key, None, Placement())
    head = subject.store.head(subject.plain, key)
    assert head is not None
    assert head.facts.checksum == full("CRC64NVME", b"content")


def test_copy_without_a_version_takes_only_what_is_newest(subject: Subject) -> None:
    """Feeds depend on this: S3 compares CopySourceIfMatch with the newest version, even if an older one would match."""
    older, newer = (subject.put("source", body, subject.versioned) for body in (b"older", b"newer"))
    target = subject.key("copy")
    unpinned = SourceRef(subject.versioned, older.key, older.etag)
    with pytest.raises(PreconditionFailed):
        subject.store.copy(unpinned, subject.plain, target, None, Placement())
    assert content(subject, target) is None
    written = subject.store.copy(replace(unpinned, etag=newer.etag), subject.plain, target, None, Placement())
    assert content(subject, target) == b"newer"
    assert written.source_version_id in (None, newer.version_id)


def test_head_says_how_old_an_object_is_by_the_stores_own_clock(subject: Subject) -> None:
    uploaded = subject.put("source", b"x")
    head = subject.store.head(subject.plain, uploaded.key)
    assert head is not None
    assert -5_000 <= head.age_ms < 300_000
