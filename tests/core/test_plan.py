"""The decision about one object: modes, destination states, storage classes, forms of ETags, key lengths."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.endpoints import Endpoint
from chalicelib.core.objects import Bucket, Checksum, ChecksumType, ObjectFacts, ObjectHead, Properties
from chalicelib.core.plan import Look, ObjectPair, look_needed, needs_part_sizes, plan_row, target_key
from chalicelib.core.policy import (
    COPY_OBJECT_MAX_BYTES,
    GIB,
    MIB,
    OBJECT_MAX_BYTES,
    PART_MAX_BYTES,
    PARTS_MAX,
    Policy,
)
from chalicelib.core.rows import Method, Outcome, OverwriteMode, PartPlan, Row, Verification

A, B = "a" * 32, "b" * 32
POLICY = Policy()
SOURCE = Endpoint("source", "acme", Bucket("source", "us-gov-west-1"), "in/", readable=True, writable=False)
CRC = Checksum("CRC64NVME", ChecksumType.FULL_OBJECT, "x")
LARGE = 300 * MIB


def facts(
    etag: str = A,
    size: int = 5,
    *,
    key: str = "in/key",
    checksum: Checksum | None = None,
    encryption: str | None = None,
    storage_class: str = "STANDARD",
    restored: bool = False,
) -> ObjectFacts:
    return ObjectFacts(key, size, etag, storage_class, 0, checksum, None, encryption, restored)


def listed(checksum: Checksum | None) -> Checksum | None:
    return replace(checksum, value="") if checksum else None


def headed(source: ObjectFacts, parts: tuple[int, ...] = (), redirect: str | None = None) -> ObjectPair:
    """Return the pair as it is after a HEAD of the source."""
    head_facts = replace(source, encryption="AES256")
    return ObjectPair(head_facts, None, ObjectHead(head_facts, Properties(redirect=redirect)), parts)


def row(pair: ObjectPair, mode: OverwriteMode = OverwriteMode.IF_CHANGED, target: str = "out/key") -> Row:
    return plan_row(pair, target, mode, POLICY)


# --- which looks are needed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "destination", "mode", "look"),
    [
        # LIST is enough for a plain small object, if nothing is at the target, or the same.
        (facts(), None, OverwriteMode.IF_CHANGED, None),
        (facts(), facts(), OverwriteMode.IF_CHANGED, None),
        (facts(), facts(size=6), OverwriteMode.IF_CHANGED, None),
        (facts(f"{A}-2"), facts(f"{A}-2"), OverwriteMode.IF_CHANGED, None),
        # LIST can't tell whether it is the same.
        (facts(), facts(B), OverwriteMode.IF_CHANGED, Look.BOTH),
        (facts(), facts(B), OverwriteMode.FAIL, Look.BOTH),
        (facts(f"{A}-2"), facts(B), OverwriteMode.IF_CHANGED, Look.BOTH),
        # The destination was looked at by HEAD already, but the source was not.
        (facts(), facts(B, encryption="aws:kms", checksum=CRC), OverwriteMode.IF_CHANGED, Look.BOTH),
        # The target doesn't matter in these modes.
        (facts(), facts(B), OverwriteMode.NEVER, None),
        (facts(f"{A}-2"), facts(B), OverwriteMode.NEVER, None),
        (facts(), facts(B), OverwriteMode.ALWAYS, None),
        # It is to be copied, but one plain CopyObject without further questions is not enough.
        (facts(f"{A}-2"), None, OverwriteMode.IF_CHANGED, Look.SOURCE),
        (facts("opaque"), None, OverwriteMode.IF_CHANGED, Look.SOURCE),
        (facts(size=LARGE), None, OverwriteMode.IF_CHANGED, Look.SOURCE),
        (facts(f"{A}-2"), facts(f"{A}-2"), OverwriteMode.ALWAYS, Look.SOURCE),
        # It is refused anyway.
        (facts(storage_class="GLACIER", size=LARGE), facts(B), OverwriteMode.IF_CHANGED, None),
    ],
)
def test_looks(source: ObjectFacts, destination: ObjectFacts | None, mode: OverwriteMode, look: Look | None) -> None:
    assert look_needed(ObjectPair(source, destination), mode, SOURCE, POLICY) is look


def test_a_source_with_website_redirects_is_looked_at_always() -> None:
    website = replace(SOURCE, website=True)
    assert look_needed(ObjectPair(facts(), None), OverwriteMode.IF_CHANGED, website, POLICY) is Look.SOURCE
    looked = headed(facts(), redirect="/elsewhere")
    assert look_needed(looked, OverwriteMode.IF_CHANGED, website, POLICY) is None
    assert row(looked).redirect == "/elsewhere"


# --- modes --------------------------------------------------------------------------------------------------------

SAME, OTHER = facts(encryption="AES256"), facts(B, encryption="AES256")


@pytest.mark.parametrize(
    ("mode", "destination", "outcome"),
    [
        (OverwriteMode.IF_CHANGED, None, None),
        (OverwriteMode.IF_CHANGED, SAME, Outcome.UNCHANGED),
        (OverwriteMode.IF_CHANGED, OTHER, None),
        (OverwriteMode.NEVER, None, None),
        (OverwriteMode.NEVER, SAME, Outcome.UNCHANGED),
        (OverwriteMode.NEVER, OTHER, Outcome.UNCHANGED),
        (OverwriteMode.ALWAYS, None, None),
        (OverwriteMode.ALWAYS, SAME, None),
        (OverwriteMode.ALWAYS, OTHER, None),
        (OverwriteMode.FAIL, None, None),
        (OverwriteMode.FAIL, SAME, Outcome.UNCHANGED),
        (OverwriteMode.FAIL, OTHER, Outcome.DESTINATION_CONFLICT),
    ],
)
def test_modes(mode: OverwriteMode, destination: ObjectFacts | None, outcome: Outcome | None) -> None:
    planned = row(replace(headed(facts()), destination=destination), mode)
    assert planned.expected_target_etag == (destination.etag if destination else None), "the precondition is pinned"
    assert (planned.decided.outcome if planned.decided else None) is outcome
    assert planned.method is (Method.COPY if outcome is None else Method.NONE)


def test_the_same_by_checksum_is_unchanged_and_says_so() -> None:
    source = facts(f"{A}-2", checksum=CRC)
    destination = facts(B, checksum=CRC, encryption="AES256")
    decided = row(replace(headed(source), destination=destination)).decided
    assert decided is not None
    assert (decided.outcome, decided.verification, decided.checksum) == (
        Outcome.UNCHANGED,
        Verification.CHECKSUM,
        CRC,
    )


def test_what_can_not_be_told_apart_is_copied_never_taken_for_the_same() -> None:
    planned = row(replace(headed(facts(f"{A}-2")), destination=facts(B, encryption="AES256")))
    assert planned.decided is None
    assert planned.expected_target_etag == B


# --- methods ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "parts", "method", "runs"),
    [
        (facts(), (), Method.COPY, None),
        (facts(size=0), (), Method.COPY, None),
        (facts(size=POLICY.multipart_threshold_bytes, checksum=CRC), (), Method.COPY, None),
        (facts(f"{A}-2", checksum=CRC), (), Method.COPY, None),
        (facts(f"{A}-2", size=LARGE, checksum=CRC), (), Method.MULTIPART, ((64 * MIB, 4), (44 * MIB, 1))),
        (facts(size=LARGE, checksum=CRC), (), Method.MULTIPART, ((64 * MIB, 4), (44 * MIB, 1))),
        # It was uploaded in parts, without a full-object checksum. Its own boundaries are used, small or large.
        (facts(f"{A}-2", size=8), (5, 3), Method.MULTIPART, ((5, 1), (3, 1))),
        (facts(f"{A}-3", size=30), (10, 10, 10), Method.MULTIPART, ((10, 3),)),
        # S3 doesn't know the boundaries. It is copied by one copy while that is possible, and only its size can be
        # checked.
        (facts(f"{A}-2", size=8), (), Method.COPY, None),
        # It has one part and no checksum. Only CopyObject keeps the ETag, up to its limit.
        (facts(size=LARGE), (), Method.COPY, None),
        (facts(size=COPY_OBJECT_MAX_BYTES), (), Method.COPY, None),
        (facts(f"{A}-90", size=6 * GIB), (), Method.MULTIPART, ((64 * MIB, 96),)),
    ],
)
def test_methods(
    source: ObjectFacts, parts: tuple[int, ...], method: Method, runs: tuple[tuple[int, int], ...] | None
) -> None:
    planned = row(headed(source, parts))
    assert planned.method is method
    assert planned.parts == (None if runs is None else PartPlan(runs))


@pytest.mark.parametrize(
    ("etag", "checksum", "needed"),
    [
        (A, None, False),
        (f"{A}-2", None, True),
        (f"{A}-2", CRC, False),
        (f"{A}-2", replace(CRC, type=ChecksumType.COMPOSITE), True),
        ("opaque", None, False),
    ],
)
def test_when_the_sources_own_parts_matter(etag: str, checksum: Checksum | None, needed: bool) -> None:
    assert needs_part_sizes(ObjectHead(facts(etag, checksum=checksum), Properties())) is needed


def test_a_checksum_of_which_only_the_existence_is_known_is_not_pinned() -> None:
    assert row(ObjectPair(facts(checksum=listed(CRC)), None)).checksum is None
    assert row(headed(facts(checksum=CRC))).checksum == CRC


def test_what_was_seen_last_is_pinned() -> None:
    """The object was overwritten between LIST and HEAD."""
    newer = replace(facts(B, size=7), version_id="v2", last_modified_ms=9, encryption="AES256")
    planned = row(ObjectPair(newer, None, ObjectHead(newer, Properties())))
    assert (planned.source_etag, planned.size, planned.version_id, planned.modified_ms) == (B, 7, "v2", 9)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("storage_class", "restored", "outcome"),
    [
        ("GLACIER", False, Outcome.ARCHIVED),
        ("DEEP_ARCHIVE", False, Outcome.ARCHIVED),
        ("GLACIER", True, None),
        ("DEEP_ARCHIVE", True, None),
        ("GLACIER_IR", False, None),
        ("STANDARD_IA", False, None),
        ("INTELLIGENT_TIERING", False, None),
    ],
)
def test_storage_classes(storage_class: str, restored: bool, outcome: Outcome | None) -> None:
    planned = row(ObjectPair(facts(storage_class=storage_class, restored=restored), None))
    assert (planned.decided.outcome if planned.decided else None) is outcome
    assert planned.storage_class == storage_class


@pytest.mark.parametrize("character", ["x", "ü", "€", "\U0001f600"])
def test_key_lengths(character: str) -> None:
    width = len(character.encode())
    fits = "x" * (1024 % width) + character * (1024 // width)
    assert len(fits.encode()) == 1024
    assert row(ObjectPair(facts(), None), target=fits).decided is None
    decided = row(ObjectPair(facts(), None), target=fits + "x").decided
    assert decided is not None
    assert decided.outcome is Outcome.FAILED
    assert "1025 bytes" in decided.detail


@given(st.text(max_size=5), st.text(max_size=5), st.lists(st.text(max_size=4), max_size=8, unique=True))
def test_target_keys_are_unique_and_keep_their_order(source: str, target: str, tails: list[str]) -> None:
    keys = sorted(source + tail for tail in tails)
    targets = [target_key(key, source, target) for key in keys]
    assert targets == sorted(targets)
    assert len(set(targets)) == len(keys)
    assert [target_key(key, target, source) for key in targets] == keys


# --- too large ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [OBJECT_MAX_BYTES + 1, 100 * OBJECT_MAX_BYTES])
def test_larger_than_s3_stores_fails_its_row(size: int) -> None:
    pair = ObjectPair(facts(size=size), None)
    assert look_needed(pair, OverwriteMode.IF_CHANGED, SOURCE, POLICY) is None, "no look would help"
    decided = row(pair).decided
    assert decided is not None
    assert decided.outcome is Outcome.FAILED
    assert str(OBJECT_MAX_BYTES) in decided.detail


def test_the_largest_that_s3_stores_is_planned() -> None:
    planned = row(headed(facts(size=OBJECT_MAX_BYTES, checksum=CRC)))
    assert planned.decided is None
    assert planned.parts == PartPlan(((PART_MAX_BYTES, PARTS_MAX),))


def test_larger_than_the_operator_wants() -> None:
    policy = Policy(object_max_bytes=10)
    assert plan_row(ObjectPair(facts(size=10), None), "t", OverwriteMode.IF_CHANGED, policy).decided is None
    decided = plan_row(ObjectPair(facts(size=11), None), "t", OverwriteMode.IF_CHANGED, policy).decided
    assert decided is not None
    assert decided.detail == "it has 11 bytes, and at most 10 can be copied"


def test_of_more_parts_than_s3_takes() -> None:
    pair = headed(facts(f"{A}-2", size=6 * PARTS_MAX), (6,) * (PARTS_MAX + 1))
    decided = row(pair).decided
    assert decided is not None
    assert decided.outcome is Outcome.FAILED


# --- every object -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("destination", "look"), [(None, Look.SOURCE), (facts(), None), (facts(B), Look.BOTH), (facts(size=6), Look.SOURCE)]
)
def test_every_object_that_would_be_copied_is_looked_at(destination: ObjectFacts | None, look: Look | None) -> None:
    pair = ObjectPair(facts(), destination)
    assert look_needed(pair, OverwriteMode.IF_CHANGED, SOURCE, POLICY, every_object=True) is look
