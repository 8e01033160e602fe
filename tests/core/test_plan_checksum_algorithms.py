"""Which checksum of a large source lets its copy be made of parts."""

import pytest

from chalicelib.core.objects import Checksum, ChecksumType, ObjectFacts, ObjectHead, Properties
from chalicelib.core.plan import ObjectPair, plan_row
from chalicelib.core.policy import Policy
from chalicelib.core.rows import Method, OverwriteMode

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
    pair = ObjectPair(facts, None, ObjectHead(facts, Properties(), 0, 0))
    assert plan_row(pair, "k", OverwriteMode.IF_CHANGED, Policy()).method is method
