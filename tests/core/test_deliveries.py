"""Which note of a delivery counts, and to which version a delivery belongs."""

from dataclasses import replace

import pytest

from chalicelib.core.lifecycles import DeliveryStatus
from chalicelib.core.rows import Method, Outcome, Row, RowOutcome, Verification
from chalicelib.core.verdict import pin_of
from chalicelib.protocol.deliveries import delivery_of, furthest
from simulation.memory.clock import VirtualClock
from simulation.memory.env import WEST, make_env, make_store
from tests.contract.items import delivery

QUEUED, COPIED, VERIFIED, FAILED = (DeliveryStatus(name) for name in ("QUEUED", "COPIED", "VERIFIED", "FAILED"))
ROW = Row("in/a", "out/a", 3, "0123", None, Method.COPY)


@pytest.mark.parametrize(
    ("earlier", "later", "believed"),
    [
        (VERIFIED, QUEUED, VERIFIED),
        (VERIFIED, FAILED, VERIFIED),
        (VERIFIED, COPIED, VERIFIED),
        (COPIED, FAILED, COPIED),
        (COPIED, QUEUED, COPIED),
        (QUEUED, COPIED, COPIED),
        (QUEUED, FAILED, FAILED),
        (FAILED, QUEUED, QUEUED),
    ],
)
def test_that_it_was_delivered_counts_whoever_says_so(
    earlier: DeliveryStatus, later: DeliveryStatus, believed: DeliveryStatus
) -> None:
    notes = [replace(delivery("k"), status=status, at_ms=at_ms) for at_ms, status in enumerate((earlier, later))]
    assert furthest(notes).status is furthest(notes[::-1]).status is believed


@pytest.mark.parametrize("verification", Verification)
def test_only_what_is_proven_is_verified(verification: Verification) -> None:
    clock = VirtualClock()
    env = make_env(WEST, make_store(clock), clock=clock)
    outcome = RowOutcome("in/a", Outcome.COPIED, etag="0123", verification=verification)
    note = delivery_of(env, "feed", ROW, outcome, job_id=None, verified=True)
    proven = verification in (Verification.ETAG, Verification.CHECKSUM)
    assert note.status is (VERIFIED if proven else COPIED)


def test_a_version_is_known_by_its_id_or_by_what_it_is_and_when_it_was_written() -> None:
    """ "null" is no version's own name: in a bucket whose versioning is suspended, each object has it."""
    assert pin_of(replace(ROW, version_id="v1", modified_ms=5)) == "v1"
    for version_id in (None, "null"):
        assert pin_of(replace(ROW, version_id=version_id, modified_ms=5)) == "0123@5"
