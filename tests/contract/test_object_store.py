"""Test the ObjectStore contract: HEAD and reads, lists, small objects of ours, and refusals."""

from collections.abc import Callable

import pytest

from chalicelib.core.deletions import Versioning
from chalicelib.core.errors import Denied, NoSuchBucket, NotFound, Permanent, PreconditionFailed
from chalicelib.core.objects import Bucket, ChecksumType, Properties
from chalicelib.ports import BucketFacts, Placement, SourceRef
from simulation.memory.digests import full
from tests.contract.subjects import PART_BYTES, Subject

ODD_NAMES = {
    "space": "two words",
    "plus": "a+b",
    "percent": "100%25 %2F",
    "unicode": "ключ/鍵/clé",
    "astral": "smile-\U0001f600",
    "reserved": "a&b=c?d#e;f,g:h@i$j!k*l'm(n)",
    "quotes": 'a"b<c>d\\e|f^g`h{i}~',
    "folder": "folder/",
    "double-slash": "a//b",
    "dot": "a/./b",
    "dot-dot": "a/../b",
    "control": "bell-\x07",
}
"""These are keys that a layer on the way might normalise, decode twice or refuse."""

SORTED_NAMES = [
    "a",
    "a b",
    "a!",
    "a%",
    "a+",
    "a-",
    "a-b",
    "a.",
    "a/",
    "a/b",
    "a0",
    "aA",
    "aa",
    "aé",
    "a鍵",
    "a\U0001f600",
]
"""They are in the order of their UTF-8 bytes. UTF-16 would put the last before "a～"; a tree would put "a/b" before
"a-"."""


# --- create, get, delete ------------------------------------------------------------------------------------------


def test_created_object_can_be_read_by_another_client(subject: Subject) -> None:
    key = subject.key("record")
    subject.store.create(subject.plain, key, b'{"record":"claim"}')
    assert subject.other.get(subject.plain, key) == b'{"record":"claim"}'


def test_create_is_refused_where_something_is(subject: Subject) -> None:
    key = subject.key("record")
    subject.store.create(subject.plain, key, b"first")
    with pytest.raises(PreconditionFailed):
        subject.other.create(subject.plain, key, b"second")
    assert subject.store.get(subject.plain, key) == b"first"


def test_create_of_nothing(subject: Subject) -> None:
    key = subject.key("empty")
    subject.store.create(subject.plain, key, b"")
    assert subject.store.get(subject.plain, key) == b""
    with pytest.raises(PreconditionFailed):
        subject.store.create(subject.plain, key, b"")


@pytest.mark.parametrize("kind", ["plain", "versioned"])
def test_create_succeeds_after_delete(subject: Subject, kind: str) -> None:
    bucket: Bucket = getattr(subject, kind)
    key = subject.key("record")
    subject.store.create(bucket, key, b"first")
    subject.store.delete(bucket, key)
    assert subject.store.get(bucket, key) is None
    assert subject.store.head(bucket, key) is None
    subject.store.create(bucket, key, b"second")
    assert subject.store.get(bucket, key) == b"second"


def test_delete_of_what_is_gone_is_no_error(subject: Subject) -> None:
    uploaded = subject.put("object")
    subject.store.delete(subject.plain, uploaded.key)
    subject.store.delete(subject.plain, uploaded.key)
    subject.store.delete(subject.plain, subject.key("never-there"))
    assert subject.store.head(subject.plain, uploaded.key) is None


# --- delete what is pinned ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "versioned", "suspended"])
def test_pinned_delete_removes_what_is_there(subject: Subject, kind: str) -> None:
    bucket: Bucket = getattr(subject, kind)
    uploaded = subject.put("object", bucket=bucket)
    marker = subject.store.delete_pinned(bucket, uploaded.key, uploaded.etag)
    assert subject.other.head(bucket, uploaded.key) is None
    assert subject.other.list(bucket, uploaded.key).objects == ()
    assert (marker is not None) is (kind != "plain")


def test_pinned_delete_keeps_the_version_where_there_are_versions(subject: Subject) -> None:
    uploaded = subject.put("object", b"kept", bucket=subject.versioned)
    marker = subject.store.delete_pinned(subject.versioned, uploaded.key, uploaded.etag)
    assert marker not in (None, uploaded.version_id)
    version = subject.store.head(subject.versioned, uploaded.key, version_id=uploaded.version_id)
    assert version is not None
    assert version.facts.etag == uploaded.etag


@pytest.mark.parametrize(("kind", "bodies"), [("plain", []), ("versioned", [b"new", b"old"]), ("suspended", [])])
def test_what_a_bucket_still_has_when_it_was_overwritten_and_deleted(
    subject: Subject, kind: str, bodies: list[bytes]
) -> None:
    """Where versioning is suspended, every new object has the version id "null", and a key has only one version with
    that id."""
    bucket: Bucket = getattr(subject, kind)
    subject.put("object", b"old", bucket=bucket)
    uploaded = subject.put("object", b"new", bucket=bucket)
    marker = subject.store.delete_pinned(bucket, uploaded.key, uploaded.etag)
    assert (marker == "null") is (kind == "suspended")
    assert sorted(subject.outside.bodies(bucket, uploaded.key)) == bodies


def test_a_copy_into_a_suspended_bucket_takes_the_place_of_what_was_there(subject: Subject) -> None:
    source = subject.put("source", b"new")
    old = subject.put("object", b"old", bucket=subject.suspended)
    pinned = SourceRef(subject.plain, source.key, source.etag)
    written = subject.store.copy(pinned, subject.suspended, old.key, old.etag, Placement())
    assert written.version_id in (None, "null")
    assert subject.outside.bodies(subject.suspended, old.key) == [b"new"]


@pytest.mark.parametrize("kind", ["plain", "versioned", "suspended"])
def test_pinned_delete_leaves_another_object_alone(subject: Subject, kind: str) -> None:
    bucket: Bucket = getattr(subject, kind)
    old = subject.put("object", b"old", bucket=bucket)
    subject.put("object", b"new", bucket=bucket)
    with pytest.raises(PreconditionFailed):
        subject.store.delete_pinned(bucket, old.key, old.etag)
    assert subject.other.get(bucket, old.key) == b"new"


@pytest.mark.parametrize("kind", ["plain", "versioned", "suspended"])
def test_pinned_delete_of_what_is_gone(subject: Subject, kind: str) -> None:
    """This holds even where the pinned version lies under a delete marker: S3 compares the current version alone."""
    bucket: Bucket = getattr(subject, kind)
    uploaded = subject.put("object", bucket=bucket)
    subject.outside.remove(bucket, uploaded.key)
    with pytest.raises(NotFound):
        subject.store.delete_pinned(bucket, uploaded.key, uploaded.etag)


def test_pinned_delete_of_what_was_never_there(subject: Subject) -> None:
    with pytest.raises(NotFound):
        subject.store.delete_pinned(subject.plain, subject.key("never"), "0" * 32)


# --- head ---------------------------------------------------------------------------------------------------------


def test_missing_key_is_none(subject: Subject) -> None:
    key = subject.key("missing")
    assert subject.store.head(subject.plain, key) is None
    assert subject.store.head(subject.plain, key, if_match="0" * 32) is None
    assert subject.store.get(subject.plain, key) is None
    with pytest.raises(NotFound):
        subject.store.tags(subject.plain, key)


def test_head_shows_the_facts(subject: Subject) -> None:
    uploaded = subject.put("object", b"content")
    head = subject.store.head(subject.plain, uploaded.key)
    assert head is not None
    facts = head.facts
    assert (facts.key, facts.size, facts.etag) == (uploaded.key, 7, "9a0364b9e99bb480dd25e1f0284c8555")
    assert (facts.storage_class, facts.version_id, facts.restored) == ("STANDARD", None, False)
    assert facts.encryption in ("", "AES256", "aws:kms")
    assert facts.last_modified_ms > 1_600_000_000_000
    assert head.parts_count == 0


def test_head_shows_the_checksum_that_s3_attaches(subject: Subject) -> None:
    uploaded = subject.put("object", b"content")
    head = subject.store.head(subject.plain, uploaded.key)
    assert head is not None
    assert head.facts.checksum == full("CRC64NVME", b"content")


@pytest.mark.parametrize("algorithm", ["CRC64NVME", "CRC32C", "CRC32", "SHA256"])
def test_head_shows_the_checksum_that_the_client_asked_for(subject: Subject, algorithm: str) -> None:
    uploaded = subject.put("object", b"content", algorithm=algorithm)
    head = subject.store.head(subject.plain, uploaded.key)
    assert head is not None
    assert head.facts.checksum == full(algorithm, b"content")


def test_head_is_pinned_by_etag(subject: Subject) -> None:
    uploaded = subject.put("object")
    head = subject.store.head(subject.plain, uploaded.key, if_match=uploaded.etag)
    assert head is not None
    with pytest.raises(PreconditionFailed):
        subject.store.head(subject.plain, uploaded.key, if_match="0" * 32)


def test_head_is_pinned_by_version(subject: Subject) -> None:
    first = subject.put("object", b"first", subject.versioned)
    second = subject.put("object", b"second", subject.versioned)
    assert first.version_id != second.version_id
    first_version = subject.store.head(subject.versioned, first.key, version_id=first.version_id)
    assert first_version is not None
    assert (first_version.facts.etag, first_version.facts.size, first_version.facts.version_id) == (
        first.etag,
        5,
        first.version_id,
    )
    current = subject.store.head(subject.versioned, first.key)
    assert current is not None
    assert (current.facts.etag, current.facts.version_id) == (second.etag, second.version_id)


def test_pinned_version_outlives_a_delete_marker(subject: Subject) -> None:
    uploaded = subject.put("object", b"first", subject.versioned)
    subject.store.delete(subject.versioned, uploaded.key)
    assert subject.store.head(subject.versioned, uploaded.key) is None
    assert subject.store.head(subject.versioned, uploaded.key, version_id=uploaded.version_id) is not None


def test_head_of_a_part(subject: Subject) -> None:
    large = subject.large(multipart_born=True)
    first = subject.store.head(subject.plain, large.key, part_number=1)
    last = subject.store.head(subject.plain, large.key, part_number=2)
    assert first is not None
    assert last is not None
    assert (first.facts.size, first.parts_count) == (PART_BYTES, 2)
    assert (last.facts.size, last.parts_count) == (len(large.body) - PART_BYTES, 2)
    assert first.facts.etag == large.etag


def test_part_sizes(subject: Subject) -> None:
    large = subject.large(multipart_born=True)
    assert list(subject.store.part_sizes(subject.plain, large.key)) == [PART_BYTES, len(large.body) - PART_BYTES]


def test_part_sizes_are_unknown_of_an_object_put_whole(subject: Subject) -> None:
    uploaded = subject.put("object")
    assert list(subject.store.part_sizes(subject.plain, uploaded.key)) == []
    assert list(subject.store.part_sizes(subject.plain, subject.key("missing"))) == []


def test_tags(subject: Subject) -> None:
    tags = {"owner": "EFT", "kind": "daily report", "path": "a/b+c=d:e@f_g-h.i"}
    uploaded = subject.put("object", tags=tags)
    bare = subject.put("bare")
    assert subject.store.tags(subject.plain, uploaded.key) == tags
    assert subject.store.tags(subject.plain, bare.key) == {}


def test_head_counts_the_tags(subject: Subject) -> None:
    uploaded = subject.put("object", tags={"owner": "EFT", "kind": "report"})
    head = subject.store.head(subject.plain, uploaded.key)
    assert head is not None
    assert head.tags_count == 2


@pytest.mark.parametrize(
    ("first_byte", "last_byte", "body"),
    [(0, 0, b"c"), (2, 4, b"nte"), (0, 6, b"content"), (5, 6, b"nt"), (5, 1000, b"nt")],
)
def test_read_a_range(subject: Subject, first_byte: int, last_byte: int, body: bytes) -> None:
    uploaded = subject.put("object", b"content")
    assert subject.store.read(subject.plain, uploaded.key, uploaded.etag, first_byte, last_byte) == body


def test_read_beyond_the_end(subject: Subject) -> None:
    uploaded = subject.put("object", b"content")
    with pytest.raises(Permanent):
        subject.store.read(subject.plain, uploaded.key, uploaded.etag, 7, 9)


def test_read_what_is_not_there_any_more(subject: Subject) -> None:
    uploaded = subject.put("object", b"content")
    subject.put("object", b"another")
    with pytest.raises(PreconditionFailed):
        subject.store.read(subject.plain, uploaded.key, uploaded.etag, 0, 6)
    subject.outside.remove(subject.plain, uploaded.key)
    with pytest.raises(NotFound):
        subject.store.read(subject.plain, uploaded.key, uploaded.etag, 0, 6)


def test_read_a_version(subject: Subject) -> None:
    old = subject.outside.put(subject.versioned, subject.key("object"), b"content")
    subject.outside.put(subject.versioned, old.key, b"another")
    assert subject.store.read(subject.versioned, old.key, old.etag, 0, 3, version_id=old.version_id) == b"cont"
    with pytest.raises(PreconditionFailed):
        subject.store.read(subject.versioned, old.key, old.etag, 0, 3)


# --- list ---------------------------------------------------------------------------------------------------------


def listed(subject: Subject, prefix: str, start_after: str = "", limit: int = 1000) -> list[str]:
    """Return the keys of all pages."""
    keys: list[str] = []
    while True:
        page = subject.store.list(subject.plain, prefix, start_after=start_after, limit=limit)
        assert len(page.objects) <= limit
        keys += [facts.key for facts in page.objects]
        if not page.truncated:
            return keys
        start_after = page.objects[-1].key


def test_list_shows_the_facts(subject: Subject) -> None:
    uploaded = subject.put("object", b"content")
    page = subject.store.list(subject.plain, subject.prefix)
    head = subject.store.head(subject.plain, uploaded.key)
    assert head is not None
    (facts,) = page.objects
    assert not page.truncated
    assert (facts.key, facts.size, facts.etag, facts.storage_class) == (uploaded.key, 7, uploaded.etag, "STANDARD")
    assert facts.version_id is None
    assert facts.encryption is None
    assert abs(facts.last_modified_ms - head.facts.last_modified_ms) <= 1000


def test_list_names_the_checksum(subject: Subject) -> None:
    subject.put("object")
    (facts,) = subject.store.list(subject.plain, subject.prefix).objects
    assert facts.checksum is not None
    assert (facts.checksum.algorithm, facts.checksum.type) == ("CRC64NVME", ChecksumType.FULL_OBJECT)
    assert facts.checksum.value == ""


def test_list_shows_only_the_prefix(subject: Subject) -> None:
    for name in ("in/a", "in/b/c", "inner", "out/a"):
        subject.put(name)
    assert listed(subject, subject.key("in/")) == [subject.key("in/a"), subject.key("in/b/c")]
    assert listed(subject, subject.key("in")) == [subject.key(name) for name in ("in/a", "in/b/c", "inner")]
    assert listed(subject, subject.key("nothing")) == []


def test_list_is_in_the_order_of_utf8_bytes(subject: Subject) -> None:
    for name in reversed(SORTED_NAMES):
        subject.put(name)
    assert listed(subject, subject.prefix) == [subject.key(name) for name in SORTED_NAMES]


def test_list_starts_after_any_key(subject: Subject) -> None:
    for name in SORTED_NAMES:
        subject.put(name)
    keys = [subject.key(name) for name in SORTED_NAMES]
    for index, key in enumerate(keys):
        assert listed(subject, subject.prefix, start_after=key) == keys[index + 1 :]
    assert listed(subject, subject.prefix, start_after=subject.key("a,")) == keys[keys.index(subject.key("a-")) :]
    assert listed(subject, subject.prefix, start_after=subject.key("b")) == []


def test_list_pages(subject: Subject) -> None:
    keys = [subject.put(f"object-{number}").key for number in range(7)]
    first_page = subject.store.list(subject.plain, subject.prefix, limit=3)
    assert [facts.key for facts in first_page.objects] == keys[:3]
    assert first_page.truncated
    assert listed(subject, subject.prefix, limit=3) == keys
    # A page that ends exactly at the last key says that no page follows.
    assert not subject.store.list(subject.plain, subject.prefix, limit=7).truncated
    assert not subject.store.list(subject.plain, subject.prefix, start_after=keys[3], limit=3).truncated


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_key(subject: Subject, name: str) -> None:
    key = subject.key(ODD_NAMES[name])
    subject.store.create(subject.plain, key, b"content")
    assert subject.store.get(subject.plain, key) == b"content"
    head = subject.store.head(subject.plain, key)
    assert head is not None
    assert listed(subject, subject.prefix) == [key]
    assert listed(subject, key) == [key]
    twin = f"{key}-copy"
    subject.store.copy(SourceRef(subject.plain, key, head.facts.etag), subject.plain, twin, None, Placement())
    assert listed(subject, subject.prefix) == [key, twin]
    subject.store.delete(subject.plain, key)
    assert listed(subject, subject.prefix) == [twin]


def test_longest_key(subject: Subject) -> None:
    key = subject.prefix + "é" * ((1024 - len(subject.prefix)) // 2)
    key += "x" * (1024 - len(key.encode()))
    subject.store.create(subject.plain, key, b"content")
    assert subject.store.get(subject.plain, key) == b"content"
    assert listed(subject, subject.prefix) == [key]


def test_key_that_is_too_long(subject: Subject) -> None:
    key = subject.prefix + "x" * (1025 - len(subject.prefix))
    with pytest.raises(Permanent):
        subject.store.create(subject.plain, key, b"content")


# --- refusals -----------------------------------------------------------------------------------------------------


def test_missing_bucket(subject: Subject) -> None:
    with pytest.raises(NoSuchBucket):
        subject.store.list(subject.missing, "")
    with pytest.raises(NoSuchBucket):
        subject.store.get(subject.missing, "key")
    # A HEAD answer has no body, so it can't name the error.
    assert subject.store.head(subject.missing, "key") is None


def test_write_to_a_missing_bucket(subject: Subject) -> None:
    uploaded = subject.put("object")
    source = SourceRef(subject.plain, uploaded.key, uploaded.etag)
    with pytest.raises(NoSuchBucket):
        subject.store.create(subject.missing, "key", b"content")
    with pytest.raises(NoSuchBucket):
        subject.store.copy(source, subject.missing, "key", None, Placement())
    with pytest.raises(NoSuchBucket):
        subject.store.create_upload(subject.missing, "key", Properties(), {}, Placement(), None)


def test_copy_from_a_missing_bucket(subject: Subject) -> None:
    key = subject.key("copy")
    with pytest.raises(NoSuchBucket):
        subject.store.copy(SourceRef(subject.missing, "key", "0" * 32), subject.plain, key, None, Placement())
    assert subject.store.head(subject.plain, key) is None


def test_stranger_is_denied(subject: Subject) -> None:
    uploaded = subject.put("object")
    key = subject.key("intruder")
    source = SourceRef(subject.plain, uploaded.key, uploaded.etag)
    refused: list[Callable[[], object]] = [
        lambda: subject.stranger.head(subject.plain, uploaded.key),
        lambda: subject.stranger.get(subject.plain, uploaded.key),
        lambda: subject.stranger.read(subject.plain, uploaded.key, uploaded.etag, 0, 1),
        lambda: subject.stranger.list(subject.plain, ""),
        lambda: subject.stranger.create(subject.plain, key, b"content"),
        lambda: subject.stranger.copy(source, subject.plain, key, None, Placement()),
    ]
    for call in refused:
        with pytest.raises(Denied):
            call()
    assert subject.store.head(subject.plain, key) is None


def test_bucket_of_another_owner_is_denied(subject: Subject) -> None:
    uploaded = subject.put("object")
    foreign = Bucket(subject.plain.name, subject.plain.region, owner="999999999999")
    key = subject.key("copy")
    refused: list[Callable[[], object]] = [
        lambda: subject.store.list(foreign, ""),
        lambda: subject.store.copy(
            SourceRef(foreign, uploaded.key, uploaded.etag), subject.plain, key, None, Placement()
        ),
        lambda: subject.store.copy(
            SourceRef(subject.plain, uploaded.key, uploaded.etag), foreign, key, None, Placement()
        ),
    ]
    for call in refused:
        with pytest.raises(Denied):
            call()
    assert subject.store.head(subject.plain, key) is None


# --- buckets ------------------------------------------------------------------------------------------------------


def test_a_bucket_says_where_it_is_and_what_its_tags_are(subject: Subject) -> None:
    for bucket in (subject.plain, subject.versioned):
        subject.outside.tag(bucket, {})
        assert subject.store.describe(bucket) == BucketFacts(bucket.region, {})
        subject.outside.tag(bucket, {"eft-tenants": "acme other", "env": "é"})
        assert subject.store.describe(bucket).tags == {"eft-tenants": "acme other", "env": "é"}
    subject.outside.tag(subject.plain, {})


def test_a_bucket_says_whether_it_keeps_versions(subject: Subject) -> None:
    assert subject.store.versioning(subject.plain) is Versioning.NEVER
    assert subject.store.versioning(subject.versioned) is Versioning.ENABLED
    assert subject.store.versioning(subject.suspended) is Versioning.SUSPENDED


def test_a_missing_bucket_keeps_no_versions_that_anybody_could_tell_of(subject: Subject) -> None:
    with pytest.raises(NoSuchBucket):
        subject.store.versioning(subject.missing)


def test_another_owners_bucket_does_not_say_whether_it_keeps_versions(subject: Subject) -> None:
    with pytest.raises((Denied, NoSuchBucket)):
        subject.store.versioning(Bucket(subject.plain.name, subject.plain.region, owner="999999999999"))


def test_a_missing_bucket_says_nothing(subject: Subject) -> None:
    with pytest.raises(NoSuchBucket):
        subject.store.describe(subject.missing)


def test_another_owners_bucket_says_nothing(subject: Subject) -> None:
    with pytest.raises((Denied, NoSuchBucket)):
        subject.store.describe(Bucket(subject.plain.name, subject.plain.region, owner="999999999999"))


def test_a_stranger_is_told_nothing_of_a_bucket(subject: Subject) -> None:
    with pytest.raises((Denied, NoSuchBucket)):
        subject.stranger.describe(subject.plain)
