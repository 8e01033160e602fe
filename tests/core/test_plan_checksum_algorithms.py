"""Which checksum of a large source lets its copy be made of parts."""

import pytest

from chalicelib.core.model import Checksum, ChecksumType, Method, ObjectFacts, ObjectHead, OverwriteMode, Properties
from chalicelib.core.plan import Sight, plan_row
from chalicelib.core.policy import Policy

LARGE = 300 * 1024 * 1024


@pytest.mark.parametrize(
    ("algorithm", "method"),
    [
        ("CRC32", Method.MULTIPART),
        ("CRC32C", Method.MULTIPART),
        ("CRC64NVME", Method.MULTIPART),
        ("SHA1", Method.COPY),
        ("SHA256", Method.COPY),
    ],
)
def test_only_crcs_of_the_whole_can_be_restated_in_parts(algorithm, method):
    facts = ObjectFacts("k", LARGE, "0" * 32, checksum=Checksum(algorithm, ChecksumType.FULL_OBJECT, "AA=="))
    sight = Sight(facts, None, ObjectHead(facts, Properties(), 0, 0))
    assert plan_row(sight, "k", OverwriteMode.IF_CHANGED, Policy()).method is method
