"""Whether a destination object is the pinned source: equality is proven or denied, never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.identity import Match, compare_checksums, etag_parts, recognise
from chalicelib.core.objects import Checksum, ChecksumType, ObjectFacts
from chalicelib.core.rows import Verification

A, B = "a" * 32, "b" * 32
A2, B2, A3 = f"{A}-2", f"{B}-2", f"{A}-3"
FULL, COMPOSITE = ChecksumType.FULL_OBJECT, ChecksumType.COMPOSITE


def crc(value: str, algorithm: str = "CRC64NVME", kind: ChecksumType = FULL) -> Checksum:
    return Checksum(algorithm, kind, value)


def facts(etag: str, size: int = 5, checksum: Checksum | None = None, encryption: str | None = "AES256") -> ObjectFacts:
    return ObjectFacts("key", size, etag, checksum=checksum, encryption=encryption)


@pytest.mark.parametrize(
    ("source", "destination", "match"),
    [
        # The sizes differ, so nothing else matters.
        (facts(A, size=5), facts(A, size=6), Match.DIFFERENT),
        (facts(A, 5, crc("x")), facts(A, 6, crc("x")), Match.DIFFERENT),
        # Equal ETags prove equality, whatever their form or the encryption.
        (facts(A), facts(A), Match.SAME_BY_ETAG),
        (facts(A2), facts(A2), Match.SAME_BY_ETAG),
        (facts("opaque"), facts("opaque"), Match.SAME_BY_ETAG),
        (facts(A, encryption="aws:kms"), facts(A, encryption="aws:kms"), Match.SAME_BY_ETAG),
        # Two plain MD5s of known encryption prove difference.
        (facts(A), facts(B), Match.DIFFERENT),
        (facts(A, encryption=""), facts(B, encryption=""), Match.DIFFERENT),
        # LIST doesn't show the encryption: an ETag that looks like an MD5 may be opaque.
        (facts(A, encryption=None), facts(B), Match.UNKNOWN),
        (facts(A), facts(B, encryption=None), Match.UNKNOWN),
        (facts(A, encryption="aws:kms"), facts(B), Match.UNKNOWN),
        (facts(A), facts(B, encryption="aws:kms:dsse"), Match.UNKNOWN),
        # Multipart ETags depend on the boundaries.
        (facts(A2), facts(B2), Match.UNKNOWN),
        (facts(A2), facts(A3), Match.UNKNOWN),
        (facts(A2), facts(B), Match.UNKNOWN),
        (facts(A), facts(B2), Match.UNKNOWN),
        (facts("opaque"), facts(B), Match.UNKNOWN),
        # Full-object checksums of one algorithm decide.
        (facts(A2, 5, crc("x")), facts(B, 5, crc("x")), Match.SAME_BY_CHECKSUM),
        (facts(A2, 5, crc("x")), facts(B, 5, crc("y")), Match.DIFFERENT),
        (facts(A, 5, crc("x"), "aws:kms"), facts(B, 5, crc("x"), "aws:kms"), Match.SAME_BY_CHECKSUM),
        # Other checksums don't: another algorithm, none on one side, or one whose value is unknown.
        (facts(A2, 5, crc("x")), facts(B, 5, crc("x", "CRC32")), Match.UNKNOWN),
        (facts(A2, 5, crc("x")), facts(B), Match.UNKNOWN),
        (facts(A2, 5, crc("")), facts(B, 5, crc("")), Match.UNKNOWN),
        # Equal composite ones prove equality, different ones prove nothing. They are never compared with full-object
        # ones.
        (facts(A2, 5, crc("x-2", kind=COMPOSITE)), facts(B, 5, crc("x-2", kind=COMPOSITE)), Match.SAME_BY_CHECKSUM),
        (facts(A2, 5, crc("x-2", kind=COMPOSITE)), facts(B, 5, crc("y-2", kind=COMPOSITE)), Match.UNKNOWN),
        (facts(A2, 5, crc("x", kind=COMPOSITE)), facts(B, 5, crc("x")), Match.UNKNOWN),
        # Zero bytes are no exception.
        (facts(A, size=0), facts(B, size=0), Match.DIFFERENT),
    ],
)
def test_every_branch(source: ObjectFacts, destination: ObjectFacts, match: Match) -> None:
    assert recognise(source, destination) is match
    assert recognise(destination, source) is match, "recognition is symmetric"


etags = st.sampled_from([A, B, A2, B2, A3, "opaque", ""])
checksums = st.none() | st.builds(
    Checksum,
    st.sampled_from(["CRC64NVME", "CRC32", "SHA256"]),
    st.sampled_from(ChecksumType),
    st.sampled_from("xy") | st.just(""),
)
objects = st.builds(
    facts, etags, st.integers(0, 2), checksums, st.sampled_from([None, "", "AES256", "aws:kms", "aws:kms:dsse"])
)


@given(objects, objects)
def test_the_same_is_never_said_without_proof(source: ObjectFacts, destination: ObjectFacts) -> None:
    match = recognise(source, destination)
    if match.same:
        assert source.size == destination.size
        proven = source.checksum and destination.checksum and source.checksum.value == destination.checksum.value != ""
        assert source.etag == destination.etag or proven


@given(objects, objects)
def test_recognition_is_symmetric(left: ObjectFacts, right: ObjectFacts) -> None:
    assert recognise(left, right) is recognise(right, left)


@given(objects, st.integers(0, 2))
def test_equal_etag_and_size_is_the_same(source: ObjectFacts, size: int) -> None:
    assert recognise(source, ObjectFacts("other", source.size, source.etag)).same


@given(objects, objects)
def test_a_different_size_is_always_different(left: ObjectFacts, right: ObjectFacts) -> None:
    if left.size != right.size:
        assert recognise(left, right) is Match.DIFFERENT


@pytest.mark.parametrize(
    ("etag", "parts"),
    [
        (A, 0),
        (A2, 2),
        (f"{A}-10000", 10_000),
        *((shape, None) for shape in ("", A.upper(), A[1:], A + "a", f'"{A}"', f"{A}-", f"{A}-0", f"{A}-100000")),
    ],
)
def test_etag_shapes(etag: str, parts: int | None) -> None:
    assert etag_parts(etag) == parts


def test_comparing_checksums_says_whether_it_can() -> None:
    assert compare_checksums(None, crc("x")) is None
    assert compare_checksums(crc("x"), None) is None
    assert compare_checksums(crc("x"), crc("x")) is True
    assert compare_checksums(crc("x"), crc("y")) is False


def test_by_what_it_was_recognised() -> None:
    assert {match: match.verification for match in Match} == {
        Match.SAME_BY_ETAG: Verification.ETAG,
        Match.SAME_BY_CHECKSUM: Verification.CHECKSUM,
        Match.DIFFERENT: Verification.NONE,
        Match.UNKNOWN: Verification.NONE,
    }
