"""What arrives is what was at the source: bytes, properties, tags, storage class and encryption, by one copy or by
parts."""

from dataclasses import replace

import pytest

from chalicelib.core.jobs import JobSpec, JobState
from chalicelib.core.objects import Bucket, Properties
from chalicelib.core.rows import Outcome, Verification
from simulation.memory.env import EAST, ENDPOINTS, SOURCE, TARGET, WEST
from simulation.memory.operations import Operation
from tests.steps.world import World

SMALL_BODY, LARGE = b"small", bytes(range(100))
PROPERTIES = Properties(
    content_type="application/x-thing",
    content_encoding="gzip",
    content_language="de",
    content_disposition='attachment; filename="ü.txt"',
    cache_control="max-age=60",
    expires="Thu, 01 Jan 2032 00:00:00 GMT",
    metadata={"owner": "somebody", "empty": ""},
)
TAGS = {"project": "x", "cost": "1+1=2 %"}


def run(world: World) -> JobSpec:
    spec = world.submit("a/", "b/")
    world.settle()
    assert world.dead_letters == []
    return spec


@pytest.mark.parametrize("body", [b"", SMALL_BODY, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_properties_and_tags(body: bytes, encryption: str) -> None:
    world = World(encryption=encryption)
    world.put("in/a/object", body, properties=PROPERTIES, tags=TAGS)
    assert world.terminal(run(world)).state is JobState.SUCCEEDED
    (version,) = world.written("out/b/object")
    assert (version.body, version.properties, version.tags) == (body, PROPERTIES, TAGS)


@pytest.mark.parametrize("storage_class", ["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR"])
@pytest.mark.parametrize("body", [SMALL_BODY, LARGE], ids=["small", "large"])
def test_the_storage_class(body: bytes, storage_class: str) -> None:
    world = World()
    world.put("in/a/object", body, storage_class=storage_class)
    run(world)
    assert [version.storage_class for version in world.written("out/b/object")] == [storage_class]


@pytest.mark.parametrize("body", [SMALL_BODY, LARGE], ids=["small", "large"])
def test_the_target_endpoints_key(body: bytes) -> None:
    world = World(endpoints={**ENDPOINTS, "target-east": replace(ENDPOINTS["target-east"], kms_key="key-1")})
    world.put("in/a/object", body)
    spec = run(world)
    (version,) = world.written("out/b/object")
    assert version.encryption == "aws:kms"
    assert world.rows(spec)["in/a/object"].verification is Verification.CHECKSUM
    assert world.terminal(spec).state is JobState.SUCCEEDED


@pytest.mark.parametrize("body", [SMALL_BODY, LARGE], ids=["small", "large"])
def test_a_website_redirect(body: bytes) -> None:
    world = World(endpoints={**ENDPOINTS, "source-west": replace(ENDPOINTS["source-west"], website=True)})
    world.put("in/a/object", body, properties=replace(PROPERTIES, redirect="/elsewhere"))
    run(world)
    assert [version.properties.redirect for version in world.written("out/b/object")] == ["/elsewhere"]


@pytest.mark.parametrize("body", [SMALL_BODY, LARGE], ids=["small", "large"])
def test_a_requester_pays_source_of_another_account(body: bytes) -> None:
    theirs = Bucket("theirs", WEST, "999999999999", requester_pays=True)
    world = World(endpoints={**ENDPOINTS, "source-west": replace(ENDPOINTS["source-west"], bucket=theirs)}, feeds={})
    world.store.make_bucket(theirs)
    world.put("in/a/object", body, theirs)
    spec = run(world)
    assert world.outcomes(spec) == {"in/a/object": Outcome.COPIED}


# --- by what a copy is verified -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
@pytest.mark.parametrize(
    ("body", "part_sizes", "algorithm", "composite", "verification"),
    [
        (SMALL_BODY, (), "CRC64NVME", False, {"AES256": "etag", "aws:kms": "checksum"}),
        (SMALL_BODY, (), None, False, {"AES256": "etag", "aws:kms": "size"}),
        (LARGE, (), "CRC64NVME", False, {"AES256": "checksum", "aws:kms": "checksum"}),
        (LARGE, (60, 40), "CRC64NVME", False, {"AES256": "checksum", "aws:kms": "checksum"}),
        (LARGE, (60, 40), "CRC32", False, {"AES256": "checksum", "aws:kms": "checksum"}),
        # Without a full-object checksum the source's own boundaries are repeated, so that the ETags agree.
        (LARGE, (60, 40), None, False, {"AES256": "etag", "aws:kms": "size"}),
        (LARGE, (60, 40), "SHA256", True, {"AES256": "etag", "aws:kms": "size"}),
        (LARGE, (10,) * 10, None, False, {"AES256": "etag", "aws:kms": "size"}),
        (SMALL_BODY, (3, 2), "CRC64NVME", False, {"AES256": "checksum", "aws:kms": "checksum"}),
        (SMALL_BODY, (3, 2), None, False, {"AES256": "etag", "aws:kms": "size"}),
        (SMALL_BODY, (5,), None, False, {"AES256": "etag", "aws:kms": "size"}),
        # An object of one part without a checksum: only CopyObject keeps an ETag that can be compared.
        (LARGE, (), None, False, {"AES256": "etag", "aws:kms": "size"}),
    ],
)
def test_verification(
    body: bytes,
    part_sizes: tuple[int, ...],
    algorithm: str | None,
    composite: bool,
    verification: dict[str, str],
    encryption: str,
) -> None:
    """A second run recognises each copy that can be recognised."""
    world = World(encryption=encryption)
    world.put("in/a/object", body, part_sizes=part_sizes, algorithm=algorithm, composite=composite)
    spec = run(world)
    row = world.rows(spec)["in/a/object"]
    assert (row.outcome, row.verification) == (Outcome.COPIED, Verification(verification[encryption]))
    assert world.body("out/b/object") == body
    proven = row.verification is not Verification.SIZE
    assert world.terminal(spec).state is (JobState.SUCCEEDED if proven else JobState.PARTIAL)
    second_spec = world.submit("a/", "b/", token="again")
    world.settle()
    assert world.outcomes(second_spec) == {"in/a/object": Outcome.UNCHANGED if proven else Outcome.COPIED}


def test_the_receipt_keeps_the_evidence() -> None:
    world = World()
    source = world.put("in/a/object", LARGE)
    spec = run(world)
    (written,) = world.written("out/b/object")
    row = world.rows(spec)["in/a/object"]
    assert (row.etag, row.version_id, row.checksum) == (written.etag, written.version_id, source.checksum)
    assert row.etag != source.etag


def test_no_byte_goes_through_us() -> None:
    world = World()
    world.put("in/a/small", SMALL_BODY)
    world.put("in/a/large", LARGE)
    run(world)
    for bucket in (SOURCE[WEST], TARGET[EAST]):
        assert world.store.requests[Operation.GET, bucket.name] == 0
        assert world.store.requests[Operation.PUT, bucket.name] == 0
