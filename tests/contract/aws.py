"""Real AWS, where it is given: EFT_AWS_REGION and credentials in the environment. Tables and queues are made for each
test and removed after it."""

import os

import pytest

REGION = os.environ.get("EFT_AWS_REGION", "")
PARAMS = ("aws",) if REGION else ()


def skip_without() -> None:
    """One skipped test says for a whole suite that it has not run over AWS."""
    if not REGION:
        pytest.skip("the suite runs over AWS only where EFT_AWS_REGION and credentials are given")
